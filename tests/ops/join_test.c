/* tests/ops/join_test.c - added constants become biases where they are ones. */
#include "ops_tests.h"

#include "engine/engine.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { C = 3, H = 5, W = 4, OC = 6 };

static struct cop_value *weights(
    struct test_net *net, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t dims[4] = {a, b, c, d};
    return test_net_weights(net, 0.4, rank, dims);
}

static struct cop_value *conv(struct test_net *net, struct cop_value *x, int64_t ic)
{
    return test_net_op(
        net,
        "Conv",
        "conv",
        "kernel_shape=1,1",
        x,
        weights(net, 4, OC, ic, 1, 1),
        NULL);
}

static void run(
    const struct cop_graph *graph, const float *x, float *y, struct cop_engine *engine)
{
    struct cop_err err;
    struct cop_plan *plan = NULL;
    const struct cop_plan_options options = {.mb = 2};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    assert_ok(cop_plan_run(plan, &x, &y, &err));
    cop_plan_destroy(plan);
}

static int32_t count(const struct cop_graph *graph, const struct cop_op *op)
{
    int32_t n = 0;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        n += cop_graph_node(graph, i)->op == op;
    return n;
}

/* Simplified, the net computes the same with so many Adds and Gemms; destroys it. */
static void expect(
    struct test_net *net, struct cop_value *output, int32_t n_add, int32_t n_gemm)
{
    struct cop_err err;
    struct cop_graph *graph = NULL;
    struct cop_engine *engine = NULL;
    float x[2 * C * H * W];
    float y[2][2 * OC * H * W] = {{0}};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)cop_rng_normal(&net->rng);
    test_net_end(net, output);
    assert_ok(cop_graph_clone(net->graph, &graph, &err));
    assert_ok(cop_ops_simplify(graph, &err));
    assert_ok(cop_graph_check(graph, &err));
    assert_int_equal(count(graph, &cop_op_add), n_add);
    assert_int_equal(count(graph, &cop_op_gemm), n_gemm);
    assert_string_equal(
        cop_graph_output(graph, 0)->name, cop_graph_output(net->graph, 0)->name);
    assert_ok(cop_engine_create(&engine, &err));
    run(net->graph, x, y[0], engine);
    run(graph, x, y[1], engine);
    for (size_t i = 0; i < sizeof y[0] / sizeof y[0][0]; i++)
        if (fabsf(y[0][i] - y[1][i]) > 1e-5F)
            fail_msg("%zu: %g, %g", i, (double)y[0][i], (double)y[1][i]);
    cop_engine_destroy(engine);
    cop_graph_destroy(graph);
    cop_graph_destroy(net->graph);
}

static void test_convolutions(void **state)
{
    (void)state;
    struct test_net net = test_net_begin(&cop_ops_standard, C, H, W, 3);
    struct cop_value *x = conv(&net, net.x, C);
    x = test_net_op(&net, "Add", "a", "", x, weights(&net, 3, OC, 1, 1, 0), NULL);
    x = conv(&net, test_net_op(&net, "Relu", "r", "", x, NULL), OC);
    x = test_net_op(&net, "Add", "b", "", weights(&net, 4, 1, OC, 1, 1), x, NULL);
    expect(&net, x, 0, 0);
}

static void test_products(void **state)
{
    (void)state;
    struct test_net net = test_net_begin(&cop_ops_standard, C, H, W, 4);
    struct cop_value *x = test_net_op(&net, "Flatten", "flat", "", net.x, NULL);
    struct cop_value *const shared = weights(&net, 2, 1, 7, 0, 0);
    x = test_net_op(
        &net, "MatMul", "m", "", x, weights(&net, 2, C * H * W, 7, 0, 0), NULL);
    x = test_net_op(&net, "Add", "a", "", x, shared, NULL);
    x = test_net_op(&net, "Gemm", "g", "beta=0", x, weights(&net, 2, 7, 7, 0, 0), NULL);
    x = test_net_op(&net, "Add", "b", "", shared, x, NULL);
    expect(&net, x, 0, 2);
}

/* A map, a scalar, a bias on top of another, a result that is read twice: all stay. */
static void test_others_stay(void **state)
{
    (void)state;
    struct test_net net = test_net_begin(&cop_ops_standard, C, H, W, 5);
    struct cop_value *x = conv(&net, net.x, C);
    x = test_net_op(&net, "Add", "map", "", x, weights(&net, 3, OC, H, 1, 0), NULL);
    x = conv(&net, x, OC);
    x = test_net_op(&net, "Add", "scalar", "", x, weights(&net, 1, 1, 0, 0, 0), NULL);
    x = test_net_conv(&net, "biased", x, OC, 1, 1);
    x = test_net_op(&net, "Add", "more", "", x, weights(&net, 3, OC, 1, 1, 0), NULL);
    x = conv(&net, x, OC);
    struct cop_value *const sum =
        test_net_op(&net, "Add", "sum", "", x, weights(&net, 3, OC, 1, 1, 0), NULL);
    expect(&net, test_net_op(&net, "Mul", "twice", "", x, sum, NULL), 4, 0);
}

int join_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_others_stay),
    };
    return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
