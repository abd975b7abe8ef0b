/* tests/fuzz/tf_fuzz.c - frozen graphs of TensorFlow: whole, and cut at a node "cut". */
#include "fuzz.h"

#include "importers/tf_read.h"
#include "mutate.h"
#include "ops/ops.h"

static enum cop_status read_part(
    struct cop_buf *file, const struct cop_tf_read_options *part, struct cop_err *err)
{
    struct cop_graph *graph = NULL;
    *err = (struct cop_err){.text = ""};
    const enum cop_status status =
        cop_tf_read_bytes(file, "fuzz", &cop_ops_standard, part, &graph, err);
    if (status == COP_OK) {
        fuzz_use_graph(graph);
    } else {
        struct cop_err told = *err;
        /* That no such input or output is there is documented too. */
        if (told.status == COP_EINVAL) told.status = COP_EFORMAT;
        fuzz_check_refusal(&told);
    }
    cop_graph_destroy(graph);
    return status;
}

static enum cop_status read_one(const uint8_t *bytes, size_t n, struct cop_err *err)
{
    static const struct cop_tf_input cut = {
        .name = "cut", .has_shape = true, .shape = {.rank = 4, .dim = {1, 5, 4, 3}}};
    static const struct cop_tf_read_options part = {.inputs = &cut, .n_inputs = 1};
    struct cop_buf *file = fuzz_copy(bytes, n);
    const enum cop_status status = read_part(file, &part, err);
    if (status == COP_OK) {
        cop_buf_release(file);
        return COP_OK;
    }
    const enum cop_status whole = read_part(file, NULL, err);
    cop_buf_release(file);
    return whole;
}

const struct fuzz_target fuzz_tf = {
    .name = "tf", .suffix = ".pb", .one = read_one, .mutate = mutate_protobuf};
