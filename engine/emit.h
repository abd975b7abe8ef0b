/* engine/emit.h - how an operator says what it computes: a list of primitives.
 *
 * A row's `lower` translates its node into calls below; it sees no oneDNN type, no layout
 * and no memory.  Every primitive knows its own gradient.  Words are oneDNN's, meanings
 * are those of the formulas here; tensors are NCHW, float32.  Booleans and integers that
 * are computed are held as float32 numbers too: an operator that could leave their range,
 * or 2^24, must refuse them.  A facet header: it may include base/ and graph/ only, because
 * ops/ includes it.
 *
 * References name tensors of the program being built.  A reference below 0 means
 * "absent" where an operand is optional. */
#ifndef COP_ENGINE_EMIT_H
#define COP_ENGINE_EMIT_H

#include "base/err.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_emitter;

struct cop_ref {
    int32_t id;
};
#define COP_REF_ABSENT ((struct cop_ref){-1})

/* ---- tensors ---------------------------------------------------------------------- */

/** Operand and result of the node being lowered.  Absent operands give COP_REF_ABSENT. */
struct cop_ref cop_emit_src(struct cop_emitter *emitter, int32_t slot);
struct cop_ref cop_emit_dst(struct cop_emitter *emitter, int32_t slot);
/** What is known of operand or result @p slot at this plan's batch size; data set for
 *  constants (Clip bounds, Slice starts). */
const struct cop_fact *cop_emit_src_fact(
    const struct cop_emitter *emitter, int32_t slot);
const struct cop_fact *cop_emit_dst_fact(
    const struct cop_emitter *emitter, int32_t slot);

/** A float32 tensor between two primitives of one operator. */
COP_NODISCARD enum cop_status cop_emit_temp(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    struct cop_ref *temp,
    struct cop_err *err);

/** For tables that an operator hands to a primitive; lives as long as the program. */
struct cop_arena *cop_emit_arena(struct cop_emitter *emitter);

/** A constant that the operator makes up: elements are copied. */
COP_NODISCARD enum cop_status cop_emit_const(
    struct cop_emitter *emitter,
    const struct cop_shape *shape,
    const float *elements, /* row-major */
    struct cop_ref *constant,
    struct cop_err *err);

/** The elements of a tensor under another shape.  A constant stays one where no gradient is
 *  asked for. */
COP_NODISCARD enum cop_status cop_emit_view(
    struct cop_emitter *emitter,
    struct cop_ref src,
    const struct cop_shape *shape,
    struct cop_ref *view,
    struct cop_err *err);

/** Operand @p slot as numbers that any primitive reads: a known one of another type becomes
 *  a float32 constant.  COP_EUNSUPPORTED if an element has no exact float32. */
COP_NODISCARD enum cop_status cop_emit_number(
    struct cop_emitter *emitter,
    int32_t slot,
    struct cop_ref *number,
    struct cop_err *err);

/* ---- primitives ------------------------------------------------------------------- */
/* Each returns COP_ENOMEM, COP_ESHAPE if the shapes do not fit, or COP_EUNSUPPORTED. */

/** Spatial attributes of windows over 2 axes (h, w).  dilates: 1 is dense. */
struct cop_window {
    int64_t kernel[2];
    int64_t strides[2];
    int64_t dilates[2];
    int64_t pads_l[2];
    int64_t pads_r[2];
};

/** dst[n][g*OC'+o][y][x] = bias[o] + sum src * weights; weights [oc][ic/g][kh][kw] are a
 *  constant or a tensor; bias [oc] or absent. */
COP_NODISCARD enum cop_status cop_emit_conv(
    struct cop_emitter *emitter,
    const struct cop_window *window,
    int64_t g,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err);

/** dst = alpha * op(src) op(weights) + beta * bias, over the last two axes, leading axes
 *  broadcast; bias broadcasts to dst or is absent. */
struct cop_matmul {
    bool transpose_src;
    bool transpose_weights;
    float alpha;
    float beta;
};
COP_NODISCARD enum cop_status cop_emit_matmul(
    struct cop_emitter *emitter,
    const struct cop_matmul *matmul,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err);

