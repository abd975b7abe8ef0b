/* synth/candidate.c - one candidate: generate, cut, repair, measure, judge; candidate.h. */
#include "synth/candidate.h"

#include "base/clock.h"
#include "base/rng.h"
#include "prune/repair.h"
#include "synth/inquire.h"
#include "synth/keep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SCREEN_SAMPLES = 1000, MOST_VARIATIONS = 8 };
/* A candidate this far (points) beyond the allowed drop on the screening samples is not
 * evaluated on all of them: three standard errors of a paired difference at 1000. */
static const double SCREEN_MARGIN = 3.0;
static const double ADJUST_RATE = 0.5;
/* Deviation of the logarithm of the random factors on coefficients. */
static const double VARIATION = 0.3;

/* What one candidate measured. */
struct trial {
    struct cop_cut cut;
    struct cop_graph *graph;
    struct cop_bench_result benches[2]; /* original, candidate */
    double latency_share;
    double top1;
    bool is_screened_out;
    struct cop_evaluation evaluation; /* empty if screened out */
};

double cop_synth__limit_share(const struct cop_limit *limit, double original)
{
    if (limit->value <= 0.0 || original <= 0.0) return 0.0;
    return limit->is_share ? limit->value : limit->value / original;
}

/* ---- generate ------------------------------------------------------------------------ */

static struct cop_budget budget_at(
    const struct cop_search_state *state, double tightness)
{
    const struct cop_search_options *options = state->options;
    const struct cop_bench_base *base = &state->base;
    double ms = cop_synth__limit_share(&options->max_latency, base->bench.median_ms);
    double macs = cop_synth__limit_share(&options->max_macs, (double)base->macs);
    double params = cop_synth__limit_share(&options->max_params, (double)base->params);
    if (ms == 0.0 && macs == 0.0 && params == 0.0) ms = 1.0;
    return (struct cop_budget){
        .ms = tightness * ms * state->full.ms / state->scale,
        .macs = tightness * macs * (double)base->macs,
        .params = tightness * params * (double)base->params,
    };
}

static enum cop_status build(
    struct cop_search_state *state, struct trial *trial, struct cop_err *err)
{
    COP_TRY(cop_repair_consumers(
        state->groups, &trial->cut, state->calibration, NULL, &trial->graph, err));
    return cop_repair_responses(
        state->engine,
        state->groups,
        &trial->cut,
        state->calibration,
        &state->drawn.samples,
        state->progress,
        trial->graph,
        err);
}

/* ---- measure -------------------------------------------------------------------------- */

/* Top-1 of the original on just those samples, from its stored answers. */
static double base_top1_on(
    const struct cop_search_state *state, const struct cop_evaluation *part)
{
    const struct cop_evaluation *base = &state->base.evaluation;
    int64_t right = 0;
    for (int64_t i = 0; i < part->n; i++) {
        int32_t sample = part->answers[i].sample;
        right += base->answers[sample].answer == cop_dataset_label(state->val, sample);
    }
    return 100.0 * (double)right / (double)part->n;
}

static enum cop_status measure_accuracy(
    struct cop_search_state *state, struct trial *trial, struct cop_err *err)
{
    struct cop_evaluate_options options = {
        .threads = state->options->threads,
        .limit = SCREEN_SAMPLES,
        .seed = state->options->seed,
    };
    bool is_large = state->base.evaluation.n > 2 * SCREEN_SAMPLES;
    if (is_large && state->options->max_drop >= 0.0) {
        struct cop_evaluation screen;
        COP_TRY(cop_evaluate(
            state->engine,
            trial->graph,
            state->val,
            &options,
            state->progress,
            &screen,
            err));
        double drop = base_top1_on(state, &screen) - screen.top1;
        trial->top1 = state->base.evaluation.top1 - drop;
        cop_evaluation_clear(&screen);
        trial->is_screened_out = drop > state->options->max_drop + SCREEN_MARGIN;
        if (trial->is_screened_out) return COP_OK;
    }
    options.limit = 0;
    COP_TRY(cop_evaluate(
        state->engine,
        trial->graph,
        state->val,
        &options,
        state->progress,
        &trial->evaluation,
        err));
    trial->top1 = trial->evaluation.top1;
    return COP_OK;
}

