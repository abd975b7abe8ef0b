/* importers/tf_window.c - what slides over images: convolutions and pools; see tf_rules.h.
 *
 * "SAME" is spelled out: as much padding as makes ceil(extent / stride) results, the odd
 * element behind.  Averages leave padding out. */
#include "importers/tf_rules.h"

#include <string.h>

enum { MAX_REACH = 1 << 24 }; /* elements; far beyond any image */

/** A window over the two spatial axes. */
struct window {
    bool is_last; /* channels are the last axis of the file's tensors */
    int64_t kernel[2];
    int64_t strides[2];
    int64_t dilations[2];
    int64_t pads[4]; /* as ONNX has them: before both, then behind both */
};

/* ---- attributes ------------------------------------------------------------------------------- */

/* The spatial entries of a list by axes; those of batch and channels must be 1. */
static enum cop_status spatial_ints(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *name,
    bool is_last,
    int64_t spatial[2],
    struct cop_err *err)
{
    struct cop_tf__ints ints = {4, {1, 1, 1, 1}};
    COP_TRY(cop_tf__attr_ints(&import->tf, node, name, &ints, err));
    if (ints.n != 4)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "%s has %d entries, wanted 4", name, ints.n);
    const int first = is_last ? 1 : 2;
    const int channel = is_last ? 3 : 1;
    if (ints.at[0] != 1 || ints.at[channel] != 1)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s is %lld on the batch and %lld on channels, only 1 is supported",
            name,
            (long long)ints.at[0],
            (long long)ints.at[channel]);
    for (int i = 0; i < 2; i++) {
        spatial[i] = ints.at[first + i];
        if (spatial[i] < 1 || spatial[i] > INT32_MAX)
            return COP_FAIL(
                err, COP_EFORMAT, "%s is %lld", name, (long long)spatial[i]);
    }
    return COP_OK;
}

static enum cop_status explicit_pads(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct window *window,
    struct cop_err *err)
{
    struct cop_tf__ints ints = {.n = 0};
    COP_TRY(cop_tf__attr_ints(&import->tf, node, "explicit_paddings", &ints, err));
    const int first = window->is_last ? 2 : 4;
    const int channel = window->is_last ? 6 : 2;
    if (ints.n != 8 || ints.at[0] != 0 || ints.at[1] != 0 || ints.at[channel] != 0 ||
        ints.at[channel + 1] != 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "explicit_paddings has %d entries, wanted 8 with 0 on batch and channels",
            ints.n);
    for (int i = 0; i < 4; i++) {
        const int64_t pad = ints.at[first + i];
        if (pad < 0 || pad > INT32_MAX)
            return COP_FAIL(
                err, COP_EFORMAT, "explicit padding is %lld", (long long)pad);
        window->pads[(i & 1) * 2 + (i >> 1)] = pad;
    }
    return COP_OK;
}

/* Padding for a source of the extents h and w. */
static enum cop_status find_pads(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const int64_t extents[2],
    struct window *window,
    struct cop_err *err)
{
    const char *padding = "";
    COP_TRY(cop_tf__attr_text(&import->tf, node, "padding", &padding, err));
    memset(window->pads, 0, sizeof window->pads);
    if (strcmp(padding, "VALID") == 0) return COP_OK;
    if (strcmp(padding, "EXPLICIT") == 0)
        return explicit_pads(import, node, window, err);
    if (strcmp(padding, "SAME") != 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "padding '%.20s' is not supported", padding);
    for (int i = 0; i < 2; i++) {
        const int64_t n = (extents[i] + window->strides[i] - 1) / window->strides[i];
        int64_t reach = 0;
        if (__builtin_mul_overflow(
                window->kernel[i] - 1, window->dilations[i], &reach) ||
            reach > MAX_REACH)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "the window reaches over more than %d elements",
                MAX_REACH);
        const int64_t all = (n - 1) * window->strides[i] + reach + 1 - extents[i];
        window->pads[i] = all > 0 ? all / 2 : 0;
        window->pads[2 + i] = all > 0 ? all - all / 2 : 0;
    }
    return COP_OK;
}

