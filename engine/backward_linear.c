/* engine/backward_linear.c - gradients of convolution and matrix product: matrix products
 * over image columns (im2col), one image and group at a time, in a fixed order. */
#include "engine/backward.h"

/* ---- columns ------------------------------------------------------------------------------ */

/* One group of one image: src [icg][ih][iw], columns [icg][kh][kw][oh][ow]. */
struct columns {
    const struct cop_window *window;
    int64_t icg;
    int64_t in[2];
    int64_t out[2];
};

size_t cop_plan__n_columns(const struct cop_plan *plan, const struct cop_prim *prim)
{
    if (prim->kind != COP_PRIM_CONV && prim->kind != COP_PRIM_DECONV) return 0;
    const bool is_conv = prim->kind == COP_PRIM_CONV;
    const struct cop_shape *weights = cop_plan__shape(plan, prim->srcs[1]);
    const struct cop_shape *dst =
        cop_plan__shape(plan, is_conv ? prim->dst : prim->srcs[0]);
    return (size_t)(cop_shape_span(weights, 1, 4) * dst->dim[2] * dst->dim[3]);
}

/* The span of results whose window column k of axis i falls inside the image. */
static void inside(
    const struct columns *shape, int i, int64_t k, int64_t *first, int64_t *last)
{
    const struct cop_window *window = shape->window;
    int64_t shift = k * window->dilates[i] - window->pads_l[i];
    int64_t stride = window->strides[i];
    *first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    *last = shape->in[i] > shift ? (shape->in[i] - 1 - shift) / stride + 1 : 0;
    if (*last > shape->out[i]) *last = shape->out[i];
    if (*first > *last) *first = *last;
}

/* Moves one line of results between image and columns; back: adds to the image. */
static void move_line(
    const struct columns *shape, float *image, float *line, int64_t kx, bool back)
{
    int64_t first;
    int64_t last;
    inside(shape, 1, kx, &first, &last);
    const struct cop_window *window = shape->window;
    int64_t at =
        first * window->strides[1] + kx * window->dilates[1] - window->pads_l[1];
    for (int64_t x = 0; !back && x < shape->out[1]; x++)
        line[x] = 0.0f;
    for (int64_t x = first; x < last; x++, at += window->strides[1]) {
        if (back)
            image[at] += line[x];
        else
            line[x] = image[at];
    }
}

static void move_columns(
    const struct columns *shape, float *image, float *columns, bool back)
{
    const struct cop_window *window = shape->window;
    int64_t n_lines = shape->icg * window->kernel[0] * window->kernel[1];
    for (int64_t k = 0; k < n_lines; k++) {
        int64_t kx = k % window->kernel[1];
        int64_t ky = k / window->kernel[1] % window->kernel[0];
        int64_t c = k / window->kernel[1] / window->kernel[0];
        int64_t first;
        int64_t last;
        inside(shape, 0, ky, &first, &last);
        for (int64_t y = 0; y < shape->out[0]; y++) {
            float *line = columns + (k * shape->out[0] + y) * shape->out[1];
            int64_t row =
                y * window->strides[0] + ky * window->dilates[0] - window->pads_l[0];
            if (y >= first && y < last) {
                move_line(
                    shape,
                    image + (c * shape->in[0] + row) * shape->in[1],
                    line,
                    kx,
                    back);
                continue;
            }
            for (int64_t x = 0; !back && x < shape->out[1]; x++)
                line[x] = 0.0f;
        }
    }
}

/* ---- convolution ---------------------------------------------------------------------------- */

static void grad_conv_bias(const struct cop_plan *plan, const struct cop_prim *prim)
{
    const struct cop_shape *dst = cop_plan__shape(plan, prim->dst);
    const float *diff = cop_plan__grad(plan, prim->dst)->diff;
    float *bias = cop_plan__grad(plan, prim->srcs[2])->diff;
    int64_t image = dst->dim[2] * dst->dim[3];
    for (int64_t c = 0; c < dst->dim[1]; c++) {
        double sum = 0.0;
        for (int64_t n = 0; n < dst->dim[0]; n++) {
            for (int64_t i = 0; i < image; i++)
                sum += (double)diff[(n * dst->dim[1] + c) * image + i];
        }
        bias[c] += (float)sum;
    }
}

