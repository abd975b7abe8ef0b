/* ops/compare.c - comparisons, logic and Where.
 *
 * Mostly shape arithmetic, which folds.  What depends on activations is computed with
 * booleans held as 1 and 0; comparisons stop relevance and gradients. */
#include "ops/row.h"

#include <string.h>

static enum cop_status compare_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__infer_broadcast(node, src, dst, err));
    dst[0].dtype = COP_BOOL;
    return COP_OK;
}

static enum cop_status logic_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    if (src[0].dtype != COP_BOOL)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "src 0 is %s, wanted bool",
            cop_dtype_name(src[0].dtype));
    return cop_ops__infer_broadcast(node, src, dst, err);
}

/* ---- folding ---------------------------------------------------------------------- */

static bool equal_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a == b;
    return true;
}
static double equal_real(double a, double b)
{
    return a == b ? 1.0 : 0.0;
}
static enum cop_status equal_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {equal_whole, equal_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool greater_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a > b;
    return true;
}
static double greater_real(double a, double b)
{
    return a > b ? 1.0 : 0.0;
}
static enum cop_status greater_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {greater_whole, greater_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool greater_or_equal_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a >= b;
    return true;
}
static double greater_or_equal_real(double a, double b)
{
    return a >= b ? 1.0 : 0.0;
}
static enum cop_status greater_or_equal_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {
        greater_or_equal_whole, greater_or_equal_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool less_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a < b;
    return true;
}
static double less_real(double a, double b)
{
    return a < b ? 1.0 : 0.0;
}
static enum cop_status less_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {less_whole, less_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool less_or_equal_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a <= b;
    return true;
}
static double less_or_equal_real(double a, double b)
{
    return a <= b ? 1.0 : 0.0;
}
static enum cop_status less_or_equal_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {
        less_or_equal_whole, less_or_equal_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static double and_real(double a, double b)
{
    return a * b;
}
static enum cop_status and_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {NULL, and_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static double or_real(double a, double b)
{
    return a + b;
}
static enum cop_status or_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {NULL, or_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static double xor_real(double a, double b)
{
    return a - b;
}
static enum cop_status xor_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {NULL, xor_real};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static enum cop_status not_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    for (int64_t i = 0; i < n; i++)
        cop_ops__store(
            COP_BOOL, elements, i, 1.0 - cop_element_at(COP_BOOL, src[0].data, i));
    return COP_OK;
}

/* ---- lowering --------------------------------------------------------------------- */

static enum cop_status emit(
    struct cop_emitter *emitter,
    enum cop_binary_alg alg,
    bool is_swapped,
    struct cop_ref dst,
    struct cop_err *err)
{
    struct cop_ref operands[2];
    for (int i = 0; i < 2; i++)
        COP_TRY(cop_emit_number(emitter, i, &operands[is_swapped ? 1 - i : i], err));
    return cop_emit_binary(emitter, alg, operands[0], operands[1], dst, err);
}

static enum cop_status equal_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_EQUAL, false, cop_emit_dst(emitter, 0), err);
}

static enum cop_status greater_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_GREATER, false, cop_emit_dst(emitter, 0), err);
}

static enum cop_status greater_or_equal_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(
        emitter, COP_BINARY_GREATER_EQUAL, false, cop_emit_dst(emitter, 0), err);
}

static enum cop_status less_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_GREATER, true, cop_emit_dst(emitter, 0), err);
}

static enum cop_status less_or_equal_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_GREATER_EQUAL, true, cop_emit_dst(emitter, 0), err);
}

static enum cop_status and_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_MUL, false, cop_emit_dst(emitter, 0), err);
}

static enum cop_status or_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_MAX, false, cop_emit_dst(emitter, 0), err);
}

static enum cop_status emit_not(
    struct cop_emitter *emitter, struct cop_ref src, struct cop_err *err)
{
    return cop_emit_eltwise(
        emitter, COP_ELTWISE_LINEAR, -1.0F, 1.0F, src, cop_emit_dst(emitter, 0), err);
}

