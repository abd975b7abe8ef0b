/* importers/import.h - a model file of any format that is understood. */
#ifndef COP_IMPORTERS_IMPORT_H
#define COP_IMPORTERS_IMPORT_H

#include "base/err.h"
#include "graph/graph.h"
#include "importers/tf_read.h"

/** Reads a file as what it starts like: HDF5 as a Keras model (keras_read.h), a GraphDef, or
 *  whatever is named ".pb", as a frozen graph of TensorFlow (tf_read.h), anything else as
 *  ONNX (onnx_read.h).  @p part (NULL: all) chooses inputs and outputs of a TensorFlow graph;
 *  of other formats they are COP_EINVAL; part->unsupported is for all formats.  The text of a failure is one line that starts with the
 *  file's name.  COP_ENOTFOUND, COP_EIO, and what the readers return. */
COP_NODISCARD enum cop_status cop_import_file(
    const char *path,
    const struct cop_op_set *ops,
    const struct cop_tf_read_options *part,
    struct cop_graph **graph,
    struct cop_err *err);

#endif
