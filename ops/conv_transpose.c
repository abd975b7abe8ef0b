/* ops/conv_transpose.c - ConvTranspose over one to three spatial axes. */
#include "ops/row.h"

#include <string.h>

struct transpose_attrs {
    struct cop_ops__window_attrs window;
    int64_t group;
    struct cop_ints output_padding;
    struct cop_ints output_shape;
};

static const struct cop_attr_spec transpose_specs[] = {
    COP_OPS__WINDOW_SPECS(offsetof(struct transpose_attrs, window), false, 0),
    {.name = "group",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct transpose_attrs, group),
     .int_default = 1},
    {.name = "output_padding",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct transpose_attrs, output_padding)},
    {.name = "output_shape",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct transpose_attrs, output_shape)},
    {.type = COP_ATTR_END}};

/* Entry @p i of two spatial axes, of a list that has n_axes of them. */
static enum cop_status entry(
    const struct cop_ints *list,
    const char *what,
    int n_axes,
    int i,
    int64_t *number,
    struct cop_err *err)
{
    if (list->at == NULL || i < 2 - n_axes) return COP_OK;
    if (list->n != n_axes)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s has %lld entries, src has %d spatial axes",
            what,
            (long long)list->n,
            n_axes);
    *number = list->at[i - (2 - n_axes)];
    if (*number >= 0 && *number <= INT32_MAX) return COP_OK;
    return COP_FAIL(err, COP_ESHAPE, "%s is %lld", what, (long long)*number);
}

/* What is cropped of an axis so that @p wanted elements are left; what is missing is added
 * at the end. */
static void crop_to(
    struct cop_window *window, int i, int64_t full, int64_t wanted, const char *mode)
{
    const int64_t total = full - wanted;
    const int64_t half = total / 2;
    if (total < 0) {
        window->pads_l[i] = 0;
        window->pads_r[i] = total;
        return;
    }
    window->pads_l[i] = strcmp(mode, "SAME_UPPER") == 0 ? half : total - half;
    window->pads_r[i] = total - window->pads_l[i];
}

/* The result's extent: all that the windows reach, less the pads, plus output_padding,
 * which is what a negative pads_r says; or as output_shape or auto_pad ask. */
static enum cop_status produce(
    const struct transpose_attrs *attrs,
    int n_axes,
    int i,
    int64_t extent,
    struct cop_window *window,
    int64_t *produced,
    struct cop_err *err)
{
    const char *const mode =
        attrs->window.auto_pad != NULL ? attrs->window.auto_pad : "NOTSET";
    int64_t longer = 0;
    int64_t wanted = -1;
    COP_TRY(entry(&attrs->output_padding, "output_padding", n_axes, i, &longer, err));
    COP_TRY(entry(&attrs->output_shape, "output_shape", n_axes, i, &wanted, err));
    const int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
    const int64_t full = (extent - 1) * window->strides[i] + reach + longer;
    if (wanted < 0 && strncmp(mode, "SAME", 4) == 0 && i >= 2 - n_axes)
        wanted = extent * window->strides[i];
    if (wanted >= 0) crop_to(window, i, full, wanted, mode);
    window->pads_r[i] -= longer;
    *produced = full - longer - window->pads_l[i] - window->pads_r[i];
    if (window->pads_l[i] >= 0 && window->pads_r[i] > -window->strides[i] &&
        *produced > 0)
        return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "axis %d reaches over %lld, cropped by %lld and %lld",
        2 + i,
        (long long)(full - longer),
        (long long)window->pads_l[i],
        (long long)window->pads_r[i]);
}

