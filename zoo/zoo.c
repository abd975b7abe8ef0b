/* zoo/zoo.c - the table of networks; see zoo.h. */
#include "zoo/zoo.h"

#include "zoo/layers.h"

#include <stdio.h>
#include <string.h>

typedef struct cop_value *build_fn(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);

#define RESNET "He et al. 2015; torchvision"
#define NASNET "Zoph et al. 2017; Keras"
#define VGG "Simonyan and Zisserman 2014; torchvision"

/* One function per row: the builders take a depth, rows do not. */
#define BUILDER(name, call)                                                            \
    static struct cop_value *build_##name(                                             \
        struct cop_layers *layers, struct cop_value *x, int64_t classes)               \
    {                                                                                  \
        return call;                                                                   \
    }
BUILDER(resnet18, cop_zoo__resnet(layers, x, classes, 18))
BUILDER(resnet34, cop_zoo__resnet(layers, x, classes, 34))
BUILDER(resnet50, cop_zoo__resnet(layers, x, classes, 50))
BUILDER(resnet101, cop_zoo__resnet(layers, x, classes, 101))
BUILDER(vgg11, cop_zoo__vgg(layers, x, classes, 11, false))
BUILDER(vgg16, cop_zoo__vgg(layers, x, classes, 16, false))
BUILDER(vgg19, cop_zoo__vgg(layers, x, classes, 19, false))
BUILDER(vgg16_bn, cop_zoo__vgg(layers, x, classes, 16, true))
BUILDER(vgg11_bn, cop_zoo__vgg(layers, x, classes, 11, true))
BUILDER(vgg19_bn, cop_zoo__vgg(layers, x, classes, 19, true))
static const struct cop_nasnet_spec mobile = {.stem = 32, .filters = 1056, .blocks = 4};
static const struct cop_nasnet_spec large = {
    .stem = 96, .filters = 4032, .blocks = 6, .does_skip_reduction = true};
BUILDER(nasnet_mobile, cop_zoo__nasnet(layers, x, classes, &mobile))
BUILDER(nasnet_large, cop_zoo__nasnet(layers, x, classes, &large))

static const struct {
    struct cop_zoo_net net;
    build_fn *build;
} rows[] = {
    {{"resnet18", RESNET, 224, 1000, 32}, build_resnet18},
    {{"resnet34", RESNET, 224, 1000, 32}, build_resnet34},
    {{"resnet50", RESNET, 224, 1000, 32}, build_resnet50},
    {{"resnet101", RESNET, 224, 1000, 32}, build_resnet101},
    {{"vgg11", VGG, 224, 1000, 32}, build_vgg11},
    {{"vgg16", VGG, 224, 1000, 32}, build_vgg16},
    {{"vgg19", VGG, 224, 1000, 32}, build_vgg19},
    {{"vgg11-bn", VGG, 224, 1000, 32}, build_vgg11_bn},
    {{"vgg16-bn", VGG, 224, 1000, 32}, build_vgg16_bn},
    {{"vgg19-bn", VGG, 224, 1000, 32}, build_vgg19_bn},
    {{"mobilenetv1", "Howard et al. 2017", 224, 1000, 32}, cop_zoo__mobilenet_v1},
    {{"mobilenetv2", "Sandler et al. 2018; torchvision", 224, 1000, 32},
     cop_zoo__mobilenet_v2},
    {{"squeezenet", "Iandola et al. 2016, 1.1; torchvision", 224, 1000, 32},
     cop_zoo__squeezenet},
    {{"inceptionv3", "Szegedy et al. 2015; Keras", 299, 1000, 75},
     cop_zoo__inception_v3},
    {{"nasnet-mobile", NASNET, 224, 1000, 32}, build_nasnet_mobile},
    {{"nasnet-large", NASNET, 331, 1000, 32}, build_nasnet_large},
    {{"densenet121", "Huang et al. 2016; torchvision", 224, 1000, 32},
     cop_zoo__densenet121},
    {{"efficientnet-b0", "Tan and Le 2019; torchvision", 224, 1000, 32},
     cop_zoo__efficientnet_b0},
};
enum { N_ROWS = sizeof rows / sizeof *rows };
/* Far above anything useful; they keep every product of extents far from overflow. */
enum { MAX_CLASSES = 1000000, MAX_CHANNELS = 4096, MAX_SIDE = 16384 };

