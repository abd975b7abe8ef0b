/* tests/engine/backward_test.c - gradients of every primitive, with respect to sources and
 * constants, against central differences of the double-precision reference. */
#include "engine_tests.h"
#include "nets.h"

#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20260613, PROBES = 12 };

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

/* sum(diff . end) after a change of one element of one value. */
static double objective(
    const struct cop_graph *graph, struct toy_values *values, const float *diff)
{
    int32_t end = cop_graph_output(graph, 0)->id;
    toy_values_compute(graph, values, NULL, 0);
    double sum = 0.0;
    for (int64_t i = 0; i < cop_shape_n(&values->value[end].shape); i++)
        sum += (double)diff[i] * values->value[end].at[i];
    return sum;
}

static void check_value(
    const struct cop_graph *graph,
    struct toy_values *values,
    struct cop_plan *plan,
    int32_t id,
    const float *diff,
    struct cop_rng *rng)
{
    struct cop_err err;
    struct toy_tensor *tensor = &values->value[id];
    int64_t n = cop_shape_n(&tensor->shape);
    float *got = calloc((size_t)n, sizeof *got);
    assert_ok(cop_plan_read_diff(plan, id, got, n, &err));
    for (int probe = 0; probe < PROBES; probe++) {
        const double h = 1e-6;
        int64_t i = cop_rng_below(rng, n);
        double x = tensor->at[i];
        double up;
        double down;
        tensor->at[i] = x + h;
        up = objective(graph, values, diff);
        tensor->at[i] = x - h;
        down = objective(graph, values, diff);
        tensor->at[i] = x;
        double want = (up - down) / (2 * h);
        double tolerance = 2e-4 * fmax(1.0, fabs(want));
        if (fabs(want - (double)got[i]) > tolerance) {
            print_error(
                "value '%s' element %lld: gradient %.8g, central difference %.8g\n",
                cop_graph_value(graph, id)->name,
                (long long)i,
                (double)got[i],
                want);
            fail();
        }
    }
    free(got);
}

/* All inputs and constants that reach the end. */
static void check_graph(const struct cop_graph *graph, int64_t mb, struct cop_rng *rng)
{
    struct cop_err err;
    struct toy_values *values = toy_values_create(graph, mb, rng);
    const struct cop_plan_options options = {.mb = mb, .purpose = COP_PURPOSE_BACKWARD};
    struct cop_plan *plan;
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    int64_t n = cop_shape_n(cop_plan_end_shape(plan, 0));
    float *diff = calloc((size_t)n, sizeof *diff);
    for (int64_t i = 0; i < n; i++)
        diff[i] = (float)cop_rng_range(rng, -1, 1);
    float *starts[8];
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        starts[i] = toy_floats(values, cop_graph_input(graph, i)->id);
    assert_fails(
        cop_plan_backward(plan, (const float *const[]){diff}, &err), COP_EINVAL);
    assert_ok(cop_plan_run(plan, (const float *const *)starts, NULL, &err));
    assert_ok(cop_plan_backward(plan, (const float *const[]){diff}, &err));
    for (int32_t id = 0; id < cop_graph_n_values(graph); id++) {
        const struct cop_value *value = cop_graph_value(graph, id);
        if (value == NULL || (value->data == NULL && !value->is_input)) continue;
        if (value->n_uses > 0) check_value(graph, values, plan, id, diff, rng);
    }
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        free(starts[i]);
    free(diff);
    cop_plan_destroy(plan);
    toy_values_destroy(values);
}

static struct cop_value *image(struct cop_graph *graph, struct cop_rng *rng, int64_t c)
{
    const int64_t dims[4] = {
        1, c, 3 + cop_rng_below(rng, 3), 3 + cop_rng_below(rng, 3)};
    return toy_input(graph, 4, dims);
}

/* The tested primitive sits between two convolutions, so its gradients come from and go
 * to something that mixes. */
