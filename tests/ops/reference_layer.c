/* tests/ops/reference_layer.c - convolution, products, normalisation, pools, softmax. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* ---- windows -------------------------------------------------------------------------- */

enum { AXES = 3 }; /* spatial ones: depth, height, width */

struct window {
    int64_t kernel[AXES];
    int64_t strides[AXES];
    int64_t dilations[AXES];
    int64_t pads_l[AXES];
    int64_t pads_r[AXES];
    int64_t n[AXES]; /* windows */
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

/* Lines and images are volumes of one row, of one slice: [n][c][d][h][w]. */
static struct cop_shape as_volume(const struct cop_shape *shape)
{
    struct cop_shape volume = {2 + AXES, {shape->dim[0], shape->dim[1], 1, 1, 1}};
    for (int i = 2; i < shape->rank; i++)
        volume.dim[2 + AXES - shape->rank + i] = shape->dim[i];
    return volume;
}

/* The shape of a result, with as many axes as the source. */
static struct cop_shape like_source(
    const struct ref_call *call, const struct cop_shape *volume)
{
    struct cop_shape shape = *volume;
    shape.rank = call->src[0].shape.rank;
    for (int i = 2; i < shape.rank; i++)
        shape.dim[i] = volume->dim[2 + AXES - shape.rank + i];
    return shape;
}

/* Entries for the spatial axes that there are; the others keep @p absent. */
static void spatial(
    const struct ref_call *call, const char *name, int64_t absent, int64_t to[AXES])
{
    int64_t list[AXES];
    const int n = ref_ints(call, name, list, AXES);
    for (int i = 0; i < AXES; i++)
        to[i] = i >= AXES - n && n > 0 ? list[i - (AXES - n)] : absent;
}

static void find_window(
    const struct ref_call *call, const int64_t *kernel, struct window *window)
{
    const char *const mode = ref_text(call, "auto_pad", "NOTSET");
    const struct cop_shape volume = as_volume(&call->src[0].shape);
    const int n_axes = call->src[0].shape.rank - 2;
    int64_t pads[2 * AXES] = {0};
    spatial(call, "strides", 1, window->strides);
    spatial(call, "dilations", 1, window->dilations);
    (void)ref_ints(call, "pads", pads, 2 * AXES);
    for (int i = 0; i < AXES; i++) {
        window->kernel[i] = kernel[i];
        const int given = i - (AXES - n_axes);
        const bool is_given = strcmp(mode, "NOTSET") == 0 && given >= 0;
        const int64_t extent = volume.dim[2 + i];
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

static struct cop_shape taps_of(const int64_t kernel[AXES])
{
    return cop_shape_make(AXES, kernel);
}

/* ---- convolution ---------------------------------------------------------------------- */

/* One result, at[] = sample, channel, places. */
static double conv_at(
    struct ref_call *call, const struct window *window, const int64_t *at)
{
    const struct ref_tensor *const src = &call->src[0];
    const struct ref_tensor *const weights = &call->src[1];
    const struct cop_shape volume = as_volume(&src->shape);
    const struct cop_shape kernels = as_volume(&weights->shape);
    const struct cop_shape taps = taps_of(window->kernel);
    const int64_t ic = weights->shape.dim[1];
    const int64_t oc = weights->shape.dim[0] / ref_int(call, "group", 1);
    double sum = ref_has(call, 2) ? call->src[2].at[at[1]] : 0.0;
    for (int64_t c = 0; c < ic; c++) {
        for (int64_t k = 0; k < cop_shape_n(&taps); k++) {
            int64_t w_at[2 + AXES] = {at[1], c};
            int64_t s_at[2 + AXES] = {at[0], at[1] / oc * ic + c};
            bool is_inside = true;
            ref_unravel(&taps, k, &w_at[2]);
            for (int i = 0; i < AXES; i++) {
                s_at[2 + i] = tap(window, i, at[2 + i], w_at[2 + i]);
                is_inside =
                    is_inside && s_at[2 + i] >= 0 && s_at[2 + i] < volume.dim[2 + i];
            }
            call->macs++;
            if (is_inside)
                sum += src->at[ref_ravel(&volume, s_at)] *
                       weights->at[ref_ravel(&kernels, w_at)];
        }
    }
    return sum;
}

static void conv(struct ref_call *call)
{
    struct window window;
    const struct cop_shape kernels = as_volume(&call->src[1].shape);
    find_window(call, &kernels.dim[2], &window);
    const struct cop_shape shape = {
        2 + AXES,
        {call->src[0].shape.dim[0],
         call->src[1].shape.dim[0],
         window.n[0],
         window.n[1],
         window.n[2]}};
    const struct cop_shape result = like_source(call, &shape);
    ref_make(&call->dst[0], COP_F32, &result);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        call->dst[0].at[i] = conv_at(call, &window, at);
    }
}

/* Where the result starts among all that the windows reach, and its extents. */
static struct cop_shape transposed_shape(
    const struct ref_call *call, int64_t first[AXES])
{
    const struct cop_shape src = as_volume(&call->src[0].shape);
    const struct cop_shape kernels = as_volume(&call->src[1].shape);
    const char *const mode = ref_text(call, "auto_pad", "NOTSET");
    const int n_axes = call->src[0].shape.rank - 2;
    int64_t strides[AXES];
    int64_t dilations[AXES];
    int64_t longer[AXES];
    int64_t wanted[AXES];
    int64_t pads[2 * AXES] = {0};
    spatial(call, "strides", 1, strides);
    spatial(call, "dilations", 1, dilations);
    spatial(call, "output_padding", 0, longer);
    spatial(call, "output_shape", 0, wanted);
    (void)ref_ints(call, "pads", pads, 2 * AXES);
    struct cop_shape shape = {
        2 + AXES, {src.dim[0], kernels.dim[1] * ref_int(call, "group", 1), 1, 1, 1}};
    for (int i = AXES - n_axes; i < AXES; i++) {
        const int given = i - (AXES - n_axes);
        const int64_t full = strides[i] * (src.dim[2 + i] - 1) + longer[i] +
                             (kernels.dim[2 + i] - 1) * dilations[i] + 1;
        if (strncmp(mode, "SAME", 4) == 0) wanted[i] = src.dim[2 + i] * strides[i];
        first[i] = pads[given];
        shape.dim[2 + i] = full - first[i] - pads[n_axes + given];
        if (wanted[i] == 0) continue;
        const int64_t total = full - wanted[i];
        first[i] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        if (total < 0) first[i] = 0;
        shape.dim[2 + i] = wanted[i];
    }
    return shape;
}

/* Adds what one source element gives to the results. */
static void scatter(
    struct ref_call *call,
    const struct cop_shape *shape,
    const int64_t first[AXES],
    int64_t i)
{
    const struct cop_shape src = as_volume(&call->src[0].shape);
    const struct cop_shape kernels = as_volume(&call->src[1].shape);
    const struct cop_shape taps = {
        1 + AXES, {kernels.dim[1], kernels.dim[2], kernels.dim[3], kernels.dim[4]}};
    int64_t strides[AXES];
    int64_t dilations[AXES];
    int64_t at[COP_MAX_RANK];
    spatial(call, "strides", 1, strides);
    spatial(call, "dilations", 1, dilations);
    ref_unravel(&src, i, at);
    const int64_t g = at[1] / (src.dim[1] / ref_int(call, "group", 1));
    for (int64_t k = 0; k < cop_shape_n(&taps); k++) {
        int64_t w[COP_MAX_RANK] = {at[1]};
        ref_unravel(&taps, k, &w[1]);
        int64_t to[2 + AXES] = {at[0], g * kernels.dim[1] + w[1]};
        bool is_inside = true;
        for (int axis = 0; axis < AXES; axis++) {
            const int64_t place = at[2 + axis] * strides[axis] +
                                  w[2 + axis] * dilations[axis] - first[axis];
            to[2 + axis] = place;
            is_inside = is_inside && place >= 0 && place < shape->dim[2 + axis];
        }
        call->macs++;
        if (is_inside)
            call->dst[0].at[ref_ravel(shape, to)] +=
                call->src[0].at[i] * call->src[1].at[ref_ravel(&kernels, w)];
    }
}

/* Scatters every source element through its weights; what falls outside is cropped. */
static void conv_transpose(struct ref_call *call)
{
    int64_t first[AXES] = {0};
    const struct cop_shape shape = transposed_shape(call, first);
    const struct cop_shape result = like_source(call, &shape);
    ref_make(&call->dst[0], COP_F32, &result);
    for (int64_t i = 0; ref_has(call, 2) && i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        call->dst[0].at[i] = call->src[2].at[at[1]];
    }
    for (int64_t i = 0; i < ref_n(&call->src[0]); i++)
        scatter(call, &shape, first, i);
}

/* ---- pools ---------------------------------------------------------------------------- */

static double pool_at(
    const struct ref_call *call, const struct window *window, const int64_t *at)
{
    const struct ref_tensor *const src = &call->src[0];
    const struct cop_shape volume = as_volume(&src->shape);
    const struct cop_shape taps = taps_of(window->kernel);
    const bool is_max = strcmp(call->op, "MaxPool") == 0;
    const bool is_lp = strcmp(call->op, "LpPool") == 0;
    const double p = (double)ref_int(call, "p", 2);
    const bool counts_pads = ref_int(call, "count_include_pad", 0) != 0;
    double result = is_max ? -INFINITY : 0.0;
    int64_t n = 0;
    for (int64_t k = 0; k < cop_shape_n(&taps); k++) {
        int64_t steps[COP_MAX_RANK];
        int64_t s_at[2 + AXES] = {at[0], at[1]};
        bool is_inside = true;
        bool is_padded = true;
        ref_unravel(&taps, k, steps);
        for (int i = 0; i < AXES; i++) {
            const int64_t extent = volume.dim[2 + i];
            s_at[2 + i] = tap(window, i, at[2 + i], steps[i]);
            is_inside = is_inside && s_at[2 + i] >= 0 && s_at[2 + i] < extent;
            is_padded = is_padded && s_at[2 + i] < extent + window->pads_r[i];
        }
        n += is_inside || (counts_pads && is_padded);
        if (!is_inside) continue;
        const double x = src->at[ref_ravel(&volume, s_at)];
        result = is_max ? fmax(result, x) : result + (is_lp ? pow(fabs(x), p) : x);
    }
    if (is_lp) return pow(result, 1.0 / p);
    return is_max ? result : result / (double)n;
}

static void pool(struct ref_call *call)
{
    struct window window;
    int64_t kernel[AXES];
    spatial(call, "kernel_shape", 1, kernel);
    find_window(call, kernel, &window);
    struct cop_shape shape = as_volume(&call->src[0].shape);
    for (int i = 0; i < AXES; i++)
        shape.dim[2 + i] = window.n[i];
    const struct cop_shape result = like_source(call, &shape);
    ref_make(&call->dst[0], call->src[0].dtype, &result);
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
