/* tests/prune/prune_tests.h - the groups of tests that main_test.c runs. */
#ifndef COP_TESTS_PRUNE_TESTS_H
#define COP_TESTS_PRUNE_TESTS_H

/** Each returns how many of its tests failed. */
int run_coupling_tests(void);
int run_groups_tests(void);
int run_topology_tests(void);
int run_oracle_tests(void);
int run_score_tests(void);
int run_repair_tests(void);
int run_calibrate_tests(void);
int run_work_tests(void);
int run_saliency_tests(void);
int run_lowrank_tests(void);
int run_blocks_tests(void);
int run_refit_tests(void);

#endif
