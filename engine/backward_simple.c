/* engine/backward_simple.c - gradients of the element-wise and reducing primitives, as
 * plain loops in a fixed order. */
#include "engine/backward.h"

#include "base/mem.h"

#include <math.h>

/* ---- eltwise ------------------------------------------------------------------------------ */

static const double tau = 6.283185307179586;

/* Of x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3). */
static double gelu_tanh_slope(double x)
{
    const double factor = sqrt(4.0 / tau);
    const double t = tanh(factor * (x + 0.044715 * x * x * x));
    const double u_slope = factor * (1.0 + 3.0 * 0.044715 * x * x);
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * u_slope;
}

/* d dst / d src at source x and result y. */
static double slope(const struct cop_prim *prim, double x, double y)
{
    double alpha = (double)prim->as.eltwise.alpha;
    double beta = (double)prim->as.eltwise.beta;
    switch (prim->as.eltwise.alg) {
    case COP_ELTWISE_RELU: return x > 0.0 ? 1.0 : alpha;
    case COP_ELTWISE_CLIP: return x > alpha && x < beta ? 1.0 : 0.0;
    case COP_ELTWISE_LOGISTIC: return y * (1.0 - y);
    case COP_ELTWISE_TANH: return 1.0 - y * y;
    case COP_ELTWISE_ELU: return x > 0.0 ? 1.0 : y + alpha;
    case COP_ELTWISE_LINEAR: return alpha;
    case COP_ELTWISE_EXP: return y;
    case COP_ELTWISE_LOG: return 1.0 / x;
    case COP_ELTWISE_SQRT: return 0.5 / y;
    case COP_ELTWISE_ABS: return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0;
    case COP_ELTWISE_POW: return beta == 0.0 ? 0.0 : alpha * beta * pow(x, beta - 1.0);
    case COP_ELTWISE_SOFTPLUS: return 1.0 / (1.0 + exp(-x));
    case COP_ELTWISE_GELU_ERF:
        return 0.5 * (1.0 + erf(x / sqrt(2.0))) + x * exp(-x * x / 2.0) / sqrt(tau);
    case COP_ELTWISE_GELU_TANH: return gelu_tanh_slope(x);
    case COP_ELTWISE_ROUND: return 1.0; /* straight through; see emit.h */
    case COP_ELTWISE_ERF: return 2.0 * exp(-x * x) / sqrt(tau / 2.0);
    case COP_ELTWISE_FLOOR:
    case COP_ELTWISE_CEIL:
    case COP_ELTWISE_TRUNC:
    case COP_ELTWISE_SIGN: break;
    }
    return 0.0;
}

enum cop_status cop_plan__grad_eltwise(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    for (int64_t i = 0; i < src->n; i++)
        src->diff[i] += (float)((double)dst->diff[i] *
                                slope(prim, (double)src->value[i], (double)dst->value[i]));
    return COP_OK;
}

/* ---- binary ------------------------------------------------------------------------------- */

/* d dst / d src0 and d dst / d src1. */
static void slopes(enum cop_binary_alg alg, double a, double b, double slope_of[2])
{
    slope_of[0] = 1.0;
    slope_of[1] = 1.0;
    switch (alg) {
    case COP_BINARY_ADD: break;
    case COP_BINARY_SUB: slope_of[1] = -1.0; break;
    case COP_BINARY_MUL:
        slope_of[0] = b;
        slope_of[1] = a;
        break;
    case COP_BINARY_DIV:
        slope_of[0] = 1.0 / b;
        slope_of[1] = -a / (b * b);
        break;
    case COP_BINARY_MAX:
        slope_of[0] = a > b ? 1.0 : 0.0;
        slope_of[1] = a > b ? 0.0 : 1.0;
        break;
    case COP_BINARY_MIN:
        slope_of[0] = a < b ? 1.0 : 0.0;
        slope_of[1] = a < b ? 0.0 : 1.0;
        break;
    case COP_BINARY_POW:
        slope_of[0] = b < 0.0 || b > 0.0 ? b * pow(a, b - 1.0) : 0.0;
        slope_of[1] = a > 0.0 ? pow(a, b) * log(a) : 0.0;
        break;
    case COP_BINARY_PRELU:
        slope_of[0] = a >= 0.0 ? 1.0 : b;
        slope_of[1] = a >= 0.0 ? 0.0 : a;
        break;
    case COP_BINARY_EQUAL:
    case COP_BINARY_GREATER:
    case COP_BINARY_GREATER_EQUAL:
        slope_of[0] = 0.0;
        slope_of[1] = 0.0;
        break;
    }
}

void cop_plan__strides_along(
    const struct cop_shape *own, const struct cop_shape *dst, int64_t *strides)
{
    int32_t lead = dst->rank - own->rank;
    for (int32_t i = 0; i < dst->rank; i++) {
        bool real = i >= lead && own->dim[i - lead] == dst->dim[i];
        strides[i] = real ? cop_shape_span(own, i - lead + 1, own->rank) : 0;
    }
}

