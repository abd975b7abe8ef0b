/* importers/onnx_model.h - what the parts of the ONNX reader share.
 *
 * Private to importers/.  The order of the work is in README.md. */
#ifndef COP_IMPORTERS_ONNX_MODEL_H
#define COP_IMPORTERS_ONNX_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "graph/graph.h"
#include "importers/onnx_read.h"
#include "importers/onnx_scan.h"

#include "onnx.pb-c.h"

/** One file being read. */
struct cop_importers__model {
    struct cop_buf *file;
    const struct cop_op_set *ops;
    const struct cop_onnx_read_options *options;
    struct cop_importers__scan scan;
    Onnx__ModelProto *proto;   /* of the skeleton */
    int32_t opset;             /* of the default domain */
    struct cop_arena *scratch; /* gone when the reading ends */
    struct cop_graph *graph;
};

/** The elements of a tensor with what they mean; float16 and float64 become float32. */
struct cop_importers__tensor {
    enum cop_dtype dtype;
    struct cop_shape shape;
    struct cop_buf *data; /* the caller releases it */
};

/** A view of the file where its bytes can serve as they are, else a new buffer.
 *  COP_EFORMAT, COP_EUNSUPPORTED (element type), COP_ENOMEM, or what the callback for
 *  external tensors returns; texts name the tensor. */
COP_NODISCARD enum cop_status cop_importers__read_tensor(
    const struct cop_importers__model *model,
    const Onnx__TensorProto *proto,
    struct cop_importers__tensor *tensor,
    struct cop_err *err);

/** Fills @p attrs (op->attrs_size bytes) by the rows of op->attrs: defaults, then what
 *  the file gives.  Lists, strings and tensors will live as long as the graph.
 *  COP_EUNSUPPORTED (no such attribute), COP_EFORMAT (wrong type, twice, missing). */
COP_NODISCARD enum cop_status cop_importers__read_attrs(
    const struct cop_importers__model *model,
    const struct cop_op *op,
    const Onnx__NodeProto *node,
    void *attrs,
    struct cop_err *err);

/** order[0..n_node) are the positions of the nodes in an order in which every value is
 *  made before it is read; the file's own order if that is one.  In model->scratch.
 *  COP_EFORMAT names a node of a cycle or a value made twice; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__order_nodes(
    const struct cop_importers__model *model, int32_t **order, struct cop_err *err);

/** Adds what the file says to the empty model->graph: constants, inputs, nodes, outputs.
 *  COP_EFORMAT, COP_EUNSUPPORTED, COP_ESHAPE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_importers__build_graph(
    const struct cop_importers__model *model, struct cop_err *err);

/** Every node's operator is in the set, in the default domain and in its opset range;
 *  else COP_EUNSUPPORTED lists all that are not. */
COP_NODISCARD enum cop_status cop_importers__check_operators(
    const struct cop_importers__model *model, struct cop_err *err);

/** cop_onnx_read_file with a place for the list of what is not supported (NULL: none). */
COP_NODISCARD enum cop_status cop_importers__read_onnx_file(
    const char *path,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err);

/** "" for an absent string. */
static inline const char *cop_importers__text(const char *text)
{
    return text != NULL ? text : "";
}

#endif
