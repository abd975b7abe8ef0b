/* ops/conv.c - Conv over one to three spatial axes, grouped and depthwise included. */
#include "ops/row.h"

struct conv_attrs {
    struct cop_ops__window_attrs window;
    int64_t group;
};

static const struct cop_attr_spec conv_specs[] = {
    COP_OPS__WINDOW_SPECS(offsetof(struct conv_attrs, window), false, 0),
    {.name = "group",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct conv_attrs, group),
     .int_default = 1},
    {.type = COP_ATTR_END}};

static enum cop_status conv_channels(
    const struct conv_attrs *attrs,
    const struct cop_fact *src,
    bool has_bias,
    struct cop_err *err)
{
    const struct cop_shape *const weights = &src[1].shape; /* [oc][ic/g][kh][kw] */
    const int64_t ic = src[0].shape.dim[1];
    if (attrs->group < 1 || attrs->group > weights->dim[0])
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "group is %lld, weights axis 0 is %lld",
            (long long)attrs->group,
            (long long)weights->dim[0]);
    if (ic % attrs->group != 0 || weights->dim[1] != ic / attrs->group)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "weights axis 1 is %lld, src has %lld channels in %lld groups",
            (long long)weights->dim[1],
            (long long)ic,
            (long long)attrs->group);
    if (weights->dim[0] % attrs->group != 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "weights axis 0 is %lld, not a multiple of %lld groups",
            (long long)weights->dim[0],
            (long long)attrs->group);
    if (has_bias) COP_TRY(cop_ops__want_vector(src, 2, weights->dim[0], err));
    return COP_OK;
}

static enum cop_status conv_kernel(
    const struct conv_attrs *attrs,
    const struct cop_shape *weights,
    struct cop_err *err)
{
    const struct cop_ints *const given = &attrs->window.kernel_shape;
    if (given->at == NULL) return COP_OK;
    bool is_same = given->n == weights->rank - 2;
    for (int32_t i = 2; is_same && i < weights->rank; i++)
        is_same = given->at[i - 2] == weights->dim[i];
    if (is_same) return COP_OK;
    char text[COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "kernel_shape starts with %lld, weights are %s",
        (long long)(given->n > 0 ? given->at[0] : 0),
        cop_shape_print(weights, text, sizeof text));
}

/* The windows over three axes, and what they produce. */
static enum cop_status find_volume(
    const struct conv_attrs *attrs,
    const struct cop_shape *src,
    const struct cop_shape *weights,
    struct cop_ops__volume *volume,
    int64_t produced[3],
    struct cop_err *err)
{
    struct cop_ops__volume_attrs parts;
    int64_t along[2] = {0, 0};
    const struct cop_shape line = {3, {src->dim[0], src->dim[1], src->dim[2]}};
    const struct cop_shape plane = {
        4, {src->dim[0], src->dim[1], src->dim[3], src->dim[4]}};
    volume->g = attrs->group;
    COP_TRY(cop_ops__split_window(&attrs->window, &parts, err));
    COP_TRY(cop_ops__window(
        &parts.depth, &line, &weights->dim[2], false, &volume->depth, along, err));
    produced[0] = along[1];
    COP_TRY(cop_ops__check_depth(along[1], volume->depth.kernel[1], err));
    return cop_ops__window(
        &parts.plane,
        &plane,
        &weights->dim[3],
        false,
        &volume->plane,
        &produced[1],
        err);
}

static enum cop_status volume_infer(
    const struct conv_attrs *attrs,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    struct cop_ops__volume volume;
    int64_t produced[3] = {0, 0, 0};
    COP_TRY(find_volume(attrs, &src[0].shape, &src[1].shape, &volume, produced, err));
    for (int i = 0; i < 3; i++)
        dst[0].shape.dim[2 + i] = produced[i];
    return COP_OK;
}

static enum cop_status conv_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct conv_attrs *const attrs = node->attrs;
    const bool has_bias = cop_ops__has(node, 2);
    for (int32_t i = 0; i < (has_bias ? 3 : 2); i++)
        COP_TRY(cop_ops__want_f32(src, i, err));
    COP_TRY(cop_ops__want_volume(src, 0, err));
    COP_TRY(cop_ops__want_rank(src, 1, src[0].shape.rank, err));
    COP_TRY(conv_channels(attrs, src, has_bias, err));
    COP_TRY(conv_kernel(attrs, &src[1].shape, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    dst[0].shape.dim[1] = src[1].shape.dim[0];
    if (dst[0].shape.rank == 5) return volume_infer(attrs, src, dst, err);
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(cop_ops__window(
        &attrs->window,
        &src[0].shape,
        &src[1].shape.dim[2],
        false,
        &window,
        produced,
        err));
    cop_ops__set_image(&dst[0].shape, produced);
    return COP_OK;
}

static enum cop_status conv_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    const struct cop_shape *const weights = &node->src[1]->shape;
    return cop_ops__macs(
        &node->dst[0]->shape, cop_shape_span(weights, 1, weights->rank), macs, err);
}

static enum cop_status volume_lower(
    const struct conv_attrs *attrs, struct cop_emitter *emitter, struct cop_err *err)
{
    struct cop_ops__volume volume;
    int64_t produced[3] = {0, 0, 0};
    COP_TRY(find_volume(
        attrs,
        &cop_emit_src_fact(emitter, 0)->shape,
        &cop_emit_src_fact(emitter, 1)->shape,
        &volume,
        produced,
        err));
    return cop_ops__emit_conv_volume(emitter, &volume, err);
}

