/* ops/window.c - sliding windows of Conv and the pools: paddings and extents.
 *
 * Declared in row.h.  Follows ONNX: auto_pad SAME_UPPER and SAME_LOWER give
 * ceil(extent / stride) results; in ceil mode a last window that would start inside the
 * right padding is dropped, as PyTorch and ONNX Runtime do. */
#include "ops/row.h"

#include <string.h>

static enum cop_status spread(
    const struct cop_ints *ints, const char *what, int64_t to[2], struct cop_err *err)
{
    to[0] = to[1] = 1;
    if (ints->at == NULL) return COP_OK;
    if (ints->n != 2)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "%s has %lld entries, only 2 spatial axes are supported",
            what,
            (long long)ints->n);
    for (int i = 0; i < 2; i++) {
        to[i] = ints->at[i];
        if (to[i] < 1 || to[i] > INT32_MAX)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "%s is %lld, wanted at least 1",
                what,
                (long long)to[i]);
    }
    return COP_OK;
}

static enum cop_status given_pads(
    const struct cop_ops__window_attrs *attrs,
    struct cop_window *window,
    struct cop_err *err)
{
    if (attrs->pads.at == NULL) return COP_OK;
    if (attrs->pads.n != 4)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "pads has %lld entries, wanted 4",
            (long long)attrs->pads.n);
    for (int i = 0; i < 4; i++)
        if (attrs->pads.at[i] < 0 || attrs->pads.at[i] > INT32_MAX)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "pads has %lld, wanted none below 0",
                (long long)attrs->pads.at[i]);
    for (int i = 0; i < 2; i++) {
        window->pads_l[i] = attrs->pads.at[i];
        window->pads_r[i] = attrs->pads.at[2 + i];
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
    const struct cop_shape *src,
    struct cop_window *window,
    struct cop_err *err)
{
    const char *const mode = attrs->auto_pad != NULL ? attrs->auto_pad : "NOTSET";
    const bool is_upper = strcmp(mode, "SAME_UPPER") == 0;
    if (strcmp(mode, "NOTSET") == 0) return given_pads(attrs, window, err);
    if (strcmp(mode, "VALID") == 0) return COP_OK;
    if (!is_upper && strcmp(mode, "SAME_LOWER") != 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "auto_pad is '%.20s'", mode);
    for (int i = 0; i < 2; i++)
        same_pads(window, i, src->dim[2 + i], is_upper);
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
    const struct cop_ints extents = {2, kernel};
    COP_TRY(spread(&extents, "kernel_shape", window->kernel, err));
    COP_TRY(spread(&attrs->strides, "strides", window->strides, err));
    COP_TRY(spread(&attrs->dilations, "dilations", window->dilates, err));
    COP_TRY(find_pads(attrs, src, window, err));
    for (int i = 0; i < 2; i++)
        COP_TRY(produce(window, i, src->dim[2 + i], is_ceil, &produced[i], err));
    return COP_OK;
}
