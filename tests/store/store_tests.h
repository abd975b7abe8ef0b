/* tests/store/store_tests.h - the groups of tests that main_test.c runs, and a project
 * with one row of every kind that they start from. */
#ifndef COP_TESTS_STORE_TESTS_H
#define COP_TESTS_STORE_TESTS_H

#include "store/store.h"
#include "support/test.h"

/** Each returns how many of its tests failed. */
int run_rows_tests(void);
int run_blob_tests(void);
int run_file_tests(void);
int run_audit_tests(void);
int run_schema_tests(void);
int run_memory_tests(void);
int run_kill_tests(const char *program);

/** What the program does instead of testing when it is started to be killed. */
int write_until_killed(const char *path);

/** A folder, a project in it and an arena; made and removed around every test. */
struct fixture {
    char folder[256];
    char path[300];
    struct cop_store *store;
    struct cop_arena *arena;
};
int fixture_set_up(void **state);
int fixture_tear_down(void **state);
#define STORE_TEST(test)                                                               \
    cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

/** The rows that fill_project puts. */
struct sample_rows {
    struct cop_model_row model;
    struct cop_model_row variant;
    struct cop_dataset_row dataset;
    struct cop_evaluation_row evaluation;
    struct cop_measurement_row measurement;
    struct cop_run_row run;
    struct cop_candidate_row candidate;
    struct cop_cut_row cut;
    struct cop_attribution_row attribution;
};
/** Puts one row of every kind (two models), the first failure is returned. */
enum cop_status fill_project(
    struct cop_store *store,
    struct cop_arena *arena,
    struct sample_rows *rows,
    struct cop_err *err);

#endif
