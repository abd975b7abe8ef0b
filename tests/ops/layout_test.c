/* tests/ops/layout_test.c - channels-last networks become NCHW and compute the same. */
#include "ops_tests.h"

#include "base/rng.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/groups.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

enum { C = 6, H = 5, W = 4 };

static struct test_net begin(void)
{
    return test_net_begin(&cop_ops_standard, C, H, W, 17);
}

static struct cop_value *to_last(struct test_net *net, struct cop_value *x)
{
    return test_net_op(net, "Transpose", "last", "perm=0,2,3,1", x, NULL);
}

static struct cop_value *to_first(struct test_net *net, struct cop_value *x)
{
    return test_net_op(net, "Transpose", "first", "perm=0,3,1,2", x, NULL);
}

/* A convolution of channels-last tensors, as readers of such files write it. */
static struct cop_value *conv(
    struct test_net *net, struct cop_value *x, int64_t oc, int64_t kernel)
{
    return to_last(net, test_net_conv(net, "conv", to_first(net, x), oc, kernel, 1));
}

static struct cop_value *weights(struct test_net *net, int64_t a, int64_t b)
{
    const int64_t dims[2] = {a, b};
    return test_net_weights(net, 0.3, b > 0 ? 2 : 1, dims);
}

static int32_t count(const struct cop_graph *graph, const char *op)
{
    const struct cop_op *const row = cop_op_find(&cop_ops_standard, op);
    int32_t n = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        n += cop_graph_node(graph, i)->op == row;
    return n;
}

/* All outputs of both graphs for the same random input. */
static void assert_same_outputs(
    const struct cop_graph *a, const struct cop_graph *b, int64_t mb)
{
    struct cop_err err;
    const struct cop_graph *const graphs[2] = {a, b};
    struct cop_engine *engine = NULL;
    struct cop_rng rng;
    cop_rng_init(&rng, 5);
    float x[3 * C * H * W];
    float *y[2][2] = {{NULL}};
    int64_t n[2] = {0};
    const float *const starts[1] = {x};
    for (int64_t i = 0; i < mb * C * H * W; i++)
        x[i] = (float)cop_rng_normal(&rng);
    assert_ok(cop_engine_create(&engine, &err));
    const int32_t n_out = cop_graph_n_outputs(a);
    for (int g = 0; g < 2; g++) {
        struct cop_plan *plan = NULL;
        const struct cop_plan_options options = {.mb = mb};
        assert_ok(cop_plan_create(engine, graphs[g], &options, &plan, &err));
        for (int32_t i = 0; i < n_out; i++) {
            n[i] = cop_shape_n(cop_plan_end_shape(plan, i));
            y[g][i] = calloc((size_t)n[i], sizeof(float));
        }
        assert_ok(cop_plan_run(plan, starts, y[g], &err));
        cop_plan_destroy(plan);
    }
    for (int32_t i = 0; i < n_out; i++) {
        for (int64_t k = 0; k < n[i]; k++)
            if (fabsf(y[0][i][k] - y[1][i][k]) > 1e-5F * (1 + fabsf(y[0][i][k])))
                fail_msg(
                    "output %d element %lld: %g and %g",
                    (int)i,
                    (long long)k,
                    (double)y[0][i][k],
                    (double)y[1][i][k]);
        free(y[0][i]);
        free(y[1][i]);
    }
    cop_engine_destroy(engine);
}

enum { FROZEN = false, PRUNABLE = true };

/* The rewritten network computes the same with so many Transposes, and its channels can be
 * cut or not; destroys the net. */
