/* tests/engine/depthwise_test.c - depthwise convolution against the definition in double
 * precision: tails on every axis, all epilogues, slices of wider tensors, every instruction
 * set here. */
#include "engine_tests.h"
#include "laid_out.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "engine/depthwise.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/** Sizes, then how it is computed. */
struct conv {
    int64_t mb;
    int64_t c;
    int64_t ih;
    int64_t iw;
    int64_t kernel[2];
    int64_t strides[2];
    int64_t pads_l[2];
    int64_t pads_r[2];
    enum cop_simd simd;
    int32_t threads;
    int32_t split;
    int64_t row_block;
    int64_t wider; /* channels that src and dst have besides */
    bool has_bias;
    bool has_scale;
    bool has_relu;
    struct cop_activation activation;
};

/** The numbers, row-major, and what they give. */
struct numbers {
    struct cop_arena *arena;
    int64_t oh;
    int64_t ow;
    float *src;     /* [mb][c][ih][iw] */
    float *weights; /* [c][kh][kw] */
    double *scale;  /* [c] */
    float *bias;    /* [c] */
    float *dst;     /* [mb][c][oh][ow] */
};

static int64_t out_of(const struct conv *c, int axis)
{
    const int64_t in = axis == 0 ? c->ih : c->iw;
    const int64_t padded = in + c->pads_l[axis] + c->pads_r[axis];
    return (padded - c->kernel[axis]) / c->strides[axis] + 1;
}

static struct numbers make_numbers(const struct conv *c)
{
    struct cop_rng rng;
    struct numbers n = {
        .arena = cop_arena_create(), .oh = out_of(c, 0), .ow = out_of(c, 1)};
    assert_non_null(n.arena);
    cop_rng_init(&rng, 20261123);
    n.src = random_floats(&rng, c->mb * c->c * c->ih * c->iw);
    n.weights = random_floats(&rng, c->c * c->kernel[0] * c->kernel[1]);
    n.bias = random_floats(&rng, c->c);
    n.dst = cop_mem_array((size_t)(c->mb * c->c * n.oh * n.ow), sizeof *n.dst);
    n.scale = cop_mem_array((size_t)c->c, sizeof *n.scale);
    assert_non_null(n.dst);
    assert_non_null(n.scale);
    for (int64_t i = 0; i < c->c; i++)
        n.scale[i] = cop_rng_range(&rng, 0.5, 2.0);
    return n;
}

static void free_numbers(struct numbers *n)
{
    cop_mem_free(n->src);
    cop_mem_free(n->weights);
    cop_mem_free(n->scale);
    cop_mem_free(n->bias);
    cop_mem_free(n->dst);
    cop_arena_destroy(n->arena);
}

/* ---- the definition ---------------------------------------------------------------------- */

/* Result i of dst, row-major. */
static double defined(const struct conv *c, const struct numbers *n, int64_t i)
{
    const int64_t x = i % n->ow * c->strides[1] - c->pads_l[1];
    const int64_t y = i / n->ow % n->oh * c->strides[0] - c->pads_l[0];
    const int64_t plane = i / n->ow / n->oh;
    const float *src = n->src + plane * c->ih * c->iw;
    const float *weights = n->weights + plane % c->c * c->kernel[0] * c->kernel[1];
    double sum = 0.0;
    for (int64_t ky = 0; ky < c->kernel[0]; ky++) {
        for (int64_t kx = 0; kx < c->kernel[1]; kx++) {
            if (y + ky < 0 || y + ky >= c->ih || x + kx < 0 || x + kx >= c->iw)
                continue;
            double number = (double)src[(y + ky) * c->iw + x + kx];
            if (c->has_relu) number = fmax(number, 0.0);
            sum += (double)weights[ky * c->kernel[1] + kx] * number;
        }
    }
    if (c->has_scale) sum *= n->scale[plane % c->c];
    if (c->has_bias) sum += (double)n->bias[plane % c->c];
    return activated(&c->activation, sum);
}

/* ---- ours --------------------------------------------------------------------------------- */

static struct cop_depthwise_desc desc_of(const struct conv *c)
{
    return (struct cop_depthwise_desc){
        .simd = c->simd,
        .threads = c->threads,
        .mb = c->mb,
        .c = c->c,
        .ih = c->ih,
        .iw = c->iw,
        .kernel = {c->kernel[0], c->kernel[1]},
        .strides = {c->strides[0], c->strides[1]},
        .pads_l = {c->pads_l[0], c->pads_l[1]},
        .pads_r = {c->pads_r[0], c->pads_r[1]},
        .has_relu = c->has_relu,
        .activation = c->activation,
        .row_block = c->row_block,
        .split = c->split,
    };
}

