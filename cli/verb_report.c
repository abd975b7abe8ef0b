/* cli/verb_report.c - one page for the reviewer. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "explain/report.h"
#include "synth/project.h"

#include <stdio.h>

struct report_options {
    const char *path;
    const char *data;
    int64_t samples;
};

static const struct cop_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct report_options, path),
     .operand = "FILE.html",
     .is_required = true,
     .help = "the file to write; an older one is replaced"},
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct report_options, data),
     .operand = "NAME",
     .help = "data set of the pictures; else the one that was explained"},
    {.name = "samples",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct report_options, samples),
     .operand = "N",
     .initial = "10",
     .min = 1,
     .max = 1000,
     .help = "pictures shown with their maps"},
    {.name = NULL}};

/* The data set whose samples the model's maps belong to; NULL when it has no maps. */
static enum cop_status explained_data(
    struct cop_cli *cli, const char *model, const char **name, struct cop_err *err)
{
    struct cop_model_row row;
    struct cop_attribution_row *maps;
    struct cop_dataset_row *sets;
    int32_t n_maps;
    int32_t n_sets;
    *name = NULL;
    COP_TRY(cop_store_get_model(cli->store, model, cli->arena, &row, err));
    COP_TRY(cop_store_list_attributions(
        cli->store, row.id, "occlusion", cli->arena, &maps, &n_maps, err));
    if (n_maps == 0) return COP_OK;
    COP_TRY(cop_store_list_datasets(cli->store, cli->arena, &sets, &n_sets, err));
    for (int32_t i = 0; i < n_sets; ++i)
        if (sets[i].id == maps[0].dataset_id) *name = sets[i].name;
    return COP_OK;
}

/* Pictures that were not asked for and cannot be had are left out, with a word. */
static enum cop_status open_pictures(
    struct cop_cli *cli,
    const struct report_options *o,
    const char *data,
    struct cop_dataset **dataset,
    struct cop_err *err)
{
    struct cop_err why = {.status = COP_OK};
    const enum cop_status status =
        cop_project_open_dataset(cli->store, data, dataset, NULL, &why);
    if (status == COP_OK) return COP_OK;
    *dataset = NULL;
    if (o->data != NULL || status == COP_ENOMEM)
        return COP_FAIL(err, status, "%s", why.text);
    cop_progress_note(&cli->progress, "no pictures in the report: %s", why.text);
    return COP_OK;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct report_options *o = given;
    const char *model = cli->words[0];
    const char *data = o->data;
    struct cop_dataset *dataset = NULL;
    COP_TRY(cop_cli_open_store(cli, err));
    if (data == NULL) COP_TRY(explained_data(cli, model, &data, err));
    if (data != NULL) COP_TRY(open_pictures(cli, o, data, &dataset, err));
    const struct cop_report_options report = {
        .dataset = dataset, .max_samples = (int32_t)o->samples};
    const enum cop_status status =
        cop_report_write(cli->store, model, o->path, &report, err);
    cop_dataset_close(dataset);
    if (status != COP_OK) return status;
    if (!cli->is_json) {
        printf("wrote %s\n", o->path);
        return COP_OK;
    }
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", model);
    cop_json_text(cli, document, "file", o->path);
    cop_json_text(cli, document, "data", data);
    return cop_json_print(cli, document, err);
}

const struct cop_verb cop_verb_report = {
    .name = "report",
    .summary = "one self-contained HTML page for the reviewer",
    .operands = "MODEL -o FILE.html",
    .examples = "coppice report V1 -o report.html",
    .about = "Writes what the project knows of the model and its original: before and "
             "after,\n"
             "what was cut, the search, the classes, the maps of 'coppice explain'.  "
             "Nothing\n"
             "is measured anew.  The page needs no network and no script.",
    .options = options,
    .options_size = sizeof(struct report_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
