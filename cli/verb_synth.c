/* cli/verb_synth.c - the search: limits in, variants out. */
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "ops/ops.h"
#include "synth/search.h"

#include <math.h>
#include <stdio.h>

struct synth_options {
    const char *data;
    const char *val;
    struct cop_latency max_latency;
    double max_drop;
    double max_macs;
    double max_params;
    double time_s;
    int64_t samples;
    int64_t seed;
    int64_t variants;
    int64_t batch;
};

static const struct cop_option options[] = {
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct synth_options, data),
     .operand = "NAME",
     .is_required = true,
     .help = "calibration samples; labels are not needed"},
    {.name = "val",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct synth_options, val),
     .operand = "NAME",
     .help = "labelled samples that decide; else those of --data"},
    {.name = "max-latency",
     .kind = COP_OPTION_LATENCY,
     .offset = offsetof(struct synth_options, max_latency),
     .operand = "LIMIT",
     .help = "60% of the original's, or 12ms"},
    {.name = "max-drop",
     .kind = COP_OPTION_REAL,
     .offset = offsetof(struct synth_options, max_drop),
     .operand = "POINTS",
     .max = 100,
     .help = "of top-1 that may be lost"},
    {.name = "max-macs",
     .kind = COP_OPTION_PERCENT,
     .offset = offsetof(struct synth_options, max_macs),
     .operand = "PERCENT",
     .min = 0.1,
     .max = 100,
     .help = "of the original's multiply-accumulates"},
    {.name = "max-params",
     .kind = COP_OPTION_PERCENT,
     .offset = offsetof(struct synth_options, max_params),
     .operand = "PERCENT",
     .min = 0.1,
     .max = 100,
     .help = "of the original's parameters"},
    {.name = "time",
     .kind = COP_OPTION_TIME,
     .offset = offsetof(struct synth_options, time_s),
     .operand = "TIME",
     .initial = "5m",
     .min = 1,
     .help = "stop trying new variants after that"},
    {.name = "samples",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct synth_options, samples),
     .operand = "N",
     .initial = "256",
     .min = 1,
     .max = 1000000,
     .help = "of the calibration set"},
    {.name = "seed",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct synth_options, seed),
     .operand = "N",
     .initial = "1",
     .help = "equal seeds make equal searches"},
    {.name = "variants",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct synth_options, variants),
     .operand = "N",
     .initial = "24",
     .min = 1,
     .max = 10000,
     .help = "most variants to try"},
    {.name = "batch",
     .kind = COP_OPTION_INT,
     .offset = offsetof(struct synth_options, batch),
     .operand = "N",
     .initial = "1",
     .min = 1,
     .max = 65536,
     .help = "batch whose latency counts"},
    {.name = NULL}};

/* What the search left in the project. */
struct outcome {
    struct cop_search_result result;
    struct cop_candidate_row *rows;
    const char **names; /* [n] of the variants kept; NULL entries: not kept */
    bool *is_on_front;
    int32_t n;
};

static struct cop_search_options search_options(
    const struct cop_cli *cli, const struct synth_options *o)
{
    const bool is_share = isnan(o->max_latency.ms);
    const double latency = is_share ? o->max_latency.ratio : o->max_latency.ms;
    return (struct cop_search_options){
        .model = cli->words[0],
        .data = o->data,
        .val = o->val,
        .max_latency = {.value = isnan(latency) ? 0 : latency, .is_share = is_share},
        .max_macs = {.value = isnan(o->max_macs) ? 0 : o->max_macs, .is_share = true},
        .max_params =
            {.value = isnan(o->max_params) ? 0 : o->max_params, .is_share = true},
        .max_drop = isnan(o->max_drop) ? -1 : o->max_drop,
        .time_s = o->time_s,
        .samples = o->samples,
        .candidates = (int32_t)o->variants,
        .seed = (uint64_t)o->seed,
        .mb = o->batch,
        .threads = (int)cli->threads};
}

static enum cop_status load_outcome(
    struct cop_cli *cli, struct outcome *outcome, struct cop_err *err)
{
    struct cop_model_row *models;
    int32_t n_models;
    COP_TRY(cop_store_list_candidates(
        cli->store,
        outcome->result.run_id,
        cli->arena,
        &outcome->rows,
        &outcome->n,
        err));
    COP_TRY(cop_store_list_models(cli->store, cli->arena, &models, &n_models, err));
    outcome->names = COP_ARENA_NEW_N(cli->arena, outcome->n + 1, const char *);
    outcome->is_on_front = COP_ARENA_NEW_N(cli->arena, outcome->n + 1, bool);
    if (outcome->names == NULL || outcome->is_on_front == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < outcome->n; ++i)
        for (int32_t k = 0; k < n_models; ++k)
            if (outcome->rows[i].model_id == models[k].id)
                outcome->names[i] = models[k].name;
    cop_search_front(outcome->rows, outcome->n, outcome->is_on_front);
    return COP_OK;
}

