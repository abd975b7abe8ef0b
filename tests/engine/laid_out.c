/* tests/engine/laid_out.c - see laid_out.h. */
#include "laid_out.h"

#include "base/mem.h"
#include "support/test.h"

#include <math.h>

float *random_floats(struct cop_rng *rng, int64_t n)
{
    float *floats = cop_mem_array((size_t)n, sizeof *floats);
    assert_non_null(floats);
    for (int64_t i = 0; i < n; i++)
        floats[i] = (float)cop_rng_range(rng, -1.0, 1.0);
    return floats;
}

double activated(const struct cop_activation *a, double x)
{
    switch (a->kind) {
    case COP_ACTIVATION_LINEAR: return x;
    case COP_ACTIVATION_CLIP: return fmin(fmax(x, (double)a->low), (double)a->high);
    case COP_ACTIVATION_LEAKY: return x > 0 ? x : (double)a->slope * x;
    }
    return NAN;
}

static int64_t at(const struct laid_out *t, int64_t i)
{
    const int64_t x = i % t->dims[3];
    const int64_t y = i / t->dims[3] % t->dims[2];
    const int64_t c = i / t->dims[3] / t->dims[2] % t->dims[1];
    const int64_t mb = i / t->dims[3] / t->dims[2] / t->dims[1];
    return mb * t->strides.image + c + y * t->strides.row + x * t->strides.pixel;
}

struct laid_out lay_out(const int64_t dims[4], int64_t wider, const float *from)
{
    const int64_t c = dims[1] + wider;
    struct laid_out t = {
        .strides = cop_direct_nhwc(c, dims[2], dims[3]),
        .dims = {dims[0], dims[1], dims[2], dims[3]}};
    t.n = dims[0] * t.strides.image;
    t.memory = cop_mem_aligned((size_t)(t.n + 2 * GUARD) * sizeof(float));
    assert_non_null(t.memory);
    t.first = t.memory + GUARD + wider / 2;
    for (int64_t i = 0; i < t.n + 2 * GUARD; i++)
        t.memory[i] = NAN;
    for (int64_t i = 0; from != NULL && i < dims[0] * dims[1] * dims[2] * dims[3]; i++)
        t.first[at(&t, i)] = from[i];
    return t;
}

void fetch(struct laid_out *t, float *to)
{
    for (int64_t i = 0; i < t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]; i++) {
        to[i] = t->first[at(t, i)];
        t->first[at(t, i)] = NAN;
    }
    for (int64_t i = 0; i < t->n + 2 * GUARD; i++)
        assert_true(isnan(t->memory[i]));
}
