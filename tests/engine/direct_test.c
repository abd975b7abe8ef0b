/* tests/engine/direct_test.c - direct convolution against the definition in double
 * precision: tails on every axis, all epilogues, slices of wider tensors, every instruction
 * set here. */
#include "engine_tests.h"
#include "laid_out.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "engine/direct.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/** Sizes, then how it is computed. */
struct conv {
    int64_t mb;
    int64_t ic;
    int64_t oc;
    int64_t ih;
    int64_t iw;
    int64_t kernel[2];
    int64_t strides[2];
    int64_t dilations[2];
    enum cop_simd simd;
    int32_t threads;
    int32_t split;
    int32_t vectors;
    int64_t pixel_block;
    int64_t wider; /* channels that src, dst and addend have besides */
    bool has_bias;
    bool has_scale;
    enum { NO_ADD, ADD, ADD_IN_PLACE } add;
    struct cop_activation activation;
};

static const struct cop_activation relu = {
    .kind = COP_ACTIVATION_CLIP, .high = INFINITY};

/** The numbers, row-major, and what they give. */
struct numbers {
    struct cop_arena *arena;
    int64_t oh;
    int64_t ow;
    float *src;     /* [mb][ic][ih][iw] */
    float *weights; /* [oc][ic][kh][kw] */
    double *scale;  /* [oc] */
    float *bias;    /* [oc] */
    float *add;     /* [mb][oc][oh][ow] */
    float *dst;     /* [mb][oc][oh][ow] */
};

static int64_t out_of(const struct conv *c, int axis)
{
    const int64_t in = axis == 0 ? c->ih : c->iw;
    return (in - (c->kernel[axis] - 1) * c->dilations[axis] - 1) / c->strides[axis] + 1;
}

static struct numbers make_numbers(const struct conv *c)
{
    struct cop_rng rng;
    struct numbers n = {
        .arena = cop_arena_create(), .oh = out_of(c, 0), .ow = out_of(c, 1)};
    assert_non_null(n.arena);
    cop_rng_init(&rng, 20261122);
    n.src = random_floats(&rng, c->mb * c->ic * c->ih * c->iw);
    n.weights = random_floats(&rng, c->oc * c->ic * c->kernel[0] * c->kernel[1]);
    n.bias = random_floats(&rng, c->oc);
    n.add = random_floats(&rng, c->mb * c->oc * n.oh * n.ow);
    n.dst = cop_mem_array((size_t)(c->mb * c->oc * n.oh * n.ow), sizeof *n.dst);
    n.scale = cop_mem_array((size_t)c->oc, sizeof *n.scale);
    assert_non_null(n.dst);
    assert_non_null(n.scale);
    for (int64_t i = 0; i < c->oc; i++)
        n.scale[i] = cop_rng_range(&rng, 0.5, 2.0);
    return n;
}

static void free_numbers(struct numbers *n)
{
    cop_mem_free(n->src);
    cop_mem_free(n->weights);
    cop_mem_free(n->scale);
    cop_mem_free(n->bias);
    cop_mem_free(n->add);
    cop_mem_free(n->dst);
    cop_arena_destroy(n->arena);
}

/* ---- the definition ---------------------------------------------------------------------- */

/* Result i of dst, row-major. */
static double defined(const struct conv *c, const struct numbers *n, int64_t i)
{
    const int64_t x = i % n->ow * c->strides[1];
    const int64_t y = i / n->ow % n->oh * c->strides[0];
    const int64_t o = i / n->ow / n->oh % c->oc;
    const int64_t mb = i / n->ow / n->oh / c->oc;
    const int64_t taps = c->kernel[0] * c->kernel[1];
    double sum = 0.0;
    for (int64_t k = 0; k < c->ic; k++) {
        const float *plane = n->src + (mb * c->ic + k) * c->ih * c->iw;
        const float *weights = n->weights + (o * c->ic + k) * taps;
        for (int64_t t = 0; t < taps; t++) {
            const int64_t sy = y + t / c->kernel[1] * c->dilations[0];
            const int64_t sx = x + t % c->kernel[1] * c->dilations[1];
            sum += (double)weights[t] * (double)plane[sy * c->iw + sx];
        }
    }
    if (c->has_scale) sum *= n->scale[o];
    if (c->has_bias) sum += (double)n->bias[o];
    if (c->add != NO_ADD) sum += (double)n->add[i];
    return activated(&c->activation, sum);
}

/* ---- ours --------------------------------------------------------------------------------- */

static struct cop_direct_desc desc_of(const struct conv *c)
{
    return (struct cop_direct_desc){
        .simd = c->simd,
        .threads = c->threads,
        .mb = c->mb,
        .ic = c->ic,
        .oc = c->oc,
        .ih = c->ih,
        .iw = c->iw,
        .kernel = {c->kernel[0], c->kernel[1]},
        .strides = {c->strides[0], c->strides[1]},
        .dilations = {c->dilations[0], c->dilations[1]},
        .activation = c->activation,
        .pixel_block = c->pixel_block,
        .split = c->split,
        .vectors = c->vectors,
    };
}

