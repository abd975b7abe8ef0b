/* engine/build_maps.c - steps for resample, select, deconvolution and the element-wise
 * functions that oneDNN lacks.  A pick is built with the other copies. */
#include "engine/plan_impl.h"

#include <math.h>
#include <string.h>

/* A row-major result and a step of our own over row-major sources. */
static enum cop_status add_plain_step(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    cop_loop_fn *loop,
    const void *loop_data,
    struct cop_err *err)
{
    struct cop_step_arg args[4];
    const struct cop_md *md;
    for (int32_t i = 0; i < prim->n_srcs; i++) {
        args[i].role = COP_ROLE_MANY_SRC + i;
        COP_TRY(cop_plan__array_plain(plan, prim->srcs[i], NULL, &args[i].array, err));
    }
    struct cop_step_arg *const result = &args[prim->n_srcs];
    result->role = COP_ROLE_DST;
    COP_TRY(
        cop_md_create(plan->arena, cop_plan__shape(plan, prim->dst), NULL, &md, err));
    COP_TRY(cop_plan__new_array(plan, prim->dst, md, -1, &result->array, err));
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, prim->n_srcs + 1, &step, err));
    step->loop = loop;
    step->loop_data = loop_data;
    return COP_OK;
}

/* ---- resample --------------------------------------------------------------------------- */

struct resampling {
    const struct cop_resample *resample;
    int64_t outer;
    int64_t n_in;
    int64_t n_out;
    int64_t inner;
    const float *src; /* [outer][n_in][inner] */
    float *dst;       /* [outer][n_out][inner] */
};

static void resample_rows(const void *context, int64_t first, int64_t last)
{
    const struct resampling *run = context;
    const struct cop_resample *resample = run->resample;
    for (int64_t row = first; row < last; row++) {
        const int64_t tap = row % run->n_out * resample->n_taps;
        const float *src = run->src + row / run->n_out * run->n_in * run->inner;
        float *dst = run->dst + row * run->inner;
        for (int64_t t = 0; t < resample->n_taps; t++) {
            const float weight = resample->weight[tap + t];
            const float *from = src + resample->index[tap + t] * run->inner;
            for (int64_t i = 0; i < run->inner; i++)
                dst[i] = (t == 0 ? 0.0f : dst[i]) + weight * from[i];
        }
    }
}

static enum cop_status run_resample(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    struct resampling run = *(const struct resampling *)step->loop_data;
    run.src = plan->arrays[step->args[0].array].data;
    run.dst = plan->arrays[step->args[1].array].data;
    const int64_t rows = run.outer * run.n_out;
    return cop_rows_run(rows, rows * run.inner, resample_rows, &run, err);
}

