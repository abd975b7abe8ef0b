/* tests/importers/importers_tests.h - the groups of this folder; each returns how many of
 * its tests failed. */
#ifndef COP_TESTS_IMPORTERS_TESTS_H
#define COP_TESTS_IMPORTERS_TESTS_H

int run_wire_tests(void);
int run_read_tests(void);
int run_tensor_tests(void);
int run_broken_tests(void);
int run_broken_node_tests(void);
int run_external_tests(void);
int run_limits_tests(void);
int run_notes_tests(void);
int run_keras_broken_tests(void);
int run_keras_layers_tests(void);
int run_tf_cases_tests(void);
int run_tf_broken_tests(void);

#endif