static enum cop_status measure(
    struct cop_search_state *state, struct trial *trial, struct cop_err *err)
{
    const struct cop_bench_options options = {
        .mb = state->options->mb, .threads = state->options->threads};
    const struct cop_graph *const graphs[2] = {state->graph, trial->graph};
    COP_TRY(cop_bench_pair(
        state->engine, graphs, &options, trial->benches, &trial->latency_share, err));
    return measure_accuracy(state, trial, err);
}

/* ---- judge ------------------------------------------------------------------------------ */

/* One limit on size or time, in shares of the original's. */
struct bound {
    double share;
    double limit;     /* 0: none */
    const char *what; /* "time" */
    const char *verb; /* "takes" */
};

static enum cop_outcome judge(
    const struct cop_search_state *state,
    const struct trial *trial,
    const struct cop_candidate_row *row,
    char *reason,
    size_t reason_bytes)
{
    const struct cop_search_options *options = state->options;
    const struct cop_bench_base *base = &state->base;
    bool is_absolute =
        options->max_latency.value > 0.0 && !options->max_latency.is_share;
    const struct bound bounds[] = {
        {is_absolute ? row->median_ms / base->bench.median_ms : trial->latency_share,
         cop_synth__limit_share(&options->max_latency, base->bench.median_ms),
         "time",
         "takes"},
        {(double)row->macs / (double)base->macs,
         cop_synth__limit_share(&options->max_macs, (double)base->macs),
         "MACs",
         "has"},
        {(double)row->params / (double)base->params,
         cop_synth__limit_share(&options->max_params, (double)base->params),
         "parameters",
         "has"},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        if (bounds[i].limit <= 0.0 || bounds[i].share <= bounds[i].limit) continue;
        (void)snprintf(
            reason,
            reason_bytes,
            "rejected: %s %.1f %% of the original's %s, %.1f %% allowed",
            bounds[i].verb,
            100.0 * bounds[i].share,
            bounds[i].what,
            100.0 * bounds[i].limit);
        return COP_OUTCOME_TOO_SLOW;
    }
    double drop = row->base_top1 - row->top1;
    if (options->max_drop >= 0.0 && !(drop <= options->max_drop)) {
        (void)snprintf(
            reason,
            reason_bytes,
            "rejected: loses %.2f points of top-1%s, %.2f allowed",
            drop,
            trial->is_screened_out ? " (on 1000 samples)" : "",
            options->max_drop);
        return COP_OUTCOME_TOO_WRONG;
    }
    (void)snprintf(
        reason,
        reason_bytes,
        "accepted: %.2fx faster, %.2f points of top-1 lost, all limits met",
        1.0 / trial->latency_share,
        drop);
    return COP_OUTCOME_ACCEPTED;
}

