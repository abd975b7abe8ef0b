/* synth/tables.c - what the generator knows: errors per width, times per node. */
#include "synth/tables.h"

#include "base/clock.h"
#include "base/rng.h"

#include <string.h>

enum { LEAST_REPEATS = 3, MOST_REPEATS = 15 };
static const double PROFILE_FOR_MS = 1000.0; /* per level, within the bounds above */
static const double level_shares[COP_N_LEVELS] = {1.0, 0.75, 0.5, 0.25};

/* ---- options ------------------------------------------------------------------------ */

/* Wide groups step by whole vector blocks; narrow ones by parts of one, because a channel
 * removed there still saves the scalar tail, and the measured levels tell if it does not. */
static int64_t width_step(int64_t n_channels, int64_t block)
{
    if (n_channels >= 4 * block) return block;
    if (n_channels >= 2 * block) return block / 2;
    return block / 4 > 1 ? block / 4 : 1;
}

static enum cop_status add_option(
    struct cop_tables *tables,
    const struct cop_group *group,
    const struct cop_score *order,
    int64_t block,
    struct cop_err *err)
{
    int64_t n = group->n_channels;
    int64_t step = width_step(n, block);
    int64_t *widths = COP_ARENA_NEW_N(tables->arena, n, int64_t);
    double *errors = COP_ARENA_NEW_N(tables->arena, n, double);
    if (widths == NULL || errors == NULL) return COP_FAIL_NOMEM(err);
    int32_t n_widths = 0;
    widths[n_widths++] = n;
    for (int64_t w = n - 1; w >= step; w--) {
        widths[n_widths] = w;
        errors[n_widths++] = order != NULL ? order[n - w - 1].error_left : 0.0;
    }
    if (n_widths < 2) return COP_OK;
    tables->options[tables->n_options++] = (struct cop_cut_option){
        .group = group,
        .order = order,
        .step = step,
        .n_widths = n_widths,
        .widths = widths,
        .errors = errors,
    };
    return COP_OK;
}

static enum cop_status add_options(
    struct cop_tables *tables,
    const struct cop_score *const *orders,
    int64_t block,
    struct cop_err *err)
{
    int32_t n = cop_groups_n(tables->groups);
    tables->options = COP_ARENA_NEW_N(tables->arena, n, struct cop_cut_option);
    if (tables->options == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        const struct cop_group *group = cop_groups_at(tables->groups, i);
        if (group->frozen_because != NULL || group->n_channels < 2) continue;
        COP_TRY(
            add_option(tables, group, orders != NULL ? orders[i] : NULL, block, err));
    }
    return COP_OK;
}

/* ---- measured times -------------------------------------------------------------------- */

/* The node of a fused step that carries its time: the one with most work.  -1: none. */
static int32_t carrier(
    const struct cop_tables *tables,
    const int32_t *position_of, /* by node id */
    const struct cop_plan_step *step)
{
    int32_t best = -1;
    for (int32_t i = 0; i < step->n_nodes; i++) {
        int32_t at = position_of[step->node_ids[i]];
        if (best < 0 || tables->work->nodes[at].size > tables->work->nodes[best].size)
            best = at;
    }
    return best;
}

static enum cop_status record_level(
    struct cop_tables *tables,
    int32_t level,
    const struct cop_plan *plan,
    struct cop_err *err)
{
    int32_t n_ids = 0;
    for (int32_t i = 0; i < tables->work->n_nodes; i++) {
        int32_t id = tables->work->nodes[i].node->id;
        if (id >= n_ids) n_ids = id + 1;
    }
    int32_t *position_of = COP_ARENA_NEW_N(tables->arena, n_ids, int32_t);
    if (position_of == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < tables->work->n_nodes; i++)
        position_of[tables->work->nodes[i].node->id] = i;
    double loose = 0.0; /* reorders belong to no node: spread over all */
    double bound = 0.0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        int32_t at = carrier(tables, position_of, &step);
        if (at < 0) {
            loose += step.ms;
            continue;
        }
        tables->times[at].ms[level] += step.ms;
        bound += step.ms;
    }
    double factor = bound > 0.0 ? (bound + loose) / bound : 1.0;
    for (int32_t i = 0; i < tables->work->n_nodes; i++)
        tables->times[i].ms[level] *= factor;
    return COP_OK;
}

static void uniform_choice(
    const struct cop_tables *tables, double share, int32_t *choice)
{
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_cut_option *option = &tables->options[o];
        choice[o] = 0;
        for (int32_t w = cop_cut_option_next(option, 0);
             w < option->n_widths &&
             (double)option->widths[w] >= share * (double)option->widths[0] - 1e-9;
             w = cop_cut_option_next(option, w))
            choice[o] = w;
    }
}

