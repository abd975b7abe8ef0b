/* cli/inputs.c - see inputs.h. */
#include "cli/inputs.h"

#include "cli/tuning.h"

#include "base/file.h"
#include "base/par.h"
#include "base/text.h"
#include "importers/import.h"
#include "ops/ops.h"
#include "synth/project.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LIST = 16 << 20 }; /* bytes of what a model file is refused for */

static bool ends_with(const char *text, const char *ending)
{
    const size_t n = strlen(text);
    const size_t m = strlen(ending);
    return n > m && strcmp(text + n - m, ending) == 0;
}

/* The one project file of the current folder. */
static enum cop_status find_project(
    struct cop_cli *cli, const char **path, struct cop_err *err)
{
    DIR *folder = opendir(".");
    if (folder == NULL)
        return COP_FAIL(err, COP_EIO, "the current folder is unreadable");
    const char *found = NULL;
    const char *all = "";
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!ends_with(entry->d_name, ".coppice")) continue;
        found = cop_arena_strdup(cli->arena, entry->d_name);
        all = cop_arena_printf(
            cli->arena, "%s%s%s", all, n > 0 ? ", " : "", entry->d_name);
        if (found == NULL || all == NULL) break;
        ++n;
    }
    closedir(folder);
    if (n == 1 && found != NULL) {
        *path = found;
        return COP_OK;
    }
    if (n == 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "no project file here; 'coppice init NAME.coppice' makes one, -p FILE "
            "names "
            "one");
    if (found == NULL || all == NULL) return COP_FAIL_NOMEM(err);
    return COP_FAIL(
        err, COP_EINVAL, "%d project files here (%s); choose by -p", n, all);
}

enum cop_status cop_cli_open_store(struct cop_cli *cli, struct cop_err *err)
{
    if (cli->store != NULL) return COP_OK;
    const char *path = cli->project;
    if (path == NULL) COP_TRY(find_project(cli, &path, err));
    const enum cop_status status = cop_store_open(path, &cli->store, err);
    if (status != COP_OK) cli->store = NULL;
    cli->store_path = path;
    if (status == COP_ENOTFOUND)
        return COP_FAIL(err, COP_ESTORE, "%s: no such project file", path);
    return status;
}

enum cop_status cop_cli_open_engine(struct cop_cli *cli, struct cop_err *err)
{
    if (cli->engine != NULL) return COP_OK;
    if (cli->threads > 0) cop_par_set_threads((int)cli->threads);
    COP_TRY(cop_engine_create(&cli->engine, err));
    if (cli->is_no_winograd) cop_engine_refuse_winograd(cli->engine);
    return cop_cli_load_tuning(cli, err);
}

static bool has_model_suffix(const char *word)
{
    static const char *const suffixes[] = {".onnx", ".pb", ".h5", ".hdf5"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (ends_with(word, suffixes[i])) return true;
    return false;
}

bool cop_cli_is_model_path(const char *word)
{
    return strchr(word, '/') != NULL ||
           (has_model_suffix(word) && cop_file_exists(word));
}

const char *cop_cli_stem(struct cop_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const size_t n = dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base);
    return cop_arena_strndup(arena, base, n);
}

enum cop_status cop_cli_check_name(const char *name, struct cop_err *err)
{
    enum { MAX_NAME = 60 };
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_-.";
    const size_t n = strlen(name);
    if (n > 0 && n <= MAX_NAME && strspn(name, good) == n && name[0] != '-' &&
        name[0] != '.' && !has_model_suffix(name))
        return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "'%.70s' cannot be a name: 1 to %d letters, digits, '_', '-' or '.'",
        name,
        MAX_NAME);
}

