/* engine/direct.h - direct convolution as matrix products over pixels, channels innermost.
 *
 * Tensors are addressed by strides, so a result may be a slice of a wider tensor, a source
 * one of every second pixel, and the addend may lie anywhere.  A product holds a tile of
 * pixels x channels in registers over the whole sum; weights of the next tiles are fetched
 * meanwhile, so that layers of few pixels are not bound by the weights' way from memory.
 * Fully connected layers are those of one pixel per image.
 *
 * Results repeat to the bit, whatever the number of threads; they differ between
 * instruction sets.  Nothing is allocated after creation. */
#ifndef COP_ENGINE_DIRECT_H
#define COP_ENGINE_DIRECT_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/simd.h"

#include <stddef.h>
#include <stdint.h>

struct cop_direct;

/** Where element (n, c, y, x) lies, in floats: n * image + c + y * row + x * pixel. */
struct cop_direct_strides {
    int64_t image;
    int64_t row;
    int64_t pixel;
};
/** Dense; @p c channels per pixel. */
struct cop_direct_strides cop_direct_nhwc(int64_t c, int64_t h, int64_t w);

struct cop_direct_desc {
    enum cop_simd simd;
    int32_t threads; /* shares of work, >= 1 */
    int64_t mb;
    int64_t ic;
    int64_t oc;
    int64_t ih;
    int64_t iw;
    int64_t kernel[2]; /* h, w */
    int64_t strides[2];
    int64_t dilations[2]; /* pixels from one weight to the next, >= 1 */
    struct cop_direct_strides src;
    struct cop_direct_strides dst;
    struct cop_direct_strides add; /* of the addend; all 0: those of dst */
    struct cop_activation activation;
    int32_t vectors;     /* of output channels at once, 1 to 4; 0: chosen */
    int64_t pixel_block; /* pixels in flight at once; 0: chosen */
    int32_t split;       /* 1: threads share pixels, 2: channels; 0: chosen */
};

/** Plans in @p arena.  COP_EUNSUPPORTED when the machine lacks desc->simd; COP_EINVAL for
 *  no threads or sizes below 1 or above 2^31 - 1; COP_ESHAPE when the kernel does not fit
 *  on the image; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_direct_create(
    struct cop_arena *arena,
    const struct cop_direct_desc *desc,
    struct cop_direct **direct,
    struct cop_err *err);

size_t cop_direct_weights_bytes(const struct cop_direct *direct);
/** Packed weights of two convolutions are the same if simd, ic, oc, kernel, weights and this
 *  are: it says in which order they lie, which depends on the number of pixels, too. */
int64_t cop_direct_weights_form(const struct cop_direct *direct);

/** Where panel i of the packed weights begins: channels of the result, counted from 0.
 *  There are cop_direct_weights_form panels; behind the last lies oc, rounded up. */
int64_t cop_direct_panel_channel(const struct cop_direct *direct, int64_t panel);
/** What cop_direct_pack does, for the channels of one panel alone. */
void cop_direct_pack_panel(
    const struct cop_direct *direct,
    int64_t panel,
    const void *weights,
    const double *scale,
    float *packed);

/** Puts @p weights [oc][ic][kh][kw], of any alignment, times scale[oc] (NULL: 1) in the
 *  order of the products.  Cannot fail but for the thread pool.
 *  @param packed cop_direct_weights_bytes, 64-byte aligned */
COP_NODISCARD enum cop_status cop_direct_pack(
    const struct cop_direct *direct,
    const void *weights,
    const double *scale,
    float *packed,
    struct cop_err *err);

struct cop_direct_args {
    const float *src;
    const float *packed;
    const float *bias; /* [oc]; NULL: none */
    const float *add;  /* added before the activation; NULL: none */
    float *dst;        /* apart from src; it may be add, with the same strides */
};

/** dst = activation(conv(src) + bias + add).  Cannot fail but for the thread pool. */
COP_NODISCARD enum cop_status cop_direct_run(
    const struct cop_direct *direct,
    const struct cop_direct_args *args,
    struct cop_err *err);

#endif