/* Profiles on random inputs: the time of a convolution does not depend on them. */
static enum cop_status profile(struct cop_plan *plan, struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    int32_t n_starts = cop_plan_n_starts(plan);
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    const float **starts = COP_ARENA_NEW_N(scratch, n_starts, const float *);
    if (starts == NULL) status = COP_FAIL_NOMEM(err);
    for (int32_t i = 0; status == COP_OK && i < n_starts; i++) {
        int64_t n = cop_shape_n(cop_plan_start_shape(plan, i));
        float *elements = COP_ARENA_NEW_N(scratch, n, float);
        if (elements == NULL) status = COP_FAIL_NOMEM(err);
        for (int64_t k = 0; status == COP_OK && k < n; k++)
            elements[k] = (float)cop_rng_range(&rng, -1.0, 1.0);
        starts[i] = elements;
    }
    struct cop_plan_times times;
    if (status == COP_OK) status = cop_plan_run(plan, starts, NULL, err);
    double before = cop_clock_ms();
    if (status == COP_OK) status = cop_plan_run(plan, starts, NULL, err);
    double repeats = PROFILE_FOR_MS / (cop_clock_ms() - before + 1e-3);
    if (repeats > MOST_REPEATS) repeats = MOST_REPEATS;
    if (repeats < LEAST_REPEATS) repeats = LEAST_REPEATS;
    if (status == COP_OK)
        status = cop_plan_profile(plan, starts, NULL, (int)repeats, &times, err);
    cop_arena_destroy(scratch);
    return status;
}

static enum cop_status measure_level(
    struct cop_tables *tables,
    struct cop_engine *engine,
    const struct cop_plan_options *plan_options,
    int32_t level,
    struct cop_err *err)
{
    int32_t *choice = COP_ARENA_NEW_N(tables->arena, tables->n_options, int32_t);
    if (choice == NULL) return COP_FAIL_NOMEM(err);
    uniform_choice(tables, level_shares[level], choice);
    cop_synth__set_removed(tables, choice);
    for (int32_t i = 0; i < tables->work->n_nodes; i++)
        tables->times[i].x[level] =
            cop_work_left(&tables->work->nodes[i], tables->removed);
    struct cop_cut cut = {0};
    COP_TRY(cop_tables_cut(tables, choice, tables->arena, &cut, err));
    struct cop_graph *small = NULL;
    struct cop_plan *plan = NULL;
    enum cop_status status = cop_cut_apply(tables->groups, &cut, &small, err);
    if (status == COP_OK)
        status = cop_plan_create(engine, small, plan_options, &plan, err);
    if (status == COP_OK) status = profile(plan, err);
    if (status == COP_OK) status = record_level(tables, level, plan, err);
    cop_plan_destroy(plan);
    cop_graph_destroy(small);
    return status;
}

enum cop_status cop_tables_make(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_tables_options *options,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    struct cop_tables **tables,
    struct cop_err *err)
{
    struct cop_tables *made = COP_ARENA_NEW(arena, struct cop_tables);
    int32_t n_nodes = cop_graph_n_nodes(cop_groups_graph(groups));
    if (made == NULL) return COP_FAIL_NOMEM(err);
    made->arena = arena;
    made->groups = groups;
    made->is_timed = options->plan != NULL;
    made->gains_biases = options->gains_biases;
    made->times = COP_ARENA_NEW_N(arena, n_nodes, struct cop_node_times);
    made->removed = COP_ARENA_NEW_N(arena, cop_groups_n(groups), int64_t);
    made->is_known = COP_ARENA_NEW_N(arena, cop_groups_n(groups), bool);
    made->steps = COP_ARENA_NEW_N(arena, cop_groups_n(groups), struct cop_step);
    if (made->times == NULL || made->removed == NULL || made->is_known == NULL ||
        made->steps == NULL)
        return COP_FAIL_NOMEM(err);
    struct cop_engine_info info;
    cop_engine_describe(engine, &info);
    COP_TRY(add_options(made, options->orders, info.channel_block, err));
    COP_TRY(cop_work_find(groups, options->gains_biases, arena, &made->work, err));
    for (int32_t level = 0; level < COP_N_LEVELS && made->is_timed; level++) {
        COP_TRY(cop_progress_check(progress, err));
        COP_TRY(measure_level(made, engine, options->plan, level, err));
        cop_progress_step(progress, "measure node times", level + 1, COP_N_LEVELS);
    }
    *tables = made;
    return COP_OK;
}

int32_t cop_tables_n_options(const struct cop_tables *tables)
{
    return tables->n_options;
}

const struct cop_cut_option *cop_tables_option(
    const struct cop_tables *tables, int32_t i)
{
    return &tables->options[i];
}

int32_t cop_cut_option_next(const struct cop_cut_option *option, int32_t w)
{
    do
        w++;
    while (w < option->n_widths && option->widths[w] % option->step != 0);
    return w;
}

