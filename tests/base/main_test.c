/* tests/base/main_test.c - runs every group of the folder. */
#include "base_tests.h"

int main(void)
{
    int failed = run_err_tests() + run_mem_tests() + run_arena_tests() +
                 run_buf_tests() + run_file_tests() + run_text_tests() +
                 run_sha256_tests() + run_rng_tests() + run_stats_tests() +
                 run_par_tests() + run_clock_tests() + run_child_tests() +
                 run_thread_tests();
    return failed != 0;
}
