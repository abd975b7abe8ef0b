/* ops/identity.c - Identity, Dropout (inference: the same) and Cast. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

const struct cop_op cop_op_identity = {
    .name = "Identity",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_same,
    .fold = cop_ops__fold_pass,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_same,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_move,
};

/* ---- Dropout ----------------------------------------------------------------------- */

struct dropout_attrs {
    float ratio;
    int64_t seed;
};

static const struct cop_attr_spec dropout_specs[] = {
    {.name = "ratio",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct dropout_attrs, ratio),
     .float_default = 0.5F,
     .last_opset = 11},
    {.name = "seed",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct dropout_attrs, seed),
     .first_opset = 12},
    {.type = COP_ATTR_END}};

/* The ratio says nothing about inference: it is dropped rather than lifted. */
static enum cop_status dropout_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    (void)graph;
    (void)opset;
    (void)err;
    ((struct dropout_attrs *)node->attrs)->ratio = 0.5F;
    return COP_OK;
}

static bool is_known(const struct cop_node *node, const struct cop_fact *src, int slot)
{
    return cop_ops__has(node, slot) && src[slot].data != NULL &&
           cop_shape_n(&src[slot].shape) == 1;
}

/* Does it let everything through even in training?  Where the ratio is known to be 0. */
static bool is_idle(const struct cop_node *node, const struct cop_fact *src)
{
    return is_known(node, src, 1) &&
           cop_element_at(src[1].dtype, src[1].data, 0) == 0.0;
}

static enum cop_status dropout_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__infer_same_f32(node, src, dst, err));
    if (is_known(node, src, 2) && !is_idle(node, src) &&
        cop_element_at(src[2].dtype, src[2].data, 0) != 0.0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "training_mode is 1, only 0 is supported");
    if (node->n_dst > 1 && node->dst[1] != NULL)
        dst[1] = (struct cop_fact){.dtype = COP_BOOL, .shape = src[0].shape};
    return COP_OK;
}

static enum cop_status dropout_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    struct cop_fact *const mask = node->n_dst > 1 ? &dst[1] : NULL;
    void *elements = NULL;
    if (cop_ops__has(node, 2) && src[2].data == NULL) return COP_OK;
    dst[0].data = src[0].data;
    if (mask == NULL || mask->dtype != COP_BOOL || src[0].data == NULL) return COP_OK;
    COP_TRY(cop_ops__fold_room(node, src, mask, arena, &elements, err));
    if (elements != NULL) memset(elements, 1, (size_t)cop_shape_n(&mask->shape));
    return COP_OK;
}

/* What was let through: everything, which a table that picks nothing says. */
static enum cop_status lower_mask(struct cop_emitter *emitter, struct cop_err *err)
{
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    int64_t *table = NULL;
    struct cop_ref src = cop_emit_src(emitter, 0);
    struct cop_ref dst = cop_emit_dst(emitter, 1);
    const struct cop_shape *const shape = &cop_emit_src_fact(emitter, 0)->shape;
    if (shape->rank == 0) return COP_FAIL(err, COP_EUNSUPPORTED, "mask of a scalar");
    COP_TRY(cop_ops__table(emitter, 0, &table, err));
    for (int64_t i = 0; i < shape->dim[0]; i++)
        table[i] = -1;
    tables[0] = table;
    return cop_emit_pick(emitter, tables, 1.0F, src, dst, err);
}

/* Whether it trains may be computed from something that folds later, but not here. */
static enum cop_status dropout_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    struct cop_fact src[3];
    for (int32_t i = 0; i < 3; i++)
        if (cop_ops__has(node, i)) src[i] = *cop_emit_src_fact(emitter, i);
    if (cop_ops__has(node, 2) && src[2].data == NULL && !is_idle(node, src))
        return COP_FAIL(err, COP_EUNSUPPORTED, "training_mode is not constant");
    if (node->n_dst > 1 && node->dst[1] != NULL &&
        (node->dst[1]->n_uses > 0 || node->dst[1]->is_output))
        COP_TRY(lower_mask(emitter, err));
    return cop_ops__lower_same(node, emitter, err);
}

static enum cop_status dropout_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    for (int32_t axis = 0; axis < node->dst[0]->shape.rank; axis++) {
        COP_TRY(cop_ties_add_axis(ties, 0, axis, -1, axis, err));
        if (node->n_dst > 1 && node->dst[1] != NULL)
            COP_TRY(cop_ties_add_axis(ties, 0, axis, -2, axis, err));
    }
    return COP_OK;
}

static const struct cop_coupling dropout_coupling = {
    .name = "elementwise",
    .tie = dropout_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_dropout = {
    .name = "Dropout",
    .opsets = {7, COP_OPS_LAST},
    .arity = {1, 3, 2},
    .attrs_size = sizeof(struct dropout_attrs),
    .attrs = dropout_specs,
    .upgrade = dropout_upgrade,
    .infer = dropout_infer,
    .fold = dropout_fold,
    .macs = cop_macs_none,
    .lower = dropout_lower,
    .coupling = &dropout_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Cast -------------------------------------------------------------------------- */

struct cast_attrs {
    int64_t to;
    int64_t saturate;
};

static const struct cop_attr_spec cast_specs[] = {
    {.name = "to",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct cast_attrs, to),
     .int_default = 1,
     .is_required = true},
    {.name = "saturate",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct cast_attrs, saturate),
     .int_default = 1,
     .first_opset = 19},
    {.type = COP_ATTR_END}};

