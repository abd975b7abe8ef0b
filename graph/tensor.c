/* graph/tensor.c - element types and shapes; see tensor.h. */
#include "graph/tensor.h"

#include <math.h>
#include <stdio.h>

const char *cop_dtype_name(enum cop_dtype dtype)
{
    switch (dtype) {
#define DTYPE_NAME(name, text, bytes, onnx)                                            \
    case COP_##name: return text;
        COP_DTYPE_MAP(DTYPE_NAME)
#undef DTYPE_NAME
    case COP_DTYPE_NONE: break;
    }
    return "none";
}

size_t cop_dtype_bytes(enum cop_dtype dtype)
{
    switch (dtype) {
#define DTYPE_BYTES(name, text, bytes, onnx)                                           \
    case COP_##name: return bytes;
        COP_DTYPE_MAP(DTYPE_BYTES)
#undef DTYPE_BYTES
    case COP_DTYPE_NONE: break;
    }
    return 0;
}

int32_t cop_dtype_to_onnx(enum cop_dtype dtype)
{
    switch (dtype) {
#define DTYPE_ONNX(name, text, bytes, onnx)                                            \
    case COP_##name: return onnx;
        COP_DTYPE_MAP(DTYPE_ONNX)
#undef DTYPE_ONNX
    case COP_DTYPE_NONE: break;
    }
    return 0;
}

enum cop_dtype cop_dtype_from_onnx(int32_t number)
{
    switch (number) {
#define DTYPE_FROM(name, text, bytes, onnx)                                            \
    case onnx: return COP_##name;
        COP_DTYPE_MAP(DTYPE_FROM)
#undef DTYPE_FROM
    default: return COP_DTYPE_NONE;
    }
}

struct cop_shape cop_shape_make(int32_t n_dims, const int64_t *dims)
{
    struct cop_shape shape = {.rank = n_dims};
    for (int32_t i = 0; i < n_dims; i++)
        shape.dim[i] = dims[i];
    return shape;
}

bool cop_shape_equal(const struct cop_shape *a, const struct cop_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) return false;
    }
    return true;
}

enum cop_status cop_shape_count(
    const struct cop_shape *shape, int64_t *n, struct cop_err *err)
{
    const int64_t most = INT64_C(1) << 40;
    int64_t product = 1;
    char text[COP_SHAPE_TEXT];
    for (int32_t i = 0; i < shape->rank; i++) {
        int64_t extent = shape->dim[i];
        if (extent < 0 || (extent > 0 && product > most / extent))
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "shape %s is negative or has more than 2^40 elements",
                cop_shape_print(shape, text, sizeof text));
        product *= extent;
    }
    *n = product;
    return COP_OK;
}

int64_t cop_shape_n(const struct cop_shape *shape)
{
    return cop_shape_span(shape, 0, shape->rank);
}

int64_t cop_shape_span(const struct cop_shape *shape, int32_t first, int32_t last)
{
    int64_t product = 1;
    for (int32_t i = first; i < last; i++)
        product *= shape->dim[i];
    return product;
}

char *cop_shape_print(const struct cop_shape *shape, char *text, size_t text_bytes)
{
    if (shape->rank == 0) {
        (void)snprintf(text, text_bytes, "scalar");
        return text;
    }
    size_t used = 0;
    for (int32_t i = 0; i < shape->rank; i++) {
        int n = snprintf(
            text + used,
            text_bytes - used,
            "%s%lld",
            i > 0 ? "x" : "",
            (long long)shape->dim[i]);
        if (n < 0 || (size_t)n >= text_bytes - used) break;
        used += (size_t)n;
    }
    return text;
}

enum cop_status cop_shape_axis(
    int32_t rank, int64_t axis, int32_t *resolved, struct cop_err *err)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "axis %lld does not exist in a tensor of rank %d",
            (long long)axis,
            rank);
    *resolved = (int32_t)(axis < 0 ? axis + rank : axis);
    return COP_OK;
}

enum cop_status cop_shape_broadcast(
    const struct cop_shape *a,
    const struct cop_shape *b,
    struct cop_shape *both,
    struct cop_err *err)
{
    struct cop_shape out = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t i = 0; i < out.rank; i++) {
        int32_t ia = i - (out.rank - a->rank);
        int32_t ib = i - (out.rank - b->rank);
        int64_t da = ia >= 0 ? a->dim[ia] : 1;
        int64_t db = ib >= 0 ? b->dim[ib] : 1;
        if (da != db && da != 1 && db != 1) {
            char text_a[COP_SHAPE_TEXT];
            char text_b[COP_SHAPE_TEXT];
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "shapes %s and %s do not broadcast",
                cop_shape_print(a, text_a, sizeof text_a),
                cop_shape_print(b, text_b, sizeof text_b));
        }
        out.dim[i] = da == 1 ? db : da;
    }
    *both = out;
    return COP_OK;
}

static double half_to_double(uint16_t half)
{
    int exponent = (half >> 10) & 31;
    double mantissa = (double)(half & 1023) / 1024.0;
    double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == 31) return mantissa == 0.0 ? sign * (double)INFINITY : (double)NAN;
    double scale = exponent == 0 ? 1.0 / 16384.0 : 1.0;
    double value = exponent == 0 ? mantissa : 1.0 + mantissa;
    for (int e = 15; e < exponent; e++)
        scale *= 2.0;
    for (int e = exponent; e < 15 && exponent != 0; e++)
        scale *= 0.5;
    return sign * value * scale;
}

#define LOAD(type)                                                                     \
    do {                                                                               \
        type element;                                                                  \
        memcpy(&element, at, sizeof element);                                          \
        return (double)element;                                                        \
    } while (0)

double cop_element_at(enum cop_dtype dtype, const void *data, int64_t i)
{
    const char *at = (const char *)data + (size_t)i * cop_dtype_bytes(dtype);
    switch (dtype) {
    case COP_F32: LOAD(float);
    case COP_F64: LOAD(double);
    case COP_I64: LOAD(int64_t);
    case COP_I32: LOAD(int32_t);
    case COP_U8:
    case COP_BOOL: LOAD(uint8_t);
    case COP_I8: LOAD(int8_t);
    case COP_F16: {
        uint16_t half;
        memcpy(&half, at, sizeof half);
        return half_to_double(half);
    }
    case COP_DTYPE_NONE: break;
    }
    return 0.0;
}
