/* zoo/moments.c - mean and variance of every channel, from layer to layer; see moments.h.
 *
 * Channels are taken as normal and independent of one another.  For a layer of fresh weights
 * that is right on average whatever its source holds: the weights are independent. */
#include "zoo/moments.h"

#include <math.h>
#include <string.h>

static int64_t n_channels(const struct cop_value *value)
{
    return value->shape.rank == 4 ? value->shape.dim[1] : 0;
}

const struct cop_moments *cop_moments__of(
    const struct cop_moments_table *table, const struct cop_value *value)
{
    return value->id < table->cap ? table->of[value->id] : NULL;
}

/* Zeroed room for the channels of a value. */
static enum cop_status enter(
    struct cop_moments_table *table,
    const struct cop_value *value,
    struct cop_moments **channels,
    struct cop_err *err)
{
    if (value->id >= table->cap) {
        const int32_t cap = 2 * value->id + 64;
        const struct cop_moments **of =
            COP_ARENA_NEW_N(table->arena, cap, const struct cop_moments *);
        if (of == NULL) return COP_FAIL_NOMEM(err);
        if (table->cap > 0) memcpy(of, table->of, (size_t)table->cap * sizeof *of);
        table->of = of;
        table->cap = cap;
    }
    *channels = COP_ARENA_NEW_N(table->arena, n_channels(value), struct cop_moments);
    if (*channels == NULL) return COP_FAIL_NOMEM(err);
    table->of[value->id] = *channels;
    return COP_OK;
}

enum cop_status cop_moments__start(
    struct cop_moments_table *table, const struct cop_value *input, struct cop_err *err)
{
    struct cop_moments *channels;
    COP_TRY(enter(table, input, &channels, err));
    for (int64_t c = 0; c < n_channels(input); c++)
        channels[c].var = 1.0;
    return COP_OK;
}

/* ---- operators ------------------------------------------------------------------------- */

static double element(const struct cop_node *node, int32_t slot, int64_t i)
{
    return (double)cop_f32_at(cop_buf_data(node->src[slot]->data), i);
}

static void follow_conv(
    const struct cop_node *node, const struct cop_moments *src, struct cop_moments *dst)
{
    const struct cop_shape *shape = &node->src[1]->shape; /* [oc][ic/g][kh][kw] */
    const float *w = cop_buf_data(node->src[1]->data);
    const int64_t icg = shape->dim[1];
    const int64_t ocg = shape->dim[0] * icg / node->src[0]->shape.dim[1];
    const int64_t n = cop_shape_span(shape, 2, 4);
    for (int64_t o = 0; o < shape->dim[0]; o++) {
        const struct cop_moments *in = &src[o / ocg * icg];
        if (node->n_src > 2) dst[o].mean = element(node, 2, o);
        for (int64_t i = 0; i < icg; i++) {
            double sum = 0.0;
            double squares = 0.0;
            for (int64_t k = 0; k < n; k++) {
                sum += (double)w[k];
                squares += (double)w[k] * (double)w[k];
            }
            dst[o].mean += sum * in[i].mean;
            dst[o].var += squares * in[i].var;
            w += n;
        }
    }
}

static void follow_norm(
    const struct cop_node *node, const struct cop_moments *src, struct cop_moments *dst)
{
    for (int64_t c = 0; c < n_channels(node->dst[0]); c++) {
        const double scale = element(node, 1, c) / sqrt(element(node, 4, c));
        const double off = src[c].mean - element(node, 3, c);
        dst[c].mean = element(node, 2, c) + scale * off;
        dst[c].var = scale * scale * src[c].var;
    }
}

