/* zoo/densenet.c - Huang et al., "Densely Connected Convolutional Networks", 2016 (table 1,
 * DenseNet-121: growth rate 32), with torchvision's names.  torchvision joins all that a
 * block has made so far in front of every layer; joining what is new behind every layer
 * gives the same channels in the same order. */
#include "zoo/layers.h"

static const double EPSILON = 1e-5;
enum { GROWTH = 32, BOTTLENECK = 4 * GROWTH };

static struct cop_value *bn_relu(
    struct cop_layers *layers, struct cop_value *x, const char *norm, const char *relu)
{
    x = cop_layers__bn(layers, norm, x, EPSILON);
    return cop_layers__relu(layers, relu, x);
}

/* Normalisation comes first: every layer scales the shared channels for itself. */
static struct cop_value *dense_layer(struct cop_layers *layers, struct cop_value *x)
{
    static const struct cop_conv_spec reduce = {
        .oc = BOTTLENECK, .kernel = {1, 1}, .stride = 1};
    static const struct cop_conv_spec spatial = {
        .oc = GROWTH, .kernel = {3, 3}, .stride = 1, .pads = {1, 1, 1, 1}};
    struct cop_value *y = bn_relu(layers, x, "norm1", "relu1");
    y = cop_layers__conv(layers, "conv1", y, &reduce);
    y = bn_relu(layers, y, "norm2", "relu2");
    y = cop_layers__conv(layers, "conv2", y, &spatial);
    return cop_layers__op(layers, "Concat", "concat", "axis=1", x, y, NULL);
}

/* Half the channels, half the height and width. */
static struct cop_value *transition(struct cop_layers *layers, struct cop_value *x)
{
    x = bn_relu(layers, x, "norm", "relu");
    if (x == NULL) return NULL;
    const struct cop_conv_spec halve = {
        .oc = x->shape.dim[1] / 2, .kernel = {1, 1}, .stride = 1};
    x = cop_layers__conv(layers, "conv", x, &halve);
    return cop_layers__op(
        layers, "AveragePool", "pool", "kernel_shape=2,2 strides=2,2", x, NULL);
}

struct cop_value *cop_zoo__densenet121(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const int n_layers[4] = {6, 12, 24, 16};
    const struct cop_conv_spec stem = {
        .oc = 2 * GROWTH, .kernel = {7, 7}, .stride = 2, .pads = {3, 3, 3, 3}};
    layers->scope = "features";
    x = cop_layers__conv(layers, "conv0", x, &stem);
    x = bn_relu(layers, x, "norm0", "relu0");
    x = cop_layers__op(
        layers,
        "MaxPool",
        "pool0",
        "kernel_shape=3,3 strides=2,2 pads=1,1,1,1",
        x,
        NULL);
    for (int block = 0; block < 4; block++) {
        if (block > 0) {
            layers->scope = cop_layers__name(layers, "features.transition%d", block);
            x = transition(layers, x);
        }
        for (int i = 0; i < n_layers[block]; i++) {
            layers->scope = cop_layers__name(
                layers, "features.denseblock%d.denselayer%d", block + 1, i + 1);
            x = dense_layer(layers, x);
        }
    }
    layers->scope = "features";
    x = bn_relu(layers, x, "norm5", "relu5");
    layers->scope = NULL;
    return cop_layers__linear(
        layers, "classifier", cop_layers__global_pool(layers, x), classes);
}
