/* engine/direct_kernels.h - the inner loops of direct.c, one set per instruction set.
 *
 * The loops are written once (direct_body.inc) and compiled three times; strides count
 * floats.  Nobody but direct*.c includes this. */
#ifndef COP_ENGINE_DIRECT_KERNELS_H
#define COP_ENGINE_DIRECT_KERNELS_H

#include "engine/simd.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    COP_DIRECT_MAX_VECTORS = 4, /* of output channels, made at once */
    COP_DIRECT_MAX_ROWS = 14,   /* pixels made at once */
};

/** One tile of results, pixels x vectors of channels, from one range of the sum:
 *  sum over i < n_outer, j < n_inner, k < n of src[i, j, k] weights[i, j, k]. */
struct cop_direct__turn {
    const float *src;
    int64_t src_pixel; /* from one pixel of the tile to the next */
    int64_t src_outer;
    int64_t src_inner;
    int64_t n_outer;
    int64_t n_inner;
    int64_t n;
    const float *weights; /* [n_outer][n_inner][n][blocks * block] */
    const char *ahead;    /* weights to fetch meanwhile, ... */
    int64_t ahead_bytes;  /* ... so many per 4 steps of k */
    float *dst;
    int64_t dst_pixel;
    const float *add; /* NULL: none */
    int64_t add_pixel;
    const float *bias; /* NULL: none */
    int64_t channels;  /* results per pixel; the last vector may be short */
    bool is_first; /* the sum starts with bias, not with dst, and takes the addend */
    bool is_far;   /* dst lies in no cache of this core */
    bool is_last;  /* the sum is complete: activate */
    struct cop_activation activation;
};

typedef void cop_direct__turn_fn(const struct cop_direct__turn *job);

struct cop_direct__kernels {
    int32_t block;                        /* floats per vector */
    int32_t rows[COP_DIRECT_MAX_VECTORS]; /* pixels per tile of 1, 2, ... vectors */
    /* Of v vectors and r pixels: turns[v - 1][r - 1]. */
    cop_direct__turn_fn *turns[COP_DIRECT_MAX_VECTORS][COP_DIRECT_MAX_ROWS];
};

/** NULL where the compiler could not make them. */
extern const struct cop_direct__kernels *const cop_direct__generic;
extern const struct cop_direct__kernels *const cop_direct__avx2;
extern const struct cop_direct__kernels *const cop_direct__avx512;

#endif
