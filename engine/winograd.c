/* engine/winograd.c - sizes, packing and scheduling of Winograd convolution; the loops are
 * in winograd_body.inc, the mathematics in winograd.h. */
#include "engine/winograd.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/winograd_kernels.h"

#include <string.h>

enum {
    LINE = 16, /* floats per cache line */
    MAX_FREQUENCIES = COP_WINOGRAD_MAX_ALPHA * COP_WINOGRAD_MAX_ALPHA,
    MAX_PANEL_CHANNELS = COP_WINOGRAD_PANEL * 16,
};

/* 2^40 elements are 4 TiB: no such tensor exists, and sums of products stay in range. */
#define MAX_ELEMENTS ((size_t)1 << 40)

struct cop_winograd {
    struct cop_winograd_desc desc;
    const struct cop_winograd__kernels *kernels;
    int64_t oh;
    int64_t ow;
    int64_t alpha;   /* m + 2 */
    int64_t n_tiles; /* of all images */
    int64_t tiles_h; /* of one */
    int64_t tiles_w;
    int64_t ic_blocks;
    int64_t oc_blocks;
    int64_t tile_block;
    int64_t panel_block; /* output channel blocks in flight */
    bool splits_channels;
    int64_t v_frequency; /* floats */
    int64_t m_frequency;
    size_t v_bytes; /* of one V, one M */
    size_t m_bytes;
    size_t weights_bytes;
    size_t workspace_bytes;
};

/* ---- instruction sets -------------------------------------------------------------------- */

static const struct cop_winograd__kernels *kernels_of(enum cop_winograd_isa isa)
{
    switch (isa) {
    case COP_WINOGRAD_GENERIC: return cop_winograd__generic;
#if defined __x86_64__
    case COP_WINOGRAD_AVX2:
        if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
            return NULL;
        return cop_winograd__avx2;
    case COP_WINOGRAD_AVX512:
        return __builtin_cpu_supports("avx512f") ? cop_winograd__avx512 : NULL;
#else
    case COP_WINOGRAD_AVX2:
    case COP_WINOGRAD_AVX512: return NULL;
#endif
    }
    return NULL;
}

bool cop_winograd_has(enum cop_winograd_isa isa)
{
    return kernels_of(isa) != NULL;
}

int32_t cop_winograd_block(enum cop_winograd_isa isa)
{
    return isa == COP_WINOGRAD_AVX512 ? 16 : 8;
}

struct cop_winograd_strides cop_winograd_nhwc(
    enum cop_winograd_isa isa, int64_t c, int64_t h, int64_t w)
{
    return (struct cop_winograd_strides){
        .image = h * w * c,
        .channel_block = cop_winograd_block(isa),
        .row = w * c,
        .pixel = c};
}

struct cop_winograd_strides cop_winograd_blocked(
    enum cop_winograd_isa isa, int64_t c, int64_t h, int64_t w)
{
    const int64_t block = cop_winograd_block(isa);
    return (struct cop_winograd_strides){
        .image = (c + block - 1) / block * block * h * w,
        .channel_block = h * w * block,
        .row = w * block,
        .pixel = block};
}

