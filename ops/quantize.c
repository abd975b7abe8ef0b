/* ops/quantize.c - QuantizeLinear and DequantizeLinear, as float32 that holds the quantised
 * numbers exactly: a quantised network is imported as what it computes.
 *
 * Known operands fold, so quantised weights become float32 constants.  Scale and zero point
 * are one number, one per step of an axis, or one per block of steps (opset 21). */
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

/** How scale or zero point meet the source. */
struct parameter {
    struct cop_shape shape; /* broadcasts to the source where blocks have one element */
    int32_t axis;           /* of the blocks */
    int64_t block; /* elements of that axis that share a number; 0: no blocks */
};

/* As many blocks as cover the axis, the last one maybe shorter; other axes are the
 * source's.  What a file made for one sample says of that one holds for all. */
static enum cop_status check_blocks(
    const struct cop_fact *src,
    int32_t slot,
    const struct parameter *parameter,
    struct cop_err *err)
{
    const struct cop_shape *const shape = &src[slot].shape;
    COP_TRY(cop_ops__want_rank(src, slot, src[0].shape.rank, err));
    for (int32_t i = 0; i < shape->rank; i++) {
        const int64_t block = i == parameter->axis ? parameter->block : 1;
        const int64_t n = src[0].shape.dim[i];
        const int64_t wanted = n / block + (n % block != 0);
        if (i == 0 && src[0].data == NULL && shape->dim[0] == 1) continue;
        if (shape->dim[i] != wanted)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "src %d axis %d is %lld, wanted %lld in blocks of %lld",
                slot,
                i,
                (long long)shape->dim[i],
                (long long)wanted,
                (long long)block);
    }
    return COP_OK;
}

/* One number, one per step of the axis, or one per block of it. */
static enum cop_status find_parameter(
    const struct cop_node *node,
    const struct cop_fact *src,
    int32_t slot,
    struct parameter *parameter,
    struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    const int32_t rank = src[0].shape.rank;
    const int64_t n = cop_shape_n(&src[slot].shape);
    *parameter = (struct parameter){.block = 0};
    if (attrs->block_size == 0 && n == 1) return COP_OK;
    COP_TRY(cop_shape_axis(rank, attrs->axis, &parameter->axis, err));
    if (attrs->block_size > 0) {
        parameter->block = attrs->block_size;
        parameter->shape = src[slot].shape;
        return check_blocks(src, slot, parameter, err);
    }
    COP_TRY(cop_ops__want_vector(src, slot, src[0].shape.dim[parameter->axis], err));
    parameter->shape.rank = rank - parameter->axis;
    for (int32_t i = 0; i < parameter->shape.rank; i++)
        parameter->shape.dim[i] = i == 0 ? n : 1;
    return COP_OK;
}

