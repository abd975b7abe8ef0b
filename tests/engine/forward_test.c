/* tests/engine/forward_test.c - every primitive against slow double-precision loops, over
 * random shapes with odd channel counts; repeated runs must agree to the bit. */
#include "engine_tests.h"
#include "toy.h"

#include "support/test.h"

#include <stdlib.h>

enum { SEED = 20260611 };

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

static int64_t pick(struct cop_rng *rng, const int64_t *from, int64_t n)
{
    return from[cop_rng_below(rng, n)];
}

static int64_t channels(struct cop_rng *rng)
{
    static const int64_t c[] = {1, 3, 5, 8, 16, 17, 32, 37};
    return pick(rng, c, 8);
}

static void check_and_free(struct cop_graph *graph, struct cop_rng *rng)
{
    static const int64_t batches[] = {1, 3};
    int64_t mb = pick(rng, batches, 2);
    struct toy_values *values = toy_values_create(graph, mb, rng);
    toy_check_forward(engine, graph, values, COP_PURPOSE_INFER, 1e-5);
    toy_values_destroy(values);
    cop_graph_destroy(graph);
}

static struct cop_value *image(struct cop_graph *graph, struct cop_rng *rng, int64_t c)
{
    const int64_t dims[4] = {
        1, c, 5 + cop_rng_below(rng, 7), 5 + cop_rng_below(rng, 7)};
    return toy_input(graph, 4, dims);
}

static struct toy_attrs random_window(struct cop_rng *rng, enum toy_kind kind)
{
    struct toy_attrs attrs = toy_window(kind, 1, 1, 0);
    for (int i = 0; i < 2; i++) {
        attrs.window.kernel[i] = 1 + cop_rng_below(rng, 3);
        attrs.window.strides[i] = 1 + cop_rng_below(rng, 2);
        attrs.window.dilates[i] = 1 + cop_rng_below(rng, 2);
        attrs.window.pads_l[i] = cop_rng_below(rng, attrs.window.kernel[i]);
        attrs.window.pads_r[i] = cop_rng_below(rng, attrs.window.kernel[i]);
    }
    return attrs;
}

static void conv_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    print_message("seed %d\n", SEED);
    cop_rng_init(&rng, SEED);
    for (int round = 0; round < 60; round++) {
        struct cop_graph *graph = toy_graph();
        struct toy_attrs attrs = random_window(&rng, TOY_CONV);
        static const int64_t groups[] = {1, 1, 2, 4};
        attrs.g = pick(&rng, groups, 4);
        int64_t ic = channels(&rng) * attrs.g;
        int64_t oc = channels(&rng) * attrs.g;
        if (round % 5 == 0) attrs.g = oc = ic = channels(&rng); /* depthwise */
        struct cop_value *x = image(graph, &rng, ic);
        struct cop_value *y =
            toy_conv(graph, &rng, x, oc, attrs, cop_rng_below(&rng, 2) != 0);
        toy_end(graph, y);
        check_and_free(graph, &rng);
    }
}

static void pool_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 1);
    for (int round = 0; round < 40; round++) {
        struct cop_graph *graph = toy_graph();
        struct toy_attrs attrs = random_window(&rng, TOY_POOL);
        attrs.pool = (enum cop_pool_alg)(round % 3);
        struct cop_value *x = image(graph, &rng, channels(&rng));
        /* Half of them read the layout that a convolution leaves. */
        if (round % 2 == 0)
            x = toy_conv(
                graph, &rng, x, channels(&rng), toy_window(TOY_CONV, 3, 1, 1), false);
        for (int i = 0; i < 2; i++) {
            int64_t reach = (attrs.window.kernel[i] - 1) * attrs.window.dilates[i] + 1;
            /* A window must not lie in the padding alone. */
            if (attrs.window.pads_r[i] >= reach) attrs.window.pads_r[i] = 0;
        }
        toy_end(graph, toy_unary(graph, &attrs, x));
        check_and_free(graph, &rng);
    }
}

