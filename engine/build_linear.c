/* engine/build_linear.c - steps for inner product and matrix product, and what they share
 * with convolution. */
#include "engine/plan_impl.h"

#include <string.h>

struct cop_attr cop_plan__attr(const struct cop_prim *prim)
{
    return (struct cop_attr){.n_posts = prim->n_posts, .posts = prim->posts};
}

bool cop_plan__is_const(const struct cop_plan *plan, int32_t tensor)
{
    return plan->program->tensors[tensor].role == COP_TENSOR_CONST;
}

bool cop_plan__has_bias(const struct cop_prim *prim)
{
    return prim->srcs[2] >= 0 || prim->affine != NULL;
}

enum cop_status cop_plan__bias_md(
    struct cop_plan *plan, int64_t n, const struct cop_md **md, struct cop_err *err)
{
    struct cop_shape shape = {.rank = 1, .dim = {n}};
    return cop_md_create(plan->arena, &shape, NULL, md, err);
}

enum cop_status cop_plan__bias_array(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    int32_t bias = prim->srcs[2];
    if (bias >= 0 && !cop_plan__is_const(plan, bias))
        return cop_plan__array_plain(plan, bias, NULL, array, err);
    const struct cop_pack_request request = {
        .source = bias >= 0 ? &plan->program->tensors[bias] : NULL,
        .md = md,
        .affine = prim->affine,
        .is_bias = true,
    };
    return cop_plan__packed(plan, &request, array, err);
}

enum cop_status cop_plan__add_linear(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    struct cop_pd *pd,
    const int32_t arrays[4], /* src, weights, bias or -1, dst */
    struct cop_step **step,
    struct cop_err *err)
{
    struct cop_step_arg args[4];
    int32_t n = 0;
    args[n++] = (struct cop_step_arg){COP_ROLE_SRC, arrays[0]};
    args[n++] = (struct cop_step_arg){COP_ROLE_WEIGHTS, arrays[1]};
    if (arrays[2] >= 0) args[n++] = (struct cop_step_arg){COP_ROLE_BIAS, arrays[2]};
    args[n++] = (struct cop_step_arg){COP_ROLE_DST, arrays[3]};
    COP_TRY(cop_plan__add_step(plan, prim, args, n, step, err));
    (*step)->pd = pd;
    (*step)->impl = cop_pd_impl(pd);
    return COP_OK;
}

/* ---- inner product ---------------------------------------------------------------------- */

static bool is_inner_product(const struct cop_plan *plan, const struct cop_prim *prim)
{
    return cop_plan__is_const(plan, prim->srcs[1]) && !prim->as.matmul.transpose_src &&
           cop_plan__shape(plan, prim->srcs[1])->rank == 2;
}

static enum cop_status inner_weights(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    const struct cop_tensor *source = &plan->program->tensors[prim->srcs[1]];
    const int64_t columns_first[2] = {1, source->shape.dim[1]};
    const struct cop_pack_request request = {
        .source = source,
        .md = md,
        .strides = prim->as.matmul.transpose_weights ? NULL : columns_first,
        .affine = prim->affine,
        .n_scale_axes = 1,
    };
    return cop_plan__packed(plan, &request, array, err);
}

