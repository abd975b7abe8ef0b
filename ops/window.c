/* ops/window.c - sliding windows of Conv and the pools: paddings and extents.
 *
 * Declared in row.h.  One spatial axis is the second of two, the first having one element:
 * the engine computes images only.  Follows ONNX: auto_pad SAME_UPPER and SAME_LOWER give
 * ceil(extent / stride) results; in ceil mode a last window that would start inside the
 * right padding is dropped, as PyTorch and ONNX Runtime do. */
#include "ops/row.h"

#include <string.h>

/* Entries of the axes that are there; the other one keeps 1. */
static enum cop_status spread(
    const struct cop_ints *ints,
    const char *what,
    int n_axes,
    int64_t to[2],
    struct cop_err *err)
{
    to[0] = to[1] = 1;
    if (ints->at == NULL) return COP_OK;
    if (ints->n != n_axes)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s has %lld entries, src has %d spatial axes",
            what,
            (long long)ints->n,
            n_axes);
    for (int i = 0; i < n_axes; i++) {
        const int64_t entry = ints->at[i];
        if (entry < 1 || entry > INT32_MAX)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "%s is %lld, wanted at least 1",
                what,
                (long long)entry);
        to[2 - n_axes + i] = entry;
    }
    return COP_OK;
}

static enum cop_status given_pads(
    const struct cop_ops__window_attrs *attrs,
    int n_axes,
    struct cop_window *window,
    struct cop_err *err)
{
    if (attrs->pads.at == NULL) return COP_OK;
    if (attrs->pads.n != 2 * n_axes)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "pads has %lld entries, wanted %d",
            (long long)attrs->pads.n,
            2 * n_axes);
    for (int i = 0; i < 2 * n_axes; i++)
        if (attrs->pads.at[i] < 0 || attrs->pads.at[i] > INT32_MAX)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "pads has %lld, wanted none below 0",
                (long long)attrs->pads.at[i]);
    for (int i = 0; i < n_axes; i++) {
        window->pads_l[2 - n_axes + i] = attrs->pads.at[i];
        window->pads_r[2 - n_axes + i] = attrs->pads.at[n_axes + i];
    }
    return COP_OK;
}

/* Paddings that give ceil(extent / stride) results. */
static void same_pads(struct cop_window *window, int i, int64_t extent, bool is_upper)
{
    const int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
    const int64_t n = (extent + window->strides[i] - 1) / window->strides[i];
    int64_t total = (n - 1) * window->strides[i] + reach - extent;
    if (total < 0) total = 0;
    window->pads_l[i] = is_upper ? total / 2 : total - total / 2;
    window->pads_r[i] = total - window->pads_l[i];
}

static enum cop_status produce(
    struct cop_window *window,
    int i,
    int64_t extent,
    bool is_ceil,
    int64_t *produced,
    struct cop_err *err)
{
    const int64_t reach = (window->kernel[i] - 1) * window->dilates[i] + 1;
    const int64_t padded = extent + window->pads_l[i] + window->pads_r[i];
    if (padded < reach)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "window reaches over %lld, src axis %d with padding has %lld",
            (long long)reach,
            2 + i,
            (long long)padded);
    const int64_t stride = window->strides[i];
    const int64_t rest = padded - reach;
    *produced = rest / stride + 1;
    if (!is_ceil || rest % stride == 0) return COP_OK;
    if (*produced * stride >= extent + window->pads_l[i]) return COP_OK;
    window->pads_r[i] += *produced * stride - rest;
    *produced += 1;
    return COP_OK;
}

/* The paddings that auto_pad means. */
static enum cop_status find_pads(
    const struct cop_ops__window_attrs *attrs,
    const struct cop_shape *src, /* rank 4 */
    int n_axes,
    struct cop_window *window,
    struct cop_err *err)
{
    const char *const mode = attrs->auto_pad != NULL ? attrs->auto_pad : "NOTSET";
    const bool is_upper = strcmp(mode, "SAME_UPPER") == 0;
    if (strcmp(mode, "NOTSET") == 0) return given_pads(attrs, n_axes, window, err);
    if (strcmp(mode, "VALID") == 0) return COP_OK;
    if (!is_upper && strcmp(mode, "SAME_LOWER") != 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "auto_pad is '%.20s'", mode);
    for (int i = 0; i < 2; i++)
        same_pads(window, i, src->dim[2 + i], is_upper);
    return COP_OK;
}

struct cop_shape cop_ops__image(const struct cop_shape *shape)
{
    if (shape->rank != 3) return *shape;
    return (struct cop_shape){
        .rank = 4, .dim = {shape->dim[0], shape->dim[1], 1, shape->dim[2]}};
}

