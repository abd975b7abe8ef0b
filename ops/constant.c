/* ops/constant.c - what is known before anything runs: Constant, ConstantOfShape, Shape,
 * Gather, Range, Where.
 *
 * Exporters compute shapes with chains of these; they fold away at import.  A chain that
 * depends on what the network computes is refused when it is lowered. */
#include "ops/row.h"

#include <math.h>
#include <string.h>

/* ---- Constant ----------------------------------------------------------------------- */

struct constant_attrs {
    struct cop_fact value;
    float value_float;
    int64_t value_int;
    struct cop_floats value_floats;
    struct cop_ints value_ints;
};

static const struct cop_attr_spec constant_specs[] = {
    {.name = "value",
     .type = COP_ATTR_TENSOR,
     .offset = offsetof(struct constant_attrs, value)},
    {.name = "value_float",
     .type = COP_ATTR_FLOAT,
     .offset = offsetof(struct constant_attrs, value_float),
     .float_default = NAN,
     .first_opset = 12},
    {.name = "value_int",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct constant_attrs, value_int),
     .int_default = INT64_MIN,
     .first_opset = 12},
    {.name = "value_floats",
     .type = COP_ATTR_FLOATS,
     .offset = offsetof(struct constant_attrs, value_floats),
     .first_opset = 12},
    {.name = "value_ints",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct constant_attrs, value_ints),
     .first_opset = 12},
    {.type = COP_ATTR_END}};

/* dtype is NONE when no attribute says anything. */
static struct cop_fact constant_fact(const struct constant_attrs *attrs)
{
    if (attrs->value.dtype != COP_DTYPE_NONE) return attrs->value;
    if (attrs->value_floats.at != NULL)
        return (struct cop_fact){
            COP_F32, cop_shape_make(1, &attrs->value_floats.n), attrs->value_floats.at};
    if (attrs->value_ints.at != NULL)
        return (struct cop_fact){
            COP_I64, cop_shape_make(1, &attrs->value_ints.n), attrs->value_ints.at};
    if (!isnan(attrs->value_float))
        return (struct cop_fact){COP_F32, cop_shape_make(0, NULL), &attrs->value_float};
    if (attrs->value_int != INT64_MIN)
        return (struct cop_fact){COP_I64, cop_shape_make(0, NULL), &attrs->value_int};
    return (struct cop_fact){COP_DTYPE_NONE, {0, {0}}, NULL};
}

static enum cop_status constant_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)src;
    const struct cop_fact fact = constant_fact(node->attrs);
    dst[0].dtype = fact.dtype;
    dst[0].shape = fact.shape;
    if (fact.dtype != COP_DTYPE_NONE) return COP_OK;
    return COP_FAIL(err, COP_EUNSUPPORTED, "no value of a supported kind");
}

static enum cop_status constant_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    (void)src;
    (void)arena;
    (void)err;
    dst[0].data = constant_fact(node->attrs).data;
    return COP_OK;
}

const struct cop_op cop_op_constant = {
    .name = "Constant",
    .opsets = {1, COP_OPS_LAST},
    .arity = {0, 0, 1},
    .attrs_size = sizeof(struct constant_attrs),
    .attrs = constant_specs,
    .upgrade = cop_upgrade_none,
    .infer = constant_infer,
    .fold = constant_fold,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_known,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};

struct cop_fact cop_ops__peek(const struct cop_node *node, int32_t slot)
{
    const struct cop_value *const value = node->src[slot];
    if (value->data == NULL && value->producer != NULL &&
        value->producer->op == &cop_op_constant)
        return constant_fact(value->producer->attrs);
    return (struct cop_fact){
        value->dtype, value->shape, value->data ? cop_buf_data(value->data) : NULL};
}

/* ---- ConstantOfShape ------------------------------------------------------------------ */

struct fill_attrs {
    struct cop_fact value;
};

static const struct cop_attr_spec fill_specs[] = {
    {.name = "value",
     .type = COP_ATTR_TENSOR,
     .offset = offsetof(struct fill_attrs, value)},
    {.type = COP_ATTR_END}};

static enum cop_status fill_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    const struct fill_attrs *const attrs = node->attrs;
    COP_TRY(cop_ops__ints(&src[0], "shape", dst[0].shape.dim, &dst[0].shape.rank, err));
    dst[0].dtype = attrs->value.dtype == COP_DTYPE_NONE ? COP_F32 : attrs->value.dtype;
    int64_t n = 0;
    COP_TRY(cop_shape_count(&dst[0].shape, &n, err));
    if (attrs->value.dtype == COP_DTYPE_NONE || cop_shape_n(&attrs->value.shape) == 1)
        return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "value has %lld elements, wanted 1",
        (long long)cop_shape_n(&attrs->value.shape));
}

static enum cop_status fill_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct fill_attrs *const attrs = node->attrs;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL || attrs->value.data == NULL) return COP_OK;
    const int64_t still[COP_MAX_RANK] = {0};
    cop_ops__copy_strided(
        &dst[0].shape,
        still,
        0,
        cop_dtype_bytes(dst[0].dtype),
        attrs->value.data,
        elements);
    return COP_OK;
}

const struct cop_op cop_op_constant_of_shape = {
    .name = "ConstantOfShape",
    .opsets = {9, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct fill_attrs),
    .attrs = fill_specs,
    .upgrade = cop_upgrade_none,
    .infer = fill_infer,
    .fold = fill_fold,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_known,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};

/* ---- Shape ---------------------------------------------------------------------------- */

struct shape_attrs {
    int64_t start;
    int64_t end;
};

static const struct cop_attr_spec shape_specs[] = {
    {.name = "start",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct shape_attrs, start),
     .first_opset = 15},
    {.name = "end",
     .type = COP_ATTR_INT,
     .offset = offsetof(struct shape_attrs, end),
     .int_default = INT64_MAX,
     .first_opset = 15},
    {.type = COP_ATTR_END}};

static int32_t bound(int64_t at, int32_t rank)
{
    if (at < 0) at += rank;
    if (at < 0) return 0;
    return at > rank ? rank : (int32_t)at;
}

static enum cop_status shape_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    (void)err;
    const struct shape_attrs *const attrs = node->attrs;
    const int32_t first = bound(attrs->start, src[0].shape.rank);
    const int32_t last = bound(attrs->end, src[0].shape.rank);
    const int64_t n = last > first ? last - first : 0;
    dst[0].dtype = COP_I64;
    dst[0].shape = cop_shape_make(1, &n);
    return COP_OK;
}

static enum cop_status shape_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct shape_attrs *const attrs = node->attrs;
    const int32_t first = bound(attrs->start, src[0].shape.rank);
    int64_t *const extents = COP_ARENA_NEW_N(arena, COP_MAX_RANK, int64_t);
    if (extents == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < dst[0].shape.dim[0]; i++)
        extents[i] = src[0].shape.dim[first + i];
    dst[0].data = extents;
    return COP_OK;
}

const struct cop_op cop_op_shape = {
    .name = "Shape",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct shape_attrs),
    .attrs = shape_specs,
    .upgrade = cop_upgrade_none,
    .infer = shape_infer,
    .fold = shape_fold,
    .macs = cop_macs_none,
    .lower = cop_ops__lower_known,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};