static void check_unary(const struct toy_attrs *attrs, int64_t c, struct cop_rng *rng)
{
    struct cop_graph *graph = toy_graph();
    struct cop_value *x = image(graph, rng, c);
    x = toy_conv(graph, rng, x, c, toy_window(TOY_CONV, 3, 1, 1), true);
    x = toy_unary(graph, attrs, x);
    if (x->shape.rank == 4)
        x = toy_conv(graph, rng, x, 2, toy_window(TOY_CONV, 1, 1, 0), false);
    toy_end(graph, x);
    check_graph(graph, 2, rng);
    cop_graph_destroy(graph);
}

static void conv_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    print_message("seed %d\n", SEED);
    cop_rng_init(&rng, SEED);
    for (int round = 0; round < 16; round++) {
        struct cop_graph *graph = toy_graph();
        struct toy_attrs attrs = toy_window(TOY_CONV, 1, 1, 0);
        int64_t groups[] = {1, 2, 3};
        attrs.g = groups[round % 3];
        for (int i = 0; i < 2; i++) {
            attrs.window.kernel[i] = 1 + cop_rng_below(&rng, 3);
            attrs.window.strides[i] = 1 + cop_rng_below(&rng, 2);
            attrs.window.dilates[i] = 1 + cop_rng_below(&rng, 2);
            attrs.window.pads_l[i] = cop_rng_below(&rng, 3);
            attrs.window.pads_r[i] = 2;
        }
        struct cop_value *x = image(graph, &rng, 3 * attrs.g);
        x = toy_relu(graph, x);
        toy_end(graph, toy_conv(graph, &rng, x, 2 * attrs.g, attrs, round % 2 == 0));
        check_graph(graph, 1 + round % 2, &rng);
        cop_graph_destroy(graph);
    }
}

static void eltwise_gradients(void **state)
{
    static const struct toy_attrs algs[] = {
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_RELU},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_RELU, .alpha = 0.1f},
        {.kind = TOY_ELTWISE,
         .eltwise = COP_ELTWISE_CLIP,
         .alpha = -0.2f,
         .beta = 0.3f},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_LOGISTIC},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_TANH},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_ELU, .alpha = 0.7f},
        {.kind = TOY_ELTWISE,
         .eltwise = COP_ELTWISE_LINEAR,
         .alpha = 2.0f,
         .beta = 1.0f},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_EXP},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_ABS},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_SQRT},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_LOG},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_POW, .alpha = 2.0f, .beta = 1.5f},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_POW, .alpha = 1.0f, .beta = -1.0f},
    };
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 1);
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, 3);
        if (i >= 9) { /* these want positive numbers */
            const struct toy_attrs grow = {
                .kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_EXP};
            x = toy_unary(graph, &grow, x);
        }
        toy_end(graph, toy_unary(graph, &algs[i], x));
        check_graph(graph, 2, &rng);
        cop_graph_destroy(graph);
    }
}

static void binary_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 2);
    for (int round = 0; round < 24; round++) {
        struct cop_graph *graph = toy_graph();
        static const double range[2] = {0.5, 1.5};
        const struct toy_attrs attrs = {
            .kind = TOY_BINARY, .binary = (enum cop_binary_alg)(round % 6)};
        struct cop_value *x = image(graph, &rng, 3);
        int64_t dims[4] = {1, 3, x->shape.dim[2], x->shape.dim[3]};
        for (int i = 1; i < 4; i++) {
            if (cop_rng_below(&rng, 2) == 0) dims[i] = 1;
        }
        int32_t lead = (int32_t)cop_rng_below(&rng, 5);
        struct cop_value *c = toy_const(graph, &rng, 4 - lead, dims + lead, range);
        struct cop_value *srcs[2] = {x, c};
        if (round % 2 == 1 && attrs.binary != COP_BINARY_DIV) {
            srcs[0] = c;
            srcs[1] = x;
        }
        struct cop_value *y = toy_node(graph, &attrs, 2, srcs);
        toy_end(graph, y); /* the reference differentiates the first output */
        check_graph(graph, 2, &rng);
        cop_graph_destroy(graph);
    }
}

