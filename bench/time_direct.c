/* bench/time_direct.c - convolutions of well-known networks: the kernel that oneDNN chooses
 * against engine/direct.h and engine/depthwise.h, timed in turn in one process.
 *
 *   time_direct [-b BATCH] [-t THREADS] [-r ROUNDS] [-w MIB] [-p PIXELS] [-s SPLIT] [-v VECTORS] [NET | SHAPE ...]
 *
 * A shape is IC-OC@SIZE, then kKERNEL and sSTRIDE, or C-0@SIZE... where each channel is
 * convolved by itself.  Both go through so
 * many copies of the weights that these fill -w MiB, as the layers of a network do; 0 means
 * one copy.  Per shape: the median of the rounds in milliseconds, GFLOP/s, oneDNN's time
 * over ours, and the largest difference over the largest result. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/stats.h"
#include "engine/depthwise.h"
#include "engine/direct.h"
#include "engine/dnnl_shim.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    const char *net;
    int64_t ic;
    int64_t oc; /* 0: depthwise */
    int64_t size;
    int64_t kernel;
    int64_t stride;
};

static const struct shape shapes[] = {
    {"resnet50", 64, 64, 56, 1, 1},         {"resnet50", 64, 256, 56, 1, 1},
    {"resnet50", 256, 64, 56, 1, 1},        {"resnet50", 256, 128, 56, 1, 1},
    {"resnet50", 256, 512, 56, 1, 2},       {"resnet50", 128, 512, 28, 1, 1},
    {"resnet50", 512, 128, 28, 1, 1},       {"resnet50", 512, 256, 28, 1, 1},
    {"resnet50", 512, 1024, 28, 1, 2},      {"resnet50", 256, 1024, 14, 1, 1},
    {"resnet50", 1024, 256, 14, 1, 1},      {"resnet50", 1024, 512, 14, 1, 1},
    {"resnet50", 1024, 2048, 14, 1, 2},     {"resnet50", 512, 2048, 7, 1, 1},
    {"resnet50", 2048, 512, 7, 1, 1},       {"resnet50", 2048, 1000, 1, 1, 1},
    {"mobilenetv2", 32, 16, 112, 1, 1},     {"mobilenetv2", 16, 96, 112, 1, 1},
    {"mobilenetv2", 96, 24, 56, 1, 1},      {"mobilenetv2", 24, 144, 56, 1, 1},
    {"mobilenetv2", 144, 24, 56, 1, 1},     {"mobilenetv2", 144, 32, 28, 1, 1},
    {"mobilenetv2", 32, 192, 28, 1, 1},     {"mobilenetv2", 192, 32, 28, 1, 1},
    {"mobilenetv2", 192, 64, 14, 1, 1},     {"mobilenetv2", 64, 384, 14, 1, 1},
    {"mobilenetv2", 384, 64, 14, 1, 1},     {"mobilenetv2", 384, 96, 14, 1, 1},
    {"mobilenetv2", 96, 576, 14, 1, 1},     {"mobilenetv2", 576, 96, 14, 1, 1},
    {"mobilenetv2", 576, 160, 7, 1, 1},     {"mobilenetv2", 160, 960, 7, 1, 1},
    {"mobilenetv2", 960, 160, 7, 1, 1},     {"mobilenetv2", 960, 320, 7, 1, 1},
    {"mobilenetv2", 320, 1280, 7, 1, 1},    {"mobilenetv2", 1280, 1000, 1, 1, 1},
    {"squeezenet", 64, 16, 55, 1, 1},       {"squeezenet", 16, 64, 55, 1, 1},
    {"squeezenet", 128, 16, 55, 1, 1},      {"squeezenet", 128, 32, 27, 1, 1},
    {"squeezenet", 32, 128, 27, 1, 1},      {"squeezenet", 256, 48, 13, 1, 1},
    {"squeezenet", 48, 192, 13, 1, 1},      {"squeezenet", 512, 64, 13, 1, 1},
    {"squeezenet", 64, 256, 13, 1, 1},      {"squeezenet", 512, 1000, 13, 1, 1},
    {"inceptionv3", 64, 80, 73, 1, 1},      {"inceptionv3", 192, 64, 35, 1, 1},
    {"inceptionv3", 192, 48, 35, 1, 1},     {"inceptionv3", 192, 32, 35, 1, 1},
    {"inceptionv3", 256, 64, 35, 1, 1},     {"inceptionv3", 288, 64, 35, 1, 1},
    {"inceptionv3", 768, 192, 17, 1, 1},    {"inceptionv3", 768, 128, 17, 1, 1},
    {"inceptionv3", 768, 160, 17, 1, 1},    {"inceptionv3", 1280, 320, 8, 1, 1},
    {"inceptionv3", 1280, 448, 8, 1, 1},    {"inceptionv3", 2048, 384, 8, 1, 1},
    {"inceptionv3", 2048, 192, 8, 1, 1},    {"inceptionv3", 2048, 1000, 1, 1, 1},
    {"nasnet-mobile", 32, 11, 111, 1, 1},   {"nasnet-mobile", 44, 22, 56, 1, 1},
    {"nasnet-mobile", 88, 44, 28, 1, 1},    {"nasnet-mobile", 264, 44, 28, 1, 1},
    {"nasnet-mobile", 44, 44, 28, 1, 1},    {"nasnet-mobile", 528, 88, 14, 1, 1},
    {"nasnet-mobile", 88, 88, 14, 1, 1},    {"nasnet-mobile", 1056, 176, 7, 1, 1},
    {"nasnet-mobile", 176, 176, 7, 1, 1},   {"vgg16", 25088, 4096, 1, 1, 1},
    {"vgg16", 4096, 4096, 1, 1, 1},         {"vgg16", 4096, 1000, 1, 1, 1},
    {"mobilenetv2-dw", 32, 0, 112, 3, 1},   {"mobilenetv2-dw", 96, 0, 112, 3, 2},
    {"mobilenetv2-dw", 144, 0, 56, 3, 1},   {"mobilenetv2-dw", 144, 0, 56, 3, 2},
    {"mobilenetv2-dw", 192, 0, 28, 3, 1},   {"mobilenetv2-dw", 192, 0, 28, 3, 2},
    {"mobilenetv2-dw", 384, 0, 14, 3, 1},   {"mobilenetv2-dw", 576, 0, 14, 3, 1},
    {"mobilenetv2-dw", 576, 0, 14, 3, 2},   {"mobilenetv2-dw", 960, 0, 7, 3, 1},
    {"nasnet-mobile-dw", 32, 0, 111, 7, 2}, {"nasnet-mobile-dw", 32, 0, 111, 5, 2},
    {"nasnet-mobile-dw", 11, 0, 56, 7, 2},  {"nasnet-mobile-dw", 11, 0, 56, 5, 1},
    {"nasnet-mobile-dw", 11, 0, 56, 3, 1},  {"nasnet-mobile-dw", 22, 0, 28, 5, 1},
    {"nasnet-mobile-dw", 44, 0, 28, 3, 1},  {"nasnet-mobile-dw", 44, 0, 28, 5, 1},
    {"nasnet-mobile-dw", 44, 0, 28, 5, 2},  {"nasnet-mobile-dw", 44, 0, 28, 7, 2},
    {"nasnet-mobile-dw", 88, 0, 14, 3, 1},  {"nasnet-mobile-dw", 88, 0, 14, 5, 1},
    {"nasnet-mobile-dw", 88, 0, 14, 7, 2},  {"nasnet-mobile-dw", 88, 0, 14, 5, 2},
    {"nasnet-mobile-dw", 176, 0, 7, 3, 1},  {"nasnet-mobile-dw", 176, 0, 7, 5, 1},
};

