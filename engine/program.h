/* engine/program.h - a primitive program: what is computed, before how and where.
 *
 * Lowering (emit.c) turns graph nodes into primitives over tensors, in an order in which
 * every tensor is written once, before it is read.  Fusion (fuse.c) rewrites the list;
 * build.c chooses oneDNN kernels and layouts for it; backward.c walks it in reverse.
 * Tensor i < n_values is the graph's value with id i; later ones are temporaries.
 * Everything lives in the arena that the program was made in. */
#ifndef COP_ENGINE_PROGRAM_H
#define COP_ENGINE_PROGRAM_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/emit.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

enum cop_tensor_role {
    COP_TENSOR_UNUSED,   /* not part of this program */
    COP_TENSOR_CONST,    /* elements known */
    COP_TENSOR_START,    /* given by the caller of each run */
    COP_TENSOR_COMPUTED, /* written by exactly one primitive */
};

struct cop_tensor {
    const char *name; /* for error texts */
    enum cop_tensor_role role;
    enum cop_dtype dtype;
    struct cop_shape shape;
    const void *data; /* of a constant; maybe unaligned; only while compiling */
    const struct cop_buf
        *buf;                /* whose bytes data is, NULL for folded or emitted ones */
    struct cop_prim *writer; /* of a computed tensor */
    bool keep;               /* start, end or tap: readable after a run */
    bool is_tap;             /* may be masked */
};

enum cop_prim_kind {
    COP_PRIM_CONV,
    COP_PRIM_MATMUL,
    COP_PRIM_POOL,
    COP_PRIM_ELTWISE,
    COP_PRIM_BINARY,
    COP_PRIM_NORMALISE,
    COP_PRIM_SOFTMAX,
    COP_PRIM_REDUCE,
    COP_PRIM_CONCAT,
    COP_PRIM_SLICE,
    COP_PRIM_PAD,
    COP_PRIM_TRANSPOSE,
    COP_PRIM_RESHAPE,
    COP_PRIM_PICK,
    COP_PRIM_RESAMPLE,
    COP_PRIM_SELECT,
    COP_PRIM_DECONV,
};

/** "convolution", "pooling", ... */
const char *cop_prim_kind_name(enum cop_prim_kind kind);

/** Algorithms that oneDNN computes, alone and fused; the others are loops of ours. */
static inline bool cop_eltwise_is_dnnl(enum cop_eltwise_alg alg)
{
    return alg < COP_ELTWISE_SOFTPLUS;
}
static inline bool cop_binary_is_dnnl(enum cop_binary_alg alg)
{
    return alg < COP_BINARY_POW;
}

enum { COP_MAX_POSTS = 6 };

/** Something done to each result element before it is stored, in order. */
struct cop_post {
    enum { COP_POST_ELTWISE, COP_POST_SUM } kind;
    enum cop_eltwise_alg alg; /* ELTWISE */
    float alpha;
    float beta;
    int32_t tensor; /* SUM: this is added */
};

/** A per-channel line folded into weights and bias: y = scale * x + shift. */
struct cop_affine {
    int64_t n;
    double *scale; /* [n] */
    double *shift; /* [n] */
};

struct cop_prim {
    enum cop_prim_kind kind;
    union {
        struct {
            struct cop_window window;
            int64_t g;
            bool has_relu; /* max(src, 0) is convolved; depthwise only */
        } conv;            /* srcs: src, weights, bias (-1: none) */
        struct {
            bool transpose_src;
            bool transpose_weights;
        } matmul; /* srcs: src, weights, bias (-1: none) */
        struct {
            enum cop_pool_alg alg;
            struct cop_window window;
        } pool;
        struct {
            enum cop_eltwise_alg alg;
            float alpha;
            float beta;
        } eltwise;
        enum cop_binary_alg binary;
        float epsilon; /* normalise; srcs: src, scale, shift, mean, variance */
        struct {
            int32_t axis;
            bool logarithm;
        } softmax;
        struct {
            enum cop_reduce_alg alg;
            uint32_t axes;
        } reduce;
        int32_t concat_axis;
        struct {
            int64_t starts[COP_MAX_RANK];
            int64_t steps[COP_MAX_RANK];
        } slice;
        struct {
            int64_t pads_l[COP_MAX_RANK];
            float fill;
        } pad;
        int32_t perm[COP_MAX_RANK];
        struct {
            const int64_t *index[COP_MAX_RANK]; /* NULL: the axis as it is */
            float fill;
        } pick;
        struct cop_resample resample;
        struct {
            struct cop_window window;
            int64_t g;
        } deconv; /* srcs: src, weights, bias (-1: none) */
    } as;         /* select: srcs are condition, src0, src1 */
    int32_t n_srcs;
    int32_t *srcs; /* tensors; -1: absent */
    int32_t dst;
    int32_t n_nodes;
    int32_t *nodes; /* ids of the graph nodes computed here */
    int32_t n_posts;
    struct cop_post posts[COP_MAX_POSTS];
    struct cop_affine *affine; /* conv, matmul: applied before the posts; may be NULL */
    bool dead;                 /* fused away or never read */
};

struct cop_program {
    struct cop_arena *arena;
    int64_t mb;
    bool has_gradients; /* of a plan that runs backward */
    struct cop_tensor *tensors;
    int32_t n_tensors;
    int32_t cap_tensors;
    struct cop_prim **prims;
    int32_t n_prims;
    int32_t cap_prims;
    int32_t *starts; /* tensors, in the order of the caller */
    int32_t n_starts;
    int32_t *ends;
    int32_t n_ends;
};

struct cop_plan_options;

/** Lowers what is needed for the ends and taps from the starts (see cop_plan_options).
 *  COP_EINVAL if an end needs something before the starts; what lowering returns. */
COP_NODISCARD enum cop_status cop_program_create(
    struct cop_arena *arena,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_program **program,
    struct cop_err *err);

/** Appends a tensor; its index is *tensor. */
COP_NODISCARD enum cop_status cop_program_add_tensor(
    struct cop_program *program,
    const struct cop_tensor *like,
    int32_t *tensor,
    struct cop_err *err);

/** Appends a primitive; copies srcs.  COP_EINVAL if dst is already written. */
COP_NODISCARD enum cop_status cop_program_add_prim(
    struct cop_program *program,
    enum cop_prim_kind kind,
    const int32_t *srcs,
    int32_t n_srcs,
    int32_t dst,
    struct cop_prim **prim,
    struct cop_err *err);

/** Elements of a constant float32 tensor, as a fresh array in the program's arena. */
COP_NODISCARD enum cop_status cop_program_const_f64(
    const struct cop_program *program,
    int32_t tensor,
    double **elements,
    struct cop_err *err);

#endif
