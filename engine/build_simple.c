/* engine/build_simple.c - steps for primitives that take one tensor as it lies: pooling,
 * eltwise, normalisation, softmax; and reshape, which moves nothing where it can. */
#include "engine/plan_impl.h"

static enum cop_status add_kernel_step(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_step_arg *args,
    int32_t n_args,
    struct cop_pd *pd,
    struct cop_err *err)
{
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, n_args, &step, err));
    step->pd = pd;
    step->impl = cop_pd_impl(pd);
    return COP_OK;
}

/* A result in the layout of its source, in the source's place if that dies here. */
static enum cop_status result_like(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t src,
    int32_t position,
    int32_t *dst,
    struct cop_err *err)
{
    bool in_place =
        cop_plan__dies(plan, src, position) && !plan->program->tensors[prim->dst].keep;
    int32_t storage = in_place ? plan->arrays[src].storage : -1;
    return cop_plan__new_array(
        plan, prim->dst, cop_plan__md(plan, src), storage, dst, err);
}

static enum cop_status build_pool(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    enum cop_pool_alg alg,
    const struct cop_window *window,
    int32_t dst_tensor,
    struct cop_err *err)
{
    int32_t src;
    COP_TRY(cop_plan__array(plan, prim->srcs[0], &src, err));
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    struct cop_shape out = {.rank = 4, .dim = {in->dim[0], in->dim[1]}};
    for (int i = 0; i < 2; i++) {
        int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
        out.dim[2 + i] =
            (in->dim[2 + i] + window->pads_l[i] + window->pads_r[i] - reach) /
                window->strides[i] +
            1;
    }
    const struct cop_md *any;
    COP_TRY(cop_md_any(plan->arena, &out, &any, err));
    const struct cop_attr attr = {.n_posts = prim->n_posts, .posts = prim->posts};
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    struct cop_pd *pd;
    COP_TRY(
        cop_pd_pool_fwd(&request, alg, window, cop_plan__md(plan, src), any, &pd, err));
    int32_t dst;
    COP_TRY(cop_plan__new_array(
        plan, dst_tensor, cop_pd_md(pd, COP_ROLE_DST), -1, &dst, err));
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, src}, {COP_ROLE_DST, dst}};
    return add_kernel_step(plan, prim, args, 2, pd, err);
}

enum cop_status cop_plan__build_pool(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    return build_pool(
        plan, prim, prim->as.pool.alg, &prim->as.pool.window, prim->dst, err);
}

enum cop_status cop_plan__build_eltwise(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    int32_t src;
    int32_t dst;
    if (!cop_eltwise_is_dnnl(prim->as.eltwise.alg))
        return cop_plan__build_own_eltwise(plan, prim, position, err);
    COP_TRY(cop_plan__array(plan, prim->srcs[0], &src, err));
    const struct cop_attr attr = {.n_posts = prim->n_posts, .posts = prim->posts};
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    const float alpha_beta[2] = {prim->as.eltwise.alpha, prim->as.eltwise.beta};
    struct cop_pd *pd;
    COP_TRY(cop_pd_eltwise_fwd(
        &request, prim->as.eltwise.alg, alpha_beta, cop_plan__md(plan, src), &pd, err));
    COP_TRY(result_like(plan, prim, src, position, &dst, err));
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, src}, {COP_ROLE_DST, dst}};
    return add_kernel_step(plan, prim, args, 2, pd, err);
}

enum cop_status cop_plan__build_normalise(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    static const int roles[4] = {
        COP_ROLE_SCALE, COP_ROLE_SHIFT, COP_ROLE_MEAN, COP_ROLE_VARIANCE};
    (void)position;
    struct cop_step_arg args[6] = {{COP_ROLE_SRC, -1}};
    COP_TRY(cop_plan__array(plan, prim->srcs[0], &args[0].array, err));
    for (int i = 0; i < 4; i++) {
        args[1 + i].role = roles[i];
        COP_TRY(cop_plan__array_plain(
            plan, prim->srcs[1 + i], NULL, &args[1 + i].array, err));
    }
    const struct cop_attr attr = {.n_posts = prim->n_posts, .posts = prim->posts};
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    const struct cop_md *md = cop_plan__md(plan, args[0].array);
    struct cop_pd *pd;
    COP_TRY(cop_pd_normalise_fwd(&request, md, prim->as.epsilon, &pd, err));
    args[5].role = COP_ROLE_DST;
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &args[5].array, err));
    return add_kernel_step(plan, prim, args, 6, pd, err);
}

enum cop_status cop_plan__build_softmax(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int32_t src;
    int32_t dst;
    COP_TRY(cop_plan__array_plain(plan, prim->srcs[0], NULL, &src, err));
    const struct cop_pd_request request = cop_plan__request(plan, NULL);
    const struct cop_md *md = cop_plan__md(plan, src);
    struct cop_pd *pd;
    COP_TRY(cop_pd_softmax_fwd(
        &request, md, prim->as.softmax.axis, prim->as.softmax.logarithm, &pd, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
    const struct cop_step_arg args[2] = {{COP_ROLE_SRC, src}, {COP_ROLE_DST, dst}};
    return add_kernel_step(plan, prim, args, 2, pd, err);
}

/* The result is the row-major source under another shape.  A tap gets bytes of its own,
 * because a mask on it must not reach the source. */
enum cop_status cop_plan__build_reshape(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int32_t src;
    int32_t dst;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    const struct cop_md *md;
    COP_TRY(cop_md_create(plan->arena, shape, NULL, &md, err));
    COP_TRY(cop_plan__array_plain(plan, prim->srcs[0], shape, &src, err));
    int32_t storage = plan->arrays[src].storage;
    if (storage < 0 || plan->program->tensors[prim->dst].is_tap) {
        COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &dst, err));
        return cop_plan__build_reorder(plan, src, dst, err);
    }
    plan->storages[storage].is_shared = true;
    return cop_plan__new_array(plan, prim->dst, md, storage, &dst, err);
}

/* Mean and maximum over the image are pooling with a window of its size. */
bool cop_plan__reduces_image(const struct cop_plan *plan, const struct cop_prim *prim)
{
    return cop_plan__shape(plan, prim->srcs[0])->rank == 4 &&
           cop_plan__shape(plan, prim->dst)->rank == 4 && prim->as.reduce.axes == 0xc &&
           (prim->as.reduce.alg == COP_REDUCE_MEAN ||
            prim->as.reduce.alg == COP_REDUCE_MAX);
}

enum cop_status cop_plan__build_image_reduce(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_window window = {
        .kernel = {in->dim[2], in->dim[3]}, .strides = {1, 1}, .dilates = {1, 1}};
    enum cop_pool_alg alg = prim->as.reduce.alg == COP_REDUCE_MAX
                                ? COP_POOL_MAX
                                : COP_POOL_AVG_EXCLUDE_PADDING;
    return build_pool(plan, prim, alg, &window, prim->dst, err);
}