static void eltwise_matches(void **state)
{
    static const struct toy_attrs algs[] = {
        {.eltwise = COP_ELTWISE_RELU},
        {.eltwise = COP_ELTWISE_RELU, .alpha = 0.1f},
        {.eltwise = COP_ELTWISE_CLIP, .alpha = -0.2f, .beta = 0.3f},
        {.eltwise = COP_ELTWISE_LOGISTIC},
        {.eltwise = COP_ELTWISE_TANH},
        {.eltwise = COP_ELTWISE_ELU, .alpha = 0.7f},
        {.eltwise = COP_ELTWISE_LINEAR, .alpha = 2.0f, .beta = -0.5f},
        {.eltwise = COP_ELTWISE_EXP},
        {.eltwise = COP_ELTWISE_ABS},
        {.eltwise = COP_ELTWISE_SQRT},
        {.eltwise = COP_ELTWISE_LOG},
        {.eltwise = COP_ELTWISE_POW, .alpha = 2.0f, .beta = 1.5f},
        {.eltwise = COP_ELTWISE_POW, .alpha = 1.0f, .beta = -1.0f},
    };
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 2);
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        for (int blocked = 0; blocked < 2; blocked++) {
            struct cop_graph *graph = toy_graph();
            struct toy_attrs attrs = algs[i];
            attrs.kind = TOY_ELTWISE;
            struct cop_value *x = image(graph, &rng, channels(&rng));
            if (blocked == 1)
                x = toy_conv(graph, &rng, x, 17, toy_window(TOY_CONV, 3, 1, 1), false);
            if (i >= 9) { /* these want positive numbers */
                const struct toy_attrs grow = {
                    .kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_EXP};
                x = toy_unary(graph, &grow, x);
                toy_end(graph, x);
            }
            toy_end(graph, toy_unary(graph, &attrs, x));
            check_and_free(graph, &rng);
        }
    }
}

/* Two functions of one kind behind one convolution keep their own numbers. */
static void like_eltwises_match(void **state)
{
    static const struct toy_attrs algs[][2] = {
        {{.eltwise = COP_ELTWISE_LINEAR, .alpha = 2.0f, .beta = -0.5f},
         {.eltwise = COP_ELTWISE_LINEAR, .alpha = 0.25f, .beta = 1.0f}},
        {{.eltwise = COP_ELTWISE_CLIP, .alpha = -0.2f, .beta = 0.3f},
         {.eltwise = COP_ELTWISE_CLIP, .alpha = -0.1f, .beta = 0.5f}},
        {{.eltwise = COP_ELTWISE_RELU, .alpha = 0.1f},
         {.eltwise = COP_ELTWISE_RELU, .alpha = 0.5f}},
        {{.eltwise = COP_ELTWISE_ELU, .alpha = 0.7f},
         {.eltwise = COP_ELTWISE_ELU, .alpha = 2.0f}},
    };
    static const struct toy_attrs between = {
        .kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_TANH};
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 9);
    for (size_t i = 0; i < 2 * sizeof algs / sizeof algs[0]; i++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, 8);
        x = toy_conv(graph, &rng, x, 16, toy_window(TOY_CONV, 3, 1, 1), false);
        for (int k = 0; k < 2; k++) {
            struct toy_attrs attrs = algs[i / 2][k];
            attrs.kind = TOY_ELTWISE;
            x = toy_unary(graph, &attrs, x);
            if (k == 0 && i % 2 == 0) x = toy_unary(graph, &between, x);
        }
        toy_end(graph, x);
        check_and_free(graph, &rng);
    }
}

