/* importers/tf_fill.c - tensors made of a shape or of a few numbers; see tf_rules.h. */
#include "importers/tf_rules.h"

enum cop_status cop_tf__translate_fill(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *dims = NULL;
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &dims, err));
    COP_TRY(cop_tf__src(import, node, 1, &value, err));
    COP_TRY(cop_tf__add_binary(import, "Expand", node->name, value, dims, &value, err));
    return cop_tf__give(import, node, value, err);
}

/* As many elements of one number as the source has. */
enum cop_status cop_tf__translate_like(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const char *const beside = cop_tf__beside(import, node, "shape");
    struct cop_value *src = NULL;
    struct cop_value *dims = NULL;
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    if (src->dtype != COP_F32 && src->dtype != COP_I64)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "source is %s", cop_dtype_name(src->dtype));
    const int64_t whole = (int64_t)rule->number;
    if (src->dtype == COP_F32)
        COP_TRY(cop_tf__add_float(import, beside, rule->number, &value, err));
    else
        COP_TRY(cop_tf__add_ints(import, beside, &whole, 1, &value, err));
    COP_TRY(cop_tf__add_unary(import, "Shape", beside, src, &dims, err));
    COP_TRY(cop_tf__add_binary(import, "Expand", node->name, value, dims, &value, err));
    return cop_tf__give(import, node, value, err);
}

static enum cop_status give_scalar(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *number,
    struct cop_err *err)
{
    COP_TRY(cop_tf__add_reshape(import, node->name, number, NULL, 0, &number, err));
    return cop_tf__give(import, node, number, err);
}

enum cop_status cop_tf__translate_rank(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *src = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    const int64_t rank = src->shape.rank;
    COP_TRY(cop_tf__add_ints(import, node->name, &rank, 1, &src, err));
    return give_scalar(import, node, src, err);
}

/* The product of the extents, of which the batch may be open. */
enum cop_status cop_tf__translate_size(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    const char *const beside = cop_tf__beside(import, node, "extents");
    struct cop_value *src = NULL;
    struct cop_value *dims = NULL;
    struct cop_value *product = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(cop_tf__add_unary(import, "Shape", beside, src, &dims, err));
    const int64_t one = 1;
    COP_TRY(cop_tf__add_ints(import, beside, &one, 1, &product, err));
    for (int64_t i = 0; i < src->shape.rank; i++) {
        struct cop_value *index = NULL;
        struct cop_value *extent = NULL;
        COP_TRY(cop_tf__add_ints(import, beside, &i, 1, &index, err));
        COP_TRY(
            cop_tf__add_binary(import, "Gather", beside, dims, index, &extent, err));
        COP_TRY(
            cop_tf__add_binary(import, "Mul", beside, product, extent, &product, err));
    }
    return give_scalar(import, node, product, err);
}

enum cop_status cop_tf__translate_range(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    enum { MOST = 1 << 16 };
    static const char *const names[3] = {"the start", "the limit", "the step"};
    int64_t says[3];
    struct cop_value *value = NULL;
    for (int32_t i = 0; i < 3; i++)
        COP_TRY(cop_tf__int(import, node, i, names[i], &says[i], err));
    for (int i = 0; i < 3; i++)
        if (says[i] < -INT32_MAX || says[i] > INT32_MAX)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "%s is %lld", names[i], (long long)says[i]);
    if (says[2] == 0) return COP_FAIL(err, COP_EFORMAT, "the step is 0");
    const int64_t span = says[2] > 0 ? says[1] - says[0] : says[0] - says[1];
    const int64_t step = says[2] > 0 ? says[2] : -says[2];
    const int64_t n = span > 0 ? (span + step - 1) / step : 0;
    if (n < 1 || n > MOST)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "has %lld elements, 1 to %d are",
            (long long)n,
            MOST);
    int64_t *const list = COP_ARENA_NEW_N(import->scratch, n, int64_t);
    if (list == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        list[i] = says[0] + i * says[2];
    COP_TRY(cop_tf__add_ints(import, node->name, list, n, &value, err));
    return cop_tf__give(import, node, value, err);
}
