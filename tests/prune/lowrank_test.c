/* tests/prune/lowrank_test.c - what low rank predicts against what the factored network
 * gives, and against a decomposition worked out slowly here. */
#include "prune_tests.h"
#include "support/random_net.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "prune/coupling.h"
#include "prune/lowrank.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 29 };

static void check_near(double got, double wanted, double within)
{
    if (fabs(got - wanted) <= within) return;
    fail_msg("%.9g, wanted %.9g within %.3g", got, wanted, within);
}

struct feed {
    int64_t elements; /* of one sample */
};

/* Samples that depend on their number only. */
static enum cop_status read_samples(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const struct feed *feed = context;
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        struct cop_rng rng;
        cop_rng_init_stream(&rng, 5, (uint64_t)(first + i));
        for (int64_t k = 0; k < feed->elements; k++)
            batch[i * feed->elements + k] = (float)cop_rng_normal(&rng);
    }
    return COP_OK;
}

/* All elements of one value for all samples; the caller frees them. */
static float *respond(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const char *value_name,
    struct cop_shape *shape)
{
    struct cop_err err = {0};
    const struct cop_value *value = cop_graph_find_value(graph, value_name);
    assert_non_null(value);
    const struct cop_plan_options options = {
        .mb = SAMPLES, .ends = &value, .n_ends = 1};
    struct cop_plan *plan = NULL;
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    *shape = *cop_plan_end_shape(plan, 0);
    struct feed feed = {cop_shape_n(&cop_graph_input(graph, 0)->shape)};
    float *x = cop_mem_array((size_t)(SAMPLES * feed.elements), sizeof *x);
    float *y = cop_mem_array((size_t)cop_shape_n(shape), sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    assert_ok(read_samples(&feed, 0, SAMPLES, x, &err));
    assert_ok(cop_plan_run(plan, (const float *const[]){x}, (float *const[]){y}, &err));
    cop_plan_destroy(plan);
    cop_mem_free(x);
    return y;
}

static struct cop_lowrank *measure(
    struct cop_engine *engine, const struct cop_graph *graph, bool has_data)
{
    struct cop_err err = {0};
    struct feed feed = {cop_shape_n(&cop_graph_input(graph, 0)->shape)};
    const struct cop_sample_source samples = {
        .context = &feed, .n = SAMPLES, .read = read_samples};
    struct cop_lowrank *lowrank = NULL;
    assert_ok(cop_lowrank_measure(
        engine, graph, has_data ? &samples : NULL, NULL, &lowrank, &err));
    assert_int_equal(cop_lowrank_has_data(lowrank), has_data);
    return lowrank;
}

/* Factor @p i at @p rank, all others as they are. */
static struct cop_graph *apply_one(
    const struct cop_lowrank *lowrank, int32_t i, int64_t rank)
{
    struct cop_err err = {0};
    int32_t n = cop_lowrank_n(lowrank);
    int64_t *ranks = cop_mem_array((size_t)n, sizeof *ranks);
    assert_non_null(ranks);
    ranks[i] = rank;
    struct cop_graph *factored = NULL;
    assert_ok(cop_lowrank_apply(lowrank, ranks, &factored, &err));
    cop_mem_free(ranks);
    return factored;
}

static bool takes_bias(const struct cop_node *node)
{
    struct cop_linear linear;
    assert_true(node->op->coupling->linear(node, &linear));
    return linear.bias_slot >= 0;
}

/* Squared change over the energy of y about its mean per channel (or about zero). */
static double relative_error(
    const float *y,
    const float *changed,
    const struct cop_shape *shape,
    int32_t axis,
    bool is_centred)
{
    int64_t outer = cop_shape_span(shape, 0, axis);
    int64_t n = shape->dim[axis];
    int64_t inner = cop_shape_span(shape, axis + 1, shape->rank);
    double error = 0.0;
    double energy = 0.0;
    for (int64_t c = 0; c < n; c++) {
        double sum = 0.0;
        double squares = 0.0;
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t i = 0; i < inner; i++) {
                int64_t at = (o * n + c) * inner + i;
                double change = (double)changed[at] - (double)y[at];
                sum += (double)y[at];
                squares += (double)y[at] * (double)y[at];
                error += change * change;
            }
        }
        energy += squares;
        if (is_centred) energy -= sum * sum / (double)(outer * inner);
    }
    return energy > 0.0 ? error / energy : 0.0;
}

static int32_t result_axis(const struct cop_node *node)
{
    struct cop_linear linear;
    assert_true(node->op->coupling->linear(node, &linear));
    return linear.dst_axis;
}

