/* tests/store/rows_test.c - every kind of row comes back as it was put. */
#include "store_tests.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIXTURE(state)                                                                 \
    struct cop_err err = {0};                                                          \
    struct fixture *f = *(state);                                                      \
    struct sample_rows rows;                                                           \
    assert_ok(fill_project(f->store, f->arena, &rows, &err))

static void assert_same_model(
    const struct cop_model_row *a, const struct cop_model_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->parent_id, b->parent_id);
    assert_string_equal(a->graph_sha, b->graph_sha);
    assert_string_equal(a->source, b->source);
    assert_string_equal(a->origin_json, b->origin_json != NULL ? b->origin_json : "");
    assert_int_equal(a->macs, b->macs);
    assert_int_equal(a->params, b->params);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->created_us, b->created_us);
}

static void models_come_back(void **state)
{
    FIXTURE(state);
    struct cop_model_row row;
    assert_ok(cop_store_get_model(f->store, "net", f->arena, &row, &err));
    assert_same_model(&row, &rows.model);
    assert_true(row.created_us > 1600000000000000); /* filled in */
    assert_ok(cop_store_get_model(f->store, "net-c1", f->arena, &row, &err));
    assert_same_model(&row, &rows.variant);
    assert_int_equal(row.created_us, 1234567); /* the caller's own */
    struct cop_model_row *list;
    int32_t n;
    assert_ok(cop_store_list_models(f->store, f->arena, &list, &n, &err));
    assert_int_equal(n, 2);
    assert_same_model(&list[0], &rows.model);
    assert_same_model(&list[1], &rows.variant);
    assert_fails(
        cop_store_get_model(f->store, "nix", f->arena, &row, &err), COP_ENOTFOUND);
    assert_non_null(strstr(err.text, "'nix'"));
}

