/* data/resize.c - Pillow's Image.resize, bit for bit (src/libImaging/Resample.c).
 *
 * Horizontal pass, then vertical, with an 8-bit picture between.  Weights are normalised
 * in double, then rounded to integers of 22 fraction bits; when shrinking the filter widens
 * with the scale (antialias).  Pillow 13 swaps the passes for pictures that lose more than
 * twice as many rows as columns; we keep the order of all versions before, which models were
 * trained with.  Nearest follows Pillow's affine path, which walks the source
 * position by repeated addition. */
#include "data/picture.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { FRACTION_BITS = 32 - 8 - 2 };

/* For every output position: first source position, how many, and their weights. */
struct taps {
    int64_t n_out;
    int64_t width;    /* room per output position */
    int64_t *first;   /* [n_out] */
    int64_t *n;       /* [n_out] */
    int32_t *weights; /* [n_out][width] */
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys (1981) with a = -0.5, written in Pillow's order of operations. */
static double keys(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double weigh(enum cop_resize_filter filter, double x)
{
    return filter == COP_RESIZE_BICUBIC ? keys(x) : triangle(x);
}

static int32_t fixed(double weight)
{
    const double scaled = weight * (1 << FRACTION_BITS);
    return (int32_t)(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

static void taps_clear(struct taps *taps)
{
    cop_mem_free(taps->first);
    cop_mem_free(taps->n);
    cop_mem_free(taps->weights);
}

/* The weights of one output position, normalised; @p exact has room for taps->width. */
static void taps_fill(
    struct taps *taps,
    int64_t i,
    int64_t n_in,
    enum cop_resize_filter filter,
    double *exact)
{
    const double scale = (double)n_in / (double)taps->n_out;
    const double widening = scale < 1.0 ? 1.0 : scale;
    const double support = (filter == COP_RESIZE_BICUBIC ? 2.0 : 1.0) * widening;
    const double centre = ((double)i + 0.5) * scale;
    const double narrowing = 1.0 / widening;
    int64_t first = (int64_t)(centre - support + 0.5);
    int64_t last = (int64_t)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (last > n_in) last = n_in;
    double sum = 0.0;
    for (int64_t k = 0; k < last - first; k++) {
        exact[k] = weigh(filter, ((double)(k + first) - centre + 0.5) * narrowing);
        sum += exact[k];
    }
    for (int64_t k = 0; k < last - first; k++) {
        if (sum != 0.0) exact[k] /= sum;
        taps->weights[i * taps->width + k] = fixed(exact[k]);
    }
    taps->first[i] = first;
    taps->n[i] = last - first;
}

static enum cop_status taps_init(
    struct taps *taps,
    int64_t n_in,
    int64_t n_out,
    enum cop_resize_filter filter,
    struct cop_err *err)
{
    const double scale = (double)n_in / (double)n_out;
    const double reach = (filter == COP_RESIZE_BICUBIC ? 2.0 : 1.0) * fmax(scale, 1.0);
    *taps = (struct taps){.n_out = n_out, .width = (int64_t)ceil(reach) * 2 + 1};
    taps->first = cop_mem_array((size_t)n_out, sizeof *taps->first);
    taps->n = cop_mem_array((size_t)n_out, sizeof *taps->n);
    taps->weights = cop_mem_array((size_t)(n_out * taps->width), sizeof *taps->weights);
    double *exact = cop_mem_array((size_t)taps->width, sizeof *exact);
    const bool complete = taps->first != NULL && taps->n != NULL &&
                          taps->weights != NULL && exact != NULL;
    if (complete) {
        for (int64_t i = 0; i < n_out; i++)
            taps_fill(taps, i, n_in, filter, exact);
    } else {
        taps_clear(taps);
    }
    cop_mem_free(exact);
    return complete ? COP_OK : COP_FAIL_NOMEM(err);
}

static uint8_t clip8(int32_t sum)
{
    const int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One output value: weighted sum of taps that lie @p stride bytes apart. */
static uint8_t weighted(
    const uint8_t *from, int64_t stride, const int32_t *weights, int64_t n)
{
    int32_t sum = 1 << (FRACTION_BITS - 1);
    for (int64_t k = 0; k < n; k++)
        sum += from[k * stride] * weights[k];
    return clip8(sum);
}

static void pass_across(
    const struct cop_data__picture *from,
    const struct taps *taps,
    struct cop_data__picture *to)
{
    const int64_t c_n = from->channels;
    for (int64_t y = 0; y < to->height; y++) {
        const uint8_t *row = from->pixels + y * from->width * c_n;
        uint8_t *out = to->pixels + y * to->width * c_n;
        for (int64_t x = 0; x < to->width; x++) {
            const uint8_t *first = row + taps->first[x] * c_n;
            const int32_t *weights = taps->weights + x * taps->width;
            for (int64_t c = 0; c < c_n; c++) {
                out[x * c_n + c] = weighted(first + c, c_n, weights, taps->n[x]);
            }
        }
    }
}

/* As weighted(), for up to 64 neighbours at a time, so that the compiler can vectorise. */
static void pass_down_block(
    const uint8_t *from,
    int64_t stride,
    const int32_t *weights,
    int64_t n,
    uint8_t *out,
    int64_t n_out)
{
    int32_t sums[64];
    for (int64_t i = 0; i < n_out; i++)
        sums[i] = 1 << (FRACTION_BITS - 1);
    for (int64_t k = 0; k < n; k++) {
        for (int64_t i = 0; i < n_out; i++)
            sums[i] += from[k * stride + i] * weights[k];
    }
    for (int64_t i = 0; i < n_out; i++)
        out[i] = clip8(sums[i]);
}

static void pass_down(
    const struct cop_data__picture *from,
    const struct taps *taps,
    struct cop_data__picture *to)
{
    const int64_t stride = from->width * from->channels;
    for (int64_t y = 0; y < to->height; y++) {
        const uint8_t *first = from->pixels + taps->first[y] * stride;
        const int32_t *weights = taps->weights + y * taps->width;
        uint8_t *out = to->pixels + y * stride;
        for (int64_t i = 0; i < stride; i += 64) {
            const int64_t n_out = stride - i < 64 ? stride - i : 64;
            pass_down_block(first + i, stride, weights, taps->n[y], out + i, n_out);
        }
    }
}

/* Replaces @p picture by itself resized along one axis. */
static enum cop_status resize_axis(
    struct cop_data__picture *picture,
    bool down,
    int64_t extent,
    enum cop_resize_filter filter,
    struct cop_err *err)
{
    const int64_t old_extent = down ? picture->height : picture->width;
    if (old_extent == extent) return COP_OK;
    struct cop_data__picture result = {0};
    COP_TRY(cop_data__picture_create(
        &result,
        down ? picture->width : extent,
        down ? extent : picture->height,
        picture->channels,
        err));
    struct taps taps;
    enum cop_status status = taps_init(&taps, old_extent, extent, filter, err);
    if (status != COP_OK) {
        cop_data__picture_clear(&result);
        return status;
    }
    if (down) {
        pass_down(picture, &taps, &result);
    } else {
        pass_across(picture, &taps, &result);
    }
    taps_clear(&taps);
    cop_data__picture_clear(picture);
    *picture = result;
    return COP_OK;
}

/* Source position of every output position, by Pillow's running sum. */
static enum cop_status nearest_positions(
    int64_t n_in, int64_t n_out, int64_t **positions, struct cop_err *err)
{
    *positions = cop_mem_array((size_t)n_out, sizeof **positions);
    if (*positions == NULL) return COP_FAIL_NOMEM(err);
    const double scale = (double)n_in / (double)n_out;
    double at = scale * 0.5;
    for (int64_t i = 0; i < n_out; i++) {
        const int64_t position = (int64_t)at;
        (*positions)[i] = position < n_in ? position : n_in - 1;
        at += scale;
    }
    return COP_OK;
}

static enum cop_status resize_nearest(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    struct cop_err *err)
{
    int64_t *across = NULL;
    int64_t *down = NULL;
    struct cop_data__picture result = {0};
    const int64_t c_n = picture->channels;
    enum cop_status status = cop_data__picture_create(&result, width, height, c_n, err);
    if (status == COP_OK)
        status = nearest_positions(picture->width, width, &across, err);
    if (status == COP_OK)
        status = nearest_positions(picture->height, height, &down, err);
    if (status != COP_OK) goto done;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = picture->pixels + down[y] * picture->width * c_n;
        uint8_t *out = result.pixels + y * width * c_n;
        for (int64_t x = 0; x < width; x++) {
            memcpy(out + x * c_n, row + across[x] * c_n, (size_t)c_n);
        }
    }
    cop_data__picture_clear(picture);
    *picture = result;
    result = (struct cop_data__picture){0};
done:
    cop_mem_free(across);
    cop_mem_free(down);
    cop_data__picture_clear(&result);
    return status;
}

enum cop_status cop_data__resize(
    struct cop_data__picture *picture,
    int64_t width,
    int64_t height,
    enum cop_resize_filter filter,
    struct cop_err *err)
{
    if (picture->width == width && picture->height == height) return COP_OK;
    if (filter == COP_RESIZE_NEAREST)
        return resize_nearest(picture, width, height, err);
    COP_TRY(resize_axis(picture, false, width, filter, err));
    return resize_axis(picture, true, height, filter, err);
}
