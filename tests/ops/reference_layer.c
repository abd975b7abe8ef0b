/* tests/ops/reference_layer.c - convolution, products, normalisation, pools, softmax. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- windows -------------------------------------------------------------------------- */

struct window {
    int64_t kernel[2];
    int64_t strides[2];
    int64_t dilations[2];
    int64_t pads_l[2];
    int64_t pads_r[2];
    int64_t n[2]; /* windows */
};

/* A window starts at every multiple of the stride, as long as all of it lies within the
 * padded tensor; in ceil mode one more may hang over, if it starts before the right
 * padding. */
static int64_t count_windows(
    const struct window *window, int axis, int64_t extent, bool is_ceil)
{
    const int64_t reach = (window->kernel[axis] - 1) * window->dilations[axis] + 1;
    const int64_t end = extent + window->pads_r[axis];
    int64_t n = 0;
    int64_t start = -window->pads_l[axis];
    for (; start + reach <= end; start += window->strides[axis])
        n++;
    const bool is_covered = start - window->strides[axis] + reach >= end;
    if (is_ceil && n > 0 && !is_covered && start < extent) n++;
    return n;
}

/* A line is an image of one row. */
static struct cop_shape as_image(const struct cop_shape *shape)
{
    struct cop_shape image = *shape;
    if (shape->rank != 3) return image;
    image.rank = 4;
    image.dim[2] = 1;
    image.dim[3] = shape->dim[2];
    return image;
}

/* The shape of a result, with as many axes as the source. */
static struct cop_shape like_source(const struct ref_call *call, struct cop_shape image)
{
    if (call->src[0].shape.rank != 3) return image;
    image.rank = 3;
    image.dim[2] = image.dim[3];
    return image;
}

/* Entries for the spatial axes that there are; the other one keeps @p absent. */
static void spatial(
    const struct ref_call *call, const char *name, int64_t absent, int64_t to[2])
{
    int64_t list[2] = {absent, absent};
    to[0] = to[1] = absent;
    const int n = ref_ints(call, name, list, 2);
    for (int i = 0; i < n; i++)
        to[2 - n + i] = list[i];
}

static void find_window(
    const struct ref_call *call, const int64_t *kernel, struct window *window)
{
    const char *const mode = ref_text(call, "auto_pad", "NOTSET");
    const struct cop_shape image = as_image(&call->src[0].shape);
    const int n_axes = call->src[0].shape.rank - 2;
    int64_t pads[4] = {0, 0, 0, 0};
    spatial(call, "strides", 1, window->strides);
    spatial(call, "dilations", 1, window->dilations);
    (void)ref_ints(call, "pads", pads, 4);
    for (int i = 0; i < 2; i++) {
        window->kernel[i] = kernel[i];
        const int given = i - (2 - n_axes);
        const bool is_given = strcmp(mode, "NOTSET") == 0 && given >= 0;
        const int64_t extent = image.dim[2 + i];
        const int64_t reach = (kernel[i] - 1) * window->dilations[i] + 1;
        window->pads_l[i] = is_given ? pads[given] : 0;
        window->pads_r[i] = is_given ? pads[n_axes + given] : 0;
        if (strncmp(mode, "SAME", 4) == 0) {
            const int64_t n = (extent + window->strides[i] - 1) / window->strides[i];
            const int64_t missing = (n - 1) * window->strides[i] + reach - extent;
            const int64_t half = missing > 0 ? missing / 2 : 0;
            const int64_t rest = missing > 0 ? missing - half : 0;
            window->pads_l[i] = strcmp(mode, "SAME_UPPER") == 0 ? half : rest;
            window->pads_r[i] = strcmp(mode, "SAME_UPPER") == 0 ? rest : half;
        }
        window->n[i] =
            count_windows(window, i, extent, ref_int(call, "ceil_mode", 0) != 0);
    }
}

/* Position in the source of tap @p k of window @p i. */
static int64_t tap(const struct window *window, int axis, int64_t i, int64_t k)
{
    return i * window->strides[axis] - window->pads_l[axis] +
           k * window->dilations[axis];
}

/* ---- convolution ---------------------------------------------------------------------- */

/** Where one result of a convolution lies. */
struct place {
    int64_t n;
    int64_t o;
    int64_t y;
    int64_t x;
};

