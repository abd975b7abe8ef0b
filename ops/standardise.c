/* ops/standardise.c - normalisations that compute their own statistics: Instance-, Layer-
 * and GroupNormalization, LRN, LpNormalization.
 *
 * Each is a composition of reductions and arithmetic.  Relevance passes through unchanged:
 * a standardisation only rescales what it is given. */
#include "ops/row.h"

/** A tensor of the program with its shape. */
struct part {
    struct cop_ref ref;
    struct cop_shape shape;
};

static enum cop_status new_part(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    struct part *part,
    struct cop_err *err)
{
    part->shape = *shape;
    return cop_emit_temp(emitter, shape, &part->ref, err);
}

/* dst = src0 (alg) src1, of the shape of src0. */
static enum cop_status combine(
    struct cop_emitter *emitter,
    enum cop_binary_alg alg,
    const struct part *src0,
    const struct part *src1,
    struct part *dst,
    struct cop_err *err)
{
    COP_TRY(new_part(emitter, &src0->shape, dst, err));
    return cop_emit_binary(emitter, alg, src0->ref, src1->ref, dst->ref, err);
}

static enum cop_status reduce(
    struct cop_emitter *emitter,
    enum cop_reduce_alg alg,
    uint32_t axes,
    const struct part *src,
    struct part *dst,
    struct cop_err *err)
{
    struct cop_shape shape = src->shape;
    for (int32_t i = 0; i < shape.rank; i++)
        if ((axes >> i & 1u) != 0) shape.dim[i] = 1;
    COP_TRY(new_part(emitter, &shape, dst, err));
    return cop_emit_reduce(emitter, alg, axes, src->ref, dst->ref, err);
}

/* dst = (src - mean) / sqrt(variance + epsilon), both over @p axes. */
static enum cop_status standardise(
    struct cop_emitter *emitter,
    uint32_t axes,
    float epsilon,
    const struct part *src,
    struct part *dst,
    struct cop_err *err)
{
    struct part mean;
    struct part centred;
    struct part squares;
    struct part variance;
    struct part shifted;
    struct part deviation;
    COP_TRY(reduce(emitter, COP_REDUCE_MEAN, axes, src, &mean, err));
    COP_TRY(combine(emitter, COP_BINARY_SUB, src, &mean, &centred, err));
    COP_TRY(combine(emitter, COP_BINARY_MUL, &centred, &centred, &squares, err));
    COP_TRY(reduce(emitter, COP_REDUCE_MEAN, axes, &squares, &variance, err));
    COP_TRY(new_part(emitter, &variance.shape, &shifted, err));
    COP_TRY(new_part(emitter, &variance.shape, &deviation, err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_LINEAR, 1.0F, epsilon, variance.ref, shifted.ref, err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_SQRT, 0.0F, 0.0F, shifted.ref, deviation.ref, err));
    return combine(emitter, COP_BINARY_DIV, &centred, &deviation, dst, err);
}

/* dst 0 = src * operand 1 + operand 2, both viewed as @p shape; operand 2 may be absent. */
static enum cop_status scale_and_shift(
    struct cop_emitter *emitter,
    const struct part *src,
    const struct cop_shape *shape,
    struct cop_err *err)
{
    const struct cop_ref dst = cop_emit_dst(emitter, 0);
    struct part scale = {.shape = *shape};
    struct part shift = {.shape = *shape};
    struct part scaled = {.ref = dst};
    const bool has_shift = cop_emit_src(emitter, 2).id >= 0;
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 1), shape, &scale.ref, err));
    if (!has_shift)
        return cop_emit_binary(emitter, COP_BINARY_MUL, src->ref, scale.ref, dst, err);
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 2), shape, &shift.ref, err));
    COP_TRY(combine(emitter, COP_BINARY_MUL, src, &scale, &scaled, err));
    return cop_emit_binary(emitter, COP_BINARY_ADD, scaled.ref, shift.ref, dst, err);
}

static uint32_t axes_from(int32_t first, int32_t rank)
{
    return ((1u << rank) - 1u) & ~((1u << first) - 1u);
}

