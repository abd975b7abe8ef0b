/* cli/verb_list.c - the models of the project, one a line. */
#include "cli/facts.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <math.h>
#include <stdio.h>

static void print_row(struct cop_table *table, const struct cop_facts *facts)
{
    char text[COP_NUMBER_TEXT];
    cop_table_add(table, "%s", facts->row.name);
    cop_table_add(table, "%s", facts->parent != NULL ? facts->parent : "-");
    cop_table_add(table, "%s", cop_text_si(text, (double)facts->row.macs));
    cop_table_add(table, "%s", cop_text_si(text, (double)facts->row.params));
    cop_table_add(table, "%s", cop_text_bytes(text, facts->row.bytes));
    cop_table_add(table, "%s", cop_text_ms(text, facts->median_ms));
    if (isnan(facts->faster))
        cop_table_add(table, "-");
    else
        cop_table_add(table, "%.2fx", facts->faster);
    cop_table_add(table, "%s", cop_text_percent(text, facts->top1));
    cop_table_add(table, "%s", cop_text_percent(text, facts->drop));
}

static enum cop_status run(struct cop_cli *cli, const void *given, struct cop_err *err)
{
    (void)given;
    static const char *const heads[] = {
        "<name",
        "<from",
        ">MACs",
        ">parameters",
        ">size",
        ">median ms",
        ">faster",
        ">top-1 %",
        ">drop",
        NULL};
    struct cop_facts *facts;
    int32_t n;
    COP_TRY(cop_facts_list(cli, &facts, &n, err));
    if (cli->is_json) {
        cJSON *document = cop_json_document(cli);
        cJSON *models = cop_json_array(cli, document, "models");
        for (int32_t i = 0; i < n; ++i)
            cop_facts_json(cli, cop_json_element(cli, models), &facts[i]);
        return cop_json_print(cli, document, err);
    }
    if (n == 0) {
        puts("no models yet; 'coppice import MODEL.onnx' brings one");
        return COP_OK;
    }
    struct cop_table table;
    cop_table_init(&table, cli->arena, heads);
    for (int32_t i = 0; i < n; ++i)
        print_row(&table, &facts[i]);
    return cop_table_print(&table, err);
}

const struct cop_verb cop_verb_list = {
    .name = "list",
    .summary = "the models of the project with their numbers",
    .operands = "",
    .examples = "coppice list\ncoppice list --json",
    .about =
        "MACs are multiply-accumulates for one sample.  'faster' and 'drop' compare a\n"
        "variant with the model it came from: times in speed, points of top-1.  The "
        "search\n"
        "times the two in turn, so that 'faster' may differ from the ratio of two "
        "medians\n"
        "that were measured at different moments.  A '-' has not been measured; bench "
        "and\n"
        "eval do that.",
    .options = cop_options_none,
    .options_size = 0,
    .min_words = 0,
    .max_words = 0,
    .run = run};
