/* cli/verb_eval.c - accuracy on a labelled data set. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "synth/evaluate.h"
#include "synth/evidence.h"

#include <math.h>
#include <stdio.h>

struct eval_options {
    const char *data;
    const char *preprocess;
    int64_t limit;
    int64_t batch;
    int64_t seed;
    struct cop_cli_part part;
};

static const struct cop_option options[] = {
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct eval_options, data),
     .operand = "NAME|PATH",
     .is_required = true,
     .help = "data set of the project, or a path with a '/' in it"},
    {.name = "preprocess",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct eval_options, preprocess),
     .operand = "TEXT",
     .help = "for a path; else the model's metadata tell"},
    {.name = "limit",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct eval_options, limit),
     .operand = "N",
     .min = 1,
     .help = "that many samples, drawn evenly over the classes; else all"},
    {.name = "batch",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct eval_options, batch),
     .operand = "N",
     .initial = "64",
     .min = 1,
     .max = 65536,
     .help = "samples that are run together"},
    {.name = "seed",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct eval_options, seed),
     .operand = "N",
     .initial = "1",
     .help = "of the draw"},
    COP_CLI_PART_OPTIONS(struct eval_options, part),
    {.name = NULL}};

static double class_top1(const struct cop_evaluation *evaluation, int32_t c)
{
    const int64_t n = evaluation->class_n[c];
    return n > 0 ? 100 * (double)evaluation->class_right[c] / (double)n : (double)NAN;
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const char *model,
    const char *data,
    const struct cop_dataset *dataset,
    const struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", model);
    cop_json_text(cli, document, "data", data);
    cop_json_count(cli, document, "n", evaluation->n);
    cop_json_number(cli, document, "top1", evaluation->top1);
    cop_json_number(cli, document, "top1_low", evaluation->top1_low);
    cop_json_number(cli, document, "top1_high", evaluation->top1_high);
    cop_json_number(cli, document, "top5", evaluation->top5);
    cJSON *classes = cop_json_array(cli, document, "per_class");
    for (int32_t c = 0; c < evaluation->n_classes; ++c) {
        cJSON *element = cop_json_element(cli, classes);
        cop_json_text(cli, element, "class", cop_dataset_class_name(dataset, c));
        cop_json_count(cli, element, "n", evaluation->class_n[c]);
        cop_json_count(cli, element, "right", evaluation->class_right[c]);
        cop_json_number(cli, element, "top1", class_top1(evaluation, c));
    }
    return cop_json_print(cli, document, err);
}

static enum cop_status print_text(
    struct cop_cli *cli,
    const char *model,
    const char *data,
    const struct cop_dataset *dataset,
    const struct cop_evaluation *evaluation,
    struct cop_err *err)
{
    static const char *const heads[] = {
        "<class", ">samples", ">right", ">top-1 %", NULL};
    enum { MAX_SHOWN = 60 };
    char text[COP_NUMBER_TEXT];
    printf("model    %s\n", model);
    printf("data     %s, %s samples\n", data, cop_text_count(text, evaluation->n));
    if (isnan(evaluation->top1)) {
        puts("accuracy unknown: the data set has no labels");
        return COP_OK;
    }
    printf(
        "top-1    %.2f %%   (95 %% interval %.2f to %.2f)\n",
        evaluation->top1,
        evaluation->top1_low,
        evaluation->top1_high);
    printf("top-5    %.2f %%\n\n", evaluation->top5);
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t c = 0; c < evaluation->n_classes && c < MAX_SHOWN; ++c) {
        cop_table_add(&table, "%s", cop_dataset_class_name(dataset, c));
        cop_table_add(&table, "%s", cop_text_count(text, evaluation->class_n[c]));
        cop_table_add(&table, "%s", cop_text_count(text, evaluation->class_right[c]));
        cop_table_add(&table, "%s", cop_text_percent(text, class_top1(evaluation, c)));
    }
    COP_TRY(cop_table_print(&table, err));
    if (evaluation->n_classes > MAX_SHOWN)
        printf("... %d more; --json lists all\n", evaluation->n_classes - MAX_SHOWN);
    return COP_OK;
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct eval_options *o = given;
    struct cop_cli_model model;
    struct cop_cli_data data = {.id = 0};
    struct cop_evaluation evaluation = {.n = 0};
    COP_TRY(cop_cli_open_engine(cli, err));
    cli->part = &o->part;
    COP_TRY(cop_cli_open_model(cli, cli->words[0], &model, err));
    enum cop_status status =
        cop_cli_open_data(cli, o->data, o->preprocess, model.graph, &data, err);
    if (status != COP_OK) goto done;
    const struct cop_evaluate_options evaluate = {
        .mb = o->batch,
        .threads = (int)cli->threads,
        .limit = o->limit,
        .seed = (uint64_t)o->seed};
    status = cop_evaluate(
        cli->engine,
        model.graph,
        data.dataset,
        &evaluate,
        &cli->progress,
        &evaluation,
        err);
    /* A part of the samples would stand beside whole evaluations as if it were one. */
    const bool is_whole = evaluation.n == cop_dataset_n(data.dataset);
    if (status == COP_OK && model.id != 0 && data.id != 0 && is_whole) {
        const struct cop_evidence evidence = {
            .store = cli->store,
            .engine = cli->engine,
            .threads = (int)cli->threads,
            .model_id = model.id};
        status = cop_evidence_put_evaluation(
            &evidence, data.id, data.dataset, &evaluation, err);
    }
    if (status != COP_OK) goto done;
    if (cli->is_json)
        status = print_json(cli, model.name, o->data, data.dataset, &evaluation, err);
    else
        status = print_text(cli, model.name, o->data, data.dataset, &evaluation, err);
done:
    cop_evaluation_clear(&evaluation);
    cop_cli_close_data(&data);
    cop_cli_close_model(&model);
    return status;
}

const struct cop_verb cop_verb_eval = {
    .name = "eval",
    .summary = "accuracy: top-1, top-5, per class, with its interval",
    .operands = "MODEL --data NAME",
    .examples =
        "coppice eval model --data val\n"
        "coppice eval V1 --data val --limit 500 --json\n"
        "coppice eval path/to/model.onnx --data photos/val/ --preprocess 3x224x224",
    .about =
        "Runs the samples through the network and counts right answers.  The interval\n"
        "is Wilson's, at 95 %.  When model and data set belong to the project, the\n"
        "result is kept, sample by sample: compare and report use it.  That of a part\n"
        "(--limit) is only shown.",
    .options = options,
    .options_size = sizeof(struct eval_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
