/* importers/onnx_read.c - from file to checked graph; see onnx_read.h and README.md. */
#include "importers/onnx_read.h"

#include "base/mem.h"
#include "importers/message.h"
#include "importers/notes.h"
#include "importers/onnx_external.h"
#include "importers/onnx_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- protobuf-c -------------------------------------------------------------------------- */

static void *proto_alloc(void *context, size_t bytes)
{
    void *block = cop_mem_array(1, bytes);
    if (block == NULL) *(bool *)context = true;
    return block;
}

static void proto_free(void *context, void *block)
{
    (void)context;
    cop_mem_free(block);
}

/* protobuf-c tells no reason; all but memory was excluded by the scan. */
static enum cop_status unpack_skeleton(
    struct cop_importers__model *model, struct cop_err *err)
{
    bool is_out_of_memory = false;
    ProtobufCAllocator allocator = {
        .alloc = proto_alloc,
        .free = proto_free,
        .allocator_data = &is_out_of_memory,
    };
    model->proto = onnx__model_proto__unpack(
        &allocator, model->scan.n_skeleton, model->scan.skeleton);
    if (model->proto != NULL) return COP_OK;
    if (is_out_of_memory) return COP_FAIL_NOMEM(err);
    return COP_FAIL(err, COP_EFORMAT, "not a sound ONNX file");
}

static void free_proto(Onnx__ModelProto *proto)
{
    bool is_out_of_memory = false;
    ProtobufCAllocator allocator = {
        .alloc = proto_alloc,
        .free = proto_free,
        .allocator_data = &is_out_of_memory,
    };
    if (proto != NULL) onnx__model_proto__free_unpacked(proto, &allocator);
}

/* ---- the frame around the graph ------------------------------------------------------------ */

static enum cop_status find_opset(
    struct cop_importers__model *model, struct cop_err *err)
{
    int64_t opset = 0;
    for (size_t i = 0; i < model->proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *import = model->proto->opset_import[i];
        const char *domain = cop_importers__text(import->domain);
        if (domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0) continue;
        if (opset != 0)
            return COP_FAIL(err, COP_EFORMAT, "two opsets for the default domain");
        opset = import->version;
        if (opset < 1 || opset > 1000)
            return COP_FAIL(
                err, COP_EFORMAT, "opset %" PRId64 " makes no sense", opset);
    }
    if (opset == 0)
        return COP_FAIL(err, COP_EFORMAT, "no opset for the default domain");
    model->opset = (int32_t)opset;
    return COP_OK;
}

static enum cop_status check_frame(
    struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__ModelProto *proto = model->proto;
    bool has_graph = proto != NULL && proto->graph != NULL;
    if (!has_graph || !proto->has_ir_version || proto->ir_version < 1)
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "not an ONNX model: it has no %s",
            has_graph ? "IR version" : "graph");
    if (proto->ir_version < 3)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "IR version %" PRId64 " is not supported, 3 and later are",
            proto->ir_version);
    return find_opset(model, err);
}

static enum cop_status set_meta_number(
    struct cop_graph *graph, const char *key, int64_t number, struct cop_err *err)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    return cop_graph_set_meta(graph, key, text, err);
}

/* What the file says about itself travels under "onnx."; such keys of the file's own would
 * be about an ancestor. */
static enum cop_status read_meta(
    const struct cop_importers__model *model, struct cop_err *err)
{
    const Onnx__ModelProto *proto = model->proto;
    for (size_t i = 0; i < proto->n_metadata_props; i++) {
        const char *key = cop_importers__text(proto->metadata_props[i]->key);
        const char *text = cop_importers__text(proto->metadata_props[i]->value);
        if (key[0] == '\0' || strncmp(key, "onnx.", 5) == 0) continue;
        COP_TRY(cop_graph_set_meta(model->graph, key, text, err));
    }
    const char *producer = cop_arena_printf(
        model->scratch,
        "%s%s%s",
        cop_importers__text(proto->producer_name),
        cop_importers__text(proto->producer_version)[0] != '\0' ? " " : "",
        cop_importers__text(proto->producer_version));
    if (producer == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_graph_set_meta(model->graph, "onnx.producer", producer, err));
    COP_TRY(set_meta_number(model->graph, "onnx.ir_version", proto->ir_version, err));
    return set_meta_number(model->graph, "onnx.opset", model->opset, err);
}

static const char format[] = "onnx";
static const enum cop_dtype bytes_wide[] = {COP_I8, COP_U8};
enum { N_BYTES_WIDE = sizeof bytes_wide / sizeof *bytes_wide };

/* Weights of these types are float32 once the reading ends: floating ones as they are read,
 * those of a byte where what dequantises them is folded. */
static int64_t count_tensors(const Onnx__GraphProto *graph, enum cop_dtype dtype)
{
    const int32_t wanted = cop_dtype_to_onnx(dtype);
    int64_t n = 0;
    for (size_t i = 0; i < graph->n_initializer; i++)
        n += graph->initializer[i]->data_type == wanted;
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_attribute; k++) {
            const Onnx__TensorProto *tensor = graph->node[i]->attribute[k]->t;
            n += tensor != NULL && tensor->data_type == wanted;
        }
    return n;
}