/* ---- creation ---------------------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum cop_status check(const struct cop_winograd_desc *d, struct cop_err *err)
{
    static const char *const names[] = {"mb", "ic", "oc", "ih", "iw"};
    const int64_t sizes[] = {d->mb, d->ic, d->oc, d->ih, d->iw};
    if (!cop_winograd_has(d->isa))
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "winograd: instruction set %d is not on this machine",
            (int)d->isa);
    if (d->m != 2 && d->m != 4)
        return COP_FAIL(err, COP_EINVAL, "winograd: tile is %d, not 2 or 4", d->m);
    if (d->threads < 1)
        return COP_FAIL(
            err, COP_EINVAL, "winograd: threads are %d, not 1 or more", d->threads);
    for (int i = 0; i < 5; i++) {
        if (sizes[i] < 1 || sizes[i] > INT32_MAX)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "winograd: %s is %lld, not 1 to %d",
                names[i],
                (long long)sizes[i],
                INT32_MAX);
    }
    for (int i = 0; i < 2; i++) {
        if (d->pads_l[i] < 0 || d->pads_l[i] > 2 || d->pads_r[i] < 0 ||
            d->pads_r[i] > 2)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "winograd: pads on axis %d are %lld and %lld, not 0 to 2",
                2 + i,
                (long long)d->pads_l[i],
                (long long)d->pads_r[i]);
    }
    return COP_OK;
}

/* Elements of an image stack, in bytes; the limit keeps every product below in range. */
static enum cop_status check_elements(
    const char *what, int64_t mb, int64_t c, int64_t h, int64_t w, struct cop_err *err)
{
    size_t n = 0;
    if (cop_mul_overflow((size_t)mb, (size_t)c, &n) ||
        cop_mul_overflow(n, (size_t)h, &n) || cop_mul_overflow(n, (size_t)w, &n) ||
        n > MAX_ELEMENTS)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "winograd: %s of %lld x %lld x %lld x %lld is above %lld elements",
            what,
            (long long)mb,
            (long long)c,
            (long long)h,
            (long long)w,
            (long long)MAX_ELEMENTS);
    return COP_OK;
}

/* Few tiles are shared by all threads, which then divide the output channels; else each
 * thread has tiles and a V and an M of its own. */
static void choose_split(struct cop_winograd *w)
{
    const struct cop_winograd_desc *d = &w->desc;
    const int64_t blocks = ceil_div(w->oc_blocks, COP_WINOGRAD_PANEL);
    w->splits_channels =
        d->split == 2 || (d->split == 0 && blocks >= d->threads &&
                          w->n_tiles < (int64_t)2 * w->kernels->rows * d->threads);
}

/* A block of T tiles and P channels reads 4 / T bytes of U and 4 / P bytes of V per
 * multiplication from far away while M stays near, so T and P are chosen alike. */
static void choose_blocks(struct cop_winograd *w)
{
    const struct cop_winograd_desc *d = &w->desc;
    const int64_t rows = w->kernels->rows;
    const int64_t block = w->kernels->block;
    const int64_t shares = w->splits_channels ? 1 : d->threads;
    const int64_t own_tiles = ceil_div(w->n_tiles, shares);
    const int64_t own_blocks =
        w->splits_channels ? ceil_div(w->oc_blocks, d->threads) : w->oc_blocks;
    int64_t tiles = d->tile_block;
    int64_t panels = d->panel_block;
    if (panels == 0) panels = 128 / block;
    if (tiles == 0) tiles = 6 * rows;
    w->tile_block = min_of(own_tiles, tiles);
    /* Equal blocks: a short last one would be slow. */
    w->tile_block = ceil_div(own_tiles, ceil_div(own_tiles, w->tile_block));
    w->panel_block =
        ceil_div(min_of(own_blocks, panels), COP_WINOGRAD_PANEL) * COP_WINOGRAD_PANEL;
}

/* Matrices of different frequencies are an odd number of cache lines apart: the transforms
 * touch all of them at once, and at a power of two they would share a cache set. */
static int64_t spaced(int64_t floats)
{
    return (ceil_div(floats, LINE) | 1) * LINE;
}

