/* tests/engine/winograd_test.c - Winograd convolution against the direct form in double
 * precision: tails on every axis, all epilogues and layouts, every instruction set here. */
#include "engine_tests.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "engine/winograd.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { GUARD = 64 };

/** One convolution: sizes, then how it is computed. */
struct conv {
    int64_t mb;
    int64_t ic;
    int64_t oc;
    int64_t ih;
    int64_t iw;
    int64_t pads_l[2];
    int64_t pads_r[2];
    enum cop_winograd_isa isa;
    int32_t m;
    int32_t threads;
    int32_t groups;
    bool is_blocked;
    bool has_bias;
    bool has_scale;
    enum { NO_ADD, ADD, ADD_IN_PLACE } add;
    struct cop_winograd_activation activation;
};

static const struct cop_winograd_activation linear = {.kind = COP_WINOGRAD_LINEAR};
static const struct cop_winograd_activation relu = {
    .kind = COP_WINOGRAD_CLIP, .high = INFINITY};

/** The numbers, row-major, and what they give. */
struct numbers {
    struct cop_winograd *winograd;
    struct cop_arena *arena;
    int64_t oh;
    int64_t ow;
    float *src;     /* [mb][ic][ih][iw] */
    float *weights; /* [oc][ic][3][3] */
    double *scale;  /* [oc] */
    float *bias;    /* [oc] */
    float *add;     /* [mb][oc][oh][ow] */
    float *dst;     /* [mb][oc][oh][ow] */
};

static float *random_floats(struct cop_rng *rng, int64_t n)
{
    float *floats = cop_mem_array((size_t)n, sizeof *floats);
    assert_non_null(floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)cop_rng_range(rng, -1.0, 1.0);
    return floats;
}

