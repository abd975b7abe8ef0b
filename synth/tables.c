/* synth/tables.c - what the generator knows: errors per width, times per node. */
#include "synth/tables.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { PROFILE_REPEATS = 15 };
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
    const struct cop_calibration *calibration,
    int64_t block,
    struct cop_err *err)
{
    int64_t n = group->n_channels;
    struct cop_score *order = COP_ARENA_NEW_N(tables->arena, n, struct cop_score);
    if (order == NULL) return COP_FAIL_NOMEM(err);
    enum cop_score_method method =
        calibration != NULL ? COP_SCORE_RECONSTRUCTION : COP_SCORE_MAGNITUDE;
    COP_TRY(cop_score_group(tables->groups, group, method, calibration, order, err));
    int64_t step = width_step(n, block);
    int64_t *widths = COP_ARENA_NEW_N(tables->arena, n / step + 2, int64_t);
    double *errors = COP_ARENA_NEW_N(tables->arena, n / step + 2, double);
    if (widths == NULL || errors == NULL) return COP_FAIL_NOMEM(err);
    int32_t n_widths = 0;
    widths[n_widths++] = n;
    for (int64_t w = (n - 1) / step * step; w >= step; w -= step) {
        widths[n_widths] = w;
        errors[n_widths++] = order[n - w - 1].error_left;
    }
    if (n_widths < 2) return COP_OK;
    tables->options[tables->n_options++] = (struct cop_option){
        .group = group,
        .order = order,
        .n_widths = n_widths,
        .widths = widths,
        .errors = errors,
    };
    return COP_OK;
}

static enum cop_status add_options(
    struct cop_tables *tables,
    const struct cop_calibration *calibration,
    int64_t block,
    const struct cop_progress *progress,
    struct cop_err *err)
{
    int32_t n = cop_groups_n(tables->groups);
    tables->options = COP_ARENA_NEW_N(tables->arena, n, struct cop_option);
    if (tables->options == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        COP_TRY(cop_progress_check(progress, err));
        const struct cop_group *group = cop_groups_at(tables->groups, i);
        if (group->frozen_because == NULL && group->n_channels > 1)
            COP_TRY(add_option(tables, group, calibration, block, err));
        cop_progress_step(progress, "score groups", i + 1, n);
    }
    return COP_OK;
}

/* ---- how widths scale tensors ----------------------------------------------------------- */

/* Which constant (or else result) tells how much work a node has left after a cut. */
static const struct cop_value *yardstick(const struct cop_node *node)
{
    const struct cop_value *largest = NULL;
    int64_t macs = 0;
    if (cop_node_macs(node, &macs, NULL) != COP_OK || macs == 0) return node->dst[0];
    for (int32_t s = 0; s < node->n_src; s++) {
        const struct cop_value *src = node->src[s];
        if (src == NULL || src->data == NULL || src->shape.rank < 2) continue;
        bool is_larger =
            largest == NULL || cop_shape_n(&src->shape) > cop_shape_n(&largest->shape);
        if (is_larger) largest = src;
    }
    return largest != NULL ? largest : node->dst[0];
}

static int32_t n_members_on(
    const struct cop_tables *tables, const struct cop_value *value)
{
    int32_t n = 0;
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_group *group = tables->options[o].group;
        for (int32_t m = 0; m < group->n_members; m++)
            n += group->members[m].value == value;
    }
    return n;
}

enum cop_status cop_synth__extent_init(
    const struct cop_tables *tables,
    const struct cop_value *value,
    struct cop_extent *extent,
    struct cop_err *err)
{
    int32_t n = value != NULL ? n_members_on(tables, value) : 0;
    extent->parts = COP_ARENA_NEW_N(tables->arena, n, struct cop_extent_part);
    if (extent->parts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; n > 0 && o < tables->n_options; o++) {
        const struct cop_group *group = tables->options[o].group;
        for (int32_t m = 0; m < group->n_members; m++) {
            if (group->members[m].value != value) continue;
            const int64_t *elements;
            int64_t per_channel = 0;
            cop_group_elements(tables->groups, group, m, 0, &elements, &per_channel);
            int32_t axis = group->members[m].axis;
            extent->parts[extent->n_parts++] = (struct cop_extent_part){
                .option = o,
                .axis = axis,
                .share = (double)per_channel / (double)value->shape.dim[axis],
            };
        }
    }
    return COP_OK;
}

