/* tests/importers/keras_reference.c - see keras_reference.h. */
#include "keras_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct keras_array keras_array(int rank, const int64_t *dim)
{
    struct keras_array array = {.rank = rank};
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= array.dim[i] = dim[i];
    array.at = calloc((size_t)n + 1, sizeof *array.at);
    if (array.at == NULL) abort();
    return array;
}

int64_t keras_count(const struct keras_array *array)
{
    int64_t n = 1;
    for (int i = 0; i < array->rank; i++)
        n *= array->dim[i];
    return n;
}

static struct keras_array like(const struct keras_array *x)
{
    return keras_array(x->rank, x->dim);
}

static struct keras_array image(int64_t h, int64_t w, int64_t c)
{
    return keras_array(3, (const int64_t[]){h, w, c});
}

/* x[h][w][c], and 0 outside. */
static double pixel(const struct keras_array *x, int64_t h, int64_t w, int64_t c)
{
    if (h < 0 || w < 0 || h >= x->dim[0] || w >= x->dim[1]) return 0;
    return x->at[(h * x->dim[1] + w) * x->dim[2] + c];
}

/* ---- windows --------------------------------------------------------------------- */

/* One axis of a window: how many results, and how many zeros come first. */
struct walk {
    int64_t n;
    int64_t before;
};

static struct walk walk(int64_t extent, int64_t reach, int64_t stride, int is_same)
{
    if (!is_same) return (struct walk){(extent - reach) / stride + 1, 0};
    const int64_t n = (extent + stride - 1) / stride;
    const int64_t missing = (n - 1) * stride + reach - extent;
    return (struct walk){n, missing > 0 ? missing / 2 : 0};
}

/* Sum over one window and the channels [first, first + n) of kernel[.][.][i][out]. */
static double correlate(
    const struct keras_array *x,
    const struct keras_array *kernel,
    int64_t top,
    int64_t left,
    const double *p,
    int64_t first,
    int64_t out)
{
    const int64_t *k = kernel->dim;
    double sum = 0;
    for (int64_t i = 0; i < k[0]; i++)
        for (int64_t j = 0; j < k[1]; j++)
            for (int64_t c = 0; c < k[2]; c++)
                sum += pixel(
                           x,
                           top + i * (int64_t)p[2],
                           left + j * (int64_t)p[3],
                           first + c) *
                       kernel->at[((i * k[1] + j) * k[2] + c) * k[3] + out];
    return sum;
}

struct keras_array keras_conv(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t *k = w[0].dim;
    const struct walk h =
        walk(x->dim[0], (k[0] - 1) * (int64_t)p[2] + 1, (int64_t)p[0], (int)p[4]);
    const struct walk v =
        walk(x->dim[1], (k[1] - 1) * (int64_t)p[3] + 1, (int64_t)p[1], (int)p[4]);
    struct keras_array y = image(h.n, v.n, k[3]);
    const int64_t each = k[3] / (int64_t)p[5];
    for (int64_t i = 0; i < keras_count(&y); i++) {
        const int64_t out = i % k[3];
        const int64_t top = i / k[3] / v.n * (int64_t)p[0] - h.before;
        const int64_t left = i / k[3] % v.n * (int64_t)p[1] - v.before;
        y.at[i] = correlate(x, &w[0], top, left, p, out / each * k[2], out);
        if (p[6] != 0) y.at[i] += w[1].at[out];
    }
    return y;
}

/* A kernel [h][w][c][m] as the convolution of c groups that it is. */
struct keras_array keras_depthwise(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t *k = w[0].dim;
    struct keras_array grouped =
        keras_array(4, (const int64_t[]){k[0], k[1], 1, k[2] * k[3]});
    memcpy(grouped.at, w[0].at, (size_t)keras_count(&w[0]) * sizeof(double));
    const struct keras_array both[2] = {grouped, w[1]};
    const double numbers[7] = {p[0], p[1], p[2], p[3], p[4], (double)k[2], p[6]};
    struct keras_array y = keras_conv(x, both, numbers);
    free(grouped.at);
    return y;
}

struct keras_array keras_separable(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const double depth[7] = {p[0], p[1], p[2], p[3], p[4], 1, 0};
    const double point[7] = {1, 1, 1, 1, 0, 1, p[6]};
    struct keras_array middle = keras_depthwise(x, w, depth);
    struct keras_array y = keras_conv(&middle, w + 1, point);
    free(middle.at);
    return y;
}

