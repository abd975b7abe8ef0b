/* ops/arg.c - ArgMax and ArgMin: where the extreme of an axis is. */
#include "ops/row.h"

struct arg_attrs {
    int64_t axis;
    int64_t keepdims;
    int64_t select_last_index;
};

static const struct cop_attr_spec arg_specs[] = {
    {.name = "axis", .type = COP_ATTR_INT, .offset = offsetof(struct arg_attrs, axis)},
    {.name = "keepdims",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct arg_attrs, keepdims),
     .int_default = 1},
    {.name = "select_last_index",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct arg_attrs, select_last_index),
     .first_opset = 12},
    {.type = COP_ATTR_END}};

static enum cop_status arg_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct arg_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &src[0].shape;
    int32_t axis = 0;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(cop_shape_axis(shape->rank, attrs->axis, &axis, err));
    dst[0].dtype = COP_I64;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (i == axis && attrs->keepdims == 0) continue;
        dst[0].shape.dim[dst[0].shape.rank++] = i == axis ? 1 : shape->dim[i];
    }
    if (shape->dim[axis] > 0 && shape->dim[axis] <= 1 << 24) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "axis %d has %lld elements, 1 to 2^24 are supported",
        axis,
        (long long)shape->dim[axis]);
}

static enum cop_status emit_arg(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    struct cop_ref src,
    struct cop_err *err)
{
    const struct arg_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(
        cop_emit_src_fact(emitter, 0)->shape.rank, attrs->axis, &axis, err));
    return cop_emit_reduce(
        emitter,
        attrs->select_last_index != 0 ? COP_REDUCE_ARG_MAX_LAST : COP_REDUCE_ARG_MAX,
        1u << axis,
        src,
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status arg_max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit_arg(node, emitter, cop_emit_src(emitter, 0), err);
}

static enum cop_status arg_min_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    struct cop_ref negative = COP_REF_ABSENT;
    COP_TRY(
        cop_emit_temp(emitter, &cop_emit_src_fact(emitter, 0)->shape, &negative, err));
    COP_TRY(cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        -1.0F,
        0.0F,
        cop_emit_src(emitter, 0),
        negative,
        err));
    return emit_arg(node, emitter, negative, err);
}

static enum cop_status arg_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct arg_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    for (int32_t i = 0; i < rank; i++)
        if (i != axis)
            COP_TRY(cop_ties_add_axis(
                ties, 0, i, -1, i > axis && attrs->keepdims == 0 ? i - 1 : i, err));
    return COP_OK;
}

static const struct cop_coupling arg_coupling = {
    .name = "reduction",
    .tie = arg_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_arg_max = {
    .name = "ArgMax",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct arg_attrs),
    .attrs = arg_specs,
    .upgrade = cop_upgrade_none,
    .infer = arg_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = arg_max_lower,
    .coupling = &arg_coupling,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_arg_min = {
    .name = "ArgMin",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct arg_attrs),
    .attrs = arg_specs,
    .upgrade = cop_upgrade_none,
    .infer = arg_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = arg_min_lower,
    .coupling = &arg_coupling,
    .relevance = &cop_relevance_stop,
};
