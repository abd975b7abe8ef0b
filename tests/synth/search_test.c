/* tests/synth/search_test.c - a whole search on a small project, stopped and resumed. */
#include "synth_tests.h"

#include "base/file.h"
#include "base/rng.h"
#include "ops/ops.h"
#include "support/test.h"
#include "synth/evaluate.h"
#include "synth/project.h"
#include "synth/search.h"

#include <stdio.h>
#include <string.h>

enum { N_RECORDS = 96 };

struct fixture {
    char dir[256];
    struct cop_store *store;
    struct cop_engine *engine;
    struct cop_arena *arena;
};

/* Labels are the network's own answers, so that the original is right everywhere. */
static void write_answered(
    const char *path, struct cop_graph *graph, struct cop_engine *engine)
{
    struct cop_err err;
    uint8_t labels[N_RECORDS] = {0};
    write_records(path, N_RECORDS, labels, 9);
    struct cop_dataset *dataset = open_records(path);
    const struct cop_evaluate_options options = {.threads = 1};
    struct cop_evaluation evaluation;
    assert_ok(cop_evaluate(engine, graph, dataset, &options, NULL, &evaluation, &err));
    for (int i = 0; i < N_RECORDS; i++)
        labels[i] = (uint8_t)evaluation.answers[i].answer;
    cop_evaluation_clear(&evaluation);
    cop_dataset_close(dataset);
    write_records(path, N_RECORDS, labels, 9);
}

static int set_up(void **state)
{
    static struct fixture f;
    struct cop_err err;
    f = (struct fixture){.arena = cop_arena_create()};
    char path[300];
    (void)snprintf(path, sizeof path, "%s/p.coppice", test_make_dir(f.dir));
    assert_ok(cop_store_create(path, &f.store, &err));
    assert_ok(cop_engine_create(&f.engine, &err));
    struct cop_graph *graph = small_net(3);
    char data[300];
    (void)snprintf(data, sizeof data, "%s/r.bin", f.dir);
    write_answered(data, graph, f.engine);
    struct cop_model_row model = {.name = "net", .source = "", .origin_json = "{}"};
    assert_ok(cop_project_save_model(f.store, graph, &model, f.arena, &err));
    cop_graph_destroy(graph);
    struct cop_dataset_row row = {
        .name = "d",
        .path = data,
        .format = "records",
        .labels = "",
        .record_shape = "3x8x8",
        .preprocess = RECORDS_PREPROCESS,
        .classes_json = "[]",
        .sha256 = "00",
        .n = N_RECORDS,
    };
    assert_ok(cop_store_put_dataset(f.store, &row, &err));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cop_engine_destroy(f->engine);
    cop_store_close(f->store);
    cop_arena_destroy(f->arena);
    test_remove_dir(f->dir);
    return 0;
}

/* Limits on MACs and parameters, not on time: a unit test must not hang on a clock. */
static struct cop_search_options options_of(int32_t candidates)
{
    return (struct cop_search_options){
        .model = "net",
        .data = "d",
        .max_macs = {.value = 0.6, .is_share = true},
        .max_drop = 60.0,
        .samples = 64,
        .candidates = candidates,
        .seed = 1,
        .threads = 1,
    };
}

static void search_is_resumed_where_it_stopped(void **state)
{
    struct fixture *f = *state;
    struct cop_err err;
    struct cop_search_result result;
    struct cop_search_options options = options_of(2);
    assert_ok(cop_search(
        f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err));
    assert_int_equal(result.n_candidates, 2);
    assert_false(result.is_resumed);
    assert_true(result.n_accepted >= 1);
    assert_true(result.feasibility.macs.least < 0.6 * result.feasibility.macs.original);
    int64_t run_id = result.run_id;

    options.candidates = 3;
    assert_ok(cop_search(
        f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err));
    assert_true(result.is_resumed);
    assert_int_equal(result.run_id, run_id);
    assert_int_equal(result.n_candidates, 3);

    struct cop_candidate_row *rows = NULL;
    int32_t n = 0;
    assert_ok(cop_store_list_candidates(f->store, run_id, f->arena, &rows, &n, &err));
    assert_int_equal(n, 3);
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].seq, i);
        assert_true(rows[i].median_ms > 0.0);
        assert_true(strlen(rows[i].reason) > 10);
    }
    struct cop_graph *variant = NULL;
    assert_ok(cop_project_load_model(
        f->store, result.best, &cop_ops_standard, &variant, &err));
    int64_t macs = 0;
    assert_ok(cop_graph_macs(variant, &macs, &err));
    assert_true((double)macs <= 0.6 * result.feasibility.macs.original);
    cop_graph_destroy(variant);
    assert_ok(cop_store_verify(f->store, &err));
}

