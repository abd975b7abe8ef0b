/* tests/synth/throughput_test.c - streams timed together: what is reported adds up. */
#include "synth_tests.h"

#include "base/thread.h"
#include "support/test.h"
#include "synth/throughput.h"

static void check_stats(const struct cop_latency_stats *stats)
{
    assert_true(stats->runs >= 1);
    assert_true(stats->median_ms > 0.0);
    assert_true(stats->median_ms <= stats->p90_ms);
    assert_true(stats->p90_ms <= stats->p99_ms);
}

static void streams_report_what_they_ran(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = small_net(2);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    int n = cop_thread_processors(NULL, 0);
    const struct cop_throughput_options options = {.mb = 2, .ms = 100.0};
    struct cop_throughput result;
    assert_ok(cop_throughput_measure(engine, graph, &options, &result, &err));
    assert_int_equal(result.streams, n);
    assert_int_equal(result.threads, 1);
    assert_int_equal(result.mb, 2);
    assert_true(result.peak_bytes > cop_graph_param_bytes(graph));
    int64_t runs = 0;
    for (int i = 0; i < n; i++) {
        check_stats(&result.each[i]);
        runs += result.each[i].runs;
    }
    assert_int_equal(result.all.runs, runs);
    check_stats(&result.all);
    /* Runs follow one another without a pause, so that the rates speak of about the time
     * asked for; with room for a machine that is busy. */
    double ms_of_all = 1000.0 * 2.0 * (double)runs / result.images_per_s;
    assert_true(ms_of_all > 20.0 && ms_of_all < 1000.0);
    cop_throughput_clear(&result);

    const struct cop_throughput_options wide = {.streams = n + 1, .threads = 1};
    assert_fails(
        cop_throughput_measure(engine, graph, &wide, &result, &err), COP_EINVAL);
    assert_null(result.each);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
}

static void every_division_is_measured(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_graph *graph = small_net(2);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    int n = cop_thread_processors(NULL, 0);
    const struct cop_throughput_options options = {.ms = 20.0};
    struct cop_divisions divisions;
    assert_ok(cop_divisions_measure(engine, graph, &options, &divisions, &err));
    const struct cop_throughput *at = divisions.at;
    assert_int_equal(at[0].streams, 1);
    assert_int_equal(at[0].threads, n);
    assert_int_equal(at[divisions.n - 1].streams, n);
    assert_int_equal(at[divisions.n - 1].threads, 1);
    for (int32_t i = 0; i < divisions.n; i++) {
        assert_int_equal(at[i].streams * at[i].threads, n);
        assert_true(i == 0 || at[i - 1].streams < at[i].streams);
        assert_true(at[divisions.most_images].images_per_s >= at[i].images_per_s);
        assert_true(at[divisions.least_ms].all.median_ms <= at[i].all.median_ms);
        check_stats(&at[i].all);
    }
    cop_divisions_clear(&divisions);
    const struct cop_throughput_options wide = {.threads = n + 1};
    assert_fails(
        cop_divisions_measure(engine, graph, &wide, &divisions, &err), COP_EINVAL);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
}

int test_throughput(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_report_what_they_ran),
        cmocka_unit_test(every_division_is_measured),
    };
    return cmocka_run_group_tests_name("throughput", tests, NULL, NULL);
}
