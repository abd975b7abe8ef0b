/* ops/softmax.c - Softmax and LogSoftmax over one axis.
 *
 * Up to opset 12 they flattened everything from the axis on; such a node is read as
 * Flatten, Softmax over the last axis, and Reshape back, of which ops/simplify.c leaves
 * only the middle wherever that says the same. */
#include "ops/ops.h"
#include "ops/row.h"

struct softmax_attrs {
    int64_t axis;
};

/* Not in the file: axis 1 up to opset 12, the last axis since. */
static const int64_t axis_unsaid = INT64_MIN;

static const struct cop_attr_spec softmax_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct softmax_attrs, axis),
     .int_default = INT64_MIN},
    {.type = COP_ATTR_END}};

static enum cop_status axis_of(
    const struct cop_node *node, int32_t rank, int32_t *axis, struct cop_err *err)
{
    const struct softmax_attrs *const attrs = node->attrs;
    return cop_shape_axis(
        rank, attrs->axis == axis_unsaid ? -1 : attrs->axis, axis, err);
}

/* src -> Flatten(axis) -> this node -> Reshape(to the shape of src). */
static enum cop_status wrap(
    struct cop_graph *graph, struct cop_node *node, int64_t axis, struct cop_err *err)
{
    struct cop_value *const src = node->src[0];
    struct cop_value *const dst = node->dst[0];
    struct cop_node *shape = NULL;
    struct cop_node *flatten = NULL;
    struct cop_node *reshape = NULL;
    struct cop_node_spec spec = {
        .op = &cop_op_shape, .src = &src, .n_src = 1, .n_dst = 1, .before = node};
    COP_TRY(cop_graph_add_node(graph, &spec, &shape, err));
    const struct softmax_attrs flat = {
        axis}; /* Flatten's attributes have the same form */
    spec.op = &cop_op_flatten;
    spec.attrs = &flat;
    COP_TRY(cop_graph_add_node(graph, &spec, &flatten, err));
    COP_TRY(cop_graph_set_src(graph, node, 0, flatten->dst[0], err));
    struct cop_value *const operands[2] = {dst, shape->dst[0]};
    const struct cop_node_spec last = {
        .op = &cop_op_reshape, .src = operands, .n_src = 2, .n_dst = 1};
    COP_TRY(cop_graph_add_node(graph, &last, &reshape, err));
    COP_TRY(cop_graph_replace_value(graph, dst, reshape->dst[0], err));
    COP_TRY(cop_graph_set_src(graph, reshape, 0, dst, err));
    return cop_graph_sort(graph, err);
}

static enum cop_status softmax_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct softmax_attrs *const attrs = node->attrs;
    int64_t axis = attrs->axis;
    if (axis == axis_unsaid) axis = opset >= COP_OPS_FORM ? -1 : 1;
    attrs->axis = opset >= COP_OPS_FORM ? axis : -1;
    if (opset >= COP_OPS_FORM || axis == -1) return COP_OK;
    return wrap(graph, node, axis, err);
}

static enum cop_status softmax_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int32_t axis = 0;
    COP_TRY(axis_of(node, src[0].shape.rank, &axis, err));
    return cop_ops__infer_same_f32(node, src, dst, err);
}

static enum cop_status lower_as(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    bool logarithm,
    struct cop_err *err)
{
    int32_t axis = 0;
    COP_TRY(axis_of(node, cop_emit_src_fact(emitter, 0)->shape.rank, &axis, err));
    return cop_emit_softmax(
        emitter,
        axis,
        logarithm,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status softmax_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_as(node, emitter, false, err);
}

static enum cop_status log_softmax_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_as(node, emitter, true, err);
}

/* Every element along the axis depends on all others there: that axis is frozen. */
static enum cop_status softmax_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    int32_t axis = 0;
    const int32_t rank = node->src[0]->shape.rank;
    COP_TRY(axis_of(node, rank, &axis, err));
    for (int32_t i = 0; i < rank; i++)
        if (i != axis) COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    return COP_OK;
}

static const struct cop_coupling softmax_coupling = {
    .name = "softmax",
    .tie = softmax_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_softmax = {
    .name = "Softmax",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct softmax_attrs),
    .attrs = softmax_specs,
    .upgrade = softmax_upgrade,
    .infer = softmax_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = softmax_lower,
    .coupling = &softmax_coupling,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_log_softmax = {
    .name = "LogSoftmax",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct softmax_attrs),
    .attrs = softmax_specs,
    .upgrade = softmax_upgrade,
    .infer = softmax_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = log_softmax_lower,
    .coupling = &softmax_coupling,
    .relevance = &cop_relevance_elementwise,
};
