/* engine/winograd.c - sizes, packing and scheduling of Winograd convolution; the loops are
 * in winograd_body.inc, the mathematics in winograd.h. */
#include "engine/winograd.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/winograd_kernels.h"

#include <string.h>

enum {
    LINE = 16,            /* floats per cache line */
    NEAR_BYTES = 1 << 20, /* weights of so many bytes stay in a core's cache */
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
    int64_t tile_groups; /* shares of work are tile_groups x channel_groups */
    int64_t channel_groups;
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
    if (d->channel_groups < 0 || (d->threads >= 1 && d->channel_groups > 0 &&
                                  d->threads % d->channel_groups != 0))
        return COP_FAIL(
            err,
            COP_EINVAL,
            "winograd: %d channel groups do not divide %d threads",
            d->channel_groups,
            d->threads);
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

/* Output channel blocks of the widest share, in whole panels. */
static int64_t widest(const struct cop_winograd *w, int64_t channel_groups)
{
    const int64_t panels = ceil_div(w->oc_blocks, COP_WINOGRAD_PANEL);
    return ceil_div(panels, channel_groups) * COP_WINOGRAD_PANEL;
}

/* What the largest share of such a split costs, in 1 / alpha^2 of a cycle: products take
 * half a cycle per vector, the sources of a tile about 8 per vector, and so does each
 * vector of U that comes from afar, once per block of tiles. */
static double cost(const struct cop_winograd *w, int64_t channel_groups, int64_t tiles)
{
    const int64_t own = ceil_div(w->n_tiles, w->desc.threads / channel_groups);
    const double vectors = (double)w->desc.ic * (double)widest(w, channel_groups);
    return 8.0 * (double)own * (double)w->ic_blocks + 0.5 * (double)own * vectors +
           8.0 * (double)ceil_div(own, tiles) * vectors;
}

/* Threads divide the tiles among them, the output channels, or both: channels when there
 * are few tiles, for the weights of deep layers are slow to come.  Each has a V of its own;
 * sharing it between cores costs more than making it twice. */
static void choose_groups(struct cop_winograd *w, int64_t tiles)
{
    const int64_t threads = w->desc.threads;
    w->channel_groups = w->desc.channel_groups;
    for (int64_t g = 1; w->desc.channel_groups == 0 && g <= threads; g++) {
        if (threads % g == 0 && (w->channel_groups == 0 ||
                                 cost(w, g, tiles) < cost(w, w->channel_groups, tiles)))
            w->channel_groups = g;
    }
    w->tile_groups = threads / w->channel_groups;
}

/* Weights that stay near ask for little more than one turn of tiles, so that V and M stay
 * near, too.  Else a block of T tiles and P channels reads 4 / T bytes of U and 4 / P bytes
 * of V per multiplication from afar while M stays near, so T and P are chosen alike. */
static void choose_blocks(struct cop_winograd *w)
{
    const struct cop_winograd_desc *d = &w->desc;
    const int64_t turns = w->weights_bytes <= NEAR_BYTES ? 2 : 6;
    const int64_t tiles = d->tile_block > 0 ? d->tile_block : turns * w->kernels->rows;
    const int64_t channels =
        d->panel_block > 0 ? d->panel_block : 128 / w->kernels->block;
    choose_groups(w, tiles);
    /* Equal blocks: a short last one would be slow. */
    const int64_t own = ceil_div(w->n_tiles, w->tile_groups);
    w->tile_block = ceil_div(own, ceil_div(own, tiles));
    w->panel_block = min_of(
        widest(w, w->channel_groups),
        ceil_div(channels, COP_WINOGRAD_PANEL) * COP_WINOGRAD_PANEL);
}

/* Matrices of different frequencies are an odd number of cache lines apart: the transforms
 * touch all of them at once, and at a power of two they would share a cache set. */
static int64_t spaced(int64_t floats)
{
    return (ceil_div(floats, LINE) | 1) * LINE;
}

static enum cop_status count_weights(struct cop_winograd *w, struct cop_err *err)
{
    const size_t frequencies = (size_t)(w->alpha * w->alpha);
    const size_t channels = (size_t)widest(w, 1) * (size_t)w->kernels->block;
    if (cop_mul_overflow(frequencies * sizeof(float), channels, &w->weights_bytes) ||
        cop_mul_overflow(w->weights_bytes, (size_t)w->desc.ic, &w->weights_bytes))
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

/* The limit on elements keeps V and M in range, not what many threads have together. */
static enum cop_status count_workspace(struct cop_winograd *w, struct cop_err *err)
{
    const size_t frequencies = (size_t)(w->alpha * w->alpha);
    const int64_t line = w->tile_block * w->kernels->block;
    w->v_frequency = spaced(w->ic_blocks * line);
    w->m_frequency = spaced(w->panel_block * line);
    w->v_bytes = frequencies * (size_t)w->v_frequency * sizeof(float);
    w->m_bytes = frequencies * (size_t)w->m_frequency * sizeof(float);
    if (cop_mul_overflow(
            w->v_bytes + w->m_bytes, (size_t)w->desc.threads, &w->workspace_bytes))
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
    COP_TRY(count_weights(w, err));
    choose_blocks(w);
    COP_TRY(count_workspace(w, err));
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
};

/* Tiles [first, first + n) -> V. */
static void transform_input(const struct job *job, int64_t first, int64_t n, float *v)
{
    const struct cop_winograd *w = job->w;
    const struct cop_winograd__input input = {
        .src = job->args->src,
        .strides = w->desc.src,
        .tiles = {first, n, w->tiles_w, w->tiles_h},
        .c = w->desc.ic,
        .h = w->desc.ih,
        .w = w->desc.iw,
        .pad_h = w->desc.pads_l[0],
        .pad_w = w->desc.pads_l[1],
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
    const struct job *job, int64_t first, int64_t n, const int64_t blocks[2], float *v)
{
    const struct cop_winograd *w = job->w;
    const int64_t line = COP_WINOGRAD_PANEL * w->kernels->block;
    float *m = (void *)((char *)v + w->v_bytes);
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
        .tiles = {first, n, w->tiles_w, w->tiles_h},
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
    for (int64_t cb = blocks[0]; cb < blocks[1]; cb += w->panel_block) {
        output.cb_begin = cb;
        output.cb_end = min_of(blocks[1], cb + w->panel_block);
        product.n_blocks = output.cb_end - cb;
        product.u = job->args->packed + cb / COP_WINOGRAD_PANEL * product.u_panel;
        w->kernels->product(&product);
        if (w->desc.m == 2)
            w->kernels->output_2(&output);
        else
            w->kernels->output_4(&output);
    }
}

/* Share i: some tiles times some output channels, through all stages. */
static enum cop_status run_share(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const struct cop_winograd *w = job->w;
    const int64_t tg = i / w->channel_groups;
    const int64_t cg = i % w->channel_groups;
    const int64_t panels = ceil_div(w->oc_blocks, COP_WINOGRAD_PANEL);
    const int64_t end = w->n_tiles * (tg + 1) / w->tile_groups;
    const int64_t blocks[2] = {
        panels * cg / w->channel_groups * COP_WINOGRAD_PANEL,
        min_of(
            panels * (cg + 1) / w->channel_groups * COP_WINOGRAD_PANEL, w->oc_blocks)};
    float *v =
        (void *)((char *)job->args->workspace + (size_t)i * (w->v_bytes + w->m_bytes));
    if (blocks[0] >= blocks[1]) return COP_OK;
    for (int64_t t = w->n_tiles * tg / w->tile_groups; t < end; t += w->tile_block) {
        const int64_t n = min_of(w->tile_block, end - t);
        transform_input(job, t, n, v);
        multiply_and_finish(job, t, n, blocks, v);
    }
    return COP_OK;
}

enum cop_status cop_winograd_run(
    const struct cop_winograd *winograd,
    const struct cop_winograd_args *args,
    struct cop_err *err)
{
    struct job job = {.w = winograd, .args = args};
    return cop_par_for(winograd->desc.threads, run_share, &job, err);
}
