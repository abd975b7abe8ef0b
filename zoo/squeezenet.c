/* zoo/squeezenet.c - Iandola et al., "SqueezeNet", 2016, version 1.1 of its authors'
 * repository, as in torchvision (pools round up). */
#include "zoo/layers.h"

static struct cop_value *conv_relu(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    int64_t oc,
    int64_t kernel)
{
    const struct cop_conv_spec spec = {
        .oc = oc,
        .kernel = {kernel, kernel},
        .stride = 1,
        .pads = {kernel / 2, kernel / 2, kernel / 2, kernel / 2},
        .has_bias = true,
    };
    x = cop_layers__conv(layers, name, x, &spec);
    return cop_layers__relu(layers, cop_layers__name(layers, "%s.relu", name), x);
}

static struct cop_value *fire(
    struct cop_layers *layers, struct cop_value *x, int64_t squeeze, int64_t expand)
{
    x = conv_relu(layers, x, "squeeze", squeeze, 1);
    struct cop_value *one = conv_relu(layers, x, "expand1x1", expand, 1);
    struct cop_value *three = conv_relu(layers, x, "expand3x3", expand, 3);
    return cop_layers__op(layers, "Concat", "concat", "axis=1", one, three, NULL);
}

struct cop_value *cop_zoo__squeezenet(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const int64_t squeezes[8] = {16, 16, 32, 32, 48, 48, 64, 64};
    static const char pool[] = "kernel_shape=3,3 strides=2,2 ceil_mode=1";
    const struct cop_conv_spec stem = {
        .oc = 64, .kernel = {3, 3}, .stride = 2, .has_bias = true};
    x = cop_layers__relu(
        layers, "stem.relu", cop_layers__conv(layers, "stem", x, &stem));
    for (int i = 0; i < 8; i++) {
        layers->scope = NULL;
        if (i == 0 || i == 2 || i == 4)
            x = cop_layers__op(
                layers,
                "MaxPool",
                cop_layers__name(layers, "pool%d", i / 2 + 1),
                pool,
                x,
                NULL);
        layers->scope = cop_layers__name(layers, "fire%d", i + 2);
        x = fire(layers, x, squeezes[i], 4 * squeezes[i]);
    }
    layers->scope = NULL;
    x = conv_relu(layers, x, "classifier", classes, 1);
    return cop_layers__global_pool(layers, x);
}
