/* cli/verb_explain.c - where a model looks and what its channels are worth, beside its
 * original. */
#include "cli/facts.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "explain/explain.h"

#include <stdio.h>

struct explain_options {
    const char *data;
    int64_t samples;
    int64_t ablation_samples;
    int64_t window;
    int64_t stride;
    int64_t seed;
};

static const struct cop_option options[] = {
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct explain_options, data),
     .operand = "NAME",
     .is_required = true,
     .help = "data set of the project"},
    {.name = "samples",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct explain_options, samples),
     .operand = "N",
     .initial = "20",
     .min = 1,
     .max = 100000,
     .help = "pictures that are mapped"},
    {.name = "ablation-samples",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct explain_options, ablation_samples),
     .operand = "N",
     .initial = "8",
     .min = 0,
     .max = 100000,
     .help = "pictures that channels are ablated on; 0: none"},
    {.name = "window",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct explain_options, window),
     .operand = "N",
     .min = 1,
     .max = 65536,
     .help = "side of the patch in pixels; else a sixth of the picture"},
    {.name = "stride",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct explain_options, stride),
     .operand = "N",
     .min = 1,
     .max = 65536,
     .help = "pixels between patches; else half the window"},
    {.name = "seed",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct explain_options, seed),
     .operand = "N",
     .initial = "1",
     .help = "of the draw of samples"},
    {.name = NULL}};

static enum cop_status print_result(
    struct cop_cli *cli,
    const char *model,
    const char *original,
    const char *data,
    const struct cop_explain_result *result,
    struct cop_err *err)
{
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cop_json_text(cli, document, "model", model);
        cop_json_text(cli, document, "original", original);
        cop_json_text(cli, document, "data", data);
        cop_json_count(cli, document, "samples", result->n_samples);
        cop_json_count(cli, document, "flips", result->n_flips);
        cop_json_count(cli, document, "maps", result->n_maps);
        cop_json_count(cli, document, "layers", result->n_layers);
        return cop_json_print(cli, document, err);
    }
    printf("explained    %s", model);
    if (original != NULL) printf(" beside %s", original);
    printf(" on %s\n", data);
    printf("samples      %lld", (long long)result->n_samples);
    if (original != NULL)
        printf(", %lld that only %s gets right", (long long)result->n_flips, original);
    printf("\noccluded     %lld maps stored\n", (long long)result->n_maps);
    printf("ablated      channels of %lld layers\n", (long long)result->n_layers);
    printf("next         coppice report %s -o report.html\n", model);
    return COP_OK;
}

/* Models are opened original first. */
static enum cop_status explain(
    struct cop_cli *cli,
    const struct explain_options *o,
    const char *const *names,
    int32_t n_names,
    struct cop_explain_result *result,
    struct cop_err *err)
{
    struct cop_cli_model models[2] = {{.id = 0}, {.id = 0}};
    struct cop_explain_subject subjects[2];
    struct cop_cli_data data = {.id = 0};
    enum cop_status status = COP_OK;
    for (int32_t i = 0; i < n_names && status == COP_OK; ++i) {
        status = cop_cli_open_model(cli, names[i], &models[i], err);
        subjects[i] = (struct cop_explain_subject){
            .graph = models[i].graph, .model_id = models[i].id};
    }
    if (status == COP_OK)
        status = cop_cli_open_data(cli, o->data, NULL, NULL, &data, err);
    const struct cop_explain_inputs inputs = {
        .store = cli->store,
        .dataset = data.dataset,
        .dataset_id = data.id,
        .subjects = subjects,
        .n_subjects = n_names};
    const struct cop_explain_options explain_options = {
        .n_samples = o->samples,
        .ablation_samples = o->ablation_samples > 0 ? o->ablation_samples : -1,
        .seed = (uint64_t)o->seed,
        .occlusion =
            {.window = {o->window, o->window},
             .stride = {o->stride, o->stride},
             .threads = (int)cli->threads},
        .threads = (int)cli->threads};
    if (status == COP_OK)
        status = cop_explain(
            cli->engine, &inputs, &explain_options, &cli->progress, result, err);
    cop_cli_close_data(&data);
    for (int32_t i = 0; i < n_names; ++i)
        cop_cli_close_model(&models[i]);
    return status;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct explain_options *o = given;
    struct cop_facts *facts;
    int32_t n;
    COP_TRY(cop_cli_open_engine(cli, err));
    COP_TRY(cop_facts_list(cli, &facts, &n, err));
    const struct cop_facts *model;
    COP_TRY(cop_facts_find(facts, n, cli->words[0], &model, err));
    const char *names[2];
    int32_t n_names = 0;
    if (model->parent != NULL) names[n_names++] = model->parent;
    names[n_names++] = model->row.name;
    struct cop_explain_result result = {.n_samples = 0};
    COP_TRY(explain(cli, o, names, n_names, &result, err));
    return print_result(cli, model->row.name, model->parent, o->data, &result, err);
}

const struct cop_verb cop_verb_explain = {
    .name = "explain",
    .summary = "where a model looks, beside its original; into the project",
    .operands = "MODEL --data NAME",
    .examples = "coppice explain V1 --data val --samples 20",
    .about =
        "Occlusion: a patch of the picture is hidden, and what the answer loses by "
        "that\n"
        "is the patch's worth; a patch at every place makes a map.  Ablation: the "
        "same\n"
        "for every channel of a layer.  A variant is explained together with the "
        "model\n"
        "it came from, for the class that one answers.  A quarter of the samples are\n"
        "such that only the original gets right, where evaluations are stored.",
    .options = options,
    .options_size = sizeof(struct explain_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
