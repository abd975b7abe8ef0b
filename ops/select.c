/* ops/select.c - Gather, Expand, Tile and Range: elements picked by constant indices.
 *
 * Gather of one index is computed as a slice.  Range only folds. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

/* ---- Gather --------------------------------------------------------------------------- */

struct gather_attrs {
    int64_t axis;
};

static const struct cop_attr_spec gather_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct gather_attrs, axis)},
    {.type = COP_ATTR_END}};

static enum cop_status gather_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct gather_attrs *const attrs = node->attrs;
    const struct cop_shape *const from = &src[0].shape;
    const struct cop_shape *const indices = &src[1].shape;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(from->rank, attrs->axis, &axis, err));
    if (src[1].dtype != COP_I64 && src[1].dtype != COP_I32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "indices are %s, wanted int64",
            cop_dtype_name(src[1].dtype));
    const int32_t rank = from->rank - 1 + indices->rank;
    if (rank > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "result has %d axes, at most %d",
            rank,
            COP_MAX_RANK);
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = {.rank = rank}};
    int32_t to = 0;
    for (int32_t i = 0; i < axis; i++)
        dst[0].shape.dim[to++] = from->dim[i];
    for (int32_t i = 0; i < indices->rank; i++)
        dst[0].shape.dim[to++] = indices->dim[i];
    for (int32_t i = axis + 1; i < from->rank; i++)
        dst[0].shape.dim[to++] = from->dim[i];
    return COP_OK;
}

static enum cop_status index_at(
    const struct cop_fact *indices,
    int64_t i,
    int64_t extent,
    int64_t *index,
    struct cop_err *err)
{
    *index = indices->dtype == COP_I64
                 ? cop_i64_at(indices->data, i)
                 : (int64_t)cop_element_at(indices->dtype, indices->data, i);
    if (*index >= -extent && *index < extent) {
        if (*index < 0) *index += extent;
        return COP_OK;
    }
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "index %lld of an axis of %lld elements",
        (long long)*index,
        (long long)extent);
}

static enum cop_status gather_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL || src[1].data == NULL) return COP_OK;
    const struct gather_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    const int64_t extent = src[0].shape.dim[axis];
    const int64_t outer = cop_shape_span(&src[0].shape, 0, axis);
    const size_t inner =
        (size_t)cop_shape_span(&src[0].shape, axis + 1, src[0].shape.rank) *
        cop_dtype_bytes(src[0].dtype);
    const int64_t n = cop_shape_n(&src[1].shape);
    char *to = elements;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < n; i++) {
            int64_t index = 0;
            COP_TRY(index_at(&src[1], i, extent, &index, err));
            memcpy(
                to,
                (const char *)src[0].data + (size_t)(o * extent + index) * inner,
                inner);
            to += inner;
        }
    }
    return COP_OK;
}

/* One index is a slice, which may share the source's memory. */
static enum cop_status gather_slice(
    struct cop_emitter *emitter,
    int32_t axis,
    int64_t index,
    struct cop_ref taken,
    struct cop_err *err)
{
    int64_t starts[COP_MAX_RANK] = {0};
    int64_t steps[COP_MAX_RANK];
    for (int i = 0; i < COP_MAX_RANK; i++)
        steps[i] = 1;
    starts[axis] = index;
    return cop_emit_slice(emitter, starts, steps, cop_emit_src(emitter, 0), taken, err);
}

static enum cop_status gather_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct gather_attrs *const attrs = node->attrs;
    const struct cop_fact *const indices = cop_emit_src_fact(emitter, 1);
    struct cop_shape shape = cop_emit_src_fact(emitter, 0)->shape;
    const int64_t n = cop_shape_n(&indices->shape);
    if (indices->data == NULL || n == 0)
        return cop_ops__lower_known(node, emitter, err);
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(shape.rank, attrs->axis, &axis, err));
    int64_t *const picked = COP_ARENA_NEW_N(cop_emit_arena(emitter), n, int64_t);
    if (picked == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        COP_TRY(index_at(indices, i, shape.dim[axis], &picked[i], err));
    shape.dim[axis] = n;
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    tables[axis] = picked;
    struct cop_ref taken = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &shape, &taken, err));
    if (n == 1)
        COP_TRY(gather_slice(emitter, axis, picked[0], taken, err));
    else
        COP_TRY(
            cop_emit_pick(emitter, tables, 0.0F, cop_emit_src(emitter, 0), taken, err));
    return cop_emit_reshape(emitter, taken, cop_emit_dst(emitter, 0), err);
}

