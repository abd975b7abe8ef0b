/* synth/reduce.c - see reduce.h.
 *
 * Greedy: of all narrower widths and lower ranks the one that saves most per error; once so,
 * and once where what exceeds the need does not count as saved, and the better of the two.
 * The best move of a group or factor is remembered until a neighbour moves. */
#include "synth/reduce.h"

#include "base/mem.h"
#include "synth/tables.h"

#include <math.h>
#include <string.h>

enum { RANK_STEPS = 64 }; /* ranks tried per factor, at most */
static const double A_LITTLE = 0.05;
static const double LEAST_COEFFICIENT = 1e-6;

/* A factor beside the work of its node. */
struct narrowed {
    const struct cop_factor *factor;
    const struct cop_work_item *item; /* NULL: nothing is cut */
    int32_t out_axis;
    int64_t step; /* between ranks that are tried */
};

/* The best move of one group or factor. */
struct move {
    int64_t to; /* width index or rank; -1: none saves */
    double worth;
    double saved;
    double hurt;
    bool is_known;
};

struct state {
    const struct cop_tables *tables; /* NULL: ranks alone */
    const double *coefficients;      /* by option; NULL: all 1 */
    const double *rank_coefficients; /* by factor; NULL: all 1 */
    struct narrowed *factors;
    int32_t n_factors;
    int32_t n_options;
    int32_t *factor_at; /* by position in the graph: index + 1 */
    struct cop_reduction *reduction;
    struct move *moves; /* options, then factors */
    bool gains_biases;  /* they are among the parameters already */
    double need;        /* parameters still to go */
    bool is_capped;     /* saving more than is needed is worth no more */
};

/* ---- what is left ------------------------------------------------------------------------ */

/* What factor @p i saves at @p rank against its weights as cut. */
static double saved_by_rank(const struct state *state, int32_t i, int64_t rank)
{
    const struct narrowed *narrowed = &state->factors[i];
    double n_in = (double)narrowed->factor->n_in;
    double n_out = (double)narrowed->factor->n_out;
    if (rank == 0) return 0.0;
    if (narrowed->item != NULL) {
        double out_left = 1.0;
        for (int32_t p = 0; p < narrowed->item->n_parts; p++) {
            const struct cop_work_part *part = &narrowed->item->parts[p];
            if (part->axis == narrowed->out_axis)
                out_left -= part->share * (double)state->tables->removed[part->group];
        }
        double left = cop_work_left(narrowed->item, state->tables->removed);
        n_in *= out_left > 0.0 ? left / out_left : 0.0;
        n_out *= out_left;
    }
    double saved = n_in * n_out - (double)rank * (n_in + n_out);
    if (narrowed->factor->n_bias != 0 && !state->gains_biases) saved -= n_out;
    return saved > 0.0 ? saved : 0.0;
}

/* Parameters of everything a group shrinks. */
static double sum_touched(const struct state *state, int32_t group)
{
    const struct cop_work *work = state->tables->work;
    const struct cop_work_touched *touched = &work->touched[group];
    double sum = 0.0;
    for (int32_t i = 0; i < touched->n_consts; i++) {
        const struct cop_work_item *item = &work->consts[touched->consts[i]];
        sum += (double)item->size * cop_work_left(item, state->tables->removed);
    }
    for (int32_t i = 0; i < touched->n_nodes; i++) {
        int32_t f = state->factor_at[touched->nodes[i]] - 1;
        if (f >= 0) sum -= saved_by_rank(state, f, state->reduction->ranks[f]);
    }
    return sum;
}

/* ---- moves ---------------------------------------------------------------------------------- */

static void offer(
    const struct state *state, struct move *best, int64_t to, double saved, double hurt)
{
    if (saved <= 1e-9 * state->need || saved < 1.0) return;
    double counted = state->is_capped && saved > state->need ? state->need : saved;
    double worth = counted / (hurt > 1e-9 ? hurt : 1e-9);
    if (best->to >= 0 && worth <= best->worth) return;
    best->to = to;
    best->worth = worth;
    best->saved = saved;
    best->hurt = hurt;
}

