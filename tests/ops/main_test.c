/* tests/ops/main_test.c - runs the groups of this folder. */
#include "ops_tests.h"

int main(void)
{
    int failed = registry_tests();
    failed += simplify_tests();
    failed += layout_tests();
    failed += join_tests();
    failed += late_tests();
    failed += cases_tests();
    return failed != 0;
}