enum { MAX_ROUNDS = 400, MAX_COPIES = 256 };

struct settings {
    int64_t mb;
    int32_t threads;
    int64_t rounds;
    int64_t weights_mib;
    int64_t pixel_block;
    int32_t split;
    int32_t vectors;
};

struct layer {
    const struct settings *settings;
    struct shape shape;
    int64_t oc;
    int64_t out;
    int64_t n_copies;
    float *src; /* nchw */
    float *weights;
    float *bias;
    struct cop_arena *arena;
    struct cop_dnnl *dnnl;
    /* oneDNN */
    const struct cop_md *dst_md;
    const char *impl;
    float *dnnl_dst;
    struct cop_kernel *kernels[MAX_COPIES];
    double dnnl_ms[MAX_ROUNDS];
    /* ours */
    struct cop_direct *direct; /* or NULL and ... */
    struct cop_depthwise *depthwise;
    struct cop_direct_args args;
    size_t weights_bytes;
    float *packed[MAX_COPIES];
    double ms[MAX_ROUNDS];
};

static void fail(const char *what)
{
    fprintf(stderr, "time_direct: %s\n", what);
    exit(1);
}

static void need(enum cop_status status, const struct cop_err *err)
{
    if (status != COP_OK) fail(err->text);
}

/* Goes with the arena. */
static float *floats_of(struct cop_arena *arena, size_t bytes)
{
    struct cop_err err;
    float *memory = cop_mem_aligned(bytes > 0 ? bytes : 64);
    if (memory == NULL) fail("out of memory");
    (void)err;
    if (cop_arena_defer(arena, cop_mem_free, memory) != COP_OK) fail("out of memory");
    return memory;
}

