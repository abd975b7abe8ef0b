/* importers/keras_model.h - a Keras model as its configuration tells it: layers, and which
 * tensors each call of a layer reads.
 *
 * Private to importers/.  Sequential and Functional models of Keras 2 and 3 come out alike;
 * a model may be a layer of another.  Borrows the JSON; everything else is in the arena. */
#ifndef COP_IMPORTERS_KERAS_MODEL_H
#define COP_IMPORTERS_KERAS_MODEL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "graph/graph.h"
#include "importers/hdf5_file.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

/** A tensor that a call reads, or a number in its place. */
struct cop_keras__ref {
    int32_t layer; /* in the model; -1: a number */
    int32_t call;
    int32_t slot; /* result of a model that is a layer */
    double number;
};

struct cop_keras__refs {
    int32_t n;
    struct cop_keras__ref *at;
};

struct cop_keras__layer {
    const char *name;
    const char *kind; /* "Conv2D"; for a function of TensorFlow its name */
    const cJSON *config;
    struct cop_keras__model *inner; /* of a model that is a layer, else NULL */
    int32_t first_call;             /* in the model */
    int32_t n_calls;
    bool
        is_operation; /* Keras 3's functions: Add has no axis, Softmax no weights ... */
    int32_t n_weights; /* float tensors, in Keras's order */
    const struct cop_importers__h5_tensor **weights;
    struct cop_value **values; /* two a tensor, once made: as in the file, reordered */
};

struct cop_keras__model {
    const char *name;
    int32_t n;
    struct cop_keras__layer *layers;
    int32_t n_calls;
    struct cop_keras__refs *calls; /* what each call reads */
    struct cop_keras__refs inputs;
    struct cop_keras__refs outputs;
};

/** Reads the configuration.  COP_EFORMAT, COP_EUNSUPPORTED (subclassed model, nested too
 *  deep), COP_ENOMEM; texts name the layer. */
COP_NODISCARD enum cop_status cop_keras__parse(
    const cJSON *config,
    struct cop_arena *arena,
    struct cop_keras__model **model,
    struct cop_err *err);

/** Hands each layer its tensors; every kind of layer is known.  A model that is a layer has
 *  one list for all that it holds: first what training changes, then the rest.
 *  COP_EFORMAT, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_keras__give_weights(
    struct cop_keras__model *model,
    const struct cop_importers__h5 *h5,
    struct cop_arena *arena,
    struct cop_err *err);

/** The whole way from what the HDF5 file holds to a checked graph; @p scratch is the arena
 *  of @p h5.  As cop_keras_read_bytes, but texts do not name the file. */
COP_NODISCARD enum cop_status cop_keras__from_h5(
    const struct cop_importers__h5 *h5,
    struct cop_arena *scratch,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err);

#endif