enum cop_status cop_ops__want_volume(
    const struct cop_fact *src, int32_t slot, struct cop_err *err)
{
    const int32_t rank = src[slot].shape.rank;
    if (rank >= 3 && rank <= 5) return COP_OK;
    if (rank < 3) return cop_ops__want_rank(src, slot, 4, err);
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "src %d has %d spatial axes, 1 to 3 are supported",
        slot,
        rank - 2);
}

enum cop_status cop_ops__split_list(
    const struct cop_ints *list,
    const char *what,
    struct cop_ints parts[2],
    struct cop_err *err)
{
    parts[0] = parts[1] = (struct cop_ints){0, NULL};
    if (list->at == NULL) return COP_OK;
    if (list->n != 3)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s has %lld entries, src has 3 spatial axes",
            what,
            (long long)list->n);
    parts[0] = (struct cop_ints){1, list->at};
    parts[1] = (struct cop_ints){2, list->at + 1};
    return COP_OK;
}

enum cop_status cop_ops__split_window(
    const struct cop_ops__window_attrs *attrs,
    struct cop_ops__volume_attrs *parts,
    struct cop_err *err)
{
    struct cop_ints lists[2];
    *parts = (struct cop_ops__volume_attrs){
        .depth = {.auto_pad = attrs->auto_pad}, .plane = {.auto_pad = attrs->auto_pad}};
    COP_TRY(cop_ops__split_list(&attrs->strides, "strides", lists, err));
    parts->depth.strides = lists[0];
    parts->plane.strides = lists[1];
    COP_TRY(cop_ops__split_list(&attrs->dilations, "dilations", lists, err));
    parts->depth.dilations = lists[0];
    parts->plane.dilations = lists[1];
    if (attrs->pads.at == NULL) return COP_OK;
    if (attrs->pads.n != 6)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "pads has %lld entries, wanted 6",
            (long long)attrs->pads.n);
    static const int8_t order[6] = {0, 3, 1, 2, 4, 5};
    for (int i = 0; i < 6; i++)
        parts->pads[i] = attrs->pads.at[order[i]];
    parts->depth.pads = (struct cop_ints){2, parts->pads};
    parts->plane.pads = (struct cop_ints){4, parts->pads + 2};
    return COP_OK;
}

enum cop_status cop_ops__window(
    const struct cop_ops__window_attrs *attrs,
    const struct cop_shape *src,
    const int64_t *kernel,
    bool is_ceil,
    struct cop_window *window,
    int64_t produced[2],
    struct cop_err *err)
{
    memset(window, 0, sizeof *window);
    const struct cop_shape image = cop_ops__image(src);
    const int n_axes = src->rank - 2;
    const struct cop_ints extents = {n_axes, kernel};
    COP_TRY(spread(&extents, "kernel_shape", n_axes, window->kernel, err));
    COP_TRY(spread(&attrs->strides, "strides", n_axes, window->strides, err));
    COP_TRY(spread(&attrs->dilations, "dilations", n_axes, window->dilates, err));
    COP_TRY(find_pads(attrs, &image, n_axes, window, err));
    for (int i = 0; i < 2; i++)
        COP_TRY(produce(window, i, image.dim[2 + i], is_ceil, &produced[i], err));
    return COP_OK;
}

void cop_ops__set_image(struct cop_shape *shape, const int64_t produced[2])
{
    if (shape->rank == 4) shape->dim[2] = produced[0];
    shape->dim[shape->rank - 1] = produced[1];
}

enum cop_status cop_ops__emit_image(
    struct cop_emitter *emitter, struct cop_ref ends[2], struct cop_err *err)
{
    const struct cop_shape src = cop_ops__image(&cop_emit_src_fact(emitter, 0)->shape);
    const struct cop_shape dst = cop_ops__image(&cop_emit_dst_fact(emitter, 0)->shape);
    COP_TRY(cop_emit_view(emitter, cop_emit_src(emitter, 0), &src, &ends[0], err));
    ends[1] = cop_emit_dst(emitter, 0);
    if (cop_shape_equal(&dst, &cop_emit_dst_fact(emitter, 0)->shape)) return COP_OK;
    return cop_emit_temp(emitter, &dst, &ends[1], err);
}

enum cop_status cop_ops__finish_image(
    struct cop_emitter *emitter, const struct cop_ref ends[2], struct cop_err *err)
{
    const struct cop_ref dst = cop_emit_dst(emitter, 0);
    if (ends[1].id == dst.id) return COP_OK;
    return cop_emit_reshape(emitter, ends[1], dst, err);
}
