/* engine/direct.c - sizes, packing and scheduling of direct convolution; the loops are in
 * direct_body.inc. */
#include "engine/direct.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/direct_kernels.h"

#include <stdbool.h>
#include <string.h>

enum {
    CACHE_LINE = 64,
    STEPS = 4, /* of a sum per fetch ahead */
    /* A panel's share of one product stays in the second-level cache between tiles. */
    MAX_PRODUCT = 4096,
    SRC_BLOCK_BYTES = 256 << 10,
    /* Results of one thread that are still in its second-level cache from the last time. */
    NEAR_DST_BYTES = 256 << 10,
    LEAD_BYTES = 4096,
    FEW_PIXELS = 128,
};

/* 2^40 elements are 4 TiB: no such tensor exists, and sums of products stay in range. */
#define MAX_ELEMENTS ((size_t)1 << 40)

struct cop_direct {
    struct cop_direct_desc desc;
    const struct cop_direct__kernels *kernels;
    int64_t oh;
    int64_t ow;
    /* Results as lines of pixels that have one distance each in src, dst and addend. */
    struct cop_direct_strides src;
    struct cop_direct_strides dst;
    struct cop_direct_strides add;
    int64_t line;
    int64_t lines_per_image;
    int64_t n_pixels;
    /* The sum over the kernel as outer x inner runs of numbers that lie side by side. */
    int64_t n_outer;
    int64_t n_inner;
    int64_t run;
    int64_t run_block; /* of a run, per product; less than a run only if ... */
    int64_t
        outer_block;   /* ... this, runs of outer per product, is 1 and n_inner, too */
    int64_t n_vectors; /* of output channels */
    int64_t n_panels;  /* ... in groups that are made at once */
    int64_t rows;      /* pixels made at once, at most */
    int64_t pixel_block;
    bool splits_channels;
    bool is_far; /* results do not stay in the second-level cache */
    size_t weights_bytes;
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

struct cop_direct_strides cop_direct_nhwc(int64_t c, int64_t h, int64_t w)
{
    return (struct cop_direct_strides){.image = h * w * c, .row = w * c, .pixel = c};
}

static const struct cop_direct__kernels *kernels_of(enum cop_simd simd)
{
    if (!cop_simd_has(simd)) return NULL;
    return simd == COP_SIMD_AVX512 ? cop_direct__avx512
           : simd == COP_SIMD_AVX2 ? cop_direct__avx2
                                   : cop_direct__generic;
}

static enum cop_status check(const struct cop_direct_desc *d, struct cop_err *err)
{
    const struct {
        const char *name;
        int64_t size;
    } sizes[] = {
        {"threads", d->threads},
        {"mb", d->mb},
        {"ic", d->ic},
        {"oc", d->oc},
        {"ih", d->ih},
        {"iw", d->iw},
        {"kernel h", d->kernel[0]},
        {"kernel w", d->kernel[1]},
        {"stride h", d->strides[0]},
        {"stride w", d->strides[1]},
        {"dilation h", d->dilations[0]},
        {"dilation w", d->dilations[1]},
    };
    if (kernels_of(d->simd) == NULL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "direct convolution: instruction set %d is not on this machine",
            (int)d->simd);
    if (d->vectors < 0 || d->vectors > COP_DIRECT_MAX_VECTORS)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "direct convolution: vectors are %d, not 0 to %d",
            d->vectors,
            COP_DIRECT_MAX_VECTORS);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i].size < 1 || sizes[i].size > INT32_MAX)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "direct convolution: %s is %lld, not 1 to %d",
                sizes[i].name,
                (long long)sizes[i].size,
                INT32_MAX);
    }
    return COP_OK;
}

/* Elements of a tensor; the limit keeps every product below in range. */
static enum cop_status check_elements(
    const char *what, const int64_t dims[4], struct cop_err *err)
{
    size_t n = 1;
    for (int i = 0; i < 4; i++) {
        if (cop_mul_overflow(n, (size_t)dims[i], &n) || n > MAX_ELEMENTS)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "direct convolution: %s of %lld x %lld x %lld x %lld is above %lld "
                "elements",
                what,
                (long long)dims[0],
                (long long)dims[1],
                (long long)dims[2],
                (long long)dims[3],
                (long long)MAX_ELEMENTS);
    }
    return COP_OK;
}