double cop_synth__extent_share(
    const struct cop_tables *tables,
    const struct cop_extent *extent,
    const int32_t *choice)
{
    double left[COP_MAX_RANK];
    for (int a = 0; a < COP_MAX_RANK; a++)
        left[a] = 1.0;
    for (int32_t p = 0; p < extent->n_parts; p++) {
        const struct cop_extent_part *part = &extent->parts[p];
        const struct cop_option *option = &tables->options[part->option];
        int64_t removed = option->widths[0] - option->widths[choice[part->option]];
        left[part->axis] -= part->share * (double)removed;
    }
    double product = 1.0;
    for (int a = 0; a < COP_MAX_RANK; a++)
        product *= left[a] > 0.0 ? left[a] : 0.0;
    return product;
}

static enum cop_status add_extents(
    struct cop_tables *tables, const struct cop_graph *graph, struct cop_err *err)
{
    tables->n_nodes = cop_graph_n_nodes(graph);
    tables->nodes =
        COP_ARENA_NEW_N(tables->arena, tables->n_nodes, struct cop_node_cost);
    int32_t n_values = cop_graph_n_values(graph);
    tables->consts = COP_ARENA_NEW_N(tables->arena, n_values, struct cop_const_cost);
    if (tables->nodes == NULL || tables->consts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < tables->n_nodes; i++) {
        struct cop_node_cost *cost = &tables->nodes[i];
        cost->node = cop_graph_node(graph, i);
        COP_TRY(cop_node_macs(cost->node, &cost->macs, err));
        COP_TRY(
            cop_synth__extent_init(tables, yardstick(cost->node), &cost->extent, err));
    }
    for (int32_t i = 0; i < n_values; i++) {
        const struct cop_value *value = cop_graph_value(graph, i);
        if (value == NULL || value->data == NULL || value->dtype != COP_F32) continue;
        struct cop_const_cost *cost = &tables->consts[tables->n_consts++];
        cost->n = cop_shape_n(&value->shape);
        COP_TRY(cop_synth__extent_init(tables, value, &cost->extent, err));
    }
    return COP_OK;
}

/* ---- measured times -------------------------------------------------------------------- */

static struct cop_node_cost *find_cost(const struct cop_tables *tables, int32_t node_id)
{
    for (int32_t i = 0; i < tables->n_nodes; i++) {
        if (tables->nodes[i].node->id == node_id) return &tables->nodes[i];
    }
    return NULL;
}

/* The node of a fused step that carries its time: the one with most work. */
static struct cop_node_cost *carrier(
    const struct cop_tables *tables, const struct cop_plan_step *step)
{
    struct cop_node_cost *best = NULL;
    for (int32_t i = 0; i < step->n_nodes; i++) {
        struct cop_node_cost *cost = find_cost(tables, step->node_ids[i]);
        if (cost != NULL && (best == NULL || cost->macs > best->macs)) best = cost;
    }
    return best;
}

static void record_level(
    struct cop_tables *tables, int32_t level, const struct cop_plan *plan)
{
    double loose = 0.0; /* reorders belong to no node: spread over all */
    double bound = 0.0;
    for (int32_t i = 0; i < cop_plan_n_steps(plan); i++) {
        struct cop_plan_step step;
        cop_plan_step(plan, i, &step);
        struct cop_node_cost *cost = carrier(tables, &step);
        if (cost == NULL) {
            loose += step.ms;
            continue;
        }
        cost->ms[level] += step.ms;
        bound += step.ms;
    }
    double factor = bound > 0.0 ? (bound + loose) / bound : 1.0;
    for (int32_t i = 0; i < tables->n_nodes; i++)
        tables->nodes[i].ms[level] *= factor;
}

static void uniform_choice(
    const struct cop_tables *tables, double share, int32_t *choice)
{
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_option *option = &tables->options[o];
        choice[o] = 0;
        while (choice[o] + 1 < option->n_widths &&
               (double)option->widths[choice[o] + 1] >=
                   share * (double)option->widths[0] - 1e-9)
            choice[o]++;
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
    if (status == COP_OK) status = cop_plan_run(plan, starts, NULL, err);
    if (status == COP_OK) status = cop_plan_profile(plan, PROFILE_REPEATS, err);
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
    for (int32_t i = 0; i < tables->n_nodes; i++)
        tables->nodes[i].x[level] =
            cop_synth__extent_share(tables, &tables->nodes[i].extent, choice);
    struct cop_cut cut = {0};
    COP_TRY(cop_tables_cut(tables, choice, tables->arena, &cut, err));
    struct cop_graph *small = NULL;
    struct cop_plan *plan = NULL;
    enum cop_status status = cop_cut_apply(tables->groups, &cut, &small, err);
    if (status == COP_OK)
        status = cop_plan_create(engine, small, plan_options, &plan, err);
    if (status == COP_OK) status = profile(plan, err);
    if (status == COP_OK) record_level(tables, level, plan);
    cop_plan_destroy(plan);
    cop_graph_destroy(small);
    return status;
}

