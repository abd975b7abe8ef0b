/* importers/keras_read.h - whole Keras models from HDF5 files (.h5, .hdf5).
 *
 * Sequential and Functional models of Keras 2 and 3, also nested, become a graph of ONNX
 * operators.  Images lie in memory as N, C, H, W, also at the model's inputs and outputs
 * where Keras has N, H, W, C; tensors of other ranks keep Keras's order.  What only training
 * needs (losses, optimisers, regularisers, dropout) is left away. */
#ifndef COP_IMPORTERS_KERAS_READ_H
#define COP_IMPORTERS_KERAS_READ_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "graph/graph.h"

#include <stdbool.h>

/** The bytes start as an HDF5 file does. */
bool cop_keras_is_file(const struct cop_buf *bytes);

/** Reads a model over @p ops; cop_graph_check holds.  Rewrites that name operators
 *  (cop_ops_simplify) are the caller's.  Metadata "keras.version" and "keras.backend" tell
 *  of the file.  @p file_name is for messages: the text of a failure is one line that
 *  starts with it.  @p unsupported: NULL, or gets all layers that are not supported, one kind
 *  a line.
 *  COP_EFORMAT (broken file), COP_EUNSUPPORTED (lists every layer that is not supported),
 *  COP_ESHAPE, COP_EIO (no process for the HDF5 library), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_keras_read_bytes(
    struct cop_buf *bytes,
    const char *file_name,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err);

#endif