/* Strides between results.  Where there is one pixel per row, the next one is in the next
 * row, and where there is one row, in the next image. */
static struct cop_direct_strides steps_of(
    const struct cop_direct *w, const struct cop_direct_strides *s, const int64_t by[2])
{
    struct cop_direct_strides steps = {
        .image = s->image, .row = s->row * by[0], .pixel = s->pixel * by[1]};
    if (w->oh == 1) steps.row = steps.image;
    if (w->ow == 1) steps.pixel = steps.row;
    return steps;
}

/* Rows, then images, are one line where the pixels go on at the same distance. */
static void choose_lines(struct cop_direct *w)
{
    static const int64_t ones[2] = {1, 1};
    const struct cop_direct_desc *d = &w->desc;
    w->src = steps_of(w, &d->src, d->strides);
    w->dst = steps_of(w, &d->dst, ones);
    w->add = d->add.pixel == 0 ? w->dst : steps_of(w, &d->add, ones);
    const struct cop_direct_strides *const all[3] = {&w->src, &w->dst, &w->add};
    bool rows = true;
    bool images = true;
    for (int i = 0; i < 3; i++) {
        rows = rows && (w->oh == 1 || all[i]->row == all[i]->pixel * w->ow);
        images =
            images && (d->mb == 1 || all[i]->image == all[i]->pixel * w->ow * w->oh);
    }
    w->line = w->ow * (rows ? w->oh : 1) * (rows && images ? d->mb : 1);
    w->lines_per_image = rows ? 1 : w->oh;
    w->n_pixels = d->mb * w->oh * w->ow;
}

static void choose_runs(struct cop_direct *w)
{
    const struct cop_direct_desc *d = &w->desc;
    w->n_outer = d->kernel[0];
    w->n_inner = d->kernel[1];
    w->run = d->ic;
    if (d->dilations[1] == 1 && d->src.pixel == d->ic) {
        w->run *= w->n_inner;
        w->n_inner = 1;
    }
    w->outer_block = w->n_outer;
    w->run_block = w->run;
    if (w->n_outer * w->n_inner * w->run <= MAX_PRODUCT) return;
    w->outer_block = 1;
    if (w->n_inner == 1) w->run_block = ceil_div(w->run, ceil_div(w->run, MAX_PRODUCT));
}

/* Tiles of few pixels and many channels write long lines and read few sources at once;
 * tiles of many pixels and few channels go through the weights less often. */
static void choose_panels(struct cop_direct *w)
{
    const int64_t vectors = w->desc.vectors != 0       ? w->desc.vectors
                            : w->n_pixels < FEW_PIXELS ? 2
                                                       : COP_DIRECT_MAX_VECTORS;
    w->n_vectors = ceil_div(w->desc.oc, w->kernels->block);
    w->n_panels = ceil_div(w->n_vectors, vectors);
    w->rows = w->kernels->rows[ceil_div(w->n_vectors, w->n_panels) - 1];
}

/* Threads that share pixels read all weights each, those that share channels all sources. */
static void choose_split(struct cop_direct *w)
{
    const struct cop_direct_desc *d = &w->desc;
    const int64_t weights = d->oc * d->kernel[0] * d->kernel[1];
    const bool is_even = w->n_panels >= 8 * d->threads || w->n_panels % d->threads == 0;
    w->splits_channels =
        d->split == 2 ||
        (d->split == 0 && (w->n_pixels < (int64_t)2 * w->rows * d->threads ||
                           (is_even && weights > w->n_pixels)));
}

static void choose_blocks(struct cop_direct *w)
{
    const struct cop_direct_desc *d = &w->desc;
    const int64_t rows = w->rows;
    const int64_t own =
        w->splits_channels ? w->n_pixels : ceil_div(w->n_pixels, d->threads);
    const int64_t pixel_bytes =
        w->n_outer * w->n_inner * w->run * (int64_t)sizeof(float);
    int64_t block = d->pixel_block;
    if (block == 0) block = ceil_div(SRC_BLOCK_BYTES / pixel_bytes, rows) * rows;
    if (block < rows) block = rows;
    w->is_far =
        w->n_pixels * d->oc * (int64_t)sizeof(float) / d->threads > NEAR_DST_BYTES;
    /* Equal blocks: a short last one would be slow. */
    w->pixel_block = ceil_div(own, ceil_div(own, min_of(own, block)));
}