/* The factored node alone gives what its table says. */
static void check_prediction(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_lowrank *lowrank,
    int32_t i,
    int64_t rank)
{
    const struct cop_factor *factor = cop_lowrank_at(lowrank, i);
    struct cop_graph *factored = apply_one(lowrank, i, rank);
    const char *name = factor->node->dst[0]->name;
    struct cop_shape shape;
    struct cop_shape shape_after;
    float *before = respond(engine, graph, name, &shape);
    float *after = respond(engine, factored, name, &shape_after);
    assert_true(cop_shape_equal(&shape, &shape_after));
    double error = relative_error(
        before, after, &shape, result_axis(factor->node), takes_bias(factor->node));
    check_near(error, factor->errors[rank], 1e-4 + 0.01 * factor->errors[rank]);

    int64_t weights = cop_factor_n_weights(factor, 0);
    int64_t saved = weights - cop_factor_n_weights(factor, rank);
    assert_true(saved > 0);
    int64_t macs_before = 0;
    int64_t macs_after = 0;
    struct cop_err err = {0};
    assert_ok(cop_graph_macs(graph, &macs_before, &err));
    assert_ok(cop_graph_macs(factored, &macs_after, &err));
    assert_int_equal(macs_before - macs_after, saved * factor->positions);
    cop_mem_free(after);
    cop_mem_free(before);
    cop_graph_destroy(factored);
}

/* A window with stride and uneven padding, both orders of fully connected weights, and a
 * product that has no bias. */
static struct test_net mixed_net(uint64_t seed)
{
    struct test_net net = test_net_begin(&cop_ops_standard, 3, 9, 8, seed);
    struct cop_value *x = test_net_conv(&net, "a", net.x, 12, 3, 1);
    x = test_net_op(&net, "Relu", "ra", "", x, NULL);
    struct cop_value *w =
        test_net_weights(&net, 0.2, 4, (const int64_t[]){10, 12, 3, 3});
    x = test_net_op(
        &net, "Conv", "b", "strides=2,1 pads=0,1,2,1 kernel_shape=3,3", x, w, NULL);
    x = test_net_op(&net, "Relu", "rb", "", x, NULL);
    x = test_net_op(&net, "Flatten", "flat", "", x, NULL);
    w = test_net_weights(&net, 0.1, 2, (const int64_t[]){20, x->shape.dim[1]});
    struct cop_value *bias = test_net_weights(&net, 1.0, 1, (const int64_t[]){20});
    x = test_net_op(&net, "Gemm", "fc", "transB=1", x, w, bias, NULL);
    x = test_net_op(&net, "Relu", "rf", "", x, NULL);
    w = test_net_weights(&net, 0.2, 2, (const int64_t[]){20, 9});
    x = test_net_op(&net, "MatMul", "product", "", x, w, NULL);
    test_net_end(&net, x);
    return net;
}