static enum cop_status transpose_window(
    const struct transpose_attrs *attrs,
    const struct cop_shape *src,
    const struct cop_shape *weights,
    struct cop_window *window,
    int64_t produced[2],
    struct cop_err *err)
{
    /* Kernel, strides, dilations and given pads are read as a convolution's over an image
     * that is large enough for any window. */
    struct cop_ops__window_attrs given = attrs->window;
    struct cop_shape wide = *src;
    for (int32_t i = 2; i < wide.rank; i++)
        wide.dim[i] = INT64_MAX / 4;
    if (given.auto_pad != NULL && strncmp(given.auto_pad, "SAME", 4) == 0)
        given.auto_pad = "VALID";
    COP_TRY(
        cop_ops__window(&given, &wide, &weights->dim[2], false, window, produced, err));
    const struct cop_shape image = cop_ops__image(src);
    for (int i = 0; i < 2; i++)
        COP_TRY(produce(
            attrs, src->rank - 2, i, image.dim[2 + i], window, &produced[i], err));
    return COP_OK;
}

/* The windows over three axes, and what they produce. */
static enum cop_status find_volume(
    const struct transpose_attrs *attrs,
    const struct cop_shape *src,
    const struct cop_shape *weights,
    struct cop_ops__volume *volume,
    int64_t produced[3],
    struct cop_err *err)
{
    struct cop_ops__volume_attrs parts;
    struct cop_ints longer[2];
    struct cop_ints wanted[2];
    int64_t along[2] = {0, 0};
    const int64_t *const w = weights->dim;
    const struct cop_shape line = {3, {src->dim[0], src->dim[1], src->dim[2]}};
    const struct cop_shape plane = {
        4, {src->dim[0], src->dim[1], src->dim[3], src->dim[4]}};
    const struct cop_shape taps = {3, {w[0], w[1], w[2]}};
    const struct cop_shape kernels = {4, {w[0], w[1], w[3], w[4]}};
    volume->g = attrs->group;
    COP_TRY(cop_ops__split_window(&attrs->window, &parts, err));
    COP_TRY(cop_ops__split_list(&attrs->output_padding, "output_padding", longer, err));
    COP_TRY(cop_ops__split_list(&attrs->output_shape, "output_shape", wanted, err));
    const struct transpose_attrs depth = {
        parts.depth, attrs->group, longer[0], wanted[0]};
    const struct transpose_attrs image = {
        parts.plane, attrs->group, longer[1], wanted[1]};
    COP_TRY(transpose_window(&depth, &line, &taps, &volume->depth, along, err));
    produced[0] = along[1];
    COP_TRY(cop_ops__check_depth(along[1], volume->depth.kernel[1], err));
    return transpose_window(
        &image, &plane, &kernels, &volume->plane, &produced[1], err);
}

static enum cop_status check_channels(
    const struct transpose_attrs *attrs,
    const struct cop_fact *src,
    bool has_bias,
    struct cop_err *err)
{
    const struct cop_shape *const weights = &src[1].shape; /* [ic][oc/g][kh][kw] */
    const int64_t ic = src[0].shape.dim[1];
    if (weights->dim[0] != ic || attrs->group < 1 || ic % attrs->group != 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "weights axis 0 is %lld, src has %lld channels in %lld groups",
            (long long)weights->dim[0],
            (long long)ic,
            (long long)attrs->group);
    if (!has_bias) return COP_OK;
    return cop_ops__want_vector(src, 2, weights->dim[1] * attrs->group, err);
}

static enum cop_status transpose_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct transpose_attrs *const attrs = node->attrs;
    const bool has_bias = cop_ops__has(node, 2);
    for (int32_t i = 0; i < (has_bias ? 3 : 2); i++)
        COP_TRY(cop_ops__want_f32(src, i, err));
    COP_TRY(cop_ops__want_volume(src, 0, err));
    COP_TRY(cop_ops__want_rank(src, 1, src[0].shape.rank, err));
    COP_TRY(check_channels(attrs, src, has_bias, err));
    const struct cop_shape *const shape = &src[0].shape;
    const struct cop_shape *const weights = &src[1].shape;
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = *shape};
    dst[0].shape.dim[1] = weights->dim[1] * attrs->group;
    if (shape->rank == 5) {
        struct cop_ops__volume volume;
        return find_volume(attrs, shape, weights, &volume, &dst[0].shape.dim[2], err);
    }
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    COP_TRY(transpose_window(attrs, shape, weights, &window, produced, err));
    cop_ops__set_image(&dst[0].shape, produced);
    return COP_OK;
}

