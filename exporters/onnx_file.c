/* exporters/onnx_file.c - ONNX into a file that is either whole or not there; see
 * onnx_write.h. */
#include "base/file.h"
#include "exporters/onnx_write.h"

static enum cop_status write_piece(
    void *context, const void *bytes, size_t n, struct cop_err *err)
{
    return cop_file_write(context, bytes, n, err);
}

enum cop_status cop_onnx_write_file(
    const struct cop_graph *graph, const char *path, struct cop_err *err)
{
    struct cop_file *file = NULL;
    COP_TRY(cop_file_create(path, &file, err));
    struct cop_onnx_write_options options = {.sink = write_piece, .context = file};
    enum cop_status status = cop_onnx_write(graph, &options, err);
    if (status == COP_OK) return cop_file_commit(file, err);
    cop_file_discard(file);
    return status;
}