static void expect(
    struct test_net *net,
    struct cop_value *output,
    int32_t n_transposes,
    bool is_prunable)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    test_net_end(net, output);
    assert_ok(cop_graph_clone(net->graph, &graph, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_string_equal(
        cop_graph_output(graph, 0)->name, cop_graph_output(net->graph, 0)->name);
    assert_int_equal(count(graph, "Transpose"), n_transposes);
    assert_same_outputs(net->graph, graph, 1);
    assert_same_outputs(net->graph, graph, 3);
    struct cop_groups *groups = NULL;
    assert_ok(cop_groups_find(graph, &groups, &err));
    assert_int_equal(cop_groups_prunable_macs(groups) > 0.5, is_prunable);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
    cop_graph_destroy(net->graph);
}

/* ---- through nodes ------------------------------------------------------------------------- */

static void test_through_elementwise(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = test_net_op(&net, "Add", "bias", "", x, weights(&net, 8, 0), NULL);
    x = test_net_op(&net, "Relu", "relu", "", x, NULL);
    const int64_t dims[4] = {1, H, W, 8};
    struct cop_value *const map = test_net_weights(&net, 1, 3, dims + 1);
    x = test_net_op(&net, "Mul", "map", "", map, x, NULL);
    struct cop_value *y = conv(&net, x, 8, 1);
    y = test_net_op(&net, "Sigmoid", "gate", "", y, NULL);
    x = test_net_op(&net, "Mul", "gated", "", x, y, NULL);
    x = test_net_op(&net, "Add", "one", "", x, weights(&net, 1, 0), NULL);
    expect(&net, to_first(&net, conv(&net, x, 4, 3)), 0, PRUNABLE);
}

static void test_through_concat_split_slice_pad(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *const last = to_last(&net, net.x);
    struct cop_value *x = conv(&net, last, 8, 3);
    x = test_net_op(&net, "Concat", "cat", "axis=-1", x, conv(&net, last, 4, 1), NULL);
    x = test_net_op(&net, "Concat", "rows", "axis=1", x, x, NULL);
    const int64_t pads[8] = {0, 1, 2, 0, 0, 0, 1, 3};
    x = test_net_op(
        &net, "Pad", "pad", "mode=constant", x, test_net_ints(&net, 8, pads), NULL);
    const int64_t starts[2] = {1, 2};
    const int64_t ends[2] = {100, -1};
    x = test_net_op(
        &net,
        "Slice",
        "first",
        "",
        x,
        test_net_ints(&net, 2, (const int64_t[]){0, 1}),
        test_net_ints(&net, 2, (const int64_t[]){1, 9}),
        NULL);
    x = test_net_op(
        &net,
        "Slice",
        "listed",
        "",
        x,
        test_net_ints(&net, 2, starts),
        test_net_ints(&net, 2, ends),
        test_net_ints(&net, 2, (const int64_t[]){-1, 2}),
        NULL);
    x = test_net_op(&net, "Split", "split", "axis=3", x, NULL);
    expect(&net, to_first(&net, conv(&net, x, 4, 3)), 0, PRUNABLE);
}

/* Resize names its axes where the reader gave them, Gather picks along one. */
static void test_through_resize_gather(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = test_net_op(
        &net,
        "Resize",
        "up",
        "mode=linear axes=1,-2",
        x,
        test_net_absent(),
        test_net_absent(),
        test_net_ints(&net, 2, (const int64_t[]){7, 9}),
        NULL);
    x = test_net_op(
        &net,
        "Gather",
        "rows",
        "axis=-3",
        x,
        test_net_ints(&net, 5, (const int64_t[]){6, 0, 3, 3, 1}),
        NULL);
    x = test_net_op(
        &net,
        "Gather",
        "columns",
        "axis=2",
        x,
        test_net_ints(&net, 3, (const int64_t[]){8, 2, 2}),
        NULL);
    expect(&net, to_first(&net, conv(&net, x, 4, 3)), 0, PRUNABLE);
}

/* Squeeze and excitation as Keras writes it: a mean without its axes, unfolded again. */
static void test_through_squeeze_excitation(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *const x = conv(&net, to_last(&net, net.x), 8, 3);
    struct cop_value *s =
        test_net_op(&net, "ReduceMean", "mean", "axes=1,2 keepdims=0", x, NULL);
    const int64_t target[4] = {-1, 1, 1, 8};
    s = test_net_op(
        &net, "Reshape", "unfold", "", s, test_net_ints(&net, 4, target), NULL);
    s = conv(&net, s, 4, 1);
    s = test_net_op(&net, "Relu", "relu", "", s, NULL);
    s = conv(&net, s, 8, 1);
    s = test_net_op(&net, "Sigmoid", "sigmoid", "", s, NULL);
    s = test_net_op(&net, "Mul", "scaled", "", x, s, NULL);
    s = test_net_op(&net, "ReduceMean", "pool", "axes=-2,1 keepdims=1", s, NULL);
    s = conv(&net, s, 5, 1);
    s = test_net_op(
        &net,
        "Squeeze",
        "flat",
        "",
        s,
        test_net_ints(&net, 2, (int64_t[]){1, 2}),
        NULL);
    expect(
        &net, test_net_op(&net, "Softmax", "scores", "axis=-1", s, NULL), 0, PRUNABLE);
}

static void test_through_reductions(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = test_net_op(&net, "Softmax", "softmax", "axis=3", x, NULL);
    x = test_net_op(
        &net,
        "ReduceSum",
        "sum",
        "keepdims=0",
        x,
        test_net_ints(&net, 1, (int64_t[]){1}),
        NULL);
    x = test_net_op(&net, "ReduceMax", "max", "axes=1 keepdims=0", x, NULL);
    x = test_net_op(&net, "MatMul", "fc", "", x, weights(&net, 8, 3), NULL);
    expect(&net, x, 0, FROZEN);
}

/* ---- flattened ------------------------------------------------------------------------------ */

static struct cop_value *flat(struct test_net *net, struct cop_value *x, int64_t n)
{
    return test_net_op(
        net,
        "Reshape",
        "flat",
        "",
        x,
        test_net_ints(net, 2, (const int64_t[]){-1, n}),
        NULL);
}

static void test_weights_are_reordered(void **state)
{
    (void)state;
    const int64_t n = (int64_t)8 * H * W;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = flat(&net, x, n);
    x = test_net_op(&net, "Relu", "relu", "", x, NULL);
    x = test_net_op(&net, "Mul", "scale", "", weights(&net, 1, n), x, NULL);
    struct cop_value *const bn = test_net_bn(&net, "bn", x);
    struct cop_value *const w = weights(&net, n, 5);
    struct cop_value *const a = test_net_op(&net, "MatMul", "a", "", bn, w, NULL);
    struct cop_value *b = test_net_op(&net, "MatMul", "b", "", x, w, NULL);
    b = test_net_op(&net, "Add", "both", "", a, b, NULL);
    struct cop_value *const c = test_net_op(
        &net,
        "Gemm",
        "c",
        "transB=1",
        x,
        weights(&net, 5, n),
        weights(&net, 5, 0),
        NULL);
    expect(&net, test_net_op(&net, "Add", "sum", "", b, c, NULL), 0, PRUNABLE);
}

/* One reader that minds the order keeps the Transpose, and all weights as they are. */
static void test_order_that_is_minded_stays(void **state)
{
    (void)state;
    const int64_t n = (int64_t)8 * H * W;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = flat(&net, x, n);
    struct cop_value *y =
        test_net_op(&net, "MatMul", "a", "", x, weights(&net, n, 4), NULL);
    struct cop_value *const part = test_net_op(
        &net,
        "Slice",
        "part",
        "",
        x,
        test_net_ints(&net, 1, (int64_t[]){3}),
        test_net_ints(&net, 1, (int64_t[]){7}),
        test_net_ints(&net, 1, (int64_t[]){1}),
        NULL);
    y = test_net_op(&net, "Add", "both", "", y, part, NULL);
    expect(&net, y, 1, FROZEN);
}

static void test_pooled_needs_no_order(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), 8, 3);
    x = to_last(
        &net,
        test_net_op(&net, "GlobalAveragePool", "gap", "", to_first(&net, x), NULL));
    x = flat(&net, x, 8);
    expect(&net, test_net_op(&net, "Softmax", "scores", "axis=-1", x, NULL), 0, FROZEN);
}