enum cop_status cop_direct_create(
    struct cop_arena *arena,
    const struct cop_direct_desc *desc,
    struct cop_direct **direct,
    struct cop_err *err)
{
    *direct = NULL;
    COP_TRY(check(desc, err));
    const int64_t oh = desc->ih - (desc->kernel[0] - 1) * desc->dilations[0] - 1;
    const int64_t ow = desc->iw - (desc->kernel[1] - 1) * desc->dilations[1] - 1;
    if (oh < 0 || ow < 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "direct convolution: a kernel of %lld x %lld does not fit on %lld x %lld",
            (long long)desc->kernel[0],
            (long long)desc->kernel[1],
            (long long)desc->ih,
            (long long)desc->iw);
    COP_TRY(check_elements(
        "src", (const int64_t[4]){desc->mb, desc->ic, desc->ih, desc->iw}, err));
    COP_TRY(check_elements(
        "dst", (const int64_t[4]){desc->mb, desc->oc, oh + 1, ow + 1}, err));
    COP_TRY(check_elements(
        "weights",
        (const int64_t[4]){desc->oc, desc->ic, desc->kernel[0], desc->kernel[1]},
        err));
    struct cop_direct *w = COP_ARENA_NEW(arena, struct cop_direct);
    if (w == NULL) return COP_FAIL_NOMEM(err);
    w->desc = *desc;
    w->kernels = kernels_of(desc->simd);
    w->oh = oh / desc->strides[0] + 1;
    w->ow = ow / desc->strides[1] + 1;
    choose_lines(w);
    choose_runs(w);
    choose_panels(w);
    choose_split(w);
    choose_blocks(w);
    w->weights_bytes = (size_t)(w->n_vectors * w->kernels->block * desc->ic) *
                       (size_t)(desc->kernel[0] * desc->kernel[1]) * sizeof(float);
    *direct = w;
    return COP_OK;
}

size_t cop_direct_weights_bytes(const struct cop_direct *direct)
{
    return direct->weights_bytes;
}

int64_t cop_direct_weights_form(const struct cop_direct *direct)
{
    return direct->n_panels;
}

/* ---- packing ----------------------------------------------------------------------------- */

/* The vectors are dealt out evenly: panels of 2 and 2 are faster than of 3 and 1. */
static int64_t first_vector(const struct cop_direct *w, int64_t panel)
{
    return w->n_vectors * panel / w->n_panels;
}

static int64_t vectors_of(const struct cop_direct *w, int64_t panel)
{
    return first_vector(w, panel + 1) - first_vector(w, panel);
}

static int64_t first_channel(const struct cop_direct *w, int64_t panel)
{
    return first_vector(w, panel) * w->kernels->block;
}

static int64_t sum_length(const struct cop_direct *w)
{
    return w->n_outer * w->n_inner * w->run;
}

int64_t cop_direct_panel_channel(const struct cop_direct *direct, int64_t panel)
{
    return first_channel(direct, panel);
}

/* [oc][ic][kh][kw] -> [panel][kh][kw][ic][vectors * block]. */
void cop_direct_pack_panel(
    const struct cop_direct *direct,
    int64_t panel,
    const void *weights,
    const double *scale,
    float *packed)
{
    const struct cop_direct_desc *d = &direct->desc;
    const int64_t taps = d->kernel[0] * d->kernel[1];
    const int64_t width = vectors_of(direct, panel) * direct->kernels->block;
    const int64_t first = first_channel(direct, panel);
    float *to = packed + first * sum_length(direct);
    for (int64_t o = 0; o < width; o++) {
        const bool is_there = first + o < d->oc;
        const double by = scale != NULL && is_there ? scale[first + o] : 1.0;
        const char *from =
            (const char *)weights + (first + o) * d->ic * taps * (int64_t)sizeof(float);
        for (int64_t c = 0; c < d->ic; c++) {
            for (int64_t t = 0; t < taps; t++) {
                float number = 0.0f;
                if (is_there) {
                    memcpy(&number, from, sizeof number);
                    from += sizeof number;
                }
                to[(t * d->ic + c) * width + o] = (float)((double)number * by);
            }
        }
    }
}

