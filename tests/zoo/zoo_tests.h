/* tests/zoo/zoo_tests.h - the groups of this folder. */
#ifndef COP_TESTS_ZOO_TESTS_H
#define COP_TESTS_ZOO_TESTS_H

int test_counts(void);
int test_life(void);

#endif
