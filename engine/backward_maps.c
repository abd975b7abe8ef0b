/* engine/backward_maps.c - gradients of resample and select; that of a pick is the adjoint
 * of a copy.  Plain loops in a fixed order. */
#include "engine/backward.h"

enum cop_status cop_plan__grad_resample(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_resample *resample = &prim->as.resample;
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *out = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    int64_t outer = cop_shape_span(in, 0, resample->axis);
    int64_t inner = cop_shape_span(in, resample->axis + 1, in->rank);
    int64_t n_in = in->dim[resample->axis];
    int64_t n_out = out->dim[resample->axis];
    for (int64_t row = 0; row < outer * n_out; row++) {
        const float *diff = dst->diff + row * inner;
        for (int64_t t = 0; t < resample->n_taps; t++) {
            int64_t tap = row % n_out * resample->n_taps + t;
            float weight = resample->weight[tap];
            float *to = src->diff + (row / n_out * n_in + resample->index[tap]) * inner;
            for (int64_t i = 0; i < inner; i++)
                to[i] += weight * diff[i];
        }
    }
    return COP_OK;
}

/* Only the chosen source changes the result; the condition never does. */
enum cop_status cop_plan__grad_select(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    const struct cop_grad *srcs[3]; /* condition, src0, src1 */
    int64_t stride[3][COP_MAX_RANK] = {{0}};
    for (int i = 0; i < 3; i++) {
        srcs[i] = cop_plan__grad(plan, prim->srcs[i]);
        cop_plan__strides_along(cop_plan__shape(plan, prim->srcs[i]), shape, stride[i]);
    }
    for (int64_t k = 0; k < dst->n; k++) {
        int64_t at[3] = {0, 0, 0};
        int64_t rest = k;
        for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
            for (int i = 0; i < 3; i++)
                at[i] += rest % shape->dim[axis] * stride[i][axis];
            rest /= shape->dim[axis];
        }
        int chosen = srcs[0]->value[at[0]] != 0.0f ? 1 : 2;
        srcs[chosen]->diff[at[chosen]] += dst->diff[k];
    }
    return COP_OK;
}