enum cop_status cop_tf__is_last(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool *is_last,
    struct cop_err *err)
{
    const char *format = "NHWC";
    COP_TRY(cop_tf__attr_text(&import->tf, node, "data_format", &format, err));
    *is_last = strcmp(format, "NHWC") == 0;
    if (*is_last || strcmp(format, "NCHW") == 0) return COP_OK;
    return COP_FAIL(
        err, COP_EUNSUPPORTED, "data_format '%.20s' is not supported", format);
}

/* Input @p i as NCHW. */
static enum cop_status image_at(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    bool is_last,
    struct cop_value **image,
    struct cop_err *err)
{
    static const int64_t to_first[4] = {0, 3, 1, 2};
    COP_TRY(cop_tf__src(import, node, i, image, err));
    if ((*image)->shape.rank != 4)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "source has %d axes, only 4 are supported",
            (*image)->shape.rank);
    if (!is_last) return COP_OK;
    return cop_tf__add_transpose(
        import, cop_tf__beside(import, node, "nchw"), *image, to_first, image, err);
}

enum cop_status cop_tf__image(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    struct cop_value **image,
    struct cop_err *err)
{
    return image_at(import, node, 0, is_last, image, err);
}

const char *cop_tf__image_name(
    const struct cop_tf__import *import, const struct cop_tf__node *node, bool is_last)
{
    return is_last ? cop_tf__beside(import, node, "result") : node->name;
}

enum cop_status cop_tf__give_image(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    struct cop_value *image,
    struct cop_err *err)
{
    static const int64_t to_last[4] = {0, 2, 3, 1};
    if (is_last)
        COP_TRY(cop_tf__add_transpose(import, node->name, image, to_last, &image, err));
    return cop_tf__give(import, node, image, err);
}

/* ---- weights ------------------------------------------------------------------------------------- */

/* [h][w][ic][oc] to [oc][ic][h][w]; depthwise [h][w][c][m] to [c * m][1][h][w]. */
static const int64_t weight_orders[2][4] = {{3, 2, 0, 1}, {2, 3, 0, 1}};

/* A constant with its axes in another order; never held in both. */
static enum cop_status turn_const(
    struct cop_tf__import *import,
    const struct cop_tf__node *from,
    bool is_depthwise,
    struct cop_shape *said,
    struct cop_value **value,
    struct cop_err *err)
{
    const int64_t *const perm = weight_orders[is_depthwise];
    struct cop_tf__tensor tensor;
    struct cop_buf *turned = NULL;
    struct cop_shape shape = {.rank = 4};
    int64_t strides[4] = {0};
    enum cop_status status = cop_tf__read_tensor(
        &import->tf, from, import->file, &import->room, &tensor, err);
    if (status != COP_OK) {
        cop_err_in(err, "constant '%s'", from->name);
        return status;
    }
    if (tensor.dtype != COP_F32 || tensor.shape.rank != 4) {
        status = COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "weights '%s' are %s with %d axes, wanted float32 with 4",
            from->name,
            cop_dtype_name(tensor.dtype),
            tensor.shape.rank);
        goto done;
    }
    for (int i = 0; i < 4; i++) {
        shape.dim[i] = tensor.shape.dim[perm[i]];
        strides[i] = cop_shape_span(&tensor.shape, (int32_t)perm[i] + 1, 4);
    }
    status = cop_buf_create(cop_buf_bytes(tensor.data), &turned, err);
    if (status != COP_OK) goto done;
    const void *const elements = cop_buf_data(tensor.data);
    float *to = cop_buf_mutable(turned);
    for (int64_t a = 0; a < shape.dim[0]; a++)
        for (int64_t b = 0; b < shape.dim[1]; b++)
            for (int64_t c = 0; c < shape.dim[2]; c++)
                for (int64_t d = 0; d < shape.dim[3]; d++)
                    *to++ = cop_f32_at(
                        elements,
                        a * strides[0] + b * strides[1] + c * strides[2] +
                            d * strides[3]);
    if (is_depthwise) {
        shape.dim[0] *= shape.dim[1];
        shape.dim[1] = 1;
    }
    *said = tensor.shape;
    status = cop_tf__add_const(import, from->name, COP_F32, &shape, turned, value, err);
