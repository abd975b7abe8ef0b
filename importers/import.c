/* importers/import.c - which reader a file is for; see import.h. */
#include "importers/import.h"

#include "importers/keras_read.h"
#include "importers/message.h"
#include "importers/onnx_read.h"

enum cop_status cop_import_file(
    const char *path,
    const struct cop_op_set *ops,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_buf *bytes = NULL;
    enum cop_status status = cop_buf_map(path, &bytes, err);
    if (status != COP_OK) {
        cop_importers__put_file_name(path, err);
        return status;
    }
    status = cop_keras_is_file(bytes)
                 ? cop_keras_read_bytes(bytes, path, ops, graph, err)
                 : cop_onnx_read_file(path, ops, graph, err);
    cop_buf_release(bytes);
    return status;
}
