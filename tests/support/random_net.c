/* tests/support/random_net.c - see random_net.h. */
#include "support/random_net.h"

#include "ops/ops.h"
#include "support/test.h"

#include <stdio.h>

enum { MAX_LIVE = 32 };

struct builder {
    struct test_net net;
    struct cop_value *live[MAX_LIVE]; /* 4-d tensors that a next node may read */
    int n_live;
};

static int64_t below(struct builder *builder, int64_t n)
{
    return cop_rng_below(&builder->net.rng, n);
}

static struct cop_value *pick(struct builder *builder)
{
    /* recent tensors more often, so that networks become deep */
    int64_t last = builder->n_live - 1;
    int64_t back = below(builder, 2) != 0 ? 0 : below(builder, builder->n_live);
    return builder->live[last - back];
}

static void push(struct builder *builder, struct cop_value *value)
{
    if (builder->n_live < MAX_LIVE) builder->live[builder->n_live++] = value;
}

static struct cop_value *unary(
    struct builder *builder, const char *op, const char *attrs, struct cop_value *src)
{
    return test_net_op(&builder->net, op, NULL, attrs, src, NULL);
}

/* ---- one node, or a few, each ------------------------------------------------------- */

static struct cop_value *add_conv(struct builder *builder, struct cop_value *src)
{
    int64_t kernel = below(builder, 2) != 0 ? 3 : 1;
    return test_net_conv(&builder->net, NULL, src, 2 + below(builder, 8), kernel, 1);
}

static struct cop_value *add_strided(struct builder *builder, struct cop_value *src)
{
    int64_t ic = src->shape.dim[1];
    int64_t oc = 2 + below(builder, 6);
    struct cop_value *weights =
        test_net_weights(&builder->net, 0.3, 4, (const int64_t[]){oc, ic, 3, 3});
    return test_net_op(/* without bias, odd padding */
                       &builder->net,
                       "Conv",
                       NULL,
                       "strides=2,2 pads=0,1,2,1",
                       src,
                       weights,
                       NULL);
}

static struct cop_value *add_grouped(struct builder *builder, struct cop_value *src)
{
    int64_t ic = src->shape.dim[1];
    int64_t g = ic % 3 == 0 ? 3 : ic % 2 == 0 ? 2 : 1;
    return test_net_conv(&builder->net, NULL, src, g * (1 + below(builder, 4)), 3, g);
}

static struct cop_value *add_depthwise(struct builder *builder, struct cop_value *src)
{
    int64_t ic = src->shape.dim[1];
    if (ic == 1) return src;
    return test_net_conv(&builder->net, NULL, src, ic * (1 + below(builder, 2)), 3, ic);
}

static struct cop_value *add_activation(struct builder *builder, struct cop_value *src)
{
    static const char *const ops[] = {"Relu", "Sigmoid", "LeakyRelu", "Tanh", "Clip"};
    int64_t i = below(builder, 5);
    if (i < 4) return unary(builder, ops[i], "", src);
    struct cop_value *low = test_net_weights(&builder->net, 0.0, 0, NULL);
    return test_net_op(&builder->net, "Clip", NULL, "", src, low, NULL);
}

static struct cop_value *add_pool(struct builder *builder, struct cop_value *src)
{
    static const char *const attrs[] = {
        "kernel_shape=2,2 strides=2,2",
        "kernel_shape=3,3 strides=1,1 pads=1,1,1,1",
    };
    const char *op = below(builder, 2) != 0 ? "MaxPool" : "AveragePool";
    if (src->shape.dim[2] < 2 || src->shape.dim[3] < 2) return src;
    return unary(builder, op, attrs[below(builder, 2)], src);
}

/* A sum with a tensor of the same shape; made to fit where there is none. */
static struct cop_value *add_sum(struct builder *builder, struct cop_value *src)
{
    static const char *const ops[] = {"Add", "Add", "Mul", "Sub", "Max"};
    struct cop_value *other = NULL;
    for (int tries = 0; tries < 4 && other == NULL; tries++) {
        struct cop_value *candidate = pick(builder);
        if (candidate != src && cop_shape_equal(&candidate->shape, &src->shape))
            other = candidate;
    }
    if (other == NULL)
        other = test_net_conv(&builder->net, NULL, src, src->shape.dim[1], 3, 1);
    return test_net_op(
        &builder->net, ops[below(builder, 5)], NULL, "", src, other, NULL);
}

static struct cop_value *add_concat(struct builder *builder, struct cop_value *src)
{
    struct cop_value *other = pick(builder);
    if (other->shape.dim[2] != src->shape.dim[2] ||
        other->shape.dim[3] != src->shape.dim[3])
        other = src;
    return test_net_op(&builder->net, "Concat", NULL, "axis=1", src, other, NULL);
}

/* Constant per channel, or per channel and position. */
static struct cop_value *add_scale(struct builder *builder, struct cop_value *src)
{
    const int64_t *dim = src->shape.dim;
    bool is_full = below(builder, 4) == 0;
    struct cop_value *factor = test_net_weights(
        &builder->net,
        1.0,
        3,
        (const int64_t[]){dim[1], is_full ? dim[2] : 1, is_full ? dim[3] : 1});
    return test_net_op(
        &builder->net,
        below(builder, 2) != 0 ? "Mul" : "Add",
        NULL,
        "",
        src,
        factor,
        NULL);
}