static void pool_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 3);
    for (int round = 0; round < 12; round++) {
        struct toy_attrs attrs = toy_window(TOY_POOL, 2, 1 + round % 2, round % 4 / 2);
        attrs.pool = (enum cop_pool_alg)(round % 3);
        attrs.window.dilates[1] = 1 + (round % 5 == 4 ? 1 : 0);
        check_unary(&attrs, 3, &rng);
    }
}

static void softmax_and_reduce_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 4);
    for (int round = 0; round < 24; round++) {
        const struct toy_attrs attrs = {
            .kind = round % 2 == 0 ? TOY_SOFTMAX : TOY_REDUCE,
            .axis = 1 + (int32_t)cop_rng_below(&rng, 3),
            .logarithm = round % 4 == 0,
            .reduce = (enum cop_reduce_alg)(round % 3),
            .axes = 2 * (1 + (uint32_t)cop_rng_below(&rng, 7)),
            .keep_axes = cop_rng_below(&rng, 2) != 0,
        };
        check_unary(&attrs, 3, &rng);
    }
}

static void move_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 5);
    const struct toy_attrs moves[] = {
        {.kind = TOY_SLICE,
         .starts = {0, 1, 2, 0},
         .steps = {1, 1, -1, 2},
         .counts = {0, 2, 2, 2}},
        {.kind = TOY_PAD, .pads_l = {0, 1, -1, 2}, .pads_r = {0, 0, 1, -1}},
        {.kind = TOY_TRANSPOSE, .perm = {0, 3, 1, 2}},
        {.kind = TOY_RESHAPE, .rank = 2, .counts = {0, -1}},
    };
    for (int i = 0; i < 4; i++)
        check_unary(&moves[i], 3, &rng);
    for (int round = 0; round < 4; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, 3);
        const struct toy_attrs attrs = {.kind = TOY_CONCAT, .axis = 1};
        struct cop_value *srcs[3] = {
            toy_conv(graph, &rng, x, 2, toy_window(TOY_CONV, 3, 1, 1), true),
            x,
            toy_relu(graph, x)};
        x = toy_node(graph, &attrs, 3, srcs);
        toy_end(
            graph, toy_conv(graph, &rng, x, 2, toy_window(TOY_CONV, 1, 1, 0), true));
        check_graph(graph, 2, &rng);
        cop_graph_destroy(graph);
    }
}

static void normalise_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 6);
    for (int round = 0; round < 4; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, 5);
        toy_end(graph, toy_normalise(graph, &rng, x));
        check_graph(graph, 3, &rng);
        cop_graph_destroy(graph);
    }
}

static void matmul_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 7);
    for (int round = 0; round < 16; round++) {
        struct cop_graph *graph = toy_graph();
        static const double range[2] = {-1.0, 1.0};
        struct toy_attrs attrs = {
            .kind = TOY_MATMUL,
            .matmul = {
                (round & 1) != 0,
                (round & 2) != 0,
                (round & 4) != 0 ? 0.5f : 1.0f,
                (round & 4) != 0 ? 2.0f : 1.0f}};
        int64_t a[3] = {1, 3, 4};
        int64_t b[3] = {1, 4, 5};
        if (attrs.matmul.transpose_src) a[1] = 4, a[2] = 3;
        if (attrs.matmul.transpose_weights) b[1] = 5, b[2] = 4;
        struct cop_value *srcs[3] = {toy_input(graph, 3, a), NULL, NULL};
        srcs[1] = (round & 8) != 0 ? toy_const(graph, &rng, 2, b + 1, range)
                                   : toy_input(graph, 3, b);
        const int64_t five = 5;
        srcs[2] = toy_const(graph, &rng, 1, &five, range);
        toy_end(graph, toy_node(graph, &attrs, 3, srcs));
        check_graph(graph, 2, &rng);
        cop_graph_destroy(graph);
    }
}

