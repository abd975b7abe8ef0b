/* ops/reshape.c - the same elements under another shape: Reshape, Flatten, Squeeze,
 * Unsqueeze.
 *
 * Their coupling is one rule: both shapes are walked from the left in blocks of equal
 * size; within a block the outermost axes are tied, in runs.  So a Flatten ties channel c
 * to its h * w elements, and what was flattened can be unfolded again.  Groups of a channel
 * shuffle keep like positions instead. */
#include "ops/row.h"

#include <string.h>

/* ---- coupling ---------------------------------------------------------------------- */

/** Axes [src0, src1) of the source hold the elements of axes [dst0, dst1). */
struct block {
    int32_t src0;
    int32_t src1;
    int32_t dst0;
    int32_t dst1;
};

/* The next block after axes src1 and dst1 of @p block; false at the end. */
static bool next_block(
    const struct cop_shape *src, const struct cop_shape *dst, struct block *block)
{
    block->src0 = block->src1;
    block->dst0 = block->dst1;
    if (block->src0 == src->rank || block->dst0 == dst->rank) return false;
    int64_t n_src = src->dim[block->src1++];
    int64_t n_dst = dst->dim[block->dst1++];
    while (n_src != n_dst) {
        if (n_src < n_dst) {
            if (block->src1 == src->rank) return false;
            n_src *= src->dim[block->src1++];
        } else {
            if (block->dst1 == dst->rank) return false;
            n_dst *= dst->dim[block->dst1++];
        }
    }
    return true;
}

/* Outermost axis of [first, last) with more than one element; last - 1 if there is none. */
static int32_t leading(const struct cop_shape *shape, int32_t first, int32_t last)
{
    for (int32_t i = first; i < last; i++)
        if (shape->dim[i] != 1) return i;
    return last - 1;
}

/* The inner of exactly two axes with more than one element, if it is the longer; else -1. */
static int32_t longer_inner(const struct cop_shape *shape, int32_t first, int32_t last)
{
    const int32_t outer = leading(shape, first, last);
    const int32_t inner = outer + 1 < last ? leading(shape, outer + 1, last) : outer;
    if (shape->dim[inner] <= shape->dim[outer]) return -1;
    return cop_shape_span(shape, first, last) == shape->dim[outer] * shape->dim[inner]
               ? inner
               : -1;
}

/* Channels split in g groups of n, or joined from them, as a channel shuffle does: keeping
 * the same positions in every group leaves more freedom than whole groups if n > g. */
static enum cop_status tie_positions(
    struct cop_ties *ties,
    struct cop_slice whole,
    struct cop_slice inner,
    int64_t extent,
    int64_t n,
    struct cop_err *err)
{
    for (; whole.first < extent; whole.first += n)
        COP_TRY(cop_ops__tie_range(ties, whole, inner, n, err));
    return COP_OK;
}

static enum cop_status tie_block(
    const struct cop_node *node,
    const struct block *block,
    struct cop_ties *ties,
    struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    const int32_t a = leading(src, block->src0, block->src1);
    const int32_t b = leading(dst, block->dst0, block->dst1);
    const int64_t n_a = src->dim[a];
    const int64_t n_b = dst->dim[b];
    const int64_t runs = n_a < n_b ? n_a : n_b;
    const int64_t n = cop_shape_span(src, block->src0, block->src1);
    /* What ends with the last axis is a Flatten or its inverse: positions are spatial. */
    const bool is_last = block->src1 == src->rank || block->dst1 == dst->rank;
    const int32_t inner_a = longer_inner(src, block->src0, block->src1);
    const int32_t inner_b = longer_inner(dst, block->dst0, block->dst1);
    const struct cop_slice end_a = {0, inner_a < 0 ? a : inner_a, 0, 1};
    const struct cop_slice end_b = {-1, inner_b < 0 ? b : inner_b, 0, 1};
    if (!is_last && inner_a < 0 && inner_b >= 0 && n_a == n)
        return tie_positions(ties, end_a, end_b, n, dst->dim[inner_b], err);
    if (!is_last && inner_b < 0 && inner_a >= 0 && n_b == n)
        return tie_positions(ties, end_b, end_a, n, src->dim[inner_a], err);
    if (runs == 0 || n_a % runs != 0 || n_b % runs != 0) return COP_OK;
    return cop_ops__tie_range(
        ties,
        (struct cop_slice){0, a, 0, n_a / runs},
        (struct cop_slice){-1, b, 0, n_b / runs},
        runs,
        err);
}

