/* tests/engine/profile_test.c - what a plan says of its steps and its weights, and the
 * machine's peaks. */
#include "engine/dnnl_shim.h"
#include "engine/peak.h"
#include "engine/plan_impl.h"
#include "engine_tests.h"
#include "nets.h"
#include "toy.h"

#include "base/arena.h"
#include "base/par.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20261121 };

static struct cop_engine *engine;

static int set_up(void **state)
{
    struct cop_err err;
    (void)state;
    assert_ok(cop_engine_create(&engine, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cop_engine_destroy(engine);
    return 0;
}

/* Three convolutions of 3x3, the second in two groups; few channels at both ends, as
 * networks for images have them. */
static struct cop_graph *make_graph(int64_t channels, int64_t extent)
{
    struct cop_rng rng;
    cop_rng_init(&rng, SEED);
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, (const int64_t[]){1, 3, extent, extent});
    struct toy_attrs window = toy_window(TOY_CONV, 3, 1, 1);
    x = toy_relu(graph, toy_conv(graph, &rng, x, channels, window, true));
    window.g = 2;
    x = toy_relu(graph, toy_conv(graph, &rng, x, channels, window, false));
    window.g = 1;
    x = toy_conv(graph, &rng, x, 2, window, false);
    toy_end(graph, x);
    return graph;
}

static float *make_floats(int64_t n)
{
    float *floats = malloc((size_t)n * sizeof *floats);
    assert_non_null(floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)(i % 13) * 0.1f - 0.6f;
    return floats;
}

/* Sums over the steps of a plan that was profiled. */
struct work {
    int64_t flops;
    int32_t n_convs;
    double ms;
    struct cop_plan_times times;
};

static struct work profile(
    const struct cop_graph *graph, const struct cop_plan_options *options, int repeats)
{
    struct cop_err err;
    struct cop_plan *plan;
    struct work work = {0};
    assert_ok(cop_plan_create(engine, graph, options, &plan, &err));
    float *x = make_floats(cop_shape_n(cop_plan_start_shape(plan, 0)));
    float *y = make_floats(cop_shape_n(cop_plan_end_shape(plan, 0)));
    const float *const starts[] = {x};
    float *const ends[] = {y};
    assert_ok(cop_plan_run(plan, starts, ends, &err));
    assert_ok(cop_plan_profile(plan, starts, ends, repeats, &work.times, &err));
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        const bool is_conv = strcmp(step.kind, "convolution") == 0;
        assert_true(is_conv == (step.flops > 0));
        assert_true(step.bytes > 0);
        assert_string_not_equal(step.src_layout, "");
        assert_string_not_equal(step.dst_layout, "");
        work.n_convs += is_conv;
        work.flops += step.flops;
        work.ms += step.ms;
    }
    free(x);
    free(y);
    cop_plan_destroy(plan);
    return work;
}

static void work_is_counted_by_definition(void **state)
{
    (void)state;
    struct cop_graph *graph = make_graph(16, 10);
    for (int64_t mb = 1; mb <= 8; mb += 7) {
        for (int k = 0; k < 2; k++) {
            const struct cop_plan_options options = {.mb = mb, .may_slice = k == 1};
            const struct work work = profile(graph, &options, 2);
            /* 16 results of 3 sources each, 16 of 8, 2 of 16; 9 taps, 100 pixels */
            assert_int_equal(work.n_convs, 3);
            assert_int_equal(work.flops, 2 * mb * 100 * 9 * (16 * 3 + 16 * 8 + 2 * 16));
            assert_true(work.ms > 0.0);
        }
    }
    cop_graph_destroy(graph);
}

/* How much of it is a matter of the machine: `coppice inspect --profile` tells. */
static void steps_are_part_of_a_run(void **state)
{
    (void)state;
    struct cop_graph *graph = make_graph(64, 40);
    const struct cop_plan_options options = {.mb = 1};
    const struct work work = profile(graph, &options, 9);
    const double share = work.times.steps_ms / work.times.wall_ms;
    print_message("%.1f %% of a run in its steps\n", 100 * share);
    assert_true(share > 0.0 && share <= 1.0);
    cop_graph_destroy(graph);
}

/* ---- memory --------------------------------------------------------------------------- */

/* Each pack once, however many steps read it: what the cache holds is what is told. */
static void check_weights(const struct cop_graph *graph, int32_t most_packs)
{
    struct cop_err err;
    struct cop_plan *plan;
    struct cop_plan_memory memory;
    const struct cop_plan_options options = {.mb = 1};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    cop_plan_memory(plan, &memory);
    assert_int_equal(memory.weights_bytes, cop_weights_bytes(engine->weights));
    assert_true(cop_weights_n(engine->weights) <= most_packs);
    cop_plan_destroy(plan);
}