/* The gathered axis is frozen, since indices name its elements; the others follow. */
static enum cop_status gather_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct gather_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    for (int32_t i = 0; i < rank; i++) {
        if (i == axis) continue;
        const int32_t to = i < axis ? i : i - 1 + node->src[1]->shape.rank;
        COP_TRY(cop_ties_add_axis(ties, 0, i, -1, to, err));
    }
    return COP_OK;
}

static const struct cop_coupling gather_coupling = {
    .name = "gather",
    .tie = gather_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_gather = {
    .name = "Gather",
    .opsets = {1, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = sizeof(struct gather_attrs),
    .attrs = gather_specs,
    .upgrade = cop_upgrade_none,
    .infer = gather_infer,
    .fold = gather_fold,
    .macs = cop_macs_none,
    .lower = gather_lower,
    .coupling = &gather_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Expand ---------------------------------------------------------------------------- */

static enum cop_status expand_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    struct cop_shape target = {0, {0}};
    COP_TRY(cop_ops__ints(&src[1], "target shape", target.dim, &target.rank, err));
    int64_t n = 0;
    COP_TRY(cop_shape_count(&target, &n, err));
    dst[0].dtype = src[0].dtype;
    return cop_shape_broadcast(&src[0].shape, &target, &dst[0].shape, err);
}

/* dst[i] = src[its place], for Expand and Tile. */
static enum cop_status fold_places(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    int64_t (*place)(
        const struct cop_shape *src, const struct cop_shape *dst, int64_t i),
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    const size_t bytes = cop_dtype_bytes(dst[0].dtype);
    for (int64_t i = 0; i < n; i++)
        memcpy(
            (char *)elements + (size_t)i * bytes,
            (const char *)src[0].data +
                (size_t)place(&src[0].shape, &dst[0].shape, i) * bytes,
            bytes);
    return COP_OK;
}

static enum cop_status expand_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_places(node, src, dst, arena, cop_ops__broadcast_at, err);
}

/* Repeats the source, seen with the rank of the result, along every axis that is longer
 * there. */
static enum cop_status repeat_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_shape *const src = &cop_emit_src_fact(emitter, 0)->shape;
    const struct cop_shape *const dst = &cop_emit_dst_fact(emitter, 0)->shape;
    struct cop_shape wide = {.rank = dst->rank};
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    const int32_t missing = dst->rank - src->rank;
    for (int32_t i = 0; i < dst->rank; i++) {
        wide.dim[i] = i < missing ? 1 : src->dim[i - missing];
        if (wide.dim[i] == dst->dim[i]) continue;
        int64_t *table = NULL;
        COP_TRY(cop_ops__table(emitter, i, &table, err));
        for (int64_t k = 0; k < dst->dim[i]; k++)
            table[k] = k % wide.dim[i];
        tables[i] = table;
    }
    struct cop_ref view = COP_REF_ABSENT;
    COP_TRY(cop_emit_number(emitter, 0, &view, err));
    COP_TRY(cop_emit_view(emitter, view, &wide, &view, err));
    return cop_emit_pick(emitter, tables, 0.0F, view, cop_emit_dst(emitter, 0), err);
}

/* Axes that are not stretched follow; a target that is not constant could not be written
 * for a cut. */
static enum cop_status expand_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    const int32_t missing = dst->rank - src->rank;
    if (node->src[1]->data == NULL) return COP_OK;
    for (int32_t i = 0; i < src->rank; i++)
        if (src->dim[i] == dst->dim[i + missing])
            COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i + missing, err));
    return COP_OK;
}