enum cop_status cop_plan__grad_conv(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *weights = cop_plan__grad(plan, prim->srcs[1]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *out = cop_plan__shape(plan, prim->dst);
    int64_t g = prim->as.conv.g;
    const struct columns shape = {
        .window = &prim->as.conv.window,
        .icg = in->dim[1] / g,
        .in = {in->dim[2], in->dim[3]},
        .out = {out->dim[2], out->dim[3]},
    };
    int64_t ocg = out->dim[1] / g;
    int64_t image = out->dim[2] * out->dim[3];
    int64_t taps = cop_shape_span(cop_plan__shape(plan, prim->srcs[1]), 1, 4);
    int64_t in_step = shape.icg * shape.in[0] * shape.in[1];
    /* diff_weights [ocg][taps] += diff_dst [ocg][image] * columns [taps][image]^T */
    const struct cop_sgemm by_weights = {
        .transpose_b = true, .m = ocg, .n = taps, .k = image, .beta = 1.0f};
    /* columns [taps][image] = weights [ocg][taps]^T * diff_dst [ocg][image] */
    const struct cop_sgemm by_src = {
        .transpose_a = true, .m = taps, .n = image, .k = ocg};
    float *columns = plan->backward->columns;
    for (int64_t i = 0; i < in->dim[0] * g; i++) { /* image and group */
        const float *diff = dst->diff + i * ocg * image;
        int64_t first = i % g * ocg * taps;
        /* Reading does not change the image; one loop serves both directions. */
        union {
            const float *in;
            float *out;
        } pixels = {.in = src->value + i * in_step};
        move_columns(&shape, pixels.out, columns, false);
        COP_TRY(cop_dnnl_sgemm(&by_weights, diff, columns, weights->diff + first, err));
        COP_TRY(cop_dnnl_sgemm(&by_src, weights->value + first, diff, columns, err));
        move_columns(&shape, src->diff + i * in_step, columns, true);
    }
    if (prim->srcs[2] >= 0) grad_conv_bias(plan, prim);
    return COP_OK;
}

/* ---- deconvolution ------------------------------------------------------------------------- */

/* The adjoint of a convolution that has dst as its image and src as its result. */
enum cop_status cop_plan__grad_deconv(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *weights = cop_plan__grad(plan, prim->srcs[1]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    const struct cop_shape *in = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *out = cop_plan__shape(plan, prim->dst);
    int64_t g = prim->as.deconv.g;
    const struct columns shape = {
        .window = &prim->as.deconv.window,
        .icg = out->dim[1] / g,
        .in = {out->dim[2], out->dim[3]},
        .out = {in->dim[2], in->dim[3]},
    };
    int64_t icg = in->dim[1] / g;
    int64_t image = in->dim[2] * in->dim[3];
    int64_t taps = cop_shape_span(cop_plan__shape(plan, prim->srcs[1]), 1, 4);
    int64_t out_step = shape.icg * shape.in[0] * shape.in[1];
    /* diff_src [icg][image] += weights [icg][taps] * columns [taps][image] */
    const struct cop_sgemm by_src = {.m = icg, .n = image, .k = taps, .beta = 1.0f};
    /* diff_weights [icg][taps] += src [icg][image] * columns [taps][image]^T */
    const struct cop_sgemm by_weights = {
        .transpose_b = true, .m = icg, .n = taps, .k = image, .beta = 1.0f};
    float *columns = plan->backward->columns;
    for (int64_t i = 0; i < in->dim[0] * g; i++) { /* image and group */
        int64_t first = i % g * icg * taps;
        int64_t at = i * icg * image;
        move_columns(&shape, dst->diff + i * out_step, columns, false);
        COP_TRY(cop_dnnl_sgemm(
            &by_src, weights->value + first, columns, src->diff + at, err));
        COP_TRY(cop_dnnl_sgemm(
            &by_weights, src->value + at, columns, weights->diff + first, err));
    }
    if (prim->srcs[2] >= 0) grad_conv_bias(plan, prim);
    return COP_OK;
}

/* ---- matrix product --------------------------------------------------------------------------- */

/* Where matrix @p i of the result's leading axes lies in an operand that broadcasts. */
static int64_t matrix_of(
    const struct cop_shape *own, const struct cop_shape *dst, int64_t i)
{
    int64_t at = 0;
    int64_t step = 1;
    int32_t lead = dst->rank - own->rank;
    for (int32_t axis = dst->rank - 3; axis >= 0; axis--) {
        int64_t index = i % dst->dim[axis];
        i /= dst->dim[axis];
        if (axis < lead) continue;
        if (own->dim[axis - lead] != 1) at += index * step;
        step *= own->dim[axis - lead];
    }
    return at * own->dim[own->rank - 2] * own->dim[own->rank - 1];
}

/* One matrix: y [m][n] = op(a) op(b); each operand stored as it is or transposed. */
struct product {
    int64_t m;
    int64_t n;
    int64_t k;
    bool ta; /* a is stored [k][m] */
    bool tb; /* b is stored [n][k] */
};

static enum cop_status grad_a(
    const struct product *p,
    const float *b,
    const float *diff,
    float *a,
    struct cop_err *err)
{
    if (p->ta) {
        const struct cop_sgemm gemm = {p->tb, true, p->k, p->m, p->n, 1.0f};
        return cop_dnnl_sgemm(&gemm, b, diff, a, err);
    }
    const struct cop_sgemm gemm = {false, !p->tb, p->m, p->k, p->n, 1.0f};
    return cop_dnnl_sgemm(&gemm, diff, b, a, err);
}

static enum cop_status grad_b(
    const struct product *p,
    const float *a,
    const float *diff,
    float *b,
    struct cop_err *err)
{
    if (p->tb) {
        const struct cop_sgemm gemm = {true, p->ta, p->n, p->k, p->m, 1.0f};
        return cop_dnnl_sgemm(&gemm, diff, a, b, err);
    }
    const struct cop_sgemm gemm = {!p->ta, false, p->k, p->n, p->m, 1.0f};
    return cop_dnnl_sgemm(&gemm, a, diff, b, err);
}

enum cop_status cop_plan__grad_matmul(
    const struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    const struct cop_shape *dst = cop_plan__shape(plan, prim->dst);
    const struct cop_shape *a_shape = cop_plan__shape(plan, prim->srcs[0]);
    const struct cop_shape *b_shape = cop_plan__shape(plan, prim->srcs[1]);
    const struct cop_grad *a = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *b = cop_plan__grad(plan, prim->srcs[1]);
    struct product product = {
        .m = dst->dim[dst->rank - 2],
        .n = dst->dim[dst->rank - 1],
        .ta = prim->as.matmul.transpose_src,
        .tb = prim->as.matmul.transpose_weights,
    };
    product.k = a_shape->dim[a_shape->rank - (product.ta ? 2 : 1)];
    int64_t each = product.m * product.n;
    for (int64_t i = 0; i < cop_shape_n(dst) / each; i++) {
        const float *diff = cop_plan__grad(plan, prim->dst)->diff + i * each;
        int64_t at_a = matrix_of(a_shape, dst, i);
        int64_t at_b = matrix_of(b_shape, dst, i);
        COP_TRY(grad_a(&product, b->value + at_b, diff, a->diff + at_a, err));
        COP_TRY(grad_b(&product, a->value + at_a, diff, b->diff + at_b, err));
    }
    if (prim->srcs[2] < 0) return COP_OK;
    const struct cop_grad *bias = cop_plan__grad(plan, prim->srcs[2]);
    for (int64_t c = 0; c < product.n; c++) {
        double sum = 0.0;
        for (int64_t row = 0; row < cop_shape_n(dst) / product.n; row++)
            sum += (double)cop_plan__grad(plan, prim->dst)->diff[row * product.n + c];
        bias->diff[c] += (float)sum;
    }
    return COP_OK;
}