/* The words of --input and --output as the reader wants them. */
static enum cop_status parse_part(
    struct cop_cli *cli,
    struct cop_tf_input inputs[COP_MAX_TEXTS],
    struct cop_tf_read_options *part,
    struct cop_err *err)
{
    *part = (struct cop_tf_read_options){.inputs = inputs};
    if (cli->part == NULL) return COP_OK;
    for (int32_t i = 0; i < cli->part->inputs.n; ++i) {
        char *text = cop_arena_strdup(cli->arena, cli->part->inputs.at[i]);
        if (text == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(cop_tf_parse_input(text, &inputs[i], err));
    }
    part->n_inputs = cli->part->inputs.n;
    part->outputs = cli->part->outputs.at;
    part->n_outputs = cli->part->outputs.n;
    return COP_OK;
}

/* The message holds one line; what it had to cut is told in full before it. */
static void tell_unsupported(const struct cop_text *list, const struct cop_err *err)
{
    const bool is_cut = strlen(err->text) + 1 == sizeof err->text;
    if (list->n > 0 && is_cut) fprintf(stderr, "not supported:\n%s", list->bytes);
}

enum cop_status cop_cli_read_model(
    struct cop_cli *cli,
    const char *path,
    struct cop_graph **graph,
    struct cop_err *err)
{
    struct cop_tf_input inputs[COP_MAX_TEXTS];
    struct cop_tf_read_options part;
    struct cop_text unsupported;
    COP_TRY(parse_part(cli, inputs, &part, err));
    cop_text_init(&unsupported, MAX_LIST);
    part.unsupported = &unsupported;
    enum cop_status status =
        cop_import_file(path, &cop_ops_standard, &part, graph, err);
    if (status != COP_OK) tell_unsupported(&unsupported, err);
    cop_text_clear(&unsupported);
    COP_TRY(status);
    status = cop_ops_simplify(*graph, err);
    if (status == COP_OK) return COP_OK;
    cop_graph_destroy(*graph);
    *graph = NULL;
    return status;
}

enum cop_status cop_cli_open_model(
    struct cop_cli *cli,
    const char *word,
    struct cop_cli_model *model,
    struct cop_err *err)
{
    *model = (struct cop_cli_model){.name = word};
    if (cop_cli_is_model_path(word)) {
        model->name = cop_cli_stem(cli->arena, word);
        if (model->name == NULL) return COP_FAIL_NOMEM(err);
        return cop_cli_read_model(cli, word, &model->graph, err);
    }
    if (cli->part != NULL && cli->part->inputs.n + cli->part->outputs.n > 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "--input and --output choose a part of a file; '%.70s' is a model of the "
            "project",
            word);
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_project_load_model(
        cli->store, word, &cop_ops_standard, &model->graph, err));
    struct cop_model_row row;
    const enum cop_status status =
        cop_store_get_model(cli->store, word, cli->arena, &row, err);
    if (status == COP_OK) {
        model->id = row.id;
        model->origin_json = row.origin_json;
    } else {
        cop_cli_close_model(model);
    }
    return status;
}

void cop_cli_close_model(struct cop_cli_model *model)
{
    cop_graph_destroy(model->graph);
    model->graph = NULL;
}

/* A data set that lies on disk and is not in the project. */
static enum cop_status open_path(
    const char *path,
    const char *preprocess,
    const struct cop_graph *graph,
    struct cop_dataset **dataset,
    struct cop_err *err)
{
    if (preprocess == NULL && graph != NULL)
        preprocess = cop_graph_meta(graph, COP_PREPROCESS_META);
    if (preprocess == NULL)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "data '%.80s': the model says nothing of preprocessing; give --preprocess",
            path);
    struct cop_preprocess parsed;
    COP_TRY(cop_preprocess_parse(preprocess, &parsed, err));
    const struct cop_data_source source = {.format = COP_DATA_AUTO, .path = path};
    return cop_dataset_open(&source, &parsed, dataset, err);
}

enum cop_status cop_cli_open_data(
    struct cop_cli *cli,
    const char *word,
    const char *preprocess,
    const struct cop_graph *graph,
    struct cop_cli_data *data,
    struct cop_err *err)
{
    *data = (struct cop_cli_data){.id = 0};
    if (strchr(word, '/') != NULL)
        return open_path(word, preprocess, graph, &data->dataset, err);
    COP_TRY(cop_cli_open_store(cli, err));
    return cop_project_open_dataset(cli->store, word, &data->dataset, &data->id, err);
}

void cop_cli_close_data(struct cop_cli_data *data)
{
    cop_dataset_close(data->dataset);
    data->dataset = NULL;
}
