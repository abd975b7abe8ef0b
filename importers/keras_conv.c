/* importers/keras_conv.c - convolutions and Dense; see keras_conv.h. */
#include "importers/keras_conv.h"

#include "importers/keras_activation.h"

#include <inttypes.h>
#include <string.h>

/* ---- windows -------------------------------------------------------------------------------- */

static int64_t reach(const struct cop_keras__window *window, int axis)
{
    return (window->kernel[axis] - 1) * window->dilations[axis] + 1;
}

static void pad_same(const struct cop_shape *image, struct cop_keras__window *window)
{
    for (int axis = 0; axis < 2; axis++) {
        const int64_t extent = image->dim[2 + axis];
        const int64_t stride = window->strides[axis];
        const int64_t results = (extent + stride - 1) / stride;
        const int64_t covered = (results - 1) * stride + reach(window, axis);
        const int64_t missing = covered > extent ? covered - extent : 0;
        window->pads[axis] = missing / 2;
        window->pads[axis + 2] = missing - missing / 2;
    }
}

enum cop_status cop_keras__steps(
    const cJSON *config, struct cop_keras__window *window, struct cop_err *err)
{
    COP_TRY(cop_keras__pair(config, "strides", 1, window->strides, err));
    COP_TRY(cop_keras__pair(config, "dilation_rate", 1, window->dilations, err));
    for (int axis = 0; axis < 2; axis++)
        if (window->strides[axis] < 1 || window->dilations[axis] < 1 ||
            window->kernel[axis] < 1)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "kernel %" PRId64 ", stride %" PRId64 ", dilation %" PRId64
                ": all must be at least 1",
                window->kernel[axis],
                window->strides[axis],
                window->dilations[axis]);
    return COP_OK;
}

static enum cop_status is_same(const cJSON *config, bool *same, struct cop_err *err)
{
    const char *padding = cop_keras__text(config, "padding", "valid");
    *same = strcmp(padding, "same") == 0;
    if (*same || strcmp(padding, "valid") == 0) return COP_OK;
    return COP_FAIL(err, COP_EUNSUPPORTED, "padding '%s' is not supported", padding);
}

enum cop_status cop_keras__pad(
    const cJSON *config,
    const struct cop_shape *image,
    struct cop_keras__window *window,
    struct cop_err *err)
{
    bool same = false;
    COP_TRY(is_same(config, &same, err));
    memset(window->pads, 0, sizeof window->pads);
    if (same) pad_same(image, window);
    return COP_OK;
}

/* The kernel of the configuration must be that of the weights. */
static enum cop_status read_kernel(
    const struct cop_keras__job *job,
    struct cop_keras__window *window,
    struct cop_err *err)
{
    int64_t given[2];
    COP_TRY(cop_keras__want_axes(job, 0, 4, err));
    const struct cop_shape *shape = &job->layer->weights[0]->shape;
    window->kernel[0] = shape->dim[0];
    window->kernel[1] = shape->dim[1];
    COP_TRY(cop_keras__pair(job->layer->config, "kernel_size", 0, given, err));
    if (given[0] == shape->dim[0] && given[1] == shape->dim[1]) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "kernel_size is %" PRId64 "x%" PRId64 ", the weights have %" PRId64 "x%" PRId64,
        given[0],
        given[1],
        shape->dim[0],
        shape->dim[1]);
}

/* ---- convolutions --------------------------------------------------------------------------- */

/** What one Conv node takes. */
struct conv {
    struct cop_value *image;
    struct cop_value *weights; /* [oc][ic/g][kh][kw] */
    struct cop_value *bias;    /* NULL: none */
    int64_t group;
    struct cop_keras__window window;
};

static enum cop_status add_conv(
    const struct cop_keras__job *job,
    const char *suffix,
    const struct conv *conv,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_keras__window *window = &conv->window;
    const struct cop_importers__part part = {
        .op = "Conv",
        .src = {conv->image, conv->weights, conv->bias},
        .n_src = conv->bias != NULL ? 3 : 2,
        .attrs = {
            {.name = "kernel_shape", .ints = window->kernel, .n = 2},
            {.name = "strides", .ints = window->strides, .n = 2},
            {.name = "pads", .ints = window->pads, .n = 4},
            {.name = "dilations", .ints = window->dilations, .n = 2},
            {.name = "group", .number = conv->group}}};
    return cop_keras__node(job, suffix, &part, dst, err);
}

static bool has_bias(const struct cop_keras__job *job)
{
    return cop_keras__flag(job->layer->config, "use_bias", true);
}

/* The bias is the last tensor. */
static enum cop_status take_bias(
    const struct cop_keras__job *job, struct cop_value **bias, struct cop_err *err)
{
    *bias = NULL;
    if (!has_bias(job)) return COP_OK;
    return cop_keras__weight(job, job->layer->n_weights - 1, bias, err);
}

