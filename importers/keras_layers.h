/* importers/keras_layers.h - how each kind of Keras layer becomes operators of ONNX.
 *
 * Private to importers/.  A table of kinds, one function each.  Keras's axes are those of
 * its configuration; a tensor of rank 4 lies in memory with its channels first even where
 * Keras has them last, and is_first tells so: then Keras's N, H, W, C are axes 0, 2, 3, 1. */
#ifndef COP_IMPORTERS_KERAS_LAYERS_H
#define COP_IMPORTERS_KERAS_LAYERS_H

#include "importers/build.h"
#include "importers/keras_json.h"
#include "importers/keras_model.h"

/** The graph under construction. */
struct cop_keras__net {
    struct cop_graph *graph;
    struct cop_arena *scratch;
    int version;         /* of Keras: 2 or 3 */
    bool keeps_order;    /* channels_first: Keras's order is that of the memory */
    int32_t n_calls;     /* of layers so far */
    size_t budget_bytes; /* left for constants that are no views of the file */
    struct cop_text *unsupported; /* NULL, or where the complete list goes */
};

struct cop_keras__tensor {
    struct cop_value *value; /* NULL: a number */
    double number;
    bool is_first; /* rank 4 and reordered, see above */
};

/** One call of a layer. */
struct cop_keras__job {
    struct cop_keras__net *net;
    const struct cop_keras__layer *layer;
    const char *name; /* with the models around it: "base/conv1" */
    const struct cop_keras__tensor *src;
    int32_t n_src;
};

typedef enum cop_status cop_keras__build_fn(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err);

struct cop_keras__kind {
    const char *name;
    cop_keras__build_fn *build;
    int32_t n_src[2]; /* fewest and most tensors; -1: any number */
    /** How many tensors training changes [0] and how many it does not [1]; NULL: none. */
    void (*weights)(const cJSON *config, int32_t counts[2]);
    const char *needs;  /* an operator that not every set has */
    bool is_activation; /* may stand where an activation's name does */
    bool takes_numbers; /* in place of tensors */
};

/** NULL when the kind is not known. */
const struct cop_keras__kind *cop_keras__find_kind(
    const struct cop_keras__layer *layer);

/** Every layer's kind and activation is known and its operators are in the set; else
 *  COP_EUNSUPPORTED lists all that are not. */
COP_NODISCARD enum cop_status cop_keras__check_kinds(
    const struct cop_keras__net *net,
    const struct cop_keras__model *model,
    struct cop_err *err);

/* ---- what the kinds are made of: keras_layers.c ------------------------------------------- */

/** Adds a node named after the layer, with "/suffix" unless that is NULL. */
COP_NODISCARD enum cop_status cop_keras__node(
    const struct cop_keras__job *job,
    const char *suffix,
    const struct cop_importers__part *part,
    struct cop_value **dst,
    struct cop_err *err);
/** A float32 scalar. */
COP_NODISCARD enum cop_status cop_keras__scalar(
    const struct cop_keras__job *job,
    double number,
    struct cop_value **value,
    struct cop_err *err);
/** COP_EUNSUPPORTED when constants made so far would need far more memory than the file. */
COP_NODISCARD enum cop_status cop_keras__spend(
    const struct cop_keras__job *job, size_t bytes, struct cop_err *err);
/** Tensor @p i of the layer as it lies in the file; one value for all its calls. */
COP_NODISCARD enum cop_status cop_keras__weight(
    const struct cop_keras__job *job,
    int32_t i,
    struct cop_value **value,
    struct cop_err *err);
/** Tensor @p i with its axes in another order: result axis a is file axis perm[a].  The
 *  result gets @p shape, which has as many elements (NULL: the permuted extents). */
COP_NODISCARD enum cop_status cop_keras__weight_permuted(
    const struct cop_keras__job *job,
    int32_t i,
    const int32_t *perm,
    const struct cop_shape *shape,
    struct cop_value **value,
    struct cop_err *err);
/** COP_EFORMAT unless the layer has that many tensors. */
COP_NODISCARD enum cop_status cop_keras__want_weights(
    const struct cop_keras__job *job, int32_t n, struct cop_err *err);
/** COP_EFORMAT unless tensor @p i has that many axes. */
COP_NODISCARD enum cop_status cop_keras__want_axes(
    const struct cop_keras__job *job, int32_t i, int32_t rank, struct cop_err *err);

/* ---- order of axes: keras_shape.c --------------------------------------------------------- */

/** The axis of memory that is axis @p axis (may be negative) of Keras. */
COP_NODISCARD enum cop_status cop_keras__axis(
    const struct cop_keras__tensor *tensor,
    int64_t axis,
    int32_t *memory_axis,
    struct cop_err *err);
/** An image with its channels on axis 1 of memory, as layers with windows want it; the
 *  layer's data_format says where Keras has them.  COP_EUNSUPPORTED unless of rank 4. */
COP_NODISCARD enum cop_status cop_keras__image(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *image,
    struct cop_err *err);
/** The same elements in the order of Keras or, of rank 4, with the channels on axis 1 of
 *  memory.  @p dst may be @p src. */
COP_NODISCARD enum cop_status cop_keras__order(
    const struct cop_keras__job *job,
    const struct cop_keras__tensor *src,
    bool is_first,
    struct cop_keras__tensor *dst,
    struct cop_err *err);

/* ---- activations: keras_activation.c -------------------------------------------------------- */

/** Applies config[key] ("relu", {"class_name": "LeakyReLU", ...}); none is linear. */
COP_NODISCARD enum cop_status cop_keras__activate(
    const struct cop_keras__job *job,
    const char *key,
    const struct cop_keras__tensor *src,
    struct cop_keras__tensor *dst,
    struct cop_err *err);
/** NULL when config[key] is known and its operators are in the set, else its name. */
const char *cop_keras__unknown_activation(
    const struct cop_keras__net *net, const cJSON *config, const char *key);

#endif