static void datasets_come_back(void **state)
{
    FIXTURE(state);
    struct cop_dataset_row row;
    assert_ok(cop_store_get_dataset(f->store, "digits", f->arena, &row, &err));
    assert_int_equal(row.id, rows.dataset.id);
    assert_string_equal(row.path, "/data/digits");
    assert_string_equal(row.format, "idx");
    assert_string_equal(row.labels, "labels.idx");
    assert_string_equal(row.record_shape, "1x28x28");
    assert_string_equal(row.preprocess, "scale=1/255");
    assert_string_equal(row.classes_json, "[\"0\",\"1\"]");
    assert_string_equal(row.sha256, "00");
    assert_int_equal(row.n, 3);
    struct cop_dataset_row *list;
    int32_t n;
    assert_ok(cop_store_list_datasets(f->store, f->arena, &list, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(list[0].name, "digits");
    assert_fails(
        cop_store_get_dataset(f->store, "x", f->arena, &row, &err), COP_ENOTFOUND);
}

static void the_newest_evaluation_comes_back(void **state)
{
    FIXTURE(state);
    struct cop_evaluation_row row;
    int64_t model = rows.model.id;
    int64_t dataset = rows.dataset.id;
    assert_ok(
        cop_store_last_evaluation(f->store, model, dataset, f->arena, &row, &err));
    assert_int_equal(row.id, rows.evaluation.id);
    assert_int_equal(row.n, 3);
    assert_true(row.top1 == 66.25 && row.top5 == 100.0);
    assert_string_equal(row.per_class_json, "[]");
    assert_string_equal(row.machine_json, "{\"threads\":2}");
    assert_int_equal(row.answers_bytes, 48);
    assert_memory_equal(row.answers, rows.evaluation.answers, 48);
    struct cop_evaluation_row next = rows.evaluation;
    next.top1 = 70.0;
    next.top5 = (double)NAN;
    next.answers = NULL;
    next.answers_bytes = 0;
    assert_ok(cop_store_put_evaluation(f->store, &next, &err));
    assert_ok(cop_store_last_evaluation(f->store, model, 0, f->arena, &row, &err));
    assert_int_equal(row.id, next.id);
    assert_true(row.top1 == 70.0);
    assert_true(isnan(row.top5));
    assert_int_equal(row.answers_bytes, 0);
    assert_fails(
        cop_store_last_evaluation(f->store, 99, 0, f->arena, &row, &err),
        COP_ENOTFOUND);
    assert_fails(
        cop_store_last_evaluation(f->store, model, 99, f->arena, &row, &err),
        COP_ENOTFOUND);
}

static void the_newest_measurement_comes_back(void **state)
{
    FIXTURE(state);
    struct cop_measurement_row row;
    struct cop_measurement_row next = rows.measurement;
    next.median_ms = 0.1; /* not a binary fraction: every bit must survive */
    next.p95_ms = INFINITY;
    assert_ok(cop_store_put_measurement(f->store, &next, &err));
    assert_ok(
        cop_store_last_measurement(f->store, rows.model.id, f->arena, &row, &err));
    assert_int_equal(row.id, next.id);
    assert_int_equal(row.mb, 1);
    assert_int_equal(row.threads, 2);
    assert_int_equal(row.runs, 100);
    assert_true(row.median_ms == 0.1 && isinf(row.p95_ms) && row.min_ms == 1.25);
    assert_int_equal(row.peak_bytes, 1 << 20);
    assert_string_equal(row.machine_json, "{}");
    assert_fails(
        cop_store_last_measurement(f->store, rows.variant.id, f->arena, &row, &err),
        COP_ENOTFOUND);
}

static void an_equal_config_resumes_its_run(void **state)
{
    FIXTURE(state);
    struct cop_run_row row;
    assert_string_equal(rows.run.status, "running");
    assert_string_equal(rows.run.feasibility_json, "");
    rows.run.feasibility_json = "{\"min\":1}";
    assert_ok(cop_store_set_run(f->store, &rows.run, &err));
    rows.run.status = "done";
    assert_ok(cop_store_set_run(f->store, &rows.run, &err));
    assert_ok(cop_store_open_run(
        f->store, rows.model.id, "{\"limit\":1}", f->arena, &row, &err));
    assert_int_equal(row.id, rows.run.id);
    assert_int_equal(row.created_us, rows.run.created_us);
    assert_string_equal(row.status, "done");
    assert_string_equal(row.feasibility_json, "{\"min\":1}");
    assert_ok(cop_store_open_run(
        f->store, rows.model.id, "{\"limit\":2}", f->arena, &row, &err));
    assert_int_not_equal(row.id, rows.run.id);
    assert_string_equal(row.status, "running");
    struct cop_run_row last;
    assert_ok(cop_store_last_run(f->store, rows.model.id, f->arena, &last, &err));
    assert_int_equal(last.id, row.id);
    assert_string_equal(last.config_json, "{\"limit\":2}");
    assert_fails(
        cop_store_last_run(f->store, rows.variant.id, f->arena, &last, &err),
        COP_ENOTFOUND);
    assert_fails(
        cop_store_open_run(f->store, 99, "{}", f->arena, &last, &err), COP_EINVAL);
    assert_ok(cop_store_verify(f->store, &err));
}

static void candidates_come_back_by_seq(void **state)
{
    FIXTURE(state);
    struct cop_candidate_row next = rows.candidate;
    next.seq = 3;
    next.model_id = 0;
    next.is_accepted = false;
    next.median_ms = (double)NAN;
    assert_ok(cop_store_put_candidate(f->store, &next, &err));
    struct cop_candidate_row *list;
    int32_t n;
    assert_ok(
        cop_store_list_candidates(f->store, rows.run.id, f->arena, &list, &n, &err));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].seq, 3);
    assert_int_equal(list[0].model_id, 0);
    assert_false(list[0].is_accepted);
    assert_true(isnan(list[0].median_ms));
    assert_int_equal(list[1].seq, 7);
    assert_int_equal(list[1].model_id, rows.variant.id);
    assert_true(list[1].is_accepted);
    assert_true(list[1].median_ms == 0.75 && list[1].base_ms == 1.5);
    assert_true(list[1].top1 == 65.5 && list[1].base_top1 == 66.25);
    assert_int_equal(list[1].macs, 500);
    assert_int_equal(list[1].params, 100);
    assert_int_equal(list[1].bytes, 400);
    assert_string_equal(list[1].decision_json, "[8,16]");
    assert_string_equal(list[1].reason, "within the limit");
    assert_fails(cop_store_put_candidate(f->store, &next, &err), COP_EINVAL);
    assert_int_equal(next.id, 0);
}

