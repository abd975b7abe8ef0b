/* tests/exporters/exporters_tests.h - the groups of this folder; each returns how many of
 * its tests failed. */
#ifndef COP_TESTS_EXPORTERS_TESTS_H
#define COP_TESTS_EXPORTERS_TESTS_H

int run_round_trip_tests(void);
int run_encode_tests(void);

#endif
