/* cli/verb_data.c - data sets of the project: add, list.  See verb_data_check.c. */
#include "base/clock.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/dataset.h"
#include "synth/project.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct add_options {
    const char *name;
    const char *format;
    const char *labels;
    const char *shape;
    const char *preprocess;
    const char *model;
};

static const struct cop_option add_options[] = {
    {.name = "name",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, name),
     .operand = "NAME",
     .is_required = true,
     .help = "its name in the project"},
    {.name = "format",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, format),
     .operand = "FORMAT",
     .initial = "auto",
     .help = "auto, folder, cifar, idx or records"},
    {.name = "labels",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, labels),
     .operand = "FILE",
     .help = "class names, one a line; or the IDX file of labels"},
    {.name = "shape",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, shape),
     .operand = "CxHxW",
     .help = "planes of one raw record, behind its label byte"},
    {.name = "preprocess",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, preprocess),
     .operand = "TEXT",
     .help = "as for import; else the model's metadata tell"},
    {.name = "model",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct add_options, model),
     .operand = "MODEL",
     .help = "whose metadata; else those of the originals"},
    {.name = NULL}};

static const char *const format_names[] = {
    [COP_DATA_AUTO] = "auto",
    [COP_DATA_FOLDER] = "folder",
    [COP_DATA_CIFAR] = "cifar",
    [COP_DATA_IDX] = "idx",
    [COP_DATA_RECORDS] = "records"};

static enum cop_status parse_format(
    const char *text, enum cop_data_format *format, struct cop_err *err)
{
    for (size_t i = 0; i < sizeof format_names / sizeof *format_names; ++i) {
        if (strcmp(text, format_names[i]) != 0) continue;
        *format = (enum cop_data_format)i;
        return COP_OK;
    }
    return COP_FAIL(
        err,
        COP_EINVAL,
        "option --format: '%.40s' is none of auto, folder, cifar, idx, records",
        text);
}

static enum cop_status parse_shape(
    const char *text, int64_t shape[3], struct cop_err *err)
{
    enum { MAX_SIDE = 65536 };
    const char *at = text;
    for (int i = 0; i < 3; ++i) {
        char *end;
        shape[i] = strtoll(at, &end, 10);
        const char after = i < 2 ? 'x' : '\0';
        if (end == at || *end != after || shape[i] < 1 || shape[i] > MAX_SIDE)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "option --shape: '%.40s' is not CxHxW, like 1x48x48",
                text);
        at = end + 1;
    }
    return COP_OK;
}

/* The preprocessing that a model's metadata tell; NULL when they do not. */
static enum cop_status model_preprocess(
    struct cop_cli *cli, const char *name, const char **text, struct cop_err *err)
{
    struct cop_cli_model model;
    COP_TRY(cop_cli_open_model(cli, name, &model, err));
    const char *told = cop_graph_meta(model.graph, COP_PREPROCESS_META);
    *text = cop_arena_strdup(cli->arena, told);
    cop_cli_close_model(&model);
    return told != NULL && *text == NULL ? COP_FAIL_NOMEM(err) : COP_OK;
}

/* What the original models of the project tell, if they agree. */
static enum cop_status originals_preprocess(
    struct cop_cli *cli, const char **text, struct cop_err *err)
{
    struct cop_model_row *rows;
    int32_t n;
    *text = NULL;
    COP_TRY(cop_store_list_models(cli->store, cli->arena, &rows, &n, err));
    for (int32_t i = 0; i < n; ++i) {
        const char *told;
        if (rows[i].parent_id != 0) continue;
        COP_TRY(model_preprocess(cli, rows[i].name, &told, err));
        if (told == NULL) continue;
        if (*text != NULL && strcmp(*text, told) != 0)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "the project's models differ in preprocessing: give --preprocess or "
                "--model");
        *text = told;
    }
    if (*text != NULL) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "no model of the project tells the preprocessing: give --preprocess");
}

