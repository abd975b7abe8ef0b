/* importers/keras_pool.c - pooling, padding, cropping, scaling up; see keras_pool.h. */
#include "importers/keras_pool.h"

#include "importers/keras_conv.h"

#include <inttypes.h>
#include <string.h>

/* ---- pooling ---------------------------------------------------------------------------------- */

static enum cop_status pool(
    const struct cop_keras__job *job,
    const char *op,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const cJSON *config = job->layer->config;
    struct cop_keras__window window = {.pads = {0}};
    COP_TRY(cop_keras__image(job, dst, err));
    COP_TRY(cop_keras__pair(config, "pool_size", 2, window.kernel, err));
    COP_TRY(cop_keras__steps(config, &window, err));
    if (cop_keras__get(config, "strides") == NULL)
        memcpy(window.strides, window.kernel, sizeof window.strides);
    COP_TRY(cop_keras__pad(config, &dst->value->shape, &window, err));
    const struct cop_importers__part part = {
        .op = op,
        .src = {dst->value},
        .n_src = 1,
        .attrs = {
            {.name = "kernel_shape", .ints = window.kernel, .n = 2},
            {.name = "strides", .ints = window.strides, .n = 2},
            {.name = "pads", .ints = window.pads, .n = 4}}};
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}

enum cop_status cop_keras__build_max_pool(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return pool(job, "MaxPool", dst, err);
}

/* The average is over what lies inside the image, which is ONNX's default too. */
enum cop_status cop_keras__build_average_pool(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return pool(job, "AveragePool", dst, err);
}

static enum cop_status global_pool(
    const struct cop_keras__job *job,
    const char *op,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = op, .n_src = 1};
    struct cop_importers__part flat = {.op = "Flatten", .n_src = 1};
    COP_TRY(cop_keras__image(job, dst, err));
    part.src[0] = dst->value;
    COP_TRY(cop_keras__node(job, NULL, &part, &dst->value, err));
    if (cop_keras__flag(job->layer->config, "keepdims", false)) return COP_OK;
    flat.src[0] = dst->value;
    dst->is_first = false;
    return cop_keras__node(job, "flat", &flat, &dst->value, err);
}

enum cop_status cop_keras__build_global_max(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return global_pool(job, "GlobalMaxPool", dst, err);
}

enum cop_status cop_keras__build_global_average(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return global_pool(job, "GlobalAveragePool", dst, err);
}

/* ---- borders ---------------------------------------------------------------------------------- */

/* A number, (h, w), or ((top, bottom), (left, right)); to {top, left, bottom, right}. */
static enum cop_status read_borders(
    const struct cop_keras__job *job,
    const char *key,
    int64_t borders[4],
    struct cop_err *err)
{
    const cJSON *item = cop_keras__get(job->layer->config, key);
    const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
    if (!cJSON_IsArray(first)) {
        COP_TRY(cop_keras__pair(job->layer->config, key, 1, borders, err));
        borders[2] = borders[0];
        borders[3] = borders[1];
    } else {
        for (int axis = 0; axis < 2; axis++) {
            const cJSON *pair = cJSON_GetArrayItem(item, axis);
            const cJSON *low = cJSON_GetArrayItem(pair, 0);
            const cJSON *high = cJSON_GetArrayItem(pair, 1);
            if (!cJSON_IsNumber(low) || !cJSON_IsNumber(high))
                return COP_FAIL(
                    err,
                    COP_EFORMAT,
                    "'%s' is not ((top, bottom), (left, right))",
                    key);
            borders[axis] = low->valueint;
            borders[axis + 2] = high->valueint;
        }
    }
    for (int i = 0; i < 4; i++)
        if (borders[i] < 0 || borders[i] > COP_KERAS_INT)
            return COP_FAIL(
                err, COP_EFORMAT, "'%s' has a border of %" PRId64, key, borders[i]);
    return COP_OK;
}

enum cop_status cop_keras__build_zero_padding(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = "Pad", .n_src = 2};
    int64_t borders[4];
    COP_TRY(cop_keras__image(job, dst, err));
    COP_TRY(read_borders(job, "padding", borders, err));
    const int64_t pads[8] = {
        0, 0, borders[0], borders[1], 0, 0, borders[2], borders[3]};
    part.src[0] = dst->value;
    COP_TRY(cop_importers__add_ints(job->net->graph, NULL, pads, 8, &part.src[1], err));
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}

enum cop_status cop_keras__build_cropping(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    static const int64_t axes[2] = {2, 3};
    struct cop_importers__part part = {.op = "Slice", .n_src = 4};
    int64_t borders[4];
    COP_TRY(cop_keras__image(job, dst, err));
    COP_TRY(read_borders(job, "cropping", borders, err));
    const int64_t *dim = dst->value->shape.dim;
    const int64_t ends[2] = {dim[2] - borders[2], dim[3] - borders[3]};
    if (ends[0] <= borders[0] || ends[1] <= borders[1])
        return COP_FAIL(
            err, COP_ESHAPE, "nothing is left of %" PRId64 "x%" PRId64, dim[2], dim[3]);
    part.src[0] = dst->value;
    struct cop_graph *graph = job->net->graph;
    COP_TRY(cop_importers__add_ints(graph, NULL, borders, 2, &part.src[1], err));
    COP_TRY(cop_importers__add_ints(graph, NULL, ends, 2, &part.src[2], err));
    COP_TRY(cop_importers__add_ints(graph, NULL, axes, 2, &part.src[3], err));
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}

/* ---- scaling up --------------------------------------------------------------------------------- */

/* Nearest repeats each row and column; bilinear takes the centres of pixels as their
 * places, as TensorFlow 2 does. */
enum cop_status cop_keras__build_up_sampling(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const cJSON *config = job->layer->config;
    const char *how = cop_keras__text(config, "interpolation", "nearest");
    const bool is_nearest = strcmp(how, "nearest") == 0;
    const int64_t four = 4;
    const struct cop_shape shape = cop_shape_make(1, &four);
    struct cop_importers__part part = {
        .op = "Resize",
        .n_src = 3,
        .attrs = {
            {.name = "mode", .text = is_nearest ? "nearest" : "linear"},
            {.name = "coordinate_transformation_mode",
             .text = is_nearest ? "asymmetric" : "half_pixel"},
            {.name = "nearest_mode", .text = "floor"}}};
    int64_t size[2];
    if (!is_nearest && strcmp(how, "bilinear") != 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "interpolation '%s' is not supported", how);
    COP_TRY(cop_keras__image(job, dst, err));
    COP_TRY(cop_keras__pair(config, "size", 2, size, err));
    if (size[0] < 1 || size[1] < 1)
        return COP_FAIL(
            err, COP_EFORMAT, "size %" PRId64 "x%" PRId64, size[0], size[1]);
    const float scales[4] = {1, 1, (float)size[0], (float)size[1]};
    part.src[0] = dst->value;
    COP_TRY(cop_importers__add_floats(
        job->net->graph, NULL, &shape, scales, &part.src[2], err));
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}
