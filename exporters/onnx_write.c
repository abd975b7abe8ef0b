/* exporters/onnx_write.c - graph to ModelProto; see onnx_write.h.
 *
 * Each message of the format is one function below; the numbers are those of the published
 * schema.  The opset is chosen and external tensors are stored before the first byte. */
#include "exporters/onnx_write.h"

#include "base/arena.h"
#include "exporters/encode.h"
#include "exporters/onnx_attrs_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { IR_VERSION = 8, LOCATION_EXTERNAL = 1 };

/* Protobuf's limit for one message. */
static const uint64_t max_bytes = INT32_MAX;

struct location {
    char text[128]; /* "" when the elements are in the file */
};

struct writer {
    const struct cop_graph *graph;
    int32_t opset;
    const struct location *locations; /* by value id; NULL: all in the file */
    const struct cop_fact *at_2;      /* facts for batch 2; NULL: batch is 1 for ever */
};

/* What the functions that write a message are given. */
struct of_value {
    const struct writer *writer;
    const struct cop_value *value;
};
struct of_node {
    const struct writer *writer;
    const struct cop_node *node;
};
struct of_entry {
    const char *key;
    const char *text;
};

static void put_entry(struct cop_exporters__out *out, const void *what)
{
    const struct of_entry *entry = what;
    cop_exporters__put_text(out, 1, entry->key);
    cop_exporters__put_text(out, 2, entry->text);
}

/* ---- values ------------------------------------------------------------------------------ */

static void put_constant(struct cop_exporters__out *out, const void *what)
{
    const struct of_value *of = what;
    const struct cop_value *value = of->value;
    const struct location *locations = of->writer->locations;
    if (locations == NULL || locations[value->id].text[0] == '\0') {
        struct cop_fact fact = {
            .dtype = value->dtype,
            .shape = value->shape,
            .data = cop_buf_data(value->data),
        };
        cop_exporters__put_tensor(out, value->name, &fact);
        return;
    }
    struct of_entry location = {"location", locations[value->id].text};
    cop_exporters__put_tensor_head(out, value->name, value->dtype, &value->shape);
    cop_exporters__put_message(out, 13, put_entry, &location);
    cop_exporters__put_int(out, 14, LOCATION_EXTERNAL);
}

/* An axis that a second batch size stretches is written as open: "N" where it is the batch
 * itself, without a name where it is a multiple. */
struct of_dim {
    int64_t extent;
    int64_t extent_2;
};

static void put_dim(struct cop_exporters__out *out, const void *what)
{
    const struct of_dim *of = what;
    if (of->extent == of->extent_2)
        cop_exporters__put_int(out, 1, of->extent);
    else if (of->extent == 1 && of->extent_2 == 2)
        cop_exporters__put_text(out, 2, "N");
}

static void put_shape(struct cop_exporters__out *out, const void *what)
{
    const struct of_value *of = what;
    const struct cop_shape *shape = &of->value->shape;
    const struct cop_fact *at_2 = of->writer->at_2;
    for (int32_t i = 0; i < shape->rank; i++) {
        int64_t extent_2 =
            at_2 != NULL ? at_2[of->value->id].shape.dim[i] : shape->dim[i];
        struct of_dim dim = {.extent = shape->dim[i], .extent_2 = extent_2};
        cop_exporters__put_message(out, 1, put_dim, &dim);
    }
}

static void put_tensor_type(struct cop_exporters__out *out, const void *what)
{
    const struct of_value *of = what;
    cop_exporters__put_int(out, 1, cop_dtype_to_onnx(of->value->dtype));
    cop_exporters__put_message(out, 2, put_shape, of);
}

static void put_type(struct cop_exporters__out *out, const void *what)
{
    cop_exporters__put_message(out, 1, put_tensor_type, what);
}

static void put_value_info(struct cop_exporters__out *out, const void *what)
{
    const struct of_value *of = what;
    cop_exporters__put_text(out, 1, of->value->name);
    cop_exporters__put_message(out, 2, put_type, of);
}

