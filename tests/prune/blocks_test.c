/* tests/prune/blocks_test.c - blocks are found by structure; leaving one out is the same as
 * feeding its input to whoever reads its output. */
#include "prune_tests.h"
#include "support/random_net.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/blocks.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>

enum { SAMPLES = 24 };

static enum cop_status read_samples(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const int64_t elements = *(const int64_t *)context;
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        struct cop_rng rng;
        cop_rng_init_stream(&rng, 7, (uint64_t)(first + i));
        for (int64_t k = 0; k < elements; k++)
            batch[i * elements + k] = (float)cop_rng_normal(&rng);
    }
    return COP_OK;
}

static struct cop_blocks *measure(struct cop_engine *engine, struct cop_graph *graph)
{
    struct cop_err err = {0};
    int64_t elements = cop_shape_n(&cop_graph_input(graph, 0)->shape);
    const struct cop_sample_source samples = {
        .context = &elements, .n = SAMPLES, .read = read_samples};
    struct cop_blocks *blocks = NULL;
    assert_ok(cop_blocks_find(graph, &blocks, &err));
    assert_ok(cop_blocks_measure(blocks, engine, &samples, NULL, &err));
    return blocks;
}

/* conv, relu, add: what residual networks repeat. */
static struct cop_value *add_residual(
    struct test_net *net, const char *name, struct cop_value *x)
{
    char part[32];
    int64_t c = x->shape.dim[1];
    (void)snprintf(part, sizeof part, "%s.conv1", name);
    struct cop_value *y = test_net_conv(net, part, x, c, 3, 1);
    y = test_net_op(net, "Relu", NULL, "", y, NULL);
    (void)snprintf(part, sizeof part, "%s.conv2", name);
    y = test_net_conv(net, part, y, c, 3, 1);
    (void)snprintf(part, sizeof part, "%s.add", name);
    y = test_net_op(net, "Add", part, "", y, x, NULL);
    (void)snprintf(part, sizeof part, "%s.relu", name);
    return test_net_op(net, "Relu", part, "", y, NULL);
}

/* Two plain blocks, one that widens (its shortcut has weights: no block), an excitation
 * inside a third. */
static struct test_net residual_net(uint64_t seed)
{
    struct test_net net = test_net_begin(&cop_ops_standard, 3, 8, 8, seed);
    struct cop_value *x = test_net_conv(&net, "stem", net.x, 8, 3, 1);
    x = test_net_op(&net, "Relu", "stem.relu", "", x, NULL);
    x = add_residual(&net, "a", x);
    x = add_residual(&net, "b", x);
    struct cop_value *y = test_net_conv(&net, "wide.conv", x, 12, 3, 1);
    struct cop_value *shortcut = test_net_conv(&net, "wide.short", x, 12, 1, 1);
    x = test_net_op(&net, "Add", "wide.add", "", y, shortcut, NULL);
    x = test_net_op(&net, "Relu", "wide.relu", "", x, NULL);
    y = test_net_conv(&net, "c.conv", x, 12, 3, 1);
    struct cop_value *gate =
        test_net_op(&net, "GlobalAveragePool", "c.pool", "", y, NULL);
    gate = test_net_conv(&net, "c.gate", gate, 12, 1, 1);
    gate = test_net_op(&net, "Sigmoid", "c.sigmoid", "", gate, NULL);
    y = test_net_op(&net, "Mul", "c.mul", "", y, gate, NULL);
    x = test_net_op(&net, "Add", "c.add", "", x, y, NULL);
    test_net_end(&net, test_net_head(&net, x, 4));
    return net;
}

