/* importers/tf_shapes.c - tensors that move, and arithmetic on shapes; see tf_rules.h. */
#include "importers/tf_rules.h"

#include <string.h>

/* ---- the same elements under another shape ------------------------------------------------- */

enum cop_status cop_tf__translate_reshape(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value *src = NULL;
    struct cop_value *target = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(cop_tf__src(import, node, 1, &target, err));
    const struct cop_fact known = cop_tf__fact(import, target);
    const int64_t n =
        known.data != NULL && known.dtype == COP_I64 ? cop_shape_n(&known.shape) : 0;
    for (int64_t i = 0; i < n; i++)
        if (cop_i64_at(known.data, i) == 0)
            return COP_FAIL(err, COP_EUNSUPPORTED, "the result has no elements");
    COP_TRY(cop_tf__add_binary(import, "Reshape", node->name, src, target, &src, err));
    return cop_tf__give(import, node, src, err);
}

static enum cop_status with_axes(
    struct cop_tf__import *import,
    const char *op,
    const char *name,
    const int64_t *axes,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_value *listed = NULL;
    if (n == 0) return COP_OK;
    COP_TRY(cop_tf__add_ints(import, name, axes, n, &listed, err));
    return cop_tf__add_binary(import, op, name, *value, listed, value, err);
}

