/* ops/pad.c - Pad: elements move, none is computed. */
#include "ops/row.h"

#include <string.h>

/* Amounts and fill are operands 1 and 2 since opset 11, attributes before. */
struct pad_attrs {
    const char *mode;
    struct cop_ints pads;
    float value;
};

static const struct cop_attr_spec pad_specs[] = {
    {.name = "mode",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct pad_attrs, mode),
     .string_default = "constant",
     .late_text = "wrap",
     .late_opset = 19},
    {.name = "pads",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct pad_attrs, pads),
     .last_opset = 10},
    {.name = "value",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct pad_attrs, value),
     .last_opset = 10},
    {.type = COP_ATTR_END}};

static enum cop_status pad_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct pad_attrs *const attrs = node->attrs;
    if (opset > 10 || attrs->pads.at == NULL) return COP_OK;
    const struct cop_ints pads = attrs->pads;
    COP_TRY(cop_ops__set_ints(graph, node, 1, pads.at, pads.n, err));
    if (attrs->value < 0.0F || attrs->value > 0.0F)
        COP_TRY(cop_ops__set_scalar(graph, node, 2, attrs->value, err));
    attrs->pads = (struct cop_ints){0, NULL};
    attrs->value = 0.0F;
    return COP_OK;
}

enum { CONSTANT, REFLECT, EDGE, WRAP };

static enum cop_status pad_mode(
    const struct cop_node *node, int *mode, struct cop_err *err)
{
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    const char *const name = ((const struct pad_attrs *)node->attrs)->mode;
    for (*mode = CONSTANT; *mode <= WRAP; *mode += 1)
        if (strcmp(name != NULL ? name : names[0], names[*mode]) == 0) return COP_OK;
    return COP_FAIL(err, COP_EUNSUPPORTED, "mode is '%.20s'", name);
}

/* Which axes the amounts are for: all, or since opset 18 those that operand 3 lists. */
static enum cop_status padded_axes(
    const struct cop_node *node,
    const struct cop_fact *axes,
    int32_t rank,
    int32_t list[COP_MAX_RANK],
    int32_t *n,
    struct cop_err *err)
{
    int64_t listed[COP_MAX_RANK];
    uint32_t marks = 0;
    *n = rank;
    for (int32_t i = 0; i < rank; i++)
        list[i] = i;
    if (!cop_ops__has(node, 3)) return COP_OK;
    COP_TRY(cop_ops__ints(axes, "axes", listed, n, err));
    COP_TRY(cop_ops__axes(rank, listed, *n, &marks, err));
    for (int32_t i = 0; i < *n; i++)
        COP_TRY(cop_shape_axis(rank, listed[i], &list[i], err));
    return COP_OK;
}

/* Amounts before and after each axis. */
static enum cop_status pad_amounts(
    const struct cop_node *node,
    const struct cop_fact *amounts,
    const struct cop_fact *axes,
    int32_t rank,
    int64_t l[COP_MAX_RANK],
    int64_t r[COP_MAX_RANK],
    struct cop_err *err)
{
    int32_t list[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(padded_axes(node, axes, rank, list, &n, err));
    if (amounts->dtype != COP_I64 || amounts->data == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "pads are not constant int64");
    if (cop_shape_n(&amounts->shape) != (int64_t)2 * n)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "pads has %lld entries, %d axes are padded",
            (long long)cop_shape_n(&amounts->shape),
            n);
    for (int32_t k = 0; k < n; k++) {
        const int32_t i = list[k];
        l[i] = cop_i64_at(amounts->data, k);
        r[i] = cop_i64_at(amounts->data, n + k);
        if (l[i] < INT32_MIN || l[i] > INT32_MAX || r[i] < INT32_MIN ||
            r[i] > INT32_MAX)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d is padded by %lld and %lld",
                i,
                (long long)l[i],
                (long long)r[i]);
    }
    return COP_OK;
}

static enum cop_status pad_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int mode = CONSTANT;
    COP_TRY(pad_mode(node, &mode, err));
    if (!cop_ops__has(node, 1)) return COP_FAIL(err, COP_EFORMAT, "pads are missing");
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    COP_TRY(pad_amounts(node, &src[1], &src[3], src[0].shape.rank, l, r, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    for (int32_t i = 0; i < src[0].shape.rank; i++) {
        const int64_t extent = src[0].shape.dim[i];
        dst[0].shape.dim[i] += l[i] + r[i];
        if (extent + l[i] < 0 || extent + r[i] < 0 || dst[0].shape.dim[i] < 0)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d of %lld elements is cropped by %lld and %lld",
                i,
                (long long)extent,
                (long long)-l[i],
                (long long)-r[i]);
        if (mode != CONSTANT && (l[i] < 0 || r[i] < 0))
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "axis %d is cropped by %lld and %lld, which only mode 'constant' may",
                i,
                (long long)-l[i],
                (long long)-r[i]);
    }
    return COP_OK;
}

