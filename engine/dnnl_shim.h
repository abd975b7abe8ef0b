/* engine/dnnl_shim.h - oneDNN in the shape of its version 3, backed by version 2.6.
 *
 * The only door to oneDNN: memory descriptors are opaque, each primitive has one function
 * from its descriptors to a kernel choice (cop_pd), scratchpads are always the caller's.
 * Every object lives in the arena it was made in, copies of descriptors apart.  Creation
 * is serialised by one lock (2.6 has a race there); kernels may run in several threads. */
#ifndef COP_ENGINE_DNNL_SHIM_H
#define COP_ENGINE_DNNL_SHIM_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/emit.h"
#include "engine/program.h"
#include "graph/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_dnnl;   /* engine and stream */
struct cop_md;     /* how a tensor lies in memory */
struct cop_pd;     /* a kernel chosen for descriptors */
struct cop_kernel; /* a kernel bound to memory */

/* ---- library ------------------------------------------------------------------------ */

COP_NODISCARD enum cop_status cop_dnnl_create(
    struct cop_dnnl **dnnl, struct cop_err *err);
void cop_dnnl_destroy(struct cop_dnnl *dnnl);
/** Effective ISA, e.g. "avx512_core_vnni", and the version, e.g. "2.6.3". */
const char *cop_dnnl_isa(void);
void cop_dnnl_version(char *text, size_t text_bytes);
/** c = op(a) op(b) + beta * c, all row-major and dense. */
struct cop_sgemm {
    bool transpose_a;
    bool transpose_b;
    int64_t m;
    int64_t n;
    int64_t k;
    float beta;
};
COP_NODISCARD enum cop_status cop_dnnl_sgemm(
    const struct cop_sgemm *gemm,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err);

/* ---- descriptors -------------------------------------------------------------------- */

/** @param strides elements per step of each axis; NULL: row-major */
COP_NODISCARD enum cop_status cop_md_create(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const int64_t *strides,
    const struct cop_md **md,
    struct cop_err *err);
/** Leaves the layout to the kernel. */
COP_NODISCARD enum cop_status cop_md_any(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err);
/** The axes in the order of @p like, dense; row-major where @p like is blocked or has
 *  another rank. */
COP_NODISCARD enum cop_status cop_md_like(
    struct cop_arena *arena,
    const struct cop_md *like,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err);
/** Channels innermost: [n][h][w][c] of a tensor with four axes. */
COP_NODISCARD enum cop_status cop_md_channels_last(
    struct cop_arena *arena,
    const struct cop_shape *shape,
    const struct cop_md **md,
    struct cop_err *err);
/** Elements [first, first + n) of @p axis of a tensor that lies as @p whole; the part starts
 *  *offset elements behind it.  COP_EENGINE if a block would be torn. */
COP_NODISCARD enum cop_status cop_md_part(
    struct cop_arena *arena,
    const struct cop_md *whole,
    int32_t axis,
    int64_t first,
    int64_t n,
    const struct cop_md **part,
    int64_t *offset,
    struct cop_err *err);
/** On the heap; NULL when memory gives out.  cop_md_free accepts NULL. */
struct cop_md *cop_md_copy(const struct cop_md *md);
void cop_md_free(struct cop_md *md);

bool cop_md_equal(const struct cop_md *a, const struct cop_md *b);
/** The bytes are those of the row-major tensor without padding. */
bool cop_md_is_plain(const struct cop_md *md);
/** A tensor with four axes whose channels lie side by side, without blocks. */
bool cop_md_is_channels_last(const struct cop_md *md);
/** Some axis is padded to a multiple of its block. */
bool cop_md_is_padded(const struct cop_md *md);
size_t cop_md_bytes(const struct cop_md *md);
/** Axes of the descriptor; a scalar counts as one axis of one element. */
int32_t cop_md_rank(const struct cop_md *md);
int64_t cop_md_dim(const struct cop_md *md, int32_t axis);
/** 8 for nChw8c, 16 for nChw16c, 0 for other layouts. */
int32_t cop_md_channel_block(const struct cop_md *md);
/** Elements from one step of @p axis, or one block of them, to the next. */
int64_t cop_md_stride(const struct cop_md *md, int32_t axis);
/** The axes from the longest stride to the shortest, blocks behind them: "nchw", "nhwc",
 *  "nChw16c"; axes of other ranks are "abc...".  Returns @p text. */