done:
    cop_buf_release(turned);
    cop_buf_release(tensor.data);
    return status;
}

/* @p said is their shape in the file. */
static enum cop_status find_weights(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_depthwise,
    struct cop_shape *said,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_tf__node *const from = cop_tf__const_of(import, node, 1);
    const char *const name = cop_tf__beside(import, node, "weights");
    if (from != NULL) return turn_const(import, from, is_depthwise, said, value, err);
    COP_TRY(cop_tf__src(import, node, 1, value, err));
    *said = (*value)->shape;
    if (said->rank != 4)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "weights have %d axes, wanted 4", said->rank);
    COP_TRY(cop_tf__add_transpose(
        import, name, *value, weight_orders[is_depthwise], value, err));
    if (!is_depthwise) return COP_OK;
    const int64_t target[4] = {
        said->dim[2] * said->dim[3], 1, said->dim[0], said->dim[1]};
    return cop_tf__add_reshape(import, name, *value, target, 4, value, err);
}

/* ---- dilation written as space to batch ---------------------------------------------------------- */

static bool is_elementwise(const struct cop_tf__node *node)
{
    static const char *const ops[] = {
        "BiasAdd",
        "FusedBatchNorm",
        "FusedBatchNormV2",
        "FusedBatchNormV3",
        "Identity",
        "Relu",
        "Relu6",
        "Elu",
        "LeakyRelu",
        "Sigmoid",
        "Tanh"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op, ops[i]) == 0) return true;
    return false;
}

static bool is_output(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    for (int32_t i = 0; i < import->n_outputs; i++)
        if (cop_tf__node_of(import, import->outputs[i]) == node) return true;
    return false;
}

/* The BatchToSpaceND behind a convolution and what may stand between the two. */
static const struct cop_tf__node *find_inverse(
    const struct cop_tf__import *import, const struct cop_tf__node *conv)
{
    const struct cop_tf__node *node = conv;
    while (node != NULL && strcmp(node->op, "BatchToSpaceND") != 0) {
        if (is_output(import, node) || (node != conv && !is_elementwise(node)))
            return NULL;
        node = cop_tf__made_of(import, node)->reader;
    }
    return node;
}

/* Blocks and amounts of a SpaceToBatchND or BatchToSpaceND over h and w. */
static enum cop_status read_blocks(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_tf__ints *blocks,
    struct cop_tf__ints *amounts,
    struct cop_err *err)
{
    if (node->n_inputs < 3)
        return COP_FAIL(
            err, COP_EFORMAT, "%s has %d inputs, wanted 3", node->op, node->n_inputs);
    COP_TRY(cop_tf__ints(import, node, 1, "blocks", blocks, err));
    COP_TRY(cop_tf__ints(import, node, 2, "amounts", amounts, err));
    bool fits = blocks->n == 2 && amounts->n == 4;
    for (int i = 0; fits && i < 2; i++)
        fits = blocks->at[i] >= 1 && blocks->at[i] <= INT32_MAX;
    for (int i = 0; fits && i < 4; i++)
        fits = amounts->at[i] >= 0 && amounts->at[i] <= INT32_MAX;
    if (fits) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%s has %d blocks and %d amounts, only two spatial axes are supported",
        node->op,
        blocks->n,
        amounts->n);
}

/* SpaceToBatchND, convolution, BatchToSpaceND: every block-th pixel is convolved, which is
 * a dilated convolution.  Padding of the blocks, less what is cropped, is its padding. */