/* Squeeze and excite: a factor per channel computed from the tensor itself. */
static struct cop_value *add_gate(struct builder *builder, struct cop_value *src)
{
    struct cop_value *x = unary(builder, "GlobalAveragePool", "", src);
    x = test_net_conv(&builder->net, NULL, x, 3, 1, 1);
    x = unary(builder, "Relu", "", x);
    x = test_net_conv(&builder->net, NULL, x, src->shape.dim[1], 1, 1);
    x = unary(builder, "Sigmoid", "", x);
    return test_net_op(&builder->net, "Mul", NULL, "", src, x, NULL);
}

/* Zero channels on either side, some rows and columns too. */
static struct cop_value *add_pad(struct builder *builder, struct cop_value *src)
{
    int64_t pads[8] = {0};
    pads[1] = below(builder, 3);
    pads[5] = below(builder, 3);
    pads[2] = below(builder, 2);
    pads[7] = below(builder, 2);
    struct cop_value *amounts = test_net_ints(&builder->net, 8, pads);
    return test_net_op(&builder->net, "Pad", NULL, "", src, amounts, NULL);
}

static struct cop_value *add_slice(struct builder *builder, struct cop_value *src)
{
    int64_t axis = 1 + below(builder, 2);
    int64_t n = src->shape.dim[axis];
    int64_t step = axis == 2 ? 1 + below(builder, 2) : 1;
    int64_t from = n > 2 ? below(builder, n / 2) : 0;
    struct test_net *net = &builder->net;
    return test_net_op(
        net,
        "Slice",
        NULL,
        "",
        src,
        test_net_ints(net, 1, &from),
        test_net_ints(net, 1, &n),
        test_net_ints(net, 1, &axis),
        test_net_ints(net, 1, &step),
        NULL);
}

static struct cop_value *add_transposes(struct builder *builder, struct cop_value *src)
{
    struct cop_value *x = unary(builder, "Transpose", "perm=0,2,3,1", src);
    x = unary(builder, "Relu", "", x);
    return unary(builder, "Transpose", "perm=0,3,1,2", x);
}

static struct cop_value *add_softmax(struct builder *builder, struct cop_value *src)
{
    return unary(builder, "Softmax", "axis=1", src);
}

static struct cop_value *add_bn(struct builder *builder, struct cop_value *src)
{
    return test_net_bn(&builder->net, NULL, src);
}

typedef struct cop_value *add_fn(struct builder *builder, struct cop_value *src);
static add_fn *const choices[] = {
    add_conv,
    add_conv,
    add_conv,
    add_strided,
    add_grouped,
    add_depthwise,
    add_bn,
    add_activation,
    add_pool,
    add_sum,
    add_sum,
    add_concat,
    add_gate,
    add_scale,
    add_concat,
    add_pad,
    add_slice,
    add_transposes,
};

/* ---- the end --------------------------------------------------------------------------- */

static struct cop_value *add_gemm(
    struct builder *builder, struct cop_value *src, int64_t n)
{
    struct cop_value *weights = test_net_weights(
        &builder->net, 0.2, 2, (const int64_t[]){src->shape.dim[1], n});
    struct cop_value *bias = test_net_weights(&builder->net, 0.1, 1, &n);
    return test_net_op(&builder->net, "Gemm", NULL, "", src, weights, bias, NULL);
}

/* What nobody reads yet, flattened or pooled, side by side. */
static struct cop_value *gather_ends(struct builder *builder)
{
    struct cop_value *all = NULL;
    for (int i = 0; i < builder->n_live; i++) {
        struct cop_value *x = builder->live[i];
        if (x->n_uses > 0) continue;
        if (below(builder, 2) != 0) x = unary(builder, "GlobalAveragePool", "", x);
        x = unary(builder, "Flatten", "", x);
        all = all == NULL
                  ? x
                  : test_net_op(&builder->net, "Concat", NULL, "axis=1", all, x, NULL);
    }
    return all;
}

struct test_net random_net_make(uint64_t seed)
{
    struct builder builder = {.net = test_net_begin(&cop_ops_standard, 3, 6, 5, seed)};
    push(&builder, test_net_conv(&builder.net, NULL, builder.net.x, 6, 3, 1));
    int64_t n_steps = 3 + below(&builder, 9);
    for (int64_t i = 0; i < n_steps; i++) {
        struct cop_value *src = pick(&builder);
        add_fn *add =
            choices[below(&builder, (int64_t)(sizeof choices / sizeof *choices))];
        if (below(&builder, 40) == 0) add = add_softmax;
        struct cop_value *x = add(&builder, src);
        if (x != src) push(&builder, x);
    }
    struct cop_value *x = gather_ends(&builder);
    if (below(&builder, 2) != 0) {
        x = add_gemm(&builder, x, 5 + below(&builder, 4));
        x = unary(&builder, "Relu", "", x);
    }
    x = add_gemm(&builder, x, 3);
    if (below(&builder, 4) == 0) x = unary(&builder, "Softmax", "axis=1", x);
    test_net_end(&builder.net, x);
    return builder.net;
}