static struct move best_width(const struct state *state, int32_t o)
{
    const struct cop_tables *tables = state->tables;
    const struct cop_cut_option *option = &tables->options[o];
    int64_t *removed = &tables->removed[option->group->id];
    int32_t now = state->reduction->choice[o];
    double coefficient = state->coefficients != NULL ? state->coefficients[o] : 1.0;
    double before = sum_touched(state, option->group->id);
    struct move best = {.to = -1, .is_known = true};
    for (int32_t w = cop_cut_option_next(option, now); w < option->n_widths;
         w = cop_cut_option_next(option, w)) {
        *removed = option->widths[0] - option->widths[w];
        double saved = before - sum_touched(state, option->group->id);
        double hurt = coefficient * (option->errors[w] - option->errors[now]);
        offer(state, &best, w, saved, hurt);
    }
    *removed = option->widths[0] - option->widths[now];
    return best;
}

static struct move best_rank(const struct state *state, int32_t f)
{
    const struct narrowed *narrowed = &state->factors[f];
    const double *errors = narrowed->factor->errors;
    double coefficient =
        state->rank_coefficients != NULL ? state->rank_coefficients[f] : 1.0;
    int64_t now = state->reduction->ranks[f];
    double error = now != 0 ? errors[now] : 0.0;
    double before = saved_by_rank(state, f, now);
    struct move best = {.to = -1, .is_known = true};
    int64_t first = now != 0 ? now - 1 : narrowed->factor->n_ranks;
    for (int64_t r = first / narrowed->step * narrowed->step; r > 0;
         r -= narrowed->step)
        offer(
            state,
            &best,
            r,
            saved_by_rank(state, f, r) - before,
            coefficient * (errors[r] - error));
    return best;
}

/* Whoever shares work with the node at that position has to look again. */
static void forget_item(struct state *state, const struct cop_work_item *item)
{
    for (int32_t p = 0; p < item->n_parts; p++) {
        for (int32_t o = 0; o < state->n_options; o++) {
            if (state->tables->options[o].group->id == item->parts[p].group)
                state->moves[o].is_known = false;
        }
    }
}

static void forget_group(struct state *state, int32_t group)
{
    const struct cop_work *work = state->tables->work;
    const struct cop_work_touched *touched = &work->touched[group];
    for (int32_t i = 0; i < touched->n_nodes; i++) {
        int32_t f = state->factor_at[touched->nodes[i]] - 1;
        if (f >= 0) state->moves[state->n_options + f].is_known = false;
        forget_item(state, &work->nodes[touched->nodes[i]]);
    }
    for (int32_t i = 0; i < touched->n_consts; i++)
        forget_item(state, &work->consts[touched->consts[i]]);
}

static void make_move(struct state *state, int32_t m)
{
    struct move move = state->moves[m];
    state->need -= move.saved;
    state->reduction->params -= move.saved;
    state->reduction->error += move.hurt;
    state->moves[m].is_known = false;
    if (m < state->n_options) {
        const struct cop_cut_option *option = &state->tables->options[m];
        state->reduction->choice[m] = (int32_t)move.to;
        state->tables->removed[option->group->id] =
            option->widths[0] - option->widths[move.to];
        forget_group(state, option->group->id);
        return;
    }
    int32_t f = m - state->n_options;
    state->reduction->ranks[f] = move.to;
    if (state->factors[f].item != NULL) forget_item(state, state->factors[f].item);
}

static bool reduce(struct state *state)
{
    int32_t n = state->n_options + state->n_factors;
    while (state->need > 0.0) {
        int32_t best = -1;
        for (int32_t m = 0; m < n; m++) {
            struct move *move = &state->moves[m];
            if (!move->is_known)
                *move = m < state->n_options ? best_width(state, m)
                                             : best_rank(state, m - state->n_options);
            if (move->to < 0) continue;
            if (best < 0 || move->worth > state->moves[best].worth) best = m;
        }
        if (best < 0) return false;
        make_move(state, best);
    }
    return true;
}

/* ---- from outside --------------------------------------------------------------------------- */

