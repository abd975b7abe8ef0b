/* tests/engine/toy.c - the one operator and how graphs of it are built. */
#include "toy.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

bool toy_shape(
    const struct toy_attrs *attrs,
    const struct cop_shape *const *src,
    int32_t n_src,
    struct cop_shape *dst)
{
    *dst = *src[0];
    switch (attrs->kind) {
    case TOY_CONV:
    case TOY_POOL:
        if (attrs->kind == TOY_CONV) dst->dim[1] = src[1]->dim[0];
        for (int i = 0; i < 2; i++) {
            const struct cop_window *w = &attrs->window;
            int64_t reach = (w->kernel[i] - 1) * w->dilates[i] + 1;
            int64_t padded = src[0]->dim[2 + i] + w->pads_l[i] + w->pads_r[i];
            if (padded < reach) return false;
            dst->dim[2 + i] = (padded - reach) / w->strides[i] + 1;
        }
        return true;
    case TOY_MATMUL: {
        struct cop_shape a = *src[0];
        struct cop_shape b = *src[1];
        int64_t m = attrs->matmul.transpose_src ? a.dim[a.rank - 1] : a.dim[a.rank - 2];
        int64_t n =
            attrs->matmul.transpose_weights ? b.dim[b.rank - 2] : b.dim[b.rank - 1];
        a.rank -= 2;
        b.rank -= 2;
        if (cop_shape_broadcast(&a, &b, dst, NULL) != COP_OK) return false;
        dst->dim[dst->rank++] = m;
        dst->dim[dst->rank++] = n;
        return true;
    }
    case TOY_BINARY: return cop_shape_broadcast(src[0], src[1], dst, NULL) == COP_OK;
    case TOY_REDUCE:
        dst->rank = 0;
        for (int32_t i = 0; i < src[0]->rank; i++) {
            bool reduced = (attrs->axes >> i & 1u) != 0;
            if (!reduced) dst->dim[dst->rank++] = src[0]->dim[i];
            if (reduced && attrs->keep_axes) dst->dim[dst->rank++] = 1;
        }
        return true;
    case TOY_CONCAT:
        for (int32_t i = 1; i < n_src; i++)
            dst->dim[attrs->axis] += src[i]->dim[attrs->axis];
        return true;
    case TOY_SLICE:
        for (int32_t i = 0; i < dst->rank; i++) {
            if (attrs->counts[i] > 0) dst->dim[i] = attrs->counts[i];
        }
        return true;
    case TOY_PAD:
        for (int32_t i = 0; i < dst->rank; i++)
            dst->dim[i] += attrs->pads_l[i] + attrs->pads_r[i];
        return true;
    case TOY_TRANSPOSE:
        for (int32_t i = 0; i < dst->rank; i++)
            dst->dim[i] = src[0]->dim[attrs->perm[i]];
        return true;
    case TOY_RESHAPE: {
        int64_t rest = cop_shape_n(src[0]);
        int32_t open = -1;
        dst->rank = attrs->rank;
        for (int32_t i = 0; i < attrs->rank; i++) {
            dst->dim[i] = attrs->counts[i] == 0 ? src[0]->dim[i] : attrs->counts[i];
            if (attrs->counts[i] < 0)
                open = i;
            else
                rest /= dst->dim[i];
        }
        if (open >= 0) dst->dim[open] = rest;
        return true;
    }
    default: return true;
    }
}

static enum cop_status infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct cop_shape *shapes[16];
    for (int32_t i = 0; i < node->n_src; i++)
        shapes[i] = &src[i].shape;
    dst[0].dtype = COP_F32;
    if (toy_shape(node->attrs, shapes, node->n_src, &dst[0].shape)) return COP_OK;
    return COP_FAIL(err, COP_ESHAPE, "toy shapes do not fit");
}

static enum cop_status lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct toy_attrs *a = node->attrs;
    struct cop_ref src[16];
    for (int32_t i = 0; i < 16; i++)
        src[i] = cop_emit_src(emitter, i);
    struct cop_ref dst = cop_emit_dst(emitter, 0);
    switch (a->kind) {
    case TOY_CONV: return cop_emit_conv(emitter, &a->window, a->g, src, dst, err);
    case TOY_MATMUL: return cop_emit_matmul(emitter, &a->matmul, src, dst, err);
    case TOY_POOL: return cop_emit_pool(emitter, a->pool, &a->window, src[0], dst, err);
    case TOY_ELTWISE:
        return cop_emit_eltwise(
            emitter, a->eltwise, a->alpha, a->beta, src[0], dst, err);
    case TOY_BINARY:
        return cop_emit_binary(emitter, a->binary, src[0], src[1], dst, err);
    case TOY_NORMALISE:
        return cop_emit_normalise(emitter, a->epsilon, src[0], src + 1, dst, err);
    case TOY_SOFTMAX:
        return cop_emit_softmax(emitter, a->axis, a->logarithm, src[0], dst, err);
    case TOY_REDUCE:
        return cop_emit_reduce(emitter, a->reduce, a->axes, src[0], dst, err);
    case TOY_CONCAT:
        return cop_emit_concat(emitter, a->axis, node->n_src, src, dst, err);
    case TOY_SLICE:
        return cop_emit_slice(emitter, a->starts, a->steps, src[0], dst, err);
    case TOY_PAD: return cop_emit_pad(emitter, a->pads_l, a->beta, src[0], dst, err);
    case TOY_TRANSPOSE: return cop_emit_transpose(emitter, a->perm, src[0], dst, err);
    case TOY_RESHAPE: return cop_emit_reshape(emitter, src[0], dst, err);
    case TOY_N_KINDS: break;
    }
    return COP_FAIL(err, COP_EINVAL, "no such toy");
}