/* Rows of src times constant weights: all leading axes are rows. */
static enum cop_status build_inner_product(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_shape *src = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *dst = cop_plan__shape(plan, prim->dst);
    int64_t m = cop_shape_span(src, 0, src->rank - 1);
    int64_t k = src->dim[src->rank - 1];
    int64_t n = dst->dim[dst->rank - 1];
    struct cop_shape rows = {.rank = 2, .dim = {m, k}};
    struct cop_shape weights = {.rank = 2, .dim = {n, k}};
    struct cop_shape results = {.rank = 2, .dim = {m, n}};
    const struct cop_md *plain;
    int32_t arrays[4] = {-1, -1, -1, -1};
    int32_t whole;
    struct cop_linear_mds mds = {.bias = NULL};
    COP_TRY(cop_plan__array_plain(plan, prim->srcs[0], &rows, &arrays[0], err));
    if (cop_plan__prefers_few_rows(plan, prim, m)) {
        COP_TRY(cop_md_create(plan->arena, dst, NULL, &plain, err));
        COP_TRY(cop_plan__new_array(plan, prim->dst, plain, -1, &whole, err));
        return cop_plan__build_few_rows(plan, prim, &rows, arrays[0], whole, err);
    }
    mds.src = cop_plan__md(plan, arrays[0]);
    COP_TRY(cop_md_any(plan->arena, &weights, &mds.weights, err));
    COP_TRY(cop_md_create(plan->arena, &results, NULL, &mds.dst, err));
    if (cop_plan__has_bias(prim)) COP_TRY(cop_plan__bias_md(plan, n, &mds.bias, err));

    const struct cop_attr attr = cop_plan__attr(prim);
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    struct cop_pd *pd;
    COP_TRY(cop_pd_inner_product_fwd(&request, &mds, &pd, err));
    COP_TRY(
        inner_weights(plan, prim, cop_pd_md(pd, COP_ROLE_WEIGHTS), &arrays[1], err));
    if (mds.bias != NULL)
        COP_TRY(cop_plan__bias_array(plan, prim, mds.bias, &arrays[2], err));
    COP_TRY(cop_md_create(plan->arena, dst, NULL, &plain, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, plain, -1, &whole, err));
    COP_TRY(cop_plan__view(plan, whole, mds.dst, &arrays[3], err));
    struct cop_step *step;
    COP_TRY(cop_plan__add_linear(plan, prim, pd, arrays, &step, err));
    step->kind = "inner product";
    return COP_OK;
}

/* ---- matrix product ---------------------------------------------------------------------- */

/* The operand as oneDNN wants it: as many axes as the result, transposed by strides. */
static enum cop_status operand(
    struct cop_plan *plan,
    int32_t tensor,
    int32_t rank,
    bool transpose,
    int32_t *array,
    struct cop_err *err)
{
    const struct cop_shape *own = cop_plan__shape(plan, tensor);
    struct cop_shape view = {.rank = rank};
    int64_t strides[COP_MAX_RANK] = {0};
    int64_t step = 1;
    for (int32_t i = rank - 1; i >= 0; i--) {
        int32_t from = i - (rank - own->rank);
        view.dim[i] = from >= 0 ? own->dim[from] : 1;
        strides[i] = step;
        step *= view.dim[i];
    }
    if (transpose) {
        int64_t dim = view.dim[rank - 1];
        int64_t stride = strides[rank - 1];
        view.dim[rank - 1] = view.dim[rank - 2];
        strides[rank - 1] = strides[rank - 2];
        view.dim[rank - 2] = dim;
        strides[rank - 2] = stride;
    }
    int32_t plain;
    const struct cop_md *md;
    COP_TRY(cop_plan__array_plain(plan, tensor, NULL, &plain, err));
    COP_TRY(cop_md_create(plan->arena, &view, strides, &md, err));
    return cop_plan__view(plan, plain, md, array, err);
}

enum cop_status cop_plan__build_matmul(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    if (is_inner_product(plan, prim)) return build_inner_product(plan, prim, err);
    const struct cop_shape *dst = cop_plan__shape(plan, prim->dst);
    int32_t arrays[4] = {-1, -1, -1, -1};
    COP_TRY(operand(
        plan,
        prim->srcs[0],
        dst->rank,
        prim->as.matmul.transpose_src,
        &arrays[0],
        err));
    COP_TRY(operand(
        plan,
        prim->srcs[1],
        dst->rank,
        prim->as.matmul.transpose_weights,
        &arrays[1],
        err));
    if (prim->srcs[2] >= 0)
        COP_TRY(operand(plan, prim->srcs[2], dst->rank, false, &arrays[2], err));
    struct cop_linear_mds mds = {
        .src = cop_plan__md(plan, arrays[0]),
        .weights = cop_plan__md(plan, arrays[1]),
        .bias = arrays[2] >= 0 ? cop_plan__md(plan, arrays[2]) : NULL,
    };
    COP_TRY(cop_md_create(plan->arena, dst, NULL, &mds.dst, err));
    const struct cop_attr attr = cop_plan__attr(prim);
    const struct cop_pd_request request = cop_plan__request(plan, &attr);
    struct cop_pd *pd;
    COP_TRY(cop_pd_matmul(&request, &mds, &pd, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, mds.dst, -1, &arrays[3], err));
    struct cop_step *step;
    return cop_plan__add_linear(plan, prim, pd, arrays, &step, err);
}
