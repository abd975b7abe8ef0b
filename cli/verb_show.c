/* cli/verb_show.c - everything the project knows of one model. */
#include "cli/facts.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <math.h>
#include <stdio.h>

/* What is shown. */
struct shown {
    const struct cop_facts *facts;
    const struct cop_facts *parent; /* NULL: an original */
    struct cop_cut_row *cuts;
    int32_t n_cuts;
};

/* ---- text ----------------------------------------------------------------------- */

static void print_share(const char *what, const char *text, int64_t now, int64_t before)
{
    printf("%-14s%s", what, text);
    if (before > 0)
        printf("   %.1f %% of the original", 100 * (double)now / (double)before);
    putchar('\n');
}

static void print_results(const struct cop_facts *facts)
{
    char text[COP_NUMBER_TEXT];
    if (facts->has_measurement) {
        const struct cop_measurement_row *row = &facts->measurement;
        printf("%-14s%s ms median", "time", cop_text_ms(text, row->median_ms));
        printf(", %s ms p95", cop_text_ms(text, row->p95_ms));
        printf(
            " (batch %lld, %lld threads, %lld runs)\n",
            (long long)row->mb,
            (long long)row->threads,
            (long long)row->runs);
        printf("%-14s%s\n", "memory", cop_text_bytes(text, row->peak_bytes));
    } else if (facts->has_candidate) {
        printf(
            "%-14s%s ms in the search\n", "time", cop_text_ms(text, facts->median_ms));
    } else {
        printf("%-14snot measured; 'coppice bench %s'\n", "time", facts->row.name);
    }
    if (!isnan(facts->faster))
        printf("%-14s%.2f times the original's speed\n", "faster", facts->faster);
    if (facts->has_evaluation)
        printf(
            "%-14stop-1 %.2f %%, top-5 %.2f %% on %s (%lld samples)\n",
            "accuracy",
            facts->evaluation.top1,
            facts->evaluation.top5,
            facts->data != NULL ? facts->data : "?",
            (long long)facts->evaluation.n);
    else if (facts->has_candidate)
        printf("%-14stop-1 %.2f %% in the search\n", "accuracy", facts->top1);
    else
        printf(
            "%-14snot measured; 'coppice eval %s --data NAME'\n",
            "accuracy",
            facts->row.name);
    if (!isnan(facts->drop)) printf("%-14s%.2f points of top-1\n", "drop", facts->drop);
    if (facts->has_candidate) printf("%-14s%s\n", "search", facts->candidate.reason);
}

static enum cop_status print_cuts(
    struct cop_cli *cli, const struct shown *shown, struct cop_err *err)
{
    static const char *const heads[] = {
        "<layer", ">channels", ">kept", ">kept %", "<why", NULL};
    struct cop_table table;
    if (shown->n_cuts == 0) return COP_OK;
    puts("\ncuts");
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < shown->n_cuts; ++i) {
        const struct cop_cut_row *cut = &shown->cuts[i];
        cop_table_add(&table, "%s", cut->layer);
        cop_table_add(&table, "%lld", (long long)cut->width_before);
        cop_table_add(&table, "%lld", (long long)cut->width_after);
        cop_table_add(
            &table,
            "%.0f",
            cut->width_before > 0
                ? 100 * (double)cut->width_after / (double)cut->width_before
                : 0.0);
        cop_table_add(&table, "%s", cut->reason);
    }
    return cop_table_print(&table, err);
}

static enum cop_status print_text(
    struct cop_cli *cli, const struct shown *shown, struct cop_err *err)
{
    const struct cop_facts *facts = shown->facts;
    const struct cop_model_row *row = &facts->row;
    const struct cop_model_row *before =
        shown->parent != NULL ? &shown->parent->row : NULL;
    char text[COP_NUMBER_TEXT];
    char when[32];
    printf("%-14s%s\n", "model", row->name);
    printf("%-14s%s\n", "from", facts->parent != NULL ? facts->parent : row->source);
    printf("%-14s%s UTC\n", "made", cop_facts_time(when, row->created_us));
    print_share(
        "MACs",
        cop_text_si(text, (double)row->macs),
        row->macs,
        before != NULL ? before->macs : 0);
    print_share(
        "parameters",
        cop_text_count(text, row->params),
        row->params,
        before != NULL ? before->params : 0);
    print_share(
        "size",
        cop_text_bytes(text, row->bytes),
        row->bytes,
        before != NULL ? before->bytes : 0);
    print_results(facts);
    printf("%-14ssha256 %s\n", "identity", row->graph_sha);
    return print_cuts(cli, shown, err);
}

