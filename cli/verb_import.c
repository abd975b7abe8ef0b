/* cli/verb_import.c - a model file into the project, and the verdict on it. */
#include "cli/inputs.h"
#include "cli/origin.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/preprocess.h"
#include "prune/groups.h"
#include "synth/project.h"

#include <stdio.h>
#include <string.h>

struct import_options {
    const char *name;
    const char *preprocess;
    struct cop_cli_part part;
};

static const struct cop_option options[] = {
    {.name = "name",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct import_options, name),
     .operand = "NAME",
     .help = "its name in the project; else the file's stem"},
    {.name = "preprocess",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct import_options, preprocess),
     .operand = "TEXT",
     .help = "what its input expects; kept in the model's metadata"},
    COP_CLI_PART_OPTIONS(struct import_options, part),
    {.name = NULL}};

enum { MAX_OPS = 128 };

/* How often each operator occurs, in order of first appearance. */
struct op_counts {
    const struct cop_op *ops[MAX_OPS];
    int32_t counts[MAX_OPS];
    int32_t n;
};

static void count_ops(const struct cop_graph *graph, struct op_counts *counts)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); ++i) {
        const struct cop_op *op = cop_graph_node(graph, i)->op;
        int32_t at = 0;
        while (at < counts->n && counts->ops[at] != op)
            ++at;
        if (at == MAX_OPS) continue;
        if (at == counts->n) {
            counts->ops[at] = op;
            ++counts->n;
        }
        ++counts->counts[at];
    }
}

static void print_values(
    const char *title,
    const struct cop_graph *graph,
    int32_t n,
    struct cop_value *(*at)(const struct cop_graph *graph, int32_t i))
{
    printf("%-18s", title);
    for (int32_t i = 0; i < n; ++i) {
        const struct cop_value *value = at(graph, i);
        char shape[COP_SHAPE_TEXT];
        printf(
            "%s%s %s %s",
            i > 0 ? ", " : "",
            value->name,
            cop_dtype_name(value->dtype),
            cop_shape_print(&value->shape, shape, sizeof shape));
        if (value->is_batch_free) fputs(" (any batch)", stdout);
    }
    putchar('\n');
}

static void print_text(
    const char *name,
    const struct cop_graph *graph,
    const struct cop_model_row *row,
    const cJSON *origin,
    const struct cop_groups *groups)
{
    char text[COP_NUMBER_TEXT];
    struct op_counts counts = {.n = 0};
    count_ops(graph, &counts);
    printf("imported %s from %s\n\n", name, row->source);
    cop_origin_print(origin, 18);
    print_values("inputs", graph, cop_graph_n_inputs(graph), cop_graph_input);
    print_values("outputs", graph, cop_graph_n_outputs(graph), cop_graph_output);
    printf("%-18s%d:", "nodes", cop_graph_n_nodes(graph));
    for (int32_t i = 0; i < counts.n; ++i)
        printf(
            " %s %d%s",
            counts.ops[i]->name,
            counts.counts[i],
            i + 1 < counts.n ? "," : "");
    printf("\n%-18s%s", "parameters", cop_text_count(text, row->params));
    printf(" (%s)\n", cop_text_bytes(text, row->bytes));
    printf("%-18s%s per sample\n", "MACs", cop_text_si(text, (double)row->macs));
    const char *preprocess = cop_graph_meta(graph, COP_PREPROCESS_META);
    printf("%-18s%s\n", "preprocessing", preprocess != NULL ? preprocess : "not known");
    printf(
        "%-18s%.1f %% of the MACs lie in layers that shrink when channels go\n",
        "prunable",
        100 * cop_groups_prunable_macs(groups));
    int32_t n_frozen = 0;
    for (int32_t i = 0; i < cop_groups_n(groups); ++i) {
        const struct cop_group *group = cop_groups_at(groups, i);
        if (group->frozen_because == NULL) continue;
        printf(
            "%-18s%s (%lld channels): %s\n",
            n_frozen++ == 0 ? "frozen" : "",
            group->name,
            (long long)group->n_channels,
            group->frozen_because);
    }
}

static void json_values(
    struct cop_cli *cli,
    cJSON *array,
    const struct cop_graph *graph,
    int32_t n,
    struct cop_value *(*at)(const struct cop_graph *graph, int32_t i))
{
    for (int32_t i = 0; i < n; ++i) {
        const struct cop_value *value = at(graph, i);
        cJSON *element = cop_json_element(cli, array);
        cop_json_text(cli, element, "name", value->name);
        cop_json_text(cli, element, "dtype", cop_dtype_name(value->dtype));
        cop_json_dims(cli, element, "shape", value->shape.dim, value->shape.rank);
    }
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const struct cop_model_row *row,
    cJSON *origin,
    const struct cop_groups *groups,
    struct cop_err *err)
{
    struct op_counts counts = {.n = 0};
    count_ops(graph, &counts);
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", row->name);
    cop_json_text(cli, document, "source", row->source);
    cop_origin_move(origin, document);
    cop_json_count(cli, document, "nodes", cop_graph_n_nodes(graph));
    cJSON *operators = cop_json_array(cli, document, "operators");
    for (int32_t i = 0; i < counts.n; ++i) {
        cJSON *element = cop_json_element(cli, operators);
        cop_json_text(cli, element, "op", counts.ops[i]->name);
        cop_json_count(cli, element, "n", counts.counts[i]);
    }
    json_values(
        cli,
        cop_json_array(cli, document, "inputs"),
        graph,
        cop_graph_n_inputs(graph),
        cop_graph_input);
    json_values(
        cli,
        cop_json_array(cli, document, "outputs"),
        graph,
        cop_graph_n_outputs(graph),
        cop_graph_output);
    cop_json_count(cli, document, "params", row->params);
    cop_json_count(cli, document, "bytes", row->bytes);
    cop_json_count(cli, document, "macs", row->macs);
    cop_json_number(
        cli, document, "prunable_macs", 100 * cop_groups_prunable_macs(groups));
    cop_json_text(
        cli, document, "preprocess", cop_graph_meta(graph, COP_PREPROCESS_META));
    cJSON *frozen = cop_json_array(cli, document, "frozen");
    for (int32_t i = 0; i < cop_groups_n(groups); ++i) {
        const struct cop_group *group = cop_groups_at(groups, i);
        if (group->frozen_because == NULL) continue;
        cJSON *element = cop_json_element(cli, frozen);
        cop_json_text(cli, element, "layer", group->name);
        cop_json_count(cli, element, "channels", group->n_channels);
        cop_json_text(cli, element, "because", group->frozen_because);
    }
    return cop_json_print(cli, document, err);
}

