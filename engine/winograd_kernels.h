/* engine/winograd_kernels.h - the inner loops of winograd.c, one set per instruction set.
 *
 * The loops are written once (winograd_body.inc) and compiled three times.  Tiles, channel
 * blocks and panels below are those of one block of tiles; all strides count floats.
 * Nobody but winograd*.c includes this. */
#ifndef COP_ENGINE_WINOGRAD_KERNELS_H
#define COP_ENGINE_WINOGRAD_KERNELS_H

#include "engine/winograd.h"

#include <stdint.h>

enum {
    COP_WINOGRAD_PANEL = 2,     /* channel blocks that the product makes at once */
    COP_WINOGRAD_MAX_ALPHA = 6, /* side of the largest transformed tile */
};

/* The points of F(4, 3) besides 0 and infinity are +-A and +-B; their products up to A^2 B^2
 * and B^3 are exact in float32. */
#define COP_WINOGRAD_A 0.625
#define COP_WINOGRAD_B 1.5

/** A block of tiles, counted along w, then h, then mb. */
struct cop_winograd__tiles {
    int64_t first;
    int64_t n;
    int64_t per_row; /* tiles along w */
    int64_t per_col; /* tiles along h */
};

/** src -> V [alpha * alpha][ic blocks][tiles][block]. */
struct cop_winograd__input {
    const float *src;
    struct cop_winograd_strides strides;
    struct cop_winograd__tiles tiles;
    int64_t c;
    int64_t h;
    int64_t w;
    int64_t pad_h;
    int64_t pad_w;
    float *v;
    int64_t v_frequency; /* floats from one of the alpha * alpha matrices to the next */
    int64_t v_block;     /* from one channel block to the next */
};

/** M [frequency][oc block][tile][block] = V U for the panels of one call. */
struct cop_winograd__product {
    const float *v;
    int64_t v_frequency;
    int64_t v_block;
    const float *u; /* [panel][frequency][ic][COP_WINOGRAD_PANEL * block] */
    int64_t u_frequency;
    int64_t u_panel;
    float *m;
    int64_t m_frequency;
    int64_t m_block;
    int64_t n_frequencies;
    int64_t n_tiles;
    int64_t ic;
    int64_t n_blocks; /* of output channels; the last panel may hold only one */
};

/** M -> dst, with bias, addend and activation; output channel blocks [cb_begin, cb_end),
 *  block cb_begin first in M. */
struct cop_winograd__output {
    const float *m;
    int64_t m_frequency;
    int64_t m_block;
    struct cop_winograd__tiles tiles;
    struct cop_winograd_strides strides;
    int64_t c;
    int64_t h;
    int64_t w;
    int64_t cb_begin;
    int64_t cb_end;
    bool pads_channels; /* clears what is behind the last channel in its block */
    const float *bias;  /* [c] or NULL */
    const float *add;   /* laid out as dst, or NULL; may be dst */
    float *dst;
    struct cop_winograd_activation activation;
};

struct cop_winograd__kernels {
    int32_t block; /* channels per vector */
    int32_t rows;  /* tiles per turn of the product */
    void (*input_2)(const struct cop_winograd__input *job);
    void (*input_4)(const struct cop_winograd__input *job);
    void (*product)(const struct cop_winograd__product *job);
    void (*output_2)(const struct cop_winograd__output *job);
    void (*output_4)(const struct cop_winograd__output *job);
};

/** NULL where the compiler could not make them. */
extern const struct cop_winograd__kernels *const cop_winograd__generic;
extern const struct cop_winograd__kernels *const cop_winograd__avx2;
extern const struct cop_winograd__kernels *const cop_winograd__avx512;

#endif