static enum cop_status choose_sizes(struct cop_winograd *w, struct cop_err *err)
{
    const struct cop_winograd_desc *d = &w->desc;
    const size_t frequencies = (size_t)(w->alpha * w->alpha);
    const size_t panels = (size_t)ceil_div(w->oc_blocks, COP_WINOGRAD_PANEL);
    const size_t line = (size_t)(COP_WINOGRAD_PANEL * w->kernels->block);
    w->v_frequency = spaced(w->ic_blocks * w->tile_block * w->kernels->block);
    w->m_frequency = spaced(w->panel_block * w->tile_block * w->kernels->block);
    w->v_bytes = frequencies * (size_t)w->v_frequency * sizeof(float);
    w->m_bytes = frequencies * (size_t)w->m_frequency * sizeof(float);
    size_t vs = w->splits_channels ? w->v_bytes : 0;
    size_t each = w->splits_channels ? w->m_bytes : w->v_bytes + w->m_bytes;
    if (cop_mul_overflow(each, (size_t)d->threads, &each) ||
        cop_add_overflow(vs, each, &w->workspace_bytes) ||
        cop_mul_overflow(
            frequencies * sizeof(float), panels * line, &w->weights_bytes) ||
        cop_mul_overflow(w->weights_bytes, (size_t)d->ic, &w->weights_bytes))
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

enum cop_status cop_winograd_create(
    struct cop_arena *arena,
    const struct cop_winograd_desc *desc,
    struct cop_winograd **winograd,
    struct cop_err *err)
{
    *winograd = NULL;
    COP_TRY(check(desc, err));
    const int64_t oh = desc->ih + desc->pads_l[0] + desc->pads_r[0] - 2;
    const int64_t ow = desc->iw + desc->pads_l[1] + desc->pads_r[1] - 2;
    if (oh < 1 || ow < 1)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "winograd: a 3 x 3 window does not fit on %lld x %lld with its pads",
            (long long)desc->ih,
            (long long)desc->iw);
    COP_TRY(check_elements("src", desc->mb, desc->ic, desc->ih, desc->iw, err));
    COP_TRY(check_elements("dst", desc->mb, desc->oc, oh, ow, err));
    struct cop_winograd *w = COP_ARENA_NEW(arena, struct cop_winograd);
    if (w == NULL) return COP_FAIL_NOMEM(err);
    w->desc = *desc;
    w->kernels = kernels_of(desc->isa);
    w->oh = oh;
    w->ow = ow;
    w->alpha = desc->m + 2;
    w->tiles_h = ceil_div(oh, desc->m);
    w->tiles_w = ceil_div(ow, desc->m);
    w->n_tiles = desc->mb * w->tiles_h * w->tiles_w;
    w->ic_blocks = ceil_div(desc->ic, w->kernels->block);
    w->oc_blocks = ceil_div(desc->oc, w->kernels->block);
    choose_split(w);
    choose_blocks(w);
    COP_TRY(choose_sizes(w, err));
    *winograd = w;
    return COP_OK;
}

size_t cop_winograd_weights_bytes(const struct cop_winograd *winograd)
{
    return winograd->weights_bytes;
}

size_t cop_winograd_workspace_bytes(const struct cop_winograd *winograd)
{
    return winograd->workspace_bytes;
}

/* ---- packing ----------------------------------------------------------------------------- */

#define A2 (COP_WINOGRAD_A * COP_WINOGRAD_A)
#define B2 (COP_WINOGRAD_B * COP_WINOGRAD_B)

/* Row p of G is (1, p, p^2) / N, N the product of the distances to the other points. */
static const double g_2[4][3] = {
    {1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}};

static void fill_g_4(double g[6][3])
{
    static const double points[5] = {
        0.0, COP_WINOGRAD_A, -COP_WINOGRAD_A, COP_WINOGRAD_B, -COP_WINOGRAD_B};
    for (int i = 0; i < 5; i++) {
        double n = 1.0;
        for (int j = 0; j < 5; j++)
            if (j != i) n *= points[i] - points[j];
        for (int j = 0; j < 3; j++)
            g[i][j] = (j == 0 ? 1.0 : j == 1 ? points[i] : points[i] * points[i]) / n;
    }
    g[5][0] = g[5][1] = 0.0;
    g[5][2] = 1.0;
}

struct packing {
    const struct cop_winograd *w;
    const char *weights;
    const double *scale;
    float *packed;
    double g[COP_WINOGRAD_MAX_ALPHA][3];
};

/* The 9 numbers of some output channels for one input channel, side by side. */
static void gather(
    const struct packing *p, int64_t oc, int64_t n, int64_t ic, double *lines)
{
    for (int64_t o = 0; o < n; o++) {
        float nine[9];
        const double scale = p->scale != NULL ? p->scale[oc + o] : 1.0;
        memcpy(
            nine,
            p->weights + ((oc + o) * p->w->desc.ic + ic) * (int64_t)sizeof nine,
            sizeof nine);
        for (int i = 0; i < 9; i++)
            lines[i * MAX_PANEL_CHANNELS + o] = (double)nine[i] * scale;
    }
}

