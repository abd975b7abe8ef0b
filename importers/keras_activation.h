/* importers/keras_activation.h - activations by name, and the layers that are one.
 *
 * Private to importers/; see keras_layers.h. */
#ifndef COP_IMPORTERS_KERAS_ACTIVATION_H
#define COP_IMPORTERS_KERAS_ACTIVATION_H

#include "importers/keras_layers.h"

/** x = NAME(x).  COP_EUNSUPPORTED, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_keras__apply(
    const struct cop_keras__job *job,
    const char *name,
    struct cop_keras__tensor *x,
    struct cop_err *err);

cop_keras__build_fn cop_keras__build_activation;
cop_keras__build_fn cop_keras__build_relu;
cop_keras__build_fn cop_keras__build_leaky_relu;
cop_keras__build_fn cop_keras__build_elu;
cop_keras__build_fn cop_keras__build_softmax;
cop_keras__build_fn cop_keras__build_thresholded_relu;
cop_keras__build_fn cop_keras__build_prelu;

#endif
