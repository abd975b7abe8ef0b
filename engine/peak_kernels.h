/* engine/peak_kernels.h - the loops of peak_body.inc, compiled per instruction set. */
#ifndef COP_ENGINE_PEAK_KERNELS_H
#define COP_ENGINE_PEAK_KERNELS_H

#include <stdint.h>

struct cop_peak__kernels {
    /** @p n rounds of multiply-adds in registers: x = x * by + plus.  Returns their sum, so
     *  that nothing can be left out. */
    float (*multiply_add)(int64_t n, float by, float plus);
    int64_t flops; /* of one round */
    /** The sum of @p n floats, a multiple of 1024, 64-byte aligned. */
    float (*read)(const float *elements, int64_t n);
};

/* NULL where the build has none. */
extern const struct cop_peak__kernels *const cop_peak__generic;
extern const struct cop_peak__kernels *const cop_peak__avx2;
extern const struct cop_peak__kernels *const cop_peak__avx512;

#endif
