/* engine/dnnl_shim_pd.c - kernel choices, one function per primitive; see dnnl_shim.h. */
#include "engine/dnnl_shim_impl.h"

#include <string.h>

static dnnl_alg_kind_t eltwise_alg(enum cop_eltwise_alg alg)
{
    switch (alg) {
    case COP_ELTWISE_RELU: return dnnl_eltwise_relu;
    case COP_ELTWISE_CLIP: return dnnl_eltwise_clip;
    case COP_ELTWISE_LOGISTIC: return dnnl_eltwise_logistic;
    case COP_ELTWISE_TANH: return dnnl_eltwise_tanh;
    case COP_ELTWISE_ELU: return dnnl_eltwise_elu;
    case COP_ELTWISE_LINEAR: return dnnl_eltwise_linear;
    case COP_ELTWISE_EXP: return dnnl_eltwise_exp;
    case COP_ELTWISE_SQRT: return dnnl_eltwise_sqrt;
    case COP_ELTWISE_ABS: return dnnl_eltwise_abs;
    case COP_ELTWISE_POW: return dnnl_eltwise_pow;
    case COP_ELTWISE_GELU_ERF: return dnnl_eltwise_gelu_erf;
    case COP_ELTWISE_GELU_TANH: return dnnl_eltwise_gelu_tanh;
    case COP_ELTWISE_ROUND: return dnnl_eltwise_round;
    default: break; /* loops of ours */
    }
    return dnnl_alg_kind_undef;
}

/* ---- attributes ---------------------------------------------------------------------- */

static dnnl_status_t add_posts(dnnl_post_ops_t ops, const struct cop_attr *attr)
{
    dnnl_status_t status = dnnl_success;
    for (int32_t i = 0; status == dnnl_success && i < attr->n_posts; i++) {
        const struct cop_post *post = &attr->posts[i];
        if (post->kind == COP_POST_SUM)
            status = dnnl_post_ops_append_sum(ops, 1.0f);
        else
            status = dnnl_post_ops_append_eltwise(
                ops, 1.0f, eltwise_alg(post->alg), post->alpha, post->beta);
    }
    return status;
}

static dnnl_status_t make_attr(const struct cop_attr *attr, dnnl_primitive_attr_t *made)
{
    *made = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(made);
    if (status == dnnl_success)
        status =
            dnnl_primitive_attr_set_scratchpad_mode(*made, dnnl_scratchpad_mode_user);
    if (status != dnnl_success || attr == NULL || attr->n_posts == 0) return status;
    dnnl_post_ops_t ops = NULL;
    status = dnnl_post_ops_create(&ops);
    if (status != dnnl_success) return status;
    status = add_posts(ops, attr);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*made, ops);
    (void)dnnl_post_ops_destroy(ops);
    return status;
}

/* ---- finishing a choice --------------------------------------------------------------- */

static void release_pd(void *thing)
{
    struct cop_pd *pd = thing;
    if (pd->v2 != NULL) (void)dnnl_primitive_desc_destroy(pd->v2);
}

static void query_mds(struct cop_pd *pd)
{
    static const struct {
        enum cop_role role;
        dnnl_query_t query;
        int index;
    } queries[] = {
        {COP_ROLE_SRC, dnnl_query_src_md, 0},
        {COP_ROLE_SRC_1, dnnl_query_src_md, 1},
        {COP_ROLE_WEIGHTS, dnnl_query_weights_md, 0},
        {COP_ROLE_BIAS, dnnl_query_weights_md, 1},
        {COP_ROLE_DST, dnnl_query_dst_md, 0},
        {COP_ROLE_DIFF_SRC, dnnl_query_diff_src_md, 0},
        {COP_ROLE_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0},
        {COP_ROLE_DIFF_BIAS, dnnl_query_diff_weights_md, 1},
        {COP_ROLE_DIFF_DST, dnnl_query_diff_dst_md, 0},
        {COP_ROLE_SCRATCHPAD, dnnl_query_scratchpad_md, 0},
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        const dnnl_memory_desc_t *md =
            dnnl_primitive_desc_query_md(pd->v2, queries[i].query, queries[i].index);
        if (md != NULL) pd->md[queries[i].role].v2 = *md;
    }
}