/* to[row][i] = sum over 3 of g[row][j] from[j][i], n channels side by side. */
static void multiply_g(
    const double *g, const double *from, int64_t step, int64_t n, double *to)
{
    for (int64_t o = 0; o < n; o++)
        to[o] = g[0] * from[o] + g[1] * from[step + o] + g[2] * from[2 * step + o];
}

static enum cop_status pack_panel(void *context, int64_t panel, struct cop_err *err)
{
    (void)err;
    const struct packing *p = context;
    const int64_t alpha = p->w->alpha;
    const int64_t width = COP_WINOGRAD_PANEL * p->w->kernels->block;
    const int64_t n = min_of(p->w->desc.oc - panel * width, width);
    const int64_t ic = p->w->desc.ic;
    enum { STEP = MAX_PANEL_CHANNELS };
    double lines[9 * STEP] = {0.0};
    double half[3 * COP_WINOGRAD_MAX_ALPHA * STEP]; /* g G^T: [3][alpha][channel] */
    double whole[STEP];
    for (int64_t k = 0; k < ic; k++) {
        gather(p, panel * width, n, k, lines);
        for (int64_t i = 0; i < 3; i++)
            for (int64_t j = 0; j < alpha; j++)
                multiply_g(
                    p->g[j],
                    lines + i * 3 * STEP,
                    STEP,
                    width,
                    half + (i * alpha + j) * STEP);
        for (int64_t i = 0; i < alpha; i++) {
            for (int64_t j = 0; j < alpha; j++) {
                float *to = p->packed +
                            ((panel * alpha * alpha + i * alpha + j) * ic + k) * width;
                multiply_g(p->g[i], half + j * STEP, alpha * STEP, width, whole);
                for (int64_t o = 0; o < width; o++)
                    to[o] = (float)whole[o];
            }
        }
    }
    return COP_OK;
}

enum cop_status cop_winograd_pack(
    const struct cop_winograd *winograd,
    const void *weights,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    struct packing p = {
        .w = winograd, .weights = weights, .scale = scale, .packed = packed};
    if (winograd->desc.m == 4)
        fill_g_4(p.g);
    else
        memcpy(p.g, g_2, sizeof g_2);
    return cop_par_for(
        ceil_div(winograd->oc_blocks, COP_WINOGRAD_PANEL), pack_panel, &p, err);
}

/* ---- running ----------------------------------------------------------------------------- */

struct job {
    const struct cop_winograd *w;
    const struct cop_winograd_args *args;
    int64_t first; /* tiles [first, first + n), when all threads share them */
    int64_t n;
};

static float *shared_v(const struct job *job)
{
    return job->args->workspace;
}

/* Tiles [begin, end) of the block that starts at tile first -> V. */
static void transform_input(
    const struct job *job, int64_t first, int64_t begin, int64_t end, float *v)
{
    const struct cop_winograd *w = job->w;
    const struct cop_winograd__input input = {
        .src = job->args->src,
        .strides = w->desc.src,
        .tiles = {first, begin, end, w->tiles_w, w->tiles_h},
        .c = w->desc.ic,
        .h = w->desc.ih,
        .w = w->desc.iw,
        .pad_h = w->desc.pads_l[0],
        .pad_w = w->desc.pads_l[1],
        .cb_begin = 0,
        .cb_end = w->ic_blocks,
        .v = v,
        .v_frequency = w->v_frequency,
        .v_block = w->tile_block * w->kernels->block,
    };
    if (w->desc.m == 2)
        w->kernels->input_2(&input);
    else
        w->kernels->input_4(&input);
}