/* Checks the text and keeps it with the model in its canonical form. */
static enum cop_status keep_preprocess(
    struct cop_graph *graph, const char *text, struct cop_err *err)
{
    struct cop_preprocess preprocess;
    char canonical[COP_PREPROCESS_TEXT];
    COP_TRY(cop_preprocess_parse(text, &preprocess, err));
    cop_preprocess_print(&preprocess, canonical, sizeof canonical);
    return cop_graph_set_meta(graph, COP_PREPROCESS_META, canonical, err);
}

/* The graph and what its file told, into the project. */
static enum cop_status save(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const cJSON *origin,
    struct cop_model_row *row,
    struct cop_err *err)
{
    char *json = cJSON_PrintUnformatted(origin);
    if (json == NULL) return COP_FAIL_NOMEM(err);
    row->origin_json = cop_arena_strdup(cli->arena, json);
    cJSON_free(json);
    if (row->origin_json == NULL) return COP_FAIL_NOMEM(err);
    return cop_project_save_model(cli->store, graph, row, cli->arena, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct import_options *o = given;
    const char *path = cli->words[0];
    struct cop_graph *graph = NULL;
    struct cop_groups *groups = NULL;
    cJSON *origin = NULL;
    COP_TRY(cop_cli_open_store(cli, err));
    struct cop_model_row row = {
        .name = o->name != NULL ? o->name : cop_cli_stem(cli->arena, path),
        .source = path};
    if (row.name == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_cli_check_name(row.name, err));
    cli->part = &o->part;
    enum cop_status status = cop_cli_read_model(cli, path, &graph, err);
    if (status == COP_OK && o->preprocess != NULL)
        status = keep_preprocess(graph, o->preprocess, err);
    if (status == COP_OK) status = cop_groups_find(graph, &groups, err);
    if (status != COP_OK) goto done;
    origin = cop_origin_read(cli, graph);
    status = save(cli, graph, origin, &row, err);
    if (status != COP_OK) goto done;
    if (cli->is_json)
        status = print_json(cli, graph, &row, origin, groups, err);
    else
        print_text(row.name, graph, &row, origin, groups);
done:
    cJSON_Delete(origin);
    cop_groups_destroy(groups);
    cop_graph_destroy(graph);
    return status;
}

const struct cop_verb cop_verb_import = {
    .name = "import",
    .summary = "a model file into the project; prints the verdict",
    .operands = "FILE",
    .examples = "coppice import model.onnx\n"
                "coppice import resnet.onnx --name base --preprocess \\\n"
                "  \"3x224x224 short=256 mean=.485,.456,.406 std=.229,.224,.225\"\n"
                "coppice import speech.pb --input Mfcc --output labels_softmax",
    .about =
        "Reads an ONNX file (opset 7 to 21), a frozen graph of TensorFlow (.pb), or a\n"
        "whole Keras model (.h5, .hdf5 of Keras 2 or 3), and keeps it in the project.  "
        "A\n"
        "model with operators or layers that are not known is refused, and all of them "
        "are\n"
        "named.  Images of TensorFlow and Keras become channels-first (NCHW).\n"
        "\n"
        "Of a TensorFlow graph --input NAME cuts away what lies before a node, as\n"
        "decoding and features do; NAME=1x49x10 says its shape, in the file's order "
        "of\n"
        "axes, where the file does not, and NAME=false settles a switch as that of\n"
        "dropout.  --output NAME says where it ends; else it is where nobody reads "
        "on.\n"
        "\n"
        "The verdict says what may be cut: 'prunable' is the share of all\n"
        "multiply-accumulates (MACs) in layers that shrink when channels go; each "
        "frozen "
        "group\n"
        "names the node that forbids it.\n"
        "\n"
        "Preprocessing is written CxHxW first, then any of short=N (resize the short\n"
        "side, then crop the centre), filter=bilinear|bicubic|nearest, order=rgb|bgr,\n"
        "scale=1/255, mean=a,b,c and std=a,b,c:\n"
        "sample = (pixel * scale - mean) / std.",
    .options = options,
    .options_size = sizeof(struct import_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