/* ---- text ------------------------------------------------------------------------- */

static void add_candidate(
    struct cop_table *table,
    const struct outcome *outcome,
    int32_t i,
    const struct cop_feasibility *reach)
{
    const struct cop_candidate_row *row = &outcome->rows[i];
    char text[COP_NUMBER_TEXT];
    cop_table_add(table, "%s", outcome->is_on_front[i] ? "*" : "");
    if (outcome->names[i] != NULL)
        cop_table_add(table, "%s", outcome->names[i]);
    else
        cop_table_add(table, "#%lld", (long long)row->seq + 1);
    cop_table_add(
        table,
        "%.1f",
        reach->macs.original > 0 ? 100 * (double)row->macs / reach->macs.original
                                 : 0.0);
    cop_table_add(
        table,
        "%.1f",
        reach->params.original > 0 ? 100 * (double)row->params / reach->params.original
                                   : 0.0);
    cop_table_add(table, "%s", cop_text_ms(text, row->median_ms));
    if (row->median_ms > 0)
        cop_table_add(table, "%.2fx", row->base_ms / row->median_ms);
    else
        cop_table_add(table, "-");
    cop_table_add(table, "%s", cop_text_percent(text, row->top1));
    cop_table_add(table, "%s", cop_text_percent(text, row->base_top1 - row->top1));
    cop_table_add(table, "%s", row->reason);
}

static void print_reach(const char *what, const struct cop_reach *reach, bool is_ms)
{
    char original[COP_NUMBER_TEXT];
    char least[COP_NUMBER_TEXT];
    if (is_ms) {
        cop_text_ms(original, reach->original);
        cop_text_ms(least, reach->least);
    } else {
        cop_text_si(original, reach->original);
        cop_text_si(least, reach->least);
    }
    printf("%-12s%s, can come down to %s", what, original, least);
    if (reach->original > 0) printf(" (%.0f %%)", 100 * reach->least / reach->original);
    putchar('\n');
}

static enum cop_status print_text(
    struct cop_cli *cli, const struct outcome *outcome, struct cop_err *err)
{
    static const char *const heads[] = {
        "<",
        "<variant",
        ">MACs %",
        ">parameters %",
        ">median ms",
        ">faster",
        ">top-1 %",
        ">drop",
        "<verdict",
        NULL};
    const struct cop_search_result *result = &outcome->result;
    const struct cop_feasibility *reach = &result->feasibility;
    print_reach("latency ms", &reach->latency_ms, true);
    print_reach("MACs", &reach->macs, false);
    print_reach("parameters", &reach->params, false);
    printf("%-12s%.1f %% of the MACs\n", "prunable", 100 * reach->prunable_macs);
    if (reach->limited_by[0] != 0) printf("%-12s%s\n", "limited by", reach->limited_by);
    putchar('\n');
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < outcome->n; ++i)
        if (outcome->rows[i].is_accepted) add_candidate(&table, outcome, i, reach);
    for (int32_t i = 0; i < outcome->n; ++i)
        if (!outcome->rows[i].is_accepted) add_candidate(&table, outcome, i, reach);
    if (outcome->n > 0) COP_TRY(cop_table_print(&table, err));
    printf(
        "\n%d tried, %d accepted; * no other is both faster and more accurate\n",
        result->n_candidates,
        result->n_accepted);
    if (result->best[0] != 0)
        printf(
            "fastest accepted: %s; next: coppice compare %s %s\n",
            result->best,
            cli->words[0],
            result->best);
    if (!result->is_finished) puts("not finished; the same command goes on");
    return COP_OK;
}

/* ---- JSON ---------------------------------------------------------------------------- */

static void json_reach(
    struct cop_cli *cli, cJSON *object, const char *key, const struct cop_reach *reach)
{
    cJSON *range = cop_json_object(cli, object, key);
    cop_json_number(cli, range, "original", reach->original);
    cop_json_number(cli, range, "least", reach->least);
}

