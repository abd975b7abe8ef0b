/* ops/binary.c - functions of two tensors with NumPy broadcasting.
 *
 * Adding and scaling of activations go to the engine; the same on small constant integers
 * is shape arithmetic and folds. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

/* ---- shapes ----------------------------------------------------------------------- */

static enum cop_status same_types(const struct cop_fact *src, struct cop_err *err)
{
    if (src[0].dtype == src[1].dtype) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "src 0 is %s, src 1 is %s",
        cop_dtype_name(src[0].dtype),
        cop_dtype_name(src[1].dtype));
}

static enum cop_status binary_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    COP_TRY(same_types(src, err));
    dst[0].dtype = src[0].dtype;
    return cop_shape_broadcast(&src[0].shape, &src[1].shape, &dst[0].shape, err);
}

static enum cop_status compare_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(binary_infer(node, src, dst, err));
    dst[0].dtype = COP_BOOL;
    return COP_OK;
}

static enum cop_status pow_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    COP_TRY(cop_ops__want_f32(src, 0, err));
    dst[0].dtype = COP_F32;
    return cop_shape_broadcast(&src[0].shape, &src[1].shape, &dst[0].shape, err);
}

/* ---- folding ---------------------------------------------------------------------- */

/** One kind of arithmetic, on integers and on numbers. */
struct arithmetic {
    bool (*whole)(int64_t a, int64_t b, int64_t *result); /* false: undefined */
    double (*real)(double a, double b);
};

/* Strides of an operand as seen by the axes of the result: 0 where it is repeated. */
static void broadcast_strides(
    const struct cop_shape *src,
    const struct cop_shape *dst,
    int64_t strides[COP_MAX_RANK])
{
    int64_t own[COP_MAX_RANK];
    cop_ops__strides(src, own);
    const int32_t missing = dst->rank - src->rank;
    for (int32_t i = 0; i < dst->rank; i++)
        strides[i] = i < missing || src->dim[i - missing] == 1 ? 0 : own[i - missing];
}

static void *repeat(
    const struct cop_fact *src, const struct cop_shape *shape, struct cop_arena *arena)
{
    const size_t bytes = cop_dtype_bytes(src->dtype);
    void *const elements = cop_arena_array(arena, (size_t)cop_shape_n(shape), bytes);
    if (elements == NULL) return NULL;
    int64_t strides[COP_MAX_RANK];
    broadcast_strides(&src->shape, shape, strides);
    cop_ops__copy_strided(shape, strides, 0, bytes, src->data, elements);
    return elements;
}

static enum cop_status fold_elements(
    const struct cop_fact *const both[2],
    const void *const data[2],
    const struct arithmetic *arithmetic,
    struct cop_fact *dst,
    void *elements,
    struct cop_err *err)
{
    const int64_t n = cop_shape_n(&dst->shape);
    const bool is_whole = both[0]->dtype == COP_I64 && both[1]->dtype == COP_I64;
    for (int64_t i = 0; i < n; i++) {
        if (!is_whole) {
            const double number = arithmetic->real(
                cop_element_at(both[0]->dtype, data[0], i),
                cop_element_at(both[1]->dtype, data[1], i));
            cop_ops__store(dst->dtype, elements, i, number);
            continue;
        }
        int64_t result = 0;
        if (!arithmetic->whole(cop_i64_at(data[0], i), cop_i64_at(data[1], i), &result))
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "integer arithmetic on %lld and %lld is undefined",
                (long long)cop_i64_at(data[0], i),
                (long long)cop_i64_at(data[1], i));
        if (dst->dtype == COP_BOOL)
            cop_ops__store(COP_BOOL, elements, i, (double)result);
        else
            memcpy(
                (char *)elements + (size_t)i * sizeof result, &result, sizeof result);
    }
    return COP_OK;
}

static enum cop_status fold_with(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    const struct arithmetic *arithmetic,
    struct cop_err *err)
{
    if (src[0].data == NULL || src[1].data == NULL) return COP_OK;
    if (!cop_ops__can_store(dst[0].dtype)) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    const struct cop_fact *const both[2] = {&src[0], &src[1]};
    const void *data[2];
    for (int i = 0; i < 2; i++) {
        data[i] = cop_shape_equal(&src[i].shape, &dst[0].shape)
                      ? src[i].data
                      : repeat(&src[i], &dst[0].shape, arena);
        if (data[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    return fold_elements(both, data, arithmetic, dst, elements, err);
}

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
    static const struct arithmetic arithmetic = {add_whole, add_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
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
    static const struct arithmetic arithmetic = {sub_whole, sub_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
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
    static const struct arithmetic arithmetic = {mul_whole, mul_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
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
    static const struct arithmetic arithmetic = {div_whole, div_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
}

static bool max_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a > b ? a : b;
    return true;
}
static double max_real(double a, double b)
{
    return fmax(a, b);
}
static enum cop_status max_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct arithmetic arithmetic = {max_whole, max_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
}

static bool min_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a < b ? a : b;
    return true;
}
static double min_real(double a, double b)
{
    return fmin(a, b);
}
static enum cop_status min_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct arithmetic arithmetic = {min_whole, min_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
}

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
    static const struct arithmetic arithmetic = {equal_whole, equal_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
}

/* Powers of integers are refused when shapes are inferred. */
static bool pow_whole(int64_t a, int64_t b, int64_t *result)
{
    (void)a;
    (void)b;
    *result = 0;
    return false;
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
    static const struct arithmetic arithmetic = {pow_whole, pow_real};
    return fold_with(node, src, dst, arena, &arithmetic, err);
}

/* ---- lowering --------------------------------------------------------------------- */

static enum cop_status emit(
    struct cop_emitter *emitter, enum cop_binary_alg alg, struct cop_err *err)
{
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

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_MAX, err);
}

static enum cop_status min_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return emit(emitter, COP_BINARY_MIN, err);
}

static enum cop_status pow_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    const struct cop_fact *const exponent = cop_emit_src_fact(emitter, 1);
    if (exponent->data == NULL || cop_shape_n(&exponent->shape) != 1 ||
        !cop_shape_equal(
            &cop_emit_src_fact(emitter, 0)->shape,
            &cop_emit_dst_fact(emitter, 0)->shape))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "exponent is not a constant of 1 element");
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_POW,
        1.0F,
        (float)cop_element_at(exponent->dtype, exponent->data, 0),
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

const struct cop_op cop_op_add = {
    .name = "Add",
    .opsets = {7, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = binary_infer,
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
    .infer = binary_infer,
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
    .infer = binary_infer,
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
    .infer = binary_infer,
    .fold = div_fold,
    .macs = cop_macs_none,
    .lower = div_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_product,
};

const struct cop_op cop_op_max = {
    .name = "Max",
    .opsets = {8, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = binary_infer,
    .fold = max_fold,
    .macs = cop_macs_none,
    .lower = max_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_choice,
};

const struct cop_op cop_op_min = {
    .name = "Min",
    .opsets = {8, COP_OPS_LAST},
    .arity = {2, 2, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = binary_infer,
    .fold = min_fold,
    .macs = cop_macs_none,
    .lower = min_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_choice,
};

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