static double conv_at(
    struct ref_call *call, const struct window *window, const struct place *at)
{
    const struct ref_tensor *const src = &call->src[0];
    const struct ref_tensor *const weights = &call->src[1];
    const struct cop_shape image = as_image(&src->shape);
    const struct cop_shape kernels = as_image(&weights->shape);
    const int64_t ic = weights->shape.dim[1];
    const int64_t oc = weights->shape.dim[0] / ref_int(call, "group", 1);
    double sum = ref_has(call, 2) ? call->src[2].at[at->o] : 0.0;
    for (int64_t c = 0; c < ic; c++) {
        for (int64_t k = 0; k < window->kernel[0] * window->kernel[1]; k++) {
            const int64_t ky = k / window->kernel[1];
            const int64_t kx = k % window->kernel[1];
            const int64_t w_at[4] = {at->o, c, ky, kx};
            const int64_t s_at[4] = {
                at->n,
                at->o / oc * ic + c,
                tap(window, 0, at->y, ky),
                tap(window, 1, at->x, kx)};
            call->macs++;
            if (s_at[2] < 0 || s_at[2] >= image.dim[2]) continue;
            if (s_at[3] < 0 || s_at[3] >= image.dim[3]) continue;
            sum += src->at[ref_ravel(&image, s_at)] *
                   weights->at[ref_ravel(&kernels, w_at)];
        }
    }
    return sum;
}

static void conv(struct ref_call *call)
{
    struct window window;
    const struct cop_shape kernels = as_image(&call->src[1].shape);
    find_window(call, &kernels.dim[2], &window);
    const int64_t dims[4] = {
        call->src[0].shape.dim[0], call->src[1].shape.dim[0], window.n[0], window.n[1]};
    const struct cop_shape shape = cop_shape_make(4, dims);
    const struct cop_shape result = like_source(call, shape);
    ref_make(&call->dst[0], COP_F32, &result);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        const struct place place = {at[0], at[1], at[2], at[3]};
        call->dst[0].at[i] = conv_at(call, &window, &place);
    }
}

/* Scatters every source element through its weights; what falls outside is cropped. */
static void conv_transpose(struct ref_call *call)
{
    const struct cop_shape src = as_image(&call->src[0].shape);
    const struct cop_shape kernels = as_image(&call->src[1].shape);
    const char *const mode = ref_text(call, "auto_pad", "NOTSET");
    const int64_t group = ref_int(call, "group", 1);
    const int n_axes = call->src[0].shape.rank - 2;
    int64_t strides[2];
    int64_t dilations[2];
    int64_t longer[2];
    int64_t wanted[2];
    int64_t pads[4] = {0, 0, 0, 0};
    int64_t first[2];
    spatial(call, "strides", 1, strides);
    spatial(call, "dilations", 1, dilations);
    spatial(call, "output_padding", 0, longer);
    spatial(call, "output_shape", 0, wanted);
    (void)ref_ints(call, "pads", pads, 4);
    struct cop_shape shape = {4, {src.dim[0], kernels.dim[1] * group, 1, 1}};
    for (int i = 2 - n_axes; i < 2; i++) {
        const int64_t full = strides[i] * (src.dim[2 + i] - 1) + longer[i] +
                             (kernels.dim[2 + i] - 1) * dilations[i] + 1;
        if (strncmp(mode, "SAME", 4) == 0) wanted[i] = src.dim[2 + i] * strides[i];
        first[i] = pads[i - (2 - n_axes)];
        shape.dim[2 + i] = full - first[i] - pads[n_axes + i - (2 - n_axes)];
        if (wanted[i] == 0) continue;
        const int64_t total = full - wanted[i];
        first[i] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        if (total < 0) first[i] = 0;
        shape.dim[2 + i] = wanted[i];
    }
    if (n_axes == 1) first[0] = 0;
    const struct cop_shape result = like_source(call, shape);
    ref_make(&call->dst[0], COP_F32, &result);
    for (int64_t i = 0; ref_has(call, 2) && i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        call->dst[0].at[i] = call->src[2].at[at[1]];
    }
    for (int64_t i = 0; i < cop_shape_n(&src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src, i, at);
        const int64_t g = at[1] / (src.dim[1] / group);
        for (int64_t k = 0; k < cop_shape_span(&kernels, 1, 4); k++) {
            int64_t w[COP_MAX_RANK] = {at[1], 0, 0, 0};
            const struct cop_shape taps = {
                3, {kernels.dim[1], kernels.dim[2], kernels.dim[3]}};
            ref_unravel(&taps, k, &w[1]);
            const int64_t to[4] = {
                at[0],
                g * kernels.dim[1] + w[1],
                at[2] * strides[0] + w[2] * dilations[0] - first[0],
                at[3] * strides[1] + w[3] * dilations[1] - first[1]};
            call->macs++;
            if (to[2] < 0 || to[2] >= shape.dim[2]) continue;
            if (to[3] < 0 || to[3] >= shape.dim[3]) continue;
            call->dst[0].at[ref_ravel(&shape, to)] +=
                call->src[0].at[i] * call->src[1].at[ref_ravel(&kernels, w)];
        }
    }
}