/* Every pixel adds its multiple of the kernel [h][w][out][in]; then the borders go. */
struct keras_array keras_conv_transpose(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t *k = w[0].dim;
    int64_t n[2];
    int64_t before[2];
    for (int a = 0; a < 2; a++) {
        const int64_t stride = (int64_t)p[a];
        const int64_t full = (x->dim[a] - 1) * stride + k[a];
        const int64_t last = (x->dim[a] - 1) * stride;
        n[a] = p[2] != 0 ? x->dim[a] * stride : last + (k[a] > stride ? k[a] : stride);
        if (p[3] >= 0) n[a] = last + (p[2] != 0 ? k[a] % 2 : k[a]) + (int64_t)p[3];
        before[a] = full > n[a] ? (full - n[a]) / 2 : 0;
    }
    struct keras_array y = image(n[0], n[1], k[2]);
    for (int64_t i = 0; i < keras_count(&y); i++)
        y.at[i] = w[1].at[i % k[2]];
    for (int64_t i = 0; i < keras_count(x); i++)
        for (int64_t j = 0; j < k[0] * k[1] * k[2]; j++) {
            const int64_t c = i % k[3];
            const int64_t row =
                i / k[3] / x->dim[1] * (int64_t)p[0] + j / k[2] / k[1] - before[0];
            const int64_t col =
                i / k[3] % x->dim[1] * (int64_t)p[1] + j / k[2] % k[1] - before[1];
            if (row < 0 || col < 0 || row >= n[0] || col >= n[1]) continue;
            y.at[(row * n[1] + col) * k[2] + j % k[2]] +=
                x->at[i] * w[0].at[j * k[3] + c];
        }
    return y;
}

/* ---- per element and per channel --------------------------------------------------- */

struct keras_array keras_dense(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array shape = *x;
    const int64_t in = w[0].dim[0];
    const int64_t out = w[0].dim[1];
    shape.dim[x->rank - 1] = out;
    struct keras_array y = keras_array(shape.rank, shape.dim);
    for (int64_t i = 0; i < keras_count(&y); i++) {
        if (p[0] != 0) y.at[i] = w[1].at[i % out];
        for (int64_t c = 0; c < in; c++)
            y.at[i] += x->at[i / out * in + c] * w[0].at[c * out + i % out];
    }
    return y;
}

struct keras_array keras_batch_norm(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    const int64_t n = x->dim[x->rank - 1];
    const int has_gamma = p[0] != 0;
    const int has_beta = p[1] != 0;
    const struct keras_array *mean = &w[has_gamma + has_beta];
    for (int64_t i = 0; i < keras_count(x); i++) {
        const int64_t c = i % n;
        y.at[i] = (x->at[i] - mean[0].at[c]) / sqrt(mean[1].at[c] + p[2]);
        if (has_gamma) y.at[i] *= w[0].at[c];
        if (has_beta) y.at[i] += w[has_gamma].at[c];
    }
    return y;
}

struct keras_array keras_rescaling(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)w;
    for (int64_t i = 0; i < keras_count(x); i++)
        y.at[i] = x->at[i] * p[0] + p[1 + i % x->dim[x->rank - 1]];
    return y;
}

struct keras_array keras_normalization(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    const int64_t n = x->dim[x->rank - 1];
    for (int64_t i = 0; i < keras_count(x); i++) {
        const double mean = w[0].at != NULL ? w[0].at[i % n] : p[i % n];
        const double variance = w[1].at != NULL ? w[1].at[i % n] : p[n + i % n];
        y.at[i] = (x->at[i] - mean) / fmax(sqrt(variance), 1e-7);
    }
    return y;
}

struct keras_array keras_relu(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)w;
    for (int64_t i = 0; i < keras_count(x); i++)
        y.at[i] = fmin(x->at[i] < 0 ? p[1] * x->at[i] : x->at[i], p[0]);
    return y;
}

struct keras_array keras_elu(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)w;
    for (int64_t i = 0; i < keras_count(x); i++)
        y.at[i] = x->at[i] < 0 ? p[0] * expm1(x->at[i]) : x->at[i];
    return y;
}

struct keras_array keras_thresholded(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)w;
    for (int64_t i = 0; i < keras_count(x); i++)
        y.at[i] = x->at[i] > p[0] ? x->at[i] : 0;
    return y;
}

/* Slopes of one pixel stand for all where they are shared. */
struct keras_array keras_prelu(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)p;
    for (int64_t i = 0; i < keras_count(x); i++)
        y.at[i] = x->at[i] < 0 ? x->at[i] * w[0].at[i % keras_count(&w[0])] : x->at[i];
    return y;
}

struct keras_array keras_softmax(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    const int64_t n = x->dim[x->rank - 1];
    (void)w, (void)p;
    for (int64_t i = 0; i < keras_count(x); i++) {
        double sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += exp(x->at[i / n * n + c] - x->at[i]);
        y.at[i] = 1 / sum;
    }
    return y;
}

/* ---- pooling -------------------------------------------------------------------------- */

