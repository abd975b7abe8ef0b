/* bench/time_winograd.c - 3x3 convolutions of stride 1: oneDNN's direct and Winograd kernels
 * against engine/winograd.h, timed in turn in one process.
 *
 *   time_winograd [-b BATCH] [-t THREADS] [-r ROUNDS] [-l nhwc|blocked] [IC-OC@SIZE[pPAD] ...]
 *
 * Per shape: the median of the rounds in milliseconds, how many times faster than direct,
 * and the largest difference from direct over the largest result. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/stats.h"
#include "engine/winograd.h"

#include <getopt.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    const char *net;
    int64_t ic;
    int64_t oc;
    int64_t size;
    int64_t pad;
};

static const struct shape shapes[] = {
    {"vgg16 1_2", 64, 64, 224, 1},   {"vgg16 2_1", 64, 128, 112, 1},
    {"vgg16 2_2", 128, 128, 112, 1}, {"vgg16 3_1", 128, 256, 56, 1},
    {"vgg16 3_2", 256, 256, 56, 1},  {"vgg16 4_1", 256, 512, 28, 1},
    {"vgg16 4_2", 512, 512, 28, 1},  {"vgg16 5", 512, 512, 14, 1},
    {"resnet 2", 64, 64, 56, 1},     {"resnet 3", 128, 128, 28, 1},
    {"resnet 4", 256, 256, 14, 1},   {"resnet 5", 512, 512, 7, 1},
    {"squeeze 2", 16, 64, 55, 1},    {"squeeze 4", 32, 128, 27, 1},
    {"squeeze 6", 48, 192, 13, 1},   {"squeeze 8", 64, 256, 13, 1},
    {"incept 2a", 32, 32, 149, 0},   {"incept 2b", 32, 64, 147, 1},
    {"incept 4", 80, 192, 73, 0},    {"incept 5", 64, 96, 35, 1},
    {"incept 5", 96, 96, 35, 1},     {"incept 7", 448, 384, 8, 1},
};

enum { MAX_ROUNDS = 200, N_KINDS = 4 };
static const char *const kinds[N_KINDS] = {"direct", "dnnl wino", "F(2)", "F(4)"};

struct settings {
    int64_t mb;
    int32_t threads;
    int64_t rounds;
    bool is_blocked;
    int64_t tile_block;
    int64_t panel_block;
    int32_t channel_groups;
};

/* One way to compute the layer: oneDNN's, when primitive is set, or ours. */
struct candidate {
    dnnl_primitive_t primitive;
    dnnl_primitive_desc_t pd;
    dnnl_exec_arg_t args[5];
    float *memory[5]; /* src, weights, bias, dst, scratch */
    struct cop_winograd *winograd;
    struct cop_winograd_args ours;
    double ms[MAX_ROUNDS];
};

struct layer {
    const struct settings *settings;
    struct shape shape;
    int64_t out;
    float *src; /* nchw */
    float *weights;
    float *bias;
    float *want; /* nchw, of the direct form */
    float *got;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct cop_arena *arena;
    struct candidate candidates[N_KINDS];
};

static void fail(const char *what)
{
    fprintf(stderr, "time_winograd: %s\n", what);
    exit(1);
}

static void need(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) fail(what);
}

static float *aligned(size_t bytes)
{
    float *memory = cop_mem_aligned(bytes > 0 ? bytes : 64);
    if (memory == NULL) fail("out of memory");
    return memory;
}

static float *random_floats(struct cop_rng *rng, int64_t n, double scale)
{
    float *floats = aligned((size_t)n * sizeof *floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)(scale * cop_rng_normal(rng));
    return floats;
}

/* ---- oneDNN ------------------------------------------------------------------------------ */

static void reorder(
    const struct layer *layer,
    const dnnl_memory_desc_t *from,
    float *src,
    const dnnl_memory_desc_t *to,
    float *dst)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[2] = {{.arg = DNNL_ARG_SRC}, {.arg = DNNL_ARG_DST}};
    need(
        dnnl_reorder_primitive_desc_create(
            &pd, from, layer->engine, to, layer->engine, NULL),
        "reorder");
    need(dnnl_primitive_create(&primitive, pd), "reorder");
    need(dnnl_memory_create(&args[0].memory, from, layer->engine, src), "reorder");
    need(dnnl_memory_create(&args[1].memory, to, layer->engine, dst), "reorder");
    need(dnnl_primitive_execute(primitive, layer->stream, 2, args), "reorder");
    need(dnnl_stream_wait(layer->stream), "reorder");
    for (int i = 0; i < 2; i++)
        need(dnnl_memory_destroy(args[i].memory), "reorder");
    need(dnnl_primitive_destroy(primitive), "reorder");
    need(dnnl_primitive_desc_destroy(pd), "reorder");
}