static struct numbers make_numbers(const struct conv *c)
{
    struct cop_rng rng;
    struct numbers n = {
        .arena = cop_arena_create(),
        .oh = c->ih + c->pads_l[0] + c->pads_r[0] - 2,
        .ow = c->iw + c->pads_l[1] + c->pads_r[1] - 2};
    assert_non_null(n.arena);
    cop_rng_init(&rng, 20261121);
    n.src = random_floats(&rng, c->mb * c->ic * c->ih * c->iw);
    n.weights = random_floats(&rng, c->oc * c->ic * 9);
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

/* ---- the direct form ---------------------------------------------------------------------- */

static double activated(const struct cop_winograd_activation *a, double x)
{
    switch (a->kind) {
    case COP_WINOGRAD_LINEAR: return x;
    case COP_WINOGRAD_CLIP: return fmin(fmax(x, (double)a->low), (double)a->high);
    case COP_WINOGRAD_LEAKY: return x > 0 ? x : (double)a->slope * x;
    }
    return NAN;
}

/* Result i of dst, row-major. */
static double direct(const struct conv *c, const struct numbers *n, int64_t i)
{
    const int64_t x = i % n->ow;
    const int64_t y = i / n->ow % n->oh;
    const int64_t o = i / n->ow / n->oh % c->oc;
    const int64_t mb = i / n->ow / n->oh / c->oc;
    double sum = 0.0;
    for (int64_t k = 0; k < c->ic; k++) {
        const float *plane = n->src + (mb * c->ic + k) * c->ih * c->iw;
        const float *nine = n->weights + (o * c->ic + k) * 9;
        for (int64_t j = 0; j < 9; j++) {
            const int64_t sy = y + j / 3 - c->pads_l[0];
            const int64_t sx = x + j % 3 - c->pads_l[1];
            if (sy < 0 || sy >= c->ih || sx < 0 || sx >= c->iw) continue;
            sum += (double)nine[j] * (double)plane[sy * c->iw + sx];
        }
    }
    if (c->has_scale) sum *= n->scale[o];
    if (c->has_bias) sum += (double)n->bias[o];
    if (c->add != NO_ADD) sum += (double)n->add[i];
    return activated(&c->activation, sum);
}

/* ---- ours --------------------------------------------------------------------------------- */

/** A tensor as the kernels see it, between guards; NaN wherever nothing was put. */
struct laid_out {
    struct cop_winograd_strides strides;
    int64_t dims[4];
    int64_t block;
    int64_t n;
    float *memory;
    float *first;
};

static int64_t at(const struct laid_out *t, int64_t i)
{
    const int64_t x = i % t->dims[3];
    const int64_t y = i / t->dims[3] % t->dims[2];
    const int64_t c = i / t->dims[3] / t->dims[2] % t->dims[1];
    const int64_t mb = i / t->dims[3] / t->dims[2] / t->dims[1];
    return mb * t->strides.image + c / t->block * t->strides.channel_block +
           c % t->block + y * t->strides.row + x * t->strides.pixel;
}

static struct laid_out lay_out(
    const struct conv *conv, int64_t c, int64_t h, int64_t w, const float *from)
{
    struct laid_out t = {
        .strides = conv->is_blocked ? cop_winograd_blocked(conv->isa, c, h, w)
                                    : cop_winograd_nhwc(conv->isa, c, h, w),
        .dims = {conv->mb, c, h, w},
        .block = cop_winograd_block(conv->isa)};
    t.n = conv->mb * t.strides.image;
    t.memory = cop_mem_aligned((size_t)(t.n + 2 * GUARD) * sizeof(float));
    assert_non_null(t.memory);
    t.first = t.memory + GUARD;
    for (int64_t i = 0; i < t.n + 2 * GUARD; i++)
        t.memory[i] = NAN;
    for (int64_t i = 0; from != NULL && i < conv->mb * c * h * w; i++)
        t.first[at(&t, i)] = from[i];
    return t;
}

/* Nothing is written outside; channels behind the last one are zero. */
static void check_outside(const struct laid_out *t)
{
    float *seen = cop_mem_array((size_t)t->n, sizeof *seen);
    assert_non_null(seen);
    for (int64_t i = 0; i < GUARD; i++) {
        assert_true(isnan(t->memory[i]));
        assert_true(isnan(t->first[t->n + i]));
    }
    for (int64_t i = 0; i < t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]; i++)
        seen[at(t, i)] = 1.0f;
    for (int64_t i = 0; i < t->n; i++)
        if (seen[i] == 0.0f) assert_true(t->first[i] == 0.0f);
    cop_mem_free(seen);
}

static struct cop_winograd_desc desc_of(
    const struct conv *c, const struct laid_out *src, const struct laid_out *dst)
{
    return (struct cop_winograd_desc){
        .isa = c->isa,
        .m = c->m,
        .threads = c->threads,
        .mb = c->mb,
        .ic = c->ic,
        .oc = c->oc,
        .ih = c->ih,
        .iw = c->iw,
        .pads_l = {c->pads_l[0], c->pads_l[1]},
        .pads_r = {c->pads_r[0], c->pads_r[1]},
        .src = src->strides,
        .dst = dst->strides,
        .pads_channels = c->is_blocked,
        .activation = c->activation,
        .tile_block = 5,
        .panel_block = 3,
        .channel_groups = c->groups,
    };
}

static float *poisoned(size_t bytes)
{
    float *memory = cop_mem_aligned(bytes + GUARD * sizeof(float));
    assert_non_null(memory);
    for (size_t i = 0; i < bytes / sizeof(float) + GUARD; i++)
        memory[i] = NAN;
    return memory;
}

static void check_guard(const float *memory, size_t bytes)
{
    for (size_t i = 0; i < GUARD; i++)
        assert_true(isnan(memory[bytes / sizeof(float) + i]));
}

