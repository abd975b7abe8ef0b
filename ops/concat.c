/* ops/concat.c - Concat and Split: tensors behind one another along an axis. */
#include "ops/row.h"

#include <string.h>

struct axis_attrs {
    int64_t axis;
};

static const struct cop_attr_spec concat_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct axis_attrs, axis),
     .int_default = 1,
     .is_required = true},
    {.type = COP_ATTR_END}};

static enum cop_status concat_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int32_t axis = 0;
    const struct axis_attrs *const attrs = node->attrs;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    for (int32_t i = 1; i < node->n_src; i++) {
        struct cop_shape fitting = src[i].shape;
        if (fitting.rank == dst[0].shape.rank)
            fitting.dim[axis] = dst[0].shape.dim[axis];
        char text[2][COP_SHAPE_TEXT];
        if (!cop_shape_equal(&fitting, &dst[0].shape))
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "src %d is %s, src 0 is %s, they may differ on axis %d only",
                i,
                cop_shape_print(&src[i].shape, text[0], sizeof text[0]),
                cop_shape_print(&src[0].shape, text[1], sizeof text[1]),
                axis);
        if (src[i].dtype != src[0].dtype)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "src %d is %s, src 0 is %s",
                i,
                cop_dtype_name(src[i].dtype),
                cop_dtype_name(src[0].dtype));
        dst[0].shape.dim[axis] += src[i].shape.dim[axis];
    }
    return COP_OK;
}

static enum cop_status concat_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    for (int32_t i = 0; i < node->n_src; i++)
        if (src[i].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    int32_t axis = 0;
    const struct axis_attrs *const attrs = node->attrs;
    COP_TRY(cop_shape_axis(dst[0].shape.rank, attrs->axis, &axis, err));
    const size_t inner =
        (size_t)cop_shape_span(&dst[0].shape, axis + 1, dst[0].shape.rank) *
        cop_dtype_bytes(dst[0].dtype);
    const int64_t outer = cop_shape_span(&dst[0].shape, 0, axis);
    char *to = elements;
    for (int64_t o = 0; o < outer; o++) {
        for (int32_t i = 0; i < node->n_src; i++) {
            const size_t bytes = (size_t)src[i].shape.dim[axis] * inner;
            memcpy(to, (const char *)src[i].data + (size_t)o * bytes, bytes);
            to += bytes;
        }
    }
    return COP_OK;
}

/* Sources are taken in portions, each joined to what is there already. */
enum { CONCAT_PORTION = 16 };

static enum cop_status concat_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_shape *const whole = &cop_emit_dst_fact(emitter, 0)->shape;
    int32_t axis = 0;
    const struct axis_attrs *const attrs = node->attrs;
    COP_TRY(cop_shape_axis(whole->rank, attrs->axis, &axis, err));
    struct cop_ref parts[CONCAT_PORTION];
    struct cop_shape joined = *whole;
    joined.dim[axis] = 0;
    int32_t n = 0;
    for (int32_t i = 0; i < node->n_src; i++) {
        const struct cop_shape *const part = &cop_emit_src_fact(emitter, i)->shape;
        joined.dim[axis] += part->dim[axis];
        if (part->dim[axis] > 0) parts[n++] = cop_emit_src(emitter, i);
        if (n < CONCAT_PORTION || i == node->n_src - 1) continue;
        struct cop_ref so_far = COP_REF_ABSENT;
        COP_TRY(cop_emit_temp(emitter, &joined, &so_far, err));
        COP_TRY(cop_emit_concat(emitter, axis, n, parts, so_far, err));
        parts[0] = so_far;
        n = 1;
    }
    if (n == 1)
        return cop_emit_reshape(emitter, parts[0], cop_emit_dst(emitter, 0), err);
    return cop_emit_concat(emitter, axis, n, parts, cop_emit_dst(emitter, 0), err);
}