/* Constants and inputs of float16 are held as float32, and so is everything between them. */
static enum cop_status cast_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct cast_attrs *const attrs = node->attrs;
    (void)graph;
    (void)opset;
    (void)err;
    if (attrs->to == cop_dtype_to_onnx(COP_F16)) attrs->to = cop_dtype_to_onnx(COP_F32);
    return COP_OK;
}

static enum cop_status cast_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct cast_attrs *const attrs = node->attrs;
    const bool fits = attrs->to > 0 && attrs->to < INT32_MAX;
    dst[0].shape = src[0].shape;
    dst[0].dtype = fits ? cop_dtype_from_onnx((int32_t)attrs->to) : COP_DTYPE_NONE;
    if (dst[0].dtype != COP_DTYPE_NONE) return COP_OK;
    return COP_FAIL(
        err, COP_EUNSUPPORTED, "cast to element type %lld", (long long)attrs->to);
}

/* Bytes wrap around, as what is computed does; see lower_to_byte. */
static double wrap(enum cop_dtype to, double number)
{
    const double low = to == COP_U8 ? 0.0 : -128.0;
    if ((to != COP_U8 && to != COP_I8) || !(fabs(number) < 0x1p52)) return number;
    number = trunc(number);
    return number - 256.0 * floor((number - low) / 256.0);
}

static enum cop_status cast_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    if (src[0].dtype == dst[0].dtype) {
        dst[0].data = src[0].data;
        return COP_OK;
    }
    if (!cop_ops__can_store(dst[0].dtype)) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    for (int64_t i = 0; i < n; i++) {
        const double number = cop_element_at(src[0].dtype, src[0].data, i);
        cop_ops__store(dst[0].dtype, elements, i, wrap(dst[0].dtype, number));
    }
    return COP_OK;
}

static bool is_whole(enum cop_dtype dtype)
{
    return dtype == COP_I64 || dtype == COP_I32 || dtype == COP_U8 || dtype == COP_I8 ||
           dtype == COP_BOOL;
}

/* 1 where x is not 0. */
static enum cop_status lower_to_bool(struct cop_emitter *emitter, struct cop_err *err)
{
    static const float nought = 0.0F;
    const struct cop_shape scalar = cop_shape_make(0, NULL);
    struct cop_ref zero = COP_REF_ABSENT;
    struct cop_ref is_zero = COP_REF_ABSENT;
    COP_TRY(cop_emit_const(emitter, &scalar, &nought, &zero, err));
    COP_TRY(
        cop_emit_temp(emitter, &cop_emit_dst_fact(emitter, 0)->shape, &is_zero, err));
    COP_TRY(cop_emit_binary(
        emitter, COP_BINARY_EQUAL, cop_emit_src(emitter, 0), zero, is_zero, err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        -1.0F,
        1.0F,
        is_zero,
        cop_emit_dst(emitter, 0),
        err);
}

/* Out of range the standard leaves open what comes; exporters' frameworks wrap around, so:
 * y - 256 * floor((y - low) / 256) with y = trunc(x), low 0 or -128.  All of it is exact. */
static enum cop_status lower_to_byte(
    struct cop_emitter *emitter, enum cop_dtype to, struct cop_err *err)
{
    const float low = to == COP_U8 ? 0.0F : -128.0F;
    const struct {
        enum cop_eltwise_alg alg;
        float alpha;
        float beta;
    } steps[] = {
        {COP_ELTWISE_TRUNC, 0.0F, 0.0F},
        {COP_ELTWISE_LINEAR, 1.0F / 256.0F, -low / 256.0F},
        {COP_ELTWISE_FLOOR, 0.0F, 0.0F},
        {COP_ELTWISE_LINEAR, 256.0F, 0.0F},
    };
    const struct cop_shape *const shape = &cop_emit_dst_fact(emitter, 0)->shape;
    struct cop_ref parts[5] = {cop_emit_src(emitter, 0)};
    for (int i = 0; i < 4; i++) {
        COP_TRY(cop_emit_temp(emitter, shape, &parts[i + 1], err));
        COP_TRY(cop_emit_eltwise(
            emitter,
            steps[i].alg,
            steps[i].alpha,
            steps[i].beta,
            parts[i],
            parts[i + 1],
            err));
    }
    return cop_emit_binary(
        emitter, COP_BINARY_SUB, parts[1], parts[4], cop_emit_dst(emitter, 0), err);
}

/* Whole numbers are held as float32 anyway; only what wraps around is refused. */
static enum cop_status cast_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const enum cop_dtype from = cop_emit_src_fact(emitter, 0)->dtype;
    const enum cop_dtype to = cop_emit_dst_fact(emitter, 0)->dtype;
    if (from == to || (to == COP_F32 && is_whole(from)) ||
        (is_whole(from) && (to == COP_I64 || to == COP_I32)))
        return cop_ops__lower_same(node, emitter, err);
    if (to == COP_BOOL) return lower_to_bool(emitter, err);
    if (from == COP_F32 && (to == COP_U8 || to == COP_I8))
        return lower_to_byte(emitter, to, err);
    if (from == COP_F32 && (to == COP_I64 || to == COP_I32))
        return cop_emit_eltwise(
            emitter,
            COP_ELTWISE_TRUNC,
            0.0F,
            0.0F,
            cop_emit_src(emitter, 0),
            cop_emit_dst(emitter, 0),
            err);
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "cast of an activation from %s to %s",
        cop_dtype_name(from),
        cop_dtype_name(to));
}

const struct cop_op cop_op_cast = {
    .name = "Cast",
    .opsets = {6, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct cast_attrs),
    .attrs = cast_specs,
    .upgrade = cast_upgrade,
    .infer = cast_infer,
    .fold = cast_fold,
    .macs = cop_macs_none,
    .lower = cast_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_move,
};