/* Makes an empty choice that its arena releases. */
static enum cop_status new_pd(
    const struct cop_pd_request *request, struct cop_pd **pd, struct cop_err *err)
{
    *pd = COP_ARENA_NEW(request->arena, struct cop_pd);
    if (*pd == NULL) return COP_FAIL_NOMEM(err);
    if (cop_arena_defer(request->arena, release_pd, *pd) != COP_OK) {
        *pd = NULL;
        return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

/* From a version 2 operation descriptor to the first kernel that fits. */
static enum cop_status choose(
    const struct cop_pd_request *request,
    const_dnnl_op_desc_t desc,
    const char *what,
    struct cop_pd **pd,
    struct cop_err *err)
{
    COP_TRY(new_pd(request, pd, err));
    dnnl_primitive_attr_t attr = NULL;
    cop_dnnl__lock();
    dnnl_status_t status = make_attr(request->attr, &attr);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(
            &(*pd)->v2, desc, attr, request->dnnl->engine, NULL);
    if (attr != NULL) (void)dnnl_primitive_attr_destroy(attr);
    cop_dnnl__unlock();
    if (status == dnnl_success) query_mds(*pd);
    return cop_err_dnnl(err, status, what);
}

const struct cop_md *cop_pd_md(const struct cop_pd *pd, enum cop_role role)
{
    return pd->md[role].v2.ndims > 0 ? &pd->md[role] : NULL;
}

const char *cop_pd_impl(const struct cop_pd *pd)
{
    const char *name = NULL;
    (void)dnnl_primitive_desc_query(pd->v2, dnnl_query_impl_info_str, 0, &name);
    return name != NULL ? name : "unknown";
}

/* ---- convolution ---------------------------------------------------------------------- */

/* A window as oneDNN wants it: arrays of full length, dilation counted from 0. */
struct v2_window {
    dnnl_dims_t kernel;
    dnnl_dims_t strides;
    dnnl_dims_t dilates;
    dnnl_dims_t pads_l;
    dnnl_dims_t pads_r;
};

static struct v2_window lengthen(const struct cop_window *window)
{
    struct v2_window v2 = {0};
    for (int i = 0; i < 2; i++) {
        v2.kernel[i] = window->kernel[i];
        v2.strides[i] = window->strides[i];
        v2.dilates[i] = window->dilates[i] - 1;
        v2.pads_l[i] = window->pads_l[i];
        v2.pads_r[i] = window->pads_r[i];
    }
    return v2;
}

static const dnnl_memory_desc_t *v2_of(const struct cop_md *md)
{
    return md != NULL ? &md->v2 : NULL;
}

enum cop_status cop_pd_conv_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    const struct cop_window *window,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_convolution_desc_t desc;
    const struct v2_window v2 = lengthen(window);
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        dnnl_convolution_direct,
        &mds->src->v2,
        &mds->weights->v2,
        v2_of(mds->bias),
        &mds->dst->v2,
        v2.strides,
        v2.dilates,
        v2.pads_l,
        v2.pads_r);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "convolution forward");
    return choose(request, &desc, "convolution forward", pd, err);
}

enum cop_status cop_pd_deconv_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    const struct cop_window *window,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_deconvolution_desc_t desc;
    const struct v2_window v2 = lengthen(window);
    dnnl_status_t status = dnnl_dilated_deconvolution_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        dnnl_deconvolution_direct,
        &mds->src->v2,
        &mds->weights->v2,
        v2_of(mds->bias),
        &mds->dst->v2,
        v2.strides,
        v2.dilates,
        v2.pads_l,
        v2.pads_r);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "deconvolution");
    return choose(request, &desc, "deconvolution", pd, err);
}

enum cop_status cop_pd_inner_product_fwd(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_inner_product_desc_t desc;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        &mds->src->v2,
        &mds->weights->v2,
        v2_of(mds->bias),
        &mds->dst->v2);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "inner product");
    return choose(request, &desc, "inner product", pd, err);
}

enum cop_status cop_pd_matmul(
    const struct cop_pd_request *request,
    const struct cop_linear_mds *mds,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_matmul_desc_t desc;
    dnnl_status_t status = dnnl_matmul_desc_init(
        &desc, &mds->src->v2, &mds->weights->v2, v2_of(mds->bias), &mds->dst->v2);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "matrix product");
    return choose(request, &desc, "matrix product", pd, err);
}

/* ---- the others ------------------------------------------------------------------------ */

enum cop_status cop_pd_pool_fwd(
    const struct cop_pd_request *request,
    enum cop_pool_alg alg,
    const struct cop_window *window,
    const struct cop_md *src,
    const struct cop_md *dst,
    struct cop_pd **pd,
    struct cop_err *err)
{
    static const dnnl_alg_kind_t algs[] = {
        [COP_POOL_MAX] = dnnl_pooling_max,
        [COP_POOL_AVG_INCLUDE_PADDING] = dnnl_pooling_avg_include_padding,
        [COP_POOL_AVG_EXCLUDE_PADDING] = dnnl_pooling_avg_exclude_padding,
    };
    dnnl_pooling_v2_desc_t desc;
    const struct v2_window v2 = lengthen(window);
    dnnl_status_t status = dnnl_pooling_v2_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        algs[alg],
        &src->v2,
        &dst->v2,
        v2.strides,
        v2.kernel,
        v2.dilates,
        v2.pads_l,
        v2.pads_r);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "pooling");
    return choose(request, &desc, "pooling", pd, err);
}