/* [c][1][1]...: per channel of a tensor of that rank. */
static struct cop_shape per_channel(int64_t channels, int32_t rank)
{
    struct cop_shape shape = {.rank = rank - 1};
    for (int32_t i = 0; i < shape.rank; i++)
        shape.dim[i] = i == 0 ? channels : 1;
    return shape;
}

static enum cop_status channels_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    for (int32_t i = 0; i < 3; i++)
        COP_TRY(cop_ops__want_f32(src, i, err));
    if (src[0].shape.rank < 3)
        return COP_FAIL(
            err, COP_ESHAPE, "src has %d axes, wanted at least 3", src[0].shape.rank);
    for (int32_t i = 1; i < 3; i++)
        COP_TRY(cop_ops__want_vector(src, i, src[0].shape.dim[1], err));
    return cop_ops__infer_same(node, src, dst, err);
}

/* ---- InstanceNormalization ---------------------------------------------------------- */

struct instance_attrs {
    float epsilon;
};

static const struct cop_attr_spec instance_specs[] = {
    {.name = "epsilon",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct instance_attrs, epsilon),
     .float_default = 1e-5F},
    {.type = COP_ATTR_END}};

static enum cop_status instance_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct instance_attrs *const attrs = node->attrs;
    const struct part src = {
        cop_emit_src(emitter, 0), cop_emit_src_fact(emitter, 0)->shape};
    const int32_t rank = src.shape.rank;
    const struct cop_shape vector = per_channel(src.shape.dim[1], rank);
    struct part standard;
    COP_TRY(
        standardise(emitter, axes_from(2, rank), attrs->epsilon, &src, &standard, err));
    return scale_and_shift(emitter, &standard, &vector, err);
}

const struct cop_op cop_op_instance_normalization = {
    .name = "InstanceNormalization",
    .opsets = {6, COP_OPS_LAST},
    .arity = {3, 3, 1},
    .attrs_size = sizeof(struct instance_attrs),
    .attrs = instance_specs,
    .upgrade = cop_upgrade_none,
    .infer = channels_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = instance_lower,
    .coupling = &cop_couple_channels,
    .relevance = &cop_relevance_elementwise,
};

/* ---- GroupNormalization ------------------------------------------------------------- */

/* Of opset 21: scale and bias per channel.  Before, they were per group, which no exporter
 * wrote before it was withdrawn. */
struct group_attrs {
    float epsilon;
    int64_t num_groups;
    int64_t stash_type;
};

static const struct cop_attr_spec group_specs[] = {
    {.name = "epsilon",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct group_attrs, epsilon),
     .float_default = 1e-5F},
    {.name = "num_groups",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct group_attrs, num_groups),
     .is_required = true},
    {.name = "stash_type",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct group_attrs, stash_type),
     .int_default = 1},
    {.type = COP_ATTR_END}};

static enum cop_status group_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct group_attrs *const attrs = node->attrs;
    COP_TRY(channels_infer(node, src, dst, err));
    if (attrs->num_groups >= 1 && src[0].shape.dim[1] % attrs->num_groups == 0)
        return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "%lld groups of %lld channels",
        (long long)attrs->num_groups,
        (long long)src[0].shape.dim[1]);
}

static enum cop_status group_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct group_attrs *const attrs = node->attrs;
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    const int64_t dims[3] = {
        shape->dim[0],
        attrs->num_groups,
        cop_shape_span(shape, 1, shape->rank) / attrs->num_groups};
    const struct cop_shape vector = per_channel(shape->dim[1], shape->rank);
    struct part groups = {.shape = cop_shape_make(3, dims)};
    struct part standard;
    struct part whole;
    COP_TRY(cop_emit_view(
        emitter, cop_emit_src(emitter, 0), &groups.shape, &groups.ref, err));
    COP_TRY(standardise(emitter, 1u << 2, attrs->epsilon, &groups, &standard, err));
    COP_TRY(new_part(emitter, shape, &whole, err));
    COP_TRY(cop_emit_reshape(emitter, standard.ref, whole.ref, err));
    return scale_and_shift(emitter, &whole, &vector, err);
}

