/* tests/engine/laid_out.h - what the tests of direct and depthwise convolution have in common: numbers,
 * activations by definition, and tensors as the kernels see them. */
#ifndef COP_TESTS_ENGINE_LAID_OUT_H
#define COP_TESTS_ENGINE_LAID_OUT_H

#include "base/rng.h"
#include "engine/direct.h"

#include <stdint.h>

enum { GUARD = 64 }; /* elements around what a kernel may touch */

/** From -1 to 1; freed with cop_mem_free. */
float *random_floats(struct cop_rng *rng, int64_t n);

double activated(const struct cop_activation *a, double x);

/** A tensor as the kernels see it, between guards; NaN wherever nothing was put. */
struct laid_out {
    struct cop_direct_strides strides;
    int64_t dims[4];
    int64_t n;
    float *memory;
    float *first;
};

/** Row-major @p from (NULL: nothing) of @p dims n, c, h, w put where channels come last, as a
 *  slice of a tensor that has @p wider channels besides. */
struct laid_out lay_out(const int64_t dims[4], int64_t wider, const float *from);

/** Takes the results out into @p to, row-major; asserts that nothing else was written. */
void fetch(struct laid_out *t, float *to);

#endif