/* ---- nodes ------------------------------------------------------------------------------- */

/* Absent operands at the end are not there at all: some operators once had fewer. */
static int32_t count_given(struct cop_value *const *values, int32_t n)
{
    while (n > 0 && values[n - 1] == NULL)
        n--;
    return n;
}

/* A name for a list that later opsets carry as an operand; no value has it. */
static const char *late_name(
    const struct of_node *of, const struct cop_attr_spec *spec, char name[64])
{
    (void)snprintf(name, 64, "%.24s.%" PRId32, spec->name, of->node->id);
    size_t n = strlen(name);
    while (n < 63 && cop_graph_find_value(of->writer->graph, name) != NULL) {
        name[n++] = '_';
        name[n] = '\0';
    }
    return name;
}

static void put_late_list(struct cop_exporters__out *out, const void *what)
{
    const struct of_node *of = what;
    struct cop_ints list;
    char name[64];
    const struct cop_attr_spec *spec =
        cop_exporters__late_list(of->node, of->writer->opset, &list);
    const struct cop_fact fact = {
        .dtype = COP_I64, .shape = cop_shape_make(1, &list.n), .data = list.at};
    cop_exporters__put_tensor(out, late_name(of, spec, name), &fact);
}

static void put_node(struct cop_exporters__out *out, const void *what)
{
    const struct of_node *of = what;
    const struct cop_node *node = of->node;
    struct cop_ints list;
    char name[64];
    const struct cop_attr_spec *late =
        cop_exporters__late_list(node, of->writer->opset, &list);
    int32_t n_src = count_given(node->src, node->n_src);
    int32_t n_dst = count_given(node->dst, node->n_dst);
    for (int32_t i = 0; i < n_src; i++)
        cop_exporters__put_text(
            out, 1, node->src[i] != NULL ? node->src[i]->name : NULL);
    for (int32_t i = n_src; late != NULL && i <= late->late_slot; i++)
        cop_exporters__put_text(
            out, 1, i == late->late_slot ? late_name(of, late, name) : NULL);
    for (int32_t i = 0; i < n_dst; i++)
        cop_exporters__put_text(
            out, 2, node->dst[i] != NULL ? node->dst[i]->name : NULL);
    cop_exporters__put_text(out, 3, node->name);
    cop_exporters__put_text(out, 4, node->op->name);
    cop_exporters__put_attrs(out, 5, node, of->writer->opset);
}

/* ---- graph and model ---------------------------------------------------------------------- */

static bool is_written_constant(const struct cop_value *value)
{
    return value != NULL && value->data != NULL &&
           (value->n_uses > 0 || value->is_output);
}

static void put_graph(struct cop_exporters__out *out, const void *what)
{
    const struct writer *writer = what;
    const struct cop_graph *graph = writer->graph;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct of_node node = {writer, cop_graph_node(graph, i)};
        cop_exporters__put_message(out, 1, put_node, &node);
    }
    cop_exporters__put_text(out, 2, "graph");
    for (int32_t i = 0; i < cop_graph_n_values(graph); i++) {
        struct of_value constant = {writer, cop_graph_value(graph, i)};
        if (is_written_constant(constant.value))
            cop_exporters__put_message(out, 5, put_constant, &constant);
    }
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct of_node node = {writer, cop_graph_node(graph, i)};
        struct cop_ints list;
        if (cop_exporters__late_list(node.node, writer->opset, &list) != NULL)
            cop_exporters__put_message(out, 5, put_late_list, &node);
    }
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++) {
        struct of_value input = {writer, cop_graph_input(graph, i)};
        cop_exporters__put_message(out, 11, put_value_info, &input);
    }
    for (int32_t i = 0; i < cop_graph_n_outputs(graph); i++) {
        struct of_value output = {writer, cop_graph_output(graph, i)};
        cop_exporters__put_message(out, 12, put_value_info, &output);
    }
}

