/* ops/quantize.c - QuantizeLinear and DequantizeLinear, as float32 that holds the quantised
 * numbers exactly: a quantised network is imported as what it computes.
 *
 * Known operands fold, so quantised weights become float32 constants. */
#include "ops/row.h"

#include <math.h>

struct quant_attrs {
    int64_t axis;
    int64_t block_size;
    int64_t output_dtype;
    int64_t saturate;
};

#define AXIS_AND_BLOCK                                                                 \
    {.name = "axis",                                                                   \
     .type = COP_ATTR_INT,                                                             \
     .offset = offsetof(struct quant_attrs, axis),                                     \
     .int_default = 1,                                                                 \
     .first_opset = 13},                                                               \
    {                                                                                  \
        .name = "block_size", .type = COP_ATTR_INT,                                    \
        .offset = offsetof(struct quant_attrs, block_size), .first_opset = 21          \
    }

static const struct cop_attr_spec quantize_specs[] = {
    AXIS_AND_BLOCK,
    {.name = "output_dtype",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct quant_attrs, output_dtype),
     .first_opset = 21},
    {.name = "saturate",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct quant_attrs, saturate),
     .int_default = 1,
     .first_opset = 19},
    {.type = COP_ATTR_END}};

static const struct cop_attr_spec dequantize_specs[] = {
    AXIS_AND_BLOCK, {.type = COP_ATTR_END}};

/* ---- shapes ------------------------------------------------------------------------- */

/* The shape in which scale or zero point meets the source: one number, or one per step of
 * the axis. */
static enum cop_status parameter_shape(
    const struct cop_node *node,
    const struct cop_fact *src,
    int32_t slot,
    struct cop_shape *shape,
    struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    const int32_t rank = src[0].shape.rank;
    const int64_t n = cop_shape_n(&src[slot].shape);
    int32_t axis = 0;
    *shape = (struct cop_shape){.rank = 0};
    if (n == 1) return COP_OK;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    COP_TRY(cop_ops__want_vector(src, slot, src[0].shape.dim[axis], err));
    shape->rank = rank - axis;
    for (int32_t i = 0; i < shape->rank; i++)
        shape->dim[i] = i == 0 ? n : 1;
    return COP_OK;
}

static enum cop_status check_parameters(
    const struct cop_node *node, const struct cop_fact *src, struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    struct cop_shape shape;
    if (attrs->block_size != 0)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "block_size is %lld, only 0 is supported",
            (long long)attrs->block_size);
    COP_TRY(cop_ops__want_f32(src, 1, err));
    COP_TRY(parameter_shape(node, src, 1, &shape, err));
    if (!cop_ops__has(node, 2)) return COP_OK;
    return parameter_shape(node, src, 2, &shape, err);
}

static bool is_byte(enum cop_dtype dtype)
{
    return dtype == COP_U8 || dtype == COP_I8;
}

static enum cop_status quantize_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(check_parameters(node, src, err));
    dst[0].shape = src[0].shape;
    dst[0].dtype = COP_U8;
    if (attrs->output_dtype > 0 && attrs->output_dtype < INT32_MAX)
        dst[0].dtype = cop_dtype_from_onnx((int32_t)attrs->output_dtype);
    if (cop_ops__has(node, 2)) dst[0].dtype = src[2].dtype;
    if (is_byte(dst[0].dtype)) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "quantises to %s (%lld), uint8 and int8 are supported",
        cop_dtype_name(dst[0].dtype),
        (long long)attrs->output_dtype);
}

static enum cop_status dequantize_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(check_parameters(node, src, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    if (!is_byte(src[0].dtype) && src[0].dtype != COP_I32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "src 0 is %s, uint8, int8 and int32 are supported",
            cop_dtype_name(src[0].dtype));
    if (!cop_ops__has(node, 2) || src[2].dtype == src[0].dtype) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "zero point is %s, src 0 is %s",
        cop_dtype_name(src[2].dtype),
        cop_dtype_name(src[0].dtype));
}

static void range_of(enum cop_dtype dtype, float range[2])
{
    range[0] = dtype == COP_U8 ? 0.0F : -128.0F;
    range[1] = dtype == COP_U8 ? 255.0F : 127.0F;
}

/* ---- folding ------------------------------------------------------------------------ */

/** Scale and zero point of an element. */
struct parameters {
    float scale;
    float zero;
};

static struct parameters parameters_at(
    const struct cop_fact *src, const struct cop_shape shapes[2], int64_t i)
{
    struct parameters found = {1.0F, 0.0F};
    found.scale =
        cop_f32_at(src[1].data, cop_ops__broadcast_at(&shapes[0], &src[0].shape, i));
    if (src[2].data != NULL)
        found.zero = (float)cop_element_at(
            src[2].dtype,
            src[2].data,
            cop_ops__broadcast_at(&shapes[1], &src[0].shape, i));
    return found;
}

