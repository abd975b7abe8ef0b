/* importers/tf_math.c - arithmetic, element by element and over axes; see tf_rules.h. */
#include "importers/tf_rules.h"

#include <string.h>

/* ---- of one tensor ------------------------------------------------------------------------ */

enum cop_status cop_tf__translate_unary(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__add_unary(import, rule->arg, node->name, value, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_alpha(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    float alpha = rule->number;
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__attr_float(&import->tf, node, "alpha", &alpha, err));
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    const struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = node->name,
        .src = &value,
        .n_src = 1,
        .attrs = {{.name = "alpha", .real = alpha}}};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

static enum cop_status add_clip(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    float low,
    float high,
    struct cop_err *err)
{
    struct cop_value *src[3] = {NULL};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src[0], err));
    COP_TRY(cop_tf__add_float(
        import, cop_tf__beside(import, node, "low"), low, &src[1], err));
    COP_TRY(cop_tf__add_float(
        import, cop_tf__beside(import, node, "high"), high, &src[2], err));
    const struct cop_tf__part part = {
        .op = "Clip", .name = node->name, .result = node->name, .src = src, .n_src = 3};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

enum cop_status cop_tf__translate_relu6(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    return add_clip(import, node, 0.0F, 6.0F, err);
}

enum cop_status cop_tf__translate_clip(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    float bounds[2];
    COP_TRY(cop_tf__float(import, node, 1, "the lower bound", &bounds[0], err));
    COP_TRY(cop_tf__float(import, node, 2, "the upper bound", &bounds[1], err));
    return add_clip(import, node, bounds[0], bounds[1], err);
}

enum cop_status cop_tf__translate_rsqrt(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *value = NULL;
    const char *const root = cop_tf__beside(import, node, "root");
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__add_unary(import, "Sqrt", root, value, &value, err));
    COP_TRY(cop_tf__add_unary(import, "Reciprocal", node->name, value, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_square(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__add_binary(import, "Mul", node->name, value, value, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_cast(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t to = 0;
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__attr_type(&import->tf, node, "DstT", &to, err));
    const enum cop_dtype dtype = cop_tf__dtype(to);
    if (dtype == COP_DTYPE_NONE)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "type %s is not supported", cop_tf__dtype_name(to));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    const struct cop_tf__part part = {
        .op = "Cast",
        .name = node->name,
        .result = node->name,
        .src = &src,
        .n_src = 1,
        .attrs = {{.name = "to", .number = cop_dtype_to_onnx(dtype)}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

/* ---- of two and more ------------------------------------------------------------------------- */

enum cop_status cop_tf__translate_binary(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct cop_value *a = NULL;
    struct cop_value *b = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &a, err));
    COP_TRY(cop_tf__src(import, node, 1, &b, err));
    COP_TRY(cop_tf__add_binary(import, rule->arg, node->name, a, b, &a, err));
    return cop_tf__give(import, node, a, err);
}

enum cop_status cop_tf__translate_add(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    bool done = false;
    COP_TRY(cop_tf__join_norm(import, node, &done, err));
    return done ? COP_OK : cop_tf__translate_binary(import, node, rule, err);
}

enum cop_status cop_tf__translate_squared_difference(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *a = NULL;
    struct cop_value *b = NULL;
    const char *const difference = cop_tf__beside(import, node, "difference");
    COP_TRY(cop_tf__src(import, node, 0, &a, err));
    COP_TRY(cop_tf__src(import, node, 1, &b, err));
    COP_TRY(cop_tf__add_binary(import, "Sub", difference, a, b, &a, err));
    COP_TRY(cop_tf__add_binary(import, "Mul", node->name, a, a, &a, err));
    return cop_tf__give(import, node, a, err);
}

enum cop_status cop_tf__translate_add_n(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *sum = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &sum, err));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        struct cop_value *next = NULL;
        const bool is_last = i == node->n_inputs - 1;
        const char *const name =
            is_last ? node->name : cop_tf__beside(import, node, "sum");
        COP_TRY(cop_tf__src(import, node, i, &next, err));
        COP_TRY(cop_tf__add_binary(import, "Add", name, sum, next, &sum, err));
    }
    return cop_tf__give(import, node, sum, err);
}

enum cop_status cop_tf__translate_not_equal(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *a = NULL;
    struct cop_value *b = NULL;
    const char *const equal = cop_tf__beside(import, node, "equal");
    COP_TRY(cop_tf__src(import, node, 0, &a, err));
    COP_TRY(cop_tf__src(import, node, 1, &b, err));
    COP_TRY(cop_tf__add_binary(import, "Equal", equal, a, b, &a, err));
    COP_TRY(cop_tf__add_unary(import, "Not", node->name, a, &a, err));
    return cop_tf__give(import, node, a, err);
}

/* The first Select takes whole rows where its condition is a vector, which is not what
 * broadcasting does. */
enum cop_status cop_tf__translate_select(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct cop_value *src[3] = {NULL};
    struct cop_value *dst = NULL;
    for (int32_t i = 0; i < 3; i++)
        COP_TRY(cop_tf__src(import, node, i, &src[i], err));
    const int32_t rank = src[0]->shape.rank;
    if (strcmp(rule->arg, "rows") == 0 && rank > 0 && rank != src[1]->shape.rank)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the condition has %d axes, the source %d",
            rank,
            src[1]->shape.rank);
    const struct cop_tf__part part = {
        .op = "Where",
        .name = node->name,
        .result = node->name,
        .src = src,
        .n_src = 3};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