/* Fills n->dst. */
static void compute(const struct conv *c, struct numbers *n)
{
    struct cop_err err;
    const int64_t src_dims[4] = {c->mb, c->c, c->ih, c->iw};
    const int64_t dst_dims[4] = {c->mb, c->c, n->oh, n->ow};
    struct laid_out src = lay_out(src_dims, c->wider, n->src);
    struct laid_out dst = lay_out(dst_dims, 3 * c->wider, NULL);
    struct cop_depthwise_desc desc = desc_of(c);
    desc.src = src.strides;
    desc.dst = dst.strides;
    struct cop_depthwise *depthwise;
    assert_ok(cop_depthwise_create(n->arena, &desc, &depthwise, &err));
    const size_t bytes = cop_depthwise_weights_bytes(depthwise);
    float *packed = cop_mem_aligned(bytes + GUARD * sizeof *packed);
    assert_non_null(packed);
    for (size_t i = 0; i < bytes / sizeof *packed + GUARD; i++)
        packed[i] = NAN;
    cop_depthwise_pack(depthwise, n->weights, c->has_scale ? n->scale : NULL, packed);
    for (size_t i = 0; i < GUARD; i++)
        assert_true(isnan(packed[bytes / sizeof *packed + i]));
    const struct cop_depthwise_args args = {
        .src = src.first,
        .packed = packed,
        .bias = c->has_bias ? n->bias : NULL,
        .dst = dst.first,
    };
    assert_ok(cop_depthwise_run(depthwise, &args, &err));
    fetch(&dst, n->dst);
    cop_mem_free(src.memory);
    cop_mem_free(dst.memory);
    cop_mem_free(packed);
}

/* The largest difference over the largest result. */
static double error_of(const struct conv *c, const struct numbers *n)
{
    double worst = 0.0;
    double largest = 0.0;
    for (int64_t i = 0; i < c->mb * c->c * n->oh * n->ow; i++) {
        const double want = defined(c, n, i);
        const double error = fabs(want - (double)n->dst[i]);
        if (!(error <= worst)) worst = error;
        if (fabs(want) > largest) largest = fabs(want);
    }
    return largest > 0.0 ? worst / largest : worst;
}

/* For every instruction set. */
static void check(struct conv c)
{
    for (int simd = COP_SIMD_GENERIC; simd <= COP_SIMD_AVX512; simd++) {
        c.simd = (enum cop_simd)simd;
        if (!cop_simd_has(c.simd)) continue;
        struct numbers n = make_numbers(&c);
        compute(&c, &n);
        const double error = error_of(&c, &n);
        if (!(error <= 1e-6))
            fail_msg(
                "simd %d mb %lld c %lld %lldx%lld kernel %lldx%lld stride %lld: error "
                "%g",
                simd,
                (long long)c.mb,
                (long long)c.c,
                (long long)c.ih,
                (long long)c.iw,
                (long long)c.kernel[0],
                (long long)c.kernel[1],
                (long long)c.strides[1],
                error);
        free_numbers(&n);
    }
}

/* ---- tests -------------------------------------------------------------------------------- */

static void every_kernel_and_stride(void **state)
{
    (void)state;
    for (int64_t kw = 3; kw <= 7; kw += 2) {
        for (int64_t stride = 1; stride <= 2; stride++) {
            for (int form = 0; form < 6; form++) {
                const int64_t pad = kw / 2;
                struct conv c = {
                    2, 53, 9, 17, {kw, kw}, {stride, stride}, .threads = 2};
                c.pads_l[0] = c.pads_l[1] = form % 2 == 0 ? pad : 0;
                c.pads_r[0] = c.pads_r[1] = form % 3 == 0 ? kw - 1 : pad;
                c.has_relu = form / 3 == 1;
                c.has_bias = form > 0;
                c.wider = form % 3;
                check(c);
            }
        }
    }
}

