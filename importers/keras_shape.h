/* importers/keras_shape.h - layers that only move elements.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_SHAPE_H
#define COP_IMPORTERS_KERAS_SHAPE_H

#include "importers/keras_layers.h"

cop_keras__build_fn cop_keras__build_same; /* Dropout and its like */
cop_keras__build_fn cop_keras__build_flatten;
cop_keras__build_fn cop_keras__build_reshape;
cop_keras__build_fn cop_keras__build_permute;

#endif