static enum cop_status make_state(
    const struct cop_graph *graph,
    const struct cop_tables *tables,
    const struct cop_lowrank *lowrank,
    struct cop_arena *arena,
    struct state *state,
    struct cop_err *err)
{
    int32_t n_nodes = graph != NULL ? cop_graph_n_nodes(graph) : 0;
    state->tables = tables;
    state->n_options = tables != NULL ? tables->n_options : 0;
    state->n_factors = lowrank != NULL ? cop_lowrank_n(lowrank) : 0;
    int32_t n_moves = state->n_options + state->n_factors;
    state->factors = COP_ARENA_NEW_N(arena, state->n_factors, struct narrowed);
    state->factor_at = COP_ARENA_NEW_N(arena, n_nodes, int32_t);
    state->moves = COP_ARENA_NEW_N(arena, n_moves, struct move);
    if (state->factors == NULL || state->factor_at == NULL || state->moves == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t f = 0; f < state->n_factors; f++) {
        const struct cop_factor *factor = cop_lowrank_at(lowrank, f);
        int64_t step = factor->n_ranks / RANK_STEPS;
        state->factors[f] = (struct narrowed){
            .factor = factor,
            .out_axis = factor->out_axis,
            .step = step >= 8  ? step / 8 * 8
                    : step > 0 ? step
                               : 1,
        };
        for (int32_t i = 0; tables != NULL && i < n_nodes; i++) {
            if (cop_graph_node(graph, i) != factor->node) continue;
            state->factors[f].item = &tables->work->nodes[i];
            state->factor_at[i] = f + 1;
        }
    }
    return COP_OK;
}

void cop_reduce_scale(const struct cop_tables *tables, double *coefficients)
{
    for (int32_t o = 0; o < tables->n_options; o++) {
        const struct cop_cut_option *option = &tables->options[o];
        double all = option->order[option->group->n_channels - 1].error_left;
        coefficients[o] = all > 0.0 ? 1.0 / all : 1.0;
    }
}

/* Both ways of counting, from the network as it is; keeps the better in @p reduction. */
static enum cop_status reduce_both_ways(
    const struct state *start,
    double max_params,
    struct cop_arena *arena,
    struct cop_reduction *reduction,
    bool *is_reached,
    struct cop_err *err)
{
    struct cop_reduction best = {0};
    for (int way = 0; way < 2; way++) {
        struct cop_reduction made = {
            .choice = COP_ARENA_NEW_N(arena, start->n_options, int32_t),
            .ranks = COP_ARENA_NEW_N(arena, start->n_factors, int64_t),
            .params = reduction->params};
        if (made.choice == NULL || made.ranks == NULL) return COP_FAIL_NOMEM(err);
        struct state state = *start;
        state.reduction = &made;
        state.is_capped = way != 0;
        state.need = made.params - max_params;
        for (int32_t m = 0; m < state.n_options + state.n_factors; m++)
            state.moves[m].is_known = false;
        if (state.tables != NULL) cop_synth__set_removed(state.tables, made.choice);
        bool is_within = reduce(&state);
        if (way > 0 && !(is_within && made.error < best.error)) continue;
        best = made;
        *is_reached = is_within;
    }
    *reduction = best;
    return COP_OK;
}

enum cop_status cop_reduce_choose(
    const struct cop_tables *tables,
    const double *coefficients,
    const struct cop_rank_tables *ranks,
    double max_params,
    struct cop_arena *arena,
    struct cop_reduction *reduction,
    bool *is_reached,
    struct cop_err *err)
{
    const struct cop_graph *graph = cop_groups_graph(tables->groups);
    double params = 0.0;
    struct state state = {
        .gains_biases = tables->gains_biases,
        .coefficients = coefficients,
        .rank_coefficients = ranks != NULL ? ranks->coefficients : NULL};
    const struct cop_lowrank *lowrank = ranks != NULL ? ranks->lowrank : NULL;
    COP_TRY(make_state(graph, tables, lowrank, arena, &state, err));
    for (int32_t i = 0; i < tables->work->n_consts; i++)
        params += (double)tables->work->consts[i].size;
    *reduction = (struct cop_reduction){.params = params};
    return reduce_both_ways(&state, max_params, arena, reduction, is_reached, err);
}

