/* cli/verb_compare.c - two models, answer by answer. */
#include "cli/facts.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "explain/compare.h"
#include "synth/evaluate.h"
#include "synth/evidence.h"
#include "synth/project.h"

#include <math.h>
#include <stdio.h>

struct compare_options {
    const char *data;
};

static const struct cop_option options[] = {
    {.name = "data",
     .kind = COP_OPTION_TEXT,
     .offset = offsetof(struct compare_options, data),
     .operand = "NAME",
     .help = "compare on this data set; evaluates on it what is missing"},
    {.name = NULL}};

/* What is compared: [0] before, [1] after. */
struct pair {
    const struct cop_facts *facts[2];
    struct cop_evaluation_row evaluations[2];
    const char *data;
    struct cop_behaviour behaviour;
    struct cop_class_change *classes;
    int32_t n_classes;
};

/* ---- finding or making the two evaluations ------------------------------------------ */

static enum cop_status evaluate(
    struct cop_cli *cli, const char *name, const char *data_name, struct cop_err *err)
{
    struct cop_cli_model model;
    struct cop_cli_data data = {.id = 0};
    struct cop_evaluation evaluation = {.n = 0};
    COP_TRY(cop_cli_open_engine(cli, err));
    COP_TRY(cop_cli_open_model(cli, name, &model, err));
    enum cop_status status =
        cop_cli_open_data(cli, data_name, NULL, model.graph, &data, err);
    const struct cop_evaluate_options evaluate_options = {.threads = (int)cli->threads};
    if (status == COP_OK)
        status = cop_evaluate(
            cli->engine,
            model.graph,
            data.dataset,
            &evaluate_options,
            &cli->progress,
            &evaluation,
            err);
    const struct cop_evidence evidence = {
        .store = cli->store,
        .engine = cli->engine,
        .threads = (int)cli->threads,
        .model_id = model.id};
    if (status == COP_OK)
        status = cop_evidence_put_evaluation(
            &evidence, data.id, data.dataset, &evaluation, err);
    cop_evaluation_clear(&evaluation);
    cop_cli_close_data(&data);
    cop_cli_close_model(&model);
    return status;
}

static enum cop_status load_evaluation(
    struct cop_cli *cli,
    int64_t dataset_id,
    struct pair *pair,
    int side,
    bool *is_there,
    struct cop_err *err)
{
    const enum cop_status status = cop_store_last_evaluation(
        cli->store,
        pair->facts[side]->row.id,
        dataset_id,
        cli->arena,
        &pair->evaluations[side],
        err);
    *is_there = status == COP_OK;
    return status == COP_ENOTFOUND ? COP_OK : status;
}

/* With --data: what is missing, or was drawn differently, is evaluated now. */
static enum cop_status make_evaluations(
    struct cop_cli *cli, struct pair *pair, struct cop_err *err)
{
    struct cop_dataset_row set;
    bool is_there[2];
    COP_TRY(cop_store_get_dataset(cli->store, pair->data, cli->arena, &set, err));
    for (int side = 0; side < 2; ++side)
        COP_TRY(load_evaluation(cli, set.id, pair, side, &is_there[side], err));
    const bool is_alike =
        is_there[0] && is_there[1] && pair->evaluations[0].n == pair->evaluations[1].n;
    if (is_alike) return COP_OK;
    for (int side = 0; side < 2; ++side) {
        const bool is_whole = is_there[side] && pair->evaluations[side].n == set.n;
        if (is_whole) continue;
        COP_TRY(evaluate(cli, pair->facts[side]->row.name, pair->data, err));
        COP_TRY(load_evaluation(cli, set.id, pair, side, &is_there[side], err));
    }
    return COP_OK;
}

/* Without: the data set of the second model's newest evaluation. */
static enum cop_status find_evaluations(
    struct cop_cli *cli, struct pair *pair, struct cop_err *err)
{
    const struct cop_facts *after = pair->facts[1];
    bool is_there = after->has_evaluation;
    if (is_there) {
        pair->evaluations[1] = after->evaluation;
        pair->data = after->data;
        COP_TRY(load_evaluation(
            cli, after->evaluation.dataset_id, pair, 0, &is_there, err));
    }
    if (!is_there)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "'%s' and '%s' were not evaluated on the same data set; --data NAME does "
            "it",
            pair->facts[0]->row.name,
            after->row.name);
    if (pair->evaluations[0].n == pair->evaluations[1].n) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "evaluated on %lld and %lld samples of '%s'; --data %s evaluates both alike",
        (long long)pair->evaluations[0].n,
        (long long)pair->evaluations[1].n,
        pair->data,
        pair->data);
}