/* Ties hold for every batch size only if the batch axis stays alone in front. */
static enum cop_status reshape_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    struct block block = {0, 0, 0, 0};
    while (next_block(src, dst, &block)) {
        if (block.src0 == 0 && (block.src1 != 1 || block.dst1 != 1)) return COP_OK;
        COP_TRY(tie_block(node, &block, ties, err));
    }
    return COP_OK;
}

static const struct cop_coupling fixed_coupling = {
    .name = "reshape",
    .tie = reshape_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

/* ---- Reshape ------------------------------------------------------------------------ */

struct reshape_attrs {
    int64_t allowzero;
};

static const struct cop_attr_spec reshape_specs[] = {
    {.name = "allowzero",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reshape_attrs, allowzero),
     .first_opset = 14},
    {.type = COP_ATTR_END}};

/* One extent of the target: 0 copies that of the source, or is meant as 0. */
static enum cop_status target_extent(
    const struct cop_node *node,
    const struct cop_shape *src,
    int32_t axis,
    int64_t wanted,
    int64_t *extent,
    struct cop_err *err)
{
    const struct reshape_attrs *const attrs = node->attrs;
    *extent = wanted;
    if (wanted > 0) return COP_OK;
    if (wanted < 0)
        return COP_FAIL(
            err, COP_ESHAPE, "target extent %d is %lld", axis, (long long)wanted);
    if (attrs->allowzero != 0) return COP_OK;
    if (axis >= src->rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "target extent %d copies axis %d, src has %d axes",
            axis,
            axis,
            src->rank);
    *extent = src->dim[axis];
    return COP_OK;
}

static enum cop_status reshape_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int64_t target[COP_MAX_RANK];
    int32_t rank = 0;
    COP_TRY(cop_ops__ints(&src[1], "target shape", target, &rank, err));
    int32_t open = -1;
    for (int32_t i = 0; i < rank; i++) {
        if (target[i] == -1 && open < 0) {
            open = i;
            target[i] = 1;
            continue;
        }
        COP_TRY(target_extent(node, &src[0].shape, i, target[i], &target[i], err));
    }
    dst[0] = (struct cop_fact){src[0].dtype, cop_shape_make(rank, target), NULL};
    int64_t n_src = 0;
    int64_t n_dst = 0;
    COP_TRY(cop_shape_count(&src[0].shape, &n_src, err));
    COP_TRY(cop_shape_count(&dst[0].shape, &n_dst, err));
    if (open >= 0 && n_dst > 0 && n_src % n_dst == 0) {
        dst[0].shape.dim[open] = n_src / n_dst;
        return COP_OK;
    }
    if (open < 0 && n_src == n_dst) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "src has %lld elements, target shape %s%lld",
        (long long)n_src,
        open < 0 ? "has " : "leaves an open axis over ",
        (long long)n_dst);
}

/* Targets spell out extents: those of cut axes are written anew. */
static enum cop_status reshape_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    const struct cop_value *const target = node->src[1];
    const struct cop_fact fact = {
        target->dtype, target->shape, target->data ? cop_buf_data(target->data) : NULL};
    int64_t extents[COP_MAX_RANK];
    int32_t rank = 0;
    COP_TRY(cop_ops__ints(&fact, "target shape", extents, &rank, err));
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    bool is_cut = false;
    for (int32_t i = 0; i < rank; i++) {
        if (extents[i] == -1) continue;
        const int64_t stays = cop_kept_count(kept, -1, i, 0, dst->dim[i]);
        if (extents[i] == 0 && stays == cop_kept_count(kept, 0, i, 0, src->dim[i]))
            continue;
        is_cut = is_cut || stays != dst->dim[i];
        if (stays != dst->dim[i] || extents[i] == 0) extents[i] = stays;
    }
    if (!is_cut) return COP_OK;
    return cop_ops__set_ints(graph, node, 1, extents, rank, err);
}