enum cop_status cop_reduce_inquire(
    struct cop_inquiry *inquiry,
    const struct cop_lowrank *lowrank,
    const struct cop_progress *progress,
    double *coefficients,
    struct cop_err *err)
{
    int32_t n = cop_lowrank_n(lowrank);
    int64_t *ranks = cop_mem_array((size_t)n, sizeof *ranks);
    if (ranks == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    for (int32_t f = 0; status == COP_OK && f < n; f++) {
        const struct cop_factor *factor = cop_lowrank_at(lowrank, f);
        struct cop_graph *graph = NULL;
        double response = 0.0;
        ranks[f] = 1;
        while (ranks[f] < factor->n_ranks && factor->errors[ranks[f]] > A_LITTLE)
            ranks[f]++;
        status = cop_progress_check(progress, err);
        if (status == COP_OK) status = cop_lowrank_apply(lowrank, ranks, &graph, err);
        if (status == COP_OK)
            status = cop_inquire_graph(inquiry, graph, &response, err);
        cop_graph_destroy(graph);
        double error = factor->errors[ranks[f]];
        coefficients[f] = error > 0.0 ? fmax(response / error, LEAST_COEFFICIENT) : 1.0;
        ranks[f] = 0;
        cop_progress_step(progress, "probe ranks", f + 1, n);
    }
    cop_mem_free(ranks);
    return status;
}

/* The coefficients of another network's factors by the names of the nodes. */
static enum cop_status take_over(
    const struct cop_lowrank *lowrank,
    const struct cop_rank_tables *was,
    struct cop_arena *arena,
    const double **coefficients,
    struct cop_err *err)
{
    int32_t n = cop_lowrank_n(lowrank);
    double *taken = COP_ARENA_NEW_N(arena, n, double);
    if (taken == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t f = 0; f < n; f++) {
        const char *name = cop_lowrank_at(lowrank, f)->node->name;
        taken[f] = 1.0;
        for (int32_t k = 0; k < cop_lowrank_n(was->lowrank); k++) {
            if (strcmp(cop_lowrank_at(was->lowrank, k)->node->name, name) == 0)
                taken[f] = was->coefficients[k];
        }
    }
    *coefficients = taken;
    return COP_OK;
}

static enum cop_status list_nodes(
    const struct cop_lowrank *lowrank,
    const struct cop_reduction *reduction,
    struct cop_arena *arena,
    struct cop_reduced_nodes *nodes,
    struct cop_err *err)
{
    int32_t n = cop_lowrank_n(lowrank);
    *nodes = (struct cop_reduced_nodes){
        .at = COP_ARENA_NEW_N(arena, n, struct cop_reduced_node),
        .has_data = cop_lowrank_has_data(lowrank)};
    if (nodes->at == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t f = 0; f < n; f++) {
        const struct cop_factor *factor = cop_lowrank_at(lowrank, f);
        int64_t rank = reduction->ranks[f];
        if (rank == 0) continue;
        const char *name = cop_arena_strdup(arena, factor->node->name);
        if (name == NULL) return COP_FAIL_NOMEM(err);
        nodes->at[nodes->n++] = (struct cop_reduced_node){
            .name = name,
            .n_in = factor->n_in,
            .n_out = factor->n_out,
            .rank = rank,
            .error = factor->errors[rank]};
    }
    return COP_OK;
}

enum cop_status cop_reduce_ranks(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    const struct cop_rank_tables *was,
    double max_params,
    struct cop_arena *arena,
    struct cop_graph **reduced,
    struct cop_reduced_nodes *nodes,
    struct cop_err *err)
{
    struct cop_lowrank *lowrank = NULL;
    COP_TRY(cop_lowrank_measure(engine, graph, samples, progress, &lowrank, err));
    struct cop_reduction reduction = {.params = (double)cop_graph_n_params(graph)};
    struct state state = {0};
    bool is_reached = false; /* the caller counts */
    enum cop_status status = make_state(NULL, NULL, lowrank, arena, &state, err);
    if (status == COP_OK && was != NULL && was->coefficients != NULL)
        status = take_over(lowrank, was, arena, &state.rank_coefficients, err);
    if (status == COP_OK)
        status =
            reduce_both_ways(&state, max_params, arena, &reduction, &is_reached, err);
    if (status == COP_OK)
        status = cop_lowrank_apply(lowrank, reduction.ranks, reduced, err);
    if (status == COP_OK && nodes != NULL)
        status = list_nodes(lowrank, &reduction, arena, nodes, err);
    cop_lowrank_destroy(lowrank);
    return status;
}