int32_t cop_cut_option_middle(const struct cop_cut_option *option)
{
    int32_t n_whole = 1;
    for (int32_t w = cop_cut_option_next(option, 0); w < option->n_widths;
         w = cop_cut_option_next(option, w))
        n_whole++;
    int32_t middle = 0;
    for (int32_t i = 0; i < n_whole / 2; i++)
        middle = cop_cut_option_next(option, middle);
    return middle;
}

/* ---- prediction --------------------------------------------------------------------------- */

/* Piecewise linear in the share of work left, through the measured levels; below the last
 * level proportional to it. */
double cop_synth__node_ms(const struct cop_tables *tables, int32_t node, double x)
{
    const struct cop_node_times *times = &tables->times[node];
    if (!tables->is_timed || x >= times->x[0]) return times->ms[0];
    for (int l = 1; l < COP_N_LEVELS; l++) {
        if (x < times->x[l]) continue;
        double span = times->x[l - 1] - times->x[l];
        if (span <= 0.0) return times->ms[l];
        double t = (x - times->x[l]) / span;
        return times->ms[l] + t * (times->ms[l - 1] - times->ms[l]);
    }
    double last = times->x[COP_N_LEVELS - 1];
    return last > 0.0 ? times->ms[COP_N_LEVELS - 1] * x / last : 0.0;
}

void cop_synth__set_removed(const struct cop_tables *tables, const int32_t *choice)
{
    memset(
        tables->removed,
        0,
        (size_t)cop_groups_n(tables->groups) * sizeof *tables->removed);
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_cut_option *option = &tables->options[o];
        tables->removed[option->group->id] =
            option->widths[0] - option->widths[choice[o]];
    }
}

void cop_tables_predict(
    const struct cop_tables *tables,
    const int32_t *choice,
    struct cop_prediction *prediction)
{
    const struct cop_work *work = tables->work;
    *prediction = (struct cop_prediction){0};
    cop_synth__set_removed(tables, choice);
    for (int32_t i = 0; i < work->n_nodes; i++) {
        double x = cop_work_left(&work->nodes[i], tables->removed);
        prediction->ms += cop_synth__node_ms(tables, i, x);
        prediction->macs += (double)work->nodes[i].size * x;
    }
    for (int32_t i = 0; i < work->n_consts; i++)
        prediction->params += (double)work->consts[i].size *
                              cop_work_left(&work->consts[i], tables->removed);
}

void cop_tables_save(
    const struct cop_tables *tables,
    int32_t group,
    int64_t n,
    struct cop_prediction *saving)
{
    struct cop_work_saving saved = cop_work_save(tables->work, group, n);
    *saving = (struct cop_prediction){.macs = saved.macs, .params = saved.params};
    const struct cop_work_touched *touched = &tables->work->touched[group];
    memset(
        tables->removed,
        0,
        (size_t)cop_groups_n(tables->groups) * sizeof *tables->removed);
    tables->removed[group] = n;
    for (int32_t i = 0; i < touched->n_nodes; i++) {
        int32_t node = touched->nodes[i];
        double x = cop_work_left(&tables->work->nodes[node], tables->removed);
        saving->ms +=
            cop_synth__node_ms(tables, node, 1.0) - cop_synth__node_ms(tables, node, x);
    }
}

const char *cop_tables_slowest(
    const struct cop_tables *tables, const int32_t *choice, double *share)
{
    double total = 0.0;
    double most = 0.0;
    const char *name = "";
    cop_synth__set_removed(tables, choice);
    for (int32_t i = 0; i < tables->work->n_nodes; i++) {
        const struct cop_work_item *item = &tables->work->nodes[i];
        double x = cop_work_left(item, tables->removed);
        double ms = cop_synth__node_ms(tables, i, x);
        total += ms;
        if (ms <= most) continue;
        most = ms;
        name = item->node->name;
    }
    *share = total > 0.0 ? most / total : 0.0;
    return name;
}

enum cop_status cop_tables_cut(
    const struct cop_tables *tables,
    const int32_t *choice,
    struct cop_arena *arena,
    struct cop_cut *cut,
    struct cop_err *err)
{
    int32_t n_groups = cop_groups_n(tables->groups);
    const uint8_t **keep = COP_ARENA_NEW_N(arena, n_groups, const uint8_t *);
    if (keep == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_cut_option *option = &tables->options[o];
        if (choice[o] == 0) continue;
        uint8_t *mask = COP_ARENA_NEW_N(arena, option->widths[0], uint8_t);
        if (mask == NULL) return COP_FAIL_NOMEM(err);
        memset(mask, 1, (size_t)option->widths[0]);
        int64_t n_removed = option->widths[0] - option->widths[choice[o]];
        for (int64_t i = 0; i < n_removed; i++) {
            bool is_scored = option->order != NULL;
            mask[is_scored ? option->order[i].channel : option->widths[0] - 1 - i] = 0;
        }
        keep[option->group->id] = mask;
    }
    cut->keep = keep;
    return COP_OK;
}