struct mds {
    dnnl_memory_desc_t src;
    dnnl_memory_desc_t weights;
    dnnl_memory_desc_t bias;
    dnnl_memory_desc_t dst;
};

static struct mds mds_of(const struct layer *layer, bool is_any)
{
    const struct shape *s = &layer->shape;
    struct mds mds;
    const dnnl_dims_t src = {layer->settings->mb, s->ic, s->size, s->size};
    const dnnl_dims_t weights = {s->oc, s->ic, 3, 3};
    const dnnl_dims_t bias = {s->oc};
    const dnnl_dims_t dst = {layer->settings->mb, s->oc, layer->out, layer->out};
    const dnnl_format_tag_t tag = is_any ? dnnl_format_tag_any : dnnl_abcd;
    need(dnnl_memory_desc_init_by_tag(&mds.src, 4, src, dnnl_f32, tag), "md");
    need(dnnl_memory_desc_init_by_tag(&mds.weights, 4, weights, dnnl_f32, tag), "md");
    need(dnnl_memory_desc_init_by_tag(&mds.bias, 1, bias, dnnl_f32, dnnl_a), "md");
    need(dnnl_memory_desc_init_by_tag(&mds.dst, 4, dst, dnnl_f32, tag), "md");
    return mds;
}

/* False when oneDNN has no such kernel. */
static bool make_dnnl(struct layer *layer, dnnl_alg_kind_t alg, struct candidate *c)
{
    struct mds plain = mds_of(layer, false);
    struct mds any = mds_of(layer, true);
    const dnnl_dims_t strides = {1, 1};
    const dnnl_dims_t pads = {layer->shape.pad, layer->shape.pad};
    dnnl_convolution_desc_t desc;
    dnnl_primitive_attr_t attr;
    need(
        dnnl_convolution_forward_desc_init(
            &desc,
            dnnl_forward_inference,
            alg,
            &any.src,
            &any.weights,
            &any.bias,
            &any.dst,
            strides,
            pads,
            pads),
        "convolution");
    need(dnnl_primitive_attr_create(&attr), "attributes");
    need(
        dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user),
        "attributes");
    dnnl_status_t status =
        dnnl_primitive_desc_create(&c->pd, &desc, attr, layer->engine, NULL);
    need(dnnl_primitive_attr_destroy(attr), "attributes");
    if (status != dnnl_success) return false;
    need(dnnl_primitive_create(&c->primitive, c->pd), "convolution");
    const dnnl_memory_desc_t *const mds[5] = {
        dnnl_primitive_desc_query_md(c->pd, dnnl_query_src_md, 0),
        dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 0),
        &plain.bias,
        dnnl_primitive_desc_query_md(c->pd, dnnl_query_dst_md, 0),
        dnnl_primitive_desc_query_md(c->pd, dnnl_query_scratchpad_md, 0)};
    static const int names[5] = {
        DNNL_ARG_SRC,
        DNNL_ARG_WEIGHTS,
        DNNL_ARG_BIAS,
        DNNL_ARG_DST,
        DNNL_ARG_SCRATCHPAD};
    for (int i = 0; i < 5; i++) {
        c->memory[i] = aligned(dnnl_memory_desc_get_size(mds[i]));
        c->args[i].arg = names[i];
        need(
            dnnl_memory_create(&c->args[i].memory, mds[i], layer->engine, c->memory[i]),
            "memory");
    }
    reorder(layer, &plain.src, layer->src, mds[0], c->memory[0]);
    reorder(layer, &plain.weights, layer->weights, mds[1], c->memory[1]);
    memcpy(c->memory[2], layer->bias, (size_t)layer->shape.oc * sizeof(float));
    return true;
}

/* ---- ours -------------------------------------------------------------------------------- */

/* Moves between nchw and the strides of ours. */
static void move(
    const struct cop_winograd_strides *s,
    int64_t block,
    const int64_t dims[4],
    float *nchw,
    float *ours,
    bool is_back)
{
    int64_t i = 0;
    for (int64_t n = 0; n < dims[0]; n++)
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t y = 0; y < dims[2]; y++)
                for (int64_t x = 0; x < dims[3]; x++, i++) {
                    int64_t at = n * s->image + c / block * s->channel_block +
                                 c % block + y * s->row + x * s->pixel;
                    if (is_back)
                        nchw[i] = ours[at];
                    else
                        ours[at] = nchw[i];
                }
}

