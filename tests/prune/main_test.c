/* tests/prune/main_test.c - runs every group of the folder. */
#include "prune_tests.h"

int main(void)
{
    return run_coupling_tests() != 0;
}