/* Without axes all of one element go: which, must not depend on the batch. */
enum cop_status cop_tf__translate_squeeze(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_tf__ints axes = {.n = 0};
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__attr_ints(&import->tf, node, "axis", &axes, err));
    COP_TRY(cop_tf__attr_ints(&import->tf, node, "squeeze_dims", &axes, err));
    if (axes.n == 0 && cop_tf__has_batch(import, value))
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "squeezes whatever is 1, which may be the batch");
    const bool is_all = axes.n == 0;
    for (int32_t i = 0; is_all && i < value->shape.rank; i++)
        if (value->shape.dim[i] == 1) axes.at[axes.n++] = i;
    COP_TRY(with_axes(import, "Squeeze", node->name, axes.at, axes.n, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_expand_dims(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t axis = 0;
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__int(import, node, 1, "axis", &axis, err));
    COP_TRY(with_axes(import, "Unsqueeze", node->name, &axis, 1, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_transpose(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_tf__ints perm = {.n = 0};
    struct cop_value *value = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &value, err));
    COP_TRY(cop_tf__ints(import, node, 1, "the order of axes", &perm, err));
    if (perm.n != value->shape.rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "the order has %d axes, the source %d",
            perm.n,
            value->shape.rank);
    COP_TRY(cop_tf__add_transpose(import, node->name, value, perm.at, &value, err));
    return cop_tf__give(import, node, value, err);
}

enum cop_status cop_tf__translate_identity_n(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_value **const values =
        COP_ARENA_NEW_N(import->scratch, node->n_inputs, struct cop_value *);
    if (values == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_inputs; i++)
        COP_TRY(cop_tf__src(import, node, i, &values[i], err));
    return cop_tf__give_all(import, node, values, node->n_inputs, err);
}

/* ---- together and apart ---------------------------------------------------------------------- */

static enum cop_status add_concat(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *const *parts,
    int32_t n,
    int64_t axis,
    struct cop_err *err)
{
    struct cop_value *dst = NULL;
    const struct cop_tf__part part = {
        .op = "Concat",
        .name = node->name,
        .result = node->name,
        .src = parts,
        .n_src = n,
        .attrs = {{.name = "axis", .number = axis}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

enum cop_status cop_tf__translate_concat(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const bool is_first = strcmp(rule->arg, "first") == 0;
    const int32_t n = node->n_inputs - 1;
    int64_t axis = 0;
    struct cop_value **const parts =
        COP_ARENA_NEW_N(import->scratch, n, struct cop_value *);
    if (parts == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_tf__int(import, node, is_first ? 0 : n, "axis", &axis, err));
    for (int32_t i = 0; i < n; i++)
        COP_TRY(cop_tf__src(import, node, i + is_first, &parts[i], err));
    return add_concat(import, node, parts, n, axis, err);
}

enum cop_status cop_tf__translate_pack(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t axis = 0;
    const char *const name = cop_tf__beside(import, node, "part");
    struct cop_value **const parts =
        COP_ARENA_NEW_N(import->scratch, node->n_inputs, struct cop_value *);
    if (parts == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_tf__attr_int(&import->tf, node, "axis", &axis, err));
    for (int32_t i = 0; i < node->n_inputs; i++) {
        COP_TRY(cop_tf__src(import, node, i, &parts[i], err));
        COP_TRY(with_axes(import, "Unsqueeze", name, &axis, 1, &parts[i], err));
    }
    return add_concat(import, node, parts, node->n_inputs, axis, err);
}

static enum cop_status add_split(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *const src[2],
    int64_t axis,
    struct cop_value ***parts,
    int64_t n,
    struct cop_err *err)
{
    enum { MOST = 4096 };
    if (n < 1 || n > MOST)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "has %lld parts, 1 to %d are", (long long)n, MOST);
    *parts = COP_ARENA_NEW_N(import->scratch, n, struct cop_value *);
    if (*parts == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_tf__part part = {
        .op = "Split",
        .name = node->name,
        .src = src,
        .n_src = src[1] != NULL ? 2 : 1,
        .n_dst = (int32_t)n,
        .attrs = {{.name = "axis", .number = axis}}};
    return cop_tf__add(import, &part, *parts, err);
}

enum cop_status cop_tf__translate_split(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const bool has_sizes = strcmp(rule->arg, "sizes") == 0;
    int64_t n = 0;
    int64_t axis = 0;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value **parts = NULL;
    COP_TRY(cop_tf__attr_int(&import->tf, node, "num_split", &n, err));
    COP_TRY(cop_tf__int(import, node, has_sizes ? 2 : 0, "axis", &axis, err));
    COP_TRY(cop_tf__src(import, node, has_sizes ? 0 : 1, &src[0], err));
    const int64_t at = axis < 0 ? axis + src[0]->shape.rank : axis;
    if (!has_sizes && n > 0 && at >= 0 && at < src[0]->shape.rank &&
        src[0]->shape.dim[at] % n != 0)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%lld elements are no %lld parts of one size",
            (long long)src[0]->shape.dim[at],
            (long long)n);
    if (has_sizes) COP_TRY(cop_tf__src(import, node, 1, &src[1], err));
    COP_TRY(add_split(import, node, src, axis, &parts, n, err));
    return cop_tf__give_all(import, node, parts, (int32_t)n, err);
}

enum cop_status cop_tf__translate_unpack(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t n = 0;
    int64_t axis = 0;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value **parts = NULL;
    const char *const name = cop_tf__beside(import, node, "part");
    COP_TRY(cop_tf__attr_int(&import->tf, node, "num", &n, err));
    COP_TRY(cop_tf__attr_int(&import->tf, node, "axis", &axis, err));
    COP_TRY(cop_tf__src(import, node, 0, &src[0], err));
    COP_TRY(add_split(import, node, src, axis, &parts, n, err));
    for (int64_t i = 0; i < n; i++)
        COP_TRY(with_axes(import, "Squeeze", name, &axis, 1, &parts[i], err));
    return cop_tf__give_all(import, node, parts, (int32_t)n, err);
}

/* Of what is known: the others are for the engine to refuse. */
static enum cop_status check_indices(
    const struct cop_tf__import *import,
    struct cop_value *const src[2],
    int64_t axis,
    struct cop_err *err)
{
    const struct cop_fact known = cop_tf__fact(import, src[1]);
    const int32_t rank = src[0]->shape.rank;
    const int64_t at = axis < 0 ? axis + rank : axis;
    const int64_t n =
        known.data != NULL && known.dtype == COP_I64 ? cop_shape_n(&known.shape) : 0;
    for (int64_t i = 0; i < n && at >= 0 && at < rank; i++) {
        const int64_t index = cop_i64_at(known.data, i);
        if (index < 0 || index >= src[0]->shape.dim[at])
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "index %lld of an axis of %lld elements",
                (long long)index,
                (long long)src[0]->shape.dim[at]);
    }
    return COP_OK;
}

enum cop_status cop_tf__translate_gather(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t axis = 0;
    int64_t batch_dims = 0;
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__attr_int(&import->tf, node, "batch_dims", &batch_dims, err));
    if (batch_dims != 0)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "batch_dims is %lld", (long long)batch_dims);
    if (node->n_inputs > 2) COP_TRY(cop_tf__int(import, node, 2, "axis", &axis, err));
    COP_TRY(cop_tf__src(import, node, 0, &src[0], err));
    COP_TRY(cop_tf__src(import, node, 1, &src[1], err));
    COP_TRY(check_indices(import, src, axis, err));
    const struct cop_tf__part part = {
        .op = "Gather",
        .name = node->name,
        .result = node->name,
        .src = src,
        .n_src = 2,
        .attrs = {{.name = "axis", .number = axis}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give(import, node, dst, err);
}

/* ---- parts of a tensor --------------------------------------------------------------------------- */

/** Bounds as ONNX's Slice has them, for some axes. */
struct bounds {
    int64_t starts[COP_MAX_RANK];
    int64_t ends[COP_MAX_RANK];
    int64_t axes[COP_MAX_RANK];
    int64_t steps[COP_MAX_RANK];
    int64_t n;
};

static void add_bound(
    struct bounds *bounds, int64_t axis, int64_t start, int64_t end, int64_t step)
{
    bounds->starts[bounds->n] = start;
    bounds->ends[bounds->n] = end;
    bounds->axes[bounds->n] = axis;
    bounds->steps[bounds->n++] = step;
}

static enum cop_status add_slice(
    struct cop_tf__import *import,
    const char *name,
    const struct bounds *bounds,
    struct cop_value *src,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_value *all[5] = {src};
    const int64_t *const lists[4] = {
        bounds->starts, bounds->ends, bounds->axes, bounds->steps};
    *dst = src;
    if (bounds->n == 0) return COP_OK;
    for (int i = 0; i < 4; i++)
        COP_TRY(cop_tf__add_ints(import, name, lists[i], bounds->n, &all[i + 1], err));
    const struct cop_tf__part part = {
        .op = "Slice", .name = name, .result = name, .src = all, .n_src = 5};
    return cop_tf__add(import, &part, dst, err);
}

enum cop_status cop_tf__translate_slice(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct cop_tf__ints first = {.n = 0};
    struct cop_tf__ints size = {.n = 0};
    struct bounds bounds = {.n = 0};
    struct cop_value *src = NULL;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(cop_tf__ints(import, node, 1, "the first elements", &first, err));
    COP_TRY(cop_tf__ints(import, node, 2, "the sizes", &size, err));
    if (first.n != src->shape.rank || size.n != src->shape.rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "has %d and %d bounds, the source %d axes",
            first.n,
            size.n,
            src->shape.rank);
    for (int32_t i = 0; i < first.n; i++) {
        int64_t end = INT64_MAX;
        if (first.at[i] < 0 || size.at[i] < -1)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "bounds of axis %d are %lld and %lld",
                i,
                (long long)first.at[i],
                (long long)size.at[i]);
        if (first.at[i] == 0 && size.at[i] == -1) continue;
        if (size.at[i] >= 0 && __builtin_add_overflow(first.at[i], size.at[i], &end))
            end = INT64_MAX;
        add_bound(&bounds, i, first.at[i], end, 1);
    }
    COP_TRY(add_slice(import, node->name, &bounds, src, &src, err));
    return cop_tf__give(import, node, src, err);
}

/** A StridedSlice: numbers by entry, masks by their bits. */
struct strided {
    struct cop_tf__ints lists[3]; /* begin, end, strides */
    int64_t begin_mask;
    int64_t end_mask;
    int64_t ellipsis_mask;
    int64_t new_axis_mask;
    int64_t shrink_axis_mask;
};

static bool is_set(int64_t mask, int32_t i)
{
    return i < 32 && (mask >> i & 1) != 0;
}

static enum cop_status read_strided(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct strided *strided,
    struct cop_err *err)
{
    static const char *const names[3] = {"begins", "ends", "strides"};
    const struct cop_tf__graph *const tf = &import->tf;
    for (int32_t i = 0; i < 3; i++)
        COP_TRY(cop_tf__ints(import, node, 1 + i, names[i], &strided->lists[i], err));
    COP_TRY(cop_tf__attr_int(tf, node, "begin_mask", &strided->begin_mask, err));
    COP_TRY(cop_tf__attr_int(tf, node, "end_mask", &strided->end_mask, err));
    COP_TRY(cop_tf__attr_int(tf, node, "ellipsis_mask", &strided->ellipsis_mask, err));
    COP_TRY(cop_tf__attr_int(tf, node, "new_axis_mask", &strided->new_axis_mask, err));
    COP_TRY(cop_tf__attr_int(
        tf, node, "shrink_axis_mask", &strided->shrink_axis_mask, err));
    const int32_t n = strided->lists[0].n;
    if (strided->lists[1].n == n && strided->lists[2].n == n && n <= 2 * COP_MAX_RANK)
        return COP_OK;
    return COP_FAIL(
        err,
        COP_EFORMAT,
        "has %d begins, %d ends and %d strides",
        n,
        strided->lists[1].n,
        strided->lists[2].n);
}

/** What a StridedSlice does: slice, drop axes, add axes. */
struct cut {
    struct bounds bounds;
    int64_t dropped[COP_MAX_RANK]; /* axes of the source */
    int64_t n_dropped;
    int64_t added[COP_MAX_RANK]; /* axes of the result */
    int64_t n_added;
};

/* One axis of the source, by entry @p i. */
static enum cop_status cut_axis(
    const struct strided *strided,
    int32_t i,
    int32_t axis,
    struct cut *cut,
    struct cop_err *err)
{
    const int64_t begin = strided->lists[0].at[i];
    const int64_t end = strided->lists[1].at[i];
    const int64_t step = strided->lists[2].at[i];
    if (step == 0) return COP_FAIL(err, COP_EFORMAT, "stride of axis %d is 0", axis);
    if (is_set(strided->shrink_axis_mask, i)) {
        cut->dropped[cut->n_dropped++] = axis;
        add_bound(&cut->bounds, axis, begin, begin == -1 ? INT64_MAX : begin + 1, 1);
        return COP_OK;
    }
    const bool from_start = is_set(strided->begin_mask, i);
    const bool to_end = is_set(strided->end_mask, i);
    if (from_start && to_end && step == 1) return COP_OK;
    const int64_t first = step > 0 ? 0 : INT64_MAX;
    const int64_t last = step > 0 ? INT64_MAX : INT64_MIN;
    add_bound(
        &cut->bounds, axis, from_start ? first : begin, to_end ? last : end, step);
    return COP_OK;
}

static enum cop_status find_cut(
    const struct strided *strided, int32_t rank, struct cut *cut, struct cop_err *err)
{
    const int32_t n = strided->lists[0].n;
    int32_t n_taken = 0; /* entries that stand for one axis */
    for (int32_t i = 0; i < n; i++)
        n_taken +=
            !is_set(strided->ellipsis_mask, i) && !is_set(strided->new_axis_mask, i);
    int32_t axis = 0;
    int32_t to = 0;
    for (int32_t i = 0; i < n; i++) {
        if (is_set(strided->ellipsis_mask, i)) {
            axis += rank - n_taken;
            to += rank - n_taken;
            continue;
        }
        if (is_set(strided->new_axis_mask, i)) {
            if (cut->n_added == COP_MAX_RANK) break;
            cut->added[cut->n_added++] = to++;
            continue;
        }
        if (axis >= rank || axis < 0)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "has bounds for %d axes, the source %d",
                n_taken,
                rank);
        COP_TRY(cut_axis(strided, i, axis, cut, err));
        to += !is_set(strided->shrink_axis_mask, i);
        axis++;
    }
    return COP_OK;
}

enum cop_status cop_tf__translate_strided_slice(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    struct strided strided = {.begin_mask = 0};
    struct cut cut = {.n_added = 0};
    struct cop_value *src = NULL;
    const char *const name = node->name;
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(read_strided(import, node, &strided, err));
    COP_TRY(find_cut(&strided, src->shape.rank, &cut, err));
    COP_TRY(add_slice(import, name, &cut.bounds, src, &src, err));
    COP_TRY(with_axes(import, "Squeeze", name, cut.dropped, cut.n_dropped, &src, err));
    COP_TRY(with_axes(import, "Unsqueeze", name, cut.added, cut.n_added, &src, err));
    return cop_tf__give(import, node, src, err);
}

/* ---- padding ------------------------------------------------------------------------------------------ */

/* One axis between its own first and last elements in reverse order, the edge included. */
static enum cop_status mirror_axis(
    struct cop_tf__import *import,
    const char *name,
    int64_t axis,
    const int64_t amounts[2],
    struct cop_value **value,
    struct cop_err *err)
{
    const int64_t extent = (*value)->shape.dim[axis];
    struct cop_value *parts[3];
    int32_t n = 0;
    for (int i = 0; i < 2; i++) {
        struct bounds bounds = {.n = 0};
        if (i == 1) parts[n++] = *value;
        if (amounts[i] == 0) continue;
        const int64_t first = i == 0 ? amounts[0] - 1 : extent - 1;
        const int64_t last = first - amounts[i];
        add_bound(&bounds, axis, first, last < 0 ? INT64_MIN : last, -1);
        COP_TRY(add_slice(import, name, &bounds, *value, &parts[n++], err));
    }
    if (n == 1) return COP_OK;
    const struct cop_tf__part part = {
        .op = "Concat",
        .name = name,
        .result = name,
        .src = parts,
        .n_src = n,
        .attrs = {{.name = "axis", .number = axis}}};
    return cop_tf__add(import, &part, value, err);
}

static enum cop_status add_pad(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *mode,
    const struct cop_tf__ints *amounts,
    struct cop_value *src[3],
    struct cop_err *err)
{
    int64_t pads[2 * COP_MAX_RANK];
    const int32_t rank = amounts->n / 2;
    for (int32_t i = 0; i < rank; i++) {
        pads[i] = amounts->at[2 * i];
        pads[rank + i] = amounts->at[2 * i + 1];
    }
    COP_TRY(cop_tf__add_ints(import, node->name, pads, amounts->n, &src[1], err));
    const struct cop_tf__part part = {
        .op = "Pad",
        .name = node->name,
        .result = node->name,
        .src = src,
        .n_src = src[2] != NULL ? 3 : 2,
        .attrs = {{.name = "mode", .text = mode}}};
    return cop_tf__add(import, &part, &src[0], err);
}

/* No more than there is beside the edge, or with it, can be mirrored. */
static enum cop_status check_mirror(
    const char *mode,
    const struct cop_tf__ints *amounts,
    const struct cop_shape *shape,
    struct cop_err *err)
{
    const bool has_edge = strcmp(mode, "SYMMETRIC") == 0;
    if (!has_edge && strcmp(mode, "REFLECT") != 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "mode '%.20s' is not supported", mode);
    for (int32_t i = 0; i < shape->rank; i++) {
        const int64_t most = shape->dim[i] - !has_edge;
        const int64_t *const two = &amounts->at[2 * (int64_t)i];
        if (two[0] > most || two[1] > most)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d of %lld elements is mirrored by %lld and %lld",
                i,
                (long long)shape->dim[i],
                (long long)two[0],
                (long long)two[1]);
    }
    return COP_OK;
}