static enum cop_status conv_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct conv_attrs *const attrs = node->attrs;
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    if (cop_emit_src_fact(emitter, 0)->shape.rank == 5)
        return volume_lower(attrs, emitter, err);
    COP_TRY(cop_ops__window(
        &attrs->window,
        &cop_emit_src_fact(emitter, 0)->shape,
        &cop_emit_src_fact(emitter, 1)->shape.dim[2],
        false,
        &window,
        produced,
        err));
    const struct cop_shape kernels =
        cop_ops__image(&cop_emit_src_fact(emitter, 1)->shape);
    struct cop_ref ends[2];
    struct cop_ref weights = COP_REF_ABSENT;
    COP_TRY(cop_ops__emit_image(emitter, ends, err));
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 1), &kernels, &weights, err));
    const struct cop_ref operands[3] = {ends[0], weights, cop_emit_src(emitter, 2)};
    COP_TRY(cop_emit_conv(emitter, &window, attrs->group, operands, ends[1], err));
    return cop_ops__finish_image(emitter, ends, err);
}

/* ---- coupling -------------------------------------------------------------------- */

static bool is_depthwise(const struct cop_node *node)
{
    const struct conv_attrs *const attrs = node->attrs;
    return attrs->group > 1 && node->src[1]->shape.dim[1] == 1;
}

/* Source channel c and the m results made from it go together; so does their group. */
static enum cop_status tie_depthwise(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const int64_t g = ((const struct conv_attrs *)node->attrs)->group;
    const int64_t m = node->src[1]->shape.dim[0] / g;
    return cop_ops__tie_range(
        ties, (struct cop_slice){0, 1, 0, 1}, (struct cop_slice){-1, 1, 0, m}, g, err);
}

/* Every group keeps the same positions, so that groups stay equally wide. */
static enum cop_status tie_groups(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const int64_t g = ((const struct conv_attrs *)node->attrs)->group;
    const int64_t oc = node->src[1]->shape.dim[0] / g;
    const int64_t ic = node->src[1]->shape.dim[1];
    for (int64_t i = 0; i < g; i++) {
        const struct cop_slice in = {0, 1, i * ic, 1};
        const struct cop_slice out = {-1, 1, i * oc, 1};
        COP_TRY(cop_ops__tie_range(ties, in, (struct cop_slice){1, 1, 0, 1}, ic, err));
        if (i > 0)
            COP_TRY(cop_ops__tie_range(
                ties, out, (struct cop_slice){-1, 1, 0, 1}, oc, err));
    }
    return COP_OK;
}

static enum cop_status conv_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    if (node->src[1]->data == NULL) return COP_OK;
    COP_TRY(cop_ties_add_axis(ties, 1, 0, -1, 1, err));
    if (cop_ops__has(node, 2)) COP_TRY(cop_ties_add_axis(ties, 2, 0, -1, 1, err));
    return is_depthwise(node) ? tie_depthwise(node, ties, err)
                              : tie_groups(node, ties, err);
}

/* A depthwise convolution has as many groups as source channels stay. */
static enum cop_status conv_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    (void)graph;
    (void)err;
    struct conv_attrs *const attrs = node->attrs;
    if (is_depthwise(node)) attrs->group = cop_kept_count(kept, 0, 1, 0, attrs->group);
    return COP_OK;
}

static const struct conv_attrs pointwise = {
    .window = {.auto_pad = "NOTSET"}, .group = 1};

/* A depthwise convolution mixes no channels: nothing there to solve for.  Repair reads
 * images only. */
static bool conv_linear(const struct cop_node *node, struct cop_linear *linear)
{
    const struct conv_attrs *const attrs = node->attrs;
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    if (node->src[1]->data == NULL || is_depthwise(node)) return false;
    if (node->src[0]->shape.rank != 4) return false;
    if (cop_ops__window(
            &attrs->window,
            &node->src[0]->shape,
            &node->src[1]->shape.dim[2],
            false,
            &window,
            produced,
            NULL) != COP_OK)
        return false;
    *linear = (struct cop_linear){
        .src_slot = 0,
        .weights_slot = 1,
        .bias_slot = 2,
        .src_axis = 1,
        .in_axis = 1,
        .out_axis = 0,
        .dst_axis = 1,
        .g = attrs->group,
        .strides = {window.strides[0], window.strides[1]},
        .dilations = {window.dilates[0], window.dilates[1]},
        .pads_l = {window.pads_l[0], window.pads_l[1]},
        .pointwise = &pointwise};
    return true;
}

static const struct cop_coupling conv_coupling = {
    .name = "convolution",
    .tie = conv_tie,
    .refit = conv_refit,
    .linear = conv_linear,
};

const struct cop_op cop_op_conv = {
    .name = "Conv",
    .opsets = {1, COP_OPS_LAST},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct conv_attrs),
    .attrs = conv_specs,
    .upgrade = cop_upgrade_none,
    .infer = conv_infer,
    .fold = cop_fold_none,
    .macs = conv_macs,
    .lower = conv_lower,
    .coupling = &conv_coupling,
    .relevance = &cop_relevance_linear,
};