char *cop_md_layout(const struct cop_md *md, char *text, size_t text_bytes);
/** Element (i0, i1, ...) lies at offset[0][i0] + offset[1][i1] + ... elements. */
void cop_md_offsets(const struct cop_md *md, int32_t axis, int64_t *offset);

/* ---- kernel choices ------------------------------------------------------------------ */

/** What a kernel does to its results; at most COP_MAX_POSTS. */
struct cop_attr {
    int32_t n_posts;
    const struct cop_post *posts;
};

struct cop_pd_request {
    struct cop_arena *arena;
    const struct cop_dnnl *dnnl;
    const struct cop_attr *attr; /* NULL: nothing */
};

/** Descriptors of a convolution or a product; bias NULL: none.  For backward passes the
 *  same names mean the gradients where the kernel writes or reads those. */
struct cop_linear_mds {
    const struct cop_md *src;
    const struct cop_md *weights;
    const struct cop_md *bias;
    const struct cop_md *dst;
};

/* Each gives COP_ENOMEM, COP_EUNSUPPORTED if no kernel fits, or COP_EENGINE. */
COP_NODISCARD enum cop_status cop_pd_conv_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    const struct cop_window *window,
    struct cop_pd **pd,
    struct cop_err *err);
/** weights [oc][ic][kh][kw], or [g][oc/g][ic/g][kh][kw]. */
COP_NODISCARD enum cop_status cop_pd_deconv_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    const struct cop_window *window,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_inner_product_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_matmul(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_pool_fwd(
    const struct cop_pd_request *request,
    enum cop_pool_alg alg,
    const struct cop_window *window,
    const struct cop_md *src,
    const struct cop_md *dst,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_eltwise_fwd(
    const struct cop_pd_request *request,
    enum cop_eltwise_alg alg,
    const float alpha_beta[2],
    const struct cop_md *src,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_binary(
    const struct cop_pd_request *request,
    enum cop_binary_alg alg,
    const struct cop_md *const srcs[2],
    const struct cop_md *dst,
    struct cop_pd **pd,
    struct cop_err *err);
/** Given mean and variance; scale and shift apart. */
COP_NODISCARD enum cop_status cop_pd_normalise_fwd(
    const struct cop_pd_request *request,
    const struct cop_md *src,
    float epsilon,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_softmax_fwd(
    const struct cop_pd_request *request,
    const struct cop_md *src,
    int32_t axis,
    bool logarithm,
    struct cop_pd **pd,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_pd_concat(
    const struct cop_pd_request *request,
    int32_t axis,
    int32_t n_srcs,
    const struct cop_md *const *srcs,
    struct cop_pd **pd,
    struct cop_err *err);

/** What a kernel reads and writes. */
enum cop_role {
    COP_ROLE_SRC,
    COP_ROLE_SRC_1,
    COP_ROLE_WEIGHTS,
    COP_ROLE_BIAS,
    COP_ROLE_DST,
    COP_ROLE_MEAN,
    COP_ROLE_VARIANCE,
    COP_ROLE_SCALE,
    COP_ROLE_SHIFT,
    COP_ROLE_DIFF_SRC,
    COP_ROLE_DIFF_WEIGHTS,
    COP_ROLE_DIFF_BIAS,
    COP_ROLE_DIFF_DST,
    COP_ROLE_SCRATCHPAD,
    COP_ROLE_MANY_SRC, /* + i: source i of a concat */
};

/** The layout the kernel wants or gives; NULL when it has no such tensor. */
const struct cop_md *cop_pd_md(const struct cop_pd *pd, enum cop_role role);
/** oneDNN's name of the implementation; lives as long as the pd. */
const char *cop_pd_impl(const struct cop_pd *pd);

/* ---- kernels ------------------------------------------------------------------------- */

struct cop_arg {
    int role; /* enum cop_role, plus i for COP_ROLE_MANY_SRC */
    const struct cop_md *md;
    void *data;
};

/** Binds the kernel to memory, which outlives it. */
COP_NODISCARD enum cop_status cop_kernel_create(
    const struct cop_pd_request *request,
    const struct cop_pd *pd,
    const struct cop_arg *args,
    int32_t n_args,
    struct cop_kernel **kernel,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_kernel_run(
    const struct cop_kernel *kernel, struct cop_err *err);

#endif