/* A group's statistics depend on all of its channels. */
static enum cop_status spatial_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    for (int32_t i = 0; i < node->dst[0]->shape.rank; i++)
        if (i != 1) COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    return COP_OK;
}

static const struct cop_coupling mixing_coupling = {
    .name = "mixes channels",
    .tie = spatial_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_group_normalization = {
    .name = "GroupNormalization",
    .opsets = {21, COP_OPS_LAST},
    .arity = {3, 3, 1},
    .attrs_size = sizeof(struct group_attrs),
    .attrs = group_specs,
    .upgrade = cop_upgrade_none,
    .infer = group_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = group_lower,
    .coupling = &mixing_coupling,
    .relevance = &cop_relevance_elementwise,
};

/* ---- LayerNormalization ------------------------------------------------------------- */

struct layer_attrs {
    int64_t axis;
    float epsilon;
    int64_t stash_type;
};

static const struct cop_attr_spec layer_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct layer_attrs, axis),
     .int_default = -1},
    {.name = "epsilon",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct layer_attrs, epsilon),
     .float_default = 1e-5F},
    {.name = "stash_type",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct layer_attrs, stash_type),
     .int_default = 1},
    {.type = COP_ATTR_END}};

static enum cop_status layer_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct layer_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    for (int32_t i = 0; i < node->n_src; i++) {
        if (!cop_ops__has(node, i)) continue;
        COP_TRY(cop_ops__want_f32(src, i, err));
        struct cop_shape both;
        COP_TRY(cop_shape_broadcast(&src[0].shape, &src[i].shape, &both, err));
        char text[2][COP_SHAPE_TEXT];
        if (!cop_shape_equal(&both, &src[0].shape))
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "src %d is %s, src 0 is %s",
                i,
                cop_shape_print(&src[i].shape, text[0], sizeof text[0]),
                cop_shape_print(&src[0].shape, text[1], sizeof text[1]));
    }
    for (int32_t i = 1; i < node->n_dst; i++) { /* mean, inverse deviation */
        if (node->dst[i] == NULL) continue;
        dst[i] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
        for (int32_t k = axis; k < src[0].shape.rank; k++)
            dst[i].shape.dim[k] = 1;
    }
    return cop_ops__infer_same(node, src, dst, err);
}

/* The statistics as results of their own. */
static enum cop_status lower_statistics(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    uint32_t axes,
    const struct part *src,
    struct cop_err *err)
{
    const struct layer_attrs *const attrs = node->attrs;
    struct part mean;
    struct part centred;
    struct part squares;
    struct part variance;
    struct part shifted;
    if (node->n_dst < 2) return COP_OK;
    COP_TRY(reduce(emitter, COP_REDUCE_MEAN, axes, src, &mean, err));
    if (node->dst[1] != NULL)
        COP_TRY(cop_emit_reshape(emitter, mean.ref, cop_emit_dst(emitter, 1), err));
    if (node->n_dst < 3 || node->dst[2] == NULL) return COP_OK;
    COP_TRY(combine(emitter, COP_BINARY_SUB, src, &mean, &centred, err));
    COP_TRY(combine(emitter, COP_BINARY_MUL, &centred, &centred, &squares, err));
    COP_TRY(reduce(emitter, COP_REDUCE_MEAN, axes, &squares, &variance, err));
    COP_TRY(new_part(emitter, &variance.shape, &shifted, err));
    COP_TRY(cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        1.0F,
        attrs->epsilon,
        variance.ref,
        shifted.ref,
        err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_POW,
        1.0F,
        -0.5F,
        shifted.ref,
        cop_emit_dst(emitter, 2),
        err);
}