static enum cop_status expand_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    if (node->src[1]->data == NULL) return COP_OK;
    const struct cop_fact fact = cop_ops__fact(node->src[1]);
    const struct cop_shape *const dst = &node->dst[0]->shape;
    int64_t target[COP_MAX_RANK];
    int32_t rank = 0;
    bool is_cut = false;
    COP_TRY(cop_ops__ints(&fact, "target shape", target, &rank, err));
    for (int32_t i = 0; i < rank; i++) {
        const int32_t axis = i + dst->rank - rank;
        const int64_t stays = cop_kept_count(kept, -1, axis, 0, dst->dim[axis]);
        if (stays == dst->dim[axis] || target[i] == 1) continue;
        is_cut = true;
        target[i] = stays;
    }
    return is_cut ? cop_ops__set_ints(graph, node, 1, target, rank, err) : COP_OK;
}

static const struct cop_coupling expand_coupling = {
    .name = "expand",
    .tie = expand_tie,
    .refit = expand_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_expand = {
    .name = "Expand",
    .opsets = {8, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = expand_infer,
    .fold = expand_fold,
    .macs = cop_macs_none,
    .lower = repeat_lower,
    .coupling = &expand_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Tile ------------------------------------------------------------------------------ */

static enum cop_status tile_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    int64_t repeats[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(cop_ops__ints(&src[1], "repeats", repeats, &n, err));
    if (n != src[0].shape.rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "repeats has %d entries, src has %d axes",
            n,
            src[0].shape.rank);
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    for (int32_t i = 0; i < n; i++)
        if (repeats[i] < 0 ||
            __builtin_mul_overflow(
                src[0].shape.dim[i], repeats[i], &dst[0].shape.dim[i]))
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d is repeated %lld times",
                i,
                (long long)repeats[i]);
    return COP_OK;
}

static int64_t tile_place(
    const struct cop_shape *src, const struct cop_shape *dst, int64_t i)
{
    int64_t at = 0;
    int64_t stride = 1;
    for (int32_t axis = dst->rank - 1; axis >= 0; axis--) {
        at += i % dst->dim[axis] % src->dim[axis] * stride;
        stride *= src->dim[axis];
        i /= dst->dim[axis];
    }
    return at;
}

static enum cop_status tile_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_places(node, src, dst, arena, tile_place, err);
}

/* Axes that are not repeated follow. */
static enum cop_status tile_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    for (int32_t i = 0; i < src->rank; i++)
        if (src->dim[i] == node->dst[0]->shape.dim[i])
            COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    return COP_OK;
}

static const struct cop_coupling tile_coupling = {
    .name = "tile",
    .tie = tile_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_tile = {
    .name = "Tile",
    .opsets = {6, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = tile_infer,
    .fold = tile_fold,
    .macs = cop_macs_none,
    .lower = repeat_lower,
    .coupling = &tile_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Range ---------------------------------------------------------------------------- */

static enum cop_status range_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    double bounds[3] = {0.0, 0.0, 1.0}; /* start, limit, delta */
    for (int i = 0; i < 3; i++) {
        if (src[i].data == NULL || cop_shape_n(&src[i].shape) != 1)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "src %d is not a constant of 1 element", i);
        bounds[i] = cop_element_at(src[i].dtype, src[i].data, 0);
    }
    const double n = ceil((bounds[1] - bounds[0]) / bounds[2]);
    if (!(fabs(n) < 0x1p31))
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "range from %g to %g by %g has no end",
            bounds[0],
            bounds[1],
            bounds[2]);
    const int64_t extent = n > 0.0 ? (int64_t)n : 0;
    dst[0].dtype = src[0].dtype;
    dst[0].shape = cop_shape_make(1, &extent);
    return COP_OK;
}

static enum cop_status range_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    void *elements = NULL;
    if (!cop_ops__can_store(dst[0].dtype)) return COP_OK;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? dst[0].shape.dim[0] : 0;
    const double start = cop_element_at(src[0].dtype, src[0].data, 0);
    const double delta = cop_element_at(src[2].dtype, src[2].data, 0);
    for (int64_t i = 0; i < n; i++)
        cop_ops__store(dst[0].dtype, elements, i, start + (double)i * delta);
    return COP_OK;
}

const struct cop_op cop_op_range = {
    .name = "Range",
    .opsets = {11, COP_OPS_LAST},
    .arity = {3, 3, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = range_infer,
    .fold = range_fold,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_known,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};