static enum cop_status finish(
    const struct cop_keras__job *job,
    const struct cop_keras__tensor *image,
    struct cop_value *value,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const struct cop_keras__tensor src = {.value = value, .is_first = image->is_first};
    return cop_keras__activate(job, "activation", &src, dst, err);
}

enum cop_status cop_keras__build_conv(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    static const int32_t order[] = {3, 2, 0, 1}; /* of [kh][kw][ic/g][oc] */
    struct cop_keras__tensor image;
    struct conv conv = {.group = 1};
    COP_TRY(cop_keras__want_weights(job, has_bias(job) ? 2 : 1, err));
    COP_TRY(cop_keras__image(job, &image, err));
    conv.image = image.value;
    COP_TRY(cop_keras__int(job->layer->config, "groups", 1, &conv.group, err));
    COP_TRY(read_kernel(job, &conv.window, err));
    COP_TRY(cop_keras__steps(job->layer->config, &conv.window, err));
    COP_TRY(cop_keras__pad(job->layer->config, &image.value->shape, &conv.window, err));
    COP_TRY(cop_keras__weight_permuted(job, 0, order, NULL, &conv.weights, err));
    COP_TRY(take_bias(job, &conv.bias, err));
    struct cop_value *value = NULL;
    COP_TRY(add_conv(job, NULL, &conv, &value, err));
    return finish(job, &image, value, dst, err);
}

/* Each channel has its own multipliers: result channel c * multiplier + m. */
static enum cop_status start_depthwise(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *image,
    struct conv *conv,
    struct cop_err *err)
{
    static const int32_t order[] = {2, 3, 0, 1}; /* of [kh][kw][ic][multiplier] */
    COP_TRY(cop_keras__image(job, image, err));
    conv->image = image->value;
    conv->group = image->value->shape.dim[1];
    COP_TRY(read_kernel(job, &conv->window, err));
    COP_TRY(cop_keras__steps(job->layer->config, &conv->window, err));
    COP_TRY(
        cop_keras__pad(job->layer->config, &image->value->shape, &conv->window, err));
    const struct cop_shape *in = &job->layer->weights[0]->shape;
    int64_t results = 0;
    if (__builtin_mul_overflow(in->dim[2], in->dim[3], &results))
        return COP_FAIL(err, COP_ESHAPE, "the weights have too many channels");
    const int64_t dims[] = {results, 1, in->dim[0], in->dim[1]};
    const struct cop_shape shape = cop_shape_make(4, dims);
    return cop_keras__weight_permuted(job, 0, order, &shape, &conv->weights, err);
}

enum cop_status cop_keras__build_depthwise(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_keras__tensor image;
    struct conv conv = {.group = 1};
    struct cop_value *value = NULL;
    COP_TRY(cop_keras__want_weights(job, has_bias(job) ? 2 : 1, err));
    COP_TRY(start_depthwise(job, &image, &conv, err));
    COP_TRY(take_bias(job, &conv.bias, err));
    COP_TRY(add_conv(job, NULL, &conv, &value, err));
    return finish(job, &image, value, dst, err);
}

enum cop_status cop_keras__build_separable(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    static const int32_t order[] = {3, 2, 0, 1};
    struct cop_keras__tensor image;
    struct conv conv = {.group = 1};
    struct conv point = {
        .group = 1,
        .window = {.kernel = {1, 1}, .strides = {1, 1}, .dilations = {1, 1}}};
    struct cop_value *value = NULL;
    COP_TRY(cop_keras__want_weights(job, has_bias(job) ? 3 : 2, err));
    COP_TRY(start_depthwise(job, &image, &conv, err));
    COP_TRY(add_conv(job, "depthwise", &conv, &point.image, err));
    COP_TRY(cop_keras__want_axes(job, 1, 4, err));
    COP_TRY(cop_keras__weight_permuted(job, 1, order, NULL, &point.weights, err));
    COP_TRY(take_bias(job, &point.bias, err));
    COP_TRY(add_conv(job, NULL, &point, &value, err));
    return finish(job, &image, value, dst, err);
}

/* ---- transposed convolution ------------------------------------------------------------------- */

/* Rows of the result; output_padding is -1 when Keras is to find it. */
static int64_t transposed_extent(
    int64_t extent, int64_t reached, int64_t stride, int64_t output_padding, bool same)
{
    if (output_padding < 0)
        return same ? extent * stride
                    : (extent - 1) * stride + (reached > stride ? reached : stride);
    return (extent - 1) * stride + (same ? reached % 2 : reached) + output_padding;
}