enum cop_status cop_plan__build_resample(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    struct resampling *run = COP_ARENA_NEW(plan->arena, struct resampling);
    if (run == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const int32_t axis = prim->as.resample.axis;
    run->resample = &prim->as.resample;
    run->outer = cop_shape_span(in, 0, axis);
    run->n_in = in->dim[axis];
    run->n_out = cop_plan__shape(plan, prim->dst)->dim[axis];
    run->inner = cop_shape_span(in, axis + 1, in->rank);
    return add_plain_step(plan, prim, run_resample, run, err);
}

/* ---- select ------------------------------------------------------------------------------ */

struct selection {
    struct cop_shape shape;
    int64_t strides[3][COP_MAX_RANK]; /* 0 where a source is stretched */
    const float *src[3];              /* condition, src0, src1 */
    float *dst;
};

/* Rows run along the last axis. */
static void select_rows(const void *context, int64_t first, int64_t last)
{
    const struct selection *run = context;
    const int32_t end = run->shape.rank - 1;
    const int64_t n = run->shape.dim[end];
    for (int64_t row = first; row < last; row++) {
        int64_t at[3] = {0, 0, 0};
        int64_t rest = row;
        for (int32_t axis = end - 1; axis >= 0; axis--) {
            for (int i = 0; i < 3; i++)
                at[i] += rest % run->shape.dim[axis] * run->strides[i][axis];
            rest /= run->shape.dim[axis];
        }
        for (int64_t k = 0; k < n; k++) {
            const int chosen =
                run->src[0][at[0] + k * run->strides[0][end]] != 0.0f ? 1 : 2;
            run->dst[row * n + k] =
                run->src[chosen][at[chosen] + k * run->strides[chosen][end]];
        }
    }
}

static enum cop_status run_select(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    struct selection run = *(const struct selection *)step->loop_data;
    for (int i = 0; i < 3; i++)
        run.src[i] = plan->arrays[step->args[i].array].data;
    run.dst = plan->arrays[step->args[3].array].data;
    const int64_t rows = cop_shape_span(&run.shape, 0, run.shape.rank - 1);
    return cop_rows_run(rows, cop_shape_n(&run.shape), select_rows, &run, err);
}

enum cop_status cop_plan__build_select(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    struct selection *run = COP_ARENA_NEW(plan->arena, struct selection);
    if (run == NULL) return COP_FAIL_NOMEM(err);
    run->shape = *cop_plan__shape(plan, prim->dst);
    if (run->shape.rank == 0) run->shape = (struct cop_shape){.rank = 1, .dim = {1}};
    for (int i = 0; i < 3; i++)
        cop_plan__strides_along(
            cop_plan__shape(plan, prim->srcs[i]), &run->shape, run->strides[i]);
    return add_plain_step(plan, prim, run_select, run, err);
}

/* ---- element-wise functions ----------------------------------------------------------------- */

struct function {
    float (*f)(float);
    const float *src;
    float *dst;
};

static float sign_of(float x)
{
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
}

/* Without overflow, and exact where exp(x) is far below 1. */
static float softplus(float x)
{
    return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

static void apply_rows(const void *context, int64_t first, int64_t last)
{
    const struct function *run = context;
    for (int64_t i = first; i < last; i++)
        run->dst[i] = run->f(run->src[i]);
}

/* Over all bytes of the layout, which holds no padding unless the function keeps zeros. */
static enum cop_status run_function(
    const struct cop_plan *plan, const struct cop_step *step, struct cop_err *err)
{
    struct function run = *(const struct function *)step->loop_data;
    run.src = plan->arrays[step->args[0].array].data;
    run.dst = plan->arrays[step->args[1].array].data;
    const size_t bytes = cop_md_bytes(plan->arrays[step->args[1].array].md);
    const int64_t n = (int64_t)(bytes / sizeof(float));
    return cop_rows_run(n, n, apply_rows, &run, err);
}

enum cop_status cop_plan__build_own_eltwise(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    struct function *run = COP_ARENA_NEW(plan->arena, struct function);
    if (run == NULL) return COP_FAIL_NOMEM(err);
    bool keeps_zero = true;
    switch (prim->as.eltwise.alg) {
    case COP_ELTWISE_SOFTPLUS:
        run->f = softplus;
        keeps_zero = false;
        break;
    case COP_ELTWISE_LOG:
        run->f = logf;
        keeps_zero = false;
        break;
    case COP_ELTWISE_ERF: run->f = erff; break;
    case COP_ELTWISE_FLOOR: run->f = floorf; break;
    case COP_ELTWISE_CEIL: run->f = ceilf; break;
    case COP_ELTWISE_TRUNC: run->f = truncf; break;
    case COP_ELTWISE_SIGN: run->f = sign_of; break;
    default:
        return COP_FAIL(
            err, COP_EENGINE, "unknown function %d", (int)prim->as.eltwise.alg);
    }
    struct cop_step_arg args[2] = {{COP_ROLE_SRC, -1}, {COP_ROLE_DST, -1}};
    COP_TRY(cop_plan__array(plan, prim->srcs[0], &args[0].array, err));
    if (!keeps_zero && cop_md_is_padded(cop_plan__md(plan, args[0].array)))
        COP_TRY(cop_plan__array_plain(plan, prim->srcs[0], NULL, &args[0].array, err));
    COP_TRY(cop_plan__new_array(
        plan, prim->dst, cop_plan__md(plan, args[0].array), -1, &args[1].array, err));
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, 2, &step, err));
    step->loop = run_function;
    step->loop_data = run;
    return COP_OK;
}

