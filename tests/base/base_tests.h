/* tests/base/base_tests.h - the groups of tests that main_test.c runs. */
#ifndef COP_TESTS_BASE_TESTS_H
#define COP_TESTS_BASE_TESTS_H

#include "support/test.h"

/** Each returns how many of its tests failed. */
int run_err_tests(void);
int run_mem_tests(void);
int run_arena_tests(void);
int run_buf_tests(void);
int run_file_tests(void);
int run_text_tests(void);
int run_sha256_tests(void);
int run_rng_tests(void);
int run_stats_tests(void);
int run_par_tests(void);
int run_clock_tests(void);
int run_child_tests(void);
int run_thread_tests(void);

#endif
