/* zoo/vgg.c - Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale
 * Image Recognition", 2014 (configurations A, D, E), as in Keras and torchvision. */
#include "zoo/layers.h"

static struct cop_value *fully_connected(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    x = cop_layers__op(layers, "Flatten", "flatten", "axis=1", x, NULL);
    x = cop_layers__relu(
        layers,
        "classifier.relu1",
        cop_layers__linear(layers, "classifier.fc1", x, 4096));
    x = cop_layers__relu(
        layers,
        "classifier.relu2",
        cop_layers__linear(layers, "classifier.fc2", x, 4096));
    return cop_layers__linear(layers, "classifier.fc3", x, classes);
}

struct cop_value *cop_zoo__vgg(
    struct cop_layers *layers,
    struct cop_value *x,
    int64_t classes,
    int depth,
    bool has_bn)
{
    static const struct {
        int depth;
        int convs[5];
    } kinds[] = {
        {11, {1, 1, 2, 2, 2}},
        {16, {2, 2, 3, 3, 3}},
        {19, {2, 2, 4, 4, 4}},
    };
    size_t kind = 0;
    while (kinds[kind].depth != depth)
        kind++;
    for (int stage = 0; stage < 5; stage++) {
        for (int i = 0; i < kinds[kind].convs[stage]; i++) {
            const struct cop_conv_spec conv = {
                .oc = stage < 3 ? INT64_C(64) << stage : 512,
                .kernel = {3, 3},
                .stride = 1,
                .pads = {1, 1, 1, 1},
                .has_bias = true,
            };
            layers->scope = cop_layers__name(layers, "conv%d_%d", stage + 1, i + 1);
            x = cop_layers__conv(layers, "conv", x, &conv);
            if (has_bn) x = cop_layers__bn(layers, "bn", x, 1e-5);
            x = cop_layers__relu(layers, "relu", x);
        }
        layers->scope = NULL;
        x = cop_layers__op(
            layers,
            "MaxPool",
            cop_layers__name(layers, "pool%d", stage + 1),
            "kernel_shape=2,2 strides=2,2",
            x,
            NULL);
    }
    return fully_connected(layers, x, classes);
}