static float *random_floats(
    struct layer *layer, struct cop_rng *rng, int64_t n, double scale)
{
    float *floats = floats_of(layer->arena, (size_t)n * sizeof *floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)cop_rng_range(rng, -scale, scale);
    return floats;
}

/* ---- oneDNN ------------------------------------------------------------------------------ */

/* Puts row-major numbers where the layout wants them. */
static void lay_out(
    const struct layer *layer, const struct cop_md *md, const float *from, float *to)
{
    enum { MAX_AXES = 5 };
    int64_t *offsets[MAX_AXES];
    int64_t dims[MAX_AXES];
    const int32_t rank = cop_md_rank(md);
    int64_t n = 1;
    for (int32_t a = 0; a < rank; a++) {
        dims[a] = cop_md_dim(md, a);
        n *= dims[a];
        offsets[a] = COP_ARENA_NEW_N(layer->arena, dims[a], int64_t);
        if (offsets[a] == NULL) fail("out of memory");
        cop_md_offsets(md, a, offsets[a]);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t left = i;
        int64_t at = 0;
        for (int32_t a = rank - 1; a >= 0; a--) {
            at += offsets[a][left % dims[a]];
            left /= dims[a];
        }
        to[at] = from[i];
    }
}

static void make_dnnl(struct layer *layer)
{
    struct cop_err err;
    const struct shape *s = &layer->shape;
    const int64_t mb = layer->settings->mb;
    const int64_t dims[5][5] = {
        {mb, s->ic, s->size, s->size},
        {s->oc, s->ic, s->kernel, s->kernel},
        {mb, layer->oc, layer->out, layer->out},
        {layer->oc},
        {s->ic, 1, 1, s->kernel, s->kernel}};
    static const int32_t ranks[5] = {4, 4, 4, 1, 5};
    const struct cop_md *any[4];
    for (int i = 0; i < 4; i++) {
        const int k = i == 1 && s->oc == 0 ? 4 : i;
        const struct cop_shape shape = cop_shape_make(ranks[k], dims[k]);
        need(cop_md_any(layer->arena, &shape, &any[i], &err), &err);
    }
    const int64_t pad = s->kernel / 2;
    const struct cop_window window = {
        .kernel = {s->kernel, s->kernel},
        .strides = {s->stride, s->stride},
        .dilates = {1, 1},
        .pads_l = {pad, pad},
        .pads_r = {pad, pad}};
    const struct cop_linear_mds mds = {any[0], any[1], any[3], any[2]};
    const struct cop_post relu = {.kind = COP_POST_ELTWISE, .alg = COP_ELTWISE_RELU};
    const struct cop_attr attr = {.n_posts = 1, .posts = &relu};
    const struct cop_pd_request request = {layer->arena, layer->dnnl, &attr};
    struct cop_pd *pd;
    need(cop_pd_conv_fwd(&request, &mds, &window, &pd, &err), &err);
    struct cop_arg args[5] = {
        {.role = COP_ROLE_SRC},
        {.role = COP_ROLE_WEIGHTS},
        {.role = COP_ROLE_BIAS},
        {.role = COP_ROLE_DST},
        {.role = COP_ROLE_SCRATCHPAD}};
    for (int i = 0; i < 5; i++) {
        args[i].md = cop_pd_md(pd, (enum cop_role)args[i].role);
        args[i].data = floats_of(layer->arena, cop_md_bytes(args[i].md));
    }
    lay_out(layer, args[0].md, layer->src, args[0].data);
    memcpy(args[2].data, layer->bias, (size_t)layer->oc * sizeof(float));
    lay_out(layer, args[1].md, layer->weights, args[1].data);
    const void *first = args[1].data;
    for (int64_t i = 0; i < layer->n_copies; i++) {
        const size_t bytes = cop_md_bytes(args[1].md);
        if (i > 0) {
            args[1].data = floats_of(layer->arena, bytes);
            memcpy(args[1].data, first, bytes);
        }
        need(cop_kernel_create(&request, pd, args, 5, &layer->kernels[i], &err), &err);
    }
    layer->dnnl_dst = args[3].data;
    layer->dst_md = args[3].md;
    layer->impl = cop_pd_impl(pd);
}

