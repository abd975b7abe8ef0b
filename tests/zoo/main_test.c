/* tests/zoo/main_test.c - the zoo against published counts, and alive. */
#include "zoo_tests.h"

int main(void)
{
    return test_counts() + test_life();
}