/* ---- pools ---------------------------------------------------------------------------- */

static double pool_at(
    const struct ref_call *call, const struct window *window, const int64_t *at)
{
    const struct ref_tensor *const src = &call->src[0];
    const struct cop_shape image = as_image(&src->shape);
    const bool is_max = strcmp(call->op, "MaxPool") == 0;
    const bool is_lp = strcmp(call->op, "LpPool") == 0;
    const double p = (double)ref_int(call, "p", 2);
    const bool counts_pads = ref_int(call, "count_include_pad", 0) != 0;
    double result = is_max ? -INFINITY : 0.0;
    int64_t n = 0;
    for (int64_t k = 0; k < window->kernel[0] * window->kernel[1]; k++) {
        int64_t s_at[4] = {at[0], at[1], 0, 0};
        bool is_inside = true;
        bool is_padded = true;
        for (int i = 0; i < 2; i++) {
            const int64_t extent = image.dim[2 + i];
            const int64_t step = i == 0 ? k / window->kernel[1] : k % window->kernel[1];
            s_at[2 + i] = tap(window, i, at[2 + i], step);
            is_inside = is_inside && s_at[2 + i] >= 0 && s_at[2 + i] < extent;
            is_padded = is_padded && s_at[2 + i] < extent + window->pads_r[i];
        }
        n += is_inside || (counts_pads && is_padded);
        if (!is_inside) continue;
        const double x = src->at[ref_ravel(&image, s_at)];
        result = is_max ? fmax(result, x) : result + (is_lp ? pow(fabs(x), p) : x);
    }
    if (is_lp) return pow(result, 1.0 / p);
    return is_max ? result : result / (double)n;
}

static void pool(struct ref_call *call)
{
    struct window window;
    int64_t kernel[2] = {1, 1};
    spatial(call, "kernel_shape", 1, kernel);
    find_window(call, kernel, &window);
    struct cop_shape shape = as_image(&call->src[0].shape);
    shape.dim[2] = window.n[0];
    shape.dim[3] = window.n[1];
    const struct cop_shape result = like_source(call, shape);
    ref_make(&call->dst[0], COP_F32, &result);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        call->dst[0].at[i] = pool_at(call, &window, at);
    }
}

static void global_pool(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const bool is_max = strcmp(call->op, "GlobalMaxPool") == 0;
    const bool is_lp = strcmp(call->op, "GlobalLpPool") == 0;
    const double p = (double)ref_int(call, "p", 2);
    const int64_t plane = cop_shape_span(&src->shape, 2, src->shape.rank);
    struct cop_shape shape = src->shape;
    for (int i = 2; i < shape.rank; i++)
        shape.dim[i] = 1;
    ref_make(&call->dst[0], COP_F32, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        double result = is_max ? -INFINITY : 0.0;
        for (int64_t k = 0; k < plane; k++) {
            const double x = src->at[i * plane + k];
            if (is_lp)
                result += pow(fabs(x), p);
            else
                result = is_max ? fmax(result, x) : result + x / (double)plane;
        }
        call->dst[0].at[i] = is_lp ? pow(result, 1.0 / p) : result;
    }
}

/* ---- products ------------------------------------------------------------------------- */

static void gemm(struct ref_call *call)
{
    const struct ref_tensor *const a = &call->src[0];
    const struct ref_tensor *const b = &call->src[1];
    const bool ta = ref_int(call, "transA", 0) != 0;
    const bool tb = ref_int(call, "transB", 0) != 0;
    const int64_t rows = a->shape.dim[ta ? 1 : 0];
    const int64_t in = a->shape.dim[ta ? 0 : 1];
    const int64_t out = b->shape.dim[tb ? 0 : 1];
    const int64_t dims[2] = {rows, out};
    const struct cop_shape shape = cop_shape_make(2, dims);
    ref_make(&call->dst[0], COP_F32, &shape);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = 0; o < out; o++) {
            double sum = 0.0;
            for (int64_t i = 0; i < in; i++) {
                sum += a->at[ta ? i * rows + r : r * in + i] *
                       b->at[tb ? o * in + i : i * out + o];
                call->macs++;
            }
            const int64_t at[2] = {r, o};
            sum *= ref_float(call, "alpha", 1.0);
            if (ref_has(call, 2))
                sum += ref_float(call, "beta", 1.0) *
                       ref_broadcast_at(&call->src[2], &shape, at);
            call->dst[0].at[r * out + o] = sum;
        }
    }
}