/* The element that position @p at beyond an axis of @p n shows. */
static int64_t mirror(int mode, int64_t at, int64_t n)
{
    if (mode == EDGE) return at < 0 ? 0 : at >= n ? n - 1 : at;
    const int64_t period = mode == WRAP ? n : n > 1 ? 2 * (n - 1) : 1;
    const int64_t phase = (at % period + period) % period;
    return phase < n ? phase : period - phase;
}

/* Element @p i of the result: where it comes from, or -1 for the fill. */
static int64_t place(
    int mode,
    const int64_t *l,
    const struct cop_shape *src,
    const struct cop_shape *dst,
    int64_t i)
{
    int64_t at = 0;
    int64_t stride = 1;
    for (int32_t axis = dst->rank - 1; axis >= 0; axis--) {
        const int64_t extent = src->dim[axis];
        int64_t k = i % dst->dim[axis] - l[axis];
        i /= dst->dim[axis];
        if (mode != CONSTANT) k = mirror(mode, k, extent);
        if (k < 0 || k >= extent) return -1;
        at += k * stride;
        stride *= extent;
    }
    return at;
}

static enum cop_status pad_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    int mode = CONSTANT;
    void *elements = NULL;
    if (src[0].data == NULL || cop_shape_n(&src[0].shape) == 0) return COP_OK;
    if (cop_ops__has(node, 2) && (src[2].data == NULL || src[2].dtype != src[0].dtype ||
                                  cop_shape_n(&src[2].shape) != 1))
        return COP_OK;
    COP_TRY(pad_mode(node, &mode, err));
    COP_TRY(pad_amounts(node, &src[1], &src[3], src[0].shape.rank, l, r, err));
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    const size_t bytes = cop_dtype_bytes(dst[0].dtype);
    for (int64_t i = 0; i < n; i++) {
        const int64_t from = place(mode, l, &src[0].shape, &dst[0].shape, i);
        char *const to = (char *)elements + (size_t)i * bytes;
        if (from >= 0)
            memcpy(to, (const char *)src[0].data + (size_t)from * bytes, bytes);
        else if (cop_ops__has(node, 2))
            memcpy(to, src[2].data, bytes);
        else
            memset(to, 0, bytes);
    }
    return COP_OK;
}

