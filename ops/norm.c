/* ops/norm.c - BatchNormalization as inference computes it.
 *
 * It stays a node of its own until the engine folds it into a convolution, so that
 * training and statistics repair can use it. */
#include "ops/row.h"

struct norm_attrs {
    float epsilon;
    float momentum;
    int64_t spatial;
    int64_t training_mode;
};

static const struct cop_attr_spec norm_specs[] = {
    {.name = "epsilon",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct norm_attrs, epsilon),
     .float_default = 1e-5F},
    {.name = "momentum",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct norm_attrs, momentum),
     .float_default = 0.9F},
    {.name = "spatial",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct norm_attrs, spatial),
     .int_default = 1,
     .last_opset = 8},
    {.name = "training_mode",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct norm_attrs, training_mode),
     .first_opset = 14},
    {.type = COP_ATTR_END}};

static enum cop_status norm_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct norm_attrs *const attrs = node->attrs;
    if (attrs->spatial != 1)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "spatial is %lld, only 1 is supported",
            (long long)attrs->spatial);
    if (attrs->training_mode != 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "training_mode is %lld, only 0 is supported",
            (long long)attrs->training_mode);
    for (int32_t i = 0; i < 5; i++)
        COP_TRY(cop_ops__want_f32(src, i, err));
    if (src[0].shape.rank < 2)
        return COP_FAIL(
            err, COP_ESHAPE, "src has %d axes, wanted at least 2", src[0].shape.rank);
    for (int32_t i = 1; i < 5; i++)
        COP_TRY(cop_ops__want_vector(src, i, src[0].shape.dim[1], err));
    return cop_ops__infer_same(node, src, dst, err);
}

static enum cop_status norm_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct norm_attrs *const attrs = node->attrs;
    struct cop_ref params[4]; /* scale, shift, mean, variance */
    for (int32_t i = 0; i < 4; i++)
        params[i] = cop_emit_src(emitter, 1 + i);
    return cop_emit_normalise(
        emitter,
        attrs->epsilon,
        cop_emit_src(emitter, 0),
        params,
        cop_emit_dst(emitter, 0),
        err);
}

const struct cop_op cop_op_batch_normalization = {
    .name = "BatchNormalization",
    .opsets = {7, COP_OPS_LAST},
    .arity = {5, 5, 1},
    .attrs_size = sizeof(struct norm_attrs),
    .attrs = norm_specs,
    .upgrade = cop_upgrade_none,
    .infer = norm_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = norm_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_normalise,
};