/* Calls for every element of the result with the offsets of both operands. */
enum cop_status cop_plan__grad_binary(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    const struct cop_grad *a = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *b = cop_plan__grad(plan, prim->srcs[1]);
    int64_t stride[2][COP_MAX_RANK] = {{0}};
    int64_t index[COP_MAX_RANK] = {0};
    int64_t at[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        cop_plan__strides_along(cop_plan__shape(plan, prim->srcs[i]), shape, stride[i]);
    for (int64_t k = 0; k < dst->n; k++) {
        double slope_of[2];
        double diff = (double)dst->diff[k];
        slopes(
            prim->as.binary,
            (double)a->value[at[0]],
            (double)b->value[at[1]],
            slope_of);
        a->diff[at[0]] += (float)(diff * slope_of[0]);
        b->diff[at[1]] += (float)(diff * slope_of[1]);
        for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
            index[axis]++;
            at[0] += stride[0][axis];
            at[1] += stride[1][axis];
            if (index[axis] < shape->dim[axis]) break;
            at[0] -= stride[0][axis] * shape->dim[axis];
            at[1] -= stride[1][axis] * shape->dim[axis];
            index[axis] = 0;
        }
    }
    return COP_OK;
}

/* ---- normalise ------------------------------------------------------------------------------ */

enum cop_status cop_plan__grad_normalise(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    const struct cop_grad *params[4]; /* scale, shift, mean, variance */
    for (int i = 0; i < 4; i++)
        params[i] = cop_plan__grad(plan, prim->srcs[1 + i]);
    int64_t inner = cop_shape_span(shape, 2, shape->rank);
    for (int64_t c = 0; c < shape->dim[1]; c++) {
        double scale = (double)params[0]->value[c];
        double mean = (double)params[2]->value[c];
        double r = 1.0 / sqrt((double)params[3]->value[c] + (double)prim->as.epsilon);
        double sum = 0.0;         /* of the gradient */
        double sum_centred = 0.0; /* of gradient * (src - mean) */
        for (int64_t n = 0; n < shape->dim[0]; n++) {
            int64_t first = (n * shape->dim[1] + c) * inner;
            for (int64_t i = first; i < first + inner; i++) {
                double diff = (double)dst->diff[i];
                src->diff[i] += (float)(diff * scale * r);
                sum += diff;
                sum_centred += diff * ((double)src->value[i] - mean);
            }
        }
        params[0]->diff[c] += (float)(sum_centred * r);
        params[1]->diff[c] += (float)sum;
        params[2]->diff[c] += (float)(-sum * scale * r);
        params[3]->diff[c] += (float)(-0.5 * sum_centred * scale * r * r * r);
    }
    return COP_OK;
}

/* ---- softmax -------------------------------------------------------------------------------- */

enum cop_status cop_plan__grad_softmax(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_shape *shape = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    int32_t axis = prim->as.softmax.axis;
    bool logarithm = prim->as.softmax.logarithm;
    int64_t step = cop_shape_span(shape, axis + 1, shape->rank);
    int64_t n = shape->dim[axis];
    for (int64_t line = 0; line < dst->n / n; line++) {
        int64_t first = line / step * step * n + line % step;
        double sum = 0.0;
        for (int64_t i = 0; i < n; i++) {
            double diff = (double)dst->diff[first + i * step];
            sum += logarithm ? diff : diff * (double)dst->value[first + i * step];
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t at = first + i * step;
            double diff = (double)dst->diff[at];
            double y = (double)dst->value[at];
            src->diff[at] +=
                (float)(logarithm ? diff - exp(y) * sum : y * (diff - sum));
        }
    }
    return COP_OK;
}

/* ---- reduce --------------------------------------------------------------------------------- */

static double product_but(
    const struct cop_grad *src, const int64_t *at, int64_t i, int64_t n)
{
    double product = 1.0;
    for (int64_t k = 0; k < n; k++)
        if (k != i && at[k] == at[i]) product *= (double)src->value[k];
    return product;
}

/* d dst / d src is the product of the others: a quotient but where src is 0.
 * @param at the element of the result that each source element falls into */
static void grad_product(
    const struct cop_grad *src, const struct cop_grad *dst, const int64_t *at)
{
    for (int64_t i = 0; i < src->n; i++) {
        const double x = (double)src->value[i];
        const double others = x < 0.0 || x > 0.0 ? (double)dst->value[at[i]] / x
                                                 : product_but(src, at, i, src->n);
        src->diff[i] += (float)((double)dst->diff[at[i]] * others);
    }
}

/* The element of the result that source element @p i falls into. */
static int64_t result_of(
    const struct cop_shape *src, uint32_t axes, int64_t i, const int64_t *strides)
{
    int64_t at = 0;
    for (int32_t axis = src->rank - 1; axis >= 0; axis--) {
        if ((axes >> axis & 1u) == 0) at += i % src->dim[axis] * strides[axis];
        i /= src->dim[axis];
    }
    return at;
}