static void json_candidates(
    struct cop_cli *cli, cJSON *array, const struct outcome *outcome)
{
    for (int32_t i = 0; i < outcome->n; ++i) {
        const struct cop_candidate_row *row = &outcome->rows[i];
        cJSON *element = cop_json_element(cli, array);
        cop_json_count(cli, element, "seq", row->seq);
        cop_json_text(cli, element, "name", outcome->names[i]);
        cop_json_count(cli, element, "macs", row->macs);
        cop_json_count(cli, element, "params", row->params);
        cop_json_count(cli, element, "bytes", row->bytes);
        cop_json_number(cli, element, "median_ms", row->median_ms);
        cop_json_number(cli, element, "base_ms", row->base_ms);
        cop_json_number(
            cli,
            element,
            "faster",
            row->median_ms > 0 ? row->base_ms / row->median_ms : (double)NAN);
        cop_json_number(cli, element, "top1", row->top1);
        cop_json_number(cli, element, "base_top1", row->base_top1);
        cop_json_number(cli, element, "drop", row->base_top1 - row->top1);
        cop_json_bool(cli, element, "accepted", row->is_accepted);
        cop_json_bool(cli, element, "on_front", outcome->is_on_front[i]);
        cop_json_text(cli, element, "reason", row->reason);
    }
}

static enum cop_status print_json(
    struct cop_cli *cli, const struct outcome *outcome, struct cop_err *err)
{
    const struct cop_search_result *result = &outcome->result;
    const struct cop_feasibility *reach = &result->feasibility;
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", cli->words[0]);
    cop_json_count(cli, document, "run", result->run_id);
    cop_json_bool(cli, document, "resumed", result->is_resumed);
    cop_json_bool(cli, document, "finished", result->is_finished);
    cJSON *feasibility = cop_json_object(cli, document, "feasibility");
    json_reach(cli, feasibility, "latency_ms", &reach->latency_ms);
    json_reach(cli, feasibility, "macs", &reach->macs);
    json_reach(cli, feasibility, "params", &reach->params);
    cop_json_number(cli, feasibility, "prunable_macs", 100 * reach->prunable_macs);
    cop_json_text(cli, feasibility, "limited_by", reach->limited_by);
    cop_json_count(cli, document, "tried", result->n_candidates);
    cop_json_count(cli, document, "accepted", result->n_accepted);
    cop_json_text(cli, document, "best", result->best[0] != 0 ? result->best : NULL);
    json_candidates(cli, cop_json_array(cli, document, "candidates"), outcome);
    return cop_json_print(cli, document, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct synth_options *o = given;
    struct outcome outcome = {.n = 0};
    const struct cop_search_options search = search_options(cli, o);
    COP_TRY(cop_cli_open_store(cli, err));
    COP_TRY(cop_cli_open_engine(cli, err));
    const enum cop_status status = cop_search(
        cli->store,
        cli->engine,
        &cop_ops_standard,
        &search,
        &cli->progress,
        &outcome.result,
        err);
    const bool is_stopped = status == COP_EINTR;
    if (is_stopped)
        cop_progress_note(
            &cli->progress, "what was tried is stored; the same command goes on");
    const bool has_rows = status == COP_OK || status == COP_ELIMIT || is_stopped;
    if (!has_rows || outcome.result.run_id == 0) return status;
    /* The error of the search, if any, stays the one that is told. */
    struct cop_err *fresh = status == COP_OK ? err : NULL;
    COP_TRY(load_outcome(cli, &outcome, fresh));
    COP_TRY(
        cli->is_json ? print_json(cli, &outcome, fresh)
                     : print_text(cli, &outcome, fresh));
    return status;
}

const struct cop_verb cop_verb_synth = {
    .name = "synth",
    .summary = "the search: limits in, smaller and faster variants out",
    .operands = "MODEL --data CALIB",
    .examples =
        "coppice synth model --data calib --val val --max-latency 60% --max-drop 1.0\n"
        "coppice synth model --data calib --max-macs 50% --time 20m --variants 40",
    .about =
        "Says first what can be reached at all.  Then tries variants: channels are "
        "cut,\n"
        "the rest is repaired in closed form on the calibration samples, and the "
        "result\n"
        "is measured.  A variant is accepted on its measured time and measured top-1\n"
        "only.  Each one tried is kept with its numbers and the reason.\n"
        "\n"
        "Ctrl-C stops after the step in hand; the same command goes on from there, "
        "also\n"
        "after a crash.  Exit status 4 says that no variant met the limits.",
    .options = options,
    .options_size = sizeof(struct synth_options),
    .min_words = 1,
    .max_words = 1,
    .run = run};