static void matmul(struct ref_call *call)
{
    struct ref_tensor operands[2] = {call->src[0], call->src[1]};
    const struct ref_tensor *const a = &operands[0];
    const struct ref_tensor *const b = &operands[1];
    const bool is_row = a->shape.rank == 1;
    const bool is_column = b->shape.rank == 1;
    if (is_row) operands[0].shape = (struct cop_shape){2, {1, a->shape.dim[0]}};
    if (is_column) operands[1].shape = (struct cop_shape){2, {b->shape.dim[0], 1}};
    struct cop_shape lead_a = a->shape;
    struct cop_shape lead_b = b->shape;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    struct cop_shape shape = ref_broadcast(&lead_a, &lead_b);
    const int lead = shape.rank;
    const int64_t in = a->shape.dim[a->shape.rank - 1];
    shape.dim[shape.rank++] = a->shape.dim[a->shape.rank - 2];
    shape.dim[shape.rank++] = b->shape.dim[b->shape.rank - 1];
    ref_make(&call->dst[0], COP_F32, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        int64_t a_at[COP_MAX_RANK] = {0};
        int64_t b_at[COP_MAX_RANK] = {0};
        for (int k = 0; k < lead_a.rank; k++)
            a_at[k] = lead_a.dim[k] == 1 ? 0 : at[k + lead - lead_a.rank];
        for (int k = 0; k < lead_b.rank; k++)
            b_at[k] = lead_b.dim[k] == 1 ? 0 : at[k + lead - lead_b.rank];
        a_at[lead_a.rank] = at[lead];
        b_at[lead_b.rank + 1] = at[lead + 1];
        for (int64_t k = 0; k < in; k++) {
            a_at[lead_a.rank + 1] = b_at[lead_b.rank] = k;
            call->dst[0].at[i] +=
                a->at[ref_ravel(&a->shape, a_at)] * b->at[ref_ravel(&b->shape, b_at)];
            call->macs++;
        }
    }
    struct cop_shape *const result = &call->dst[0].shape;
    if (is_column) result->rank--;
    if (is_row && is_column) result->rank--;
    if (is_row && !is_column) result->dim[lead] = result->dim[lead + 1];
    if (is_row && !is_column) result->rank--;
}

/* ---- normalisation, softmax ------------------------------------------------------------- */

static void normalise(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const double epsilon = ref_float(call, "epsilon", 1e-5);
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        const int64_t c = at[1];
        const double centred = src->at[i] - call->src[3].at[c];
        call->dst[0].at[i] =
            centred / sqrt(call->src[4].at[c] + epsilon) * call->src[1].at[c] +
            call->src[2].at[c];
    }
}

/* Up to opset 12 everything from the axis on is one long axis. */
static void softmax(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const bool is_old = call->opset < 13;
    int64_t axis = ref_int(call, "axis", is_old ? 1 : -1);
    if (axis < 0) axis += src->shape.rank;
    const int64_t outer = cop_shape_span(&src->shape, 0, (int32_t)axis);
    const int64_t inner =
        is_old ? 1 : cop_shape_span(&src->shape, (int32_t)axis + 1, src->shape.rank);
    const int64_t n = ref_n(src) / outer / inner;
    const bool is_log = strcmp(call->op, "LogSoftmax") == 0;
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t line = 0; line < outer * inner; line++) {
        const int64_t first = line / inner * n * inner + line % inner;
        double sum = 0.0;
        for (int64_t i = 0; i < n; i++)
            sum += exp(src->at[first + i * inner]);
        for (int64_t i = 0; i < n; i++) {
            const double x = src->at[first + i * inner];
            call->dst[0].at[first + i * inner] = is_log ? x - log(sum) : exp(x) / sum;
        }
    }
}

const struct ref_row ref_layer_rows[] = {
    {"AveragePool", pool},
    {"BatchNormalization", normalise},
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    {"Gemm", gemm},
    {"GlobalAveragePool", global_pool},
    {"GlobalLpPool", global_pool},
    {"GlobalMaxPool", global_pool},
    {"LogSoftmax", softmax},
    {"LpPool", pool},
    {"MatMul", matmul},
    {"MaxPool", pool},
    {"Softmax", softmax},
    {NULL, NULL}};
