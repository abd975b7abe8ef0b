/* zoo/nasnet.c - NASNet-A: Zoph et al., "Learning Transferable Architectures for Scalable
 * Image Recognition", 2017 (figure 4 and appendix A), layer by layer as Keras builds it:
 * paddings are written out as zeros where Keras does so, also before maximum pools.
 *
 * A cell reads the two cells before it: x, the last, and p, the one before that.  Its width
 * is the number of channels of each of its branches. */
#include "zoo/layers.h"

static const double EPSILON = 1e-3;

/* The branches of a cell. */
struct cell {
    struct cop_layers *layers;
    int64_t width;
    struct cop_value *h; /* x, projected to the width */
    struct cop_value *p; /* the cell before, adjusted to h */
};

/* ---- padding ------------------------------------------------------------------------ */

/* Zeros around height and width: top, left, bottom, right. */
static struct cop_value *pad(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    const int64_t pads[4])
{
    const int64_t all[8] = {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]};
    struct cop_value *widths = cop_layers__int64s(layers, name, "pads", 8, all);
    return cop_layers__op(layers, "Pad", name, "", x, widths, NULL);
}

/* Keras's padding for a window that halves: an even extent gets one less in front. */
static void halving_pads(const struct cop_value *x, int64_t kernel, int64_t pads[4])
{
    for (int i = 0; i < 2; i++) {
        pads[i] = kernel / 2 - (1 - x->shape.dim[2 + i] % 2);
        pads[2 + i] = kernel / 2;
    }
}

/* One row and one column further: what is lost in front comes behind as zeros. */
static struct cop_value *shift(struct cop_layers *layers, struct cop_value *x)
{
    static const int64_t behind[4] = {0, 0, 1, 1};
    static const int64_t ones[2] = {1, 1};
    static const int64_t ends[2] = {INT32_MAX, INT32_MAX};
    static const int64_t axes[2] = {2, 3};
    x = pad(layers, x, "adjust_pad", behind);
    const char *name = "adjust_crop";
    struct cop_value *first = cop_layers__int64s(layers, name, "starts", 2, ones);
    struct cop_value *last = cop_layers__int64s(layers, name, "ends", 2, ends);
    struct cop_value *along = cop_layers__int64s(layers, name, "axes", 2, axes);
    return cop_layers__op(layers, "Slice", name, "", x, first, last, along, NULL);
}

/* ---- parts of cells -------------------------------------------------------------------- */

static struct cop_value *pointwise(
    struct cop_layers *layers, struct cop_value *x, const char *name, int64_t oc)
{
    const struct cop_conv_spec spec = {.oc = oc, .kernel = {1, 1}, .stride = 1};
    return cop_layers__conv(layers, name, x, &spec);
}

/* ReLU, depthwise and pointwise convolution, normalisation. */
static struct cop_value *separable(
    const struct cell *cell,
    struct cop_value *x,
    const char *name,
    int64_t kernel,
    int64_t stride)
{
    struct cop_layers *layers = cell->layers;
    x = cop_layers__op(
        layers, "Relu", cop_layers__name(layers, "%s_relu", name), "", x, NULL);
    if (x == NULL) return NULL;
    struct cop_conv_spec depthwise = {
        .oc = x->shape.dim[1],
        .kernel = {kernel, kernel},
        .stride = stride,
        .pads = {kernel / 2, kernel / 2, kernel / 2, kernel / 2},
        .group = x->shape.dim[1],
    };
    if (stride == 2) halving_pads(x, kernel, depthwise.pads);
    x = cop_layers__conv(
        layers, cop_layers__name(layers, "%s_depthwise", name), x, &depthwise);
    x = pointwise(
        layers, x, cop_layers__name(layers, "%s_pointwise", name), cell->width);
    return cop_layers__bn(layers, cop_layers__name(layers, "%s_bn", name), x, EPSILON);
}

/* The separable convolution of the paper: twice, the stride in the first. */
static struct cop_value *twice(
    const struct cell *cell,
    struct cop_value *x,
    const char *name,
    int64_t kernel,
    int64_t stride)
{
    struct cop_layers *layers = cell->layers;
    x = separable(cell, x, cop_layers__name(layers, "%s_1", name), kernel, stride);
    return separable(cell, x, cop_layers__name(layers, "%s_2", name), kernel, 1);
}

static struct cop_value *average_3x3(
    const struct cell *cell, struct cop_value *x, const char *name)
{
    return cop_layers__op(
        cell->layers, "AveragePool", name, "kernel_shape=3,3 pads=1,1,1,1", x, NULL);
}

static struct cop_value *add(
    const struct cell *cell, const char *name, struct cop_value *a, struct cop_value *b)
{
    return cop_layers__op(cell->layers, "Add", name, "", a, b, NULL);
}

/* The factorised reduction: half the channels from even places, half from odd ones. */
static struct cop_value *halve(
    struct cop_layers *layers, struct cop_value *p, int64_t width)
{
    static const char every_other[] = "kernel_shape=1,1 strides=2,2";
    p = cop_layers__op(layers, "Relu", "adjust_relu", "", p, NULL);
    struct cop_value *even =
        cop_layers__op(layers, "AveragePool", "adjust_pool_1", every_other, p, NULL);
    struct cop_value *odd = shift(layers, p);
    odd =
        cop_layers__op(layers, "AveragePool", "adjust_pool_2", every_other, odd, NULL);
    even = pointwise(layers, even, "adjust_conv_1", width / 2);
    odd = pointwise(layers, odd, "adjust_conv_2", width / 2);
    p = cop_layers__op(layers, "Concat", "adjust_concat", "axis=1", even, odd, NULL);
    return cop_layers__bn(layers, "adjust_bn", p, EPSILON);
}