enum cop_status cop_tables_make(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_calibration *calibration,
    const struct cop_plan_options *plan_options,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    struct cop_tables **tables,
    struct cop_err *err)
{
    struct cop_tables *made = COP_ARENA_NEW(arena, struct cop_tables);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    made->arena = arena;
    made->groups = groups;
    struct cop_engine_info info;
    cop_engine_describe(engine, &info);
    COP_TRY(add_options(made, calibration, info.channel_block, progress, err));
    COP_TRY(add_extents(made, cop_groups_graph(groups), err));
    for (int32_t level = 0; level < COP_N_LEVELS; level++) {
        COP_TRY(cop_progress_check(progress, err));
        COP_TRY(measure_level(made, engine, plan_options, level, err));
        cop_progress_step(progress, "measure node times", level + 1, COP_N_LEVELS);
    }
    *tables = made;
    return COP_OK;
}

int32_t cop_tables_n_options(const struct cop_tables *tables)
{
    return tables->n_options;
}

const struct cop_option *cop_tables_option(const struct cop_tables *tables, int32_t i)
{
    return &tables->options[i];
}

/* ---- prediction --------------------------------------------------------------------------- */

/* Piecewise linear in the share of work left, through the measured levels; below the last
 * level proportional to it. */
double cop_synth__node_ms(const struct cop_node_cost *cost, double x)
{
    if (x >= cost->x[0]) return cost->ms[0];
    for (int l = 1; l < COP_N_LEVELS; l++) {
        if (x < cost->x[l]) continue;
        double span = cost->x[l - 1] - cost->x[l];
        if (span <= 0.0) return cost->ms[l];
        double t = (x - cost->x[l]) / span;
        return cost->ms[l] + t * (cost->ms[l - 1] - cost->ms[l]);
    }
    double last = cost->x[COP_N_LEVELS - 1];
    return last > 0.0 ? cost->ms[COP_N_LEVELS - 1] * x / last : 0.0;
}

void cop_tables_predict(
    const struct cop_tables *tables,
    const int32_t *choice,
    struct cop_prediction *prediction)
{
    *prediction = (struct cop_prediction){0};
    for (int32_t i = 0; i < tables->n_nodes; i++) {
        const struct cop_node_cost *cost = &tables->nodes[i];
        double x = cop_synth__extent_share(tables, &cost->extent, choice);
        prediction->ms += cop_synth__node_ms(cost, x);
        prediction->macs += (double)cost->macs * x;
    }
    for (int32_t i = 0; i < tables->n_consts; i++) {
        const struct cop_const_cost *cost = &tables->consts[i];
        prediction->params +=
            (double)cost->n * cop_synth__extent_share(tables, &cost->extent, choice);
    }
}

const char *cop_tables_slowest(
    const struct cop_tables *tables, const int32_t *choice, double *share)
{
    double total = 0.0;
    double most = 0.0;
    const char *name = "";
    for (int32_t i = 0; i < tables->n_nodes; i++) {
        const struct cop_node_cost *cost = &tables->nodes[i];
        double x = cop_synth__extent_share(tables, &cost->extent, choice);
        double ms = cop_synth__node_ms(cost, x);
        total += ms;
        if (ms <= most) continue;
        most = ms;
        name = cost->node->name;
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
        const struct cop_option *option = &tables->options[o];
        if (choice[o] == 0) continue;
        uint8_t *mask = COP_ARENA_NEW_N(arena, option->widths[0], uint8_t);
        if (mask == NULL) return COP_FAIL_NOMEM(err);
        memset(mask, 1, (size_t)option->widths[0]);
        int64_t n_removed = option->widths[0] - option->widths[choice[o]];
        for (int64_t i = 0; i < n_removed; i++)
            mask[option->order[i].channel] = 0;
        keep[option->group->id] = mask;
    }
    cut->keep = keep;
    return COP_OK;
}
