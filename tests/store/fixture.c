/* tests/store/fixture.c - see store_tests.h. */
#include "store_tests.h"

#include <stdio.h>
#include <stdlib.h>

int fixture_set_up(void **state)
{
    struct cop_err err;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)test_make_dir(fixture->folder);
    (void)snprintf(
        fixture->path, sizeof fixture->path, "%s/project.coppice", fixture->folder);
    fixture->arena = cop_arena_create();
    assert_non_null(fixture->arena);
    assert_ok(cop_store_create(fixture->path, &fixture->store, &err));
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    cop_store_close(fixture->store);
    cop_arena_destroy(fixture->arena);
    test_remove_dir(fixture->folder);
    free(fixture);
    return 0;
}

static enum cop_status fill_models(
    struct cop_store *store, struct sample_rows *rows, char *sha, struct cop_err *err)
{
    COP_TRY(cop_store_put_blob(store, "skeleton", 8, sha, err));
    rows->model = (struct cop_model_row){
        .name = "net",
        .graph_sha = sha,
        .source = "net.onnx",
        .macs = 1000,
        .params = 200,
        .bytes = 800};
    COP_TRY(cop_store_put_model(store, &rows->model, err));
    rows->variant = (struct cop_model_row){
        .name = "net-c1",
        .parent_id = rows->model.id,
        .graph_sha = sha,
        .source = "prune",
        .origin_json = "{\"seed\":1}",
        .macs = 500,
        .params = 100,
        .bytes = 400,
        .created_us = 1234567};
    COP_TRY(cop_store_put_model(store, &rows->variant, err));
    rows->dataset = (struct cop_dataset_row){
        .name = "digits",
        .path = "/data/digits",
        .format = "idx",
        .labels = "labels.idx",
        .record_shape = "1x28x28",
        .preprocess = "scale=1/255",
        .classes_json = "[\"0\",\"1\"]",
        .sha256 = "00",
        .n = 3};
    return cop_store_put_dataset(store, &rows->dataset, err);
}

static enum cop_status fill_numbers(
    struct cop_store *store, struct sample_rows *rows, struct cop_err *err)
{
    static const char answers[48] = {1, 2, 3, [47] = 4};
    rows->evaluation = (struct cop_evaluation_row){
        .model_id = rows->model.id,
        .dataset_id = rows->dataset.id,
        .n = 3,
        .top1 = 66.25,
        .top5 = 100.0,
        .per_class_json = "[]",
        .machine_json = "{\"threads\":2}",
        .answers = answers,
        .answers_bytes = sizeof answers};
    COP_TRY(cop_store_put_evaluation(store, &rows->evaluation, err));
    rows->measurement = (struct cop_measurement_row){
        .model_id = rows->model.id,
        .mb = 1,
        .threads = 2,
        .runs = 100,
        .median_ms = 1.5,
        .p95_ms = 2.5,
        .min_ms = 1.25,
        .peak_bytes = 1 << 20,
        .machine_json = "{}"};
    return cop_store_put_measurement(store, &rows->measurement, err);
}

static enum cop_status fill_search(
    struct cop_store *store,
    struct cop_arena *arena,
    struct sample_rows *rows,
    struct cop_err *err)
{
    static const char channels[18] = {0, 0, 0, 0, 1, 1, 1, 1, 1, [17] = 1};
    COP_TRY(cop_store_open_run(
        store, rows->model.id, "{\"limit\":1}", arena, &rows->run, err));
    rows->candidate = (struct cop_candidate_row){
        .run_id = rows->run.id,
        .seq = 7,
        .decision_json = "[8,16]",
        .model_id = rows->variant.id,
        .macs = 500,
        .params = 100,
        .bytes = 400,
        .median_ms = 0.75,
        .base_ms = 1.5,
        .top1 = 65.5,
        .base_top1 = 66.25,
        .is_accepted = true,
        .reason = "within the limit"};
    COP_TRY(cop_store_put_candidate(store, &rows->candidate, err));
    rows->cut = (struct cop_cut_row){
        .model_id = rows->variant.id,
        .layer = "conv1",
        .members_json = "[\"conv1.weight\"]",
        .width_before = 2,
        .width_after = 1,
        .channels = channels,
        .channels_bytes = sizeof channels,
        .reason = "channel 0 scores lowest"};
    return cop_store_put_cut(store, &rows->cut, err);
}

enum cop_status fill_project(
    struct cop_store *store,
    struct cop_arena *arena,
    struct sample_rows *rows,
    struct cop_err *err)
{
    static const float map[6] = {0.5f, -1.0f, 2.0f, 0.0f, 3.0f, 4.0f};
    char *sha = cop_arena_array(arena, COP_HASH_HEX, 1);
    if (sha == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(fill_models(store, rows, sha, err));
    COP_TRY(fill_numbers(store, rows, err));
    COP_TRY(fill_search(store, arena, rows, err));
    rows->attribution = (struct cop_attribution_row){
        .model_id = rows->variant.id,
        .dataset_id = rows->dataset.id,
        .sample = 2,
        .method = "occlusion",
        .layer = "",
        .target = 1,
        .rows = 2,
        .cols = 3,
        .f_x = 4.5,
        .config_json = "{\"window\":8}",
        .values = map,
        .values_bytes = sizeof map};
    return cop_store_put_attribution(store, &rows->attribution, err);
}