/* Inputs of these types are float32 too. */
static int64_t count_inputs(
    const struct cop_importers__model *model, enum cop_dtype dtype)
{
    const Onnx__GraphProto *const graph = model->proto->graph;
    int64_t n = 0;
    for (size_t i = 0; i < graph->n_input; i++) {
        const Onnx__ValueInfoProto *const info = graph->input[i];
        const struct cop_value *const value =
            cop_graph_find_value(model->graph, cop_importers__text(info->name));
        n += value != NULL && value->is_input &&
             info->type->tensor_type->elem_type == cop_dtype_to_onnx(dtype);
    }
    return n;
}

static enum cop_status note_floats(
    const struct cop_importers__model *model, struct cop_err *err)
{
    static const enum cop_dtype floats[] = {COP_F16, COP_F64};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        COP_TRY(cop_importers__note_widened(
            model->graph,
            format,
            floats[i],
            count_tensors(model->proto->graph, floats[i]) +
                count_inputs(model, floats[i]),
            err));
    return COP_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum cop_status decode(struct cop_importers__model *model, struct cop_err *err)
{
    struct cop_importers__span file = {
        .at = cop_buf_data(model->file),
        .n = cop_buf_bytes(model->file),
    };
    if (file.n == 0) return COP_FAIL(err, COP_EFORMAT, "the file is empty");
    enum cop_status status = cop_importers__scan_model(&model->scan, file, err);
    if (status == COP_EFORMAT) cop_err_in(err, "not a sound ONNX file");
    if (status != COP_OK) return status;
    return unpack_skeleton(model, err);
}

/* Nodes that nobody reads need not make sense, so they go first. */
static enum cop_status settle(struct cop_graph *graph, struct cop_err *err)
{
    int64_t n_bytes[N_BYTES_WIDE];
    cop_graph_remove_dead(graph);
    COP_TRY(cop_graph_sort(graph, err)); /* upgrades may have added nodes anywhere */
    for (int i = 0; i < N_BYTES_WIDE; i++)
        n_bytes[i] = cop_importers__count_byte_weights(graph, bytes_wide[i]);
    COP_TRY(cop_graph_fold(graph, err));
    for (int i = 0; i < N_BYTES_WIDE; i++) {
        n_bytes[i] -= cop_importers__count_byte_weights(graph, bytes_wide[i]);
        COP_TRY(cop_importers__note_widened(
            graph, format, bytes_wide[i], n_bytes[i] > 0 ? n_bytes[i] : 0, err));
    }
    COP_TRY(cop_graph_infer(graph, err));
    return cop_graph_check(graph, err);
}

static enum cop_status read_model(
    struct cop_importers__model *model, struct cop_err *err)
{
    COP_TRY(decode(model, err));
    COP_TRY(check_frame(model, err));
    COP_TRY(cop_importers__check_operators(model, err));
    COP_TRY(cop_graph_create(model->ops, &model->graph, err));
    COP_TRY(cop_importers__build_graph(model, err));
    COP_TRY(read_meta(model, err));
    COP_TRY(note_floats(model, err));
    return settle(model->graph, err);
}

enum cop_status cop_onnx_read_bytes(
    struct cop_buf *bytes,
    const struct cop_op_set *ops,
    const struct cop_onnx_read_options *options,
    struct cop_graph **graph,
    struct cop_err *err)
{
    static const struct cop_onnx_read_options defaults = {0};
    struct cop_importers__model model = {
        .file = bytes,
        .ops = ops,
        .options = options != NULL ? options : &defaults,
        .scratch = cop_arena_create(),
    };
    enum cop_status status =
        model.scratch != NULL ? read_model(&model, err) : COP_FAIL_NOMEM(err);
    free_proto(model.proto);
    cop_importers__scan_clear(&model.scan);
    cop_arena_destroy(model.scratch);
    if (status == COP_OK) {
        *graph = model.graph;
        return COP_OK;
    }
    cop_graph_destroy(model.graph);
    const char *name = model.options->file_name;
    cop_importers__put_file_name(name != NULL ? name : "model", err);
    return status;
}

enum cop_status cop_onnx_read_file(
    const char *path,
    const struct cop_op_set *ops,
    struct cop_graph **graph,
    struct cop_err *err)
{
    return cop_importers__read_onnx_file(path, ops, NULL, graph, err);
}

enum cop_status cop_importers__read_onnx_file(
    const char *path,
    const struct cop_op_set *ops,
    struct cop_text *unsupported,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_buf *bytes = NULL;
    struct cop_importers__beside *beside = NULL;
    enum cop_status status = cop_buf_map(path, &bytes, err);
    if (status == COP_OK) status = cop_importers__beside_create(path, &beside, err);
    if (status != COP_OK) {
        cop_importers__put_file_name(path, err);
    } else {
        struct cop_onnx_read_options options = {
            .file_name = path,
            .external = cop_importers__beside_read,
            .external_context = beside,
            .unsupported = unsupported,
        };
        status = cop_onnx_read_bytes(bytes, ops, &options, graph, err);
    }
    cop_importers__beside_destroy(beside);
    cop_buf_release(bytes);
    return status;
}
