/* ops/binary.c - arithmetic of two tensors with NumPy broadcasting.
 *
 * Adding and scaling of activations go to the engine; the same on small constant integers
 * is shape arithmetic and folds. */
#include "ops/row.h"

#include <math.h>

/* ---- folding ---------------------------------------------------------------------- */

static bool add_whole(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}
static double add_real(double a, double b)
{
    return a + b;
}
static enum cop_status add_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {add_whole, add_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool sub_whole(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_sub_overflow(a, b, result);
}
static double sub_real(double a, double b)
{
    return a - b;
}
static enum cop_status sub_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {sub_whole, sub_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool mul_whole(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}
static double mul_real(double a, double b)
{
    return a * b;
}
static enum cop_status mul_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {mul_whole, mul_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool div_whole(int64_t a, int64_t b, int64_t *result)
{
    if (b == 0 || (a == INT64_MIN && b == -1)) return false;
    *result = a / b;
    return true;
}
static double div_real(double a, double b)
{
    return a / b;
}
static enum cop_status div_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {div_whole, div_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

struct mod_attrs {
    int64_t fmod;
};

static const struct cop_attr_spec mod_specs[] = {
    {.name = "fmod", .type = COP_ATTR_INT, .offset = offsetof(struct mod_attrs, fmod)},
    {.type = COP_ATTR_END}};

/* The rest has the sign of the divisor, or with fmod that of the dividend. */
static bool mod_whole(int64_t a, int64_t b, int64_t *result)
{
    if (b == 0) return false;
    *result = b == -1 ? 0 : a % b;
    if (*result != 0 && (*result < 0) != (b < 0)) *result += b;
    return true;
}
static bool fmod_whole(int64_t a, int64_t b, int64_t *result)
{
    if (b == 0) return false;
    *result = b == -1 ? 0 : a % b;
    return true;
}
static double mod_real(double a, double b)
{
    const double rest = fmod(a, b);
    return (rest < 0.0 && b > 0.0) || (rest > 0.0 && b < 0.0) ? rest + b : rest;
}
static enum cop_status mod_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic floored = {mod_whole, mod_real};
    static const struct cop_ops__arithmetic truncated = {fmod_whole, fmod};
    const struct mod_attrs *const attrs = node->attrs;
    return cop_ops__fold_broadcast(
        node, src, dst, arena, attrs->fmod != 0 ? &truncated : &floored, err);
}

/* By squaring. */
static bool pow_whole(int64_t a, int64_t b, int64_t *result)
{
    if (b < 0) return false;
    *result = 1;
    for (; b > 0; b /= 2) {
        if (b % 2 == 1 && __builtin_mul_overflow(*result, a, result)) return false;
        if (b > 1 && __builtin_mul_overflow(a, a, &a)) return false;
    }
    return true;
}
static double pow_real(double a, double b)
{
    return pow(a, b);
}
static enum cop_status pow_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {pow_whole, pow_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static enum cop_status pow_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    dst[0].dtype = src[0].dtype;
    return cop_shape_broadcast(&src[0].shape, &src[1].shape, &dst[0].shape, err);
}

/* ---- lowering --------------------------------------------------------------------- */

static enum cop_status emit(
    struct cop_emitter *emitter, enum cop_binary_alg alg, struct cop_err *err)
{
    COP_TRY(cop_ops__want_computed_f32(emitter, err));
    return cop_emit_binary(
        emitter,
        alg,
        cop_emit_src(emitter, 0),
        cop_emit_src(emitter, 1),
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status add_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_ADD, err);
}

static enum cop_status sub_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_SUB, err);
}

static enum cop_status mul_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_MUL, err);
}

static enum cop_status div_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_DIV, err);
}

/* A constant exponent of one element is a function of one tensor. */
static enum cop_status pow_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_fact *const exponent = cop_emit_src_fact(emitter, 1);
    COP_TRY(cop_ops__want_computed_f32(emitter, err));
    if (exponent->data != NULL && cop_shape_n(&exponent->shape) == 1 &&
        cop_shape_equal(
            &cop_emit_src_fact(emitter, 0)->shape,
            &cop_emit_dst_fact(emitter, 0)->shape))
        return cop_emit_eltwise(
            emitter,
            COP_ELTWISE_POW,
            1.0F,
            (float)cop_element_at(exponent->dtype, exponent->data, 0),
            cop_emit_src(emitter, 0),
            cop_emit_dst(emitter, 0),
            err);
    struct cop_ref power = COP_REF_ABSENT;
    COP_TRY(cop_emit_number(emitter, 1, &power, err));
    return cop_emit_binary(
        emitter,
        COP_BINARY_POW,
        cop_emit_src(emitter, 0),
        power,
        cop_emit_dst(emitter, 0),
        err);
}

/* ---- PRelu -------------------------------------------------------------------------- */

static enum cop_status prelu_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(cop_ops__infer_broadcast(node, src, dst, err));
    if (cop_shape_equal(&dst[0].shape, &src[0].shape)) return COP_OK;
    char text[2][COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "slope is %s, src is %s",
        cop_shape_print(&src[1].shape, text[0], sizeof text[0]),
        cop_shape_print(&src[0].shape, text[1], sizeof text[1]));
}

static enum cop_status prelu_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_PRELU, err);
}

const struct cop_op cop_op_add = {
    .name = "Add",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = add_fold,
    .macs = cop_macs_none,
    .lower = add_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_sub = {
    .name = "Sub",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = sub_fold,
    .macs = cop_macs_none,
    .lower = sub_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_mul = {
    .name = "Mul",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = mul_fold,
    .macs = cop_macs_none,
    .lower = mul_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_product,
};

const struct cop_op cop_op_div = {
    .name = "Div",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = div_fold,
    .macs = cop_macs_none,
    .lower = div_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_product,
};

/* Only as shape arithmetic: a quotient that is rounded to the next number would be a whole
 * divisor wrong. */
const struct cop_op cop_op_mod = {
    .name = "Mod",
    .opsets = {10, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = sizeof(struct mod_attrs),
    .attrs = mod_specs,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = mod_fold,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_known,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_pow = {
    .name = "Pow",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = pow_infer,
    .fold = pow_fold,
    .macs = cop_macs_none,
    .lower = pow_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};

const struct cop_op cop_op_prelu = {
    .name = "PRelu",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = prelu_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = prelu_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_elementwise,
};
