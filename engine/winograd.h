/* engine/winograd.h - 3x3 convolution with stride 1 by Winograd's minimal filtering.
 *
 * Each tile of m x m results is made from a tile of (m + 2) x (m + 2) sources: both are
 * transformed, the channels are summed by one matrix product per transformed element, and
 * the sums are transformed back (Lavin & Gray 2016, arXiv:1509.09308, algorithm 1).  m = 2
 * multiplies 2.25 times less than the direct form, m = 4 four times less, at some loss of
 * accuracy: about 1e-6 (m = 2) and 5e-6 (m = 4) of the largest result.
 *
 * Blocks of tiles pass through all stages while they lie in the cache.  Results repeat to
 * the bit, whatever the number of threads; they differ between instruction sets.  Nothing
 * is allocated after creation. */
#ifndef COP_ENGINE_WINOGRAD_H
#define COP_ENGINE_WINOGRAD_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_winograd;

/** Instruction sets in rising order. */
enum cop_winograd_isa {
    COP_WINOGRAD_GENERIC, /* what the compiler was told to assume; 8 channels per block */
    COP_WINOGRAD_AVX2,    /* with FMA; 8 channels per block */
    COP_WINOGRAD_AVX512, /* 16 channels per block */
};
/** This machine and build have it. */
bool cop_winograd_has(enum cop_winograd_isa isa);
/** Channels per block: 8 or 16. */
int32_t cop_winograd_block(enum cop_winograd_isa isa);

/** Where element (n, c, y, x) lies, in floats: n * image + (c / block) * channel_block +
 *  c % block + y * row + x * pixel, with the block of the instruction set. */
struct cop_winograd_strides {
    int64_t image;
    int64_t channel_block;
    int64_t row;
    int64_t pixel;
};
/** Channels innermost, @p c of them per pixel. */
struct cop_winograd_strides cop_winograd_nhwc(
    enum cop_winograd_isa isa, int64_t c, int64_t h, int64_t w);
/** Blocks of channels innermost, planes of blocks outside: nChw8c or nChw16c. */
struct cop_winograd_strides cop_winograd_blocked(
    enum cop_winograd_isa isa, int64_t c, int64_t h, int64_t w);

/** What is done to each result. */
struct cop_winograd_activation {
    enum {
        COP_WINOGRAD_LINEAR, /* y = x */
        COP_WINOGRAD_CLIP,   /* y = min(max(x, low), high) */
        COP_WINOGRAD_LEAKY,  /* y = x > 0 ? x : slope * x */
    } kind;
    float low;
    float high;
    float slope;
};

struct cop_winograd_desc {
    enum cop_winograd_isa isa;
    int32_t m;       /* results per side of a tile: 2 or 4 */
    int32_t threads; /* shares of work, >= 1 */
    int64_t mb;
    int64_t ic;
    int64_t oc;
    int64_t ih;
    int64_t iw;
    int64_t pads_l[2]; /* h, w; zeros, 0 to 2 each */
    int64_t pads_r[2];
    struct cop_winograd_strides src;
    struct cop_winograd_strides dst; /* of the addend, too */
    bool pads_channels; /* dst has whole blocks of channels, the tail to be zeroed */
    struct cop_winograd_activation activation;
    int64_t tile_block;  /* tiles in flight at once; 0: chosen */
    int64_t panel_block; /* output channel blocks in flight at once; 0: chosen */
    int32_t
        channel_groups; /* shares of the output channels, a divisor of threads; the tiles
                               are cut in threads / channel_groups shares; 0: chosen */
};

/** Plans in @p arena.  COP_EUNSUPPORTED when the machine lacks desc->isa; COP_EINVAL for
 *  another tile, no threads, channel groups that do not divide them, sizes below 1 or above 2^31 - 1, or pads outside [0, 2];
 *  COP_ESHAPE when nothing is left of the image; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_winograd_create(
    struct cop_arena *arena,
    const struct cop_winograd_desc *desc,
    struct cop_winograd **winograd,
    struct cop_err *err);

size_t cop_winograd_weights_bytes(const struct cop_winograd *winograd);
size_t cop_winograd_workspace_bytes(const struct cop_winograd *winograd);

/** U = G g G^T for @p weights [oc][ic][3][3], of any alignment, times scale[oc] (NULL: 1);
 *  computed in double precision and rounded once.  Cannot fail but for the thread pool.
 *  @param packed cop_winograd_weights_bytes, 64-byte aligned; depends on isa, m, ic and oc
 *  only */
COP_NODISCARD enum cop_status cop_winograd_pack(
    const struct cop_winograd *winograd,
    const void *weights,
    const double *scale,
    float *packed,
    struct cop_err *err);

struct cop_winograd_args {
    const float *src;
    const float *packed;
    const float *bias; /* [oc]; NULL: none */
    const float
        *add;   /* added before the activation, laid out as dst; dst itself, or NULL */
    float *dst; /* apart from src */
    void *workspace; /* cop_winograd_workspace_bytes, 64-byte aligned */
};

/** dst = activation(conv(src) + bias + add).  Cannot fail but for the thread pool. */
COP_NODISCARD enum cop_status cop_winograd_run(
    const struct cop_winograd *winograd,
    const struct cop_winograd_args *args,
    struct cop_err *err);

#endif
