/* tests/ops/ops_tests.h - the groups that main_test.c runs; each returns its failures. */
#ifndef COP_TESTS_OPS_TESTS_H
#define COP_TESTS_OPS_TESTS_H

int registry_tests(void);
int simplify_tests(void);
int layout_tests(void);
int join_tests(void);
int late_tests(void);
int cases_tests(void);

#endif