/* ---- printing ------------------------------------------------------------------------- */

/* The search timed the two in turn: those times belong together. */
static bool is_timed_in_turn(const struct pair *pair)
{
    return pair->facts[1]->has_candidate &&
           pair->facts[1]->row.parent_id == pair->facts[0]->row.id;
}

static double median_ms(const struct pair *pair, int side)
{
    if (!is_timed_in_turn(pair)) return pair->facts[side]->median_ms;
    const struct cop_candidate_row *row = &pair->facts[1]->candidate;
    return side == 0 ? row->base_ms : row->median_ms;
}

/* Times the first model's speed; NaN when the two were not timed alike. */
static double faster(const struct pair *pair)
{
    const struct cop_facts *before = pair->facts[0];
    const struct cop_facts *after = pair->facts[1];
    const bool is_alike = before->has_measurement && after->has_measurement &&
                          before->measurement.mb == after->measurement.mb &&
                          before->measurement.threads == after->measurement.threads;
    if (!is_timed_in_turn(pair) && !is_alike) return (double)NAN;
    return median_ms(pair, 0) / median_ms(pair, 1);
}

static void add_row(
    struct cop_table *table, const char *what, const char *before, const char *after)
{
    cop_table_add(table, "%s", what);
    cop_table_add(table, "%s", before);
    cop_table_add(table, "%s", after);
}

static void add_change(struct cop_table *table, double before, double after)
{
    if (isnan(before) || isnan(after) || before <= 0)
        cop_table_add(table, "-");
    else
        cop_table_add(table, "%+.1f %%", 100 * (after - before) / before);
}

static enum cop_status print_numbers(
    struct cop_cli *cli, const struct pair *pair, struct cop_err *err)
{
    const struct cop_facts *a = pair->facts[0];
    const struct cop_facts *b = pair->facts[1];
    const char *const heads[] = {
        "<",
        cop_arena_printf(cli->arena, ">%s", a->row.name),
        cop_arena_printf(cli->arena, ">%s", b->row.name),
        ">change",
        NULL};
    if (heads[1] == NULL || heads[2] == NULL) return COP_FAIL_NOMEM(err);
    char before[COP_NUMBER_TEXT];
    char after[COP_NUMBER_TEXT];
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    add_row(
        &table,
        "MACs",
        cop_text_si(before, (double)a->row.macs),
        cop_text_si(after, (double)b->row.macs));
    add_change(&table, (double)a->row.macs, (double)b->row.macs);
    add_row(
        &table,
        "parameters",
        cop_text_si(before, (double)a->row.params),
        cop_text_si(after, (double)b->row.params));
    add_change(&table, (double)a->row.params, (double)b->row.params);
    add_row(
        &table,
        "size",
        cop_text_bytes(before, a->row.bytes),
        cop_text_bytes(after, b->row.bytes));
    add_change(&table, (double)a->row.bytes, (double)b->row.bytes);
    add_row(
        &table,
        "median ms",
        cop_text_ms(before, median_ms(pair, 0)),
        cop_text_ms(after, median_ms(pair, 1)));
    add_change(&table, median_ms(pair, 0), median_ms(pair, 1));
    add_row(
        &table,
        "top-1 %",
        cop_text_percent(before, pair->evaluations[0].top1),
        cop_text_percent(after, pair->evaluations[1].top1));
    cop_table_add(
        &table, "%+.2f", pair->evaluations[1].top1 - pair->evaluations[0].top1);
    add_row(
        &table,
        "top-5 %",
        cop_text_percent(before, pair->evaluations[0].top5),
        cop_text_percent(after, pair->evaluations[1].top5));
    cop_table_add(
        &table, "%+.2f", pair->evaluations[1].top5 - pair->evaluations[0].top5);
    return cop_table_print(&table, err);
}

static enum cop_status print_classes(
    struct cop_cli *cli, const struct pair *pair, struct cop_err *err)
{
    static const char *const heads[] = {
        "<class", ">samples", ">before %", ">after %", ">change", NULL};
    char text[COP_NUMBER_TEXT];
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < pair->n_classes; ++i) {
        const struct cop_class_change *change = &pair->classes[i];
        cop_table_add(&table, "%s", change->name);
        cop_table_add(&table, "%s", cop_text_count(text, change->n));
        cop_table_add(&table, "%s", cop_text_percent(text, change->recall[0]));
        cop_table_add(&table, "%s", cop_text_percent(text, change->recall[1]));
        if (isnan(change->change))
            cop_table_add(&table, "-");
        else
            cop_table_add(&table, "%+.2f", change->change);
    }
    return cop_table_print(&table, err);
}

