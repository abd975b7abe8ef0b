/* cli/inspect_groups.c - what is cut together, and what that saves; see inspect_groups.h. */
#include "cli/inspect_groups.h"

#include "cli/output.h"
#include "cli/table.h"
#include "synth/generate.h"

#include <math.h>
#include <stdio.h>

/* Ranges of one member that are written out in text; the rest is counted. */
enum { MOST_RANGES = 6 };

struct survey {
    const struct cop_groups *groups;
    struct cop_tables *tables;
    bool is_timed;
    int32_t *option_of; /* by group id: -1 if it cannot be narrowed */
    struct cop_prediction full;
};

/* What one group is worth. */
struct worth {
    int64_t step;               /* channels; 0: it cannot be narrowed */
    struct cop_prediction save; /* by that step alone */
    struct cop_prediction cost; /* of all its channels */
};

static enum cop_status make_survey(
    struct cop_cli *cli,
    const struct cop_groups *groups,
    int64_t mb,
    struct survey *survey,
    struct cop_err *err)
{
    const struct cop_plan_options plan = {.mb = mb, .threads = (int)cli->threads};
    const struct cop_tables_options options = {.plan = mb > 0 ? &plan : NULL};
    *survey = (struct survey){.groups = groups, .is_timed = mb > 0};
    COP_TRY(cop_cli_open_engine(cli, err));
    COP_TRY(cop_tables_make(
        cli->engine,
        groups,
        &options,
        &cli->progress,
        cli->arena,
        &survey->tables,
        err));
    int32_t n_options = cop_tables_n_options(survey->tables);
    int32_t *choice = COP_ARENA_NEW_N(cli->arena, n_options, int32_t);
    survey->option_of = COP_ARENA_NEW_N(cli->arena, cop_groups_n(groups), int32_t);
    if (choice == NULL || survey->option_of == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t g = 0; g < cop_groups_n(groups); g++)
        survey->option_of[g] = -1;
    for (int32_t o = 0; o < n_options; o++)
        survey->option_of[cop_tables_option(survey->tables, o)->group->id] = o;
    cop_tables_predict(survey->tables, choice, &survey->full);
    return COP_OK;
}

static struct worth worth_of(const struct survey *survey, const struct cop_group *group)
{
    struct worth worth = {.step = 0};
    int32_t o = survey->option_of[group->id];
    if (o >= 0) {
        const struct cop_cut_option *option = cop_tables_option(survey->tables, o);
        worth.step = option->widths[0] - option->widths[cop_cut_option_next(option, 0)];
        cop_tables_save(survey->tables, group->id, worth.step, &worth.save);
    }
    cop_tables_save(survey->tables, group->id, group->n_channels, &worth.cost);
    return worth;
}

/* The node that a constant belongs to; its producer for a result; NULL for an input. */
static const struct cop_node *owner_of(const struct cop_value *value)
{
    if (value->data == NULL) return value->producer;
    return value->n_uses > 0 ? value->uses[0].node : NULL;
}

static const char *role_of(const struct survey *survey, const struct cop_member *member)
{
    if (member->value->data == NULL) return "activation";
    if (member->is_consumer) return "consumer";
    const char *reason;
    const struct cop_node *node = owner_of(member->value);
    bool is_maker = node != NULL && cop_groups_verdict(survey->groups, node, &reason) ==
                                        COP_VERDICT_PRUNABLE;
    return is_maker ? "producer" : "follower";
}

/* ---- text ------------------------------------------------------------------------- */

static void print_saving(
    const struct survey *survey, const struct cop_prediction *saving)
{
    char text[COP_NUMBER_TEXT];
    const struct cop_prediction *full = &survey->full;
    printf("%s MACs", cop_text_si(text, saving->macs));
    if (full->macs > 0.0) printf(" (%.2f %%)", 100.0 * saving->macs / full->macs);
    printf(", %s parameters", cop_text_si(text, saving->params));
    if (survey->is_timed) printf(", %s ms", cop_text_ms(text, saving->ms));
    putchar('\n');
}

