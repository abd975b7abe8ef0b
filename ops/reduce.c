/* ops/reduce.c - ReduceMean, ReduceSum, ReduceMax over constant axes. */
#include "ops/row.h"

/* Axes: an attribute up to opset 17 (ReduceSum: 12), an operand since.  In memory the
 * form of opset 13 holds: an operand of ReduceSum, an attribute of the others. */
struct reduce_attrs {
    struct cop_ints axes;
    int64_t keepdims;
    int64_t noop_with_empty_axes;
};

static const struct cop_attr_spec reduce_specs[] = {
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct reduce_attrs, axes),
     .last_opset = 17},
    {.name = "keepdims",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, keepdims),
     .int_default = 1},
    {.name = "noop_with_empty_axes",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, noop_with_empty_axes),
     .first_opset = 18},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec sum_specs[] = {
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct reduce_attrs, axes),
     .last_opset = 12},
    {.name = "keepdims",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, keepdims),
     .int_default = 1},
    {.name = "noop_with_empty_axes",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct reduce_attrs, noop_with_empty_axes),
     .first_opset = 13},
    {.type = COP_ATTR_END}};

static enum cop_status sum_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct reduce_attrs *const attrs = node->attrs;
    if (opset >= 13 || attrs->axes.at == NULL) return COP_OK;
    const struct cop_ints axes = attrs->axes;
    attrs->axes = (struct cop_ints){0, NULL};
    return cop_ops__set_ints(graph, node, 1, axes.at, axes.n, err);
}

/* Since opset 18 the axes come as an operand, which must be known while reading. */
static enum cop_status reduce_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    if (opset < 18 || !cop_ops__has(node, 1)) return COP_OK;
    struct reduce_attrs *const attrs = node->attrs;
    const struct cop_fact fact = cop_ops__peek(node, 1);
    int64_t axes[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(cop_ops__ints(&fact, "axes", axes, &n, err));
    int64_t *const copy = cop_arena_copy(cop_graph_arena(graph), axes, sizeof axes);
    if (copy == NULL) return COP_FAIL_NOMEM(err);
    attrs->axes = (struct cop_ints){n, n > 0 ? copy : NULL};
    return cop_graph_set_src(graph, node, 1, NULL, err);
}

static enum cop_status reduced_axes(
    const struct cop_node *node,
    const struct cop_fact *operand,
    int32_t rank,
    uint32_t *axes,
    struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    int64_t listed[COP_MAX_RANK];
    int32_t n = 0;
    if (attrs->axes.at != NULL) {
        COP_TRY(cop_ops__axes(rank, attrs->axes.at, attrs->axes.n, axes, err));
        n = (int32_t)attrs->axes.n;
    } else if (operand != NULL) {
        COP_TRY(cop_ops__ints(operand, "axes", listed, &n, err));
        COP_TRY(cop_ops__axes(rank, listed, n, axes, err));
    }
    if (n == 0) *axes = attrs->noop_with_empty_axes != 0 ? 0 : (1u << rank) - 1;
    return COP_OK;
}

static enum cop_status reduce_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    const struct cop_shape *const shape = &src[0].shape;
    uint32_t axes = 0;
    COP_TRY(reduced_axes(
        node, cop_ops__has(node, 1) ? &src[1] : NULL, shape->rank, &axes, err));
    dst[0].dtype = COP_F32;
    for (int32_t i = 0; i < shape->rank; i++) {
        const bool is_reduced = (axes >> i & 1u) != 0;
        if (is_reduced && attrs->keepdims == 0) continue;
        dst[0].shape.dim[dst[0].shape.rank++] = is_reduced ? 1 : shape->dim[i];
    }
    return COP_OK;
}

static enum cop_status lower_as(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    enum cop_reduce_alg alg,
    struct cop_err *err)
{
    uint32_t axes = 0;
    COP_TRY(reduced_axes(
        node,
        cop_ops__has(node, 1) ? cop_emit_src_fact(emitter, 1) : NULL,
        cop_emit_src_fact(emitter, 0)->shape.rank,
        &axes,
        err));
    if (axes == 0) return cop_ops__lower_same(node, emitter, err);
    return cop_emit_reduce(
        emitter, alg, axes, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

static enum cop_status mean_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_as(node, emitter, COP_REDUCE_MEAN, err);
}

static enum cop_status sum_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_as(node, emitter, COP_REDUCE_SUM, err);
}

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return lower_as(node, emitter, COP_REDUCE_MAX, err);
}

/* Axes that are not reduced follow; a reduced axis mixes its elements and is frozen. */
static enum cop_status reduce_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct reduce_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &node->src[0]->shape;
    struct cop_fact operand = {COP_DTYPE_NONE, {0, {0}}, NULL};
    if (cop_ops__has(node, 1)) operand = cop_ops__peek(node, 1);
    uint32_t axes = 0;
    COP_TRY(reduced_axes(
        node, cop_ops__has(node, 1) ? &operand : NULL, shape->rank, &axes, err));
    int32_t to = 0;
    for (int32_t i = 0; i < shape->rank; i++) {
        const bool is_reduced = (axes >> i & 1u) != 0;
        if (!is_reduced) COP_TRY(cop_ties_add_axis(ties, 0, i, -1, to, err));
        if (!is_reduced || attrs->keepdims != 0) to++;
    }
    return COP_OK;
}

static const struct cop_coupling reduce_coupling = {
    .name = "reduction",
    .tie = reduce_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_reduce_mean = {
    .name = "ReduceMean",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = mean_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_sum = {
    .name = "ReduceSum",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = sum_specs,
    .upgrade = sum_upgrade,
    .infer = reduce_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = sum_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_reduce_max = {
    .name = "ReduceMax",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct reduce_attrs),
    .attrs = reduce_specs,
    .upgrade = reduce_upgrade,
    .infer = reduce_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = max_lower,
    .coupling = &reduce_coupling,
    .relevance = &cop_relevance_winner,
};
