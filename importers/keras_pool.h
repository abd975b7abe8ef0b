/* importers/keras_pool.h - layers over the places of an image: pooling, padding, cropping,
 * scaling up.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_POOL_H
#define COP_IMPORTERS_KERAS_POOL_H

#include "importers/keras_layers.h"

cop_keras__build_fn cop_keras__build_max_pool;
cop_keras__build_fn cop_keras__build_average_pool;
cop_keras__build_fn cop_keras__build_global_max;
cop_keras__build_fn cop_keras__build_global_average;
cop_keras__build_fn cop_keras__build_zero_padding;
cop_keras__build_fn cop_keras__build_cropping;
cop_keras__build_fn cop_keras__build_up_sampling;

#endif
