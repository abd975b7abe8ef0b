/* zoo/resnet.c - He et al., "Deep Residual Learning for Image Recognition", 2015, with the
 * stride in the 3x3 convolution of a bottleneck as torchvision has it. */
#include "zoo/layers.h"

static struct cop_value *conv_bn(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *conv,
    const char *bn,
    const struct cop_conv_spec *spec)
{
    return cop_layers__bn(layers, bn, cop_layers__conv(layers, conv, x, spec), 1e-5);
}

/* The end of a residual branch.  In trained networks branches change little of what passes by
 * (Goyal et al., "Accurate, Large Minibatch SGD", 2017, start them at zero); at full scale a
 * hundred layers at random would turn rounding errors into visible ones. */
static struct cop_value *closing_conv_bn(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *conv,
    const char *bn,
    const struct cop_conv_spec *spec)
{
    return cop_layers__scaled_bn(
        layers, bn, cop_layers__conv(layers, conv, x, spec), 1e-5, 0.3);
}

static struct cop_value *shortcut(
    struct cop_layers *layers, struct cop_value *x, int64_t oc, int64_t stride)
{
    if (x == NULL || (stride == 1 && x->shape.dim[1] == oc)) return x;
    const struct cop_conv_spec project = {.oc = oc, .kernel = {1, 1}, .stride = stride};
    return conv_bn(layers, x, "downsample.0", "downsample.1", &project);
}

static struct cop_value *basic_block(
    struct cop_layers *layers, struct cop_value *x, int64_t width, int64_t stride)
{
    const struct cop_conv_spec first = {
        .oc = width, .kernel = {3, 3}, .stride = stride, .pads = {1, 1, 1, 1}};
    const struct cop_conv_spec second = {
        .oc = width, .kernel = {3, 3}, .stride = 1, .pads = {1, 1, 1, 1}};
    struct cop_value *y = conv_bn(layers, x, "conv1", "bn1", &first);
    y = closing_conv_bn(
        layers, cop_layers__relu(layers, "relu1", y), "conv2", "bn2", &second);
    struct cop_value *z = shortcut(layers, x, width, stride);
    y = cop_layers__op(layers, "Add", "add", "", y, z, NULL);
    return cop_layers__relu(layers, "relu2", y);
}

static struct cop_value *bottleneck(
    struct cop_layers *layers, struct cop_value *x, int64_t width, int64_t stride)
{
    const struct cop_conv_spec reduce = {.oc = width, .kernel = {1, 1}, .stride = 1};
    const struct cop_conv_spec spatial = {
        .oc = width, .kernel = {3, 3}, .stride = stride, .pads = {1, 1, 1, 1}};
    const struct cop_conv_spec expand = {
        .oc = 4 * width, .kernel = {1, 1}, .stride = 1};
    struct cop_value *y = conv_bn(layers, x, "conv1", "bn1", &reduce);
    y = conv_bn(layers, cop_layers__relu(layers, "relu1", y), "conv2", "bn2", &spatial);
    y = closing_conv_bn(
        layers, cop_layers__relu(layers, "relu2", y), "conv3", "bn3", &expand);
    struct cop_value *z = shortcut(layers, x, 4 * width, stride);
    y = cop_layers__op(layers, "Add", "add", "", y, z, NULL);
    return cop_layers__relu(layers, "relu3", y);
}

struct cop_value *cop_zoo__resnet(
    struct cop_layers *layers, struct cop_value *x, int64_t classes, int depth)
{
    static const struct {
        int depth;
        int blocks[4];
        bool is_bottleneck;
    } kinds[] = {
        {18, {2, 2, 2, 2}, false},
        {34, {3, 4, 6, 3}, false},
        {50, {3, 4, 6, 3}, true},
        {101, {3, 4, 23, 3}, true},
    };
    size_t kind = 0;
    while (kinds[kind].depth != depth)
        kind++;
    const struct cop_conv_spec stem = {
        .oc = 64, .kernel = {7, 7}, .stride = 2, .pads = {3, 3, 3, 3}};
    x = conv_bn(layers, x, "conv1", "bn1", &stem);
    x = cop_layers__relu(layers, "relu", x);
    x = cop_layers__op(
        layers,
        "MaxPool",
        "maxpool",
        "kernel_shape=3,3 strides=2,2 pads=1,1,1,1",
        x,
        NULL);
    for (int stage = 0; stage < 4; stage++) {
        for (int block = 0; block < kinds[kind].blocks[stage]; block++) {
            int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            int64_t width = INT64_C(64) << stage;
            layers->scope = cop_layers__name(layers, "layer%d.%d", stage + 1, block);
            x = kinds[kind].is_bottleneck ? bottleneck(layers, x, width, stride)
                                          : basic_block(layers, x, width, stride);
        }
    }
    layers->scope = NULL;
    return cop_layers__linear(
        layers, "fc", cop_layers__global_pool(layers, x), classes);
}