static void test_blocks_are_found(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = residual_net(1);
    struct cop_blocks *blocks = NULL;
    assert_ok(cop_blocks_find(net.graph, &blocks, &err));
    const char *const names[] = {"a.add", "b.add", "c.mul", "c.add"};
    const char *const from[] = {"stem.relu", "a.relu", "c.conv", "wide.relu"};
    const char *const stand_in[] = {"stem", "a.add", "c.conv", "wide.add"};
    assert_int_equal(cop_blocks_n(blocks), 4);
    for (int32_t i = 0; i < 4; i++) {
        const struct cop_block *block = cop_blocks_at(blocks, i);
        assert_string_equal(block->name, names[i]);
        assert_string_equal(block->from->producer->name, from[i]);
        assert_string_equal(block->stand_in->producer->name, stand_in[i]);
    }
    assert_int_equal(cop_blocks_at(blocks, 0)->n_nodes, 4);
    assert_int_equal(cop_blocks_at(blocks, 0)->macs, 2 * 64 * 8 * 8 * 9);
    cop_blocks_destroy(blocks);
    cop_graph_destroy(net.graph);
}

/* Runs @p graph on the samples; @p fed, unless NULL, is taken as @p elements. */
static void run(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_value *fed,
    const float *elements,
    const struct cop_value *end,
    float **result,
    int64_t *n)
{
    struct cop_err err = {0};
    const struct cop_value *starts[2] = {cop_graph_input(graph, 0), fed};
    const struct cop_plan_options options = {
        .mb = SAMPLES,
        .starts = starts,
        .n_starts = fed != NULL ? 2 : 1,
        .ends = &end,
        .n_ends = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    int64_t per_sample = cop_shape_n(&starts[0]->shape);
    float *x = cop_mem_array((size_t)(SAMPLES * per_sample), sizeof *x);
    assert_non_null(x);
    assert_ok(read_samples(&per_sample, 0, SAMPLES, x, &err));
    *n = cop_shape_n(cop_plan_end_shape(plan, 0));
    *result = cop_mem_array((size_t)*n, sizeof **result);
    assert_non_null(*result);
    const float *in[2] = {x, elements};
    assert_ok(cop_plan_run(plan, in, result, &err));
    cop_plan_destroy(plan);
    cop_mem_free(x);
}

/* Leaves block @p i out and compares with the whole network whose y is overwritten. */
static void check_drop(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_blocks *blocks,
    int32_t i)
{
    struct cop_err err = {0};
    const struct cop_block *block = cop_blocks_at(blocks, i);
    struct cop_graph *dropped = NULL;
    assert_ok(cop_blocks_drop(blocks, i, &dropped, &err));
    assert_true(
        cop_graph_n_nodes(dropped) <= cop_graph_n_nodes(graph) - block->n_nodes);
    float *stand_in;
    float *wanted;
    float *got;
    int64_t n;
    int64_t n_got;
    run(engine, graph, NULL, NULL, block->stand_in, &stand_in, &n);
    run(engine, graph, block->to, stand_in, cop_graph_output(graph, 0), &wanted, &n);
    run(engine, dropped, NULL, NULL, cop_graph_output(dropped, 0), &got, &n_got);
    assert_int_equal(n, n_got);
    double largest = 1e-3;
    for (int64_t k = 0; k < n; k++)
        largest = fmax(largest, fabs((double)wanted[k]));
    for (int64_t k = 0; k < n; k++) {
        if (fabs((double)got[k] - (double)wanted[k]) <= 1e-4 * largest) continue;
        fail_msg(
            "block '%s': %g, wanted %g",
            block->name,
            (double)got[k],
            (double)wanted[k]);
    }
    assert_string_equal(
        cop_graph_output(dropped, 0)->name, cop_graph_output(graph, 0)->name);
    assert_string_equal(
        cop_graph_input(dropped, 0)->name, cop_graph_input(graph, 0)->name);
    if (!block->stand_in->is_input)
        assert_string_equal(
            cop_graph_value(dropped, block->stand_in->id)->name, block->to->name);
    cop_mem_free(got);
    cop_mem_free(wanted);
    cop_mem_free(stand_in);
    cop_graph_destroy(dropped);
}

static void test_dropping_is_bypassing(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = residual_net(2);
    struct cop_blocks *blocks = NULL;
    assert_ok(cop_blocks_find(net.graph, &blocks, &err));
    for (int32_t i = 0; i < cop_blocks_n(blocks); i++)
        check_drop(engine, net.graph, blocks, i);
    cop_blocks_destroy(blocks);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

static void test_random_networks(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    int32_t n_blocks = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct test_net net = random_net_make(seed);
        struct cop_blocks *blocks = NULL;
        assert_ok(cop_blocks_find(net.graph, &blocks, &err));
        for (int32_t i = 0; i < cop_blocks_n(blocks); i++)
            check_drop(engine, net.graph, blocks, i);
        n_blocks += cop_blocks_n(blocks);
        cop_blocks_destroy(blocks);
        cop_graph_destroy(net.graph);
    }
    assert_true(n_blocks > 10);
    cop_engine_destroy(engine);
}

/* What is linear in x is recovered, what bends is not, and whoever does nothing costs
 * nothing. */
static void test_recoverability(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = test_net_begin(&cop_ops_standard, 6, 8, 8, 3);
    struct cop_value *x = test_net_conv(&net, "stem", net.x, 8, 1, 1);
    struct cop_value *y = test_net_conv(&net, "linear", x, 8, 1, 1);
    x = test_net_op(&net, "Add", "straight", "", x, y, NULL);
    y = test_net_conv(&net, "up", x, 8, 3, 1);
    y = test_net_op(&net, "Relu", "bend", "", y, NULL);
    y = test_net_conv(&net, "down", y, 8, 3, 1);
    x = test_net_op(&net, "Add", "bent", "", x, y, NULL);
    struct cop_value *nothing =
        test_net_weights(&net, 0.0, 4, (const int64_t[]){8, 8, 1, 1});
    y = test_net_op(&net, "Conv", "idle", "", x, nothing, NULL);
    x = test_net_op(&net, "Add", "same", "", x, y, NULL);
    test_net_end(&net, test_net_head(&net, x, 3));

    struct cop_blocks *blocks = measure(engine, net.graph);
    assert_int_equal(cop_blocks_n(blocks), 3);
    const struct cop_block *straight = cop_blocks_at(blocks, 0);
    const struct cop_block *bent = cop_blocks_at(blocks, 1);
    const struct cop_block *same = cop_blocks_at(blocks, 2);
    assert_true(straight->error_bypassed > 0.1);
    assert_true(straight->error_linear < 1e-3);
    assert_true(bent->error_linear > 0.05);
    assert_true(bent->error_linear <= bent->error_bypassed);
    assert_true(same->error_bypassed < 1e-6);
    assert_int_equal(cop_blocks_cheapest(blocks), 2);

    const struct cop_plan_options options = {.mb = 1, .threads = 1};
    assert_ok(cop_blocks_time(blocks, engine, &options, &err));
    double sum = 0.0;
    for (int32_t i = 0; i < 3; i++) {
        assert_true(cop_blocks_at(blocks, i)->time_share > 0.0);
        sum += cop_blocks_at(blocks, i)->time_share;
    }
    assert_true(sum < 1.0);
    cop_blocks_destroy(blocks);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

static void test_no_samples(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = residual_net(4);
    struct cop_blocks *blocks = NULL;
    assert_ok(cop_blocks_find(net.graph, &blocks, &err));
    int64_t elements = 3 * 8 * 8;
    const struct cop_sample_source none = {.context = &elements, .read = read_samples};
    assert_int_equal(cop_blocks_measure(blocks, engine, &none, NULL, &err), COP_EINVAL);
    cop_blocks_destroy(blocks);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

int run_blocks_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_found),
        cmocka_unit_test(test_dropping_is_bypassing),
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_recoverability),
        cmocka_unit_test(test_no_samples),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
