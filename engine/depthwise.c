/* engine/depthwise.c - sizes, packing and scheduling of depthwise convolution; the loops are
 * in depthwise_body.inc. */
#include "engine/depthwise.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/depthwise_kernels.h"

#include <string.h>

enum {
    FLOATS_PER_LINE = 16,
    /* Sources of the rows in flight stay in the second-level cache. */
    SRC_BLOCK_BYTES = 512 << 10,
    /* Rows of as many channels at once as stay in the first-level cache. */
    NEAR_BYTES = 24 << 10,
    MIN_GROUP = 4, /* blocks of channels: lines next to each other are fetched well */
};

/* 2^40 elements are 4 TiB: no such tensor exists, and sums of products stay in range. */
#define MAX_ELEMENTS ((size_t)1 << 40)

struct cop_depthwise {
    struct cop_depthwise_desc desc;
    const struct cop_depthwise__kernels *kernels;
    cop_depthwise__row_fn *row;
    int64_t oh;
    int64_t ow;
    int64_t n_blocks;    /* of channels */
    int64_t row_block;   /* rows of results, ... */
    int64_t block_group; /* ... and channel blocks that stay near */
    bool splits_channels;
};

/* ---- creation ---------------------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const struct cop_depthwise__kernels *kernels_of(enum cop_simd simd)
{
    if (!cop_simd_has(simd)) return NULL;
    return simd == COP_SIMD_AVX512 ? cop_depthwise__avx512
           : simd == COP_SIMD_AVX2 ? cop_depthwise__avx2
                                   : cop_depthwise__generic;
}

bool cop_depthwise_has(int64_t kernel_w, int64_t stride_w)
{
    return (kernel_w == 3 || kernel_w == 5 || kernel_w == 7) &&
           (stride_w == 1 || stride_w == 2);
}

static enum cop_status check_sizes(
    const struct cop_depthwise_desc *d, struct cop_err *err)
{
    const struct {
        const char *name;
        int64_t size;
    } sizes[] = {
        {"threads", d->threads},
        {"mb", d->mb},
        {"c", d->c},
        {"ih", d->ih},
        {"iw", d->iw},
        {"kernel h", d->kernel[0]},
        {"stride h", d->strides[0]},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].size < 1 || sizes[i].size > INT32_MAX)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "depthwise convolution: %s is %lld, not 1 to %d",
                sizes[i].name,
                (long long)sizes[i].size,
                INT32_MAX);
    }
    return COP_OK;
}

static enum cop_status check(const struct cop_depthwise_desc *d, struct cop_err *err)
{
    if (kernels_of(d->simd) == NULL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "depthwise convolution: instruction set %d is not on this machine",
            (int)d->simd);
    COP_TRY(check_sizes(d, err));
    if (!cop_depthwise_has(d->kernel[1], d->strides[1]))
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "depthwise convolution: kernel w is %lld with stride %lld, not 3, 5 or 7 "
            "with 1 or 2",
            (long long)d->kernel[1],
            (long long)d->strides[1]);
    for (int i = 0; i < 2; i++) {
        if (d->pads_l[i] < 0 || d->pads_l[i] >= d->kernel[i] || d->pads_r[i] < 0 ||
            d->pads_r[i] >= d->kernel[i])
            return COP_FAIL(
                err,
                COP_EINVAL,
                "depthwise convolution: pads on axis %d are %lld and %lld, not 0 to "
                "%lld",
                2 + i,
                (long long)d->pads_l[i],
                (long long)d->pads_r[i],
                (long long)d->kernel[i] - 1);
    }
    size_t n = 0;
    if (cop_mul_overflow((size_t)d->mb, (size_t)d->c, &n) ||
        cop_mul_overflow(n, (size_t)(d->ih + d->kernel[0]), &n) ||
        cop_mul_overflow(n, (size_t)(d->iw + d->kernel[1]), &n) || n > MAX_ELEMENTS ||
        d->kernel[0] > INT32_MAX / d->c)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "depthwise convolution: src of %lld x %lld x %lld x %lld is above %lld "
            "elements",
            (long long)d->mb,
            (long long)d->c,
            (long long)d->ih,
            (long long)d->iw,
            (long long)MAX_ELEMENTS);
    return COP_OK;
}

/* Of n things for some threads, over the mean share. */
static double largest_share(int64_t n, int64_t threads)
{
    return (double)(ceil_div(n, threads) * threads) / (double)n;
}

/* Rows are shared out unless the channels are more even.  Few enough rows and channels are in flight
 * that a source stays near between the rows of results that read it. */
static void choose_blocks(struct cop_depthwise *w)
{
    const struct cop_depthwise_desc *d = &w->desc;
    const int64_t rows = d->mb * w->oh;
    const int64_t line_bytes = FLOATS_PER_LINE * (int64_t)sizeof(float);
    const int64_t row_bytes = d->iw * d->c * (int64_t)sizeof(float) * d->strides[0];
    w->splits_channels = d->split == 2;
    if (d->split == 0 && w->n_blocks >= d->threads)
        w->splits_channels =
            largest_share(rows, d->threads) > largest_share(w->n_blocks, d->threads);
    w->row_block =
        d->row_block > 0 ? d->row_block : max_of(4, SRC_BLOCK_BYTES / row_bytes);
    w->block_group =
        max_of(MIN_GROUP, NEAR_BYTES / (d->kernel[0] * d->iw * line_bytes));
}