enum cop_pool_alg {
    COP_POOL_MAX,
    COP_POOL_AVG_INCLUDE_PADDING,
    COP_POOL_AVG_EXCLUDE_PADDING,
};
COP_NODISCARD enum cop_status cop_emit_pool(
    struct cop_emitter *emitter,
    enum cop_pool_alg alg,
    const struct cop_window *window,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

enum cop_eltwise_alg {
    COP_ELTWISE_RELU,     /* x > 0 ? x : alpha * x */
    COP_ELTWISE_CLIP,     /* min(max(x, alpha), beta) */
    COP_ELTWISE_LOGISTIC, /* 1 / (1 + exp(-x)) */
    COP_ELTWISE_TANH,
    COP_ELTWISE_ELU,    /* x > 0 ? x : alpha * (exp(x) - 1) */
    COP_ELTWISE_LINEAR, /* alpha * x + beta */
    COP_ELTWISE_EXP,
    COP_ELTWISE_SQRT,
    COP_ELTWISE_ABS,
    COP_ELTWISE_POW,      /* alpha * x ^ beta */
    COP_ELTWISE_GELU_ERF, /* x * Phi(x) */
    COP_ELTWISE_GELU_TANH,
    COP_ELTWISE_ROUND, /* to the nearest, halves to even; gradient 1 (straight through,
                          Bengio et al. 2013, section 4), so that quantised networks can
                          be explained and trained */
    /* From here on oneDNN has no kernel, or none that is exact near 0: our own loop, never
     * fused. */
    COP_ELTWISE_SOFTPLUS, /* log(1 + exp(x)) */
    COP_ELTWISE_LOG,
    COP_ELTWISE_ERF,
    COP_ELTWISE_FLOOR,
    COP_ELTWISE_CEIL,
    COP_ELTWISE_TRUNC, /* towards 0 */
    COP_ELTWISE_SIGN,
};
COP_NODISCARD enum cop_status cop_emit_eltwise(
    struct cop_emitter *emitter,
    enum cop_eltwise_alg alg,
    float alpha,
    float beta,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

enum cop_binary_alg {
    COP_BINARY_ADD,
    COP_BINARY_SUB,
    COP_BINARY_MUL,
    COP_BINARY_DIV,
    COP_BINARY_MAX,
    COP_BINARY_MIN,
    /* From here on oneDNN has no kernel: our own loop, never fused. */
    COP_BINARY_POW,   /* src0 ^ src1 */
    COP_BINARY_PRELU, /* src0 >= 0 ? src0 : src0 * src1 */
    COP_BINARY_EQUAL, /* comparisons give 1 or 0; their gradients are 0 */
    COP_BINARY_GREATER,
    COP_BINARY_GREATER_EQUAL,
};
/** dst = src0 (alg) src1 with NumPy broadcasting of either side. */
COP_NODISCARD enum cop_status cop_emit_binary(
    struct cop_emitter *emitter,
    enum cop_binary_alg alg,
    struct cop_ref src0,
    struct cop_ref src1,
    struct cop_ref dst,
    struct cop_err *err);

/** dst = (src - mean) / sqrt(variance + epsilon) * scale + shift per channel (axis 1).
 *  @param params scale, shift, mean, variance, each [c] */
COP_NODISCARD enum cop_status cop_emit_normalise(
    struct cop_emitter *emitter,
    float epsilon,
    struct cop_ref src,
    const struct cop_ref params[4],
    struct cop_ref dst,
    struct cop_err *err);

/** Over one axis: exp(x - max) / sum, or its logarithm. */
COP_NODISCARD enum cop_status cop_emit_softmax(
    struct cop_emitter *emitter,
    int32_t axis,
    bool logarithm,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

enum cop_reduce_alg {
    COP_REDUCE_MEAN,
    COP_REDUCE_SUM,
    COP_REDUCE_MAX,
    COP_REDUCE_MIN,
    COP_REDUCE_PROD,
    COP_REDUCE_ARG_MAX,      /* of one axis: where the first largest element is */
    COP_REDUCE_ARG_MAX_LAST, /* ... the last one; both have gradient 0 */
};
/** Over the axes whose bit is set; dst has the same elements with or without those axes
 *  kept as 1. */
COP_NODISCARD enum cop_status cop_emit_reduce(
    struct cop_emitter *emitter,
    enum cop_reduce_alg alg,
    uint32_t axes,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

COP_NODISCARD enum cop_status cop_emit_concat(
    struct cop_emitter *emitter,
    int32_t axis,
    int32_t n_srcs,
    const struct cop_ref *srcs,
    struct cop_ref dst,
    struct cop_err *err);

/** dst[i] = src[starts + i * steps] on every axis; steps may be negative.
 *  @param starts,steps one per axis of src */
COP_NODISCARD enum cop_status cop_emit_slice(
    struct cop_emitter *emitter,
    const int64_t *starts,
    const int64_t *steps,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** Places src at pads_l in dst, the rest is @p fill; negative pads crop.
 *  @param pads_l one per axis of src */
COP_NODISCARD enum cop_status cop_emit_pad(
    struct cop_emitter *emitter,
    const int64_t *pads_l,
    float fill,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** Axis i of dst is axis perm[i] of src. */
COP_NODISCARD enum cop_status cop_emit_transpose(
    struct cop_emitter *emitter,
    const int32_t *perm,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** The same elements in row-major order under another shape (also an identity). */
COP_NODISCARD enum cop_status cop_emit_reshape(
    struct cop_emitter *emitter,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** dst[i0][i1]... = src[index[0][i0]][index[1][i1]]...; where an index is -1 dst is
 *  @p fill.
 *  @param index one table per axis, [extent of dst]; copied.  NULL: that axis as it is */
COP_NODISCARD enum cop_status cop_emit_pick(
    struct cop_emitter *emitter,
    const int64_t *const *index,
    float fill,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** One linear map along one axis: dst[..][o][..] = sum over t of weight[o][t] *
 *  src[..][index[o][t]][..].  Resizing and its kin are one of these per axis. */
struct cop_resample {
    int32_t axis;
    int64_t n_taps;
    const int64_t *index; /* [extent of dst][n_taps]; copied */
    const float *weight;  /* [extent of dst][n_taps]; copied */
};
COP_NODISCARD enum cop_status cop_emit_resample(
    struct cop_emitter *emitter,
    const struct cop_resample *resample,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err);

/** dst = condition != 0 ? src0 : src1, with NumPy broadcasting of all three. */
COP_NODISCARD enum cop_status cop_emit_select(
    struct cop_emitter *emitter,
    struct cop_ref condition,
    struct cop_ref src0,
    struct cop_ref src1,
    struct cop_ref dst,
    struct cop_err *err);

/** A transposed convolution: dst[n][g*OC'+o][y * strides - pads_l + ky * dilates] +=
 *  src[n][g*IC'+i][y] * weights[g*IC'+i][o][ky], likewise x; plus bias [oc] or absent.
 *  weights [ic][oc/g][kh][kw].  pads crop the result; a negative pads_r lengthens it. */
COP_NODISCARD enum cop_status cop_emit_deconv(
    struct cop_emitter *emitter,
    const struct cop_window *window,
    int64_t g,
    const struct cop_ref src_weights_bias[3],
    struct cop_ref dst,
    struct cop_err *err);

#endif