/* Fills n->dst. */
static void compute(const struct conv *c, struct numbers *n)
{
    struct cop_err err;
    const int64_t src_dims[4] = {c->mb, c->ic, c->ih, c->iw};
    const int64_t dst_dims[4] = {c->mb, c->oc, n->oh, n->ow};
    struct laid_out src = lay_out(src_dims, c->wider, n->src);
    struct laid_out add = lay_out(dst_dims, 2 * c->wider, n->add);
    struct laid_out dst =
        lay_out(dst_dims, 3 * c->wider, c->add == ADD_IN_PLACE ? n->add : NULL);
    struct cop_direct_desc desc = desc_of(c);
    desc.src = src.strides;
    desc.dst = dst.strides;
    if (c->add == ADD) desc.add = add.strides;
    struct cop_direct *direct;
    assert_ok(cop_direct_create(n->arena, &desc, &direct, &err));
    const size_t bytes = cop_direct_weights_bytes(direct);
    float *packed = cop_mem_aligned(bytes + GUARD * sizeof *packed);
    assert_non_null(packed);
    for (size_t i = 0; i < bytes / sizeof *packed + GUARD; i++)
        packed[i] = NAN;
    assert_ok(cop_direct_pack(
        direct, n->weights, c->has_scale ? n->scale : NULL, packed, &err));
    for (size_t i = 0; i < GUARD; i++)
        assert_true(isnan(packed[bytes / sizeof *packed + i]));
    const struct cop_direct_args args = {
        .src = src.first,
        .packed = packed,
        .bias = c->has_bias ? n->bias : NULL,
        .add = c->add == ADD            ? add.first
               : c->add == ADD_IN_PLACE ? dst.first
                                        : NULL,
        .dst = dst.first,
    };
    assert_ok(cop_direct_run(direct, &args, &err));
    fetch(&dst, n->dst);
    cop_mem_free(src.memory);
    cop_mem_free(add.memory);
    cop_mem_free(dst.memory);
    cop_mem_free(packed);
}

/* The largest difference over the largest result, over every step-th result. */
static double error_of(const struct conv *c, const struct numbers *n, int64_t step)
{
    double worst = 0.0;
    double largest = 0.0;
    for (int64_t i = 0; i < c->mb * c->oc * n->oh * n->ow; i += step) {
        const double want = defined(c, n, i);
        const double error = fabs(want - (double)n->dst[i]);
        if (!(error <= worst)) worst = error;
        if (fabs(want) > largest) largest = fabs(want);
    }
    return largest > 0.0 ? worst / largest : worst;
}

/* For every instruction set. */
static void check(struct conv c, int64_t step)
{
    for (int simd = COP_SIMD_GENERIC; simd <= COP_SIMD_AVX512; simd++) {
        c.simd = (enum cop_simd)simd;
        if (!cop_simd_has(c.simd)) continue;
        struct numbers n = make_numbers(&c);
        compute(&c, &n);
        const double error = error_of(&c, &n, step);
        if (!(error <= 2e-6 + 1e-9 * (double)(c.ic * c.kernel[0] * c.kernel[1])))
            fail_msg(
                "simd %d mb %lld %lld->%lld %lldx%lld kernel %lldx%lld: error %g",
                simd,
                (long long)c.mb,
                (long long)c.ic,
                (long long)c.oc,
                (long long)c.ih,
                (long long)c.iw,
                (long long)c.kernel[0],
                (long long)c.kernel[1],
                error);
        free_numbers(&n);
    }
}

/* ---- tests -------------------------------------------------------------------------------- */

