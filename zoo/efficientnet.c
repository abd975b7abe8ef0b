/* zoo/efficientnet.c - Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional
 * Neural Networks", 2019 (table 1, B0), with torchvision's names and symmetric padding. */
#include "zoo/layers.h"

static const double EPSILON = 1e-5;

/* x * sigmoid(x): ONNX has had no operator for it until lately. */
static struct cop_value *silu(
    struct cop_layers *layers, struct cop_value *x, const char *name)
{
    const char *gate = cop_layers__name(layers, "%s.sigmoid", name);
    struct cop_value *y = cop_layers__op(layers, "Sigmoid", gate, "", x, NULL);
    return cop_layers__op(
        layers, "Mul", cop_layers__name(layers, "%s.mul", name), "", x, y, NULL);
}

static struct cop_value *conv_bn_silu(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    const struct cop_conv_spec *spec)
{
    x = cop_layers__conv(layers, cop_layers__name(layers, "%s.0", name), x, spec);
    x = cop_layers__bn(layers, cop_layers__name(layers, "%s.1", name), x, EPSILON);
    return silu(layers, x, cop_layers__name(layers, "%s.2", name));
}

static struct cop_conv_spec spatial(
    int64_t oc, int64_t kernel, int64_t stride, int64_t group)
{
    const int64_t pad = kernel / 2;
    return (struct cop_conv_spec){
        .oc = oc,
        .kernel = {kernel, kernel},
        .stride = stride,
        .pads = {pad, pad, pad, pad},
        .group = group};
}

static struct cop_conv_spec pointwise(int64_t oc)
{
    return (struct cop_conv_spec){.oc = oc, .kernel = {1, 1}, .stride = 1};
}

/* Squeeze and excitation: Hu et al., "Squeeze-and-Excitation Networks", 2017, section 3. */
static struct cop_value *excite(
    struct cop_layers *layers, struct cop_value *x, const char *name, int64_t squeeze)
{
    if (x == NULL) return NULL;
    struct cop_conv_spec reduce = pointwise(squeeze);
    struct cop_conv_spec expand = pointwise(x->shape.dim[1]);
    reduce.has_bias = true;
    expand.has_bias = true;
    const char *step = cop_layers__name(layers, "%s.avgpool", name);
    struct cop_value *y =
        cop_layers__op(layers, "GlobalAveragePool", step, "", x, NULL);
    y = cop_layers__conv(layers, cop_layers__name(layers, "%s.fc1", name), y, &reduce);
    y = silu(layers, y, cop_layers__name(layers, "%s.activation", name));
    y = cop_layers__conv(layers, cop_layers__name(layers, "%s.fc2", name), y, &expand);
    step = cop_layers__name(layers, "%s.scale_activation", name);
    y = cop_layers__op(layers, "Sigmoid", step, "", y, NULL);
    return cop_layers__op(
        layers, "Mul", cop_layers__name(layers, "%s.mul", name), "", x, y, NULL);
}

struct stage {
    int64_t expansion;
    int64_t kernel;
    int64_t stride; /* of its first block */
    int64_t oc;
    int n;
};

/* An inverted residual with squeeze and excitation. */
static struct cop_value *mbconv(
    struct cop_layers *layers,
    struct cop_value *x,
    const struct stage *stage,
    int64_t stride)
{
    if (x == NULL) return NULL;
    const int64_t ic = x->shape.dim[1];
    const int64_t width = ic * stage->expansion;
    const bool is_residual = stride == 1 && ic == stage->oc;
    struct cop_value *y = x;
    int part = 0;
    if (stage->expansion > 1) {
        const struct cop_conv_spec expand = pointwise(width);
        y = conv_bn_silu(
            layers, y, cop_layers__name(layers, "block.%d", part), &expand);
        part++;
    }
    const struct cop_conv_spec depthwise = spatial(width, stage->kernel, stride, width);
    const struct cop_conv_spec project = pointwise(stage->oc);
    y = conv_bn_silu(layers, y, cop_layers__name(layers, "block.%d", part), &depthwise);
    part++;
    y = excite(layers, y, cop_layers__name(layers, "block.%d", part), ic / 4);
    part++;
    y = cop_layers__conv(
        layers, cop_layers__name(layers, "block.%d.0", part), y, &project);
    const char *bn = cop_layers__name(layers, "block.%d.1", part);
    if (!is_residual) return cop_layers__bn(layers, bn, y, EPSILON);
    /* Small beside what passes by, for the reason given in resnet.c. */
    y = cop_layers__scaled_bn(layers, bn, y, EPSILON, 0.3);
    return cop_layers__op(layers, "Add", "add", "", y, x, NULL);
}

struct cop_value *cop_zoo__efficientnet_b0(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const struct stage stages[] = {
        {1, 3, 1, 16, 1},
        {6, 3, 2, 24, 2},
        {6, 5, 2, 40, 2},
        {6, 3, 2, 80, 3},
        {6, 5, 1, 112, 3},
        {6, 5, 2, 192, 4},
        {6, 3, 1, 320, 1},
    };
    const struct cop_conv_spec stem = spatial(32, 3, 2, 1);
    x = conv_bn_silu(layers, x, "features.0", &stem);
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        for (int i = 0; i < stages[s].n; i++) {
            layers->scope = cop_layers__name(layers, "features.%zu.%d", s + 1, i);
            x = mbconv(layers, x, &stages[s], i == 0 ? stages[s].stride : 1);
        }
    }
    layers->scope = NULL;
    const struct cop_conv_spec last = pointwise(1280);
    x = conv_bn_silu(layers, x, "features.8", &last);
    return cop_layers__linear(
        layers, "classifier.1", cop_layers__global_pool(layers, x), classes);
}
