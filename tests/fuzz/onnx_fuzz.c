/* tests/fuzz/onnx_fuzz.c - ONNX files. */
#include "fuzz.h"

#include "importers/onnx_read.h"
#include "mutate.h"
#include "ops/ops.h"

static enum cop_status read_one(const uint8_t *bytes, size_t n, struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    struct cop_buf *file = fuzz_copy(bytes, n);
    struct cop_onnx_read_options options = {.file_name = "fuzz"};
    *err = (struct cop_err){.text = ""};
    enum cop_status status =
        cop_onnx_read_bytes(file, &cop_ops_standard, &options, &graph, err);
    cop_buf_release(file);
    if (status == COP_OK)
        fuzz_use_graph(graph);
    else
        fuzz_check_refusal(err);
    cop_graph_destroy(graph);
    return status;
}

const struct fuzz_target fuzz_onnx = {
    .name = "onnx", .suffix = ".onnx", .one = read_one, .mutate = mutate_protobuf};
