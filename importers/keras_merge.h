/* importers/keras_merge.h - layers of several tensors, and arithmetic with numbers.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_MERGE_H
#define COP_IMPORTERS_KERAS_MERGE_H

#include "importers/keras_layers.h"

cop_keras__build_fn cop_keras__build_add;
cop_keras__build_fn cop_keras__build_subtract;
cop_keras__build_fn cop_keras__build_multiply;
cop_keras__build_fn cop_keras__build_divide;
cop_keras__build_fn cop_keras__build_average;
cop_keras__build_fn cop_keras__build_maximum;
cop_keras__build_fn cop_keras__build_minimum;
cop_keras__build_fn cop_keras__build_concatenate;

#endif
