/* engine/build_conv.c - steps for convolution: a oneDNN kernel or one of our own. */
#include "engine/conv_method.h"
#include "engine/plan_impl.h"
#include "engine/tuner.h"

/* The result's array.  A summed tensor must lie in the result's layout and die here; else
 * a copy of it dies in its place. */
static enum cop_status result_array(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_md *md,
    int32_t position,
    int32_t *array,
    struct cop_err *err)
{
    int32_t storage = -1;
    for (int32_t i = 0; i < prim->n_posts; i++) {
        if (prim->posts[i].kind != COP_POST_SUM) continue;
        int32_t summed;
        COP_TRY(cop_plan__array_as(plan, prim->posts[i].tensor, md, &summed, err));
        if (!cop_plan__dies(plan, summed, position)) {
            int32_t copy;
            COP_TRY(
                cop_plan__new_array(plan, prim->posts[i].tensor, md, -1, &copy, err));
            COP_TRY(cop_plan__build_reorder(plan, summed, copy, err));
            summed = copy;
        }
        storage = plan->arrays[summed].storage;
    }
    return cop_plan__new_array(plan, prim->dst, md, storage, array, err);
}

/* ---- convolution ----------------------------------------------------------------------- */

/* oneDNN wants the groups of [oc][ic/g][kh][kw] as an axis of their own. */
static struct cop_shape split_groups(const struct cop_shape *weights, int64_t g)
{
    if (g == 1) return *weights;
    return (struct cop_shape){
        .rank = 5,
        .dim = {
            g, weights->dim[0] / g, weights->dim[1], weights->dim[2], weights->dim[3]}};
}

static enum cop_status conv_weights(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    int32_t weights = prim->srcs[1];
    if (!cop_plan__is_const(plan, weights)) {
        struct cop_shape view =
            split_groups(cop_plan__shape(plan, weights), prim->as.conv.g);
        return cop_plan__array_plain(plan, weights, &view, array, err);
    }
    const struct cop_pack_request request = {
        .source = &plan->program->tensors[weights],
        .md = md,
        .affine = prim->affine,
        .n_scale_axes = prim->as.conv.g == 1 ? 1 : 2,
    };
    return cop_plan__packed(plan, &request, array, err);
}

/* What oneDNN would do, and in which layouts. */
static enum cop_status choose_kernel(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_attr *attr,
    struct cop_linear_mds *mds,
    struct cop_pd **pd,
    struct cop_err *err)
{
    const struct cop_shape *dst = cop_plan__shape(plan, prim->dst);
    struct cop_shape weights =
        split_groups(cop_plan__shape(plan, prim->srcs[1]), prim->as.conv.g);
    COP_TRY(
        cop_md_any(plan->arena, cop_plan__shape(plan, prim->srcs[0]), &mds->src, err));
    COP_TRY(cop_md_any(plan->arena, dst, &mds->dst, err));
    /* Computed weights stay as they are: a reorder per run costs more than it gains. */
    if (cop_plan__is_const(plan, prim->srcs[1]))
        COP_TRY(cop_md_any(plan->arena, &weights, &mds->weights, err));
    else
        COP_TRY(cop_md_create(plan->arena, &weights, NULL, &mds->weights, err));
    if (cop_plan__has_bias(prim))
        COP_TRY(cop_plan__bias_md(plan, dst->dim[1], &mds->bias, err));
    const struct cop_pd_request request = cop_plan__request(plan, attr);
    return cop_pd_conv_fwd(&request, mds, &prim->as.conv.window, pd, err);
}

static enum cop_status build_kernel(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_linear_mds *mds,
    struct cop_pd *pd,
    int32_t position,
    struct cop_err *err)
{
    int32_t arrays[4] = {-1, -1, -1, -1};
    COP_TRY(cop_plan__array_as(
        plan, prim->srcs[0], cop_pd_md(pd, COP_ROLE_SRC), &arrays[0], err));
    COP_TRY(conv_weights(plan, prim, cop_pd_md(pd, COP_ROLE_WEIGHTS), &arrays[1], err));
    if (mds->bias != NULL)
        COP_TRY(cop_plan__bias_array(plan, prim, mds->bias, &arrays[2], err));
    COP_TRY(result_array(
        plan, prim, cop_pd_md(pd, COP_ROLE_DST), position, &arrays[3], err));
    struct cop_step *step;
    return cop_plan__add_linear(plan, prim, pd, arrays, &step, err);
}

enum cop_status cop_plan__build_conv(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    struct cop_linear_mds mds = {.bias = NULL};
    const struct cop_attr attr = cop_plan__attr(prim);
    struct cop_pd *pd;
    COP_TRY(choose_kernel(plan, prim, &attr, &mds, &pd, err));
    const struct cop_conv_case conv = {
        .prim = prim,
        .src = cop_plan__shape(plan, prim->srcs[0]),
        .weights = cop_plan__shape(plan, prim->srcs[1]),
        .dst = cop_plan__shape(plan, prim->dst),
        .src_md = cop_pd_md(pd, COP_ROLE_SRC),
        .dst_md = cop_pd_md(pd, COP_ROLE_DST),
    };
    char key[COP_TUNER_KEY];
    enum cop_conv_method method = cop_conv_choose(plan, &conv, key);
    if (method == COP_CONV_ONEDNN)
        COP_TRY(build_kernel(plan, prim, &mds, pd, position, err));
    else
        COP_TRY(cop_plan__build_own_conv(plan, &conv, method, position, err));
    if (key[0] == '\0') return COP_OK;
    struct cop_step *step = plan->steps[plan->n_steps - 1];
    step->tuning_key = cop_arena_strdup(plan->arena, key);
    step->tuning_method = cop_conv_method_name(method);
    return step->tuning_key != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}
