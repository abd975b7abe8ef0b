/* engine/depthwise_kernels.h - the inner loops of depthwise.c, one set per instruction set.
 *
 * The loops are written once (depthwise_body.inc) and compiled three times; strides count
 * floats.  Nobody but depthwise*.c includes this. */
#ifndef COP_ENGINE_DEPTHWISE_KERNELS_H
#define COP_ENGINE_DEPTHWISE_KERNELS_H

#include "engine/simd.h"

#include <stdint.h>

/** One row of results, for some blocks of channels. */
struct cop_depthwise__row {
    const float *src; /* column 0 of the first row that the kernel meets */
    int64_t src_row;
    int64_t src_pixel;
    int64_t iw;
    int64_t pad; /* columns left of column 0 */
    int64_t kh;  /* rows of the kernel inside the image */
    const float
        *weights; /* [block][row][kw][lane], at the first row inside the image */
    int64_t weights_block;
    float *dst;
    int64_t dst_pixel;
    int64_t ow;
    const float *bias; /* NULL: none */
    int64_t channels;  /* the last block may be short */
    struct cop_activation activation;
};

typedef void cop_depthwise__row_fn(const struct cop_depthwise__row *job);

struct cop_depthwise__kernels {
    int32_t block; /* floats per vector */
    /* By (kw - 3) / 2, stride - 1, and whether src is rectified. */
    cop_depthwise__row_fn *rows[3][2][2];
};

/** NULL where the compiler could not make them. */
extern const struct cop_depthwise__kernels *const cop_depthwise__generic;
extern const struct cop_depthwise__kernels *const cop_depthwise__avx2;
extern const struct cop_depthwise__kernels *const cop_depthwise__avx512;

#endif
