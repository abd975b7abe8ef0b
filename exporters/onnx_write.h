/* exporters/onnx_write.h - ONNX model files out.
 *
 * Writes what importers/onnx_read.h reads: opset 13 (or the lowest the operators allow),
 * IR 8, dynamic batch where the model had one.  Tensor bytes go straight from their buffers to the sink; the
 * model is never assembled in memory.  The bytes depend on the graph alone. */
#ifndef COP_EXPORTERS_ONNX_WRITE_H
#define COP_EXPORTERS_ONNX_WRITE_H

#include "base/err.h"
#include "graph/graph.h"

#include <stddef.h>

struct cop_onnx_write_options {
    /* Receives the file in order.  For cop_onnx_write only. */
    enum cop_status (*sink)(
        void *context, const void *bytes, size_t n, struct cop_err *err);
    void *context;
    /* If set, tensors of at least external_from bytes are not written: the callback
     * stores them and prints the location string that the file then names. */
    enum cop_status (*external)(
        void *context,
        const struct cop_value *constant,
        char location[128],
        struct cop_err *err);
    size_t external_from;
};

/** COP_ENOMEM, COP_EIO, or what a callback returns. */
COP_NODISCARD enum cop_status cop_onnx_write(
    const struct cop_graph *graph,
    const struct cop_onnx_write_options *options,
    struct cop_err *err);

/** Writes beside @p path and renames, so that a file of that name is always whole. */
COP_NODISCARD enum cop_status cop_onnx_write_file(
    const struct cop_graph *graph, const char *path, struct cop_err *err);

#endif
