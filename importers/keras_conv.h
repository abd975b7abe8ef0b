/* importers/keras_conv.h - layers with weights that multiply, and the windows of TensorFlow.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_CONV_H
#define COP_IMPORTERS_KERAS_CONV_H

#include "importers/keras_layers.h"

/** A window over h and w with its paddings: {top, left, bottom, right}. */
struct cop_keras__window {
    int64_t kernel[2];
    int64_t strides[2];
    int64_t dilations[2];
    int64_t pads[4];
};

/** Strides and dilations of the configuration, 1 where it is silent.  COP_EFORMAT unless
 *  they and the kernel, which is given, are at least 1. */
COP_NODISCARD enum cop_status cop_keras__steps(
    const cJSON *config, struct cop_keras__window *window, struct cop_err *err);

/** The padding of the configuration over @p image (NCHW).  'same' pads as TensorFlow does:
 *  so that the result has ceil(h / stride) rows, the odd row below.  COP_EUNSUPPORTED
 *  (another padding). */
COP_NODISCARD enum cop_status cop_keras__pad(
    const cJSON *config,
    const struct cop_shape *image,
    struct cop_keras__window *window,
    struct cop_err *err);

cop_keras__build_fn cop_keras__build_conv;
cop_keras__build_fn cop_keras__build_depthwise;
cop_keras__build_fn cop_keras__build_separable;
cop_keras__build_fn cop_keras__build_conv_transpose;
cop_keras__build_fn cop_keras__build_dense;

#endif
