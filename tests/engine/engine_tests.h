/* tests/engine/engine_tests.h - the groups that main_test.c runs. */
#ifndef COP_TESTS_ENGINE_TESTS_H
#define COP_TESTS_ENGINE_TESTS_H

int test_forward(void);
int test_plans(void);
int test_machine(void);
int test_backward(void);
int test_streams(void);
int test_winograd(void);
int test_methods(void);
int test_direct(void);
int test_rewrites(void);
int test_slices(void);
int test_depthwise(void);
int test_profiles(void);

#endif