static struct keras_array pool(
    const struct keras_array *x, const double *p, int is_average)
{
    const struct walk h = walk(x->dim[0], (int64_t)p[0], (int64_t)p[2], (int)p[4]);
    const struct walk v = walk(x->dim[1], (int64_t)p[1], (int64_t)p[3], (int)p[4]);
    const int64_t n = x->dim[2];
    struct keras_array y = image(h.n, v.n, n);
    for (int64_t i = 0; i < keras_count(&y); i++) {
        double most = -INFINITY;
        double sum = 0;
        int inside = 0;
        for (int64_t k = 0; k < (int64_t)(p[0] * p[1]); k++) {
            const int64_t row =
                i / n / v.n * (int64_t)p[2] - h.before + k / (int64_t)p[1];
            const int64_t col =
                i / n % v.n * (int64_t)p[3] - v.before + k % (int64_t)p[1];
            if (row < 0 || col < 0 || row >= x->dim[0] || col >= x->dim[1]) continue;
            most = fmax(most, pixel(x, row, col, i % n));
            sum += pixel(x, row, col, i % n);
            inside++;
        }
        y.at[i] = is_average ? sum / inside : most;
    }
    return y;
}

struct keras_array keras_max_pool(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return pool(x, p, 0);
}

struct keras_array keras_average_pool(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return pool(x, p, 1);
}

static struct keras_array pool_all(
    const struct keras_array *x, const double *p, int is_average)
{
    const double all[5] = {(double)x->dim[0], (double)x->dim[1], 1, 1, 0};
    struct keras_array y = pool(x, all, is_average);
    if (p[0] != 0) return y;
    y.rank = 1;
    y.dim[0] = x->dim[2];
    return y;
}

struct keras_array keras_global_max(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return pool_all(x, p, 0);
}

struct keras_array keras_global_average(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return pool_all(x, p, 1);
}

/* ---- moves ---------------------------------------------------------------------------- */

static struct keras_array framed(
    const struct keras_array *x, double top, double bottom, double left, double right)
{
    struct keras_array y = image(
        x->dim[0] + (int64_t)(top + bottom),
        x->dim[1] + (int64_t)(left + right),
        x->dim[2]);
    for (int64_t i = 0; i < keras_count(&y); i++)
        y.at[i] = pixel(
            x,
            i / y.dim[2] / y.dim[1] - (int64_t)top,
            i / y.dim[2] % y.dim[1] - (int64_t)left,
            i % y.dim[2]);
    return y;
}

struct keras_array keras_zero_padding(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return framed(x, p[0], p[1], p[2], p[3]);
}

struct keras_array keras_cropping(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    (void)w;
    return framed(x, -p[0], -p[1], -p[2], -p[3]);
}

struct keras_array keras_nearest(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t n = x->dim[2];
    struct keras_array y =
        image(x->dim[0] * (int64_t)p[0], x->dim[1] * (int64_t)p[1], n);
    (void)w;
    for (int64_t i = 0; i < keras_count(&y); i++)
        y.at[i] = pixel(
            x,
            i / n / y.dim[1] / (int64_t)p[0],
            i / n % y.dim[1] / (int64_t)p[1],
            i % n);
    return y;
}

/* Weight of pixel @p j for result @p i: pixels' centres are their places, ends repeat. */
static double hat(int64_t i, int64_t j, int64_t extent, double factor)
{
    const double place =
        fmin(fmax(((double)i + 0.5) / factor - 0.5, 0), (double)extent - 1);
    return fmax(0, 1 - fabs(place - (double)j));
}

struct keras_array keras_bilinear(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t n = x->dim[2];
    struct keras_array y =
        image(x->dim[0] * (int64_t)p[0], x->dim[1] * (int64_t)p[1], n);
    (void)w;
    for (int64_t i = 0; i < keras_count(&y); i++)
        for (int64_t k = 0; k < x->dim[0] * x->dim[1]; k++)
            y.at[i] += hat(i / n / y.dim[1], k / x->dim[1], x->dim[0], p[0]) *
                       hat(i / n % y.dim[1], k % x->dim[1], x->dim[1], p[1]) *
                       x->at[k * n + i % n];
    return y;
}

struct keras_array keras_reshape(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    int64_t dim[KERAS_AXES];
    (void)w;
    for (int i = 0; i < (int)p[0]; i++)
        dim[i] = (int64_t)p[1 + i];
    struct keras_array y = keras_array((int)p[0], dim);
    memcpy(y.at, x->at, (size_t)keras_count(x) * sizeof(double));
    return y;
}

struct keras_array keras_permute(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    const int64_t strides[3] = {x->dim[1] * x->dim[2], x->dim[2], 1};
    const int a[3] = {(int)p[0], (int)p[1], (int)p[2]};
    struct keras_array y = image(x->dim[a[0]], x->dim[a[1]], x->dim[a[2]]);
    (void)w;
    for (int64_t i = 0; i < keras_count(&y); i++)
        y.at[i] = x->at
                      [i / y.dim[2] / y.dim[1] * strides[a[0]] +
                       i / y.dim[2] % y.dim[1] * strides[a[1]] +
                       i % y.dim[2] * strides[a[2]]];
    return y;
}

struct keras_array keras_same(
    const struct keras_array *x, const struct keras_array *w, const double *p)
{
    struct keras_array y = like(x);
    (void)w, (void)p;
    memcpy(y.at, x->at, (size_t)keras_count(x) * sizeof(double));
    return y;
}
