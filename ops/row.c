/* ops/row.c - see row.h. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

/* Results that are larger than everything they are made from are folded only up to here:
 * a file can ask for any extent. */
enum { FOLD_MAX_ELEMENTS = 1 << 18 };

/* ---- checks -------------------------------------------------------------------- */

enum cop_status cop_ops__want_f32(
    const struct cop_fact *src, int32_t slot, struct cop_err *err)
{
    if (src[slot].dtype == COP_F32) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "src %d is %s, only float32 is computed",
        slot,
        cop_dtype_name(src[slot].dtype));
}

enum cop_status cop_ops__want_computed_f32(
    const struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_fact *const dst = cop_emit_dst_fact(emitter, 0);
    if (dst->dtype == COP_F32) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "computes %s, of activations only float32 is computed",
        cop_dtype_name(dst->dtype));
}

enum cop_status cop_ops__want_one_type(
    const struct cop_node *node, const struct cop_fact *src, struct cop_err *err)
{
    for (int32_t i = 1; i < node->n_src; i++)
        if (src[i].dtype != src[0].dtype)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "src 0 is %s, src %d is %s",
                cop_dtype_name(src[0].dtype),
                i,
                cop_dtype_name(src[i].dtype));
    return COP_OK;
}

struct cop_fact cop_ops__fact(const struct cop_value *value)
{
    return (struct cop_fact){
        value->dtype, value->shape, value->data ? cop_buf_data(value->data) : NULL};
}

enum cop_status cop_ops__want_rank(
    const struct cop_fact *src, int32_t slot, int32_t rank, struct cop_err *err)
{
    if (src[slot].shape.rank == rank) return COP_OK;
    char text[COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "src %d is %s, wanted %d axes",
        slot,
        cop_shape_print(&src[slot].shape, text, sizeof text),
        rank);
}

enum cop_status cop_ops__want_vector(
    const struct cop_fact *src, int32_t slot, int64_t n, struct cop_err *err)
{
    if (src[slot].shape.rank == 1 && src[slot].shape.dim[0] == n) return COP_OK;
    char text[COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "src %d is %s, wanted %lld elements",
        slot,
        cop_shape_print(&src[slot].shape, text, sizeof text),
        (long long)n);
}

bool cop_ops__has(const struct cop_node *node, int32_t slot)
{
    return slot < node->n_src && node->src[slot] != NULL;
}

static int64_t int_at(enum cop_dtype dtype, const void *data, int64_t i)
{
    return dtype == COP_I64 ? cop_i64_at(data, i)
                            : (int64_t)cop_element_at(dtype, data, i);
}

enum cop_status cop_ops__ints(
    const struct cop_fact *src,
    const char *what,
    int64_t ints[COP_MAX_RANK],
    int32_t *n,
    struct cop_err *err)
{
    if (src->dtype != COP_I64 && src->dtype != COP_I32)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s is %s, wanted int64",
            what,
            cop_dtype_name(src->dtype));
    int64_t count = 0;
    COP_TRY(cop_shape_count(&src->shape, &count, err));
    if (src->shape.rank > 1 || count > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s has %lld elements, at most %d fit",
            what,
            (long long)count,
            (int)COP_MAX_RANK);
    if (src->data == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "%s is not constant", what);
    for (int64_t i = 0; i < count; i++)
        ints[i] = int_at(src->dtype, src->data, i);
    *n = (int32_t)count;
    return COP_OK;
}

enum cop_status cop_ops__axes(
    int32_t rank, const int64_t *axes, int64_t n, uint32_t *marks, struct cop_err *err)
{
    *marks = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t axis = 0;
        COP_TRY(cop_shape_axis(rank, axes[i], &axis, err));
        if ((*marks >> axis & 1u) != 0)
            return COP_FAIL(err, COP_ESHAPE, "axis %d is named twice", axis);
        *marks |= 1u << axis;
    }
    return COP_OK;
}

/* ---- shared rules ---------------------------------------------------------------- */

enum cop_status cop_ops__infer_same(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)node;
    (void)err;
    dst[0].dtype = src[0].dtype;
    dst[0].shape = src[0].shape;
    return COP_OK;
}

enum cop_status cop_ops__infer_same_f32(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_f32(src, 0, err));
    return cop_ops__infer_same(node, src, dst, err);
}

enum cop_status cop_ops__fold_pass(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)node;
    (void)arena;
    (void)err;
    dst[0].data = src[0].data;
    return COP_OK;
}

enum cop_status cop_ops__lower_same(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    return cop_emit_reshape(
        emitter, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

enum cop_status cop_ops__lower_known(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)emitter;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "%s is computed only as shape arithmetic, and its operands are not constant",
        node->op->name);
}

enum cop_status cop_ops__fold_room(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    void **elements,
    struct cop_err *err)
{
    *elements = NULL;
    int64_t n = 0;
    COP_TRY(cop_shape_count(&dst->shape, &n, err));
    int64_t made_from = 0;
    for (int32_t i = 0; i < node->n_src; i++)
        if (src[i].dtype != COP_DTYPE_NONE) made_from += cop_shape_n(&src[i].shape);
    if (n > FOLD_MAX_ELEMENTS && n > made_from) return COP_OK;
    *elements = cop_arena_array(arena, (size_t)n, cop_dtype_bytes(dst->dtype));
    if (*elements == NULL) return COP_FAIL_NOMEM(err);
    dst->data = *elements;
    return COP_OK;
}

void cop_ops__strides(const struct cop_shape *shape, int64_t strides[COP_MAX_RANK])
{
    int64_t stride = 1;
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->dim[i];
    }
}

