/* tests/engine/nets.c - random networks of all primitives, with the patterns that fusion
 * looks for: convolution, normalisation, activation, residual sums, constants. */
#include "nets.h"

#include "support/test.h"

enum { MOST_VALUES = 40 };

struct pool {
    struct cop_graph *graph;
    struct cop_rng *rng;
    struct cop_value *value[MOST_VALUES];
    int32_t n;
};

static struct cop_value *any_of(struct pool *pool)
{
    /* Late values are likelier, so chains get long. */
    int64_t a = cop_rng_below(pool->rng, pool->n);
    int64_t b = cop_rng_below(pool->rng, pool->n);
    return pool->value[a > b ? a : b];
}

static struct cop_value *like(struct pool *pool, const struct cop_value *model)
{
    for (int tries = 0; tries < 20; tries++) {
        struct cop_value *other = any_of(pool);
        if (other != model && cop_shape_equal(&other->shape, &model->shape))
            return other;
    }
    return NULL;
}

static struct cop_value *grow_conv(struct pool *pool, struct cop_value *src)
{
    static const int64_t widths[] = {3, 8, 16, 17, 32};
    struct toy_attrs attrs = toy_window(TOY_CONV, 3, 1, 1);
    if (cop_rng_below(pool->rng, 3) == 0) attrs = toy_window(TOY_CONV, 1, 1, 0);
    int64_t oc = widths[cop_rng_below(pool->rng, 5)];
    if (cop_rng_below(pool->rng, 2) == 0) oc = src->shape.dim[1];
    if (cop_rng_below(pool->rng, 4) == 0) attrs.g = oc = src->shape.dim[1];
    struct cop_value *y = toy_conv(
        pool->graph, pool->rng, src, oc, attrs, cop_rng_below(pool->rng, 2) != 0);
    if (cop_rng_below(pool->rng, 2) != 0) y = toy_normalise(pool->graph, pool->rng, y);
    return y;
}

static struct cop_value *grow_with_const(struct pool *pool, struct cop_value *src)
{
    static const double range[2] = {0.5, 1.5};
    const struct toy_attrs attrs = {
        .kind = TOY_BINARY, .binary = (enum cop_binary_alg)cop_rng_below(pool->rng, 4)};
    int64_t dims[3] = {src->shape.dim[1], 1, 1};
    if (cop_rng_below(pool->rng, 3) == 0) dims[0] = 1;
    struct cop_value *c = toy_const(pool->graph, pool->rng, 3, dims, range);
    struct cop_value *srcs[2] = {src, c};
    if (attrs.binary != COP_BINARY_DIV && cop_rng_below(pool->rng, 2) == 0) {
        srcs[0] = c;
        srcs[1] = src;
    }
    return toy_node(pool->graph, &attrs, 2, srcs);
}

static struct cop_value *grow_eltwise(struct pool *pool, struct cop_value *src)
{
    static const struct toy_attrs algs[] = {
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_RELU},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_RELU, .alpha = 0.1f},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_CLIP, .beta = 6.0f},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_LOGISTIC},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_TANH},
        {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_ELU, .alpha = 1.0f},
        {.kind = TOY_ELTWISE,
         .eltwise = COP_ELTWISE_LINEAR,
         .alpha = 0.5f,
         .beta = 0.1f},
    };
    return toy_unary(pool->graph, &algs[cop_rng_below(pool->rng, 7)], src);
}

static struct cop_value *grow_move(struct pool *pool, struct cop_value *src)
{
    struct toy_attrs attrs = {.kind = TOY_PAD, .steps = {1, 1, 1, 1}};
    if (cop_rng_below(pool->rng, 2) == 0) {
        attrs.pads_l[2] = attrs.pads_l[3] = 1;
        attrs.pads_r[3] = 1;
        struct cop_value *padded = toy_unary(pool->graph, &attrs, src);
        return toy_conv(
            pool->graph,
            pool->rng,
            padded,
            src->shape.dim[1],
            toy_window(TOY_CONV, 3, 1, 1),
            false);
    }
    attrs.kind = TOY_SLICE;
    attrs.counts[1] = (src->shape.dim[1] + 1) / 2;
    attrs.starts[1] = src->shape.dim[1] / 2;
    return toy_unary(pool->graph, &attrs, src);
}

static struct cop_value *grow_pool(struct pool *pool, struct cop_value *src)
{
    struct toy_attrs attrs = toy_window(TOY_POOL, 3, 1, 1);
    attrs.pool = (enum cop_pool_alg)cop_rng_below(pool->rng, 3);
    return toy_unary(pool->graph, &attrs, src);
}

static struct cop_value *grow_concat(struct pool *pool, struct cop_value *src)
{
    const struct toy_attrs attrs = {.kind = TOY_CONCAT, .axis = 1};
    struct cop_value *other = any_of(pool);
    if (src->shape.dim[1] + other->shape.dim[1] > 64 ||
        other->shape.dim[2] != src->shape.dim[2] ||
        other->shape.dim[3] != src->shape.dim[3])
        return grow_eltwise(pool, src);
    struct cop_value *srcs[2] = {src, other};
    return toy_node(pool->graph, &attrs, 2, srcs);
}

static struct cop_value *grow_sum(struct pool *pool, struct cop_value *src)
{
    struct cop_value *y = toy_conv(
        pool->graph,
        pool->rng,
        src,
        src->shape.dim[1],
        toy_window(TOY_CONV, 3, 1, 1),
        true);
    struct cop_value *other = like(pool, y);
    y = toy_add(pool->graph, y, other != NULL ? other : src);
    if (cop_rng_below(pool->rng, 2) == 0) y = toy_relu(pool->graph, y);
    return y;
}

static struct cop_value *grow(struct pool *pool)
{
    struct cop_value *src = any_of(pool);
    switch (cop_rng_below(pool->rng, 9)) {
    case 0:
    case 1: return grow_conv(pool, src);
    case 2: return grow_with_const(pool, src);
    case 3: return grow_eltwise(pool, src);
    case 4: return grow_move(pool, src);
    case 5: return grow_pool(pool, src);
    case 6: return grow_concat(pool, src);
    case 7: return toy_normalise(pool->graph, pool->rng, src);
    default: return grow_sum(pool, src);
    }
}

struct cop_graph *toy_random_net(struct cop_rng *rng, int32_t n_ends)
{
    struct pool pool = {.graph = toy_graph(), .rng = rng};
    const int64_t dims[4] = {1, 3, 6, 5};
    pool.value[pool.n++] = toy_input(pool.graph, 4, dims);
    while (pool.n < 12) {
        pool.value[pool.n] = grow(&pool);
        pool.n++;
    }
    for (int32_t i = 0; i < n_ends; i++) {
        struct cop_value *last = pool.value[pool.n - 1 - i];
        const struct toy_attrs mean = {
            .kind = TOY_REDUCE, .reduce = COP_REDUCE_MEAN, .axes = 0xc};
        toy_end(pool.graph, i % 2 == 0 ? last : toy_unary(pool.graph, &mean, last));
    }
    return pool.graph;
}
