/* tests/synth/evaluate_test.c - accuracy of a network whose answers are known; bench. */
#include "synth_tests.h"

#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"
#include "synth/evaluate.h"

#include <math.h>
#include <stdio.h>

/* Scores are the means of the three channels: the brightest one wins. */
static struct cop_graph *brightest_channel(void)
{
    struct test_net net = test_net_begin(&cop_ops_standard, 3, 8, 8, 1);
    struct cop_value *x =
        test_net_op(&net, "GlobalAveragePool", "gap", "", net.x, NULL);
    test_net_end(&net, test_net_op(&net, "Flatten", "flatten", "", x, NULL));
    return net.graph;
}

static void answers_are_counted(void **state)
{
    (void)state;
    struct cop_err err;
    char dir[256];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/r.bin", test_make_dir(dir));
    enum { N = 100 };
    uint8_t labels[N];
    int64_t right[3] = {0};
    int64_t n_of[3] = {0};
    for (int i = 0; i < N; i++) {
        labels[i] = (uint8_t)(i % 5 == 0 ? (i + 1) % 3 : i % 3); /* every fifth wrong */
        n_of[labels[i]]++;
        right[labels[i]] += i % 5 != 0;
    }
    write_records(path, N, labels, 3);
    struct cop_dataset *dataset = open_records(path);
    struct cop_graph *graph = brightest_channel();
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    for (int64_t mb = 1; mb <= 64; mb += 31) {
        const struct cop_evaluate_options options = {.mb = mb};
        struct cop_evaluation evaluation;
        assert_ok(
            cop_evaluate(engine, graph, dataset, &options, NULL, &evaluation, &err));
        assert_int_equal(evaluation.n, N);
        assert_true(fabs(evaluation.top1 - 80.0) < 1e-9);
        assert_true(fabs(evaluation.top5 - 100.0) < 1e-9);
        assert_true(evaluation.top1_low < 80.0 && evaluation.top1_high > 80.0);
        for (int c = 0; c < 3; c++) {
            assert_int_equal(evaluation.class_n[c], n_of[c]);
            assert_int_equal(evaluation.class_right[c], right[c]);
        }
        for (int i = 0; i < N; i++) {
            assert_int_equal(evaluation.answers[i].sample, i);
            assert_int_equal(evaluation.answers[i].answer, i % 3);
            assert_true(evaluation.answers[i].p_answer > 1.0F / 3.0F);
        }
        cop_evaluation_clear(&evaluation);
    }
    const struct cop_evaluate_options part = {.limit = 30, .seed = 5};
    struct cop_evaluation some;
    assert_ok(cop_evaluate(engine, graph, dataset, &part, NULL, &some, &err));
    assert_int_equal(some.n, 30);
    assert_int_equal(some.class_n[0], 10);
    cop_evaluation_clear(&some);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
    cop_dataset_close(dataset);
    test_remove_dir(dir);
}

/* The same to the bit as batches through one plan, however many streams. */
static void answers_do_not_depend_on_streams(void **state)
{
    (void)state;
    struct cop_err err;
    char dir[256];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/r.bin", test_make_dir(dir));
    enum { N = 101, MB = 4, SCORES = 4 };
    uint8_t labels[N];
    for (int i = 0; i < N; i++)
        labels[i] = (uint8_t)(i % 3);
    write_records(path, N, labels, 4);
    struct cop_dataset *dataset = open_records(path);
    struct cop_graph *graph = small_net(5);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_evaluation of[2];
    for (int i = 0; i < 2; i++) {
        const struct cop_evaluate_options options = {.mb = MB, .threads = 1 - i};
        assert_ok(cop_evaluate(engine, graph, dataset, &options, NULL, &of[i], &err));
    }
    assert_memory_equal(of[0].answers, of[1].answers, N * sizeof of[0].answers[0]);
    assert_true(of[0].top1 == of[1].top1 && of[0].top5 == of[1].top5);

    const struct cop_plan_options alone = {.mb = MB, .threads = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, graph, &alone, &plan, &err));
    static float batch[MB * 3 * 64];
    float scores[MB * SCORES];
    const float *starts[1] = {batch};
    float *ends[1] = {scores};
    for (int64_t i = 0; i < N; i++) {
        assert_ok(cop_dataset_read(dataset, &i, 1, batch + i % MB * 3 * 64, &err));
        if (i % MB < MB - 1 && i < N - 1) continue;
        assert_ok(cop_plan_run(plan, starts, ends, &err));
        for (int64_t k = i - i % MB; k <= i; k++) {
            const float *own = scores + k % MB * SCORES;
            double sum = 0.0;
            for (int c = 0; c < SCORES; c++)
                sum += exp((double)own[c] - (double)own[of[0].answers[k].answer]);
            for (int c = 0; c < SCORES; c++)
                assert_true(own[c] <= own[of[0].answers[k].answer]);
            assert_true(of[0].answers[k].p_answer == (float)(1.0 / sum));
        }
    }
    cop_plan_destroy(plan);
    for (int i = 0; i < 2; i++)
        cop_evaluation_clear(&of[i]);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
    cop_dataset_close(dataset);
    test_remove_dir(dir);
}

static void data_must_fit(void **state)
{
    (void)state;
    struct cop_err err;
    char dir[256];
    char path[300];
    (void)snprintf(path, sizeof path, "%s/r.bin", test_make_dir(dir));
    const uint8_t labels[4] = {0, 1, 2, 9}; /* ten classes, three scores */
    write_records(path, 4, labels, 3);
    struct cop_dataset *dataset = open_records(path);
    struct cop_graph *graph = brightest_channel();
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_evaluate_options options = {0};
    struct cop_evaluation evaluation;
    assert_fails(
        cop_evaluate(engine, graph, dataset, &options, NULL, &evaluation, &err),
        COP_ESHAPE);
    struct test_net wide = test_net_begin(&cop_ops_standard, 3, 9, 9, 1);
    test_net_end(&wide, test_net_op(&wide, "Flatten", "f", "", wide.x, NULL));
    assert_fails(
        cop_evaluate(engine, wide.graph, dataset, &options, NULL, &evaluation, &err),
        COP_ESHAPE);
    cop_graph_destroy(wide.graph);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
    cop_dataset_close(dataset);
    test_remove_dir(dir);
}

static void bench_reports_what_it_ran(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = small_net(2);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    const struct cop_bench_options options = {.mb = 2, .threads = 1, .runs = 20};
    struct cop_bench_result results[2];
    const struct cop_graph *const graphs[2] = {graph, graph};
    double ratio = 0.0;
    assert_ok(cop_bench_pair(engine, graphs, &options, results, &ratio, &err));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(results[i].runs, 20);
        assert_int_equal(results[i].mb, 2);
        assert_int_equal(results[i].threads, 1);
        assert_true(results[i].min_ms > 0.0);
        assert_true(results[i].min_ms <= results[i].median_ms);
        assert_true(results[i].median_ms <= results[i].p95_ms);
        assert_true(results[i].peak_bytes > cop_graph_param_bytes(graph));
        double images = 2000.0 / results[i].median_ms;
        assert_true(fabs(results[i].images_per_s - images) < 1e-6 * images);
    }
    assert_true(ratio > 0.0);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
}

int test_evaluate(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_counted),
        cmocka_unit_test(answers_do_not_depend_on_streams),
        cmocka_unit_test(data_must_fit),
        cmocka_unit_test(bench_reports_what_it_ran),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