static enum cop_status fold_with(
    const struct cop_node *node,
    const struct cop_fact *given,
    struct cop_fact *dst,
    struct cop_arena *arena,
    bool is_quantize,
    struct cop_err *err)
{
    struct cop_fact src[3] = {given[0], given[1], {COP_DTYPE_NONE, {0, {0}}, NULL}};
    struct cop_shape shapes[2] = {{.rank = 0}, {.rank = 0}};
    float range[2];
    void *elements = NULL;
    if (cop_ops__has(node, 2)) src[2] = given[2];
    if (src[0].data == NULL || src[1].data == NULL) return COP_OK;
    if (cop_ops__has(node, 2) && src[2].data == NULL) return COP_OK;
    COP_TRY(parameter_shape(node, src, 1, &shapes[0], err));
    if (cop_ops__has(node, 2)) COP_TRY(parameter_shape(node, src, 2, &shapes[1], err));
    COP_TRY(cop_ops__fold_room(node, given, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    range_of(dst[0].dtype, range);
    for (int64_t i = 0; i < n; i++) {
        const struct parameters p = parameters_at(src, shapes, i);
        const double x = cop_element_at(src[0].dtype, src[0].data, i);
        const float level = nearbyintf((float)x / p.scale) + p.zero;
        const double real = (double)((float)(x - (double)p.zero) * p.scale);
        cop_ops__store(
            dst[0].dtype,
            elements,
            i,
            is_quantize ? (double)fminf(fmaxf(level, range[0]), range[1]) : real);
    }
    return COP_OK;
}

static enum cop_status quantize_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, true, err);
}

static enum cop_status dequantize_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    return fold_with(node, src, dst, arena, false, err);
}

/* ---- lowering ----------------------------------------------------------------------- */

/* Scale or zero point as a tensor that broadcasts. */
static enum cop_status emit_parameter(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    int32_t slot,
    struct cop_ref *parameter,
    struct cop_err *err)
{
    struct cop_fact src[3];
    struct cop_shape shape;
    for (int32_t i = 0; i < 3; i++)
        src[i] = *cop_emit_src_fact(emitter, i);
    COP_TRY(parameter_shape(node, src, slot, &shape, err));
    COP_TRY(cop_emit_number(emitter, slot, parameter, err));
    return cop_emit_view(emitter, *parameter, &shape, parameter, err);
}

/* clip(round(x / scale) + zero), rounding halves to even. */
static enum cop_status quantize_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    float range[2];
    struct cop_ref scale = COP_REF_ABSENT;
    struct cop_ref zero = COP_REF_ABSENT;
    struct cop_ref parts[3];
    for (int i = 0; i < 3; i++)
        COP_TRY(cop_emit_temp(emitter, shape, &parts[i], err));
    COP_TRY(emit_parameter(node, emitter, 1, &scale, err));
    COP_TRY(cop_emit_binary(
        emitter, COP_BINARY_DIV, cop_emit_src(emitter, 0), scale, parts[0], err));
    COP_TRY(cop_emit_eltwise(
        emitter, COP_ELTWISE_ROUND, 0.0F, 0.0F, parts[0], parts[1], err));
    struct cop_ref level = parts[1];
    if (cop_ops__has(node, 2)) {
        COP_TRY(emit_parameter(node, emitter, 2, &zero, err));
        COP_TRY(
            cop_emit_binary(emitter, COP_BINARY_ADD, parts[1], zero, parts[2], err));
        level = parts[2];
    }
    range_of(cop_emit_dst_fact(emitter, 0)->dtype, range);
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_CLIP,
        range[0],
        range[1],
        level,
        cop_emit_dst(emitter, 0),
        err);
}

/* (x - zero) * scale */
static enum cop_status dequantize_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    struct cop_ref src = COP_REF_ABSENT;
    struct cop_ref scale = COP_REF_ABSENT;
    struct cop_ref zero = COP_REF_ABSENT;
    struct cop_ref centred = COP_REF_ABSENT;
    COP_TRY(cop_emit_number(emitter, 0, &src, err));
    COP_TRY(emit_parameter(node, emitter, 1, &scale, err));
    if (cop_ops__has(node, 2)) {
        COP_TRY(emit_parameter(node, emitter, 2, &zero, err));
        COP_TRY(cop_emit_temp(emitter, shape, &centred, err));
        COP_TRY(cop_emit_binary(emitter, COP_BINARY_SUB, src, zero, centred, err));
        src = centred;
    }
    return cop_emit_binary(
        emitter, COP_BINARY_MUL, src, scale, cop_emit_dst(emitter, 0), err);
}

/* ---- coupling ----------------------------------------------------------------------- */

static enum cop_status quant_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    for (int32_t i = 0; i < rank; i++)
        COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    for (int32_t slot = 1; slot < 3; slot++) {
        int32_t axis = 0;
        if (!cop_ops__has(node, slot) || cop_shape_n(&node->src[slot]->shape) == 1)
            continue;
        COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
        COP_TRY(cop_ties_add_axis(ties, slot, 0, 0, axis, err));
    }
    return COP_OK;
}

static const struct cop_coupling quant_coupling = {
    .name = "elementwise",
    .tie = quant_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_quantize_linear = {
    .name = "QuantizeLinear",
    .opsets = {10, COP_OPS_LAST},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct quant_attrs),
    .attrs = quantize_specs,
    .upgrade = cop_upgrade_none,
    .infer = quantize_infer,
    .fold = quantize_fold,
    .macs = cop_macs_none,
    .lower = quantize_lower,
    .coupling = &quant_coupling,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_dequantize_linear = {
    .name = "DequantizeLinear",
    .opsets = {10, COP_OPS_LAST},
    .arity = {2, 3, 1},
    .attrs_size = sizeof(struct quant_attrs),
    .attrs = dequantize_specs,
    .upgrade = cop_upgrade_none,
    .infer = dequantize_infer,
    .fold = dequantize_fold,
    .macs = cop_macs_none,
    .lower = dequantize_lower,
    .coupling = &quant_coupling,
    .relevance = &cop_relevance_elementwise,
};