static enum cop_status print_text(
    struct cop_cli *cli, const struct pair *pair, struct cop_err *err)
{
    const struct cop_behaviour *b = &pair->behaviour;
    const double times = faster(pair);
    COP_TRY(print_numbers(cli, pair, err));
    putchar('\n');
    if (!isnan(times))
        printf(
            "speed        %s is %.2f times as fast\n", pair->facts[1]->row.name, times);
    printf("data         %s, %lld samples\n", pair->data, (long long)b->n);
    printf(
        "same answer  %.2f %%   (95 %% interval %.2f to %.2f)\n",
        b->n > 0 ? 100 * (double)b->same / (double)b->n : 0.0,
        100 * b->same_low,
        100 * b->same_high);
    printf(
        "flips        %lld right answers lost, %lld won (McNemar p = %.3g)\n\n",
        (long long)b->lost,
        (long long)b->won,
        b->mcnemar_p);
    return print_classes(cli, pair, err);
}

static enum cop_status print_json(
    struct cop_cli *cli, const struct pair *pair, struct cop_err *err)
{
    const struct cop_behaviour *b = &pair->behaviour;
    const double n = b->n > 0 ? (double)b->n : (double)NAN;
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "data", pair->data);
    cop_json_count(cli, document, "n", b->n);
    cJSON *models = cop_json_array(cli, document, "models");
    for (int side = 0; side < 2; ++side) {
        const struct cop_facts *facts = pair->facts[side];
        cJSON *element = cop_json_element(cli, models);
        cop_json_text(cli, element, "name", facts->row.name);
        cop_json_count(cli, element, "macs", facts->row.macs);
        cop_json_count(cli, element, "params", facts->row.params);
        cop_json_count(cli, element, "bytes", facts->row.bytes);
        cop_json_number(cli, element, "median_ms", median_ms(pair, side));
        cop_json_number(cli, element, "top1", pair->evaluations[side].top1);
        cop_json_number(cli, element, "top5", pair->evaluations[side].top5);
    }
    cop_json_number(cli, document, "faster", faster(pair));
    cop_json_number(
        cli, document, "drop", pair->evaluations[0].top1 - pair->evaluations[1].top1);
    cop_json_number(cli, document, "agreement", 100 * (double)b->same / n);
    cop_json_number(cli, document, "agreement_low", 100 * b->same_low);
    cop_json_number(cli, document, "agreement_high", 100 * b->same_high);
    cop_json_count(cli, document, "lost", b->lost);
    cop_json_count(cli, document, "won", b->won);
    cop_json_number(cli, document, "mcnemar_p", b->mcnemar_p);
    cJSON *classes = cop_json_array(cli, document, "per_class");
    for (int32_t i = 0; i < pair->n_classes; ++i) {
        const struct cop_class_change *change = &pair->classes[i];
        cJSON *element = cop_json_element(cli, classes);
        cop_json_text(cli, element, "class", change->name);
        cop_json_count(cli, element, "n", change->n);
        cop_json_number(cli, element, "before", change->recall[0]);
        cop_json_number(cli, element, "after", change->recall[1]);
        cop_json_number(cli, element, "change", change->change);
    }
    return cop_json_print(cli, document, err);
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    const struct compare_options *o = given;
    struct cop_facts *facts;
    int32_t n;
    struct pair pair = {.data = o->data};
    COP_TRY(cop_facts_list(cli, &facts, &n, err));
    for (int side = 0; side < 2; ++side)
        COP_TRY(cop_facts_find(facts, n, cli->words[side], &pair.facts[side], err));
    if (pair.data != NULL)
        COP_TRY(make_evaluations(cli, &pair, err));
    else
        COP_TRY(find_evaluations(cli, &pair, err));
    COP_TRY(cop_compare_answers(
        &pair.evaluations[0], &pair.evaluations[1], &pair.behaviour, err));
    COP_TRY(cop_compare_classes(
        &pair.evaluations[0],
        &pair.evaluations[1],
        cli->arena,
        &pair.classes,
        &pair.n_classes,
        err));
    return cli->is_json ? print_json(cli, &pair, err) : print_text(cli, &pair, err);
}

const struct cop_verb cop_verb_compare = {
    .name = "compare",
    .summary = "two models: numbers, answers that flipped, classes",
    .operands = "BEFORE AFTER",
    .examples = "coppice compare model V1\ncoppice compare model V1 --data test",
    .about =
        "Pairs the stored answers of both models to the same samples.  A flip is a\n"
        "sample that only one of the two gets right; McNemar's exact test says how\n"
        "likely the difference would be by chance.",
    .options = options,
    .options_size = sizeof(struct compare_options),
    .min_words = 2,
    .max_words = 2,
    .run = run};