/* ---- ours -------------------------------------------------------------------------------- */

static void make_direct(struct layer *layer)
{
    struct cop_err err;
    const struct settings *settings = layer->settings;
    const struct shape *s = &layer->shape;
    const struct cop_direct_desc desc = {
        .simd = cop_simd_best(),
        .threads = settings->threads,
        .mb = settings->mb,
        .ic = s->ic,
        .oc = s->oc,
        .ih = s->size,
        .iw = s->size,
        .kernel = {s->kernel, s->kernel},
        .strides = {s->stride, s->stride},
        .dilations = {1, 1},
        .src = cop_direct_nhwc(s->ic, s->size, s->size),
        .dst = cop_direct_nhwc(s->oc, layer->out, layer->out),
        .activation = {.kind = COP_ACTIVATION_CLIP, .high = INFINITY},
        .pixel_block = settings->pixel_block,
        .split = settings->split,
        .vectors = settings->vectors,
    };
    need(cop_direct_create(layer->arena, &desc, &layer->direct, &err), &err);
    layer->weights_bytes = cop_direct_weights_bytes(layer->direct);
    layer->packed[0] = floats_of(layer->arena, layer->weights_bytes);
    need(
        cop_direct_pack(layer->direct, layer->weights, NULL, layer->packed[0], &err),
        &err);
}

static void make_depthwise(struct layer *layer)
{
    struct cop_err err;
    const struct settings *settings = layer->settings;
    const struct shape *s = &layer->shape;
    const int64_t pad = s->kernel / 2;
    const struct cop_depthwise_desc desc = {
        .simd = cop_simd_best(),
        .threads = settings->threads,
        .mb = settings->mb,
        .c = s->ic,
        .ih = s->size,
        .iw = s->size,
        .kernel = {s->kernel, s->kernel},
        .strides = {s->stride, s->stride},
        .pads_l = {pad, pad},
        .pads_r = {pad, pad},
        .src = cop_direct_nhwc(s->ic, s->size, s->size),
        .dst = cop_direct_nhwc(s->ic, layer->out, layer->out),
        .activation = {.kind = COP_ACTIVATION_CLIP, .high = INFINITY},
        .row_block = settings->pixel_block,
        .split = settings->split,
    };
    need(cop_depthwise_create(layer->arena, &desc, &layer->depthwise, &err), &err);
    layer->weights_bytes = cop_depthwise_weights_bytes(layer->depthwise);
    layer->packed[0] = floats_of(layer->arena, layer->weights_bytes);
    cop_depthwise_pack(layer->depthwise, layer->weights, NULL, layer->packed[0]);
}