static void sizes_and_tails(void **state)
{
    static const struct conv convs[] = {
        {1, 1, 1, 1, 1, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {1, 16, 32, 4, 7, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {2, 17, 33, 7, 9, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {3, 5, 3, 13, 2, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {1, 70, 24, 9, 11, {1, 1}, {2, 2}, {1, 1}, .threads = 1},
        {5, 131, 100, 1, 1, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {2, 9, 47, 8, 1, {1, 1}, {3, 1}, {1, 1}, .threads = 1},
        {1, 40, 16, 37, 29, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {2, 3, 20, 9, 12, {3, 3}, {2, 2}, {1, 1}, .threads = 1},
        {1, 11, 40, 6, 17, {1, 7}, {1, 1}, {1, 1}, .threads = 1},
        {2, 10, 7, 12, 9, {5, 2}, {1, 2}, {2, 3}, .threads = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        for (int form = 0; form < 8; form++) {
            struct conv c = convs[i];
            c.wider = form % 2 == 0 ? 0 : 5;
            c.split = form / 2 % 2 + 1;
            c.vectors = form % 5;
            c.threads = 1 + (int32_t)(i + (size_t)form) % 4;
            c.pixel_block = form / 4 == 0 ? 0 : 6;
            c.has_bias = form % 3 != 0;
            c.has_scale = form % 3 == 1;
            c.add = form % 3 == 2 ? ADD : NO_ADD;
            check(c, 1);
        }
    }
}

static void epilogues(void **state)
{
    static const struct cop_activation activations[] = {
        {.kind = COP_ACTIVATION_LINEAR},
        {.kind = COP_ACTIVATION_CLIP, .low = 0.0f, .high = INFINITY},
        {.kind = COP_ACTIVATION_CLIP, .low = 0.0f, .high = 6.0f},
        {.kind = COP_ACTIVATION_CLIP, .low = 1.0f, .high = 1.5f}, /* not 0 at 0 */
        {.kind = COP_ACTIVATION_LEAKY, .slope = 0.1f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        for (int form = 0; form < 12; form++) {
            struct conv c = {2, 9, 43, 6, 7, {1, 1}, {1, 1}, {1, 1}, .threads = 2};
            c.activation = activations[i];
            c.wider = form % 2 == 1 ? 3 : 0;
            c.has_bias = form / 2 % 2 == 1;
            c.add = form / 4 == 0 ? NO_ADD : form / 4 == 1 ? ADD : ADD_IN_PLACE;
            check(c, 1);
        }
    }
}

/* Sums so long that they pass through dst in parts, with every way to cut them. */
static void long_sums(void **state)
{
    static const struct conv convs[] = {
        {1, 9001, 40, 1, 1, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {17, 4500, 20, 1, 1, {1, 1}, {1, 1}, {1, 1}, .threads = 1},
        {1, 600, 33, 4, 5, {3, 3}, {1, 1}, {1, 1}, .threads = 1},
        {1, 1500, 18, 3, 9, {1, 3}, {1, 1}, {1, 2}, .threads = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        for (int form = 0; form < 6; form++) {
            struct conv c = convs[i];
            c.threads = 2;
            c.wider = form % 2 == 1 ? 7 : 0;
            c.vectors = form % 3 + 2;
            c.has_bias = true;
            c.add = form / 2 == 0 ? NO_ADD : form / 2 == 1 ? ADD : ADD_IN_PLACE;
            c.activation = relu;
            check(c, 7);
        }
    }
}

static void results_repeat_to_the_bit(void **state)
{
    struct conv c = {3, 35, 150, 11, 13, {1, 1}, {1, 1}, {1, 1}, .has_bias = true};
    const size_t bytes = (size_t)(3 * 150 * 11 * 13) * sizeof(float);
    (void)state;
    c.simd = cop_simd_best();
    c.threads = 1;
    c.activation = relu;
    struct numbers first = make_numbers(&c);
    compute(&c, &first);
    for (int form = 0; form < 16; form++) {
        c.threads = 1 + form % 4;
        c.split = 1 + form / 4 % 2;
        c.pixel_block = form / 8 == 1 ? 17 : 0;
        c.wider = form % 5;
        c.vectors = form % 4 + 1;
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
    struct cop_direct *direct;
    struct cop_arena *arena = cop_arena_create();
    struct conv c = {1, 8, 8, 4, 4, {1, 1}, {1, 1}, {1, 1}, .threads = 1};
    const struct cop_direct_desc good = desc_of(&c);
    struct cop_direct_desc bad = good;
    (void)state;
    assert_non_null(arena);
    assert_ok(cop_direct_create(arena, &good, &direct, &err));
    bad.threads = 0;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_EINVAL);
    assert_null(direct);
    bad = good;
    bad.ic = 0;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_EINVAL);
    bad = good;
    bad.dilations[1] = 0;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_EINVAL);
    bad = good;
    bad.vectors = 5;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_EINVAL);
    bad = good;
    bad.kernel[0] = 5;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_ESHAPE);
    bad = good;
    bad.mb = bad.oc = INT32_MAX;
    assert_fails(cop_direct_create(arena, &bad, &direct, &err), COP_EINVAL);
    for (int simd = COP_SIMD_GENERIC; simd <= COP_SIMD_AVX512; simd++) {
        bad = good;
        bad.simd = (enum cop_simd)simd;
        if (!cop_simd_has(bad.simd))
            assert_fails(
                cop_direct_create(arena, &bad, &direct, &err), COP_EUNSUPPORTED);
    }
    cop_arena_destroy(arena);
}

int test_direct(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_tails),
        cmocka_unit_test(epilogues),
        cmocka_unit_test(long_sums),
        cmocka_unit_test(results_repeat_to_the_bit),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