enum cop_status cop_plan__grad_reduce(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_shape *shape = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    uint32_t axes = prim->as.reduce.axes;
    int64_t strides[COP_MAX_RANK] = {0};
    int64_t step = 1;
    for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
        strides[axis] = step;
        if ((axes >> axis & 1u) == 0) step *= shape->dim[axis];
    }
    double share =
        prim->as.reduce.alg == COP_REDUCE_MEAN ? (double)dst->n / (double)src->n : 1.0;
    const enum cop_reduce_alg alg = prim->as.reduce.alg;
    if (alg == COP_REDUCE_ARG_MAX || alg == COP_REDUCE_ARG_MAX_LAST) return COP_OK;
    if (alg == COP_REDUCE_PROD) {
        int64_t *places = cop_mem_array((size_t)src->n, sizeof *places);
        if (places == NULL) return COP_FAIL_NOMEM(err);
        for (int64_t i = 0; i < src->n; i++)
            places[i] = result_of(shape, axes, i, strides);
        grad_product(src, dst, places);
        cop_mem_free(places);
        return COP_OK;
    }
    /* Of equal extremes the first one takes the gradient. */
    bool is_max = alg == COP_REDUCE_MAX || alg == COP_REDUCE_MIN;
    bool *taken = is_max ? cop_mem_array((size_t)dst->n, sizeof *taken) : NULL;
    if (is_max && taken == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < src->n; i++) {
        int64_t at = result_of(shape, axes, i, strides);
        if (is_max && (taken[at] || src->value[i] != dst->value[at])) continue;
        if (is_max) taken[at] = true;
        src->diff[i] += (float)((double)dst->diff[at] * share);
    }
    cop_mem_free(taken);
    return COP_OK;
}

/* ---- pooling -------------------------------------------------------------------------------- */

/* The part of one window inside the image, as kernel indices [first, last) of an axis. */
static void clip_window(
    const struct cop_window *window, int i, int64_t at, int64_t in, int64_t span[2])
{
    int64_t shift = at * window->strides[i] - window->pads_l[i];
    int64_t d = window->dilates[i];
    span[0] = shift < 0 ? (-shift + d - 1) / d : 0;
    span[1] = in > shift ? (in - 1 - shift) / d + 1 : 0;
    if (span[1] > window->kernel[i]) span[1] = window->kernel[i];
    if (span[0] > span[1]) span[0] = span[1];
}

/* One channel of one image. */
struct plane {
    const struct cop_window *window;
    enum cop_pool_alg alg;
    int64_t in[2];
    int64_t out[2];
    const float *src;
    float *diff_src;
    const float *diff_dst;
};

static void grad_window(const struct plane *plane, int64_t y, int64_t x)
{
    const struct cop_window *window = plane->window;
    int64_t rows[2];
    int64_t columns[2];
    clip_window(window, 0, y, plane->in[0], rows);
    clip_window(window, 1, x, plane->in[1], columns);
    double diff = (double)plane->diff_dst[y * plane->out[1] + x];
    int64_t n = (rows[1] - rows[0]) * (columns[1] - columns[0]);
    if (n == 0) return;
    if (plane->alg == COP_POOL_AVG_INCLUDE_PADDING)
        n = window->kernel[0] * window->kernel[1];
    int64_t winner = -1;
    for (int64_t ky = rows[0]; ky < rows[1]; ky++) {
        for (int64_t kx = columns[0]; kx < columns[1]; kx++) {
            int64_t row =
                y * window->strides[0] - window->pads_l[0] + ky * window->dilates[0];
            int64_t column =
                x * window->strides[1] - window->pads_l[1] + kx * window->dilates[1];
            int64_t at = row * plane->in[1] + column;
            if (plane->alg != COP_POOL_MAX)
                plane->diff_src[at] += (float)(diff / (double)n);
            else if (winner < 0 || plane->src[at] > plane->src[winner])
                winner = at;
        }
    }
    if (winner >= 0) plane->diff_src[winner] += (float)diff;
}

enum cop_status cop_plan__grad_pool(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    (void)err;
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *out = cop_plan__shape(plan, prim->dst);
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    struct plane plane = {
        .window = &prim->as.pool.window,
        .alg = prim->as.pool.alg,
        .in = {in->dim[2], in->dim[3]},
        .out = {out->dim[2], out->dim[3]},
    };
    for (int64_t p = 0; p < in->dim[0] * in->dim[1]; p++) {
        plane.src = src->value + p * plane.in[0] * plane.in[1];
        plane.diff_src = src->diff + p * plane.in[0] * plane.in[1];
        plane.diff_dst = dst->diff + p * plane.out[0] * plane.out[1];
        for (int64_t i = 0; i < plane.out[0] * plane.out[1]; i++)
            grad_window(&plane, i / plane.out[1], i % plane.out[1]);
    }
    return COP_OK;
}
