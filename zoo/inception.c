/* zoo/inception.c - Szegedy et al., "Rethinking the Inception Architecture for Computer
 * Vision", 2015, without the auxiliary classifier.  Names and parameters are torchvision's
 * (normalisation with a scale); average pools leave the padding out, as the authors' own
 * implementation and Keras do. */
#include "zoo/layers.h"

static const double EPSILON = 1e-3;

static struct cop_value *conv_bn_relu(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    const struct cop_conv_spec *spec)
{
    x = cop_layers__conv(layers, cop_layers__name(layers, "%s.conv", name), x, spec);
    x = cop_layers__bn(layers, cop_layers__name(layers, "%s.bn", name), x, EPSILON);
    return cop_layers__relu(layers, cop_layers__name(layers, "%s.relu", name), x);
}

/* Keeps height and width. */
static struct cop_value *unit(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    int64_t oc,
    int64_t kh,
    int64_t kw)
{
    const struct cop_conv_spec spec = {
        .oc = oc,
        .kernel = {kh, kw},
        .stride = 1,
        .pads = {kh / 2, kw / 2, kh / 2, kw / 2},
    };
    return conv_bn_relu(layers, x, name, &spec);
}

/* 3x3 without padding. */
static struct cop_value *inner(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    int64_t oc,
    int64_t stride)
{
    const struct cop_conv_spec spec = {.oc = oc, .kernel = {3, 3}, .stride = stride};
    return conv_bn_relu(layers, x, name, &spec);
}

static struct cop_value *max_pool(
    struct cop_layers *layers, struct cop_value *x, const char *name)
{
    return cop_layers__op(
        layers, "MaxPool", name, "kernel_shape=3,3 strides=2,2", x, NULL);
}

static struct cop_value *pool_branch(
    struct cop_layers *layers, struct cop_value *x, int64_t oc)
{
    x = cop_layers__op(
        layers, "AveragePool", "avgpool", "kernel_shape=3,3 pads=1,1,1,1", x, NULL);
    return unit(layers, x, "branch_pool", oc, 1, 1);
}

static struct cop_value *concat(
    struct cop_layers *layers, const char *name, struct cop_value *const branches[4])
{
    return cop_layers__op(
        layers,
        "Concat",
        name,
        "axis=1",
        branches[0],
        branches[1],
        branches[2],
        branches[3],
        NULL);
}

/* Branches are built in statements, never in lists: the order of the random numbers must
 * not be the compiler's choice. */

/* 35x35: figure 5 of the paper. */
static struct cop_value *mixed_5(
    struct cop_layers *layers, struct cop_value *x, int64_t pool_oc)
{
    struct cop_value *b[4];
    b[0] = unit(layers, x, "branch1x1", 64, 1, 1);
    b[1] = unit(layers, x, "branch5x5_1", 48, 1, 1);
    b[1] = unit(layers, b[1], "branch5x5_2", 64, 5, 5);
    b[2] = unit(layers, x, "branch3x3dbl_1", 64, 1, 1);
    b[2] = unit(layers, b[2], "branch3x3dbl_2", 96, 3, 3);
    b[2] = unit(layers, b[2], "branch3x3dbl_3", 96, 3, 3);
    b[3] = pool_branch(layers, x, pool_oc);
    return concat(layers, "concat", b);
}

static struct cop_value *mixed_6a(struct cop_layers *layers, struct cop_value *x)
{
    struct cop_value *b[4] = {NULL};
    b[0] = inner(layers, x, "branch3x3", 384, 2);
    b[1] = unit(layers, x, "branch3x3dbl_1", 64, 1, 1);
    b[1] = unit(layers, b[1], "branch3x3dbl_2", 96, 3, 3);
    b[1] = inner(layers, b[1], "branch3x3dbl_3", 96, 2);
    b[2] = max_pool(layers, x, "maxpool");
    return concat(layers, "concat", b);
}