static void weights_are_counted_once(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, SEED + 1);
    for (int i = 0; i < 20; i++) {
        struct cop_graph *graph = toy_random_net(&rng, 2);
        check_weights(graph, INT32_MAX);
        cop_graph_destroy(graph);
    }
    /* The same weights twice. */
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, (const int64_t[]){1, 16, 9, 9});
    struct toy_attrs window = toy_window(TOY_CONV, 3, 1, 1);
    const double range[2] = {-1.0, 1.0};
    struct cop_value *weights =
        toy_const(graph, &rng, 4, (const int64_t[]){16, 16, 3, 3}, range);
    for (int i = 0; i < 2; i++)
        x = toy_node(graph, &window, 2, (struct cop_value *[]){x, weights});
    toy_end(graph, x);
    check_weights(graph, 1);
    cop_graph_destroy(graph);
}

/* A constant that a kernel wants in its own layout is not packed in the plain one, too. */
static void constants_are_packed_in_one_layout(void **state)
{
    (void)state;
    struct cop_rng rng;
    cop_rng_init(&rng, SEED + 2);
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = toy_input(graph, 4, (const int64_t[]){1, 3, 9, 9});
    struct toy_attrs window = toy_window(TOY_CONV, 3, 1, 1);
    const double range[2] = {-1.0, 1.0};
    struct cop_value *addend =
        toy_const(graph, &rng, 4, (const int64_t[]){1, 16, 9, 9}, range);
    x = toy_conv(graph, &rng, x, 16, window, false);
    x = toy_add(graph, toy_relu(graph, x), addend);
    x = toy_conv(graph, &rng, x, 16, window, false);
    toy_end(graph, x);
    check_weights(graph, 3);
    cop_graph_destroy(graph);
}

/* ---- layouts and peaks ---------------------------------------------------------------- */

static void layouts_have_names(void **state)
{
    (void)state;
    struct cop_err err;
    char text[COP_LAYOUT_TEXT];
    struct cop_arena *arena = cop_arena_create();
    const struct cop_shape shape = {.rank = 4, .dim = {2, 32, 5, 7}};
    const struct cop_shape flat = {.rank = 2, .dim = {2, 32}};
    const int64_t last[] = {32 * 35, 1, 7 * 32, 32};
    const struct cop_md *md;
    assert_ok(cop_md_create(arena, &shape, NULL, &md, &err));
    assert_string_equal(cop_md_layout(md, text, sizeof text), "nchw");
    assert_string_equal(cop_md_layout(md, text, 3), "nc");
    assert_ok(cop_md_create(arena, &shape, last, &md, &err));
    assert_string_equal(cop_md_layout(md, text, sizeof text), "nhwc");
    assert_ok(cop_md_create(arena, &flat, NULL, &md, &err));
    assert_string_equal(cop_md_layout(md, text, sizeof text), "ab");
    cop_arena_destroy(arena);
}

static void least_time_is_the_larger_of_two(void **state)
{
    (void)state;
    bool is_memory;
    const struct cop_peak peak = {.threads = 1, .gflops = 100.0, .gb_per_s = 10.0};
    double ms = cop_peak_least_ms(&peak, 2000000000, 1000000, &is_memory);
    assert_true(ms > 19.999 && ms < 20.001 && !is_memory);
    ms = cop_peak_least_ms(&peak, 2000000, 50000000, &is_memory);
    assert_true(ms > 4.999 && ms < 5.001 && is_memory);
}

static void peaks_are_measured(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_peak peak;
    assert_fails(cop_peak_measure(cop_par_max_threads() + 1, &peak, &err), COP_EINVAL);
    assert_ok(cop_peak_measure(1, &peak, &err));
    print_message("%.1f GFLOP/s, %.1f GB/s\n", peak.gflops, peak.gb_per_s);
    assert_int_equal(peak.threads, 1);
    assert_true(peak.gflops > 0.0 && isfinite(peak.gflops));
    assert_true(peak.gb_per_s > 0.0 && isfinite(peak.gb_per_s));
    assert_true(peak.buffer_bytes >= peak.cache_bytes || peak.buffer_bytes >= 1 << 30);
}

int test_profiles(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_counted_by_definition),
        cmocka_unit_test(steps_are_part_of_a_run),
        cmocka_unit_test(weights_are_counted_once),
        cmocka_unit_test(constants_are_packed_in_one_layout),
        cmocka_unit_test(layouts_have_names),
        cmocka_unit_test(least_time_is_the_larger_of_two),
        cmocka_unit_test(peaks_are_measured),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
