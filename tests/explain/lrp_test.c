/* tests/explain/lrp_test.c - relevance in equals relevance out, node by node. */
#include "explain/lrp.h"

#include "explain/relevance.h"
#include "explain_tests.h"
#include "ops/ops.h"
#include "support/net.h"
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MB = 2, C = 4, SIDE = 6, MAX_ELEMENTS = 4096 };

/* One node handed random sources and random relevance. */
struct trial {
    float src[2][MAX_ELEMENTS];
    float dst_relevance[MAX_ELEMENTS];
    float src_relevance[2][MAX_ELEMENTS];
    struct cop_relevance_balance balance;
};

static void run_trial(
    struct test_net *net,
    struct cop_engine *engine,
    const struct cop_node *node,
    struct trial *trial)
{
    struct cop_err err;
    const float *src[8] = {NULL};
    float *src_relevance[8] = {NULL};
    int n = 0;
    for (int32_t slot = 0; slot < node->n_src; slot++) {
        if (!node->src[slot] || node->src[slot]->data) continue;
        assert_true(MB * cop_shape_n(&node->src[slot]->shape) <= MAX_ELEMENTS && n < 2);
        src[slot] = trial->src[n];
        src_relevance[slot] = trial->src_relevance[n];
        n++;
    }
    for (int i = 0; i < MAX_ELEMENTS; i++) {
        trial->src[0][i] = (float)cop_rng_normal(&net->rng);
        trial->src[1][i] = (float)cop_rng_normal(&net->rng);
        trial->dst_relevance[i] = (float)cop_rng_normal(&net->rng);
    }
    const float *dst = trial->dst_relevance;
    const struct cop_relevance_flow flow = {
        .mb = MB, .src = src, .dst_relevance = &dst, .src_relevance = src_relevance};
    assert_ok(
        cop_relevance_node(engine, net->graph, node, &flow, &trial->balance, &err));
}

static void assert_balanced(const struct cop_node *node, const struct trial *trial)
{
    const struct cop_relevance_balance *b = &trial->balance;
    const double gap = b->arrived - b->passed - b->absorbed - b->stabilised;
    if (!(fabs(gap) <= 2e-5 * (b->magnitude + fabs(b->absorbed) + fabs(b->stabilised))))
        fail_msg(
            "%s: arrived %g, passed %g, absorbed %g, stabilised %g, magnitude %g",
            node->name,
            b->arrived,
            b->passed,
            b->absorbed,
            b->stabilised,
            b->magnitude);
}

/* A little of every rule; every node of the net is tried on its own. */
static void every_node_keeps_its_books(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct trial *trial = malloc(sizeof *trial);
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = test_net_begin(&cop_ops_standard, C, SIDE, SIDE, 21);
    struct cop_value *a = test_net_conv(&net, "conv", net.x, 8, 3, 1);
    struct cop_value *bn = test_net_bn(&net, "bn", a);
    struct cop_value *relu = test_net_op(&net, "Relu", "relu", "", bn, NULL);
    struct cop_value *b = test_net_conv(&net, "depthwise", relu, 8, 3, 8);
    struct cop_value *sum = test_net_op(&net, "Add", "sum", "", b, relu, NULL);
    struct cop_value *both =
        test_net_op(&net, "Concat", "both", "axis=1", sum, bn, NULL);
    struct cop_value *max =
        test_net_op(&net, "MaxPool", "max", "kernel_shape=2,2 strides=2,2", both, NULL);
    struct cop_value *mean = test_net_op(
        &net, "AveragePool", "mean", "kernel_shape=3,3 pads=1,1,1,1", max, NULL);
    test_net_end(&net, test_net_head(&net, mean, 5));
    for (int32_t p = 0; p < cop_graph_n_nodes(net.graph); p++) {
        const struct cop_node *node = cop_graph_node(net.graph, p);
        run_trial(&net, engine, node, trial);
        if (node->op->relevance->conserves) assert_balanced(node, trial);
    }
    free(trial);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

/* y = w . x + b with everything known: shares are w_i x_i / y of R. */
static void a_linear_node_shares_by_contribution(void **state)
{
    (void)state;
    struct cop_err err;
    struct cop_engine *engine = NULL;
    struct trial *trial = malloc(sizeof *trial);
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = test_net_begin(&cop_ops_standard, 5, 1, 1, 23);
    const int64_t w_dims[2] = {3, 5};
    const int64_t b_dims[1] = {3};
    struct cop_value *w = test_net_weights(&net, 1, 2, w_dims);
    struct cop_value *bias = test_net_weights(&net, 1, 1, b_dims);
    struct cop_value *flat = test_net_op(&net, "Flatten", "flat", "", net.x, NULL);
    struct cop_value *y =
        test_net_op(&net, "Gemm", "fc", "transB=1", flat, w, bias, NULL);
    test_net_end(&net, y);
    run_trial(&net, engine, y->producer, trial);
    const void *weights = cop_buf_data(w->data);
    double absorbed = 0;
    for (int n = 0; n < MB; n++) {
        double want[5] = {0};
        for (int k = 0; k < 3; k++) {
            const double b_k = (double)cop_f32_at(cop_buf_data(bias->data), k);
            double y_k = b_k;
            for (int i = 0; i < 5; i++)
                y_k += (double)cop_f32_at(weights, k * 5 + i) *
                       (double)trial->src[0][n * 5 + i];
            const double s = (double)trial->dst_relevance[n * 3 + k] / y_k;
            absorbed += s * b_k;
            for (int i = 0; i < 5; i++)
                want[i] += s * (double)cop_f32_at(weights, k * 5 + i) *
                           (double)trial->src[0][n * 5 + i];
        }
        for (int i = 0; i < 5; i++)
            assert_true(
                fabs((double)trial->src_relevance[0][n * 5 + i] - want[i]) <
                2e-3 * (1 + fabs(want[i])));
    }
    assert_true(fabs(trial->balance.absorbed - absorbed) < 2e-3 * (1 + fabs(absorbed)));
    free(trial);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

int test_lrp(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_keeps_its_books),
        cmocka_unit_test(a_linear_node_shares_by_contribution),
    };
    return cmocka_run_group_tests_name("explain: relevance", tests, NULL, NULL);
}
