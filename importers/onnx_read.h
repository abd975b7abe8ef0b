/* importers/onnx_read.h - ONNX model files in.
 *
 * Reads ModelProto into a graph over a given operator set.  Tensors are views of the
 * mapped file wherever their bytes are there, never a second copy.  Everything a file
 * asks for is bounded before memory is asked for.  Knows no operator by name. */
#ifndef COP_IMPORTERS_ONNX_READ_H
#define COP_IMPORTERS_ONNX_READ_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "graph/graph.h"

struct cop_onnx_read_options {
    /* Name used in messages; NULL: "model". */
    const char *file_name;
    /* Gives the bytes of an external tensor (or COP_FAIL).  NULL: files beside the model
     * for cop_onnx_read_file, an error for cop_onnx_read_bytes. */
    enum cop_status (*external)(
        void *context,
        const char *location,
        int64_t offset,
        int64_t length, /* -1: not given */
        struct cop_buf **data,
        struct cop_err *err);
    void *external_context;
    /* NULL, or gets every operator that is not supported, one a line with its nodes: the
     * message is cut where it gets long. */
    struct cop_text *unsupported;
};

/** Opset 7 to 21 as far as the rows of @p ops go.  Constant chains are folded, shapes
 *  inferred; cop_graph_check holds.  Rewrites that name operators (cop_ops_simplify) are the
 *  caller's.  Axis 0 of every input becomes the batch; metadata "onnx.*" tells of the file.
 *  The text of a failure is one line that starts with the file's name.
 *  COP_ENOTFOUND, COP_EIO, COP_EFORMAT (broken file), COP_EUNSUPPORTED (lists every
 *  unknown operator), COP_ESHAPE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_onnx_read_file(
    const char *path,
    const struct cop_op_set *ops,
    struct cop_graph **graph,
    struct cop_err *err);

/** The same from memory; @p bytes stays referenced by the tensors.  Also whatever
 *  options->external returns. */
COP_NODISCARD enum cop_status cop_onnx_read_bytes(
    struct cop_buf *bytes,
    const struct cop_op_set *ops,
    const struct cop_onnx_read_options *options, /* NULL: defaults */
    struct cop_graph **graph,
    struct cop_err *err);

#endif