static void test_errors_are_those_predicted(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = mixed_net(3);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_lowrank *lowrank = measure(engine, net.graph, true);
    assert_int_equal(cop_lowrank_n(lowrank), 4);
    for (int32_t i = 0; i < 4; i++) {
        const struct cop_factor *factor = cop_lowrank_at(lowrank, i);
        for (int64_t rank = 1; rank <= factor->n_ranks; rank++) {
            assert_true(factor->errors[rank] <= factor->errors[rank - 1] + 1e-12);
            check_prediction(engine, net.graph, lowrank, i, rank);
        }
    }
    cop_lowrank_destroy(lowrank);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* Eigenvalues of a small symmetric matrix by Jacobi's rotations, in any order. */
static void jacobi(double *a, int64_t n)
{
    for (int sweep = 0; sweep < 60; sweep++) {
        for (int64_t p = 0; p < n; p++) {
            for (int64_t q = p + 1; q < n; q++) {
                double off = a[p * n + q];
                if (fabs(off) < 1e-15) continue;
                double theta = 0.5 * atan2(2.0 * off, a[q * n + q] - a[p * n + p]);
                double c = cos(theta);
                double s = sin(theta);
                for (int64_t k = 0; k < n; k++) {
                    double x = a[k * n + p];
                    double y = a[k * n + q];
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for (int64_t k = 0; k < n; k++) {
                    double x = a[p * n + k];
                    double y = a[q * n + k];
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                }
            }
        }
    }
}

/* The least error any rank can have: what the greatest eigenvalues of the covariance of
 * the results leave (Eckart and Young 1936). */
static double least_error(
    const float *y, const struct cop_shape *shape, int64_t rank, bool is_centred)
{
    int64_t n = shape->dim[1];
    int64_t rows = shape->dim[0];
    double *mean = cop_mem_array((size_t)n, sizeof *mean);
    double *gram = cop_mem_array((size_t)(n * n), sizeof *gram);
    assert_non_null(mean);
    assert_non_null(gram);
    for (int64_t i = 0; is_centred && i < rows * n; i++)
        mean[i % n] += (double)y[i] / (double)rows;
    for (int64_t o = 0; o < rows; o++) {
        for (int64_t i = 0; i < n * n; i++)
            gram[i] += ((double)y[o * n + i / n] - mean[i / n]) *
                       ((double)y[o * n + i % n] - mean[i % n]);
    }
    jacobi(gram, n);
    double total = 0.0;
    for (int64_t c = 0; c < n; c++)
        total += gram[c * n + c];
    double left = total;
    for (int64_t k = 0; k < rank; k++) {
        int64_t best = 0;
        for (int64_t c = 0; c < n; c++)
            if (gram[c * n + c] > gram[best * n + best]) best = c;
        left -= gram[best * n + best];
        gram[best * n + best] = 0.0;
    }
    cop_mem_free(gram);
    cop_mem_free(mean);
    return left / total;
}

static void test_no_basis_is_better(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = mixed_net(4);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_lowrank *lowrank = measure(engine, net.graph, true);
    for (int32_t i = 2; i < 4; i++) { /* those of rank 2 */
        const struct cop_factor *factor = cop_lowrank_at(lowrank, i);
        struct cop_shape shape;
        float *y = respond(engine, net.graph, factor->node->dst[0]->name, &shape);
        for (int64_t rank = 1; rank <= factor->n_ranks; rank++) {
            double least = least_error(y, &shape, rank, takes_bias(factor->node));
            assert_true(factor->errors[rank] >= least - 1e-6);
            assert_true(factor->errors[rank] <= least + 2e-3); /* the ridge */
        }
        cop_mem_free(y);
    }
    cop_lowrank_destroy(lowrank);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* Weights that are a product of two thin ones lose nothing at that rank, with samples or
 * without. */
static void test_exact_rank_loses_nothing(void **state)
{
    (void)state;
    enum { IN = 24, OUT = 16, RANK = 5 };
    struct cop_err err = {0};
    struct test_net net = test_net_begin(&cop_ops_standard, IN, 4, 4, 8);
    float w[OUT * IN] = {0};
    for (int k = 0; k < RANK; k++) {
        double row[IN];
        for (int c = 0; c < IN; c++)
            row[c] = cop_rng_normal(&net.rng);
        for (int o = 0; o < OUT; o++) {
            double factor = cop_rng_normal(&net.rng);
            for (int c = 0; c < IN; c++)
                w[o * IN + c] += (float)(factor * row[c]);
        }
    }
    struct cop_value *weights =
        test_net_weights(&net, 1.0, 4, (const int64_t[]){OUT, IN, 1, 1});
    struct cop_buf *buf = NULL;
    assert_ok(cop_buf_create(sizeof w, &buf, &err));
    memcpy(cop_buf_mutable(buf), w, sizeof w);
    assert_ok(cop_graph_set_const(net.graph, weights, &weights->shape, buf, &err));
    cop_buf_release(buf);
    test_net_end(&net, test_net_op(&net, "Conv", "c", "", net.x, weights, NULL));
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    for (int has_data = 0; has_data < 2; has_data++) {
        struct cop_lowrank *lowrank = measure(engine, net.graph, has_data != 0);
        const struct cop_factor *factor = cop_lowrank_at(lowrank, 0);
        assert_true(factor->errors[RANK] < 1e-6);
        assert_true(factor->errors[RANK - 1] > 1e-3);
        struct cop_graph *factored = apply_one(lowrank, 0, RANK);
        struct cop_shape shape;
        const char *name = factor->node->dst[0]->name;
        float *before = respond(engine, net.graph, name, &shape);
        float *after = respond(engine, factored, name, &shape);
        for (int64_t i = 0; i < cop_shape_n(&shape); i++)
            check_near((double)after[i], (double)before[i], 1e-4);
        cop_mem_free(after);
        cop_mem_free(before);
        cop_graph_destroy(factored);
        cop_lowrank_destroy(lowrank);
    }
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* The product of the two nodes' weights, against the one node's. */
static void test_without_samples(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = mixed_net(5);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_lowrank *lowrank = measure(engine, net.graph, false);
    const struct cop_factor *factor = cop_lowrank_at(lowrank, 2); /* fc: transB */
    assert_string_equal(factor->node->name, "fc");
    int64_t rank = factor->n_ranks / 2;
    struct cop_graph *factored = apply_one(lowrank, 2, rank);
    const float *w = cop_buf_data(factor->node->src[1]->data);
    const float *first =
        cop_buf_data(cop_graph_find_node(factored, "fc_narrow")->src[1]->data);
    const float *second =
        cop_buf_data(cop_graph_find_node(factored, "fc")->src[1]->data);
    double error = 0.0;
    double energy = 0.0;
    for (int64_t o = 0; o < factor->n_out; o++) {
        for (int64_t i = 0; i < factor->n_in; i++) {
            double old = (double)w[o * factor->n_in + i];
            double product = 0.0;
            for (int64_t k = 0; k < rank; k++)
                product +=
                    (double)second[o * rank + k] * (double)first[k * factor->n_in + i];
            error += (product - old) * (product - old);
            energy += old * old;
        }
    }
    check_near(error / energy, factor->errors[rank], 1e-5);
    cop_graph_destroy(factored);
    cop_lowrank_destroy(lowrank);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* Whatever the topology: every node factored alone errs as predicted, and all together
 * leave a network of the same outputs. */
static void test_random_networks(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    int64_t n_factored = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct test_net net = random_net_make(seed);
        struct cop_lowrank *lowrank = measure(engine, net.graph, seed % 4 != 0);
        int64_t ranks[64] = {0};
        int32_t n = cop_lowrank_n(lowrank);
        assert_true(n <= 64);
        for (int32_t i = 0; i < n; i++) {
            const struct cop_factor *factor = cop_lowrank_at(lowrank, i);
            ranks[i] = cop_rng_below(&net.rng, factor->n_ranks + 1);
            if (ranks[i] == 0) continue;
            n_factored++;
            if (seed % 4 != 0)
                check_prediction(engine, net.graph, lowrank, i, ranks[i]);
        }
        struct cop_graph *factored = NULL;
        assert_ok(cop_lowrank_apply(lowrank, ranks, &factored, &err));
        assert_true(cop_shape_equal(
            &cop_graph_output(factored, 0)->shape,
            &cop_graph_output(net.graph, 0)->shape));
        const char *name = cop_graph_output(net.graph, 0)->name;
        assert_string_equal(cop_graph_output(factored, 0)->name, name);
        struct cop_shape shape;
        float *y = respond(engine, factored, name, &shape);
        for (int64_t k = 0; k < cop_shape_n(&shape); k++)
            assert_true(isfinite(y[k]));
        cop_mem_free(y);
        cop_graph_destroy(factored);
        cop_lowrank_destroy(lowrank);
        cop_graph_destroy(net.graph);
    }
    assert_true(n_factored > 40);
    cop_engine_destroy(engine);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct test_net net = mixed_net(6);
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct cop_lowrank *lowrank = measure(engine, net.graph, false);
    int64_t ranks[4] = {0};
    ranks[1] = cop_lowrank_at(lowrank, 1)->n_ranks + 1;
    struct cop_graph *factored = NULL;
    assert_int_equal(cop_lowrank_apply(lowrank, ranks, &factored, &err), COP_EINVAL);
    assert_non_null(strstr(err.text, "'b'"));
    ranks[1] = -1;
    assert_int_equal(cop_lowrank_apply(lowrank, ranks, &factored, &err), COP_EINVAL);
    assert_null(factored);
    cop_lowrank_destroy(lowrank);

    struct feed feed = {3 * 9 * 8};
    const struct cop_sample_source none = {.context = &feed, .read = read_samples};
    assert_int_equal(
        cop_lowrank_measure(engine, net.graph, &none, NULL, &lowrank, &err),
        COP_EINVAL);
    cop_engine_destroy(engine);
    cop_graph_destroy(net.graph);
}

/* Weights that are not numbers, and layers too wide to decompose. */
static void test_hostile_weights(void **state)
{
    (void)state;
    struct cop_err err = {0};
    struct cop_engine *engine = NULL;
    assert_ok(cop_engine_create(&engine, &err));
    struct test_net net = test_net_begin(&cop_ops_standard, 8, 1, 1, 2);
    struct cop_value *w =
        test_net_weights(&net, 1e30, 4, (const int64_t[]){6, 8, 1, 1});
    test_net_end(&net, test_net_op(&net, "Conv", "c", "", net.x, w, NULL));
    struct cop_lowrank *lowrank = NULL;
    assert_int_equal(
        cop_lowrank_measure(engine, net.graph, NULL, NULL, &lowrank, &err), COP_EINVAL);
    assert_non_null(strstr(err.text, "node 'c'"));
    cop_graph_destroy(net.graph);

    net = test_net_begin(&cop_ops_standard, 2, 1, 1, 2);
    w = test_net_weights(&net, 1.0, 4, (const int64_t[]){5000, 2, 1, 1});
    test_net_end(&net, test_net_op(&net, "Conv", "wide", "", net.x, w, NULL));
    lowrank = measure(engine, net.graph, false);
    assert_int_equal(cop_lowrank_n(lowrank), 0);
    cop_lowrank_destroy(lowrank);
    cop_graph_destroy(net.graph);
    cop_engine_destroy(engine);
}

int run_lowrank_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_those_predicted),
        cmocka_unit_test(test_no_basis_is_better),
        cmocka_unit_test(test_exact_rank_loses_nothing),
        cmocka_unit_test(test_without_samples),
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_hostile_weights),
    };
    return cmocka_run_group_tests_name("lowrank", tests, NULL, NULL);
}
