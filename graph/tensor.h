/* graph/tensor.h - element types and shapes, as plain values. */
#ifndef COP_GRAPH_TENSOR_H
#define COP_GRAPH_TENSOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { COP_MAX_RANK = 8 };

/* name, bytes per element, ONNX TensorProto.DataType number */
#define COP_DTYPE_MAP(X)                                                               \
    X(F32, "float32", 4, 1)                                                            \
    X(U8, "uint8", 1, 2)                                                               \
    X(I8, "int8", 1, 3)                                                                \
    X(I32, "int32", 4, 6)                                                              \
    X(I64, "int64", 8, 7)                                                              \
    X(BOOL, "bool", 1, 9)                                                              \
    X(F16, "float16", 2, 10)                                                           \
    X(F64, "float64", 8, 11)

enum cop_dtype {
    COP_DTYPE_NONE = 0,
#define COP_DTYPE_ENUM(name, text, bytes, onnx) COP_##name,
    COP_DTYPE_MAP(COP_DTYPE_ENUM)
#undef COP_DTYPE_ENUM
};

/** "float32"; "none" for COP_DTYPE_NONE. */
const char *cop_dtype_name(enum cop_dtype dtype);
/** Bytes of one element; 0 for COP_DTYPE_NONE. */
size_t cop_dtype_bytes(enum cop_dtype dtype);
/** ONNX's number for it and back; COP_DTYPE_NONE for numbers we do not hold. */
int32_t cop_dtype_to_onnx(enum cop_dtype dtype);
enum cop_dtype cop_dtype_from_onnx(int32_t number);

/** Extents, outermost first; rank 0 is a scalar of one element. */
struct cop_shape {
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
};

/** @param n_dims 0..COP_MAX_RANK */
struct cop_shape cop_shape_make(int32_t n_dims, const int64_t *dims);
bool cop_shape_equal(const struct cop_shape *a, const struct cop_shape *b);
/** Product of the extents; COP_ESHAPE when one is negative or the product exceeds 2^40. */
COP_NODISCARD enum cop_status cop_shape_count(
    const struct cop_shape *shape, int64_t *n, struct cop_err *err);
/** Product of the extents of a shape already checked. */
int64_t cop_shape_n(const struct cop_shape *shape);
/** Product of the extents of axes [first, last). */
int64_t cop_shape_span(const struct cop_shape *shape, int32_t first, int32_t last);
/** "1x64x56x56", "scalar" for rank 0; always terminated.  Returns @p text. */
char *cop_shape_print(const struct cop_shape *shape, char *text, size_t text_bytes);
enum { COP_SHAPE_TEXT = 96 };

/** Resolves a negative axis; COP_ESHAPE unless -rank <= axis < rank. */
COP_NODISCARD enum cop_status cop_shape_axis(
    int32_t rank, int64_t axis, int32_t *resolved, struct cop_err *err);

/** NumPy broadcasting of two shapes; COP_ESHAPE with both shapes in the text. */
COP_NODISCARD enum cop_status cop_shape_broadcast(
    const struct cop_shape *a,
    const struct cop_shape *b,
    struct cop_shape *both,
    struct cop_err *err);

/* Constant data may lie anywhere in a mapped file: never cast it to float or int64_t
 * pointers, load elements with these. */
static inline float cop_f32_at(const void *data, int64_t i)
{
    float element;
    memcpy(&element, (const char *)data + (size_t)i * sizeof element, sizeof element);
    return element;
}
static inline int64_t cop_i64_at(const void *data, int64_t i)
{
    int64_t element;
    memcpy(&element, (const char *)data + (size_t)i * sizeof element, sizeof element);
    return element;
}

/** Element @p i of data of any type, as a number. */
double cop_element_at(enum cop_dtype dtype, const void *data, int64_t i);

#endif
