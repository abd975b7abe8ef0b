/* tests/support/toy_ops.c - see toy_ops.h. */
#include "support/toy_ops.h"

#include "explain/relevance.h"
#include "prune/coupling.h"

static enum cop_status lower_nothing(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)emitter;
    return COP_FAIL(err, COP_EUNSUPPORTED, "'%s' is a toy", node->name);
}

static enum cop_status lift(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    (void)graph;
    (void)err;
    struct toy_lin_attrs *attrs = node->attrs;
    if (opset < 13) attrs->mode = "lifted";
    return COP_OK;
}

static enum cop_status infer_lin(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    if (src[0].shape.rank != 2 || src[1].shape.rank != 2 ||
        src[0].shape.dim[1] != src[1].shape.dim[1])
        return COP_FAIL(err, COP_ESHAPE, "weights do not fit the source");
    dst->dtype = COP_F32;
    dst->shape = src[0].shape;
    dst->shape.dim[1] = src[1].shape.dim[0];
    return COP_OK;
}

static enum cop_status infer_sum(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    for (int32_t i = 1; i < node->n_src; i++) {
        if (!cop_shape_equal(&src[0].shape, &src[i].shape))
            return COP_FAIL(err, COP_ESHAPE, "source %d has another shape", i);
    }
    for (int32_t i = 0; i < node->n_dst; i++) {
        dst[i].dtype = src[0].dtype;
        dst[i].shape = src[0].shape;
    }
    return COP_OK;
}

static enum cop_status infer_data(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)src;
    (void)err;
    const struct toy_data_attrs *attrs = node->attrs;
    dst->dtype = attrs->value.dtype;
    dst->shape = attrs->value.shape;
    return COP_OK;
}

static enum cop_status fold_data(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)src;
    (void)arena;
    (void)err;
    const struct toy_data_attrs *attrs = node->attrs;
    dst->data = attrs->value.data;
    return COP_OK;
}

static const struct cop_attr_spec lin_attrs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct toy_lin_attrs, axis),
     .int_default = 1},
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct toy_lin_attrs, alpha),
     .float_default = 1.5F},
    {.name = "mode",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct toy_lin_attrs, mode),
     .string_default = "plain"},
    {.name = "pads",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct toy_lin_attrs, pads)},
    {.name = "scales",
     .type = COP_ATTR_FLOATS,
     .offset = offsetof(struct toy_lin_attrs, scales)},
    {.name = "old",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct toy_lin_attrs, old),
     .last_opset = 12},
    {.name = "fresh",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct toy_lin_attrs, fresh),
     .first_opset = 15},
    {.type = COP_ATTR_END},
};

static const struct cop_attr_spec data_attrs[] = {
    {.name = "value",
     .type = COP_ATTR_TENSOR,
     .offset = offsetof(struct toy_data_attrs, value),
     .is_required = true},
    {.type = COP_ATTR_END},
};

const struct cop_op toy_lin = {
    .name = "ToyLin",
    .opsets = {9, 21},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct toy_lin_attrs),
    .attrs = lin_attrs,
    .upgrade = lift,
    .infer = infer_lin,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_linear,
};

const struct cop_op toy_sum = {
    .name = "ToySum",
    .opsets = {1, 99},
    .arity = {1, -1, 2},
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_sum,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_sum,
};

const struct cop_op toy_data = {
    .name = "ToyData",
    .opsets = {1, 99},
    .arity = {0, 0, 1},
    .attrs_size = sizeof(struct toy_data_attrs),
    .attrs = data_attrs,
    .upgrade = cop_upgrade_none,
    .infer = infer_data,
    .fold = fold_data,
    .macs = cop_macs_none,
    .lower = lower_nothing,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_sum,
};

static const struct cop_op *const toys[] = {&toy_lin, &toy_sum, &toy_data};
const struct cop_op_set toy_set = {.ops = toys, .n = 3};
