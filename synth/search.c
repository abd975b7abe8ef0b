/* synth/search.c - the loop of generator and inquisitor; see search.h. */
#include "synth/search.h"

#include "base/clock.h"
#include "base/text.h"
#include "synth/candidate.h"
#include "synth/evidence.h"
#include "synth/keep.h"
#include "synth/project.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_SAMPLES = 256, DEFAULT_CANDIDATES = 24, INQUIRY_SAMPLES = 128 };
static const double DEFAULT_TIME_S = 300.0;

/* ---- what the search stands on -------------------------------------------------------- */

static enum cop_status open_all(
    struct cop_search_state *state, const struct cop_op_set *ops, struct cop_err *err)
{
    const struct cop_search_options *options = state->options;
    COP_TRY(
        cop_project_load_model(state->store, options->model, ops, &state->graph, err));
    COP_TRY(cop_store_get_model(
        state->store, options->model, state->arena, &state->model, err));
    COP_TRY(
        cop_project_open_dataset(state->store, options->data, &state->data, NULL, err));
    const char *val = options->val != NULL ? options->val : options->data;
    COP_TRY(
        cop_project_open_dataset(state->store, val, &state->val, &state->val_id, err));
    if (options->max_drop >= 0.0 && cop_dataset_n_classes(state->val) == 0)
        return COP_FAIL(
            err, COP_EINVAL, "data set '%s' has no labels to measure a drop with", val);
    return cop_drawn__make(
        state->data,
        options->samples > 0 ? options->samples : DEFAULT_SAMPLES,
        options->seed,
        state->arena,
        &state->drawn,
        err);
}

/* The text that makes two searches the same one.  Time and candidate budgets are not part
 * of it: a search may be continued with more of either. */
