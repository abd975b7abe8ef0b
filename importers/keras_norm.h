/* importers/keras_norm.h - layers that scale and shift.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_NORM_H
#define COP_IMPORTERS_KERAS_NORM_H

#include "importers/keras_layers.h"

cop_keras__build_fn cop_keras__build_batch_norm;
cop_keras__build_fn cop_keras__build_normalization;
cop_keras__build_fn cop_keras__build_rescaling;

#endif