/* The positive part of a normal variable.  What ReLU6 cuts off above is too little. */
static void follow_relu(
    const struct cop_node *node, const struct cop_moments *src, struct cop_moments *dst)
{
    for (int64_t c = 0; c < n_channels(node->dst[0]); c++) {
        const double deviation = sqrt(src[c].var);
        const double z = deviation > 0.0 ? src[c].mean / deviation : 0.0;
        const double density = 0.3989422804014327 * exp(-0.5 * z * z);
        const double share = 0.5 * erfc(-z * 0.7071067811865476);
        const double mean = src[c].mean * share + deviation * density;
        const double square = (src[c].mean * src[c].mean + src[c].var) * share +
                              src[c].mean * deviation * density;
        dst[c].mean = mean;
        dst[c].var = fmax(square - mean * mean, 0.0);
    }
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double silu(double x)
{
    return x * sigmoid(x);
}

/* A smooth function of a normal variable, by the trapezoidal rule over six deviations. */
static void follow_curve(
    double (*curve)(double),
    const struct cop_moments *src,
    int64_t n,
    struct cop_moments *dst)
{
    enum { HALF = 24 };
    double weights[2 * HALF + 1];
    double total = 0.0;
    for (int i = -HALF; i <= HALF; i++) {
        const double z = 6.0 * i / HALF;
        weights[HALF + i] = exp(-0.5 * z * z);
        total += weights[HALF + i];
    }
    for (int64_t c = 0; c < n; c++) {
        double mean = 0.0;
        double square = 0.0;
        for (int i = -HALF; i <= HALF; i++) {
            const double z = 6.0 * i / HALF;
            const double y = curve(src[c].mean + z * sqrt(src[c].var));
            mean += weights[HALF + i] / total * y;
            square += weights[HALF + i] / total * y * y;
        }
        dst[c] = (struct cop_moments){mean, fmax(square - mean * mean, 0.0)};
    }
}

/* Independent factors, as a channel and its gate. */
static void follow_mul(
    const struct cop_moments *a,
    const struct cop_moments *b,
    int64_t n,
    struct cop_moments *dst)
{
    for (int64_t c = 0; c < n; c++) {
        const double mean = a[c].mean * b[c].mean;
        const double squares =
            (a[c].mean * a[c].mean + a[c].var) * (b[c].mean * b[c].mean + b[c].var);
        dst[c] = (struct cop_moments){mean, fmax(squares - mean * mean, 0.0)};
    }
}

/* The mean of all places, which far from one another are independent. */
static void follow_global_pool(
    const struct cop_node *node, const struct cop_moments *src, struct cop_moments *dst)
{
    const double places = (double)cop_shape_span(&node->src[0]->shape, 2, 4);
    for (int64_t c = 0; c < n_channels(node->dst[0]); c++)
        dst[c] = (struct cop_moments){src[c].mean, src[c].var / places};
}

static void follow_add(
    const struct cop_moments *a,
    const struct cop_moments *b,
    int64_t n,
    struct cop_moments *dst)
{
    for (int64_t c = 0; c < n; c++)
        dst[c] = (struct cop_moments){a[c].mean + b[c].mean, a[c].var + b[c].var};
}

static void follow_concat(
    const struct cop_moments_table *table,
    const struct cop_node *node,
    struct cop_moments *dst)
{
    for (int32_t i = 0; i < node->n_src; i++) {
        const int64_t n = n_channels(node->src[i]);
        memcpy(dst, cop_moments__of(table, node->src[i]), (size_t)n * sizeof *dst);
        dst += n;
    }
}

static bool is(const struct cop_node *node, const char *op)
{
    return strcmp(node->op->name, op) == 0;
}

/* x * sigmoid(x), whose factors are anything but independent. */
static bool is_silu(const struct cop_node *node)
{
    if (!is(node, "Mul")) return false;
    const struct cop_node *gate = node->src[1]->producer;
    return gate != NULL && is(gate, "Sigmoid") && gate->src[0] == node->src[0];
}

enum cop_status cop_moments__follow(
    struct cop_moments_table *table, const struct cop_node *node, struct cop_err *err)
{
    const struct cop_moments *src = cop_moments__of(table, node->src[0]);
    const int64_t n = n_channels(node->dst[0]);
    struct cop_moments *dst;
    if (src == NULL || n == 0) return COP_OK;
    COP_TRY(enter(table, node->dst[0], &dst, err));
    if (is(node, "Conv"))
        follow_conv(node, src, dst);
    else if (is(node, "BatchNormalization"))
        follow_norm(node, src, dst);
    else if (is(node, "Relu") || is(node, "Clip"))
        follow_relu(node, src, dst);
    else if (is(node, "Add"))
        follow_add(src, cop_moments__of(table, node->src[1]), n, dst);
    else if (is_silu(node))
        follow_curve(silu, src, n, dst);
    else if (is(node, "Sigmoid"))
        follow_curve(sigmoid, src, n, dst);
    else if (is(node, "Mul"))
        follow_mul(src, cop_moments__of(table, node->src[1]), n, dst);
    else if (is(node, "GlobalAveragePool"))
        follow_global_pool(node, src, dst);
    else if (is(node, "Concat"))
        follow_concat(table, node, dst);
    else /* places move, pools take it that neighbours are alike */
        memcpy(dst, src, (size_t)n * sizeof *dst);
    return COP_OK;
}