static void put_opset(struct cop_exporters__out *out, const void *what)
{
    const struct writer *writer = what;
    cop_exporters__put_text(out, 1, "");
    cop_exporters__put_int(out, 2, writer->opset);
}

/* Keys of the file that was read, which the one written is not. */
static bool tells_of_the_file(const char *key)
{
    static const char *const readers[] = {"onnx.", "tf.", "keras."};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strncmp(key, readers[i], strlen(readers[i])) == 0) return true;
    return false;
}

static void put_model(struct cop_exporters__out *out, const void *what)
{
    const struct writer *writer = what;
    cop_exporters__put_int(out, 1, IR_VERSION);
    cop_exporters__put_text(out, 2, "coppice");
    cop_exporters__put_text(out, 3, COPPICE_VERSION);
    cop_exporters__put_message(out, 7, put_graph, writer);
    cop_exporters__put_message(out, 8, put_opset, writer);
    for (int32_t i = 0; i < cop_graph_n_meta(writer->graph); i++) {
        struct of_entry entry;
        cop_graph_meta_at(writer->graph, i, &entry.key, &entry.text);
        if (!tells_of_the_file(entry.key))
            cop_exporters__put_message(out, 14, put_entry, &entry);
    }
}

/* ---- before the first byte ------------------------------------------------------------------ */

static enum cop_status store_external(
    struct writer *writer,
    const struct cop_onnx_write_options *options,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    int32_t n = cop_graph_n_values(writer->graph);
    if (options->external == NULL) return COP_OK;
    struct location *locations = COP_ARENA_NEW_N(scratch, n, struct location);
    if (locations == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_value *value = cop_graph_value(writer->graph, i);
        if (!is_written_constant(value)) continue;
        if (cop_buf_bytes(value->data) < options->external_from) continue;
        COP_TRY(options->external(options->context, value, locations[i].text, err));
    }
    writer->locations = locations;
    return COP_OK;
}

/* A network whose file fixed the batch may be unable to take another; then its shapes are
 * written as they are. */
static enum cop_status find_open_axes(
    struct writer *writer, struct cop_arena *scratch, struct cop_err *err)
{
    bool is_batch_free = false;
    for (int32_t i = 0; i < cop_graph_n_inputs(writer->graph); i++)
        is_batch_free =
            is_batch_free || cop_graph_input(writer->graph, i)->is_batch_free;
    if (!is_batch_free) return COP_OK;
    struct cop_fact *at_2 = NULL;
    COP_TRY(cop_graph_facts(writer->graph, 2, scratch, &at_2, err));
    writer->at_2 = at_2;
    return COP_OK;
}

static enum cop_status write_model(
    const struct writer *writer,
    const struct cop_onnx_write_options *options,
    struct cop_err *err)
{
    uint64_t bytes = cop_exporters__count(put_model, writer);
    if (bytes > max_bytes)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the model needs %" PRIu64 " bytes, an ONNX file holds at most %" PRIu64,
            bytes,
            max_bytes);
    uint8_t pending[COP_EXPORTERS_PENDING];
    struct cop_exporters__out out = {
        .sink = options->sink,
        .context = options->context,
        .err = err,
        .pending = pending,
    };
    put_model(&out, writer);
    return cop_exporters__finish(&out);
}

enum cop_status cop_onnx_write(
    const struct cop_graph *graph,
    const struct cop_onnx_write_options *options,
    struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    struct writer writer = {.graph = graph};
    enum cop_status status = cop_exporters__choose_opset(graph, &writer.opset, err);
    if (status == COP_OK) status = find_open_axes(&writer, scratch, err);
    if (status == COP_OK) status = store_external(&writer, options, scratch, err);
    if (status == COP_OK) status = write_model(&writer, options, err);
    cop_arena_destroy(scratch);
    return status;
}