struct packing {
    const struct cop_direct *direct;
    const void *weights;
    const double *scale;
    float *packed;
};

static enum cop_status pack_panel(void *context, int64_t panel, struct cop_err *err)
{
    (void)err;
    const struct packing *p = context;
    cop_direct_pack_panel(p->direct, panel, p->weights, p->scale, p->packed);
    return COP_OK;
}

enum cop_status cop_direct_pack(
    const struct cop_direct *direct,
    const void *weights,
    const double *scale,
    float *packed,
    struct cop_err *err)
{
    struct packing p = {
        .direct = direct, .weights = weights, .scale = scale, .packed = packed};
    return cop_par_for(direct->n_panels, pack_panel, &p, err);
}

/* ---- running ----------------------------------------------------------------------------- */

struct job {
    const struct cop_direct *w;
    const struct cop_direct_args *args;
};

/* Pixels [begin, end), panels [first, last). */
struct share {
    int64_t begin;
    int64_t end;
    int64_t first;
    int64_t last;
};

/* Where pixel x of line y of image n lies. */
static int64_t offset_of(
    const struct cop_direct_strides *strides, int64_t n, int64_t y, int64_t x)
{
    return n * strides->image + y * strides->row + x * strides->pixel;
}

/* What one panel is, and the weights that its tiles fetch meanwhile: those of the next one.
 * Nobody fetched the first panel, so its first tile does, a little ahead of itself. */
struct panel {
    int64_t first; /* channel */
    int64_t vectors;
    bool is_cold;
    const char *ahead;
    const char *ahead_end;
    int64_t ahead_bytes; /* per STEPS */
};

static void fetch_ahead(
    const struct cop_direct *w, struct panel *panel, struct cop_direct__turn *turn)
{
    if (panel->is_cold) {
        turn->ahead = (const char *)turn->weights + LEAD_BYTES;
        turn->ahead_bytes =
            STEPS * panel->vectors * w->kernels->block * (int64_t)sizeof(float);
        panel->is_cold = false;
        return;
    }
    turn->ahead = panel->ahead;
    turn->ahead_bytes = panel->ahead < panel->ahead_end ? panel->ahead_bytes : 0;
    panel->ahead +=
        turn->ahead_bytes * turn->n_outer * turn->n_inner * (turn->n / STEPS);
}

/* Pixels next to each other for one panel and one range of the sum, dealt out evenly: two
 * tiles of 8 are faster than one of 14 and one of 2. */
static void run_pixels_of_line(
    const struct cop_direct *w,
    int64_t n_pixels,
    struct panel *panel,
    struct cop_direct__turn *turn)
{
    const int64_t n_turns = ceil_div(n_pixels, w->rows);
    const int64_t least = n_pixels / n_turns;
    const int64_t n_more = n_pixels % n_turns;
    for (int64_t i = 0; i < n_turns; i++) {
        const int64_t rows = least + (i < n_more);
        fetch_ahead(w, panel, turn);
        w->kernels->turns[panel->vectors - 1][rows - 1](turn);
        turn->src += rows * turn->src_pixel;
        turn->dst += rows * turn->dst_pixel;
        if (turn->add != NULL) turn->add += rows * turn->add_pixel;
    }
}

