/* tests/synth/project_test.c - graphs and data sets survive the project file. */
#include "synth_tests.h"

#include "engine/engine.h"
#include "ops/ops.h"
#include "support/test.h"
#include "synth/project.h"

#include <stdio.h>
#include <string.h>

static void run_net(const struct cop_graph *graph, float scores[4])
{
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct cop_plan *plan = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_plan_options options = {.mb = 1, .threads = 1};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    float x[3 * 64];
    for (int i = 0; i < 3 * 64; i++)
        x[i] = (float)(i % 17) / 17.0F;
    const float *starts[1] = {x};
    float *ends[1] = {scores};
    assert_ok(cop_plan_run(plan, starts, ends, &err));
    cop_plan_destroy(plan);
    cop_engine_destroy(engine);
}

static void models_come_back_the_same(void **state)
{
    (void)state;
    struct cop_err err;
    char dir[256];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/p.coppice", test_make_dir(dir));
    struct cop_store *store = NULL;
    struct cop_arena *arena = cop_arena_create();
    assert_ok(cop_store_create(path, &store, &err));
    struct cop_graph *graph = small_net(5);
    assert_ok(cop_graph_set_meta(graph, COP_PREPROCESS_META, "3x8x8", &err));
    struct cop_model_row row = {.name = "net", .source = "a test", .origin_json = "{}"};
    assert_ok(cop_project_save_model(store, graph, &row, arena, &err));
    assert_true(row.id > 0);
    assert_int_equal(row.params, cop_graph_n_params(graph));
    struct cop_model_row twin = {
        .name = "twin", .parent_id = row.id, .source = "", .origin_json = "{}"};
    assert_ok(cop_project_save_model(store, graph, &twin, arena, &err));
    assert_string_equal(twin.graph_sha, row.graph_sha);

    struct cop_graph *back = NULL;
    assert_ok(cop_project_load_model(store, "net", &cop_ops_standard, &back, &err));
    assert_int_equal(cop_graph_n_nodes(back), cop_graph_n_nodes(graph));
    assert_string_equal(cop_graph_meta(back, COP_PREPROCESS_META), "3x8x8");
    float want[4];
    float got[4];
    run_net(graph, want);
    run_net(back, got);
    assert_memory_equal(want, got, sizeof want);
    struct cop_graph *none = NULL;
    assert_fails(
        cop_project_load_model(store, "no", &cop_ops_standard, &none, &err),
        COP_ENOTFOUND);
    assert_non_null(strstr(err.text, "net"));
    cop_graph_destroy(back);
    cop_graph_destroy(graph);
    cop_store_close(store);
    cop_arena_destroy(arena);
    test_remove_dir(dir);
}

static void changed_data_is_noticed(void **state)
{
    (void)state;
    struct cop_err err;
    char dir[256];
    char path[300];
    char data[300];
    (void)snprintf(path, sizeof path, "%s/p.coppice", test_make_dir(dir));
    (void)snprintf(data, sizeof data, "%s/r.bin", dir);
    const uint8_t labels[6] = {0, 1, 2, 0, 1, 2};
    write_records(data, 6, labels, 1);
    struct cop_store *store = NULL;
    assert_ok(cop_store_create(path, &store, &err));
    struct cop_dataset_row row = {
        .name = "d",
        .path = data,
        .format = "records",
        .labels = "",
        .record_shape = "3x8x8",
        .preprocess = RECORDS_PREPROCESS,
        .classes_json = "[\"0\",\"1\",\"2\"]",
        .sha256 = "00",
        .n = 6,
    };
    assert_ok(cop_store_put_dataset(store, &row, &err));
    struct cop_dataset *dataset = NULL;
    int64_t id = 0;
    assert_ok(cop_project_open_dataset(store, "d", &dataset, &id, &err));
    assert_int_equal(id, row.id);
    assert_int_equal(cop_dataset_n(dataset), 6);
    cop_dataset_close(dataset);
    write_records(data, 5, labels, 1);
    assert_fails(
        cop_project_open_dataset(store, "d", &dataset, &id, &err), COP_EFORMAT);
    assert_fails(
        cop_project_open_dataset(store, "x", &dataset, &id, &err), COP_ENOTFOUND);
    cop_store_close(store);
    test_remove_dir(dir);
}

int test_project(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_come_back_the_same),
        cmocka_unit_test(changed_data_is_noticed),
    };
    return cmocka_run_group_tests_name("project", tests, NULL, NULL);
}