static const struct cop_coupling reshape_coupling = {
    .name = "reshape",
    .tie = reshape_tie,
    .refit = reshape_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_reshape = {
    .name = "Reshape",
    .opsets = {5, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = sizeof(struct reshape_attrs),
    .attrs = reshape_specs,
    .upgrade = cop_upgrade_none,
    .infer = reshape_infer,
    .fold = cop_ops__fold_pass,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_same,
    .coupling = &reshape_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Flatten ------------------------------------------------------------------------ */

struct flatten_attrs {
    int64_t axis;
};

static const struct cop_attr_spec flatten_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct flatten_attrs, axis),
     .int_default = 1},
    {.type = COP_ATTR_END}};

static enum cop_status flatten_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct flatten_attrs *const attrs = node->attrs;
    const int32_t rank = src[0].shape.rank;
    int32_t axis = rank;
    if (attrs->axis != rank) COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    const int64_t dims[2] = {
        cop_shape_span(&src[0].shape, 0, axis),
        cop_shape_span(&src[0].shape, axis, rank)};
    dst[0] = (struct cop_fact){src[0].dtype, cop_shape_make(2, dims), NULL};
    return COP_OK;
}

const struct cop_op cop_op_flatten = {
    .name = "Flatten",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct flatten_attrs),
    .attrs = flatten_specs,
    .upgrade = cop_upgrade_none,
    .infer = flatten_infer,
    .fold = cop_ops__fold_pass,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_same,
    .coupling = &fixed_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Squeeze, Unsqueeze --------------------------------------------------------------- */

/* Axes are operand 1 since opset 13, an attribute before. */
struct axes_attrs {
    struct cop_ints axes;
};

static const struct cop_attr_spec axes_specs[] = {
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct axes_attrs, axes),
     .last_opset = 12},
    {.type = COP_ATTR_END}};

static enum cop_status axes_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct axes_attrs *const attrs = node->attrs;
    if (opset >= 13 || attrs->axes.at == NULL) return COP_OK;
    const struct cop_ints axes = attrs->axes;
    attrs->axes = (struct cop_ints){0, NULL};
    return cop_ops__set_ints(graph, node, 1, axes.at, axes.n, err);
}

static enum cop_status unsqueeze_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    if (!cop_ops__has(node, 1)) return COP_FAIL(err, COP_EFORMAT, "axes are missing");
    int64_t axes[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(cop_ops__ints(&src[1], "axes", axes, &n, err));
    const int32_t rank = src[0].shape.rank + n;
    if (rank > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "result has %d axes, at most %d",
            rank,
            COP_MAX_RANK);
    uint32_t marks = 0;
    COP_TRY(cop_ops__axes(rank, axes, n, &marks, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = {.rank = rank}};
    int32_t from = 0;
    for (int32_t i = 0; i < rank; i++)
        dst[0].shape.dim[i] = (marks >> i & 1u) != 0 ? 1 : src[0].shape.dim[from++];
    return COP_OK;
}

static enum cop_status squeeze_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct cop_shape *const shape = &src[0].shape;
    uint32_t marks = 0;
    if (cop_ops__has(node, 1)) {
        int64_t axes[COP_MAX_RANK];
        int32_t n = 0;
        COP_TRY(cop_ops__ints(&src[1], "axes", axes, &n, err));
        COP_TRY(cop_ops__axes(shape->rank, axes, n, &marks, err));
    } else {
        for (int32_t i = 0; i < shape->rank; i++)
            if (shape->dim[i] == 1) marks |= 1u << i;
    }
    dst[0].dtype = src[0].dtype;
    for (int32_t i = 0; i < shape->rank; i++) {
        if ((marks >> i & 1u) == 0)
            dst[0].shape.dim[dst[0].shape.rank++] = shape->dim[i];
        else if (shape->dim[i] != 1)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d has %lld elements, only 1 can be squeezed",
                i,
                (long long)shape->dim[i]);
    }
    return COP_OK;
}

const struct cop_op cop_op_squeeze = {
    .name = "Squeeze",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct axes_attrs),
    .attrs = axes_specs,
    .upgrade = axes_upgrade,
    .infer = squeeze_infer,
    .fold = cop_ops__fold_pass,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_same,
    .coupling = &fixed_coupling,
    .relevance = &cop_relevance_move,
};

const struct cop_op cop_op_unsqueeze = {
    .name = "Unsqueeze",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct axes_attrs),
    .attrs = axes_specs,
    .upgrade = axes_upgrade,
    .infer = unsqueeze_infer,
    .fold = cop_ops__fold_pass,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_same,
    .coupling = &fixed_coupling,
    .relevance = &cop_relevance_move,
};
