/* tests/exporters/main_test.c - runs every group of the folder. */
#include "exporters_tests.h"

int main(void)
{
    int failed = run_round_trip_tests();
    failed += run_encode_tests();
    return failed != 0;
}