/* V of n tiles -> output channel blocks [begin, end) of dst, a few blocks at a time. */
static void multiply_and_finish(
    const struct job *job,
    int64_t first,
    int64_t n,
    int64_t begin,
    int64_t end,
    const float *v,
    float *m)
{
    const struct cop_winograd *w = job->w;
    const int64_t line = COP_WINOGRAD_PANEL * w->kernels->block;
    struct cop_winograd__product product = {
        .v = v,
        .v_frequency = w->v_frequency,
        .v_block = w->tile_block * w->kernels->block,
        .u_frequency = w->desc.ic * line,
        .u_panel = w->alpha * w->alpha * w->desc.ic * line,
        .m = m,
        .m_frequency = w->m_frequency,
        .m_block = w->tile_block * w->kernels->block,
        .n_frequencies = w->alpha * w->alpha,
        .n_tiles = n,
        .ic = w->desc.ic,
    };
    struct cop_winograd__output output = {
        .m = m,
        .m_frequency = w->m_frequency,
        .m_block = product.m_block,
        .tiles = {first, 0, n, w->tiles_w, w->tiles_h},
        .strides = w->desc.dst,
        .c = w->desc.oc,
        .h = w->oh,
        .w = w->ow,
        .pads_channels = w->desc.pads_channels,
        .bias = job->args->bias,
        .add = job->args->add,
        .dst = job->args->dst,
        .activation = w->desc.activation,
    };
    for (int64_t cb = begin; cb < end; cb += w->panel_block) {
        output.cb_begin = cb;
        output.cb_end = min_of(end, cb + w->panel_block);
        product.n_blocks = output.cb_end - cb;
        product.u = job->args->packed + cb / COP_WINOGRAD_PANEL * product.u_panel;
        w->kernels->product(&product);
        if (w->desc.m == 2)
            w->kernels->output_2(&output);
        else
            w->kernels->output_4(&output);
    }
}

/* Share i of the tiles, through all stages. */
static enum cop_status run_tiles(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const struct cop_winograd *w = job->w;
    char *own = (char *)job->args->workspace + (size_t)i * (w->v_bytes + w->m_bytes);
    float *v = (void *)own;
    float *m = (void *)(own + w->v_bytes);
    const int64_t end = w->n_tiles * (i + 1) / w->desc.threads;
    for (int64_t t = w->n_tiles * i / w->desc.threads; t < end; t += w->tile_block) {
        const int64_t n = min_of(w->tile_block, end - t);
        transform_input(job, t, 0, n, v);
        multiply_and_finish(job, t, n, 0, w->oc_blocks, v, m);
    }
    return COP_OK;
}

static enum cop_status run_shared_input(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const int64_t threads = job->w->desc.threads;
    transform_input(
        job,
        job->first,
        job->n * i / threads,
        job->n * (i + 1) / threads,
        shared_v(job));
    return COP_OK;
}

/* Share i of the output channels, in whole panels. */
static enum cop_status run_shared_output(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const struct cop_winograd *w = job->w;
    const int64_t threads = w->desc.threads;
    const int64_t panels = ceil_div(w->oc_blocks, COP_WINOGRAD_PANEL);
    float *m =
        (void *)((char *)job->args->workspace + w->v_bytes + (size_t)i * w->m_bytes);
    multiply_and_finish(
        job,
        job->first,
        job->n,
        panels * i / threads * COP_WINOGRAD_PANEL,
        min_of(panels * (i + 1) / threads * COP_WINOGRAD_PANEL, w->oc_blocks),
        shared_v(job),
        m);
    return COP_OK;
}

enum cop_status cop_winograd_run(
    const struct cop_winograd *winograd,
    const struct cop_winograd_args *args,
    struct cop_err *err)
{
    struct job job = {.w = winograd, .args = args};
    const int64_t threads = winograd->desc.threads;
    if (!winograd->splits_channels) return cop_par_for(threads, run_tiles, &job, err);
    for (int64_t t = 0; t < winograd->n_tiles; t += winograd->tile_block) {
        job.first = t;
        job.n = min_of(winograd->tile_block, winograd->n_tiles - t);
        COP_TRY(cop_par_for(threads, run_shared_input, &job, err));
        COP_TRY(cop_par_for(threads, run_shared_output, &job, err));
    }
    return COP_OK;
}
