/* zoo/mobilenet.c - V1: Howard et al., "MobileNets", 2017; V2: Sandler et al., "MobileNetV2:
 * Inverted Residuals and Linear Bottlenecks", 2018.  V2 follows torchvision, V1 the paper
 * with symmetric padding. */
#include "zoo/layers.h"

static struct cop_value *conv_bn_relu6(
    struct cop_layers *layers,
    struct cop_value *x,
    const char *name,
    const struct cop_conv_spec *spec)
{
    x = cop_layers__conv(layers, cop_layers__name(layers, "%s.conv", name), x, spec);
    x = cop_layers__bn(layers, cop_layers__name(layers, "%s.bn", name), x, 1e-5);
    return cop_layers__relu6(layers, cop_layers__name(layers, "%s.relu6", name), x);
}

static struct cop_conv_spec spatial(int64_t oc, int64_t stride, int64_t group)
{
    return (struct cop_conv_spec){
        .oc = oc,
        .kernel = {3, 3},
        .stride = stride,
        .pads = {1, 1, 1, 1},
        .group = group};
}

static struct cop_conv_spec pointwise(int64_t oc)
{
    return (struct cop_conv_spec){.oc = oc, .kernel = {1, 1}, .stride = 1};
}

static int64_t channels_of(const struct cop_value *x)
{
    return x != NULL ? x->shape.dim[1] : 1;
}

struct cop_value *cop_zoo__mobilenet_v1(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const struct {
        int64_t oc;
        int64_t stride;
    } blocks[] = {
        {64, 1},
        {128, 2},
        {128, 1},
        {256, 2},
        {256, 1},
        {512, 2},
        {512, 1},
        {512, 1},
        {512, 1},
        {512, 1},
        {512, 1},
        {1024, 2},
        {1024, 1},
    };
    const struct cop_conv_spec stem = spatial(32, 2, 1);
    x = conv_bn_relu6(layers, x, "stem", &stem);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        const struct cop_conv_spec depthwise =
            spatial(channels_of(x), blocks[i].stride, channels_of(x));
        const struct cop_conv_spec expand = pointwise(blocks[i].oc);
        x = conv_bn_relu6(
            layers, x, cop_layers__name(layers, "dw%zu", i + 1), &depthwise);
        x = conv_bn_relu6(layers, x, cop_layers__name(layers, "pw%zu", i + 1), &expand);
    }
    return cop_layers__linear(
        layers, "fc", cop_layers__global_pool(layers, x), classes);
}

static struct cop_value *inverted_residual(
    struct cop_layers *layers,
    struct cop_value *x,
    int64_t expansion,
    int64_t oc,
    int64_t stride)
{
    int64_t ic = channels_of(x);
    struct cop_value *y = x;
    if (expansion > 1) {
        const struct cop_conv_spec expand = pointwise(ic * expansion);
        y = conv_bn_relu6(layers, y, "expand", &expand);
    }
    const struct cop_conv_spec depthwise =
        spatial(ic * expansion, stride, ic * expansion);
    const struct cop_conv_spec project = pointwise(oc);
    y = conv_bn_relu6(layers, y, "depthwise", &depthwise);
    y = cop_layers__conv(layers, "project.conv", y, &project);
    y = cop_layers__bn(layers, "project.bn", y, 1e-5);
    if (stride != 1 || ic != oc) return y;
    return cop_layers__op(layers, "Add", "add", "", x, y, NULL);
}

struct cop_value *cop_zoo__mobilenet_v2(
    struct cop_layers *layers, struct cop_value *x, int64_t classes)
{
    static const struct {
        int64_t expansion;
        int64_t oc;
        int n;
        int64_t stride;
    } stages[] = {
        {1, 16, 1, 1},
        {6, 24, 2, 2},
        {6, 32, 3, 2},
        {6, 64, 4, 2},
        {6, 96, 3, 1},
        {6, 160, 3, 2},
        {6, 320, 1, 1},
    };
    const struct cop_conv_spec stem = spatial(32, 2, 1);
    x = conv_bn_relu6(layers, x, "stem", &stem);
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        for (int i = 0; i < stages[s].n; i++) {
            layers->scope = cop_layers__name(layers, "block%zu_%d", s + 1, i + 1);
            x = inverted_residual(
                layers,
                x,
                stages[s].expansion,
                stages[s].oc,
                i == 0 ? stages[s].stride : 1);
        }
    }
    layers->scope = NULL;
    const struct cop_conv_spec last = pointwise(1280);
    x = conv_bn_relu6(layers, x, "last", &last);
    return cop_layers__linear(
        layers, "fc", cop_layers__global_pool(layers, x), classes);
}