static enum cop_status find_preprocess(
    struct cop_cli *cli,
    const struct add_options *o,
    struct cop_preprocess *preprocess,
    struct cop_err *err)
{
    const char *text = o->preprocess;
    if (text == NULL && o->model == NULL) {
        COP_TRY(originals_preprocess(cli, &text, err));
    } else if (text == NULL) {
        COP_TRY(model_preprocess(cli, o->model, &text, err));
        if (text == NULL)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "model '%s' says nothing of preprocessing: give --preprocess",
                o->model);
    }
    return cop_preprocess_parse(text, preprocess, err);
}

/* The path as it is found from any folder; the path itself if that cannot be told. */
static const char *absolute(struct cop_cli *cli, const char *path)
{
    char resolved[PATH_MAX];
    return cop_arena_strdup(
        cli->arena, realpath(path, resolved) != NULL ? resolved : path);
}

/* A JSON array of class names in the arena; NULL when out of memory. */
static const char *classes_json(struct cop_cli *cli, const struct cop_dataset *dataset)
{
    cJSON *array = cJSON_CreateArray();
    for (int32_t i = 0; array != NULL && i < cop_dataset_n_classes(dataset); ++i)
        cop_json_text_element(cli, array, cop_dataset_class_name(dataset, i));
    char *text = array != NULL ? cJSON_PrintUnformatted(array) : NULL;
    const char *kept = text != NULL ? cop_arena_strdup(cli->arena, text) : NULL;
    cJSON_free(text);
    cJSON_Delete(array);
    return kept;
}

static enum cop_status put_row(
    struct cop_cli *cli,
    const struct cop_data_source *source,
    const char *name,
    const struct cop_dataset *dataset,
    struct cop_dataset_row *row,
    struct cop_err *err)
{
    char hex[COP_HASH_HEX];
    char preprocess[COP_PREPROCESS_TEXT];
    cop_preprocess_print(
        cop_dataset_preprocess(dataset), preprocess, sizeof preprocess);
    COP_TRY(cop_dataset_hash(dataset, hex, err));
    const bool has_shape = source->record_shape[0] > 0;
    *row = (struct cop_dataset_row){
        .name = name,
        .path = source->path,
        .format = format_names[cop_dataset_format(dataset)],
        .labels = source->labels != NULL ? source->labels : "",
        .record_shape = has_shape ? cop_arena_printf(
                                        cli->arena,
                                        "%lldx%lldx%lld",
                                        (long long)source->record_shape[0],
                                        (long long)source->record_shape[1],
                                        (long long)source->record_shape[2])
                                  : "",
        .preprocess = cop_arena_strdup(cli->arena, preprocess),
        .classes_json = classes_json(cli, dataset),
        .sha256 = cop_arena_strdup(cli->arena, hex),
        .n = cop_dataset_n(dataset),
        .created_us = cop_clock_wall_us()};
    if (row->record_shape == NULL || row->preprocess == NULL ||
        row->classes_json == NULL || row->sha256 == NULL)
        return COP_FAIL_NOMEM(err);
    return cop_store_put_dataset(cli->store, row, err);
}

static void json_row(
    struct cop_cli *cli, cJSON *object, const struct cop_dataset_row *row)
{
    cop_json_text(cli, object, "name", row->name);
    cop_json_text(cli, object, "path", row->path);
    cop_json_text(cli, object, "format", row->format);
    cop_json_count(cli, object, "n", row->n);
    cop_json_raw(cli, object, "classes", row->classes_json);
    cop_json_text(cli, object, "preprocess", row->preprocess);
    cop_json_text(cli, object, "sha256", row->sha256);
}

static int count_classes(const struct cop_dataset_row *row)
{
    cJSON *classes = cJSON_Parse(row->classes_json);
    const int n = cJSON_GetArraySize(classes);
    cJSON_Delete(classes);
    return n;
}

static enum cop_status print_added(
    struct cop_cli *cli, const struct cop_dataset_row *row, struct cop_err *err)
{
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        json_row(cli, document, row);
        return cop_json_print(cli, document, err);
    }
    char text[COP_NUMBER_TEXT];
    printf("added %s: %s samples", row->name, cop_text_count(text, row->n));
    const int n = count_classes(row);
    if (n > 0)
        printf(" of %d classes", n);
    else
        printf(" without labels");
    printf(" (%s)\npreprocessing %s\n", row->format, row->preprocess);
    return COP_OK;
}