/* The layer is the gradient of a convolution over its result, which is padded as such. */
static enum cop_status pad_transposed(
    const struct cop_keras__job *job,
    const struct cop_shape *image,
    struct cop_keras__window *window,
    int64_t output_padding[2],
    struct cop_err *err)
{
    bool same = false;
    COP_TRY(is_same(job->layer->config, &same, err));
    COP_TRY(
        cop_keras__pair(job->layer->config, "output_padding", -1, output_padding, err));
    for (int axis = 0; axis < 2; axis++) {
        const int64_t extent = image->dim[2 + axis];
        const int64_t stride = window->strides[axis];
        const int64_t covered = (extent - 1) * stride + reach(window, axis);
        const int64_t wanted = transposed_extent(
            extent, reach(window, axis), stride, output_padding[axis], same);
        const int64_t cut = covered > wanted ? covered - wanted : 0;
        window->pads[axis] = cut / 2;
        window->pads[axis + 2] = cut - cut / 2;
        output_padding[axis] = wanted > covered ? wanted - covered : 0;
    }
    return COP_OK;
}

enum cop_status cop_keras__build_conv_transpose(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    static const int32_t order[] = {3, 2, 0, 1}; /* of [kh][kw][oc][ic] */
    struct cop_keras__tensor image;
    struct cop_keras__window window = {.pads = {0}};
    struct cop_importers__part part = {.op = "ConvTranspose"};
    struct cop_value *value = NULL;
    int64_t output_padding[2] = {0};
    COP_TRY(cop_keras__want_weights(job, has_bias(job) ? 2 : 1, err));
    COP_TRY(cop_keras__image(job, &image, err));
    COP_TRY(read_kernel(job, &window, err));
    COP_TRY(cop_keras__steps(job->layer->config, &window, err));
    COP_TRY(pad_transposed(job, &image.value->shape, &window, output_padding, err));
    part.n_src = has_bias(job) ? 3 : 2;
    part.src[0] = image.value;
    COP_TRY(cop_keras__weight_permuted(job, 0, order, NULL, &part.src[1], err));
    COP_TRY(take_bias(job, &part.src[2], err));
    const struct cop_importers__attr attrs[] = {
        {.name = "kernel_shape", .ints = window.kernel, .n = 2},
        {.name = "strides", .ints = window.strides, .n = 2},
        {.name = "pads", .ints = window.pads, .n = 4},
        {.name = "dilations", .ints = window.dilations, .n = 2},
        {.name = "output_padding", .ints = output_padding, .n = 2}};
    memcpy(part.attrs, attrs, sizeof attrs);
    COP_TRY(cop_keras__node(job, NULL, &part, &value, err));
    return finish(job, &image, value, dst, err);
}

/* ---- Dense ------------------------------------------------------------------------------------ */

static enum cop_status dense_flat(
    const struct cop_keras__job *job, struct cop_value **value, struct cop_err *err)
{
    struct cop_importers__part part = {
        .op = "Gemm", .src = {job->src->value}, .n_src = has_bias(job) ? 3 : 2};
    COP_TRY(cop_keras__weight(job, 0, &part.src[1], err));
    COP_TRY(take_bias(job, &part.src[2], err));
    return cop_keras__node(job, NULL, &part, value, err);
}

/* Over the channels of an image it is a convolution with windows of one place. */
static enum cop_status dense_image(
    const struct cop_keras__job *job, struct cop_value **value, struct cop_err *err)
{
    static const int32_t order[] = {1, 0};
    struct conv conv = {
        .image = job->src->value,
        .group = 1,
        .window = {.kernel = {1, 1}, .strides = {1, 1}, .dilations = {1, 1}}};
    const struct cop_shape *in = &job->layer->weights[0]->shape;
    const int64_t dims[] = {in->dim[1], in->dim[0], 1, 1};
    const struct cop_shape shape = cop_shape_make(4, dims);
    COP_TRY(cop_keras__weight_permuted(job, 0, order, &shape, &conv.weights, err));
    COP_TRY(take_bias(job, &conv.bias, err));
    return add_conv(job, NULL, &conv, value, err);
}

static enum cop_status dense_last(
    const struct cop_keras__job *job, struct cop_value **value, struct cop_err *err)
{
    struct cop_importers__part part = {
        .op = "MatMul", .src = {job->src->value}, .n_src = 2};
    struct cop_importers__part add = {.op = "Add", .n_src = 2};
    COP_TRY(cop_keras__weight(job, 0, &part.src[1], err));
    COP_TRY(cop_keras__node(job, NULL, &part, value, err));
    if (!has_bias(job)) return COP_OK;
    add.src[0] = *value;
    COP_TRY(take_bias(job, &add.src[1], err));
    return cop_keras__node(job, "bias", &add, value, err);
}

enum cop_status cop_keras__build_dense(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_value *value = NULL;
    COP_TRY(cop_keras__want_weights(job, has_bias(job) ? 2 : 1, err));
    COP_TRY(cop_keras__want_axes(job, 0, 2, err));
    if (job->src->value->shape.rank == 2)
        COP_TRY(dense_flat(job, &value, err));
    else if (job->src->is_first)
        COP_TRY(dense_image(job, &value, err));
    else
        COP_TRY(dense_last(job, &value, err));
    return finish(job, job->src, value, dst, err);
}
