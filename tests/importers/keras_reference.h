/* tests/importers/keras_reference.h - what Keras's layers compute, in double precision and in
 * Keras's own order of axes (H, W, C), written from its documentation.
 *
 * One sample at a time.  Every result is fresh and freed by the caller. */
#ifndef COP_TESTS_KERAS_REFERENCE_H
#define COP_TESTS_KERAS_REFERENCE_H

#include <stdint.h>

enum { KERAS_AXES = 4 };

/** An array without its batch axis. */
struct keras_array {
    int rank;
    int64_t dim[KERAS_AXES];
    double *at;
};

struct keras_array keras_array(int rank, const int64_t *dim);
int64_t keras_count(const struct keras_array *array);

/** @param w the layer's tensors in Keras's order, @param p numbers that the layer's row of the
 *  test table gives. */
typedef struct keras_array keras_fn(
    const struct keras_array *x, const struct keras_array *w, const double *p);

/* p: stride h w, dilation h w, same, groups, has bias */
keras_fn keras_conv, keras_depthwise, keras_separable;
/* p: stride h w, same, output padding (-1: none given) */
keras_fn keras_conv_transpose;
/* over the last axis; p: has bias */
keras_fn keras_dense;
/* p: has gamma, has beta, epsilon */
keras_fn keras_batch_norm;
/* p: scale, then one offset a channel; (x - mean) / sqrt(variance) from w or p */
keras_fn keras_rescaling, keras_normalization;
/* p: max_value, negative_slope; theta; shared or full slopes from w */
keras_fn keras_relu, keras_thresholded, keras_prelu, keras_elu;
/* over the last axis */
keras_fn keras_softmax;
/* p: pool h w, stride h w, same */
keras_fn keras_max_pool, keras_average_pool;
/* p: keepdims */
keras_fn keras_global_max, keras_global_average;
/* p: top, bottom, left, right */
keras_fn keras_zero_padding, keras_cropping;
/* p: factors h w */
keras_fn keras_nearest, keras_bilinear;
/* p: new rank and extents; the same elements in the same order */
keras_fn keras_reshape;
/* p: for three axes, which axis comes first, second, third */
keras_fn keras_permute;
keras_fn keras_same;

#endif