static enum cop_status lower_mirrored(
    struct cop_emitter *emitter, int mode, const int64_t *l, struct cop_err *err)
{
    const struct cop_shape *const src = &cop_emit_src_fact(emitter, 0)->shape;
    const struct cop_shape *const dst = &cop_emit_dst_fact(emitter, 0)->shape;
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    for (int32_t i = 0; i < src->rank; i++) {
        if (src->dim[i] == dst->dim[i]) continue;
        int64_t *table = NULL;
        COP_TRY(cop_ops__table(emitter, i, &table, err));
        for (int64_t k = 0; k < dst->dim[i]; k++)
            table[k] = mirror(mode, k - l[i], src->dim[i]);
        tables[i] = table;
    }
    return cop_emit_pick(
        emitter, tables, 0.0F, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

static enum cop_status pad_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    const int32_t rank = cop_emit_src_fact(emitter, 0)->shape.rank;
    int mode = CONSTANT;
    COP_TRY(pad_mode(node, &mode, err));
    COP_TRY(pad_amounts(
        node,
        cop_emit_src_fact(emitter, 1),
        cop_emit_src_fact(emitter, 3),
        rank,
        l,
        r,
        err));
    if (mode != CONSTANT) return lower_mirrored(emitter, mode, l, err);
    float fill = 0.0F;
    if (cop_ops__has(node, 2)) {
        const struct cop_fact *const fact = cop_emit_src_fact(emitter, 2);
        if (fact->data == NULL || fact->dtype != COP_F32 ||
            cop_shape_n(&fact->shape) != 1)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "fill is not a constant float32 of 1 element");
        fill = cop_f32_at(fact->data, 0);
    }
    return cop_emit_pad(
        emitter, l, fill, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

static enum cop_status amounts_of(
    const struct cop_node *node,
    int64_t l[COP_MAX_RANK],
    int64_t r[COP_MAX_RANK],
    struct cop_err *err)
{
    const struct cop_fact amounts = cop_ops__fact(node->src[1]);
    struct cop_fact axes = {COP_DTYPE_NONE, {0, {0}}, NULL};
    if (cop_ops__has(node, 3)) axes = cop_ops__fact(node->src[3]);
    return pad_amounts(node, &amounts, &axes, node->src[0]->shape.rank, l, r, err);
}

/* What is kept is tied; what is added as a constant, or cropped away, may be cut at will. */
static enum cop_status tie_padded(
    struct cop_ties *ties,
    int32_t axis,
    int64_t extent,
    const int64_t amounts[2], /* before and after */
    struct cop_err *err)
{
    int64_t added[2];
    int64_t cropped[2];
    for (int i = 0; i < 2; i++) {
        added[i] = amounts[i] > 0 ? amounts[i] : 0;
        cropped[i] = amounts[i] < 0 ? -amounts[i] : 0;
    }
    const int64_t n = extent - cropped[0] - cropped[1];
    if (n <= 0) return COP_OK;
    const struct cop_slice from = {0, axis, cropped[0], 1};
    const struct cop_slice to = {-1, axis, added[0], 1};
    COP_TRY(cop_ops__tie_range(ties, from, to, n, err));
    COP_TRY(cop_ops__tie_free(ties, -1, axis, 0, added[0], err));
    COP_TRY(cop_ops__tie_free(ties, -1, axis, added[0] + n, added[1], err));
    COP_TRY(cop_ops__tie_free(ties, 0, axis, 0, cropped[0], err));
    return cop_ops__tie_free(ties, 0, axis, cropped[0] + n, cropped[1], err);
}

static enum cop_status pad_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    const struct cop_shape *const src = &node->src[0]->shape;
    int mode = CONSTANT;
    COP_TRY(pad_mode(node, &mode, err));
    COP_TRY(amounts_of(node, l, r, err));
    for (int32_t i = 0; i < src->rank; i++) {
        const int64_t both[2] = {l[i], r[i]};
        if (mode == CONSTANT || (l[i] == 0 && r[i] == 0))
            COP_TRY(tie_padded(ties, i, src->dim[i], both, err));
    }
    return COP_OK;
}

/* The amounts shrink by what is cut of the added (or cropped) channels.  The constant may
 * be shared, so a fresh one takes its place. */
static enum cop_status pad_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    int64_t amounts[2 * COP_MAX_RANK] = {0};
    int64_t *const l = amounts;
    int64_t r[COP_MAX_RANK] = {0};
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    COP_TRY(amounts_of(node, l, r, err));
    bool is_cut = false;
    for (int32_t i = 0; i < src->rank; i++) {
        const int64_t before[2] = {l[i], r[i]};
        l[i] = l[i] >= 0 ? cop_kept_count(kept, -1, i, 0, l[i])
                         : -cop_kept_count(kept, 0, i, 0, -l[i]);
        r[i] = r[i] >= 0 ? cop_kept_count(kept, -1, i, dst->dim[i] - r[i], r[i])
                         : -cop_kept_count(kept, 0, i, src->dim[i] + r[i], -r[i]);
        is_cut = is_cut || l[i] != before[0] || r[i] != before[1];
    }
    if (!is_cut) return COP_OK;
    memcpy(&amounts[src->rank], r, (size_t)src->rank * sizeof r[0]);
    if (cop_ops__has(node, 3)) COP_TRY(cop_graph_set_src(graph, node, 3, NULL, err));
    return cop_ops__set_ints(graph, node, 1, amounts, (int64_t)2 * src->rank, err);
}

static const struct cop_coupling pad_coupling = {
    .name = "pad",
    .tie = pad_tie,
    .refit = pad_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_pad = {
    .name = "Pad",
    .opsets = {2, COP_OPS_LAST},
    .arity = {1, 4, 1},
    .attrs_size = sizeof(struct pad_attrs),
    .attrs = pad_specs,
    .upgrade = pad_upgrade,
    .infer = pad_infer,
    .fold = pad_fold,
    .macs = cop_macs_none,
    .lower = pad_lower,
    .coupling = &pad_coupling,
    .relevance = &cop_relevance_move,
};
