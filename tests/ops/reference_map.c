/* tests/ops/reference_map.c - operators that repeat, resample or rearrange elements. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- repeating ------------------------------------------------------------------------ */

static void expand(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    struct cop_shape target = {(int32_t)ref_n(&call->src[1]), {0}};
    for (int i = 0; i < target.rank; i++)
        target.dim[i] = (int64_t)call->src[1].at[i];
    const struct cop_shape shape = ref_broadcast(&src->shape, &target);
    ref_make(&call->dst[0], src->dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        call->dst[0].at[i] = ref_broadcast_at(src, &shape, at);
    }
}

static void tile(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    struct cop_shape shape = src->shape;
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] *= (int64_t)call->src[1].at[i];
    ref_make(&call->dst[0], src->dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        for (int k = 0; k < shape.rank; k++)
            at[k] %= src->shape.dim[k];
        call->dst[0].at[i] = src->at[ref_ravel(&src->shape, at)];
    }
}

const struct ref_row ref_map_rows[] = {
    {"Expand", expand}, {"Tile", tile}, {NULL, NULL}};