static void make_ours(struct layer *layer)
{
    const struct shape *s = &layer->shape;
    const int64_t area = s->size * s->size;
    const int64_t n_src = layer->settings->mb * s->ic * area;
    float *src = floats_of(layer->arena, (size_t)n_src * sizeof *src);
    for (int64_t i = 0; i < n_src; i++) {
        const int64_t c = i / area % s->ic;
        src[(i / area / s->ic * area + i % area) * s->ic + c] = layer->src[i];
    }
    if (s->oc == 0)
        make_depthwise(layer);
    else
        make_direct(layer);
    for (int64_t i = 1; i < layer->n_copies; i++) {
        layer->packed[i] = floats_of(layer->arena, layer->weights_bytes);
        memcpy(layer->packed[i], layer->packed[0], layer->weights_bytes);
    }
    layer->args = (struct cop_direct_args){
        .src = src,
        .bias = layer->bias,
        .dst = floats_of(
            layer->arena,
            (size_t)(layer->settings->mb * layer->oc * layer->out * layer->out) *
                sizeof(float))};
}

static void run_ours(struct layer *layer, const float *packed)
{
    struct cop_err err;
    layer->args.packed = packed;
    if (layer->direct != NULL) {
        need(cop_direct_run(layer->direct, &layer->args, &err), &err);
        return;
    }
    const struct cop_depthwise_args args = {
        .src = layer->args.src,
        .packed = packed,
        .bias = layer->bias,
        .dst = layer->args.dst};
    need(cop_depthwise_run(layer->depthwise, &args, &err), &err);
}

/* ---- both -------------------------------------------------------------------------------- */

static double difference(struct layer *layer)
{
    const int64_t area = layer->out * layer->out;
    const int64_t oc = layer->oc;
    const int64_t n = layer->settings->mb * oc * area;
    float *ours = floats_of(layer->arena, (size_t)n * sizeof *ours);
    float *theirs = floats_of(layer->arena, cop_md_bytes(layer->dst_md));
    double largest = 0.0;
    double worst = 0.0;
    for (int64_t i = 0; i < n; i++)
        ours[i] =
            layer->args.dst[(i / area / oc * area + i % area) * oc + i / area % oc];
    lay_out(layer, layer->dst_md, ours, theirs);
    const int64_t n_laid_out = (int64_t)(cop_md_bytes(layer->dst_md) / sizeof(float));
    for (int64_t i = 0; i < n_laid_out; i++) {
        const double d = fabs((double)theirs[i] - (double)layer->dnnl_dst[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)theirs[i]) > largest) largest = fabs((double)theirs[i]);
    }
    return worst / largest;
}

static void time_both(struct layer *layer)
{
    struct cop_err err;
    const int64_t rounds = layer->settings->rounds;
    for (int64_t round = -4; round < rounds; round++) {
        const int64_t copy = (round + 4) % layer->n_copies;
        double start = cop_clock_ms();
        need(cop_kernel_run(layer->kernels[copy], &err), &err);
        if (round >= 0) layer->dnnl_ms[round] = cop_clock_ms() - start;
        start = cop_clock_ms();
        run_ours(layer, layer->packed[copy]);
        if (round >= 0) layer->ms[round] = cop_clock_ms() - start;
    }
}

static void report(struct layer *layer, double *sums)
{
    const struct shape *s = &layer->shape;
    const double gflop =
        2e-9 * (double)(layer->settings->mb * layer->out * layer->out) *
        (double)(layer->oc * (s->oc == 0 ? 1 : s->ic) * s->kernel * s->kernel);
    const double dnnl =
        cop_stats_quantile(layer->dnnl_ms, layer->settings->rounds, 0.5);
    const double ours = cop_stats_quantile(layer->ms, layer->settings->rounds, 0.5);
    printf(
        "%-13s %5lld-%-4lld @%-3lld k%lld s%lld mb%-2lld x%-3lld | %8.4f ms %4.0f GF/s "
        "| "
        "%8.4f ms %4.0f GF/s | x%5.2f  %.0e  %s\n",
        s->net,
        (long long)s->ic,
        (long long)s->oc,
        (long long)s->size,
        (long long)s->kernel,
        (long long)s->stride,
        (long long)layer->settings->mb,
        (long long)layer->n_copies,
        dnnl,
        gflop / dnnl * 1e3,
        ours,
        gflop / ours * 1e3,
        dnnl / ours,
        difference(layer),
        layer->impl);
    fflush(stdout);
    sums[0] += log(dnnl / ours);
    sums[1] += 1.0;
}