int32_t cop_zoo_n(void)
{
    return N_ROWS;
}

const struct cop_zoo_net *cop_zoo_at(int32_t i)
{
    return &rows[i].net;
}

static enum cop_status unknown(const char *name, struct cop_err *err)
{
    char names[240] = "";
    size_t used = 0;
    for (int32_t i = 0; i < N_ROWS && used < sizeof names; i++) {
        int n = snprintf(
            names + used,
            sizeof names - used,
            "%s%s",
            i > 0 ? ", " : "",
            rows[i].net.name);
        if (n < 0) break;
        used += (size_t)n;
    }
    return COP_FAIL(err, COP_ENOTFOUND, "no network '%s'; there are: %s", name, names);
}

/* Takes what was asked for, or what was published, if it is not absurd. */
static enum cop_status choose(
    const char *what,
    int64_t given,
    int64_t published,
    int64_t most,
    int64_t *chosen,
    struct cop_err *err)
{
    *chosen = given != 0 ? given : published;
    if (*chosen >= 1 && *chosen <= most) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "%s must be 1 to %lld, given %lld",
        what,
        (long long)most,
        (long long)given);
}

static enum cop_status build_into(
    int32_t row,
    const struct cop_zoo_options *options,
    struct cop_graph *graph,
    struct cop_err *err)
{
    const struct cop_zoo_net *net = &rows[row].net;
    struct cop_shape shape = {.rank = 4, .dim = {1}};
    int64_t classes;
    const int64_t size = net->size;
    COP_TRY(
        choose("classes", options->classes, net->classes, MAX_CLASSES, &classes, err));
    COP_TRY(choose("channels", options->channels, 3, MAX_CHANNELS, &shape.dim[1], err));
    COP_TRY(choose("height", options->height, size, MAX_SIDE, &shape.dim[2], err));
    COP_TRY(choose("width", options->width, size, MAX_SIDE, &shape.dim[3], err));
    if (shape.dim[2] < net->least_size || shape.dim[3] < net->least_size)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s needs an input of at least %lldx%lld, given %lldx%lld",
            net->name,
            (long long)net->least_size,
            (long long)net->least_size,
            (long long)shape.dim[2],
            (long long)shape.dim[3]);
    struct cop_value *input = NULL;
    COP_TRY(cop_graph_add_input(graph, "input", COP_F32, &shape, &input, err));
    input->is_batch_free = true;
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_layers layers = {.graph = graph, .moments.arena = arena, .err = err};
    cop_rng_init(&layers.rng, options->seed);
    layers.status = cop_moments__start(&layers.moments, input, err);
    struct cop_value *scores = NULL;
    if (layers.status == COP_OK) scores = rows[row].build(&layers, input, classes);
    cop_arena_destroy(arena);
    COP_TRY(layers.status);
    COP_TRY(cop_graph_mark_output(graph, scores, err));
    return cop_graph_infer(graph, err);
}

enum cop_status cop_zoo_build(
    const char *name,
    const struct cop_op_set *ops,
    const struct cop_zoo_options *options,
    struct cop_graph **graph,
    struct cop_err *err)
{
    int32_t row = 0;
    while (row < N_ROWS && strcmp(rows[row].net.name, name) != 0)
        row++;
    if (row == N_ROWS) return unknown(name, err);
    struct cop_graph *fresh = NULL;
    COP_TRY(cop_graph_create(ops, &fresh, err));
    enum cop_status status = build_into(row, options, fresh, err);
    if (status != COP_OK) {
        cop_graph_destroy(fresh);
        return status;
    }
    *graph = fresh;
    return COP_OK;
}
