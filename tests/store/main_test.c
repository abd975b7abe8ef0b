/* tests/store/main_test.c - runs every group of the folder. */
#include "store_tests.h"

int main(void)
{
    return run_rows_tests() != 0;
}