static enum cop_status print_ranges(
    struct cop_cli *cli,
    const struct survey *survey,
    const struct cop_group *group,
    int32_t member,
    char *text,
    size_t text_bytes,
    struct cop_err *err)
{
    struct cop_range *ranges;
    int32_t n;
    size_t used = 0;
    COP_TRY(
        cop_group_ranges(survey->groups, group, member, cli->arena, &ranges, &n, err));
    text[0] = '\0';
    for (int32_t i = 0; i < n && i < MOST_RANGES; i++) {
        int64_t last = ranges[i].first + ranges[i].n * ranges[i].each;
        int wrote = snprintf(
            text + used,
            text_bytes - used,
            "%s%lld..%lld",
            i > 0 ? ", " : "",
            (long long)ranges[i].first,
            (long long)last - 1);
        if (wrote > 0 && (size_t)wrote < text_bytes - used) used += (size_t)wrote;
        if (ranges[i].each == 1 || i > 0) continue;
        wrote = snprintf(
            text + used,
            text_bytes - used,
            " (%lld a channel)",
            (long long)ranges[i].each);
        if (wrote > 0 && (size_t)wrote < text_bytes - used) used += (size_t)wrote;
    }
    if (n > MOST_RANGES)
        (void)snprintf(
            text + used, text_bytes - used, " and %d more ranges", n - MOST_RANGES);
    return COP_OK;
}

static enum cop_status add_member(
    struct cop_cli *cli,
    const struct survey *survey,
    const struct cop_group *group,
    int32_t m,
    struct cop_table *table,
    struct cop_err *err)
{
    char ranges[512];
    const struct cop_member *member = &group->members[m];
    const struct cop_node *node = owner_of(member->value);
    struct cop_arena_mark mark = cop_arena_mark(cli->arena);
    COP_TRY(print_ranges(cli, survey, group, m, ranges, sizeof ranges, err));
    cop_arena_reset(cli->arena, mark);
    cop_table_add(table, "  %s", role_of(survey, member));
    cop_table_add(table, "%s", member->value->name);
    cop_table_add(table, "%d", member->axis);
    cop_table_add(table, "%s", ranges);
    cop_table_add(table, "%s", node != NULL ? node->op->name : "");
    cop_table_add(table, "%s", node != NULL ? node->name : "");
    return COP_OK;
}

static enum cop_status print_group(
    struct cop_cli *cli,
    const struct survey *survey,
    const struct cop_group *group,
    struct cop_err *err)
{
    static const char *const heads[] = {
        "<  role", "<tensor", ">axis", "<elements", "<op", "<layer", NULL};
    struct worth worth = worth_of(survey, group);
    struct cop_arena_mark mark = cop_arena_mark(cli->arena);
    struct cop_table table;
    printf(
        "group %d: %s, %lld channel%s",
        group->id,
        group->name,
        (long long)group->n_channels,
        group->n_channels == 1 ? "" : "s");
    if (group->frozen_because != NULL)
        printf("\n  frozen because %s\n", group->frozen_because);
    else if (worth.step == 0)
        puts(", too few to cut");
    else
        printf(", cut by %lld\n", (long long)worth.step);
    if (worth.step > 0) {
        printf("  one step saves  ");
        print_saving(survey, &worth.save);
    }
    printf("  all channels    ");
    print_saving(survey, &worth.cost);
    cop_table_init(&table, cli->arena, heads);
    int32_t n_activations = 0;
    for (int32_t m = 0; m < group->n_members; m++) {
        if (group->members[m].value->data == NULL)
            n_activations++;
        else
            COP_TRY(add_member(cli, survey, group, m, &table, err));
    }
    COP_TRY(cop_table_print(&table, err));
    printf(
        "  and %d activation%s between them\n\n",
        n_activations,
        n_activations == 1 ? "" : "s");
    cop_arena_reset(cli->arena, mark);
    return COP_OK;
}

static enum cop_status print_text(
    struct cop_cli *cli,
    const char *name,
    const struct survey *survey,
    struct cop_err *err)
{
    char text[COP_NUMBER_TEXT];
    int32_t n = cop_groups_n(survey->groups);
    for (int32_t g = 0; g < n; g++)
        COP_TRY(print_group(cli, survey, cop_groups_at(survey->groups, g), err));
    printf("%-12s%s\n", "model", name);
    printf(
        "%-12s%d, %d of them frozen\n",
        "groups",
        n,
        cop_groups_n_frozen(survey->groups));
    printf("%-12s%s per sample", "MACs", cop_text_si(text, survey->full.macs));
    printf(
        ", %.1f %% in layers that shrink when channels go\n",
        100 * cop_groups_prunable_macs(survey->groups));
    if (survey->is_timed)
        printf("%-12s%s ms, all layers\n", "time", cop_text_ms(text, survey->full.ms));
    return COP_OK;
}