static void make_ours(struct layer *layer, int32_t m, struct candidate *c)
{
    struct cop_err err;
    const struct settings *settings = layer->settings;
    const struct shape *s = &layer->shape;
    const enum cop_winograd_isa isa =
        cop_winograd_has(COP_WINOGRAD_AVX512) ? COP_WINOGRAD_AVX512
        : cop_winograd_has(COP_WINOGRAD_AVX2) ? COP_WINOGRAD_AVX2
                                              : COP_WINOGRAD_GENERIC;
    struct cop_winograd_strides (*strides)(
        enum cop_winograd_isa, int64_t, int64_t, int64_t) =
        settings->is_blocked ? cop_winograd_blocked : cop_winograd_nhwc;
    const struct cop_winograd_desc desc = {
        .isa = isa,
        .m = m,
        .threads = settings->threads,
        .mb = settings->mb,
        .ic = s->ic,
        .oc = s->oc,
        .ih = s->size,
        .iw = s->size,
        .pads_l = {s->pad, s->pad},
        .pads_r = {s->pad, s->pad},
        .src = strides(isa, s->ic, s->size, s->size),
        .dst = strides(isa, s->oc, layer->out, layer->out),
        .pads_channels = settings->is_blocked,
        .tile_block = settings->tile_block,
        .panel_block = settings->panel_block,
        .channel_groups = settings->channel_groups,
    };
    if (cop_winograd_create(layer->arena, &desc, &c->winograd, &err) != COP_OK)
        fail(err.text);
    const int64_t dims[4] = {settings->mb, s->ic, s->size, s->size};
    c->memory[0] = aligned((size_t)(settings->mb * desc.src.image) * sizeof(float));
    c->memory[1] = aligned(cop_winograd_weights_bytes(c->winograd));
    c->memory[3] = aligned((size_t)(settings->mb * desc.dst.image) * sizeof(float));
    c->memory[4] = aligned(cop_winograd_workspace_bytes(c->winograd));
    move(&desc.src, cop_winograd_block(isa), dims, layer->src, c->memory[0], false);
    if (cop_winograd_pack(c->winograd, layer->weights, NULL, c->memory[1], &err) !=
        COP_OK)
        fail(err.text);
    c->ours = (struct cop_winograd_args){
        .src = c->memory[0],
        .packed = c->memory[1],
        .bias = layer->bias,
        .dst = c->memory[3],
        .workspace = c->memory[4],
    };
}

/* ---- both -------------------------------------------------------------------------------- */

static void run(struct layer *layer, struct candidate *c)
{
    struct cop_err err;
    if (c->primitive != NULL) {
        need(dnnl_primitive_execute(c->primitive, layer->stream, 5, c->args), "run");
        need(dnnl_stream_wait(layer->stream), "run");
    } else if (cop_winograd_run(c->winograd, &c->ours, &err) != COP_OK) {
        fail(err.text);
    }
}

static void fetch(struct layer *layer, struct candidate *c, float *nchw)
{
    if (c->primitive != NULL) {
        struct mds plain = mds_of(layer, false);
        reorder(
            layer,
            dnnl_primitive_desc_query_md(c->pd, dnnl_query_dst_md, 0),
            c->memory[3],
            &plain.dst,
            nchw);
        return;
    }
    const enum cop_winograd_isa isa =
        cop_winograd_has(COP_WINOGRAD_AVX512) ? COP_WINOGRAD_AVX512 : COP_WINOGRAD_AVX2;
    const int64_t dims[4] = {
        layer->settings->mb, layer->shape.oc, layer->out, layer->out};
    const struct cop_winograd_strides strides =
        layer->settings->is_blocked
            ? cop_winograd_blocked(isa, layer->shape.oc, layer->out, layer->out)
            : cop_winograd_nhwc(isa, layer->shape.oc, layer->out, layer->out);
    move(&strides, cop_winograd_block(isa), dims, nchw, c->memory[3], true);
}

static double difference(const float *want, const float *got, int64_t n)
{
    double largest = 0.0;
    double worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)want[i] - (double)got[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)want[i]) > largest) largest = fabs((double)want[i]);
    }
    return worst / largest;
}

static void free_candidate(struct candidate *c)
{
    if (c->primitive != NULL) {
        for (int i = 0; i < 5; i++)
            need(dnnl_memory_destroy(c->args[i].memory), "memory");
        need(dnnl_primitive_destroy(c->primitive), "convolution");
        need(dnnl_primitive_desc_destroy(c->pd), "convolution");
    }
    for (int i = 0; i < 5; i++)
        cop_mem_free(c->memory[i]);
}