enum cop_status cop_tf__translate_erfc(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *value = NULL;
    struct cop_value *one = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__add_unary(
        import, "Erf", cop_tf__beside(import, node, "erf"), value, &value, err));
    COP_TRY(cop_tf__add_float(
        import, cop_tf__beside(import, node, "one"), 1.0F, &one, err));
    COP_TRY(cop_tf__add_binary(import, "Sub", node->name, one, value, &value, err));
    return cop_tf__give(import, node, value, err);
}

/* Quotients of integers are cut off towards 0 in ONNX: the same where none is negative, as
 * in the arithmetic of extents. */
enum cop_status cop_tf__translate_floor_div(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value *value = NULL;
    for (int32_t i = 0; i < 2; i++) {
        COP_TRY(cop_tf__src(import, node, i, &src[i], err));
        const struct cop_fact known = cop_tf__fact(import, src[i]);
        const int64_t n = known.data != NULL && known.dtype == COP_I64
                              ? cop_shape_n(&known.shape)
                              : 0;
        for (int64_t k = 0; k < n; k++)
            if (cop_i64_at(known.data, k) < i)
                return COP_FAIL(
                    err,
                    COP_EUNSUPPORTED,
                    "source %d is %lld",
                    i,
                    (long long)cop_i64_at(known.data, k));
        if (n == 0 && src[i]->dtype != COP_F32)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "source %d is not a known integer", i);
    }
    const bool is_float = src[0]->dtype == COP_F32;
    const char *const name =
        is_float ? cop_tf__beside(import, node, "quotient") : node->name;
    COP_TRY(cop_tf__add_binary(import, "Div", name, src[0], src[1], &value, err));
    if (is_float)
        COP_TRY(cop_tf__add_unary(import, "Floor", node->name, value, &value, err));
    return cop_tf__give(import, node, value, err);
}

/* ---- over axes ----------------------------------------------------------------------------------- */

enum cop_status cop_tf__translate_softmax(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    const struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = node->name,
        .src = &src,
        .n_src = 1,
        .attrs = {{.name = "axis", .number = -1}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

/* The axes of a reduction; without any nothing is reduced, unlike in ONNX. */
static enum cop_status read_axes(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_tf__ints *axes,
    bool *keeps,
    struct cop_err *err)
{
    COP_TRY(cop_tf__ints(import, node, 1, "axes", axes, err));
    COP_TRY(cop_tf__attr_bool(&import->tf, node, "keep_dims", keeps, err));
    return cop_tf__attr_bool(&import->tf, node, "keepdims", keeps, err);
}

/* In the form of opset 13 only the axes of sums are an operand. */
enum cop_status cop_tf__translate_reduce(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    struct cop_tf__ints axes = {.n = 0};
    bool keeps = false;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value *dst = NULL;
    COP_TRY(read_axes(import, node, &axes, &keeps, err));
    COP_TRY(cop_tf__src(import, node, 0, &src[0], err));
    if (axes.n == 0) return cop_tf__give(import, node, src[0], err);
    struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = node->name,
        .src = src,
        .n_src = 1,
        .attrs = {
            {.name = "keepdims", .number = keeps},
            {.name = "axes", .ints = axes.at, .n = axes.n}}};
    if (strcmp(rule->arg, "ReduceSum") == 0) {
        COP_TRY(cop_tf__add_ints(import, node->name, axes.at, axes.n, &src[1], err));
        part.attrs[1].name = NULL;
        part.n_src = 2;
    }
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

/* The product of a short vector of integers, as old Keras flattens: element by element. */
enum cop_status cop_tf__translate_prod(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_tf__ints axes = {.n = 0};
    bool keeps = false;
    struct cop_value *src = NULL;
    struct cop_value *product = NULL;
    COP_TRY(read_axes(import, node, &axes, &keeps, err));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    const int64_t n = src->shape.dim[0];
    if (src->dtype != COP_I64 || src->shape.rank != 1 || axes.n != 1 || n < 1 ||
        n > COP_MAX_RANK)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "only products of %d integers at most are supported",
            COP_MAX_RANK);
    const char *const name = cop_tf__beside(import, node, "factor");
    for (int64_t i = 0; i < n; i++) {
        struct cop_value *both[2] = {src, NULL};
        struct cop_value *factor = NULL;
        COP_TRY(cop_tf__add_ints(import, name, &i, 1, &both[1], err));
        const struct cop_tf__part part = {
            .op = "Gather", .name = name, .result = name, .src = both, .n_src = 2};
        COP_TRY(cop_tf__add(import, &part, &factor, err));
        if (product == NULL)
            product = factor;
        else
            COP_TRY(cop_tf__add_binary(
                import, "Mul", name, product, factor, &product, err));
    }
    if (!keeps)
        COP_TRY(
            cop_tf__add_reshape(import, node->name, product, NULL, 0, &product, err));
    return cop_tf__give(import, node, product, err);
}

enum cop_status cop_tf__translate_arg_max(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    int64_t axis = 0;
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__int(import, node, 1, "axis", &axis, err));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    const struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = node->name,
        .src = &src,
        .n_src = 1,
        .attrs = {{.name = "axis", .number = axis}, {.name = "keepdims", .number = 0}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}