/* ---- edges of the network --------------------------------------------------------------------- */

/* What comes in or goes out channels-last keeps one Transpose; both outputs stay. */
static void test_outputs_keep_their_layout(void **state)
{
    (void)state;
    struct cop_err err;
    struct test_net net = begin();
    struct cop_value *const x = conv(&net, to_last(&net, net.x), 8, 3);
    struct cop_value *const relu = test_net_op(&net, "Relu", "relu", "", x, NULL);
    struct cop_value *const y = conv(&net, relu, 4, 3);
    assert_ok(cop_graph_mark_output(net.graph, y, &err));
    struct cop_graph *graph = NULL;
    assert_ok(cop_graph_mark_output(net.graph, relu, &err));
    assert_ok(cop_graph_clone(net.graph, &graph, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(count(graph, "Transpose"), 2);
    for (int32_t i = 0; i < 2; i++) {
        const struct cop_value *const before = cop_graph_output(net.graph, i);
        const struct cop_value *const after = cop_graph_output(graph, i);
        assert_string_equal(before->name, after->name);
        assert_true(cop_shape_equal(&before->shape, &after->shape));
    }
    assert_same_outputs(net.graph, graph, 3);
    cop_graph_destroy(graph);
    cop_graph_destroy(net.graph);
}

/* Nodes whose other source has no Transpose: one is added, never more than go. */
static void test_mixed_layouts(void **state)
{
    (void)state;
    struct test_net net = begin();
    struct cop_value *x = conv(&net, to_last(&net, net.x), C, 3);
    const int64_t target[4] = {0, H, W, C};
    struct cop_value *const y = test_net_op(
        &net, "Reshape", "as", "", net.x, test_net_ints(&net, 4, target), NULL);
    x = test_net_op(&net, "Add", "both", "", y, x, NULL);
    x = conv(&net, x, 4, 1);
    expect(&net, test_net_op(&net, "Relu", "relu", "", x, NULL), 2, FROZEN);
}

/* A channel shuffle and other permutations are none of ours. */
static void test_other_permutations_stay(void **state)
{
    (void)state;
    struct test_net net = begin();
    const int64_t groups[5] = {0, 2, 3, H, W};
    const int64_t joined[4] = {0, 6, H, W};
    struct cop_value *x = test_net_conv(&net, "conv", net.x, 6, 3, 1);
    x = test_net_op(
        &net, "Reshape", "split", "", x, test_net_ints(&net, 5, groups), NULL);
    x = test_net_op(&net, "Transpose", "swap", "perm=0,2,1,3,4", x, NULL);
    x = test_net_op(&net, "Relu", "relu", "", x, NULL);
    x = test_net_op(
        &net, "Reshape", "join", "", x, test_net_ints(&net, 4, joined), NULL);
    expect(&net, test_net_conv(&net, "conv2", x, 4, 3, 1), 1, PRUNABLE);
}

int layout_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_elementwise),
        cmocka_unit_test(test_through_concat_split_slice_pad),
        cmocka_unit_test(test_through_resize_gather),
        cmocka_unit_test(test_through_squeeze_excitation),
        cmocka_unit_test(test_through_reductions),
        cmocka_unit_test(test_weights_are_reordered),
        cmocka_unit_test(test_order_that_is_minded_stays),
        cmocka_unit_test(test_pooled_needs_no_order),
        cmocka_unit_test(test_outputs_keep_their_layout),
        cmocka_unit_test(test_mixed_layouts),
        cmocka_unit_test(test_other_permutations_stay),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