static void sizes_and_tails(void **state)
{
    static const struct conv convs[] = {
        {1, 1, 1, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {1, 16, 7, 7, {3, 3}, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {2, 33, 5, 14, {3, 3}, {2, 2}, {0, 0}, {1, 1}, .threads = 1},
        {1, 100, 4, 3, {5, 5}, {1, 1}, {2, 2}, {2, 2}, .threads = 1},
        {3, 5, 8, 8, {7, 7}, {2, 2}, {3, 3}, {2, 3}, .threads = 1},
        {1, 48, 1, 40, {1, 3}, {1, 1}, {0, 2}, {0, 0}, .threads = 1},
        {1, 40, 30, 2, {4, 3}, {3, 2}, {3, 1}, {0, 2}, .threads = 1},
        {1, 70, 13, 23, {5, 5}, {1, 2}, {1, 2}, {3, 1}, .threads = 1},
        {1, 17, 2, 1, {7, 7}, {1, 1}, {5, 6}, {6, 3}, .threads = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        for (int form = 0; form < 8; form++) {
            struct conv c = convs[i];
            c.wider = form % 2 == 0 ? 0 : 5;
            c.split = form % 3;
            c.threads = 1 + (int32_t)(i + (size_t)form) % 4;
            c.row_block = form / 4 == 0 ? 0 : 2;
            c.has_bias = form % 3 != 0;
            c.has_scale = form % 3 == 1;
            check(c);
        }
    }
}

static void activations_are_applied(void **state)
{
    static const struct cop_activation activations[] = {
        {.kind = COP_ACTIVATION_LINEAR},
        {.kind = COP_ACTIVATION_CLIP, .low = 0.0f, .high = INFINITY},
        {.kind = COP_ACTIVATION_CLIP, .low = 0.0f, .high = 1.5f},
        {.kind = COP_ACTIVATION_LEAKY, .slope = 0.1f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        struct conv c = {
            1,
            43,
            6,
            11,
            {3, 3},
            {1, 1},
            {1, 1},
            {1, 1},
            .threads = 2,
            .has_bias = true};
        c.activation = activations[i];
        check(c);
    }
}

static void results_repeat_to_the_bit(void **state)
{
    struct conv c = {
        3, 70, 11, 13, {3, 3}, {1, 1}, {1, 1}, {1, 1}, .threads = 1, .has_bias = true};
    const size_t bytes = (size_t)(3 * 70 * 11 * 13) * sizeof(float);
    (void)state;
    c.simd = cop_simd_best();
    struct numbers first = make_numbers(&c);
    compute(&c, &first);
    for (int form = 0; form < 12; form++) {
        c.threads = 1 + form % 4;
        c.split = form % 3;
        c.row_block = form / 6 == 1 ? 3 : 0;
        c.wider = form % 5;
        struct numbers n = make_numbers(&c);
        cop_par_set_threads(1 + form % 3);
        compute(&c, &n);
        assert_memory_equal(n.dst, first.dst, bytes);
        free_numbers(&n);
    }
    free_numbers(&first);
    cop_par_set_threads(cop_par_max_threads());
}

static void faults_are_told(void **state)
{
    struct cop_err err;
    struct cop_depthwise *depthwise;
    struct cop_arena *arena = cop_arena_create();
    struct conv c = {1, 8, 4, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}, .threads = 1};
    const struct cop_depthwise_desc good = desc_of(&c);
    struct cop_depthwise_desc bad = good;
    (void)state;
    assert_non_null(arena);
    assert_ok(cop_depthwise_create(arena, &good, &depthwise, &err));
    bad.threads = 0;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EINVAL);
    assert_null(depthwise);
    bad = good;
    bad.c = 0;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EINVAL);
    bad = good;
    bad.pads_r[1] = 3;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EINVAL);
    bad = good;
    bad.kernel[1] = 4;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EUNSUPPORTED);
    bad = good;
    bad.strides[1] = 3;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EUNSUPPORTED);
    bad = good;
    bad.kernel[0] = 7;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_ESHAPE);
    bad = good;
    bad.mb = bad.c = INT32_MAX;
    assert_fails(cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EINVAL);
    for (int simd = COP_SIMD_GENERIC; simd <= COP_SIMD_AVX512; simd++) {
        bad = good;
        bad.simd = (enum cop_simd)simd;
        if (!cop_simd_has(bad.simd))
            assert_fails(
                cop_depthwise_create(arena, &bad, &depthwise, &err), COP_EUNSUPPORTED);
    }
    cop_arena_destroy(arena);
}

int test_depthwise(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_and_stride),
        cmocka_unit_test(sizes_and_tails),
        cmocka_unit_test(activations_are_applied),
        cmocka_unit_test(results_repeat_to_the_bit),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
