/* ops/move.c - Transpose, Pad and Slice: elements move, none is computed. */
#include "ops/rewrite.h"
#include "ops/row.h"

#include <string.h>

/* ---- Transpose ---------------------------------------------------------------------- */

struct transpose_attrs {
    struct cop_ints perm;
};

static const struct cop_attr_spec transpose_specs[] = {
    {.name = "perm",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct transpose_attrs, perm)},
    {.type = COP_ATTR_END}};

/* Axis i of the result is axis perm[i] of the source; absent: reversed. */
static enum cop_status transpose_perm(
    const struct transpose_attrs *attrs,
    int32_t rank,
    int32_t perm[COP_MAX_RANK],
    struct cop_err *err)
{
    if (attrs->perm.at == NULL) {
        for (int32_t i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
        return COP_OK;
    }
    if (attrs->perm.n != rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "perm has %lld entries, src has %d axes",
            (long long)attrs->perm.n,
            rank);
    uint32_t marks = 0;
    COP_TRY(cop_ops__axes(rank, attrs->perm.at, rank, &marks, err));
    for (int32_t i = 0; i < rank; i++)
        COP_TRY(cop_shape_axis(rank, attrs->perm.at[i], &perm[i], err));
    return COP_OK;
}

enum cop_status cop_ops__perm_of(
    const struct cop_node *node, struct cop_ops__perm *perm, struct cop_err *err)
{
    perm->rank = node->src[0]->shape.rank;
    return transpose_perm(node->attrs, perm->rank, perm->at, err);
}

static enum cop_status transpose_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    const int32_t rank = src[0].shape.rank;
    COP_TRY(transpose_perm(node->attrs, rank, perm, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = {.rank = rank}};
    for (int32_t i = 0; i < rank; i++)
        dst[0].shape.dim[i] = src[0].shape.dim[perm[i]];
    return COP_OK;
}

static enum cop_status transpose_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    int32_t perm[COP_MAX_RANK] = {0};
    int64_t strides[COP_MAX_RANK];
    int64_t moved[COP_MAX_RANK] = {0};
    COP_TRY(transpose_perm(node->attrs, src[0].shape.rank, perm, err));
    cop_ops__strides(&src[0].shape, strides);
    for (int32_t i = 0; i < src[0].shape.rank; i++)
        moved[i] = strides[perm[i]];
    cop_ops__copy_strided(
        &dst[0].shape, moved, 0, cop_dtype_bytes(src[0].dtype), src[0].data, elements);
    return COP_OK;
}

static enum cop_status transpose_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    COP_TRY(transpose_perm(
        node->attrs, cop_emit_src_fact(emitter, 0)->shape.rank, perm, err));
    return cop_emit_transpose(
        emitter, perm, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

static enum cop_status transpose_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    const int32_t rank = node->src[0]->shape.rank;
    COP_TRY(transpose_perm(node->attrs, rank, perm, err));
    for (int32_t i = 0; i < rank; i++)
        COP_TRY(cop_ties_add_axis(ties, 0, perm[i], -1, i, err));
    return COP_OK;
}

static const struct cop_coupling transpose_coupling = {
    .name = "transpose",
    .tie = transpose_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_transpose = {
    .name = "Transpose",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct transpose_attrs),
    .attrs = transpose_specs,
    .upgrade = cop_upgrade_none,
    .infer = transpose_infer,
    .fold = transpose_fold,
    .macs = cop_macs_none,
    .lower = transpose_lower,
    .coupling = &transpose_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Pad ------------------------------------------------------------------------------ */

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
     .string_default = "constant"},
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
    if (opset >= 18 && cop_ops__has(node, 3))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "axes of opset %d are not supported", opset);
    if (opset > 10 || attrs->pads.at == NULL) return COP_OK;
    const struct cop_ints pads = attrs->pads;
    COP_TRY(cop_ops__set_ints(graph, node, 1, pads.at, pads.n, err));
    if (attrs->value < 0.0F || attrs->value > 0.0F)
        COP_TRY(cop_ops__set_scalar(graph, node, 2, attrs->value, err));
    attrs->pads = (struct cop_ints){0, NULL};
    attrs->value = 0.0F;
    return COP_OK;
}

/* Amounts before and after each axis. */
static enum cop_status pad_amounts(
    const struct cop_fact *amounts,
    int32_t rank,
    int64_t l[COP_MAX_RANK],
    int64_t r[COP_MAX_RANK],
    struct cop_err *err)
{
    if (amounts->dtype != COP_I64 || amounts->data == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "pads are not constant int64");
    if (cop_shape_n(&amounts->shape) != (int64_t)2 * rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "pads has %lld entries, src has %d axes",
            (long long)cop_shape_n(&amounts->shape),
            rank);
    for (int32_t i = 0; i < rank; i++) {
        l[i] = cop_i64_at(amounts->data, i);
        r[i] = cop_i64_at(amounts->data, rank + i);
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
    const struct pad_attrs *const attrs = node->attrs;
    if (attrs->mode != NULL && strcmp(attrs->mode, "constant") != 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "mode is '%.20s', only 'constant' is supported",
            attrs->mode);
    if (!cop_ops__has(node, 1)) return COP_FAIL(err, COP_EFORMAT, "pads are missing");
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    COP_TRY(pad_amounts(&src[1], src[0].shape.rank, l, r, err));
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
    }
    return COP_OK;
}

static enum cop_status pad_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    int64_t l[COP_MAX_RANK] = {0};
    int64_t r[COP_MAX_RANK] = {0};
    const int32_t rank = cop_emit_src_fact(emitter, 0)->shape.rank;
    COP_TRY(pad_amounts(cop_emit_src_fact(emitter, 1), rank, l, r, err));
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

static struct cop_fact known(const struct cop_value *value)
{
    return (struct cop_fact){
        value->dtype, value->shape, value->data ? cop_buf_data(value->data) : NULL};
}

/* What is kept is tied; what is added, or cropped away, may be cut at will. */
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
    const struct cop_fact amounts = known(node->src[1]);
    COP_TRY(pad_amounts(&amounts, src->rank, l, r, err));
    for (int32_t i = 0; i < src->rank; i++) {
        const int64_t both[2] = {l[i], r[i]};
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
    const struct cop_fact old = known(node->src[1]);
    COP_TRY(pad_amounts(&old, src->rank, l, r, err));
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
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = pad_lower,
    .coupling = &pad_coupling,
    .relevance = &cop_relevance_move,
};