static enum cop_status concat_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    int32_t axis = 0;
    const struct axis_attrs *const attrs = node->attrs;
    const struct cop_shape *const whole = &node->dst[0]->shape;
    COP_TRY(cop_shape_axis(whole->rank, attrs->axis, &axis, err));
    int64_t first = 0;
    for (int32_t i = 0; i < node->n_src; i++) {
        const int64_t extent = node->src[i]->shape.dim[axis];
        const struct cop_slice from = {i, axis, 0, 1};
        const struct cop_slice to = {-1, axis, first, 1};
        COP_TRY(cop_ops__tie_range(ties, from, to, extent, err));
        first += extent;
        for (int32_t other = 0; other < whole->rank; other++)
            if (other != axis)
                COP_TRY(cop_ties_add_axis(ties, i, other, -1, other, err));
    }
    return COP_OK;
}

static const struct cop_coupling concat_coupling = {
    .name = "concatenation",
    .tie = concat_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_concat = {
    .name = "Concat",
    .opsets = {4, COP_OPS_LAST},
    .arity = {1, -1, 1},
    .attrs_size = sizeof(struct axis_attrs),
    .attrs = concat_specs,
    .upgrade = cop_upgrade_none,
    .infer = concat_infer,
    .fold = concat_fold,
    .macs = cop_macs_none,
    .lower = concat_lower,
    .coupling = &concat_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Split ------------------------------------------------------------------------- */

/* Sizes are operand 1 since opset 13, an attribute before; absent: equal parts. */
struct split_attrs {
    int64_t axis;
    int64_t num_outputs;
    struct cop_ints split;
};

static const struct cop_attr_spec split_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct split_attrs, axis)},
    {.name = "num_outputs",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct split_attrs, num_outputs),
     .first_opset = 18,
     .counts_results = true},
    {.name = "split",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct split_attrs, split),
     .last_opset = 12},
    {.type = COP_ATTR_END}};

static enum cop_status split_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct split_attrs *const attrs = node->attrs;
    if (attrs->num_outputs != 0 && attrs->num_outputs != node->n_dst)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "num_outputs is %lld, node has %d results",
            (long long)attrs->num_outputs,
            node->n_dst);
    attrs->num_outputs = 0;
    if (opset >= 13 || attrs->split.at == NULL) return COP_OK;
    const struct cop_ints sizes = attrs->split;
    attrs->split = (struct cop_ints){0, NULL};
    return cop_ops__set_ints(graph, node, 1, sizes.at, sizes.n, err);
}

/* Extent of part @p i along the axis. */
static enum cop_status split_size(
    const struct cop_node *node,
    const struct cop_fact *sizes, /* NULL: equal parts */
    int64_t extent,
    int32_t i,
    int64_t *size,
    struct cop_err *err)
{
    if (sizes == NULL) {
        const int64_t each = (extent + node->n_dst - 1) / node->n_dst;
        const int64_t left = extent - each * i;
        *size = left > each ? each : left;
        if (*size >= 0) return COP_OK;
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%lld elements cannot be split in %d equal parts",
            (long long)extent,
            node->n_dst);
    }
    if (sizes->dtype != COP_I64 || sizes->data == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "split sizes are not constant int64");
    if (cop_shape_n(&sizes->shape) != node->n_dst)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "split has %lld sizes, node has %d results",
            (long long)cop_shape_n(&sizes->shape),
            node->n_dst);
    *size = cop_i64_at(sizes->data, i);
    if (*size >= 0 && *size <= extent) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "split size %d is %lld of %lld elements",
        i,
        (long long)*size,
        (long long)extent);
}

static enum cop_status split_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct split_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    const int64_t extent = src[0].shape.dim[axis];
    int64_t total = 0;
    for (int32_t i = 0; i < node->n_dst; i++) {
        const struct cop_fact *const sizes = cop_ops__has(node, 1) ? &src[1] : NULL;
        int64_t size = 0;
        COP_TRY(split_size(node, sizes, extent, i, &size, err));
        dst[i] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
        dst[i].shape.dim[axis] = size;
        total += size;
    }
    if (total == extent) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "split sizes sum to %lld, src axis %d is %lld",
        (long long)total,
        axis,
        (long long)extent);
}