/* ---- deconvolution --------------------------------------------------------------------------- */

/* oneDNN's order of axes, [oc][ic][kh][kw] or [g][oc/g][ic/g][kh][kw], over elements that
 * lie as [ic][oc/g][kh][kw]. */
static struct cop_shape order_axes(
    const struct cop_shape *own, int64_t g, int64_t strides[COP_MAX_RANK])
{
    const int64_t image = own->dim[2] * own->dim[3];
    const struct cop_shape shape = {
        .rank = 5, .dim = {g, own->dim[1], own->dim[0] / g, own->dim[2], own->dim[3]}};
    const int64_t steps[5] = {
        own->dim[0] / g * own->dim[1] * image,
        image,
        own->dim[1] * image,
        own->dim[3],
        1};
    if (g > 1) {
        memcpy(strides, steps, sizeof steps);
        return shape;
    }
    memcpy(strides, steps + 1, 4 * sizeof steps[0]);
    return cop_shape_make(4, shape.dim + 1);
}

static enum cop_status deconv_weights(
    struct cop_plan *plan,
    int32_t tensor,
    const int64_t *strides,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    if (plan->program->tensors[tensor].role != COP_TENSOR_CONST) {
        int32_t plain;
        COP_TRY(cop_plan__array_plain(plan, tensor, NULL, &plain, err));
        return cop_plan__view(plan, plain, md, array, err);
    }
    const struct cop_pack_request request = {
        .source = &plan->program->tensors[tensor], .md = md, .strides = strides};
    return cop_plan__packed(plan, &request, array, err);
}

enum cop_status cop_plan__build_deconv(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    (void)position;
    int64_t strides[COP_MAX_RANK] = {0};
    const struct cop_shape weights =
        order_axes(cop_plan__shape(plan, prim->srcs[1]), prim->as.deconv.g, strides);
    struct cop_linear_mds mds = {.bias = NULL};
    COP_TRY(
        cop_md_any(plan->arena, cop_plan__shape(plan, prim->srcs[0]), &mds.src, err));
    COP_TRY(cop_md_any(plan->arena, cop_plan__shape(plan, prim->dst), &mds.dst, err));
    if (plan->program->tensors[prim->srcs[1]].role == COP_TENSOR_CONST)
        COP_TRY(cop_md_any(plan->arena, &weights, &mds.weights, err));
    else
        COP_TRY(cop_md_create(plan->arena, &weights, strides, &mds.weights, err));
    struct cop_step_arg args[4] = {
        {COP_ROLE_SRC, -1}, {COP_ROLE_WEIGHTS, -1}, {COP_ROLE_BIAS, -1}};
    if (prim->srcs[2] >= 0) {
        COP_TRY(cop_plan__array_plain(plan, prim->srcs[2], NULL, &args[2].array, err));
        mds.bias = cop_plan__md(plan, args[2].array);
    }
    const struct cop_pd_request request = cop_plan__request(plan, NULL);
    struct cop_pd *pd;
    COP_TRY(cop_pd_deconv_fwd(&request, &mds, &prim->as.deconv.window, &pd, err));
    COP_TRY(cop_plan__array_as(
        plan, prim->srcs[0], cop_pd_md(pd, COP_ROLE_SRC), &args[0].array, err));
    COP_TRY(deconv_weights(
        plan,
        prim->srcs[1],
        strides,
        cop_pd_md(pd, COP_ROLE_WEIGHTS),
        &args[1].array,
        err));
    int32_t n = prim->srcs[2] >= 0 ? 3 : 2;
    args[n].role = COP_ROLE_DST;
    COP_TRY(cop_plan__new_array(
        plan, prim->dst, cop_pd_md(pd, COP_ROLE_DST), -1, &args[n].array, err));
    struct cop_step *step;
    COP_TRY(cop_plan__add_step(plan, prim, args, n + 1, &step, err));
    step->pd = pd;
    step->impl = cop_pd_impl(pd);
    return COP_OK;
}