enum cop_status cop_depthwise_create(
    struct cop_arena *arena,
    const struct cop_depthwise_desc *desc,
    struct cop_depthwise **depthwise,
    struct cop_err *err)
{
    *depthwise = NULL;
    COP_TRY(check(desc, err));
    const int64_t oh = desc->ih + desc->pads_l[0] + desc->pads_r[0] - desc->kernel[0];
    const int64_t ow = desc->iw + desc->pads_l[1] + desc->pads_r[1] - desc->kernel[1];
    if (oh < 0 || ow < 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "depthwise convolution: a kernel of %lld x %lld does not fit on %lld x "
            "%lld "
            "with its pads",
            (long long)desc->kernel[0],
            (long long)desc->kernel[1],
            (long long)desc->ih,
            (long long)desc->iw);
    struct cop_depthwise *w = COP_ARENA_NEW(arena, struct cop_depthwise);
    if (w == NULL) return COP_FAIL_NOMEM(err);
    w->desc = *desc;
    w->kernels = kernels_of(desc->simd);
    w->row = w->kernels->rows[(desc->kernel[1] - 3) / 2][desc->strides[1] - 1]
                             [desc->has_relu ? 1 : 0];
    w->oh = oh / desc->strides[0] + 1;
    w->ow = ow / desc->strides[1] + 1;
    w->n_blocks = ceil_div(desc->c, w->kernels->block);
    choose_blocks(w);
    *depthwise = w;
    return COP_OK;
}

/* ---- packing ----------------------------------------------------------------------------- */

static int64_t taps_of(const struct cop_depthwise *w)
{
    return w->desc.kernel[0] * w->desc.kernel[1];
}

size_t cop_depthwise_weights_bytes(const struct cop_depthwise *depthwise)
{
    return (size_t)(depthwise->n_blocks * depthwise->kernels->block * taps_of(depthwise)) *
           sizeof(float);
}

/* [c][kh][kw] -> [block of channels][kh][kw][channel of the block]. */
void cop_depthwise_pack(
    const struct cop_depthwise *depthwise,
    const void *weights,
    const double *scale,
    float *packed)
{
    const int64_t block = depthwise->kernels->block;
    const int64_t taps = taps_of(depthwise);
    const char *from = weights;
    memset(packed, 0, cop_depthwise_weights_bytes(depthwise));
    for (int64_t c = 0; c < depthwise->desc.c; c++) {
        float *to = packed + c / block * taps * block + c % block;
        for (int64_t t = 0; t < taps; t++) {
            float number;
            memcpy(&number, from, sizeof number);
            from += sizeof number;
            to[t * block] = (float)((double)number * (scale != NULL ? scale[c] : 1.0));
        }
    }
}

/* ---- running ----------------------------------------------------------------------------- */

struct job {
    const struct cop_depthwise *w;
    const struct cop_depthwise_args *args;
};

/* Blocks of channels [first, last) of row y of image n. */
static void run_row(
    const struct job *job, int64_t n, int64_t y, int64_t first, int64_t last)
{
    const struct cop_depthwise *w = job->w;
    const struct cop_depthwise_desc *d = &w->desc;
    const int64_t block = w->kernels->block;
    const int64_t kw = d->kernel[1];
    const int64_t top = y * d->strides[0] - d->pads_l[0];
    const int64_t skipped = top < 0 ? -top : 0;
    const int64_t channel = first * block;
    const struct cop_depthwise__row row = {
        .src =
            job->args->src + n * d->src.image + (top + skipped) * d->src.row + channel,
        .src_row = d->src.row,
        .src_pixel = d->src.pixel,
        .iw = d->iw,
        .pad = d->pads_l[1],
        .kh = min_of(d->kernel[0], d->ih - top) - skipped,
        .weights =
            job->args->packed + first * taps_of(w) * block + skipped * kw * block,
        .weights_block = taps_of(w) * block,
        .dst = job->args->dst + n * d->dst.image + y * d->dst.row + channel,
        .dst_pixel = d->dst.pixel,
        .ow = w->ow,
        .bias = job->args->bias != NULL ? job->args->bias + channel : NULL,
        .channels = min_of(last * block, d->c) - channel,
        .activation = d->activation,
    };
    w->row(&row);
}

static enum cop_status run_share(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const struct cop_depthwise *w = job->w;
    const int64_t threads = w->desc.threads;
    const int64_t rows = w->desc.mb * w->oh;
    const int64_t first_row = w->splits_channels ? 0 : rows * i / threads;
    const int64_t last_row = w->splits_channels ? rows : rows * (i + 1) / threads;
    const int64_t first = w->splits_channels ? w->n_blocks * i / threads : 0;
    const int64_t last =
        w->splits_channels ? w->n_blocks * (i + 1) / threads : w->n_blocks;
    for (int64_t r = first_row; r < last_row; r += w->row_block) {
        const int64_t end = min_of(r + w->row_block, last_row);
        for (int64_t b = first; b < last; b += w->block_group)
            for (int64_t y = r; y < end; y++)
                run_row(job, y / w->oh, y % w->oh, b, min_of(b + w->block_group, last));
    }
    return COP_OK;
}

enum cop_status cop_depthwise_run(
    const struct cop_depthwise *depthwise,
    const struct cop_depthwise_args *args,
    struct cop_err *err)
{
    struct job job = {.w = depthwise, .args = args};
    return cop_par_for(depthwise->desc.threads, run_share, &job, err);
}
