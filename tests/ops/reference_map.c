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

/* ---- blocks --------------------------------------------------------------------------- */

/* Which channel of the deep tensor, of @p c per block position, holds position (y, x). */
static int64_t deep_channel(
    const struct ref_call *call, int64_t b, int64_t c, int64_t n, const int64_t yx[2])
{
    const int64_t position = yx[0] * b + yx[1];
    const bool is_crd = strcmp(ref_text(call, "mode", "DCR"), "CRD") == 0;
    return is_crd ? c * b * b + position : position * n + c;
}

static void depth_to_space(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const int64_t b = ref_int(call, "blocksize", 1);
    struct cop_shape shape = src->shape;
    shape.dim[1] /= b * b;
    shape.dim[2] *= b;
    shape.dim[3] *= b;
    ref_make(&call->dst[0], src->dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        const int64_t yx[2] = {at[2] % b, at[3] % b};
        const int64_t from[4] = {
            at[0],
            deep_channel(call, b, at[1], shape.dim[1], yx),
            at[2] / b,
            at[3] / b};
        call->dst[0].at[i] = src->at[ref_ravel(&src->shape, from)];
    }
}

static void space_to_depth(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const int64_t b = ref_int(call, "blocksize", 1);
    struct cop_shape shape = src->shape;
    shape.dim[1] *= b * b;
    shape.dim[2] /= b;
    shape.dim[3] /= b;
    ref_make(&call->dst[0], src->dtype, &shape);
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        const int64_t yx[2] = {at[2] % b, at[3] % b};
        const int64_t to[4] = {
            at[0],
            deep_channel(call, b, at[1], src->shape.dim[1], yx),
            at[2] / b,
            at[3] / b};
        call->dst[0].at[ref_ravel(&shape, to)] = src->at[i];
    }
}

/* ---- quantisation --------------------------------------------------------------------- */

/* A scale or zero point: one number, one per step of the axis, or one per block of it. */
static double parameter(const struct ref_call *call, int slot, int64_t i, double absent)
{
    const struct cop_shape *const shape = &call->src[0].shape;
    int64_t axis = ref_int(call, "axis", 1);
    int64_t at[COP_MAX_RANK];
    if (!ref_has(call, slot)) return absent;
    if (axis < 0) axis += shape->rank;
    ref_unravel(shape, i, at);
    const int64_t block = ref_int(call, "block_size", 0);
    if (block > 0) {
        at[axis] /= block;
        return call->src[slot].at[ref_ravel(&call->src[slot].shape, at)];
    }
    return call->src[slot].at[ref_n(&call->src[slot]) == 1 ? 0 : at[axis]];
}

static void quantize(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    enum cop_dtype dtype = COP_U8;
    if (ref_text(call, "output_dtype", NULL) != NULL)
        dtype = cop_dtype_from_onnx((int32_t)ref_int(call, "output_dtype", 2));
    if (ref_has(call, 2)) dtype = call->src[2].dtype;
    const double low = dtype == COP_U8 ? 0.0 : -128.0;
    ref_make(&call->dst[0], dtype, &src->shape);
    for (int64_t i = 0; i < ref_n(src); i++) {
        const double level = nearbyint(src->at[i] / parameter(call, 1, i, 1.0)) +
                             parameter(call, 2, i, 0.0);
        call->dst[0].at[i] = fmin(fmax(level, low), low + 255.0);
    }
}

static void dequantize(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t i = 0; i < ref_n(src); i++)
        call->dst[0].at[i] =
            (src->at[i] - parameter(call, 2, i, 0.0)) * parameter(call, 1, i, 1.0);
}

const struct ref_row ref_map_rows[] = {
    {"DepthToSpace", depth_to_space},
    {"DequantizeLinear", dequantize},
    {"Expand", expand},
    {"QuantizeLinear", quantize},
    {"SpaceToDepth", space_to_depth},
    {"Tile", tile},
    {NULL, NULL}};