static enum cop_status undo_blocks(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__node *space,
    struct window *window,
    struct cop_err *err)
{
    struct cop_tf__ints blocks = {.n = 0};
    struct cop_tf__ints pads = {.n = 0};
    struct cop_tf__ints blocks_back = {.n = 0};
    struct cop_tf__ints crops = {.n = 0};
    const struct cop_tf__node *const inverse = find_inverse(import, node);
    if (inverse == NULL)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "'%s' is not undone behind it", space->name);
    COP_TRY(read_blocks(import, space, &blocks, &pads, err));
    COP_TRY(read_blocks(import, inverse, &blocks_back, &crops, err));
    for (int i = 0; i < 2; i++) {
        const int64_t block = blocks.at[i];
        const bool is_plain = window->strides[i] == 1 && window->dilations[i] == 1;
        if (!is_plain || blocks_back.at[i] != block)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "strides, dilations or blocks between '%s' and '%s' do not fit",
                space->name,
                inverse->name);
        window->dilations[i] = block;
        for (int side = 0; side < 2; side++) {
            int64_t *const pad = &window->pads[side * 2 + i];
            if (__builtin_mul_overflow(*pad, block, pad))
                return COP_FAIL(err, COP_EFORMAT, "the padding is too wide");
            *pad += pads.at[i * 2 + side] - crops.at[i * 2 + side];
            if (*pad < 0)
                return COP_FAIL(
                    err,
                    COP_EUNSUPPORTED,
                    "'%s' crops %lld more than was padded",
                    inverse->name,
                    (long long)-*pad);
        }
    }
    cop_tf__made_of(import, inverse)->unbatch = space;
    return COP_OK;
}

/* The SpaceToBatchND that a convolution reads; NULL when there is none. */
static const struct cop_tf__node *blocks_before(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    const struct cop_tf__ref ref = cop_tf__follow(import, node->inputs[0].ref);
    const struct cop_tf__node *const from = cop_tf__node_of(import, ref);
    if (cop_tf__cut_at(import, ref) >= 0) return NULL;
    return strcmp(from->op, "SpaceToBatchND") == 0 ? from : NULL;
}

/* Hands its source on to the convolution, which reads its blocks. */
enum cop_status cop_tf__translate_space_to_batch(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *value = NULL;
    const struct cop_tf__node *const reader = cop_tf__made_of(import, node)->reader;
    const bool is_conv =
        reader != NULL && (strcmp(reader->op, "Conv2D") == 0 ||
                           strcmp(reader->op, "DepthwiseConv2dNative") == 0);
    if (!is_conv || is_output(import, node))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "is supported only in front of one convolution");
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_batch_to_space(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *value = NULL;
    if (cop_tf__made_of(import, node)->unbatch == NULL)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "is supported only behind a convolution in blocks");
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    return cop_tf__give(import, node, value, err);
}

/* ---- convolutions ---------------------------------------------------------------------------------- */

static enum cop_status read_window(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct window *window,
    struct cop_err *err)
{
    COP_TRY(cop_tf__is_last(import, node, &window->is_last, err));
    COP_TRY(
        spatial_ints(import, node, "strides", window->is_last, window->strides, err));
    return spatial_ints(
        import, node, "dilations", window->is_last, window->dilations, err);
}

enum cop_status cop_tf__translate_conv(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const bool is_depthwise = strcmp(rule->arg, "depthwise") == 0;
    struct window window = {.is_last = true};
    struct cop_shape said = {.rank = 4};
    struct cop_value *src[2] = {NULL, NULL};
    COP_TRY(read_window(import, node, &window, err));
    COP_TRY(cop_tf__image(import, node, window.is_last, &src[0], err));
    COP_TRY(find_weights(import, node, is_depthwise, &said, &src[1], err));
    const int64_t c = src[0]->shape.dim[1];
    const int64_t group = is_depthwise ? c : said.dim[2] > 0 ? c / said.dim[2] : 0;
    if (is_depthwise ? said.dim[2] != c : group * said.dim[2] != c || c == 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "source has %lld channels, weights are for %lld",
            (long long)c,
            (long long)said.dim[2]);
    window.kernel[0] = said.dim[0];
    window.kernel[1] = said.dim[1];
    COP_TRY(find_pads(import, node, &src[0]->shape.dim[2], &window, err));
    const struct cop_tf__node *const space = blocks_before(import, node);
    if (space != NULL) COP_TRY(undo_blocks(import, node, space, &window, err));
    const struct cop_tf__part part = {
        .op = "Conv",
        .name = node->name,
        .result = cop_tf__image_name(import, node, window.is_last),
        .src = src,
        .n_src = 2,
        .attrs = {
            {.name = "kernel_shape", .ints = window.kernel, .n = 2},
            {.name = "strides", .ints = window.strides, .n = 2},
            {.name = "dilations", .ints = window.dilations, .n = 2},
            {.name = "pads", .ints = window.pads, .n = 4},
            {.name = "group", .number = group}}};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, window.is_last, dst, err);
}