static void impossible_limits_are_told(void **state)
{
    struct fixture *f = *state;
    struct cop_err err;
    struct cop_search_result result;
    struct cop_search_options options = options_of(2);
    options.max_macs = (struct cop_limit){.value = 1.0}; /* one single MAC */
    assert_fails(
        cop_search(
            f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err),
        COP_ELIMIT);
    assert_int_equal(result.n_accepted, 0);
    assert_int_equal(result.n_candidates, 2);
    assert_string_equal(result.best, "");
    options.model = "none";
    assert_fails(
        cop_search(
            f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err),
        COP_ENOTFOUND);
}

static int stop_at_once(void *context)
{
    (void)context;
    return 1;
}

static void a_stop_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct cop_err err;
    struct cop_search_result result;
    struct cop_search_options options = options_of(3);
    options.seed = 2; /* a run of its own */
    const struct cop_progress progress = {.stop = stop_at_once};
    assert_fails(
        cop_search(
            f->store, f->engine, &cop_ops_standard, &options, &progress, &result, &err),
        COP_EINTR);
    options.candidates = 1;
    assert_ok(cop_search(
        f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err));
    assert_int_equal(result.n_candidates, 1);
    assert_ok(cop_store_verify(f->store, &err));
}

/* Two classes in turn, as folders give them; all pictures of the first are alike. */
static void write_by_class(const char *path, int64_t n_first, int64_t n)
{
    struct cop_err err;
    struct cop_rng rng;
    cop_rng_init(&rng, 5);
    struct cop_file *file = NULL;
    assert_ok(cop_file_create(path, &file, &err));
    for (int64_t i = 0; i < n; i++) {
        uint8_t record[1 + 3 * 64] = {i >= n_first};
        for (int64_t k = 0; k < 3 * 64; k++)
            record[1 + k] = i < n_first ? 50 : (uint8_t)cop_rng_below(&rng, 200);
        assert_ok(cop_file_write(file, record, sizeof record, &err));
    }
    assert_ok(cop_file_commit(file, &err));
}

/* The first inquiry asks images of all classes: of one picture, shown again and again, it
 * would learn nothing and leave every coefficient at 1. */
static void all_classes_are_asked(void **state)
{
    struct fixture *f = *state;
    struct cop_err err;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/c.bin", f->dir);
    write_by_class(path, 240, 320);
    struct cop_dataset_row row = {
        .name = "classes",
        .path = path,
        .format = "records",
        .labels = "",
        .record_shape = "3x8x8",
        .preprocess = RECORDS_PREPROCESS,
        .classes_json = "[]",
        .sha256 = "01",
        .n = 320,
    };
    assert_ok(cop_store_put_dataset(f->store, &row, &err));
    struct cop_search_options options = options_of(1);
    options.data = "classes";
    options.samples = 320;
    options.max_drop = 100.0;
    struct cop_search_result result;
    assert_ok(cop_search(
        f->store, f->engine, &cop_ops_standard, &options, NULL, &result, &err));
    struct cop_candidate_row *rows = NULL;
    int32_t n = 0;
    assert_ok(
        cop_store_list_candidates(f->store, result.run_id, f->arena, &rows, &n, &err));
    assert_int_equal(n, 1);
    const char *coefficients = strstr(rows[0].decision_json, "\"coefficients\":[");
    assert_non_null(coefficients);
    assert_null(strstr(coefficients, "[1,"));
}

static void front_keeps_what_nobody_beats(void **state)
{
    (void)state;
    struct cop_candidate_row rows[5] = {
        {.median_ms = 5, .base_ms = 10, .top1 = 90, .is_accepted = true},
        {.median_ms = 6, .base_ms = 10, .top1 = 89, .is_accepted = true},
        {.median_ms = 4, .base_ms = 10, .top1 = 88, .is_accepted = true},
        {.median_ms = 1, .base_ms = 10, .top1 = 95, .is_accepted = false},
        {.median_ms = 5, .base_ms = 10, .top1 = 90, .is_accepted = true},
    };
    bool front[5];
    cop_search_front(rows, 5, front);
    assert_true(front[0]);
    assert_false(front[1]);
    assert_true(front[2]);
    assert_false(front[3]);
    assert_false(front[4]); /* a twin of the first */
}

int test_search(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_is_resumed_where_it_stopped),
        cmocka_unit_test(impossible_limits_are_told),
        cmocka_unit_test(a_stop_loses_nothing),
        cmocka_unit_test(all_classes_are_asked),
        cmocka_unit_test(front_keeps_what_nobody_beats),
    };
    return cmocka_run_group_tests_name("search", tests, set_up, tear_down);
}