static enum cop_status layer_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct layer_attrs *const attrs = node->attrs;
    const struct part src = {
        cop_emit_src(emitter, 0), cop_emit_src_fact(emitter, 0)->shape};
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src.shape.rank, attrs->axis, &axis, err));
    const uint32_t axes = axes_from(axis, src.shape.rank);
    struct part standard;
    COP_TRY(lower_statistics(node, emitter, axes, &src, err));
    COP_TRY(standardise(emitter, axes, attrs->epsilon, &src, &standard, err));
    /* Scale and bias are broadcast, each by its own shape. */
    const struct cop_ref dst = cop_emit_dst(emitter, 0);
    const bool has_shift = cop_ops__has(node, 2);
    struct part scaled = {.ref = dst};
    if (has_shift) COP_TRY(new_part(emitter, &src.shape, &scaled, err));
    COP_TRY(cop_emit_binary(
        emitter,
        COP_BINARY_MUL,
        standard.ref,
        cop_emit_src(emitter, 1),
        scaled.ref,
        err));
    if (!has_shift) return COP_OK;
    return cop_emit_binary(
        emitter, COP_BINARY_ADD, scaled.ref, cop_emit_src(emitter, 2), dst, err);
}

/* Axes before the normalised ones follow. */
static enum cop_status layer_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct layer_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    for (int32_t i = 1; i < node->n_src; i++) /* spans leading axes: not followed */
        if (cop_ops__has(node, i) && node->src[i]->shape.rank > rank - axis)
            return COP_OK;
    for (int32_t i = 0; i < axis; i++)
        for (int32_t d = 0; d < node->n_dst; d++)
            if (node->dst[d] != NULL)
                COP_TRY(cop_ties_add_axis(ties, 0, i, -1 - d, i, err));
    return COP_OK;
}

static const struct cop_coupling layer_coupling = {
    .name = "mixes trailing axes",
    .tie = layer_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_layer_normalization = {
    .name = "LayerNormalization",
    .opsets = {17, COP_OPS_LAST},
    .arity = {2, 3, 3},
    .attrs_size = sizeof(struct layer_attrs),
    .attrs = layer_specs,
    .upgrade = cop_upgrade_none,
    .infer = layer_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = layer_lower,
    .coupling = &layer_coupling,
    .relevance = &cop_relevance_elementwise,
};

/* ---- LRN ---------------------------------------------------------------------------- */

struct lrn_attrs {
    float alpha;
    float beta;
    float bias;
    int64_t size;
};

static const struct cop_attr_spec lrn_specs[] = {
    {.name = "alpha",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct lrn_attrs, alpha),
     .float_default = 1e-4F},
    {.name = "beta",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct lrn_attrs, beta),
     .float_default = 0.75F},
    {.name = "bias",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct lrn_attrs, bias),
     .float_default = 1.0F},
    {.name = "size",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct lrn_attrs, size),
     .is_required = true},
    {.type = COP_ATTR_END}};

static enum cop_status lrn_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct lrn_attrs *const attrs = node->attrs;
    if (src[0].shape.rank < 3)
        return COP_FAIL(
            err, COP_ESHAPE, "src has %d axes, wanted at least 3", src[0].shape.rank);
    if (attrs->size < 1 || attrs->size > INT16_MAX)
        return COP_FAIL(err, COP_ESHAPE, "size is %lld", (long long)attrs->size);
    return cop_ops__infer_same_f32(node, src, dst, err);
}

/* src / (bias + alpha * average of squares over size channels) ^ beta; the average is a
 * pooling over an image of channels by positions, zeros around it. */
static enum cop_status lrn_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct lrn_attrs *const attrs = node->attrs;
    const struct part src = {
        cop_emit_src(emitter, 0), cop_emit_src_fact(emitter, 0)->shape};
    const int64_t dims[4] = {
        src.shape.dim[0],
        1,
        src.shape.dim[1],
        cop_shape_span(&src.shape, 2, src.shape.rank)};
    const struct cop_shape image_shape = cop_shape_make(4, dims);
    const struct cop_window window = {
        .kernel = {attrs->size, 1},
        .strides = {1, 1},
        .dilates = {1, 1},
        .pads_l = {(attrs->size - 1) / 2, 0},
        .pads_r = {attrs->size / 2, 0}};
    struct part squares;
    struct part image = {.shape = image_shape};
    struct part average;
    struct part line;
    struct part power;
    struct part divisor;
    COP_TRY(combine(emitter, COP_BINARY_MUL, &src, &src, &squares, err));
    COP_TRY(cop_emit_view(emitter, squares.ref, &image_shape, &image.ref, err));
    COP_TRY(new_part(emitter, &image_shape, &average, err));
    COP_TRY(new_part(emitter, &image_shape, &line, err));
    COP_TRY(new_part(emitter, &image_shape, &power, err));
    COP_TRY(cop_emit_pool(
        emitter, COP_POOL_AVG_INCLUDE_PADDING, &window, image.ref, average.ref, err));
    COP_TRY(cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        attrs->alpha,
        attrs->bias,
        average.ref,
        line.ref,
        err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_POW, 1.0F, -attrs->beta, line.ref, power.ref, err));
    COP_TRY(new_part(emitter, &src.shape, &divisor, err));
    COP_TRY(cop_emit_reshape(emitter, power.ref, divisor.ref, err));
    return cop_emit_binary(
        emitter, COP_BINARY_MUL, src.ref, divisor.ref, cop_emit_dst(emitter, 0), err);
}