/* Fills n->dst. */
static void compute(const struct conv *c, struct numbers *n)
{
    struct cop_err err;
    struct laid_out src = lay_out(c, c->ic, c->ih, c->iw, n->src);
    struct laid_out add = lay_out(c, c->oc, n->oh, n->ow, n->add);
    struct laid_out dst =
        lay_out(c, c->oc, n->oh, n->ow, c->add == ADD_IN_PLACE ? n->add : NULL);
    const struct cop_winograd_desc desc = desc_of(c, &src, &dst);
    struct cop_winograd *w;
    assert_ok(cop_winograd_create(n->arena, &desc, &w, &err));
    float *packed = poisoned(cop_winograd_weights_bytes(w));
    float *workspace = poisoned(cop_winograd_workspace_bytes(w));
    const double *scale = c->has_scale ? n->scale : NULL;
    assert_ok(cop_winograd_pack(w, n->weights, scale, packed, &err));
    const struct cop_winograd_args args = {
        .src = src.first,
        .packed = packed,
        .bias = c->has_bias ? n->bias : NULL,
        .add = c->add == ADD            ? add.first
               : c->add == ADD_IN_PLACE ? dst.first
                                        : NULL,
        .dst = dst.first,
        .workspace = workspace,
    };
    assert_ok(cop_winograd_run(w, &args, &err));
    check_outside(&dst);
    check_guard(packed, cop_winograd_weights_bytes(w));
    check_guard(workspace, cop_winograd_workspace_bytes(w));
    for (int64_t i = 0; i < c->mb * c->oc * n->oh * n->ow; i++)
        n->dst[i] = dst.first[at(&dst, i)];
    cop_mem_free(src.memory);
    cop_mem_free(add.memory);
    cop_mem_free(dst.memory);
    cop_mem_free(packed);
    cop_mem_free(workspace);
}

/* The largest difference over the largest result, over every step-th result. */
static double error_of(const struct conv *c, const struct numbers *n, int64_t step)
{
    double worst = 0.0;
    double largest = 0.0;
    for (int64_t i = 0; i < c->mb * c->oc * n->oh * n->ow; i += step) {
        const double want = direct(c, n, i);
        const double error = fabs(want - (double)n->dst[i]);
        if (!(error <= worst)) worst = error;
        if (fabs(want) > largest) largest = fabs(want);
    }
    return largest > 0.0 ? worst / largest : worst;
}

static double limit_of(const struct conv *c)
{
    return c->m == 2 ? 5e-6 : 2e-5;
}

static void check(const struct conv *c)
{
    struct numbers n = make_numbers(c);
    compute(c, &n);
    const double error = error_of(c, &n, 1);
    if (!(error <= limit_of(c)))
        fail_msg(
            "F(%d) isa %d mb %lld %lld->%lld %lldx%lld: error %g",
            c->m,
            (int)c->isa,
            (long long)c->mb,
            (long long)c->ic,
            (long long)c->oc,
            (long long)c->ih,
            (long long)c->iw,
            error);
    free_numbers(&n);
}

/* Calls check for every instruction set and tile. */
static void check_all(struct conv c)
{
    for (int isa = COP_WINOGRAD_GENERIC; isa <= COP_WINOGRAD_AVX512; isa++) {
        c.isa = (enum cop_winograd_isa)isa;
        if (!cop_winograd_has(c.isa)) continue;
        for (c.m = 2; c.m <= 4; c.m += 2)
            check(&c);
    }
}

static enum cop_winograd_isa best_isa(void)
{
    return cop_winograd_has(COP_WINOGRAD_AVX512) ? COP_WINOGRAD_AVX512
           : cop_winograd_has(COP_WINOGRAD_AVX2) ? COP_WINOGRAD_AVX2
                                                 : COP_WINOGRAD_GENERIC;
}

/* ---- tests -------------------------------------------------------------------------------- */