/* Every source element meets every weight of its channel. */
static enum cop_status transpose_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    const struct cop_shape *const weights = &node->src[1]->shape;
    return cop_ops__macs(
        &node->src[0]->shape, cop_shape_span(weights, 1, weights->rank), macs, err);
}

static enum cop_status volume_lower(
    const struct transpose_attrs *attrs,
    struct cop_emitter *emitter,
    struct cop_err *err)
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
    return cop_ops__emit_deconv_volume(emitter, &volume, err);
}

static enum cop_status transpose_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct transpose_attrs *const attrs = node->attrs;
    if (cop_emit_src_fact(emitter, 0)->shape.rank == 5)
        return volume_lower(attrs, emitter, err);
    const struct cop_shape kernels =
        cop_ops__image(&cop_emit_src_fact(emitter, 1)->shape);
    struct cop_window window;
    int64_t produced[2] = {0, 0};
    struct cop_ref ends[2];
    struct cop_ref weights = COP_REF_ABSENT;
    COP_TRY(transpose_window(
        attrs,
        &cop_emit_src_fact(emitter, 0)->shape,
        &cop_emit_src_fact(emitter, 1)->shape,
        &window,
        produced,
        err));
    COP_TRY(cop_ops__emit_image(emitter, ends, err));
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 1), &kernels, &weights, err));
    const struct cop_ref operands[3] = {ends[0], weights, cop_emit_src(emitter, 2)};
    COP_TRY(cop_emit_deconv(emitter, &window, attrs->group, operands, ends[1], err));
    return cop_ops__finish_image(emitter, ends, err);
}

/* ---- coupling -------------------------------------------------------------------- */

static bool is_depthwise(const struct cop_node *node)
{
    const struct transpose_attrs *const attrs = node->attrs;
    return attrs->group > 1 && node->src[1]->shape.dim[0] == attrs->group;
}

/* Every group keeps the same positions, so that groups stay equally wide; a depthwise one
 * loses whole groups instead. */
static enum cop_status transpose_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    if (node->src[1]->data == NULL) return COP_OK;
    const int64_t g = ((const struct transpose_attrs *)node->attrs)->group;
    const int64_t ic = node->src[1]->shape.dim[0] / g;
    const int64_t oc = node->src[1]->shape.dim[1];
    COP_TRY(cop_ties_add_axis(ties, 1, 0, 0, 1, err));
    if (cop_ops__has(node, 2)) COP_TRY(cop_ties_add_axis(ties, 2, 0, -1, 1, err));
    if (is_depthwise(node))
        return cop_ops__tie_range(
            ties,
            (struct cop_slice){0, 1, 0, 1},
            (struct cop_slice){-1, 1, 0, oc},
            g,
            err);
    for (int64_t i = 0; i < g; i++) {
        if (i > 0)
            COP_TRY(cop_ops__tie_range(
                ties,
                (struct cop_slice){0, 1, i * ic, 1},
                (struct cop_slice){0, 1, 0, 1},
                ic,
                err));
        COP_TRY(cop_ops__tie_range(
            ties,
            (struct cop_slice){-1, 1, i * oc, 1},
            (struct cop_slice){1, 1, 0, 1},
            oc,
            err));
    }
    return COP_OK;
}

static enum cop_status transpose_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    (void)graph;
    (void)err;
    struct transpose_attrs *const attrs = node->attrs;
    if (is_depthwise(node)) attrs->group = cop_kept_count(kept, 0, 1, 0, attrs->group);
    return COP_OK;
}

/* Repair knows windows of convolutions only. */
static const struct cop_coupling transpose_coupling = {
    .name = "convolution",
    .tie = transpose_tie,
    .refit = transpose_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_conv_transpose = {
    .name = "ConvTranspose",
    .opsets = {1, COP_OPS_LAST},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct transpose_attrs),
    .attrs = transpose_specs,
    .upgrade = cop_upgrade_none,
    .infer = transpose_infer,
    .fold = cop_fold_none,
    .macs = transpose_macs,
    .lower = transpose_lower,
    .coupling = &transpose_coupling,
    .relevance = &cop_relevance_linear,
};