static void cuts_come_back(void **state)
{
    FIXTURE(state);
    struct cop_cut_row *list;
    int32_t n;
    assert_ok(
        cop_store_list_cuts(f->store, rows.variant.id, f->arena, &list, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(list[0].layer, "conv1");
    assert_string_equal(list[0].members_json, "[\"conv1.weight\"]");
    assert_int_equal(list[0].width_before, 2);
    assert_int_equal(list[0].width_after, 1);
    assert_int_equal(list[0].channels_bytes, 18);
    assert_memory_equal(list[0].channels, rows.cut.channels, 18);
    assert_string_equal(list[0].reason, "channel 0 scores lowest");
    assert_ok(cop_store_list_cuts(f->store, rows.model.id, f->arena, &list, &n, &err));
    assert_int_equal(n, 0);
    rows.cut.channels_bytes = 17;
    assert_fails(cop_store_put_cut(f->store, &rows.cut, &err), COP_EINVAL);
}

static void attributions_come_back_newest_first(void **state)
{
    FIXTURE(state);
    struct cop_attribution_row next = rows.attribution;
    next.f_x = -0.0;
    assert_ok(cop_store_put_attribution(f->store, &next, &err));
    next.sample = -1;
    next.dataset_id = 0;
    assert_ok(cop_store_put_attribution(f->store, &next, &err));
    next.method = "channel-ablation";
    assert_ok(cop_store_put_attribution(f->store, &next, &err));
    struct cop_attribution_row *list;
    int32_t n;
    assert_ok(cop_store_list_attributions(
        f->store, rows.variant.id, "occlusion", f->arena, &list, &n, &err));
    assert_int_equal(n, 3);
    assert_int_equal(list[0].sample, -1);
    assert_int_equal(list[0].dataset_id, 0);
    assert_true(list[1].id > list[2].id);
    assert_int_equal(list[2].id, rows.attribution.id);
    assert_int_equal(list[2].dataset_id, rows.dataset.id);
    assert_true(list[2].f_x == 4.5);
    assert_int_equal(list[2].target, 1);
    assert_int_equal(list[2].rows, 2);
    assert_int_equal(list[2].cols, 3);
    assert_string_equal(list[2].config_json, "{\"window\":8}");
    assert_int_equal(list[2].values_bytes, 24);
    assert_memory_equal(list[2].values, rows.attribution.values, 24);
    next.cols = INT64_MAX;
    assert_fails(cop_store_put_attribution(f->store, &next, &err), COP_EINVAL);
    next.cols = -3;
    assert_fails(cop_store_put_attribution(f->store, &next, &err), COP_EINVAL);
    assert_ok(cop_store_verify(f->store, &err));
}

static void a_taken_name_is_refused(void **state)
{
    FIXTURE(state);
    struct cop_model_row model = rows.model;
    assert_fails(cop_store_put_model(f->store, &model, &err), COP_EINVAL);
    assert_string_equal(err.text, "model 'net' is already in the project");
    assert_int_equal(model.id, 0);
    struct cop_dataset_row dataset = rows.dataset;
    assert_fails(cop_store_put_dataset(f->store, &dataset, &err), COP_EINVAL);
    assert_string_equal(err.text, "dataset 'digits' is already in the project");
    model.name = "";
    assert_fails(cop_store_put_model(f->store, &model, &err), COP_EINVAL);
}

static void a_reference_to_nothing_is_refused(void **state)
{
    FIXTURE(state);
    struct cop_model_row model = rows.model;
    model.name = "other";
    model.parent_id = 99;
    assert_fails(cop_store_put_model(f->store, &model, &err), COP_EINVAL);
    model.parent_id = 0;
    model.graph_sha = "abc";
    assert_fails(cop_store_put_model(f->store, &model, &err), COP_EINVAL);
    rows.evaluation.dataset_id = 99;
    assert_fails(
        cop_store_put_evaluation(f->store, &rows.evaluation, &err), COP_EINVAL);
    rows.measurement.model_id = 99;
    assert_fails(
        cop_store_put_measurement(f->store, &rows.measurement, &err), COP_EINVAL);
    assert_ok(cop_store_verify(f->store, &err));
}

static void many_rows_are_listed(void **state)
{
    FIXTURE(state);
    enum { N = 300 };
    assert_ok(cop_store_begin(f->store, &err));
    for (int i = 0; i < N; i++) {
        rows.candidate.seq = 1000 + i;
        assert_ok(cop_store_put_candidate(f->store, &rows.candidate, &err));
    }
    assert_ok(cop_store_commit(f->store, &err));
    struct cop_candidate_row *list;
    int32_t n;
    assert_ok(
        cop_store_list_candidates(f->store, rows.run.id, f->arena, &list, &n, &err));
    assert_int_equal(n, N + 1);
    for (int i = 0; i < N; i++)
        assert_int_equal(list[i + 1].seq, 1000 + i);
}

static void text_with_quotes_survives(void **state)
{
    FIXTURE(state);
    const char *odd = "it's \"odd\"; DROP TABLE model; -- \xc3\xa4\n";
    rows.dataset.name = odd;
    assert_ok(cop_store_put_dataset(f->store, &rows.dataset, &err));
    struct cop_dataset_row row;
    assert_ok(cop_store_get_dataset(f->store, odd, f->arena, &row, &err));
    assert_string_equal(row.name, odd);
}

int run_rows_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(models_come_back),
        STORE_TEST(datasets_come_back),
        STORE_TEST(the_newest_evaluation_comes_back),
        STORE_TEST(the_newest_measurement_comes_back),
        STORE_TEST(an_equal_config_resumes_its_run),
        STORE_TEST(candidates_come_back_by_seq),
        STORE_TEST(cuts_come_back),
        STORE_TEST(attributions_come_back_newest_first),
        STORE_TEST(a_taken_name_is_refused),
        STORE_TEST(a_reference_to_nothing_is_refused),
        STORE_TEST(many_rows_are_listed),
        STORE_TEST(text_with_quotes_survives),
    };
    return cmocka_run_group_tests_name("store rows", tests, NULL, NULL);
}
