/* prune/patches.c - see patches_impl.h. */
#include "prune/patches_impl.h"

#include "prune/reader_impl.h"

bool cop_patches__make(
    const struct cop_reader *reader,
    int64_t rows,
    int64_t most_rows,
    struct cop_patches *patches)
{
    const struct cop_linear *linear = &reader->linear;
    const struct cop_shape *from = &reader->src->shape;
    const struct cop_shape *to = &reader->node->dst[0]->shape;
    bool has_window = linear->strides[0] > 0;
    *patches = (struct cop_patches){
        .linear = linear,
        .outer = cop_shape_span(from, 0, linear->src_axis),
        .channels = from->dim[linear->src_axis],
        .height = 1,
        .width = cop_shape_span(from, linear->src_axis + 1, from->rank),
        .kernel = {1, 1},
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
        (!has_window && patches->width != patches->positions) || patches->positions < 1)
        return false;
    /* A stride without common factor walks over all columns of the picture. */
    int64_t most = most_rows / patches->outer > 1 ? most_rows / patches->outer : 1;
    while ((patches->positions - 1) / patches->stride + 1 > most ||
           cop_reader__gcd(patches->stride, patches->positions) != 1)
        patches->stride++;
    return true;
}

static int64_t per_outer(const struct cop_patches *patches)
{
    return (patches->positions - 1) / patches->stride + 1;
}

int64_t cop_patches__per_sample(const struct cop_patches *patches)
{
    return patches->outer * per_outer(patches);
}

/* One feature of all used positions of one plane. */
static void pack_plane(
    const struct cop_patches *patches,
    const float *plane,
    int64_t ky,
    int64_t kx,
    float *to)
{
    const struct cop_linear *linear = patches->linear;
    int64_t n = per_outer(patches);
    if (linear->strides[0] == 0) {
        for (int64_t i = 0; i < n; i++)
            to[i] = plane[i * patches->stride];
        return;
    }
    int64_t y_off = ky * linear->dilations[0] - linear->pads_l[0];
    int64_t x_off = kx * linear->dilations[1] - linear->pads_l[1];
    int64_t dst_y = 0;
    int64_t dst_x = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t y = dst_y * linear->strides[0] + y_off;
        int64_t x = dst_x * linear->strides[1] + x_off;
        bool is_inside = y >= 0 && y < patches->height && x >= 0 && x < patches->width;
        to[i] = is_inside ? plane[y * patches->width + x] : 0.0f;
        dst_x += patches->stride;
        while (dst_x >= patches->dst_width) {
            dst_x -= patches->dst_width;
            dst_y++;
        }
    }
}

void cop_patches__pack(
    const struct cop_patches *patches,
    const float *src,
    int64_t n,
    int64_t channel,
    float *packed)
{
    int64_t plane = patches->height * patches->width;
    int64_t n_outer = n * patches->outer;
    int64_t rows = per_outer(patches);
    for (int64_t c = 0; c < patches->rows; c++) {
        for (int64_t ky = 0; ky < patches->kernel[0]; ky++) {
            for (int64_t kx = 0; kx < patches->kernel[1]; kx++) {
                for (int64_t o = 0; o < n_outer; o++, packed += rows)
                    pack_plane(
                        patches,
                        src + (o * patches->channels + channel + c) * plane,
                        ky,
                        kx,
                        packed);
            }
        }
    }
}

void cop_patches__pack_results(
    const struct cop_patches *patches,
    const float *dst,
    int64_t n,
    int64_t n_channels,
    const int64_t *chosen,
    int64_t n_chosen,
    float *packed)
{
    int64_t rows = per_outer(patches);
    for (int64_t c = 0; c < n_chosen; c++) {
        for (int64_t o = 0; o < n * patches->outer; o++) {
            const float *plane =
                dst + (o * n_channels + chosen[c]) * patches->positions;
            for (int64_t i = 0; i < rows; i++)
                *packed++ = plane[i * patches->stride];
        }
    }
}