static enum cop_status check_parameters(
    const struct cop_node *node, const struct cop_fact *src, struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    struct parameter parameter;
    if (attrs->block_size < 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "block_size is %lld, wanted 0 or more",
            (long long)attrs->block_size);
    COP_TRY(cop_ops__want_f32(src, 1, err));
    COP_TRY(find_parameter(node, src, 1, &parameter, err));
    if (!cop_ops__has(node, 2)) return COP_OK;
    return find_parameter(node, src, 2, &parameter, err);
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

/* The element of a parameter that element @p i of the source meets. */
static int64_t parameter_at(
    const struct parameter *parameter, const struct cop_shape *shape, int64_t i)
{
    if (parameter->block == 0)
        return cop_ops__broadcast_at(&parameter->shape, shape, i);
    const int64_t inner = cop_shape_span(shape, parameter->axis + 1, shape->rank);
    const int64_t extent = shape->dim[parameter->axis];
    const int64_t block = i / inner % extent / parameter->block;
    const int64_t outer = i / inner / extent;
    return (outer * parameter->shape.dim[parameter->axis] + block) * inner + i % inner;
}

static float zero_at(
    const struct cop_fact *zeros,
    const struct parameter *parameter,
    const struct cop_shape *shape,
    int64_t i)
{
    if (zeros->data == NULL) return 0.0F;
    return (float)cop_element_at(
        zeros->dtype, zeros->data, parameter_at(parameter, shape, i));
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
    struct parameter parameters[2] = {{.block = 0}, {.block = 0}};
    float range[2];
    void *elements = NULL;
    if (cop_ops__has(node, 2)) src[2] = given[2];
    if (src[0].data == NULL || src[1].data == NULL) return COP_OK;
    if (cop_ops__has(node, 2) && src[2].data == NULL) return COP_OK;
    COP_TRY(find_parameter(node, src, 1, &parameters[0], err));
    if (cop_ops__has(node, 2))
        COP_TRY(find_parameter(node, src, 2, &parameters[1], err));
    COP_TRY(cop_ops__fold_room(node, given, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    range_of(dst[0].dtype, range);
    for (int64_t i = 0; i < n; i++) {
        const double x = cop_element_at(src[0].dtype, src[0].data, i);
        const float scale =
            cop_f32_at(src[1].data, parameter_at(&parameters[0], &src[0].shape, i));
        const float zero = zero_at(&src[2], &parameters[1], &src[0].shape, i);
        const float level = nearbyintf((float)x / scale) + zero;
        const double real = (double)((float)(x - (double)zero) * scale);
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

/* Every element of the blocks' axis gets the number of its block. */
static enum cop_status spread_blocks(
    struct cop_emitter *emitter,
    const struct parameter *parameter,
    struct cop_ref *numbers,
    struct cop_err *err)
{
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    int64_t *table = NULL;
    struct cop_ref spread = COP_REF_ABSENT;
    struct cop_shape shape = cop_emit_src_fact(emitter, 0)->shape;
    COP_TRY(cop_ops__table(emitter, parameter->axis, &table, err));
    for (int64_t i = 0; i < shape.dim[parameter->axis]; i++)
        table[i] = i / parameter->block;
    tables[parameter->axis] = table;
    if (parameter->axis != 0) shape.dim[0] = parameter->shape.dim[0];
    COP_TRY(cop_emit_temp(emitter, &shape, &spread, err));
    COP_TRY(cop_emit_pick(emitter, tables, 0.0F, *numbers, spread, err));
    *numbers = spread;
    return COP_OK;
}

/* Scale or zero point as a tensor that broadcasts. */
static enum cop_status emit_parameter(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    int32_t slot,
    struct cop_ref *numbers,
    struct cop_err *err)
{
    struct cop_fact src[3];
    struct parameter parameter;
    for (int32_t i = 0; i < 3; i++)
        src[i] = *cop_emit_src_fact(emitter, i);
    COP_TRY(find_parameter(node, src, slot, &parameter, err));
    COP_TRY(cop_emit_number(emitter, slot, numbers, err));
    if (parameter.block > 0) return spread_blocks(emitter, &parameter, numbers, err);
    return cop_emit_view(emitter, *numbers, &parameter.shape, numbers, err);
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

/* Scale or zero point as they lie along the source's axes; what a block shares is never
 * cut. */
static enum cop_status tie_parameter(
    const struct cop_node *node,
    int32_t slot,
    int32_t axis,
    struct cop_ties *ties,
    struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    if (!cop_ops__has(node, slot)) return COP_OK;
    if (attrs->block_size == 0 && cop_shape_n(&node->src[slot]->shape) == 1)
        return COP_OK;
    if (attrs->block_size == 0) return cop_ties_add_axis(ties, slot, 0, 0, axis, err);
    for (int32_t i = 0; i < rank; i++)
        if (i != axis) COP_TRY(cop_ties_add_axis(ties, slot, i, 0, i, err));
    return COP_OK;
}

static enum cop_status quant_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct quant_attrs *const attrs = node->attrs;
    const int32_t rank = node->src[0]->shape.rank;
    const bool has_axis =
        attrs->block_size > 0 || cop_shape_n(&node->src[1]->shape) > 1 ||
        (cop_ops__has(node, 2) && cop_shape_n(&node->src[2]->shape) > 1);
    int32_t axis = -1;
    if (has_axis) COP_TRY(cop_shape_axis(rank, attrs->axis, &axis, err));
    for (int32_t i = 0; i < rank; i++)
        if (attrs->block_size == 0 || i != axis)
            COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    COP_TRY(tie_parameter(node, 1, axis, ties, err));
    return tie_parameter(node, 2, axis, ties, err);
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