/* 17x17: figure 6, n = 7. */
static struct cop_value *mixed_6(
    struct cop_layers *layers, struct cop_value *x, int64_t oc)
{
    struct cop_value *b[4];
    b[0] = unit(layers, x, "branch1x1", 192, 1, 1);
    b[1] = unit(layers, x, "branch7x7_1", oc, 1, 1);
    b[1] = unit(layers, b[1], "branch7x7_2", oc, 1, 7);
    b[1] = unit(layers, b[1], "branch7x7_3", 192, 7, 1);
    b[2] = unit(layers, x, "branch7x7dbl_1", oc, 1, 1);
    b[2] = unit(layers, b[2], "branch7x7dbl_2", oc, 7, 1);
    b[2] = unit(layers, b[2], "branch7x7dbl_3", oc, 1, 7);
    b[2] = unit(layers, b[2], "branch7x7dbl_4", oc, 7, 1);
    b[2] = unit(layers, b[2], "branch7x7dbl_5", 192, 1, 7);
    b[3] = pool_branch(layers, x, 192);
    return concat(layers, "concat", b);
}

static struct cop_value *mixed_7a(struct cop_layers *layers, struct cop_value *x)
{
    struct cop_value *b[4] = {NULL};
    b[0] = unit(layers, x, "branch3x3_1", 192, 1, 1);
    b[0] = inner(layers, b[0], "branch3x3_2", 320, 2);
    b[1] = unit(layers, x, "branch7x7x3_1", 192, 1, 1);
    b[1] = unit(layers, b[1], "branch7x7x3_2", 192, 1, 7);
    b[1] = unit(layers, b[1], "branch7x7x3_3", 192, 7, 1);
    b[1] = inner(layers, b[1], "branch7x7x3_4", 192, 2);
    b[2] = max_pool(layers, x, "maxpool");
    return concat(layers, "concat", b);
}

static struct cop_value *fork(
    struct cop_layers *layers, struct cop_value *x, const char *name)
{
    struct cop_value *b[4] = {NULL};
    b[0] = unit(layers, x, cop_layers__name(layers, "%sa", name), 384, 1, 3);
    b[1] = unit(layers, x, cop_layers__name(layers, "%sb", name), 384, 3, 1);
    return concat(layers, cop_layers__name(layers, "%s_concat", name), b);
}

/* 8x8: figure 7. */
static struct cop_value *mixed_7(struct cop_layers *layers, struct cop_value *x)
{
    struct cop_value *b[4];
    b[0] = unit(layers, x, "branch1x1", 320, 1, 1);
    b[1] = unit(layers, x, "branch3x3_1", 384, 1, 1);
    b[1] = fork(layers, b[1], "branch3x3_2");
    b[2] = unit(layers, x, "branch3x3dbl_1", 448, 1, 1);
    b[2] = unit(layers, b[2], "branch3x3dbl_2", 384, 3, 3);
    b[2] = fork(layers, b[2], "branch3x3dbl_3");
    b[3] = pool_branch(layers, x, 192);
    return concat(layers, "concat", b);
}

struct cop_value *cop_zoo__inception_v3(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const int64_t pool_widths[3] = {32, 64, 64};
    static const int64_t widths[4] = {128, 160, 160, 192};
    x = inner(layers, x, "Conv2d_1a_3x3", 32, 2);
    x = inner(layers, x, "Conv2d_2a_3x3", 32, 1);
    x = unit(layers, x, "Conv2d_2b_3x3", 64, 3, 3);
    x = max_pool(layers, x, "maxpool1");
    x = unit(layers, x, "Conv2d_3b_1x1", 80, 1, 1);
    x = inner(layers, x, "Conv2d_4a_3x3", 192, 1);
    x = max_pool(layers, x, "maxpool2");
    for (int i = 0; i < 3; i++) {
        layers->scope = (const char *const[]){"Mixed_5b", "Mixed_5c", "Mixed_5d"}[i];
        x = mixed_5(layers, x, pool_widths[i]);
    }
    layers->scope = "Mixed_6a";
    x = mixed_6a(layers, x);
    for (int i = 0; i < 4; i++) {
        layers->scope =
            (const char *const[]){"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"}[i];
        x = mixed_6(layers, x, widths[i]);
    }
    layers->scope = "Mixed_7a";
    x = mixed_7a(layers, x);
    layers->scope = "Mixed_7b";
    x = mixed_7(layers, x);
    layers->scope = "Mixed_7c";
    x = mixed_7(layers, x);
    layers->scope = NULL;
    return cop_layers__linear(
        layers, "fc", cop_layers__global_pool(layers, x), classes);
}