static enum cop_status print_config(
    struct cop_search_state *state, const char **config, struct cop_err *err)
{
    const struct cop_search_options *o = state->options;
    struct cop_dataset_row data;
    COP_TRY(cop_store_get_dataset(state->store, o->data, state->arena, &data, err));
    struct cop_dataset_row val;
    COP_TRY(cop_store_get_dataset(
        state->store, o->val != NULL ? o->val : o->data, state->arena, &val, err));
    *config = cop_arena_printf(
        state->arena,
        "{\"data\":\"%s\",\"val\":\"%s\",\"max_latency\":%.17g,\"latency_is_share\":%s,"
        "\"max_macs\":%.17g,\"macs_is_share\":%s,\"max_params\":%.17g,"
        "\"params_is_share\":%s,\"max_drop\":%.17g,\"samples\":%lld,\"seed\":%llu,"
        "\"batch\":%lld,\"threads\":%d}",
        data.sha256,
        val.sha256,
        o->max_latency.value,
        o->max_latency.is_share ? "true" : "false",
        o->max_macs.value,
        o->max_macs.is_share ? "true" : "false",
        o->max_params.value,
        o->max_params.is_share ? "true" : "false",
        o->max_drop,
        (long long)state->drawn.samples.n,
        (unsigned long long)o->seed,
        (long long)(o->mb > 0 ? o->mb : 1),
        o->threads);
    return *config != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

static enum cop_status measure_base(struct cop_search_state *state, struct cop_err *err)
{
    const struct cop_search_options *options = state->options;
    struct cop_bench_base *base = &state->base;
    const struct cop_evaluate_options evaluate = {.threads = options->threads};
    const struct cop_bench_options bench = {
        .mb = options->mb, .threads = options->threads};
    COP_TRY(cop_bench(state->engine, state->graph, &bench, &base->bench, err));
    COP_TRY(cop_evaluate(
        state->engine,
        state->graph,
        state->val,
        &evaluate,
        state->progress,
        &base->evaluation,
        err));
    base->macs = state->model.macs;
    base->params = state->model.params;
    const struct cop_evidence evidence = {
        .store = state->store,
        .engine = state->engine,
        .threads = options->threads,
        .model_id = state->model.id,
    };
    COP_TRY(cop_evidence_put_measurement(&evidence, &base->bench, err));
    return cop_evidence_put_evaluation(
        &evidence, state->val_id, state->val, &base->evaluation, err);
}

/* Half of every group, one group at a time: the first coefficients. */
static enum cop_status first_inquiry(
    struct cop_search_state *state, struct cop_err *err)
{
    int32_t n = cop_tables_n_options(state->tables);
    int32_t *choice = COP_ARENA_NEW_N(state->arena, n, int32_t);
    double *responses = COP_ARENA_NEW_N(state->arena, n, double);
    struct cop_drawn *part = COP_ARENA_NEW(state->arena, struct cop_drawn);
    if (choice == NULL || responses == NULL || part == NULL) return COP_FAIL_NOMEM(err);
    cop_tables_predict(state->tables, choice, &state->full);
    state->scale = 1.0;
    for (int32_t o = 0; o < n; o++)
        choice[o] = cop_cut_option_middle(cop_tables_option(state->tables, o));
    COP_TRY(
        cop_drawn__part(&state->drawn, 0, INQUIRY_SAMPLES, state->arena, part, err));
    COP_TRY(cop_inquiry_make(
        state->engine,
        state->tables,
        state->groups,
        state->calibration,
        &part->samples,
        part->samples.n,
        state->arena,
        &state->inquiry,
        err));
    COP_TRY(cop_inquire(state->inquiry, choice, state->progress, responses, err));
    cop_adjust(state->tables, choice, responses, 1.0, state->coefficients);
    return COP_OK;
}

static enum cop_status make_tables(struct cop_search_state *state, struct cop_err *err)
{
    const struct cop_plan_options plan_options = {
        .mb = state->options->mb > 0 ? state->options->mb : 1,
        .threads = state->options->threads,
    };
    COP_TRY(cop_groups_find(state->graph, &state->groups, err));
    COP_TRY(cop_calibrate(
        state->engine,
        state->groups,
        &state->drawn.samples,
        state->progress,
        &state->calibration,
        err));
    struct cop_tables_options tables_options = {
        .plan = &plan_options, .gains_biases = true};
    const struct cop_score_ground ground = {.calibration = state->calibration};
    COP_TRY(cop_score_all(
        state->groups,
        COP_SCORE_RECONSTRUCTION,
        &ground,
        state->progress,
        state->arena,
        &tables_options.orders,
        err));
    COP_TRY(cop_tables_make(
        state->engine,
        state->groups,
        &tables_options,
        state->progress,
        state->arena,
        &state->tables,
        err));
    int32_t n = cop_tables_n_options(state->tables);
    if (n == 0)
        return COP_FAIL(
            err,
            COP_ELIMIT,
            "model '%s' has no channel group that may be cut",
            state->options->model);
    state->coefficients = COP_ARENA_NEW_N(state->arena, n, double);
    if (state->coefficients == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        state->coefficients[i] = 1.0;
    return first_inquiry(state, err);
}

/* ---- feasibility ------------------------------------------------------------------------- */

static enum cop_status measure_least(
    struct cop_search_state *state,
    const int32_t *choice,
    struct cop_feasibility *feasibility,
    struct cop_err *err)
{
    struct cop_cut cut;
    COP_TRY(cop_tables_cut(state->tables, choice, state->arena, &cut, err));
    struct cop_graph *least = NULL;
    COP_TRY(cop_cut_apply(state->groups, &cut, &least, err));
    const struct cop_bench_options options = {
        .mb = state->options->mb, .threads = state->options->threads};
    struct cop_bench_result bench;
    int64_t macs = 0;
    enum cop_status status = cop_bench(state->engine, least, &options, &bench, err);
    if (status == COP_OK) status = cop_graph_macs(least, &macs, err);
    if (status == COP_OK) {
        feasibility->latency_ms.least = bench.median_ms;
        feasibility->macs.least = (double)macs;
        feasibility->params.least = (double)cop_graph_n_params(least);
    }
    cop_graph_destroy(least);
    return status;
}

static enum cop_status find_feasibility(
    struct cop_search_state *state,
    struct cop_feasibility *feasibility,
    struct cop_err *err)
{
    int32_t n = cop_tables_n_options(state->tables);
    int32_t *choice = COP_ARENA_NEW_N(state->arena, n, int32_t);
    if (choice == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < n; o++)
        choice[o] = cop_tables_option(state->tables, o)->n_widths - 1;
    feasibility->latency_ms.original = state->base.bench.median_ms;
    feasibility->macs.original = (double)state->base.macs;
    feasibility->params.original = (double)state->base.params;
    feasibility->prunable_macs = cop_groups_prunable_macs(state->groups);
    COP_TRY(measure_least(state, choice, feasibility, err));
    double share;
    const char *slowest = cop_tables_slowest(state->tables, choice, &share);
    (void)snprintf(
        feasibility->limited_by,
        sizeof feasibility->limited_by,
        "'%s', %.0f %% of the time that is left at the least widths",
        slowest,
        100.0 * share);
    cop_progress_note(
        state->progress,
        "reachable: latency %.3g to %.3g ms (%.0f %%), MACs to %.0f %%, parameters to "
        "%.0f %%; limited by %s",
        feasibility->latency_ms.original,
        feasibility->latency_ms.least,
        100.0 * feasibility->latency_ms.least / feasibility->latency_ms.original,
        100.0 * feasibility->macs.least / feasibility->macs.original,
        100.0 * feasibility->params.least / feasibility->params.original,
        feasibility->limited_by);
    return COP_OK;
}

/* ---- resuming ------------------------------------------------------------------------------- */

static void learn(
    struct cop_search_state *state,
    const struct cop_decision *decision,
    const struct cop_candidate_row *row)
{
    size_t bytes = (size_t)cop_tables_n_options(state->tables) * sizeof(double);
    memcpy(state->coefficients, decision->coefficients_next, bytes);
    double measured = row->median_ms / row->base_ms;
    if (decision->predicted_share <= 0.0) return;
    double correction = measured / (decision->predicted_share * state->scale);
    /* A disturbed timing must not rule: large corrections are taken half way, in ratio. */
    bool is_large = correction > 1.5 || correction < 1.0 / 1.5;
    state->scale *= is_large ? sqrt(correction) : correction;
}

static enum cop_status open_run(
    struct cop_search_state *state, int32_t capacity, struct cop_err *err)
{
    const char *config = NULL;
    COP_TRY(print_config(state, &config, err));
    COP_TRY(cop_store_open_run(
        state->store, state->model.id, config, state->arena, &state->run, err));
    struct cop_candidate_row *rows = NULL;
    COP_TRY(cop_store_list_candidates(
        state->store, state->run.id, state->arena, &rows, &state->n_rows, err));
    if (state->n_rows > capacity) capacity = state->n_rows;
    state->rows = COP_ARENA_NEW_N(state->arena, capacity, struct cop_candidate_row);
    state->choices = COP_ARENA_NEW_N(state->arena, capacity, const int32_t *);
    if (state->rows == NULL || state->choices == NULL) return COP_FAIL_NOMEM(err);
    if (state->n_rows > 0)
        memcpy(state->rows, rows, (size_t)state->n_rows * sizeof *rows);
    return COP_OK;
}

/* ---- how tight to try next --------------------------------------------------------------------- */

struct bracket {
    double tightest_ok;     /* of the accepted; 0: none */
    double loosest_bad;     /* of those too wrong, below tightest_ok; 0: none */
    int32_t n_bad_at_limit; /* too wrong while nothing was accepted */
    int32_t n_over;         /* missed a limit on time or size, in a row */
    double last;
};

static void bracket_add(struct bracket *bracket, const struct cop_decision *decision)
{
    double t = decision->tightness;
    bracket->last = t;
    bracket->n_over =
        decision->outcome == COP_OUTCOME_TOO_SLOW ? bracket->n_over + 1 : 0;
    if (decision->outcome == COP_OUTCOME_ACCEPTED) {
        if (bracket->tightest_ok == 0.0 || t < bracket->tightest_ok)
            bracket->tightest_ok = t;
    } else if (decision->outcome == COP_OUTCOME_TOO_WRONG) {
        if (t > bracket->loosest_bad) bracket->loosest_bad = t;
        bracket->n_bad_at_limit++;
    }
    if (bracket->loosest_bad >= bracket->tightest_ok && bracket->tightest_ok > 0.0)
        bracket->loosest_bad = 0.0; /* a lucky repeat: the old failure says nothing */
}

/* The next tightness, or 0 when the question is settled.  While nothing is accepted the
 * limit itself is tried again with the inquisitor's new coefficients; then the limit is
 * tightened until accuracy gives way, and the edge is bisected. */
static double next_tightness(const struct bracket *bracket)
{
    const double at_limit = 0.97;
    if (bracket->last == 0.0) return at_limit;
    if (bracket->tightest_ok == 0.0) {
        if (bracket->n_over > 0 && bracket->n_over <= 4)
            return bracket->last * (bracket->n_over > 1 ? 0.96 : 0.99);
        return bracket->n_bad_at_limit < 4 && bracket->n_over == 0 ? bracket->last
                                                                   : 0.0;
    }
    if (bracket->n_over > 4) return 0.0;
    if (bracket->loosest_bad == 0.0) return bracket->tightest_ok * 0.85;
    double ratio = bracket->tightest_ok / bracket->loosest_bad;
    return ratio > 1.04 ? sqrt(bracket->tightest_ok * bracket->loosest_bad) : 0.0;
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static enum cop_status replay(
    struct cop_search_state *state, struct bracket *bracket, struct cop_err *err)
{
    for (int32_t i = 0; i < state->n_rows; i++) {
        struct cop_decision decision;
        COP_TRY(cop_synth__decision_parse(
            state, state->rows[i].decision_json, &decision, err));
        bracket_add(bracket, &decision);
        state->choices[i] = decision.choice;
        learn(state, &decision, &state->rows[i]);
    }
    return COP_OK;
}

static void note_candidate(
    const struct cop_search_state *state, const struct cop_candidate_row *row)
{
    cop_progress_note(
        state->progress,
        "candidate %lld: %.3g ms of %.3g, top-1 %.2f of %.2f, MACs %.0f %%: %s",
        (long long)row->seq + 1,
        row->median_ms,
        row->base_ms,
        row->top1,
        row->base_top1,
        100.0 * (double)row->macs / (double)state->base.macs,
        row->reason);
}

static enum cop_status search_loop(
    struct cop_search_state *state,
    int32_t capacity,
    double stop_ms,
    bool *is_finished,
    struct cop_err *err)
{
    struct bracket bracket = {0};
    COP_TRY(replay(state, &bracket, err));
    int32_t n_before = state->n_rows;
    for (;;) {
        double tightness = next_tightness(&bracket);
        *is_finished = tightness == 0.0 || state->n_rows >= capacity;
        bool is_late = state->n_rows > n_before && cop_clock_ms() > stop_ms;
        if (*is_finished || is_late) return COP_OK; /* one candidate at least */
        COP_TRY(cop_progress_check(state->progress, err));
        struct cop_decision decision;
        struct cop_candidate_row row;
        COP_TRY(cop_synth__candidate_run(state, tightness, &decision, &row, err));
        state->choices[state->n_rows] = decision.choice;
        state->rows[state->n_rows++] = row;
        bracket_add(&bracket, &decision);
        learn(state, &decision, &row);
        note_candidate(state, &row);
        cop_progress_step(state->progress, "candidates", state->n_rows, capacity);
    }
}

static enum cop_status fill_result(
    const struct cop_search_state *state,
    struct cop_search_result *result,
    struct cop_err *err)
{
    result->run_id = state->run.id;
    result->n_candidates = state->n_rows;
    const struct cop_candidate_row *best = NULL;
    for (int32_t i = 0; i < state->n_rows; i++) {
        const struct cop_candidate_row *row = &state->rows[i];
        if (!row->is_accepted) continue;
        result->n_accepted++;
        if (row->model_id == 0) continue;
        bool is_faster = best == NULL || row->median_ms / row->base_ms <
                                             best->median_ms / best->base_ms;
        if (is_faster) best = row;
    }
    if (best == NULL) return COP_OK;
    struct cop_model_row *models = NULL;
    int32_t n = 0;
    COP_TRY(cop_store_list_models(state->store, state->arena, &models, &n, err));
    for (int32_t i = 0; i < n; i++) {
        if (models[i].id == best->model_id)
            (void)snprintf(result->best, sizeof result->best, "%s", models[i].name);
    }
    return COP_OK;
}

static enum cop_status search(
    struct cop_search_state *state,
    const struct cop_op_set *ops,
    struct cop_search_result *result,
    struct cop_err *err)
{
    const struct cop_search_options *options = state->options;
    double time_s = options->time_s > 0.0 ? options->time_s : DEFAULT_TIME_S;
    double stop_ms = cop_clock_ms() + 1000.0 * time_s;
    int32_t capacity =
        options->candidates > 0 ? options->candidates : DEFAULT_CANDIDATES;
    COP_TRY(open_all(state, ops, err));
    COP_TRY(open_run(state, capacity, err));
    result->is_resumed = state->n_rows > 0;
    COP_TRY(measure_base(state, err));
    COP_TRY(make_tables(state, err));
    COP_TRY(find_feasibility(state, &result->feasibility, err));
    COP_TRY(cop_synth__store_feasibility(state, &result->feasibility, "running", err));
    enum cop_status status =
        search_loop(state, capacity, stop_ms, &result->is_finished, err);
    if (status != COP_OK) { /* what is stored so far is told all the same */
        (void)fill_result(state, result, NULL);
        return status;
    }
    if (result->is_finished)
        COP_TRY(cop_synth__store_feasibility(state, &result->feasibility, "done", err));
    COP_TRY(fill_result(state, result, err));
    if (result->n_accepted > 0) return COP_OK;
    return COP_FAIL(
        err,
        COP_ELIMIT,
        "none of %d candidates met all limits%s; the fastest reachable is %.0f %% of "
        "the "
        "original's time",
        state->n_rows,
        result->is_finished ? "" : " so far and the time is up",
        100.0 * result->feasibility.latency_ms.least /
            result->feasibility.latency_ms.original);
}

enum cop_status cop_search(
    struct cop_store *store,
    struct cop_engine *engine,
    const struct cop_op_set *ops,
    const struct cop_search_options *options,
    const struct cop_progress *progress,
    struct cop_search_result *result,
    struct cop_err *err)
{
    *result = (struct cop_search_result){0};
    struct cop_search_state state = {
        .store = store,
        .engine = engine,
        .options = options,
        .progress = progress,
        .arena = cop_arena_create(),
    };
    if (state.arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = search(&state, ops, result, err);
    cop_evaluation_clear(&state.base.evaluation);
    cop_calibration_destroy(state.calibration);
    cop_groups_destroy(state.groups);
    cop_graph_destroy(state.graph);
    cop_dataset_close(state.data);
    cop_dataset_close(state.val);
    cop_arena_destroy(state.arena);
    return status;
}

void cop_search_front(
    const struct cop_candidate_row *rows, int32_t n, bool *is_on_front)
{
    for (int32_t i = 0; i < n; i++) {
        double share = rows[i].median_ms / rows[i].base_ms;
        is_on_front[i] = rows[i].is_accepted;
        for (int32_t k = 0; k < n && is_on_front[i]; k++) {
            double other = rows[k].median_ms / rows[k].base_ms;
            bool is_no_worse = other <= share && rows[k].top1 >= rows[i].top1;
            bool is_better = other < share || rows[k].top1 > rows[i].top1 || k < i;
            if (k != i && rows[k].is_accepted && is_no_worse && is_better)
                is_on_front[i] = false;
        }
    }
}