static bool is_beaten(
    const struct cop_search_state *state, const struct cop_candidate_row *row)
{
    for (int32_t i = 0; i < state->n_rows; i++) {
        const struct cop_candidate_row *other = &state->rows[i];
        if (!other->is_accepted) continue;
        double other_share = other->median_ms / other->base_ms;
        double share = row->median_ms / row->base_ms;
        if (other_share <= share && other->top1 >= row->top1) return true;
    }
    return false;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static enum cop_status fill_row(
    const struct cop_search_state *state,
    const struct trial *trial,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    *row = (struct cop_candidate_row){
        .run_id = state->run.id,
        .seq = state->n_rows,
        .params = cop_graph_n_params(trial->graph),
        .bytes = cop_graph_param_bytes(trial->graph),
        .median_ms = trial->benches[1].median_ms,
        .base_ms = trial->benches[1].median_ms / trial->latency_share,
        .top1 = trial->top1,
        .base_top1 = state->base.evaluation.top1,
        .created_us = cop_clock_wall_us(),
    };
    return cop_graph_macs(trial->graph, &row->macs, err);
}

static enum cop_status judge_and_store(
    struct cop_search_state *state,
    const struct trial *trial,
    struct cop_decision *decision,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    char reason[160];
    decision->outcome = judge(state, trial, row, reason, sizeof reason);
    row->is_accepted = decision->outcome == COP_OUTCOME_ACCEPTED;
    bool is_kept = row->is_accepted && !is_beaten(state, row);
    row->reason = cop_arena_strdup(state->arena, reason);
    row->decision_json = cop_synth__decision_print(state, decision);
    if (row->reason == NULL || row->decision_json == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_kept_variant kept = {
        .graph = trial->graph,
        .evaluation = &trial->evaluation,
        .bench = &trial->benches[1],
        .decision = decision,
    };
    return cop_synth__store_candidate(state, is_kept ? &kept : NULL, row, err);
}

static enum cop_status run_trial(
    struct cop_search_state *state,
    struct cop_decision *decision,
    struct trial *trial,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    COP_TRY(build(state, trial, err));
    COP_TRY(measure(state, trial, err));
    COP_TRY(fill_row(state, trial, row, err));
    COP_TRY(cop_inquire(
        state->inquiry, decision->choice, state->progress, decision->observed, err));
    cop_adjust(
        state->tables,
        decision->choice,
        decision->observed,
        ADJUST_RATE,
        decision->coefficients_next);
    return judge_and_store(state, trial, decision, row, err);
}

static bool is_tried(const struct cop_search_state *state, const int32_t *choice)
{
    size_t bytes = (size_t)cop_tables_n_options(state->tables) * sizeof *choice;
    for (int32_t i = 0; i < state->n_rows; i++) {
        if (memcmp(state->choices[i], choice, bytes) == 0) return true;
    }
    return false;
}

/* Widths for the budget.  If they were tried before, the coefficients are varied: one
 * generator, another network. */
static void generate(
    const struct cop_search_state *state,
    const struct cop_budget *budget,
    struct cop_decision *decision)
{
    int32_t n = cop_tables_n_options(state->tables);
    struct cop_rng rng;
    cop_rng_init_stream(&rng, state->options->seed, (uint64_t)state->n_rows);
    for (int attempt = 0; attempt < MOST_VARIATIONS; attempt++) {
        (void)cop_generate(
            state->tables, decision->coefficients_used, budget, decision->choice);
        if (!is_tried(state, decision->choice)) return;
        for (int32_t o = 0; o < n; o++)
            decision->coefficients_used[o] *= exp(VARIATION * cop_rng_normal(&rng));
    }
}

enum cop_status cop_synth__candidate_run(
    struct cop_search_state *state,
    double tightness,
    struct cop_decision *decision,
    struct cop_candidate_row *row,
    struct cop_err *err)
{
    *decision = cop_synth__decision_new(state);
    if (decision->choice == NULL) return COP_FAIL_NOMEM(err);
    size_t bytes = (size_t)cop_tables_n_options(state->tables) * sizeof(double);
    memcpy(decision->coefficients_used, state->coefficients, bytes);
    memcpy(decision->coefficients_next, state->coefficients, bytes);
    decision->tightness = tightness;
    const struct cop_budget budget = budget_at(state, tightness);
    generate(state, &budget, decision);
    struct cop_prediction prediction;
    cop_tables_predict(state->tables, decision->choice, &prediction);
    decision->predicted_share = prediction.ms / state->full.ms;
    struct trial trial = {0};
    COP_TRY(
        cop_tables_cut(state->tables, decision->choice, state->arena, &trial.cut, err));
    enum cop_status status = run_trial(state, decision, &trial, row, err);
    cop_evaluation_clear(&trial.evaluation);
    cop_graph_destroy(trial.graph);
    return status;
}