/* ---- transposed convolutions ------------------------------------------------------------------------- */

/* The extents h and w that input 0 asks for; of its four numbers the batch may be open. */
static enum cop_status read_extents(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    int64_t extents[2],
    struct cop_err *err)
{
    struct cop_value *sizes = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &sizes, err));
    const struct cop_fact *const one = &import->facts[0][sizes->id];
    const struct cop_fact *const two = &import->facts[1][sizes->id];
    const bool is_known = one->data != NULL && two->data != NULL &&
                          one->dtype == COP_I64 && cop_shape_n(&one->shape) == 4 &&
                          cop_shape_n(&two->shape) == 4;
    for (int i = 0; i < 2; i++) {
        const int32_t at = (is_last ? 1 : 2) + i;
        extents[i] = is_known ? cop_i64_at(one->data, at) : 0;
        if (is_known && extents[i] == cop_i64_at(two->data, at) && extents[i] >= 1 &&
            extents[i] <= INT32_MAX)
            continue;
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the sizes (input 0, '%s') are not four known integers",
            node->inputs[0].text);
    }
    return COP_OK;
}

/* The gradient of a convolution that makes the source out of the wanted extents: that
 * convolution's padding is cropped, and what it would have left over is added behind. */
enum cop_status cop_tf__translate_conv_back(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct window window = {.is_last = true};
    struct cop_shape said = {.rank = 4};
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value *dst = NULL;
    int64_t extents[2];
    int64_t added[2];
    COP_TRY(read_window(import, node, &window, err));
    COP_TRY(read_extents(import, node, window.is_last, extents, err));
    COP_TRY(image_at(import, node, 2, window.is_last, &src[0], err));
    COP_TRY(find_weights(import, node, false, &said, &src[1], err));
    window.kernel[0] = said.dim[0];
    window.kernel[1] = said.dim[1];
    COP_TRY(find_pads(import, node, extents, &window, err));
    for (int i = 0; i < 2; i++) {
        const int64_t in = src[0]->shape.dim[2 + i];
        const int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
        const int64_t rest = extents[i] + window.pads[i] + window.pads[2 + i] - reach;
        added[i] = rest - (in - 1) * window.strides[i];
        if (rest < 0 || added[i] < 0 || added[i] >= window.strides[i])
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "%lld elements on axis %d cannot come from %lld",
                (long long)extents[i],
                i,
                (long long)in);
    }
    const struct cop_tf__part part = {
        .op = "ConvTranspose",
        .name = node->name,
        .result = cop_tf__image_name(import, node, window.is_last),
        .src = src,
        .n_src = 2,
        .attrs = {
            {.name = "kernel_shape", .ints = window.kernel, .n = 2},
            {.name = "strides", .ints = window.strides, .n = 2},
            {.name = "dilations", .ints = window.dilations, .n = 2},
            {.name = "pads", .ints = window.pads, .n = 4},
            {.name = "output_padding", .ints = added, .n = 2}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, window.is_last, dst, err);
}

/* ---- pools -------------------------------------------------------------------------------------------- */

enum cop_status cop_tf__translate_pool(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct window window = {.dilations = {1, 1}};
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(read_window(import, node, &window, err));
    COP_TRY(spatial_ints(import, node, "ksize", window.is_last, window.kernel, err));
    COP_TRY(cop_tf__image(import, node, window.is_last, &src, err));
    COP_TRY(find_pads(import, node, &src->shape.dim[2], &window, err));
    const struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = cop_tf__image_name(import, node, window.is_last),
        .src = &src,
        .n_src = 1,
        .attrs = {
            {.name = "kernel_shape", .ints = window.kernel, .n = 2},
            {.name = "strides", .ints = window.strides, .n = 2},
            {.name = "pads", .ints = window.pads, .n = 4}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, window.is_last, dst, err);
}