static const struct cop_op toy_op = {
    .name = "Toy",
    .opsets = {1, 99},
    .arity = {1, -1, 1},
    .attrs_size = sizeof(struct toy_attrs),
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower,
};
static const struct cop_op *const toy_rows[] = {&toy_op};
const struct cop_op_set toy_ops = {toy_rows, 1};

/* ---- building ----------------------------------------------------------------------- */

struct cop_graph *toy_graph(void)
{
    struct cop_err err;
    struct cop_graph *graph;
    assert_ok(cop_graph_create(&toy_ops, &graph, &err));
    return graph;
}

struct cop_value *toy_input(struct cop_graph *graph, int32_t rank, const int64_t *dims)
{
    struct cop_err err;
    struct cop_value *value;
    struct cop_shape shape = cop_shape_make(rank, dims);
    assert_ok(cop_graph_add_input(graph, "x", COP_F32, &shape, &value, &err));
    return value;
}

struct cop_value *toy_const(
    struct cop_graph *graph,
    struct cop_rng *rng,
    int32_t rank,
    const int64_t *dims,
    const double range[2])
{
    struct cop_err err;
    struct cop_buf *buf;
    struct cop_value *value;
    struct cop_shape shape = cop_shape_make(rank, dims);
    int64_t n = cop_shape_n(&shape);
    assert_ok(cop_buf_create((size_t)n * sizeof(float), &buf, &err));
    float *at = cop_buf_mutable(buf);
    for (int64_t i = 0; i < n; i++)
        at[i] = (float)cop_rng_range(rng, range[0], range[1]);
    assert_ok(cop_graph_add_const(graph, "c", COP_F32, &shape, buf, &value, &err));
    cop_buf_release(buf);
    return value;
}

struct cop_value *toy_node(
    struct cop_graph *graph,
    const struct toy_attrs *attrs,
    int32_t n_src,
    struct cop_value *const *src)
{
    struct cop_err err;
    struct cop_node *node;
    const struct cop_node_spec spec = {
        .op = &toy_op, .attrs = attrs, .src = src, .n_src = n_src, .n_dst = 1};
    assert_ok(cop_graph_add_node(graph, &spec, &node, &err));
    assert_ok(cop_graph_infer(graph, &err));
    return node->dst[0];
}

struct cop_value *toy_unary(
    struct cop_graph *graph, const struct toy_attrs *attrs, struct cop_value *src)
{
    return toy_node(graph, attrs, 1, &src);
}

void toy_end(struct cop_graph *graph, struct cop_value *value)
{
    struct cop_err err;
    assert_ok(cop_graph_mark_output(graph, value, &err));
}

struct toy_attrs toy_window(
    enum toy_kind kind, int64_t kernel, int64_t stride, int64_t pad)
{
    return (struct toy_attrs){
        .kind = kind,
        .g = 1,
        .window = {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}}};
}

struct cop_value *toy_relu(struct cop_graph *graph, struct cop_value *src)
{
    const struct toy_attrs attrs = {.kind = TOY_ELTWISE, .eltwise = COP_ELTWISE_RELU};
    return toy_unary(graph, &attrs, src);
}

struct cop_value *toy_add(
    struct cop_graph *graph, struct cop_value *a, struct cop_value *b)
{
    const struct toy_attrs attrs = {.kind = TOY_BINARY, .binary = COP_BINARY_ADD};
    struct cop_value *src[2] = {a, b};
    return toy_node(graph, &attrs, 2, src);
}

struct cop_value *toy_conv(
    struct cop_graph *graph,
    struct cop_rng *rng,
    struct cop_value *src,
    int64_t oc,
    struct toy_attrs attrs,
    bool bias)
{
    const double range[2] = {-0.5, 0.5};
    const int64_t dims[4] = {
        oc,
        src->shape.dim[1] / attrs.g,
        attrs.window.kernel[0],
        attrs.window.kernel[1]};
    struct cop_value *srcs[3] = {src, toy_const(graph, rng, 4, dims, range), NULL};
    if (bias) srcs[2] = toy_const(graph, rng, 1, dims, range);
    return toy_node(graph, &attrs, bias ? 3 : 2, srcs);
}

struct cop_value *toy_normalise(
    struct cop_graph *graph, struct cop_rng *rng, struct cop_value *src)
{
    const double around[2] = {-0.5, 0.5};
    const double above[2] = {0.5, 1.5};
    const int64_t *c = &src->shape.dim[1];
    struct cop_value *srcs[5] = {
        src,
        toy_const(graph, rng, 1, c, above),
        toy_const(graph, rng, 1, c, around),
        toy_const(graph, rng, 1, c, around),
        toy_const(graph, rng, 1, c, above)};
    const struct toy_attrs attrs = {.kind = TOY_NORMALISE, .epsilon = 1e-3f};
    return toy_node(graph, &attrs, 5, srcs);
}