static enum cop_status xor_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    struct cop_ref same = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &cop_emit_dst_fact(emitter, 0)->shape, &same, err));
    COP_TRY(emit(emitter, COP_BINARY_EQUAL, false, same, err));
    return emit_not(emitter, same, err);
}

static enum cop_status not_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit_not(emitter, cop_emit_src(emitter, 0), err);
}

const struct cop_op cop_op_equal = {
    .name = "Equal",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = compare_infer,
    .fold = equal_fold,
    .macs = cop_macs_none,
    .lower = equal_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_greater = {
    .name = "Greater",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = compare_infer,
    .fold = greater_fold,
    .macs = cop_macs_none,
    .lower = greater_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_greater_or_equal = {
    .name = "GreaterOrEqual",
    .opsets = {12, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = compare_infer,
    .fold = greater_or_equal_fold,
    .macs = cop_macs_none,
    .lower = greater_or_equal_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_less = {
    .name = "Less",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = compare_infer,
    .fold = less_fold,
    .macs = cop_macs_none,
    .lower = less_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_less_or_equal = {
    .name = "LessOrEqual",
    .opsets = {12, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = compare_infer,
    .fold = less_or_equal_fold,
    .macs = cop_macs_none,
    .lower = less_or_equal_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_and = {
    .name = "And",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = logic_infer,
    .fold = and_fold,
    .macs = cop_macs_none,
    .lower = and_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_or = {
    .name = "Or",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = logic_infer,
    .fold = or_fold,
    .macs = cop_macs_none,
    .lower = or_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_xor = {
    .name = "Xor",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = logic_infer,
    .fold = xor_fold,
    .macs = cop_macs_none,
    .lower = xor_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

const struct cop_op cop_op_not = {
    .name = "Not",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = logic_infer,
    .fold = not_fold,
    .macs = cop_macs_none,
    .lower = not_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_stop,
};

/* ---- Where ---------------------------------------------------------------------------- */

static enum cop_status where_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    if (src[0].dtype != COP_BOOL || src[1].dtype != src[2].dtype)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "condition is %s, choices are %s and %s",
            cop_dtype_name(src[0].dtype),
            cop_dtype_name(src[1].dtype),
            cop_dtype_name(src[2].dtype));
    struct cop_shape choices;
    dst[0].dtype = src[1].dtype;
    COP_TRY(cop_shape_broadcast(&src[1].shape, &src[2].shape, &choices, err));
    return cop_shape_broadcast(&src[0].shape, &choices, &dst[0].shape, err);
}

static enum cop_status where_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    for (int i = 0; i < 3; i++)
        if (src[i].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    const int64_t n = elements != NULL ? cop_shape_n(&dst[0].shape) : 0;
    const size_t bytes = cop_dtype_bytes(dst[0].dtype);
    for (int64_t i = 0; i < n; i++) {
        int64_t at[3];
        for (int k = 0; k < 3; k++)
            at[k] = cop_ops__broadcast_at(&src[k].shape, &dst[0].shape, i);
        const double holds = cop_element_at(COP_BOOL, src[0].data, at[0]);
        const int chosen = holds != 0.0 ? 1 : 2;
        memcpy(
            (char *)elements + (size_t)i * bytes,
            (const char *)src[chosen].data + (size_t)at[chosen] * bytes,
            bytes);
    }
    return COP_OK;
}

static enum cop_status where_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    struct cop_ref operands[3];
    for (int i = 0; i < 3; i++)
        COP_TRY(cop_emit_number(emitter, i, &operands[i], err));
    return cop_emit_select(
        emitter, operands[0], operands[1], operands[2], cop_emit_dst(emitter, 0), err);
}

const struct cop_op cop_op_where = {
    .name = "Where",
    .opsets = {9, COP_OPS_LAST},
    .arity = {3, 3, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = where_infer,
    .fold = where_fold,
    .macs = cop_macs_none,
    .lower = where_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_choice,
};
