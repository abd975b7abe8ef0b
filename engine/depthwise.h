/* engine/depthwise.h - convolution of each channel by itself, channels innermost.
 *
 * A tile is one vector of channels of some pixels in a row; every source of the tile is
 * loaded once per row of the kernel and used by all results it belongs to.  Tensors are
 * addressed by strides, so src and dst may be slices of wider tensors.
 *
 * Results repeat to the bit, whatever the number of threads; they differ between
 * instruction sets.  Nothing is allocated after creation. */
#ifndef COP_ENGINE_DEPTHWISE_H
#define COP_ENGINE_DEPTHWISE_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/direct.h"
#include "engine/simd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_depthwise;

struct cop_depthwise_desc {
    enum cop_simd simd;
    int32_t threads; /* shares of work, >= 1 */
    int64_t mb;
    int64_t c;
    int64_t ih;
    int64_t iw;
    int64_t kernel[2];  /* h: any, w: 3, 5 or 7 */
    int64_t strides[2]; /* h: any, w: 1 or 2 */
    int64_t pads_l[2];  /* h, w; zeros, less than the kernel */
    int64_t pads_r[2];
    struct cop_direct_strides src;
    struct cop_direct_strides dst;
    bool has_relu; /* of src: max(src, 0) is convolved */
    struct cop_activation activation;
    int64_t row_block; /* rows of results in flight at once; 0: chosen */
    int32_t split;     /* 1: threads share rows, 2: channels; 0: chosen */
};

/** This kernel width and stride have loops. */
bool cop_depthwise_has(int64_t kernel_w, int64_t stride_w);

/** Plans in @p arena.  COP_EUNSUPPORTED when the machine lacks desc->simd or there are no
 *  loops for the kernel; COP_EINVAL for no threads, sizes below 1 or above 2^31 - 1, or pads
 *  as large as the kernel; COP_ESHAPE when the kernel does not fit on the image; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_depthwise_create(
    struct cop_arena *arena,
    const struct cop_depthwise_desc *desc,
    struct cop_depthwise **depthwise,
    struct cop_err *err);

size_t cop_depthwise_weights_bytes(const struct cop_depthwise *depthwise);

/** Puts @p weights [c][1][kh][kw], of any alignment, times scale[c] (NULL: 1) in the order
 *  of the loops.
 *  @param packed cop_depthwise_weights_bytes, 64-byte aligned; depends on simd, c and kernel
 *  only */
void cop_depthwise_pack(
    const struct cop_depthwise *depthwise,
    const void *weights,
    const double *scale,
    float *packed);

struct cop_depthwise_args {
    const float *src;
    const float *packed;
    const float *bias; /* [c]; NULL: none */
    float *dst;        /* apart from src */
};

/** dst = activation(conv(src) + bias).  Cannot fail but for the thread pool. */
COP_NODISCARD enum cop_status cop_depthwise_run(
    const struct cop_depthwise *depthwise,
    const struct cop_depthwise_args *args,
    struct cop_err *err);

#endif