/* Gives p the extents of x and the width of the cell, where it has others.  The first cell
 * reads the stem twice, as it is. */
static struct cop_value *adjust(
    struct cop_layers *layers,
    struct cop_value *p,
    const struct cop_value *x,
    int64_t width)
{
    if (p == NULL || x == NULL || p == x) return p;
    if (p->shape.dim[2] != x->shape.dim[2] || p->shape.dim[3] != x->shape.dim[3])
        return halve(layers, p, width);
    if (p->shape.dim[1] == width) return p;
    p = cop_layers__op(layers, "Relu", "adjust_relu", "", p, NULL);
    p = pointwise(layers, p, "adjust_conv", width);
    return cop_layers__bn(layers, "adjust_bn", p, EPSILON);
}

static struct cell begin(
    struct cop_layers *layers, struct cop_value *x, struct cop_value *p, int64_t width)
{
    p = adjust(layers, p, x, width);
    struct cop_value *h = cop_layers__op(layers, "Relu", "relu", "", x, NULL);
    h = cop_layers__bn(layers, "bn", pointwise(layers, h, "conv", width), EPSILON);
    return (struct cell){.layers = layers, .width = width, .h = h, .p = p};
}

/* ---- cells ------------------------------------------------------------------------------ */

static struct cop_value *normal_cell(
    struct cop_layers *layers, struct cop_value *x, struct cop_value *p, int64_t width)
{
    const struct cell cell = begin(layers, x, p, width);
    struct cop_value *const h = cell.h;
    p = cell.p;
    struct cop_value *left = twice(&cell, h, "left1", 5, 1);
    struct cop_value *y1 = add(&cell, "add1", left, twice(&cell, p, "right1", 3, 1));
    left = twice(&cell, p, "left2", 5, 1);
    struct cop_value *y2 = add(&cell, "add2", left, twice(&cell, p, "right2", 3, 1));
    struct cop_value *y3 = add(&cell, "add3", average_3x3(&cell, h, "left3"), p);
    left = average_3x3(&cell, p, "left4");
    struct cop_value *y4 = add(&cell, "add4", left, average_3x3(&cell, p, "right4"));
    struct cop_value *y5 = add(&cell, "add5", twice(&cell, h, "left5", 3, 1), h);
    const char *name = "concat";
    return cop_layers__op(
        layers, "Concat", name, "axis=1", p, y1, y2, y3, y4, y5, NULL);
}

static struct cop_value *reduction_cell(
    struct cop_layers *layers, struct cop_value *x, struct cop_value *p, int64_t width)
{
    static const char halving[] = "kernel_shape=3,3 strides=2,2";
    const struct cell cell = begin(layers, x, p, width);
    struct cop_value *const h = cell.h;
    p = cell.p;
    if (h == NULL) return NULL;
    int64_t pads[4];
    halving_pads(h, 3, pads);
    struct cop_value *padded = pad(layers, h, "pad", pads);
    struct cop_value *left = twice(&cell, h, "left1", 5, 2);
    struct cop_value *y1 = add(&cell, "add1", left, twice(&cell, p, "right1", 7, 2));
    left = cop_layers__op(layers, "MaxPool", "left2", halving, padded, NULL);
    struct cop_value *y2 = add(&cell, "add2", left, twice(&cell, p, "right2", 7, 2));
    left = cop_layers__op(layers, "AveragePool", "left3", halving, padded, NULL);
    struct cop_value *y3 = add(&cell, "add3", left, twice(&cell, p, "right3", 5, 2));
    struct cop_value *y4 = add(&cell, "add4", y2, average_3x3(&cell, y1, "left4"));
    left = twice(&cell, y1, "left5", 3, 1);
    struct cop_value *right =
        cop_layers__op(layers, "MaxPool", "right5", halving, padded, NULL);
    struct cop_value *y5 = add(&cell, "add5", left, right);
    return cop_layers__op(layers, "Concat", "concat", "axis=1", y2, y3, y4, y5, NULL);
}

struct cop_value *cop_zoo__nasnet(
    struct cop_layers *layers,
    struct cop_value *x,
    int64_t classes,
    const struct cop_nasnet_spec *spec)
{
    const struct cop_conv_spec stem = {.oc = spec->stem, .kernel = {3, 3}, .stride = 2};
    const int64_t width = spec->filters / 24; /* of the first normal cells */
    struct cop_value *p = cop_layers__conv(layers, "stem_conv", x, &stem);
    p = cop_layers__bn(layers, "stem_bn", p, EPSILON);
    layers->scope = "stem_1";
    x = reduction_cell(layers, p, p, width / 4);
    layers->scope = "stem_2";
    struct cop_value *next = reduction_cell(layers, x, p, width / 2);
    p = x;
    x = next;
    for (int stage = 0; stage < 3; stage++) {
        if (stage > 0) {
            layers->scope = cop_layers__name(layers, "reduce_%d", stage);
            next = reduction_cell(layers, x, p, width << stage);
            if (!spec->does_skip_reduction) p = x;
            x = next;
        }
        for (int i = 0; i < spec->blocks; i++) {
            layers->scope = cop_layers__name(layers, "cell_%d_%d", stage + 1, i + 1);
            next = normal_cell(layers, x, p, width << stage);
            p = x;
            x = next;
        }
    }
    layers->scope = NULL;
    x = cop_layers__relu(layers, "relu", x);
    return cop_layers__linear(
        layers, "fc", cop_layers__global_pool(layers, x), classes);
}