/* ---- JSON -------------------------------------------------------------------------- */

static void json_results(
    struct cop_cli *cli, cJSON *document, const struct cop_facts *facts)
{
    if (!facts->has_measurement) {
        cop_json_text(cli, document, "measurement", NULL);
    } else {
        const struct cop_measurement_row *row = &facts->measurement;
        cJSON *object = cop_json_object(cli, document, "measurement");
        cop_json_count(cli, object, "batch", row->mb);
        cop_json_count(cli, object, "threads", row->threads);
        cop_json_count(cli, object, "runs", row->runs);
        cop_json_number(cli, object, "median_ms", row->median_ms);
        cop_json_number(cli, object, "p95_ms", row->p95_ms);
        cop_json_number(cli, object, "min_ms", row->min_ms);
        cop_json_count(cli, object, "peak_bytes", row->peak_bytes);
        cop_json_raw(cli, object, "machine", row->machine_json);
    }
    if (!facts->has_evaluation) {
        cop_json_text(cli, document, "evaluation", NULL);
    } else {
        const struct cop_evaluation_row *row = &facts->evaluation;
        cJSON *object = cop_json_object(cli, document, "evaluation");
        cop_json_text(cli, object, "data", facts->data);
        cop_json_count(cli, object, "n", row->n);
        cop_json_number(cli, object, "top1", row->top1);
        cop_json_number(cli, object, "top5", row->top5);
        cop_json_raw(cli, object, "per_class", row->per_class_json);
        cop_json_raw(cli, object, "machine", row->machine_json);
    }
}

static enum cop_status print_json(
    struct cop_cli *cli, const struct shown *shown, struct cop_err *err)
{
    const struct cop_facts *facts = shown->facts;
    char when[32];
    cJSON *document = cop_json_document(cli);
    cop_facts_json(cli, document, facts);
    cop_json_text(cli, document, "source", facts->row.source);
    cop_json_text(
        cli, document, "created", cop_facts_time(when, facts->row.created_us));
    cop_json_text(cli, document, "sha256", facts->row.graph_sha);
    cop_json_raw(cli, document, "origin", facts->row.origin_json);
    cop_json_text(
        cli, document, "reason", facts->has_candidate ? facts->candidate.reason : NULL);
    json_results(cli, document, facts);
    cJSON *cuts = cop_json_array(cli, document, "cuts");
    for (int32_t i = 0; i < shown->n_cuts; ++i) {
        const struct cop_cut_row *cut = &shown->cuts[i];
        cJSON *element = cop_json_element(cli, cuts);
        cop_json_text(cli, element, "layer", cut->layer);
        cop_json_count(cli, element, "width_before", cut->width_before);
        cop_json_count(cli, element, "width_after", cut->width_after);
        cop_json_text(cli, element, "reason", cut->reason);
    }
    return cop_json_print(cli, document, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    (void)given;
    struct cop_facts *facts;
    int32_t n;
    struct shown shown = {.n_cuts = 0};
    COP_TRY(cop_facts_list(cli, &facts, &n, err));
    COP_TRY(cop_facts_find(facts, n, cli->words[0], &shown.facts, err));
    if (shown.facts->parent != NULL)
        COP_TRY(cop_facts_find(facts, n, shown.facts->parent, &shown.parent, err));
    COP_TRY(cop_store_list_cuts(
        cli->store, shown.facts->row.id, cli->arena, &shown.cuts, &shown.n_cuts, err));
    return cli->is_json ? print_json(cli, &shown, err) : print_text(cli, &shown, err);
}

const struct cop_verb cop_verb_show = {
    .name = "show",
    .summary = "everything about one model, with its cuts",
    .operands = "MODEL",
    .examples = "coppice show V1\ncoppice show V1 --json",
    .about = "Origin, size, newest measurement and evaluation, and for a variant every "
             "group\n"
             "of channels that was cut, how far, and why.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 1,
    .max_words = 1,
    .run = run};
