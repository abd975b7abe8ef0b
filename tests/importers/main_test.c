/* tests/importers/main_test.c - runs every group of the folder. */
#include "importers_tests.h"

int main(void)
{
    int failed = run_wire_tests();
    failed += run_read_tests();
    failed += run_tensor_tests();
    failed += run_broken_tests();
    failed += run_broken_node_tests();
    failed += run_external_tests();
    failed += run_limits_tests();
    failed += run_notes_tests();
    failed += run_keras_layers_tests();
    failed += run_keras_broken_tests();
    failed += run_tf_cases_tests();
    failed += run_tf_broken_tests();
    return failed != 0;
}
