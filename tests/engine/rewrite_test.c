/* tests/engine/rewrite_test.c - rewrites before fusion: fewer steps, the same numbers. */
#include "engine/plan_impl.h"
#include "engine_tests.h"
#include "toy.h"

#include "support/test.h"

#include <string.h>

enum { SEED = 20261122 };

static struct cop_engine *engine;
static struct cop_rng rng;

static int set_up(void **state)
{
    struct cop_err err;
    (void)state;
    cop_rng_init(&rng, SEED);
    assert_ok(cop_engine_create(&engine, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cop_engine_destroy(engine);
    return 0;
}

/* Runs the graph, compares it with the reference, and counts the steps of one kind. */
static int32_t run_and_count(struct cop_graph *graph, const char *kind)
{
    struct cop_err err;
    struct cop_plan *plan;
    const struct cop_plan_options options = {.mb = 2};
    struct toy_values *values = toy_values_create(graph, 2, &rng);
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    toy_check_plan(plan, graph, values, 1e-5);
    int32_t n = 0;
    for (int32_t i = 0; i < plan->n_steps; i++)
        n += strcmp(plan->steps[i]->kind, kind) == 0 ? 1 : 0;
    cop_plan_destroy(plan);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
    return n;
}

static struct cop_value *picture(struct cop_graph *graph)
{
    static const int64_t dims[4] = {1, 6, 9, 8};
    return toy_input(graph, 4, dims);
}

static void equal_things_are_computed_once(void **state)
{
    const struct toy_attrs pool = toy_window(TOY_POOL, 3, 1, 1);
    (void)state;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = picture(graph);
    struct cop_value *a = toy_unary(graph, &pool, toy_relu(graph, x));
    struct cop_value *b = toy_unary(graph, &pool, toy_relu(graph, x));
    toy_end(graph, toy_add(graph, a, toy_relu(graph, b)));
    assert_int_equal(run_and_count(graph, "pooling"), 1);
}

/* An end stays an end although another end is equal to it. */
static void equal_ends_stay(void **state)
{
    (void)state;
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = picture(graph);
    toy_end(graph, toy_relu(graph, x));
    toy_end(graph, toy_relu(graph, x));
    assert_int_equal(run_and_count(graph, "eltwise"), 2);
}

static void slices_of_pads_are_pads(void **state)
{
    (void)state;
    for (int64_t start = 0; start < 4; start++) {
        const struct toy_attrs pad = {
            .kind = TOY_PAD, .pads_l = {0, 0, 1, 2}, .pads_r = {0, 1, 1, 0}};
        const struct toy_attrs slice = {
            .kind = TOY_SLICE,
            .starts = {0, 1, start, start},
            .steps = {1, 1, 1, 1},
            .counts = {0, 5, 4, 5}};
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = picture(graph);
        toy_end(graph, toy_unary(graph, &slice, toy_unary(graph, &pad, x)));
        assert_int_equal(run_and_count(graph, "slice"), 0);
    }
}

static void normalised_concats_are_normalised_sources(void **state)
{
    const struct toy_attrs window = toy_window(TOY_CONV, 1, 1, 0);
    const struct toy_attrs concat = {.kind = TOY_CONCAT, .axis = 1};
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = picture(graph);
        struct cop_value *srcs[3];
        for (int i = 0; i < 3; i++)
            srcs[i] = toy_conv(graph, &rng, x, 3 + 2 * i, window, i == 1);
        struct cop_value *joined = toy_node(graph, &concat, 3, srcs);
        struct cop_value *y = toy_normalise(graph, &rng, joined);
        toy_end(graph, toy_normalise(graph, &rng, toy_relu(graph, y)));
        /* What somebody else reads cannot be normalised. */
        if (shared) toy_end(graph, toy_relu(graph, joined));
        assert_int_equal(run_and_count(graph, "normalise"), shared ? 2 : 1);
    }
}

/* An activation that only depthwise convolutions read is taken by them, where channels lie
 * last; one that somebody else reads stays. */
static void depthwise_takes_activations(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = picture(graph);
        struct cop_value *y = toy_relu(graph, x);
        struct toy_attrs each = toy_window(TOY_CONV, 3, 1, 1);
        const struct toy_attrs mix = toy_window(TOY_CONV, 1, 1, 0);
        each.g = 6;
        for (int i = 0; i < 2; i++) {
            struct cop_value *deep = toy_conv(graph, &rng, y, 6, each, i == 1);
            toy_end(graph, toy_conv(graph, &rng, deep, 5, mix, true));
        }
        if (shared) toy_end(graph, toy_add(graph, x, y));
        bool is_taken = !shared && strncmp(cop_dnnl_isa(), "avx512", 6) == 0;
        assert_int_equal(run_and_count(graph, "eltwise"), is_taken ? 0 : 1);
    }
}

int test_rewrites(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_things_are_computed_once),
        cmocka_unit_test(equal_ends_stay),
        cmocka_unit_test(slices_of_pads_are_pads),
        cmocka_unit_test(normalised_concats_are_normalised_sources),
        cmocka_unit_test(depthwise_takes_activations),
    };
    return cmocka_run_group_tests_name("rewrites", tests, set_up, tear_down);
}