static enum cop_status split_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    const struct split_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    int64_t strides[COP_MAX_RANK];
    cop_ops__strides(&src[0].shape, strides);
    int64_t first = 0;
    for (int32_t i = 0; i < node->n_dst; i++) {
        void *elements = NULL;
        COP_TRY(cop_ops__fold_room(node, src, &dst[i], arena, &elements, err));
        if (elements != NULL)
            cop_ops__copy_strided(
                &dst[i].shape,
                strides,
                first * strides[axis],
                cop_dtype_bytes(src[0].dtype),
                src[0].data,
                elements);
        first += dst[i].shape.dim[axis];
    }
    return COP_OK;
}

static enum cop_status split_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct split_attrs *const attrs = node->attrs;
    const struct cop_shape *const whole = &cop_emit_src_fact(emitter, 0)->shape;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(whole->rank, attrs->axis, &axis, err));
    int64_t starts[COP_MAX_RANK] = {0};
    int64_t steps[COP_MAX_RANK];
    for (int i = 0; i < COP_MAX_RANK; i++)
        steps[i] = 1;
    for (int32_t i = 0; i < node->n_dst; i++) {
        const int64_t extent = cop_emit_dst_fact(emitter, i)->shape.dim[axis];
        if (node->dst[i] != NULL && extent > 0)
            COP_TRY(cop_emit_slice(
                emitter,
                starts,
                steps,
                cop_emit_src(emitter, 0),
                cop_emit_dst(emitter, i),
                err));
        starts[axis] += extent;
    }
    return COP_OK;
}

/* An absent result has no value whose shape could be read: nothing may be cut then. */
static bool has_every_result(const struct cop_node *node)
{
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i] == NULL) return false;
    return true;
}

static enum cop_status split_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    if (!has_every_result(node)) return COP_OK;
    const struct split_attrs *const attrs = node->attrs;
    const struct cop_shape *const whole = &node->src[0]->shape;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(whole->rank, attrs->axis, &axis, err));
    int64_t first = 0;
    for (int32_t i = 0; i < node->n_dst; i++) {
        const int64_t extent = node->dst[i]->shape.dim[axis];
        const struct cop_slice from = {0, axis, first, 1};
        const struct cop_slice to = {-1 - i, axis, 0, 1};
        COP_TRY(cop_ops__tie_range(ties, from, to, extent, err));
        first += extent;
        for (int32_t other = 0; other < whole->rank; other++)
            if (other != axis)
                COP_TRY(cop_ties_add_axis(ties, 0, other, -1 - i, other, err));
    }
    return COP_OK;
}

/* Spells out what stays of every part, also where equal parts were meant before. */
static enum cop_status split_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    const struct split_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(node->src[0]->shape.rank, attrs->axis, &axis, err));
    if (!has_every_result(node)) return COP_OK;
    int64_t sizes[128];
    if (node->n_dst > (int32_t)(sizeof sizes / sizeof sizes[0]))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "cut of a Split in %d parts", node->n_dst);
    bool is_cut = false;
    for (int32_t i = 0; i < node->n_dst; i++) {
        const int64_t extent = node->dst[i]->shape.dim[axis];
        sizes[i] = cop_kept_count(kept, -1 - i, axis, 0, extent);
        is_cut = is_cut || sizes[i] != extent;
    }
    if (!is_cut) return COP_OK;
    return cop_ops__set_ints(graph, node, 1, sizes, node->n_dst, err);
}

static const struct cop_coupling split_coupling = {
    .name = "split",
    .tie = split_tie,
    .refit = split_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_split = {
    .name = "Split",
    .opsets = {2, COP_OPS_LAST},
    .arity = {1, 2, 127},
    .attrs_size = sizeof(struct split_attrs),
    .attrs = split_specs,
    .upgrade = split_upgrade,
    .infer = split_infer,
    .fold = split_fold,
    .macs = cop_macs_none,
    .lower = split_lower,
    .coupling = &split_coupling,
    .relevance = &cop_relevance_move,
};