enum cop_status cop_tf__translate_pad(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const char *mode = strcmp(rule->arg, "mirror") == 0 ? "REFLECT" : "CONSTANT";
    struct cop_tf__ints amounts = {.n = 0};
    struct cop_value *src[3] = {NULL};
    COP_TRY(cop_tf__attr_text(&import->tf, node, "mode", &mode, err));
    COP_TRY(cop_tf__src(import, node, 0, &src[0], err));
    COP_TRY(cop_tf__ints(import, node, 1, "the amounts", &amounts, err));
    if (amounts.n != 2 * src[0]->shape.rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "has %d amounts, the source %d axes",
            amounts.n,
            src[0]->shape.rank);
    for (int32_t i = 0; i < amounts.n; i++)
        if (amounts.at[i] < 0 || amounts.at[i] > INT32_MAX)
            return COP_FAIL(err, COP_EFORMAT, "pads by %lld", (long long)amounts.at[i]);
    if (strcmp(rule->arg, "mirror") == 0)
        COP_TRY(check_mirror(mode, &amounts, &src[0]->shape, err));
    if (strcmp(mode, "SYMMETRIC") == 0) {
        for (int32_t i = 0; i < src[0]->shape.rank; i++)
            COP_TRY(mirror_axis(
                import, node->name, i, &amounts.at[2 * (int64_t)i], &src[0], err));
        return cop_tf__give(import, node, src[0], err);
    }
    if (strcmp(rule->arg, "mirror") != 0 && node->n_inputs > 2)
        COP_TRY(cop_tf__src(import, node, 2, &src[2], err));
    COP_TRY(add_pad(
        import,
        node,
        strcmp(mode, "REFLECT") == 0 ? "reflect" : "constant",
        &amounts,
        src,
        err));
    return cop_tf__give(import, node, src[0], err);
}