static void net_gradients(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 8);
    /* Smooth throughout, so that central differences hold everywhere. */
    for (int round = 0; round < 4; round++) {
        struct cop_graph *graph = toy_graph();
        const struct toy_attrs tanh_of = {
            .kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_TANH};
        struct toy_attrs conv = toy_window(TOY_CONV, 3, 1, 1);
        struct cop_value *x = image(graph, &rng, 3);
        struct cop_value *y = toy_conv(graph, &rng, x, 4, conv, true);
        y = toy_unary(graph, &tanh_of, toy_normalise(graph, &rng, y));
        struct cop_value *z = toy_conv(graph, &rng, y, 4, conv, false);
        z = toy_unary(graph, &tanh_of, toy_add(graph, z, y));
        const struct toy_attrs mean = {
            .kind = TOY_REDUCE, .reduce = COP_REDUCE_MEAN, .axes = 0xc};
        const struct toy_attrs softmax = {.kind = TOY_SOFTMAX, .axis = 1};
        toy_end(graph, toy_unary(graph, &softmax, toy_unary(graph, &mean, z)));
        check_graph(graph, 2, &rng);
        cop_graph_destroy(graph);
    }
}

/* A masked channel passes nothing back; the others pass what they did. */
static void masks_stop_gradients(void **state)
{
    struct cop_rng rng;
    struct cop_err err;
    struct cop_plan *plan;
    (void)state;
    cop_rng_init(&rng, SEED + 9);
    struct cop_graph *graph = toy_graph();
    const int64_t dims[4] = {1, 3, 4, 4};
    struct cop_value *x = toy_input(graph, 4, dims);
    struct cop_value *y =
        toy_conv(graph, &rng, x, 4, toy_window(TOY_CONV, 1, 1, 0), true);
    toy_end(graph, toy_conv(graph, &rng, y, 2, toy_window(TOY_CONV, 3, 1, 1), false));
    const struct cop_value *tap = y;
    const struct cop_plan_options options = {
        .mb = 1, .purpose = COP_PURPOSE_BACKWARD, .taps = &tap, .n_taps = 1};
    assert_ok(cop_plan_create(engine, graph, &options, &plan, &err));
    const uint8_t mask[4] = {0, 1, 1, 0};
    float ones[48];
    float diff[32];
    float weights[12];
    for (int i = 0; i < 48; i++)
        ones[i] = 1.0f;
    for (int i = 0; i < 32; i++)
        diff[i] = 1.0f;
    assert_ok(cop_plan_mask_channels(plan, y->id, mask, 0.0f, &err));
    assert_ok(cop_plan_run(plan, (const float *const[]){ones}, NULL, &err));
    assert_ok(cop_plan_backward(plan, (const float *const[]){diff}, &err));
    assert_ok(cop_plan_read_diff(plan, y->producer->src[1]->id, weights, 12, &err));
    for (int i = 0; i < 12; i++)
        assert_true((weights[i] == 0.0f) == (mask[i / 3] != 0));
    assert_fails(cop_plan_read_diff(plan, y->id, weights, 12, &err), COP_EINVAL);
    assert_fails(cop_plan_read_diff(plan, 12345, weights, 12, &err), COP_EINVAL);
    cop_plan_destroy(plan);
    cop_graph_destroy(graph);
}

int test_backward(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_gradients),
        cmocka_unit_test(eltwise_gradients),
        cmocka_unit_test(binary_gradients),
        cmocka_unit_test(pool_gradients),
        cmocka_unit_test(softmax_and_reduce_gradients),
        cmocka_unit_test(move_gradients),
        cmocka_unit_test(normalise_gradients),
        cmocka_unit_test(matmul_gradients),
        cmocka_unit_test(net_gradients),
        cmocka_unit_test(masks_stop_gradients),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