const struct cop_op cop_op_lrn = {
    .name = "LRN",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct lrn_attrs),
    .attrs = lrn_specs,
    .upgrade = cop_upgrade_none,
    .infer = lrn_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lrn_lower,
    .coupling = &mixing_coupling,
    .relevance = &cop_relevance_elementwise,
};

/* ---- LpNormalization ---------------------------------------------------------------- */

struct lp_attrs {
    int64_t axis;
    int64_t p;
};

static const struct cop_attr_spec lp_specs[] = {
    {.name = "axis",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct lp_attrs, axis),
     .int_default = -1},
    {.name = "p",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct lp_attrs, p),
     .int_default = 2},
    {.type = COP_ATTR_END}};

static enum cop_status lp_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct lp_attrs *const attrs = node->attrs;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src[0].shape.rank, attrs->axis, &axis, err));
    if (attrs->p != 1 && attrs->p != 2)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "p is %lld, 1 and 2 are known", (long long)attrs->p);
    return cop_ops__infer_same_f32(node, src, dst, err);
}

/* A tensor of zeros stays one: the norm is at least the smallest normal number. */
static enum cop_status lp_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct lp_attrs *const attrs = node->attrs;
    const struct part src = {
        cop_emit_src(emitter, 0), cop_emit_src_fact(emitter, 0)->shape};
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src.shape.rank, attrs->axis, &axis, err));
    struct part powers;
    struct part sum;
    struct part norm;
    struct part divisor;
    if (attrs->p == 2) {
        COP_TRY(combine(emitter, COP_BINARY_MUL, &src, &src, &powers, err));
    } else {
        COP_TRY(new_part(emitter, &src.shape, &powers, err));
        COP_TRY(cop_emit_eltwise(
            emitter, COP_ELTWISE_ABS, 0.0F, 0.0F, src.ref, powers.ref, err));
    }
    COP_TRY(reduce(emitter, COP_REDUCE_SUM, 1u << axis, &powers, &sum, err));
    norm = sum;
    if (attrs->p == 2) {
        COP_TRY(new_part(emitter, &sum.shape, &norm, err));
        COP_TRY(cop_emit_eltwise(
            emitter, COP_ELTWISE_SQRT, 0.0F, 0.0F, sum.ref, norm.ref, err));
    }
    COP_TRY(new_part(emitter, &sum.shape, &divisor, err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_CLIP, 1.2e-38F, 3.4e38F, norm.ref, divisor.ref, err));
    return cop_emit_binary(
        emitter, COP_BINARY_DIV, src.ref, divisor.ref, cop_emit_dst(emitter, 0), err);
}

static enum cop_status lp_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct lp_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    for (int32_t i = 0; i < rank; i++)
        if (i != axis) COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    return COP_OK;
}

static const struct cop_coupling lp_coupling = {
    .name = "mixes one axis",
    .tie = lp_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_lp_normalization = {
    .name = "LpNormalization",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct lp_attrs),
    .attrs = lp_specs,
    .upgrade = cop_upgrade_none,
    .infer = lp_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = lp_lower,
    .coupling = &lp_coupling,
    .relevance = &cop_relevance_elementwise,
};