static void measure(
    const struct settings *settings, const struct shape *shape, double *sums)
{
    struct cop_err err;
    struct cop_rng rng;
    struct layer *layer = cop_mem_array(1, sizeof *layer);
    if (layer == NULL) fail("out of memory");
    layer->settings = settings;
    layer->shape = *shape;
    layer->out = (shape->size - 1) / shape->stride + 1;
    layer->arena = cop_arena_create();
    if (layer->arena == NULL) fail("out of memory");
    layer->oc = shape->oc == 0 ? shape->ic : shape->oc;
    const int64_t n_weights =
        layer->oc * (shape->oc == 0 ? 1 : shape->ic) * shape->kernel * shape->kernel;
    layer->n_copies = settings->weights_mib * (1 << 18) / n_weights + 1;
    if (layer->n_copies > MAX_COPIES) layer->n_copies = MAX_COPIES;
    cop_rng_init(&rng, 7);
    layer->src = random_floats(
        layer, &rng, settings->mb * shape->ic * shape->size * shape->size, 1.0);
    layer->weights = random_floats(layer, &rng, n_weights, 1.0);
    layer->bias = random_floats(layer, &rng, layer->oc, 1.0);
    need(cop_dnnl_create(&layer->dnnl, &err), &err);
    make_dnnl(layer);
    make_ours(layer);
    time_both(layer);
    report(layer, sums);
    cop_arena_destroy(layer->arena);
    cop_dnnl_destroy(layer->dnnl);
    cop_mem_free(layer);
}

static bool parse(const char *text, struct shape *shape)
{
    long long ic, oc, size, kernel = 1, stride = 1;
    if (sscanf(text, "%lld-%lld@%lldk%llds%lld", &ic, &oc, &size, &kernel, &stride) < 3)
        return false;
    *shape = (struct shape){"", ic, oc, size, kernel, stride};
    return ic > 0 && oc >= 0 && size > 0 && kernel > 0 && stride > 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .mb = 1, .threads = cop_par_max_threads(), .rounds = 15};
    double sums[2] = {0.0, 0.0};
    int option;
    while ((option = getopt(argc, argv, "b:t:r:w:p:s:v:")) != -1) {
        const long number = option == '?' ? 0 : strtol(optarg, NULL, 10);
        switch (option) {
        case 'b': settings.mb = number; break;
        case 't': settings.threads = (int32_t)number; break;
        case 'r': settings.rounds = number; break;
        case 'w': settings.weights_mib = number; break;
        case 'p': settings.pixel_block = number; break;
        case 'v': settings.vectors = (int32_t)number; break;
        case 's': settings.split = (int32_t)number; break;
        default: fail("see the head of bench/time_direct.c for the options");
        }
    }
    if (settings.mb < 1 || settings.threads < 1 || settings.rounds < 1 ||
        settings.rounds > MAX_ROUNDS || settings.weights_mib < 0)
        fail("batch, threads and rounds (up to 400) start at 1");
    cop_par_set_threads(settings.threads);
    for (int i = optind; i < argc || i == optind; i++) {
        struct shape shape;
        if (i < argc && parse(argv[i], &shape)) {
            measure(&settings, &shape, sums);
            continue;
        }
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
            if (i == argc || strcmp(argv[i], shapes[k].net) == 0)
                measure(&settings, &shapes[k], sums);
    }
    if (sums[1] > 0.0)
        printf("%.0f shapes, geometric mean x%.3f\n", sums[1], exp(sums[0] / sums[1]));
    return 0;
}