static void sizes_and_tails(void **state)
{
    static const struct conv convs[] = {
        {1, 1, 1, 1, 1, {1, 1}, {1, 1}, .has_bias = true},
        {1, 16, 16, 8, 8, {1, 1}, {1, 1}, .has_bias = true},
        {2, 17, 33, 7, 9, {1, 1}, {1, 1}, .has_bias = true},
        {3, 5, 3, 13, 2, {1, 1}, {1, 1}, .has_bias = false},
        {1, 40, 72, 6, 11, {0, 0}, {0, 0}, .has_scale = true},
        {2, 24, 8, 5, 17, {0, 1}, {1, 0}, .has_scale = true, .has_bias = true},
        {1, 3, 20, 3, 3, {0, 0}, {0, 0}, .has_bias = false},
        {1, 31, 48, 4, 4, {2, 0}, {0, 2}, .has_bias = false},
        {1, 8, 100, 1, 40, {1, 1}, {1, 1}, .has_bias = false},
        {7, 19, 18, 5, 5, {1, 1}, {1, 1}, .has_bias = false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        struct conv c = convs[i];
        for (int form = 0; form < 4; form++) {
            c.is_blocked = form % 2 == 1;
            c.threads = 1 + (int32_t)(i + (size_t)form) % 4;
            c.groups = form < 2 ? 0 : c.threads == 4 ? 2 : c.threads;
            c.activation = linear;
            check_all(c);
        }
    }
}

static void epilogues(void **state)
{
    static const struct cop_winograd_activation activations[] = {
        {.kind = COP_WINOGRAD_LINEAR},
        {.kind = COP_WINOGRAD_CLIP, .low = 0.0f, .high = INFINITY},
        {.kind = COP_WINOGRAD_CLIP, .low = 0.0f, .high = 6.0f},
        {.kind = COP_WINOGRAD_CLIP, .low = 1.0f, .high = 6.0f}, /* not 0 at 0 */
        {.kind = COP_WINOGRAD_LEAKY, .slope = 0.1f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        for (int form = 0; form < 12; form++) {
            struct conv c = {2, 9, 21, 6, 7, {1, 1}, {1, 1}, .has_bias = false};
            c.activation = activations[i];
            c.threads = 2;
            c.is_blocked = form % 2 == 1;
            c.has_bias = form / 2 % 2 == 1;
            c.add = form / 4 == 0 ? NO_ADD : form / 4 == 1 ? ADD : ADD_IN_PLACE;
            check_all(c);
        }
    }
}

static void networks_stay_accurate(void **state)
{
    static const int64_t shapes[][4] = {
        /* ic, oc, size, pad: VGG16, ResNet, SqueezeNet, InceptionV3 */
        {64, 64, 56, 1},
        {128, 256, 28, 1},
        {256, 256, 14, 1},
        {512, 512, 14, 1},
        {512, 512, 7, 1},
        {16, 64, 55, 1},
        {64, 256, 13, 1},
        {32, 32, 75, 0},
        {448, 384, 8, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int64_t *s = shapes[i];
        struct conv c = {
            1, s[0], s[1], s[2], s[2], {s[3], s[3]}, {s[3], s[3]}, .threads = 2};
        c.isa = best_isa();
        c.activation = relu;
        for (c.m = 2; c.m <= 4; c.m += 2) {
            struct numbers n = make_numbers(&c);
            compute(&c, &n);
            const double error = error_of(&c, &n, 97);
            if (!(error <= limit_of(&c)))
                fail_msg("F(%d) of shape %zu: error %g", c.m, i, error);
            free_numbers(&n);
        }
    }
}

static void results_repeat_to_the_bit(void **state)
{
    struct conv c = {
        3, 35, 70, 11, 13, {1, 1}, {1, 1}, .has_bias = true, .activation = relu};
    (void)state;
    c.isa = best_isa();
    for (c.m = 2; c.m <= 4; c.m += 2) {
        const size_t bytes = (size_t)(3 * 70 * 11 * 13) * sizeof(float);
        c.threads = 1;
        c.groups = 0;
        struct numbers first = make_numbers(&c);
        compute(&c, &first);
        for (int form = 0; form < 16; form++) {
            c.threads = 1 + form % 4;
            c.groups = form / 4 % 2 == 0 ? 1 : c.threads;
            c.is_blocked = form / 8 == 1;
            struct numbers n = make_numbers(&c);
            cop_par_set_threads(1 + form % 3);
            compute(&c, &n);
            assert_memory_equal(n.dst, first.dst, bytes);
            free_numbers(&n);
        }
        free_numbers(&first);
    }
    cop_par_set_threads(cop_par_max_threads());
}

/* A slice of the channels of a larger nhwc tensor, as a concat has it. */
static void neighbours_are_left_alone(void **state)
{
    struct cop_err err;
    struct conv c = {1, 20, 18, 5, 6, {1, 1}, {1, 1}, .m = 4, .threads = 2};
    enum { WIDE = 50, SHIFT = 7 };
    (void)state;
    c.isa = best_isa();
    struct numbers n = make_numbers(&c);
    struct laid_out src = lay_out(&c, c.ic, c.ih, c.iw, n.src);
    struct laid_out dst = lay_out(&c, WIDE, c.ih, c.iw, NULL);
    const struct cop_winograd_desc desc = desc_of(&c, &src, &dst);
    struct cop_winograd *w;
    assert_ok(cop_winograd_create(n.arena, &desc, &w, &err));
    float *packed = poisoned(cop_winograd_weights_bytes(w));
    float *workspace = poisoned(cop_winograd_workspace_bytes(w));
    assert_ok(cop_winograd_pack(w, n.weights, NULL, packed, &err));
    const struct cop_winograd_args args = {
        .src = src.first,
        .packed = packed,
        .dst = dst.first + SHIFT,
        .workspace = workspace};
    assert_ok(cop_winograd_run(w, &args, &err));
    for (int64_t i = 0; i < dst.n; i++) {
        const int64_t channel = i % WIDE - SHIFT;
        if (channel < 0 || channel >= c.oc) {
            assert_true(isnan(dst.first[i]));
            continue;
        }
        n.dst[channel * c.ih * c.iw + i / WIDE] = dst.first[i];
    }
    assert_true(error_of(&c, &n, 1) <= limit_of(&c));
    cop_mem_free(src.memory);
    cop_mem_free(dst.memory);
    cop_mem_free(packed);
    cop_mem_free(workspace);
    free_numbers(&n);
}

static void faults_are_told(void **state)
{
    struct cop_err err;
    struct cop_winograd *w;
    struct cop_arena *arena = cop_arena_create();
    const struct cop_winograd_desc good = {
        .m = 4, .threads = 1, .mb = 1, .ic = 8, .oc = 8, .ih = 4, .iw = 4};
    struct cop_winograd_desc bad = good;
    (void)state;
    assert_non_null(arena);
    assert_ok(cop_winograd_create(arena, &good, &w, &err));
    bad.m = 3;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    bad = good;
    bad.threads = 0;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    bad = good;
    bad.threads = 3;
    bad.channel_groups = 2;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    bad = good;
    bad.ic = 0;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    assert_null(w);
    bad = good;
    bad.pads_l[1] = 3;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    bad = good;
    bad.ih = 2;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_ESHAPE);
    bad = good;
    bad.mb = bad.oc = bad.ic = INT32_MAX;
    assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EINVAL);
    for (int isa = COP_WINOGRAD_GENERIC; isa <= COP_WINOGRAD_AVX512; isa++) {
        bad = good;
        bad.isa = (enum cop_winograd_isa)isa;
        if (!cop_winograd_has(bad.isa))
            assert_fails(cop_winograd_create(arena, &bad, &w, &err), COP_EUNSUPPORTED);
    }
    cop_arena_destroy(arena);
}

int test_winograd(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_tails),
        cmocka_unit_test(epilogues),
        cmocka_unit_test(networks_stay_accurate),
        cmocka_unit_test(results_repeat_to_the_bit),
        cmocka_unit_test(neighbours_are_left_alone),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