/* One panel of the pixels of a share, for one range of the sum. */
static void run_panel(
    const struct job *job,
    const struct share *share,
    struct panel *panel,
    struct cop_direct__turn *turn)
{
    const struct cop_direct *w = job->w;
    const float *src = turn->src;
    int64_t x = share->begin % w->line;
    int64_t y = share->begin / w->line % w->lines_per_image;
    int64_t n = share->begin / w->line / w->lines_per_image;
    for (int64_t left = share->end - share->begin; left > 0;) {
        const int64_t n_pixels = min_of(w->line - x, left);
        turn->src = src + offset_of(&w->src, n, y, x);
        turn->dst = job->args->dst + offset_of(&w->dst, n, y, x) + panel->first;
        if (job->args->add != NULL)
            turn->add = job->args->add + offset_of(&w->add, n, y, x) + panel->first;
        run_pixels_of_line(w, n_pixels, panel, turn);
        left -= n_pixels;
        x = 0;
        if (++y == w->lines_per_image) {
            y = 0;
            n++;
        }
    }
    turn->src = src;
}

/* All panels of the share, for the range of the sum that turn holds. */
static void run_range(
    const struct job *job,
    const struct share *share,
    int64_t from,
    struct cop_direct__turn *turn)
{
    const struct cop_direct *w = job->w;
    const int64_t sum = sum_length(w);
    const int64_t range = turn->n_outer * turn->n_inner * turn->n;
    const int64_t tiles = ceil_div(share->end - share->begin, w->rows);
    for (int64_t i = share->first; i < share->last; i++) {
        struct panel panel = {
            .first = first_channel(w, i), .vectors = vectors_of(w, i)};
        const int64_t width = panel.vectors * w->kernels->block;
        const int64_t steps_bytes = STEPS * width * (int64_t)sizeof(float);
        turn->channels = min_of(w->desc.oc - panel.first, width);
        turn->weights = job->args->packed + panel.first * sum + from * width;
        if (job->args->bias != NULL) turn->bias = job->args->bias + panel.first;
        if (i + 1 < share->last) {
            panel.ahead = (const char *)(turn->weights + width * sum);
            panel.ahead_end = panel.ahead + range * width * (int64_t)sizeof(float);
            panel.ahead_bytes = ceil_div(steps_bytes, tiles * CACHE_LINE) * CACHE_LINE;
        }
        run_panel(job, share, &panel, turn);
    }
}

/* A block of pixels through all ranges of the sum, partial sums in dst. */
static void run_pixels(const struct job *job, const struct share *share)
{
    const struct cop_direct *w = job->w;
    const struct cop_direct_desc *d = &w->desc;
    struct cop_direct__turn turn = {
        .src_pixel = w->src.pixel,
        .src_outer = d->src.row * d->dilations[0],
        .src_inner = d->src.pixel * d->dilations[1],
        .n_inner = w->n_inner,
        .dst_pixel = w->dst.pixel,
        .add_pixel = w->add.pixel,
        .activation = d->activation,
        .is_far = w->is_far,
    };
    for (int64_t o = 0; o < w->n_outer; o += w->outer_block) {
        turn.n_outer = min_of(w->outer_block, w->n_outer - o);
        for (int64_t k = 0; k < w->run; k += w->run_block) {
            turn.n = min_of(w->run_block, w->run - k);
            turn.src = job->args->src + o * turn.src_outer + k;
            turn.is_first = o == 0 && k == 0;
            turn.is_last = o + turn.n_outer == w->n_outer && k + turn.n == w->run;
            run_range(job, share, o * w->n_inner * w->run + k, &turn);
        }
    }
}

static enum cop_status run_share(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct job *job = context;
    const struct cop_direct *w = job->w;
    const int64_t threads = w->desc.threads;
    struct share all = {0, w->n_pixels, 0, w->n_panels};
    if (w->splits_channels) {
        all.first = w->n_panels * i / threads;
        all.last = w->n_panels * (i + 1) / threads;
    } else {
        all.begin = w->n_pixels * i / threads;
        all.end = w->n_pixels * (i + 1) / threads;
    }
    for (int64_t p = all.begin; p < all.end; p += w->pixel_block) {
        struct share block = all;
        block.begin = p;
        block.end = min_of(all.end, p + w->pixel_block);
        run_pixels(job, &block);
    }
    return COP_OK;
}

enum cop_status cop_direct_run(
    const struct cop_direct *direct,
    const struct cop_direct_args *args,
    struct cop_err *err)
{
    struct job job = {.w = direct, .args = args};
    return cop_par_for(direct->desc.threads, run_share, &job, err);
}