/* ---- JSON -------------------------------------------------------------------------- */

static void json_saving(
    struct cop_cli *cli,
    const struct survey *survey,
    cJSON *parent,
    const char *key,
    const struct cop_prediction *saving)
{
    if (saving == NULL) {
        cop_json_text(cli, parent, key, NULL);
        return;
    }
    cJSON *object = cop_json_object(cli, parent, key);
    cop_json_count(cli, object, "macs", (int64_t)llround(saving->macs));
    cop_json_count(cli, object, "params", (int64_t)llround(saving->params));
    cop_json_number(cli, object, "ms", survey->is_timed ? saving->ms : (double)NAN);
}

static enum cop_status json_member(
    struct cop_cli *cli,
    const struct survey *survey,
    const struct cop_group *group,
    int32_t m,
    cJSON *element,
    struct cop_err *err)
{
    const struct cop_member *member = &group->members[m];
    const struct cop_node *node = owner_of(member->value);
    struct cop_range *ranges;
    int32_t n;
    cop_json_text(cli, element, "tensor", member->value->name);
    cop_json_count(cli, element, "axis", member->axis);
    cop_json_text(cli, element, "role", role_of(survey, member));
    cop_json_text(cli, element, "layer", node != NULL ? node->name : NULL);
    struct cop_arena_mark mark = cop_arena_mark(cli->arena);
    COP_TRY(cop_group_ranges(survey->groups, group, m, cli->arena, &ranges, &n, err));
    cJSON *list = cop_json_array(cli, element, "ranges");
    for (int32_t i = 0; i < n; i++) {
        cJSON *range = cop_json_element(cli, list);
        cop_json_count(cli, range, "channel", ranges[i].channel);
        cop_json_count(cli, range, "channels", ranges[i].n);
        cop_json_count(cli, range, "first", ranges[i].first);
        cop_json_count(cli, range, "each", ranges[i].each);
    }
    cop_arena_reset(cli->arena, mark);
    return COP_OK;
}

static enum cop_status print_json(
    struct cop_cli *cli,
    const char *name,
    int64_t mb,
    const struct survey *survey,
    struct cop_err *err)
{
    cJSON *document = cop_json_document(cli);
    cop_json_text(cli, document, "model", name);
    cJSON *list = cop_json_array(cli, document, "groups");
    for (int32_t g = 0; g < cop_groups_n(survey->groups); g++) {
        const struct cop_group *group = cop_groups_at(survey->groups, g);
        struct worth worth = worth_of(survey, group);
        cJSON *element = cop_json_element(cli, list);
        cop_json_count(cli, element, "id", group->id);
        cop_json_text(cli, element, "name", group->name);
        cop_json_count(cli, element, "channels", group->n_channels);
        cop_json_text(cli, element, "frozen_because", group->frozen_because);
        cop_json_count(cli, element, "step", worth.step);
        json_saving(
            cli, survey, element, "step_saves", worth.step > 0 ? &worth.save : NULL);
        json_saving(cli, survey, element, "cost", &worth.cost);
        cJSON *members = cop_json_array(cli, element, "members");
        for (int32_t m = 0; m < group->n_members; m++)
            COP_TRY(json_member(
                cli, survey, group, m, cop_json_element(cli, members), err));
    }
    cop_json_count(cli, document, "batch", mb > 0 ? mb : 1);
    cop_json_count(cli, document, "params", (int64_t)llround(survey->full.params));
    cop_json_count(cli, document, "macs", (int64_t)llround(survey->full.macs));
    cop_json_number(
        cli, document, "ms", survey->is_timed ? survey->full.ms : (double)NAN);
    cop_json_number(
        cli, document, "prunable_macs", 100 * cop_groups_prunable_macs(survey->groups));
    return cop_json_print(cli, document, err);
}

enum cop_status cop_cli_inspect_groups(
    struct cop_cli *cli,
    const struct cop_cli_model *model,
    int64_t mb,
    struct cop_err *err)
{
    struct cop_groups *groups = NULL;
    struct survey survey;
    COP_TRY(cop_groups_find(model->graph, &groups, err));
    enum cop_status status = make_survey(cli, groups, mb, &survey, err);
    if (status == COP_OK)
        status = cli->is_json ? print_json(cli, model->name, mb, &survey, err)
                              : print_text(cli, model->name, &survey, err);
    cop_groups_destroy(groups);
    return status;
}