void cop_ops__copy_strided(
    const struct cop_shape *shape,
    const int64_t *strides,
    int64_t first,
    size_t element_bytes,
    const void *from,
    void *to)
{
    int64_t at[COP_MAX_RANK] = {0};
    const int64_t n = cop_shape_n(shape);
    int64_t source = first;
    for (int64_t i = 0; i < n; i++) {
        memcpy(
            (char *)to + (size_t)i * element_bytes,
            (const char *)from + (size_t)source * element_bytes,
            element_bytes);
        for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
            source += strides[axis];
            if (++at[axis] < shape->dim[axis]) break;
            source -= strides[axis] * shape->dim[axis];
            at[axis] = 0;
        }
    }
}

/* A C cast of a number outside the type's range is undefined: clamp first. */
static int64_t whole(double number, double low, double high)
{
    if (isnan(number)) return 0;
    if (number <= low) return (int64_t)low;
    if (number >= high) return high >= 0x1p63 ? INT64_MAX : (int64_t)high;
    return (int64_t)number;
}

bool cop_ops__can_store(enum cop_dtype dtype)
{
    return dtype != COP_F16;
}

void cop_ops__store(enum cop_dtype dtype, void *elements, int64_t i, double number)
{
    char *at = (char *)elements + (size_t)i * cop_dtype_bytes(dtype);
    if (dtype == COP_F32) {
        const float element = (float)number;
        memcpy(at, &element, sizeof element);
    } else if (dtype == COP_F64) {
        memcpy(at, &number, sizeof number);
    } else if (dtype == COP_I64) {
        const int64_t element = whole(number, -0x1p63, 0x1p63);
        memcpy(at, &element, sizeof element);
    } else if (dtype == COP_I32) {
        const int32_t element = (int32_t)whole(number, INT32_MIN, INT32_MAX);
        memcpy(at, &element, sizeof element);
    } else if (dtype == COP_BOOL) {
        const bool element = number != 0.0;
        memcpy(at, &element, sizeof element);
    } else if (dtype == COP_U8) {
        const uint8_t element = (uint8_t)whole(number, 0, UINT8_MAX);
        memcpy(at, &element, sizeof element);
    } else if (dtype == COP_I8) {
        const int8_t element = (int8_t)whole(number, INT8_MIN, INT8_MAX);
        memcpy(at, &element, sizeof element);
    }
}

/* The engine refuses larger results anyway; here it bounds the table. */
enum cop_status cop_ops__table(
    struct cop_emitter *emitter, int32_t axis, int64_t **table, struct cop_err *err)
{
    const struct cop_shape *const shape = &cop_emit_dst_fact(emitter, 0)->shape;
    int64_t n = 0;
    COP_TRY(cop_shape_count(shape, &n, err));
    const int64_t images = shape->dim[0] > 0 ? shape->dim[0] : 1;
    char text[COP_SHAPE_TEXT];
    if (n / images > (int64_t)1 << 29)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "result is %s, more than 2^31 bytes per image",
            cop_shape_print(shape, text, sizeof text));
    *table = COP_ARENA_NEW_N(cop_emit_arena(emitter), shape->dim[axis], int64_t);
    return *table != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* ---- costs ---------------------------------------------------------------------- */

enum cop_status cop_ops__macs(
    const struct cop_shape *results, int64_t each, int64_t *macs, struct cop_err *err)
{
    int64_t n = 0;
    COP_TRY(cop_shape_count(results, &n, err));
    if (!__builtin_mul_overflow(n, each, macs)) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "%lld results of %lld multiply-accumulates are too many to count",
        (long long)n,
        (long long)each);
}

/* ---- editing -------------------------------------------------------------------- */

static enum cop_status set_const(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    const struct cop_fact *fact,
    struct cop_err *err)
{
    struct cop_buf *buf = NULL;
    const size_t bytes =
        (size_t)cop_shape_n(&fact->shape) * cop_dtype_bytes(fact->dtype);
    enum cop_status status = cop_buf_create(bytes, &buf, err);
    if (status != COP_OK) return status;
    if (bytes > 0) memcpy(cop_buf_mutable(buf), fact->data, bytes);
    struct cop_value *value = NULL;
    status = cop_graph_add_const(
        graph, node->name, fact->dtype, &fact->shape, buf, &value, err);
    while (status == COP_OK && node->n_src < slot)
        status = cop_graph_set_src(graph, node, node->n_src, NULL, err);
    if (status == COP_OK) status = cop_graph_set_src(graph, node, slot, value, err);
    cop_buf_release(buf);
    return status;
}

enum cop_status cop_ops__set_ints(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    const int64_t *ints,
    int64_t n,
    struct cop_err *err)
{
    const struct cop_fact fact = {
        .dtype = COP_I64, .shape = cop_shape_make(1, &n), .data = ints};
    return set_const(graph, node, slot, &fact, err);
}

enum cop_status cop_ops__set_scalar(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    float number,
    struct cop_err *err)
{
    const struct cop_fact fact = {
        .dtype = COP_F32, .shape = cop_shape_make(0, NULL), .data = &number};
    return set_const(graph, node, slot, &fact, err);
}

/* ---- coupling ------------------------------------------------------------------- */

enum cop_status cop_ops__tie_range(
    struct cop_ties *ties,
    struct cop_slice end0,
    struct cop_slice end1,
    int64_t runs,
    struct cop_err *err)
{
    if (runs == 0) return COP_OK;
    const struct cop_tie tie = {.end = {end0, end1}, .runs = runs};
    return cop_ties_add(ties, &tie, err);
}

enum cop_status cop_ops__tie_free(
    struct cop_ties *ties,
    int32_t slot,
    int32_t axis,
    int64_t first,
    int64_t n,
    struct cop_err *err)
{
    const struct cop_slice end = {slot, axis, first, 1};
    return cop_ops__tie_range(ties, end, end, n, err);
}
