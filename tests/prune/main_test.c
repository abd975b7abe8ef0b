/* tests/prune/main_test.c - runs every group of the folder. */
#include "prune_tests.h"

int main(void)
{
    int failed = run_coupling_tests();
    failed += run_groups_tests();
    failed += run_topology_tests();
    failed += run_oracle_tests();
    failed += run_score_tests();
    failed += run_repair_tests();
    failed += run_calibrate_tests();
    failed += run_work_tests();
    failed += run_saliency_tests();
    failed += run_lowrank_tests();
    failed += run_blocks_tests();
    failed += run_refit_tests();
    return failed != 0;
}