static void binary_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 3);
    for (int round = 0; round < 60; round++) {
        struct cop_graph *graph = toy_graph();
        const struct toy_attrs attrs = {
            .kind = TOY_BINARY, .binary = (enum cop_binary_alg)(round % 6)};
        int64_t c = channels(&rng);
        struct cop_value *a = image(graph, &rng, c);
        if (round % 2 == 0)
            a = toy_conv(graph, &rng, a, c, toy_window(TOY_CONV, 3, 1, 1), true);
        /* The other side: an equal or partly stretched constant, or a computed one. */
        int64_t dims[4] = {1, c, a->shape.dim[2], a->shape.dim[3]};
        for (int i = 1; i < 4; i++) {
            if (cop_rng_below(&rng, 2) == 0) dims[i] = 1;
        }
        static const double range[2] = {0.5, 1.5};
        int32_t lead = (int32_t)cop_rng_below(&rng, 5);
        struct cop_value *b = toy_const(graph, &rng, 4 - lead, dims + lead, range);
        if (round % 3 == 0) b = toy_relu(graph, a);
        if (round % 3 == 0 && round % 6 == 3) b = toy_normalise(graph, &rng, a);
        struct cop_value *srcs[2] = {a, b};
        if (attrs.binary != COP_BINARY_DIV && cop_rng_below(&rng, 2) == 0) {
            srcs[0] = b;
            srcs[1] = a;
        }
        if (attrs.binary == COP_BINARY_DIV && round % 3 == 0) {
            cop_graph_destroy(graph);
            continue;
        }
        toy_end(graph, toy_node(graph, &attrs, 2, srcs));
        check_and_free(graph, &rng);
    }
}

static void normalise_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 4);
    for (int round = 0; round < 20; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, channels(&rng));
        if (round % 2 == 0) {
            x = toy_conv(
                graph, &rng, x, channels(&rng), toy_window(TOY_CONV, 3, 1, 1), false);
            toy_end(graph, x);
        }
        struct cop_value *y = toy_normalise(graph, &rng, x);
        toy_end(graph, y);
        toy_end(graph, toy_relu(graph, y));
        check_and_free(graph, &rng);
    }
}

static void matmul_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 5);
    for (int round = 0; round < 60; round++) {
        struct cop_graph *graph = toy_graph();
        static const double range[2] = {-1.0, 1.0};
        bool is_const = round % 2 == 0;
        int64_t m = 1 + cop_rng_below(&rng, 6);
        int64_t k = 1 + cop_rng_below(&rng, 40);
        int64_t n = 1 + cop_rng_below(&rng, 40);
        struct toy_attrs attrs = {
            .kind = TOY_MATMUL,
            .matmul = {
                cop_rng_below(&rng, 2) != 0,
                cop_rng_below(&rng, 2) != 0,
                round % 5 == 0 ? 0.5f : 1.0f,
                round % 7 == 0 ? 2.0f : 1.0f}};
        int64_t a[3] = {1, m, k};
        int64_t b[3] = {1, k, n};
        if (attrs.matmul.transpose_src) a[1] = k, a[2] = m;
        if (attrs.matmul.transpose_weights) b[1] = n, b[2] = k;
        struct cop_value *srcs[3] = {toy_input(graph, 3, a), NULL, NULL};
        srcs[1] =
            is_const ? toy_const(graph, &rng, 2, b + 1, range) : toy_input(graph, 3, b);
        bool bias = cop_rng_below(&rng, 2) != 0;
        const int64_t bias_dims[2] = {round % 3 == 0 ? m : 1, n};
        if (bias)
            srcs[2] = round % 3 == 1 ? toy_const(graph, &rng, 1, bias_dims + 1, range)
                                     : toy_const(graph, &rng, 2, bias_dims, range);
        toy_end(graph, toy_node(graph, &attrs, bias ? 3 : 2, srcs));
        check_and_free(graph, &rng);
    }
}

static void softmax_and_reduce_match(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 6);
    for (int round = 0; round < 60; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, channels(&rng));
        if (round % 2 == 0)
            x = toy_conv(
                graph, &rng, x, channels(&rng), toy_window(TOY_CONV, 3, 1, 1), false);
        struct toy_attrs attrs = {
            .kind = round % 3 == 0 ? TOY_SOFTMAX : TOY_REDUCE,
            .axis = (int32_t)cop_rng_below(&rng, 4),
            .logarithm = round % 4 == 0,
            .reduce = (enum cop_reduce_alg)cop_rng_below(&rng, 3),
            .axes = (uint32_t)cop_rng_below(&rng, 8) * 2,
            .keep_axes = cop_rng_below(&rng, 2) != 0,
        };
        if (round % 5 == 0) attrs.axes = 0xc;
        toy_end(graph, toy_unary(graph, &attrs, x));
        check_and_free(graph, &rng);
    }
}