static enum cop_status run_add(
    struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct add_options *o = given;
    struct cop_data_source source = {.path = absolute(cli, cli->words[0])};
    if (o->labels != NULL) source.labels = absolute(cli, o->labels);
    if (source.path == NULL || (o->labels != NULL && source.labels == NULL))
        return COP_FAIL_NOMEM(err);
    COP_TRY(cop_cli_check_name(o->name, err));
    COP_TRY(parse_format(o->format, &source.format, err));
    if (o->shape != NULL) COP_TRY(parse_shape(o->shape, source.record_shape, err));
    COP_TRY(cop_cli_open_store(cli, err));
    struct cop_preprocess preprocess;
    COP_TRY(find_preprocess(cli, o, &preprocess, err));
    struct cop_dataset *dataset = NULL;
    struct cop_dataset_row row;
    COP_TRY(cop_dataset_open(&source, &preprocess, &dataset, err));
    const enum cop_status status = put_row(cli, &source, o->name, dataset, &row, err);
    cop_dataset_close(dataset);
    return status == COP_OK ? print_added(cli, &row, err) : status;
}

static enum cop_status run_list(
    struct cop_cli *cli, const void *given, struct cop_err *err)
{
    (void)given;
    static const char *const heads[] = {
        "<name", ">samples", ">classes", "<format", "<preprocessing", "<path", NULL};
    struct cop_dataset_row *rows;
    int32_t n;
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_store_list_datasets(cli->store, cli->arena, &rows, &n, err));
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cJSON *sets = cop_json_array(cli, document, "datasets");
        for (int32_t i = 0; i < n; ++i)
            json_row(cli, cop_json_element(cli, sets), &rows[i]);
        return cop_json_print(cli, document, err);
    }
    if (n == 0) {
        puts("no data sets yet; 'coppice data add PATH --name NAME' adds one");
        return COP_OK;
    }
    struct cop_table table;
    char text[COP_NUMBER_TEXT];
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < n; ++i) {
        cop_table_add(&table, "%s", rows[i].name);
        cop_table_add(&table, "%s", cop_text_count(text, rows[i].n));
        cop_table_add(&table, "%d", count_classes(&rows[i]));
        cop_table_add(&table, "%s", rows[i].format);
        cop_table_add(&table, "%s", rows[i].preprocess);
        cop_table_add(&table, "%s", rows[i].path);
    }
    return cop_table_print(&table, err);
}

const struct cop_verb cop_verb_data_add = {
    .name = "data add",
    .summary = "registers a set of samples and its preprocessing",
    .operands = "PATH --name NAME",
    .examples =
        "coppice data add photos/val --name val\n"
        "coppice data add cifar-10-batches-bin/test_batch.bin --name test\n"
        "coppice data add faces.bin --name calib --format records --shape 1x48x48",
    .about =
        "The files stay where they are and are read when needed; their hash is kept, "
        "so\n"
        "that a result always says which samples it is about.  Formats:\n"
        "  folder   pictures (JPEG, PNG) in one folder per class, or unlabelled\n"
        "  cifar    CIFAR-10 binary: one .bin file or a folder of them\n"
        "  idx      MNIST family: images-idx3-ubyte, labels beside it or by --labels\n"
        "  records  a label byte and planes of bytes, again and again; needs --shape\n"
        "\n"
        "Preprocessing is that of --preprocess, or of --model, or of the project's\n"
        "original models ('coppice import --help' says how it is written).",
    .options = add_options,
    .options_size = sizeof(struct add_options),
    .min_words = 1,
    .max_words = 1,
    .run = run_add};

const struct cop_verb cop_verb_data_list = {
    .name = "data list",
    .summary = "the data sets of the project",
    .operands = "",
    .examples = "coppice data list",
    .about = "Shows name, size, classes, format, preprocessing and place of each.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 0,
    .max_words = 0,
    .run = run_list};
