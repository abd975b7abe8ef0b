/* ops/broadcast.c - NumPy broadcasting of any number of sources: shapes and folding; declared
 * in row.h. */
#include "ops/row.h"

#include <string.h>

enum cop_status cop_ops__infer_broadcast(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_one_type(node, src, err));
    dst[0].dtype = src[0].dtype;
    dst[0].shape = src[0].shape;
    for (int32_t i = 1; i < node->n_src; i++) {
        const struct cop_shape so_far = dst[0].shape;
        COP_TRY(cop_shape_broadcast(&so_far, &src[i].shape, &dst[0].shape, err));
    }
    return COP_OK;
}

int64_t cop_ops__broadcast_at(
    const struct cop_shape *src, const struct cop_shape *dst, int64_t i)
{
    const int32_t missing = dst->rank - src->rank;
    int64_t at = 0;
    int64_t stride = 1;
    for (int32_t axis = dst->rank - 1; axis >= missing; axis--) {
        const int64_t extent = src->dim[axis - missing];
        if (extent != 1) at += i % dst->dim[axis] * stride;
        stride *= extent;
        i /= dst->dim[axis];
    }
    return at;
}

static enum cop_status fold_whole(
    const struct cop_node *node,
    const struct cop_fact *src,
    const struct cop_ops__arithmetic *arithmetic,
    struct cop_fact *dst,
    void *elements,
    struct cop_err *err)
{
    const int64_t n = cop_shape_n(&dst->shape);
    for (int64_t i = 0; i < n; i++) {
        int64_t result = cop_i64_at(
            src[0].data, cop_ops__broadcast_at(&src[0].shape, &dst->shape, i));
        for (int32_t s = 1; s < node->n_src; s++) {
            const int64_t a = result;
            const int64_t b = cop_i64_at(
                src[s].data, cop_ops__broadcast_at(&src[s].shape, &dst->shape, i));
            if (!arithmetic->whole(a, b, &result))
                return COP_FAIL(
                    err,
                    COP_ESHAPE,
                    "integer arithmetic on %lld and %lld is undefined",
                    (long long)a,
                    (long long)b);
        }
        if (dst->dtype == COP_BOOL)
            cop_ops__store(COP_BOOL, elements, i, (double)result);
        else
            memcpy(
                (char *)elements + (size_t)i * sizeof result, &result, sizeof result);
    }
    return COP_OK;
}

static void fold_real(
    const struct cop_node *node,
    const struct cop_fact *src,
    const struct cop_ops__arithmetic *arithmetic,
    struct cop_fact *dst,
    void *elements)
{
    const int64_t n = cop_shape_n(&dst->shape);
    for (int64_t i = 0; i < n; i++) {
        double result = 0.0;
        for (int32_t s = 0; s < node->n_src; s++) {
            const double x = cop_element_at(
                src[s].dtype,
                src[s].data,
                cop_ops__broadcast_at(&src[s].shape, &dst->shape, i));
            result = s == 0 ? x : arithmetic->real(result, x);
        }
        cop_ops__store(dst->dtype, elements, i, result);
    }
}

enum cop_status cop_ops__fold_broadcast(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    const struct cop_ops__arithmetic *arithmetic,
    struct cop_err *err)
{
    bool is_whole = true;
    for (int32_t i = 0; i < node->n_src; i++) {
        if (src[i].data == NULL) return COP_OK;
        is_whole = is_whole && src[i].dtype == COP_I64;
    }
    if (!cop_ops__can_store(dst[0].dtype)) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    if (is_whole) return fold_whole(node, src, arithmetic, dst, elements, err);
    fold_real(node, src, arithmetic, dst, elements);
    return COP_OK;
}