static struct toy_attrs random_move(struct cop_rng *rng, const struct cop_shape *shape)
{
    struct toy_attrs attrs = {.kind = TOY_TRANSPOSE, .beta = 0.25f};
    attrs.kind = (enum toy_kind)(TOY_SLICE + cop_rng_below(rng, 3));
    for (int32_t i = 0; i < 4; i++) {
        int64_t dim = shape->dim[i];
        attrs.steps[i] = 1;
        attrs.perm[i] = i;
        if (i == 0) continue;
        int64_t first = cop_rng_below(rng, dim);
        attrs.steps[i] = cop_rng_below(rng, 2) == 0 ? 1 + cop_rng_below(rng, 2) : -1;
        attrs.starts[i] = first;
        int64_t room = attrs.steps[i] > 0 ? dim - first : first + 1;
        int64_t most =
            attrs.steps[i] > 0 ? (room + attrs.steps[i] - 1) / attrs.steps[i] : room;
        attrs.counts[i] = 1 + cop_rng_below(rng, most);
        attrs.pads_l[i] = cop_rng_below(rng, 4) - 1;
        attrs.pads_r[i] = cop_rng_below(rng, 4) - 1;
        if (dim + attrs.pads_l[i] + attrs.pads_r[i] < 1) attrs.pads_l[i] = 2;
    }
    for (int32_t i = 3; i > 1; i--) { /* the batch stays in front */
        int32_t k = 1 + (int32_t)cop_rng_below(rng, i);
        int32_t keep = attrs.perm[i];
        attrs.perm[i] = attrs.perm[k];
        attrs.perm[k] = keep;
    }
    return attrs;
}

static void moves_match(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 7);
    for (int round = 0; round < 80; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, channels(&rng));
        if (round % 2 == 0)
            x = toy_conv(
                graph, &rng, x, channels(&rng), toy_window(TOY_CONV, 3, 1, 1), false);
        struct toy_attrs attrs = random_move(&rng, &x->shape);
        struct cop_value *y = toy_unary(graph, &attrs, x);
        const struct toy_attrs flat = {
            .kind = TOY_RESHAPE, .rank = 2, .counts = {0, -1}};
        toy_end(graph, y);
        toy_end(graph, toy_unary(graph, &flat, round % 4 == 0 ? x : y));
        check_and_free(graph, &rng);
    }
}

static void concat_matches(void **state)
{
    struct cop_rng rng;
    (void)state;
    cop_rng_init(&rng, SEED + 8);
    for (int round = 0; round < 40; round++) {
        struct cop_graph *graph = toy_graph();
        struct cop_value *x = image(graph, &rng, channels(&rng));
        struct cop_value *srcs[4];
        int32_t n = 2 + (int32_t)cop_rng_below(&rng, 3);
        for (int32_t i = 0; i < n; i++) {
            int64_t c = round % 3 == 0 ? 16 * (1 + i) : channels(&rng);
            srcs[i] = toy_conv(graph, &rng, x, c, toy_window(TOY_CONV, 3, 1, 1), false);
        }
        if (round % 4 == 0) srcs[0] = x;
        const struct toy_attrs attrs = {.kind = TOY_CONCAT, .axis = 1};
        toy_end(graph, toy_node(graph, &attrs, n, srcs));
        check_and_free(graph, &rng);
    }
}

int test_forward(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_matches),
        cmocka_unit_test(pool_matches),
        cmocka_unit_test(eltwise_matches),
        cmocka_unit_test(like_eltwises_match),
        cmocka_unit_test(binary_matches),
        cmocka_unit_test(normalise_matches),
        cmocka_unit_test(matmul_matches),
        cmocka_unit_test(softmax_and_reduce_match),
        cmocka_unit_test(moves_match),
        cmocka_unit_test(concat_matches),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
