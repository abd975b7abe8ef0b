/* importers/import.c - which reader a file is for; see import.h. */
#include "importers/import.h"

#include "importers/keras_read.h"
#include "importers/message.h"
#include "importers/onnx_model.h"

static bool has_ending(const char *path, const char *ending)
{
    const size_t n = strlen(path);
    const size_t m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static enum cop_status refuse_part(
    const char *path, const struct cop_tf_read_options *part, struct cop_err *err)
{
    if (part == NULL || (part->n_inputs == 0 && part->n_outputs == 0)) return COP_OK;
    const enum cop_status status = COP_FAIL(
        err, COP_EINVAL, "inputs and outputs can be chosen of TensorFlow graphs only");
    cop_importers__put_file_name(path, err);
    return status;
}

enum cop_status cop_import_file(
    const char *path,
    const struct cop_op_set *ops,
    const struct cop_tf_read_options *part,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_text *const unsupported = part != NULL ? part->unsupported : NULL;
    struct cop_buf *bytes = NULL;
    enum cop_status status = cop_buf_map(path, &bytes, err);
    if (status != COP_OK) {
        cop_importers__put_file_name(path, err);
        return status;
    }
    if (cop_tf_is_graph(bytes) || has_ending(path, ".pb")) {
        status = cop_tf_read_bytes(bytes, path, ops, part, graph, err);
    } else {
        status = refuse_part(path, part, err);
        if (status == COP_OK && cop_keras_is_file(bytes))
            status = cop_keras_read_bytes(bytes, path, ops, unsupported, graph, err);
        else if (status == COP_OK)
            status = cop_importers__read_onnx_file(path, ops, unsupported, graph, err);
    }
    cop_buf_release(bytes);
    return status;
}
