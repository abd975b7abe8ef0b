/* cli/verb_new.c - a network of the zoo with fresh weights, as an ONNX file. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "exporters/onnx_write.h"
#include "ops/ops.h"
#include "zoo/zoo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct new_options {
    bool is_list;
    int64_t classes;
    const char *input;
    int64_t seed;
    const char *path;
};

static const struct cop_option options[] = {
    {.name = "list",
     .kind = COP_OPTION_FLAG,
     .offset = offsetof(struct new_options, is_list),
     .help = "only list the networks"},
    {.name = "classes",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct new_options, classes),
     .operand = "N",
     .min = 1,
     .help = "scores that it computes; as published by default"},
    {.name = "input",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct new_options, input),
     .operand = "CxHxW",
     .help = "channels, height, width; as published by default"},
    {.name = "seed",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct new_options, seed),
     .operand = "S",
     .initial = "1",
     .help = "the same seed gives the same file"},
    {.name = "output",
     .letter = 'o',
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct new_options, path),
     .operand = "FILE.onnx",
     .help = "the file to write; an older one is replaced"},
    {.name = NULL}};

/* ---- the list ---------------------------------------------------------------------- */

static enum cop_status list_text(struct cop_cli *cli, struct cop_err *err)
{
    static const char *const heads[] = {
        "<network", ">input", ">least", ">classes", "<after", NULL};
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < cop_zoo_n(); ++i) {
        const struct cop_zoo_net *net = cop_zoo_at(i);
        cop_table_add(&table, "%s", net->name);
        cop_table_add(
            &table, "3x%lldx%lld", (long long)net->size, (long long)net->size);
        cop_table_add(&table, "%lld", (long long)net->least_size);
        cop_table_add(&table, "%lld", (long long)net->classes);
        cop_table_add(&table, "%s", net->source);
    }
    return cop_table_print(&table, err);
}

static enum cop_status list_json(struct cop_cli *cli, struct cop_err *err)
{
    cJSON *document = cop_json_document(cli);
    cJSON *networks = cop_json_array(cli, document, "networks");
    for (int32_t i = 0; i < cop_zoo_n(); ++i) {
        const struct cop_zoo_net *net = cop_zoo_at(i);
        cJSON *element = cop_json_element(cli, networks);
        cop_json_text(cli, element, "name", net->name);
        cop_json_text(cli, element, "source", net->source);
        cop_json_count(cli, element, "size", net->size);
        cop_json_count(cli, element, "least_size", net->least_size);
        cop_json_count(cli, element, "classes", net->classes);
    }
    return cop_json_print(cli, document, err);
}

/* ---- one network --------------------------------------------------------------------- */

/* "3x224x224"; the zoo judges the sizes. */
static enum cop_status read_input(
    const char *text, struct cop_zoo_options *into, struct cop_err *err)
{
    int64_t *const fields[3] = {&into->channels, &into->height, &into->width};
    const char *rest = text;
    for (int i = 0; i < 3; ++i) {
        char *end;
        errno = 0;
        *fields[i] = strtoll(rest, &end, 10);
        if (end == rest || errno != 0 || *end != (i < 2 ? 'x' : 0) || *fields[i] < 1)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "option --input: '%.60s' is not CxHxW, as 3x224x224 is",
                text);
        rest = end + 1;
    }
    return COP_OK;
}

static enum cop_status print_written(
    struct cop_cli *cli,
    const struct cop_graph *graph,
    const char *path,
    struct cop_err *err)
{
    struct stat facts;
    if (stat(path, &facts) != 0)
        return COP_FAIL(err, COP_EIO, "%s: written, but now it is gone", path);
    int64_t macs;
    COP_TRY(cop_graph_macs(graph, &macs, err));
    const int64_t params = cop_graph_n_params(graph);
    const struct cop_shape *in = &cop_graph_input(graph, 0)->shape;
    const int64_t classes = cop_graph_output(graph, 0)->shape.dim[1];
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cop_json_text(cli, document, "network", cli->words[0]);
        cop_json_text(cli, document, "file", path);
        cop_json_count(cli, document, "bytes", facts.st_size);
        cop_json_dims(cli, document, "input", in->dim, in->rank);
        cop_json_count(cli, document, "classes", classes);
        cop_json_count(cli, document, "params", params);
        cop_json_count(cli, document, "macs", macs);
        return cop_json_print(cli, document, err);
    }
    char text[COP_NUMBER_TEXT];
    printf("wrote %s (%s)\n", path, cop_text_bytes(text, facts.st_size));
    printf(
        "%-12s%s, %lldx%lldx%lld to %lld classes\n",
        "network",
        cli->words[0],
        (long long)in->dim[1],
        (long long)in->dim[2],
        (long long)in->dim[3],
        (long long)classes);
    printf("%-12s%s\n", "parameters", cop_text_count(text, params));
    printf("%-12s%s per sample\n", "MACs", cop_text_si(text, (double)macs));
    return COP_OK;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct new_options *o = given;
    if (o->is_list || (cli->n_words == 0 && o->path == NULL))
        return cli->is_json ? list_json(cli, err) : list_text(cli, err);
    if (cli->n_words == 0)
        return COP_FAIL(
            err, COP_EINVAL, "new: which network? 'coppice new' lists them");
    if (o->path == NULL)
        return COP_FAIL(err, COP_EINVAL, "new: option --output FILE.onnx is missing");
    struct cop_zoo_options zoo = {.classes = o->classes, .seed = (uint64_t)o->seed};
    if (o->input != NULL) COP_TRY(read_input(o->input, &zoo, err));
    struct cop_graph *graph = NULL;
    COP_TRY(cop_zoo_build(cli->words[0], &cop_ops_standard, &zoo, &graph, err));
    enum cop_status status = cop_onnx_write_file(graph, o->path, err);
    if (status == COP_OK) status = print_written(cli, graph, o->path, err);
    cop_graph_destroy(graph);
    return status;
}

const struct cop_verb cop_verb_new = {
    .name = "new",
    .summary = "a well-known network with fresh weights",
    .operands = "[NET -o FILE.onnx]",
    .examples =
        "coppice new\n"
        "coppice new resnet50 -o resnet50.onnx\n"
        "coppice new mobilenetv2 --classes 10 --input 3x32x32 --seed 7 -o m.onnx",
    .about =
        "Builds a network exactly as published, with random weights that keep its\n"
        "activations in range, and writes it as ONNX with the batch left open: for\n"
        "timing a machine, for trying the other verbs, for training elsewhere.\n"
        "Without NET, or with --list, prints the networks there are.",
    .options = options,
    .options_size = sizeof(struct new_options),
    .min_words = 0,
    .max_words = 1,
    .run = run};