static void report(struct layer *layer, const bool is_there[N_KINDS])
{
    const struct shape *s = &layer->shape;
    const int64_t n = layer->settings->mb * s->oc * layer->out * layer->out;
    const double gflop = 18e-9 * (double)(n * s->ic);
    double direct = 0.0;
    printf(
        "%-10s %4lld-%-4lld @%-4lld mb%-3lld",
        s->net,
        (long long)s->ic,
        (long long)s->oc,
        (long long)s->size,
        (long long)layer->settings->mb);
    for (int k = 0; k < N_KINDS; k++) {
        struct candidate *c = &layer->candidates[k];
        if (!is_there[k]) {
            printf(" | %-9s none", kinds[k]);
            continue;
        }
        const double ms = cop_stats_quantile(c->ms, layer->settings->rounds, 0.5);
        fetch(layer, c, k == 0 ? layer->want : layer->got);
        if (k == 0) {
            direct = ms;
            printf(" | direct %8.3f ms %4.0f GF/s", ms, gflop / ms * 1e3);
        } else {
            printf(
                " | %s %8.3f x%4.2f %.0e",
                kinds[k],
                ms,
                direct / ms,
                difference(layer->want, layer->got, n));
        }
    }
    printf("\n");
    fflush(stdout);
}

static void measure(const struct settings *settings, const struct shape *shape)
{
    struct cop_rng rng;
    struct layer layer = {
        .settings = settings,
        .shape = *shape,
        .out = shape->size + 2 * shape->pad - 2,
        .arena = cop_arena_create()};
    const int64_t n = settings->mb * shape->oc * layer.out * layer.out;
    bool is_there[N_KINDS] = {true, true, true, true};
    if (layer.arena == NULL) fail("out of memory");
    cop_rng_init(&rng, 7);
    layer.src =
        random_floats(&rng, settings->mb * shape->ic * shape->size * shape->size, 1.0);
    layer.weights = random_floats(
        &rng, shape->oc * shape->ic * 9, sqrt(2.0 / (9.0 * (double)shape->ic)));
    layer.bias = random_floats(&rng, shape->oc, 0.1);
    layer.want = aligned((size_t)n * sizeof(float));
    layer.got = aligned((size_t)n * sizeof(float));
    need(dnnl_engine_create(&layer.engine, dnnl_cpu, 0), "engine");
    need(dnnl_stream_create(&layer.stream, layer.engine, 0), "stream");
    is_there[0] = make_dnnl(&layer, dnnl_convolution_direct, &layer.candidates[0]);
    is_there[1] = make_dnnl(&layer, dnnl_convolution_winograd, &layer.candidates[1]);
    make_ours(&layer, 2, &layer.candidates[2]);
    make_ours(&layer, 4, &layer.candidates[3]);
    for (int64_t round = -2; round < settings->rounds; round++) {
        for (int k = 0; k < N_KINDS; k++) {
            if (!is_there[k]) continue;
            const double start = cop_clock_ms();
            run(&layer, &layer.candidates[k]);
            if (round >= 0) layer.candidates[k].ms[round] = cop_clock_ms() - start;
        }
    }
    report(&layer, is_there);
    for (int k = 0; k < N_KINDS; k++)
        free_candidate(&layer.candidates[k]);
    need(dnnl_stream_destroy(layer.stream), "stream");
    need(dnnl_engine_destroy(layer.engine), "engine");
    float *const arrays[] = {
        layer.src, layer.weights, layer.bias, layer.want, layer.got};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        cop_mem_free(arrays[i]);
    cop_arena_destroy(layer.arena);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .mb = 1, .threads = cop_par_max_threads(), .rounds = 15};
    int option;
    while ((option = getopt(argc, argv, "b:t:r:l:T:P:s:")) != -1) {
        const long number = option == 'l' ? 0 : strtol(optarg, NULL, 10);
        switch (option) {
        case 'b': settings.mb = number; break;
        case 't': settings.threads = (int32_t)number; break;
        case 'r': settings.rounds = number; break;
        case 'l': settings.is_blocked = strcmp(optarg, "blocked") == 0; break;
        case 'T': settings.tile_block = number; break;
        case 'P': settings.panel_block = number; break;
        case 's': settings.channel_groups = (int32_t)number; break;
        default: fail("see the head of bench/time_winograd.c for the options");
        }
    }
    if (settings.mb < 1 || settings.threads < 1 || settings.rounds < 1 ||
        settings.rounds > MAX_ROUNDS)
        fail("batch, threads and rounds (up to 200) start at 1");
    cop_par_set_threads(settings.threads);
    if (optind == argc) {
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            measure(&settings, &shapes[i]);
    }
    for (int i = optind; i < argc; i++) {
        struct shape shape = {.net = "", .pad = 1};
        long long ic, oc, size, pad = 1;
        if (sscanf(argv[i], "%lld-%lld@%lldp%lld", &ic, &oc, &size, &pad) < 3)
            fail("a shape looks like 64-128@56 or 32-32@149p0");
        shape.ic = ic;
        shape.oc = oc;
        shape.size = size;
        shape.pad = pad;
        measure(&settings, &shape);
    }
    return 0;
}
