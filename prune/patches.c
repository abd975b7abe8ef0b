/* prune/patches.c - see patches_impl.h. */
#include "prune/patches_impl.h"

#include "prune/reader_impl.h"

enum { LEAST_POSITIONS = 64 }; /* of one sample, if there are as many */

bool cop_patches__make(
    const struct cop_reader *reader,
    int64_t rows,
    const struct cop_probe_value *src,
    const struct cop_probe_value *dst,
    int64_t features,
    struct cop_patches *patches)
{
    const struct cop_linear *linear = &reader->linear;
    const struct cop_shape *from = &src->shape;
    const struct cop_shape *to = &dst->shape;
    bool has_window = linear->strides[0] > 0;
    *patches = (struct cop_patches){
        .linear = linear,
        .src = src->elements,
        .dst = dst->elements,
        .outer = cop_shape_span(from, 0, linear->src_axis),
        .channels = from->dim[linear->src_axis],
        .height = 1,
        .width = cop_shape_span(from, linear->src_axis + 1, from->rank),
        .kernel = {1, 1},
        .outputs = to->dim[linear->dst_axis],
        .positions = cop_shape_span(to, linear->dst_axis + 1, to->rank),
        .rows = rows,
        .stride = 1,
    };
    patches->dst_width = patches->positions;
    if (has_window) {
        const struct cop_shape *weights = &reader->weights->shape;
        if (from->rank != 4 || to->rank != 4 || weights->rank != 4) return false;
        patches->height = from->dim[2];
        patches->width = from->dim[3];
        patches->kernel[0] = weights->dim[2];
        patches->kernel[1] = weights->dim[3];
        patches->dst_width = to->dim[3];
    }
    if (patches->outer != cop_shape_span(to, 0, linear->dst_axis) ||
        (!has_window && patches->width != patches->positions))
        return false;
    /* Rows enough for the features; a stride without common factor walks over all columns
     * of the picture. */
    int64_t enough = features / 4 > LEAST_POSITIONS ? features / 4 : LEAST_POSITIONS;
    while (patches->positions / patches->stride > enough ||
           cop_reader__gcd(patches->stride, patches->positions) != 1)
        patches->stride++;
    return true;
}

static int64_t rows_per_sample(const struct cop_patches *patches)
{
    return (patches->positions - 1) / patches->stride + 1;
}

int64_t cop_patches__rows(const struct cop_patches *patches)
{
    return patches->outer * rows_per_sample(patches);
}

/* One feature of all rows. */
static void pack_feature(
    const struct cop_patches *patches,
    int64_t channel,
    const int64_t tap[2],
    int64_t first,
    int64_t n,
    float *packed)
{
    const struct cop_linear *linear = patches->linear;
    int64_t per_sample = rows_per_sample(patches);
    int64_t plane = patches->height * patches->width;
    bool has_window = linear->strides[0] > 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = first + i;
        int64_t position = row % per_sample * patches->stride;
        const float *from =
            patches->src + (row / per_sample * patches->channels + channel) * plane;
        if (!has_window) {
            packed[i] = from[position];
            continue;
        }
        int64_t y = position / patches->dst_width * linear->strides[0] -
                    linear->pads_l[0] + tap[0] * linear->dilations[0];
        int64_t x = position % patches->dst_width * linear->strides[1] -
                    linear->pads_l[1] + tap[1] * linear->dilations[1];
        bool is_inside = y >= 0 && y < patches->height && x >= 0 && x < patches->width;
        packed[i] = is_inside ? from[y * patches->width + x] : 0.0f;
    }
}

void cop_patches__pack(
    const struct cop_patches *patches,
    int64_t channel,
    int64_t first,
    int64_t n,
    float *packed)
{
    for (int64_t c = 0; c < patches->rows; c++) {
        for (int64_t ky = 0; ky < patches->kernel[0]; ky++) {
            for (int64_t kx = 0; kx < patches->kernel[1]; kx++, packed += n) {
                const int64_t tap[2] = {ky, kx};
                pack_feature(patches, channel + c, tap, first, n, packed);
            }
        }
    }
}

void cop_patches__pack_results(
    const struct cop_patches *patches,
    const int64_t *outputs,
    int64_t n_outputs,
    int64_t first,
    int64_t n,
    float *packed)
{
    int64_t per_sample = rows_per_sample(patches);
    for (int64_t o = 0; o < n_outputs; o++) {
        for (int64_t i = 0; i < n; i++) {
            int64_t row = first + i;
            int64_t at = (row / per_sample * patches->outputs + outputs[o]) *
                             patches->positions +
                         row % per_sample * patches->stride;
            packed[o * n + i] = patches->dst[at];
        }
    }
}