enum cop_status cop_pd_eltwise_fwd(
    const struct cop_pd_request *request,
    enum cop_eltwise_alg alg,
    const float alpha_beta[2],
    const struct cop_md *src,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_eltwise_desc_t desc;
    dnnl_status_t status = dnnl_eltwise_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        eltwise_alg(alg),
        &src->v2,
        alpha_beta[0],
        alpha_beta[1]);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "eltwise");
    return choose(request, &desc, "eltwise", pd, err);
}

enum cop_status cop_pd_binary(
    const struct cop_pd_request *request,
    enum cop_binary_alg alg,
    const struct cop_md *const srcs[2],
    const struct cop_md *dst,
    struct cop_pd **pd,
    struct cop_err *err)
{
    static const dnnl_alg_kind_t algs[] = {
        [COP_BINARY_ADD] = dnnl_binary_add,
        [COP_BINARY_SUB] = dnnl_binary_sub,
        [COP_BINARY_MUL] = dnnl_binary_mul,
        [COP_BINARY_DIV] = dnnl_binary_div,
        [COP_BINARY_MAX] = dnnl_binary_max,
        [COP_BINARY_MIN] = dnnl_binary_min,
    };
    dnnl_binary_desc_t desc;
    dnnl_status_t status =
        dnnl_binary_desc_init(&desc, algs[alg], &srcs[0]->v2, &srcs[1]->v2, &dst->v2);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "binary");
    return choose(request, &desc, "binary", pd, err);
}

enum cop_status cop_pd_normalise_fwd(
    const struct cop_pd_request *request,
    const struct cop_md *src,
    float epsilon,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_batch_normalization_desc_t desc;
    dnnl_status_t status = dnnl_batch_normalization_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        &src->v2,
        epsilon,
        dnnl_use_global_stats | dnnl_use_scale | dnnl_use_shift);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "normalisation");
    return choose(request, &desc, "normalisation", pd, err);
}

enum cop_status cop_pd_softmax_fwd(
    const struct cop_pd_request *request,
    const struct cop_md *src,
    int32_t axis,
    bool logarithm,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_softmax_v2_desc_t desc;
    dnnl_status_t status = dnnl_softmax_v2_forward_desc_init(
        &desc,
        dnnl_forward_inference,
        logarithm ? dnnl_softmax_log : dnnl_softmax_accurate,
        &src->v2,
        &src->v2,
        axis);
    if (status != dnnl_success) return cop_err_dnnl(err, status, "softmax");
    return choose(request, &desc, "softmax", pd, err);
}

/* The layout of the result is asked for first and then given: with one channel, sources in
 * different layouts are equal to oneDNN's primitive cache, which must not hand out a kernel
 * for another layout of the result. */
enum cop_status cop_pd_concat(
    const struct cop_pd_request *request,
    int32_t axis,
    int32_t n_srcs,
    const struct cop_md *const *srcs,
    struct cop_pd **pd,
    struct cop_err *err)
{
    dnnl_memory_desc_t *mds =
        COP_ARENA_NEW_N(request->arena, n_srcs, dnnl_memory_desc_t);
    if (mds == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n_srcs; i++)
        mds[i] = srcs[i]->v2;
    COP_TRY(new_pd(request, pd, err));
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t asked = NULL;
    cop_dnnl__lock();
    dnnl_engine_t engine = request->dnnl->engine;
    dnnl_status_t status = make_attr(request->attr, &attr);
    if (status == dnnl_success)
        status = dnnl_concat_primitive_desc_create(
            &asked, NULL, n_srcs, axis, mds, attr, engine);
    if (status == dnnl_success) {
        const dnnl_memory_desc_t dst =
            *dnnl_primitive_desc_query_md(asked, dnnl_query_dst_md, 0);
        status = dnnl_concat_primitive_desc_create(
            &(*pd)->v2, &dst, n_srcs, axis, mds, attr, engine);
    }
    if (asked != NULL) (void)dnnl_primitive_desc_destroy(asked);
    if (attr != NULL) (void)dnnl_primitive_attr_destroy(attr);
    cop_dnnl__unlock();
    if (status == dnnl_success) query_mds(*pd);
    return cop_err_dnnl(err, status, "concat");
}
