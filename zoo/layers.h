/* zoo/layers.h - a network under construction; only for zoo/.
 *
 * The builder remembers its first failure and then hands on NULL, so that a network reads
 * as the list of its layers. */
#ifndef COP_ZOO_LAYERS_H
#define COP_ZOO_LAYERS_H

#include "base/rng.h"
#include "zoo/moments.h"
#include "zoo/zoo.h"

#include <stdbool.h>

struct cop_layers {
    struct cop_graph *graph;
    struct cop_rng rng;
    enum cop_status status;
    struct cop_err *err;
    struct cop_moments_table moments;
    int64_t n_weights; /* elements of all constants so far */
    const char *scope; /* put before every given name, with a dot; NULL: none */
};

/** Attributes as text: "kernel_shape=3,3 strides=2,2".  Sources end with NULL. */
struct cop_value *cop_layers__op(
    struct cop_layers *layers, const char *op, const char *name, const char *attrs, ...)
    __attribute__((sentinel));

/** A convolution over h and w. */
struct cop_conv_spec {
    int64_t oc;
    int64_t kernel[2];
    int64_t stride;
    int64_t pads[4]; /* top, left, bottom, right */
    int64_t group;   /* 0: 1 */
    bool has_bias;
};
struct cop_value *cop_layers__conv(
    struct cop_layers *layers,
    const char *name,
    struct cop_value *src,
    const struct cop_conv_spec *spec);
struct cop_value *cop_layers__bn(
    struct cop_layers *layers, const char *name, struct cop_value *src, double epsilon);
/** The same with scales around @p by. */
struct cop_value *cop_layers__scaled_bn(
    struct cop_layers *layers,
    const char *name,
    struct cop_value *src,
    double epsilon,
    double by);
struct cop_value *cop_layers__relu(
    struct cop_layers *layers, const char *name, struct cop_value *src);
struct cop_value *cop_layers__relu6(
    struct cop_layers *layers, const char *name, struct cop_value *src);
struct cop_value *cop_layers__linear(
    struct cop_layers *layers, const char *name, struct cop_value *src, int64_t n);
/** A constant operand "name.part". */
struct cop_value *cop_layers__int64s(
    struct cop_layers *layers,
    const char *name,
    const char *part,
    int64_t n,
    const int64_t *numbers);
/** GlobalAveragePool and Flatten. */
struct cop_value *cop_layers__global_pool(
    struct cop_layers *layers, struct cop_value *src);
/** A name made of parts, in the graph's arena; NULL after a failure. */
const char *cop_layers__name(struct cop_layers *layers, const char *format, ...)
    COP_PRINTF(2, 3);

/* The networks: from input to scores. */
struct cop_value *cop_zoo__resnet(
    struct cop_layers *layers, struct cop_value *x, int64_t classes, int depth);
struct cop_value *cop_zoo__vgg(
    struct cop_layers *layers,
    struct cop_value *x,
    int64_t classes,
    int depth,
    bool has_bn);
struct cop_value *cop_zoo__mobilenet_v1(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);
struct cop_value *cop_zoo__mobilenet_v2(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);
struct cop_value *cop_zoo__squeezenet(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);
struct cop_value *cop_zoo__inception_v3(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);
struct cop_value *cop_zoo__densenet121(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);
struct cop_value *cop_zoo__efficientnet_b0(
    struct cop_layers *layers, struct cop_value *x, int64_t classes);

/** NASNet-A, blocks @ filters in the paper's words. */
struct cop_nasnet_spec {
    int64_t stem;             /* filters of the first convolution */
    int64_t filters;          /* of the last cell: 6 times its width */
    int blocks;               /* normal cells between two reductions */
    bool does_skip_reduction; /* the cell behind a reduction looks past it */
};
struct cop_value *cop_zoo__nasnet(
    struct cop_layers *layers,
    struct cop_value *x,
    int64_t classes,
    const struct cop_nasnet_spec *spec);

#endif
