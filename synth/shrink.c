/* synth/shrink.c - one cut: generate, repair, measure, compare; see shrink.h. */
#include "synth/shrink.h"

#include "prune/repair.h"
#include "synth/candidate.h"
#include "synth/contest.h"
#include "synth/inquire.h"
#include "synth/shrink_images.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TIMED_ATTEMPTS = 6, LEAST_INQUIRY = 4, MOST_INQUIRY = 128 };
/* Samples of the inquiry are as many as this many multiply-accumulates pay for: some twenty
 * seconds of two processors.  A count, not a clock, so that equal seeds make equal cuts. */
static const double INQUIRY_MACS = 1e12;
enum { MORE_ROUNDS = 2 };
static const double ADJUST_RATE = 0.5;
/* A network this slow is timed that often: enough for a median. */
static const double SLOW_MS = 100.0;
enum { SLOW_RUNS = 8 };
/* A measured time this far under the limit (ratio) is near enough. */
static const double NEAR_ENOUGH = 0.95;
/* Narrowing a group saves no time if it saves less than this share. */
static const double NO_TIME = 1e-3;

/* What one cut works with; everything that outlives it is in the result. */
struct job {
    struct cop_engine *engine;
    const struct cop_shrink_input *input;
    const struct cop_shrink_options *options;
    const struct cop_progress *progress;
    struct cop_shrunk *out;
    struct cop_shrink_images images;
    const struct cop_dataset *compared; /* NULL: nothing to compare answers on */
    struct cop_evaluate_options evaluate;
    double *coefficients;
    struct cop_prediction full;
    struct cop_cut cut;
    struct cop_inquiry *inquiry; /* NULL: none made */
    int32_t n_more_rounds;       /* of it, that the work allows */
    struct cop_lowrank *lowrank; /* NULL: ranks stay */
    struct cop_rank_tables ranks;
};

/* ---- what may be cut, and what it costs -------------------------------------------------- */

static enum cop_status check_limit(
    const char *what,
    const struct cop_limit *limit,
    double original,
    struct cop_err *err)
{
    if (limit->value <= 0.0) return COP_OK;
    double share = cop_synth__limit_share(limit, original);
    if (share < 1.0) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "nothing to cut: %.4g %s asked, and the network has %.4g",
        limit->is_share ? limit->value * original : limit->value,
        what,
        original);
}

static enum cop_status check_blocks(const struct job *job, struct cop_err *err)
{
    const struct cop_shrink_options *o = job->options;
    if (o->macs.value > 0.0 || o->params.value > 0.0 || o->bytes.value > 0.0 ||
        o->latency.value > 0.0)
        return COP_FAIL(
            err, COP_EINVAL, "blocks are left out by number, without another limit");
    if (job->input->data == NULL)
        return COP_FAIL(err, COP_EINVAL, "blocks are judged on images: give data");
    return COP_OK;
}

static enum cop_status check_options(struct job *job, struct cop_err *err)
{
    const struct cop_shrink_options *o = job->options;
    struct cop_shrunk_size *before = &job->out->before;
    const struct cop_graph *graph = job->input->graph;
    COP_TRY(cop_graph_macs(graph, &before->macs, err));
    before->params = cop_graph_n_params(graph);
    before->bytes = cop_graph_param_bytes(graph);
    if (o->n_blocks > 0) return check_blocks(job, err);
    if (o->macs.value <= 0.0 && o->params.value <= 0.0 && o->bytes.value <= 0.0 &&
        o->latency.value <= 0.0)
        return COP_FAIL(err, COP_EINVAL, "no limit: say what may remain");
    COP_TRY(check_limit("MACs", &o->macs, (double)before->macs, err));
    COP_TRY(check_limit("parameters", &o->params, (double)before->params, err));
    COP_TRY(check_limit("bytes", &o->bytes, (double)before->bytes, err));
    return o->latency.is_share ? check_limit("of the time", &o->latency, 1.0, err)
                               : COP_OK;
}

/* Labels where the data has them; else the network's own answers (saliency.h). */
static enum cop_status measure_gradients(
    struct job *job, struct cop_score_ground *ground, struct cop_err *err)
{
    struct cop_saliency *saliency = NULL;
    int32_t *labels = COP_ARENA_NEW_N(job->out->arena, job->images.samples.n, int32_t);
    if (labels == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < job->images.samples.n; i++)
        labels[i] = cop_shrink__label(&job->images, i);
    COP_TRY(cop_saliency_measure(
        job->engine,
        job->out->groups,
        &job->images.samples,
        labels,
        job->progress,
        job->out->arena,
        &saliency,
        err));
    ground->saliency = saliency;
    return COP_OK;
}

static enum cop_status survey(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    const struct cop_plan_options plan = {
        .mb = job->options->mb > 0 ? job->options->mb : 1,
        .threads = job->options->threads,
    };
    struct cop_tables_options options = {
        .plan = &plan, .gains_biases = !job->options->is_unrepaired};
    COP_TRY(cop_groups_find(job->input->graph, &out->groups, err));
    COP_TRY(cop_calibrate(
        job->engine,
        out->groups,
        &job->images.samples,
        job->progress,
        &out->calibration,
        err));
    struct cop_score_ground ground = {.calibration = out->calibration};
    if (cop_score_needs_gradients(job->options->score))
        COP_TRY(measure_gradients(job, &ground, err));
    COP_TRY(cop_score_all(
        out->groups,
        job->options->score,
        &ground,
        job->progress,
        out->arena,
        &options.orders,
        err));
    COP_TRY(cop_tables_make(
        job->engine,
        out->groups,
        &options,
        job->progress,
        out->arena,
        &out->tables,
        err));
    int32_t n = cop_tables_n_options(out->tables);
    if (n == 0)
        return COP_FAIL(
            err, COP_ELIMIT, "the network has no channel group that may be cut");
    out->choice = COP_ARENA_NEW_N(out->arena, n, int32_t);
    job->coefficients = COP_ARENA_NEW_N(out->arena, n, double);
    if (out->choice == NULL || job->coefficients == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        job->coefficients[i] = 1.0;
    cop_tables_predict(out->tables, out->choice, &job->full);
    return COP_OK;
}

/* Halves each group alone and looks at the outputs, if images and work allow: errors of
 * different groups become comparable. */
static enum cop_status inquire(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    int32_t n = cop_tables_n_options(out->tables);
    if (job->options->score != COP_SCORE_RECONSTRUCTION) return COP_OK;
    double affordable = INQUIRY_MACS / ((double)out->before.macs * (double)n + 1.0);
    int64_t n_samples = affordable < MOST_INQUIRY ? (int64_t)affordable : MOST_INQUIRY;
    if (n_samples < LEAST_INQUIRY) return COP_OK;
    if (affordable >= (MORE_ROUNDS + 1) * MOST_INQUIRY)
        job->n_more_rounds = MORE_ROUNDS;
    struct cop_shrink_part *part = COP_ARENA_NEW(out->arena, struct cop_shrink_part);
    int32_t *halved = COP_ARENA_NEW_N(out->arena, n, int32_t);
    double *responses = COP_ARENA_NEW_N(out->arena, n, double);
    if (part == NULL || halved == NULL || responses == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_shrink__part(&job->images, 0, n_samples, out->arena, part, err));
    for (int32_t o = 0; o < n; o++)
        halved[o] = cop_cut_option_middle(cop_tables_option(out->tables, o));
    COP_TRY(cop_inquiry_make(
        job->engine,
        out->tables,
        out->groups,
        out->calibration,
        &part->samples,
        n_samples,
        out->arena,
        &job->inquiry,
        err));
    COP_TRY(cop_inquire(job->inquiry, halved, job->progress, responses, err));
    cop_adjust(out->tables, halved, responses, 1.0, job->coefficients);
    return COP_OK;
}

/* ---- widths -------------------------------------------------------------------------------- */

/* Parameters that both limits allow; 0: no limit. */
static double params_limit(const struct job *job)
{
    const struct cop_shrunk_size *before = &job->out->before;
    double params =
        cop_synth__limit_share(&job->options->params, (double)before->params);
    double bytes = cop_synth__limit_share(&job->options->bytes, (double)before->bytes);
    double share = params;
    if (bytes > 0.0 && (share == 0.0 || bytes < share)) share = bytes;
    return share * (double)before->params;
}

static enum cop_status tell_out_of_reach(const struct job *job, struct cop_err *err)
{
    struct cop_prediction least;
    double share;
    const struct cop_shrunk *out = job->out;
    const char *slowest = cop_tables_slowest(out->tables, out->choice, &share);
    cop_tables_predict(out->tables, out->choice, &least);
    return COP_FAIL(
        err,
        COP_ELIMIT,
        "out of reach: by channels the network comes down to %.1f %% of its MACs, "
        "%.1f %% of its parameters and about %.0f %% of its time, most of it in '%s'",
        100.0 * least.macs / job->full.macs,
        100.0 * least.params / (double)out->before.params,
        100.0 * least.ms / job->full.ms,
        slowest);
}

/* Times that network in turn with the original. */
static enum cop_status time_small(
    struct job *job, const struct cop_graph *small, double *share, struct cop_err *err)
{
    const struct cop_graph *const graphs[2] = {job->input->graph, small};
    const struct cop_bench_options options = {
        .mb = job->options->mb,
        .threads = job->options->threads,
        .runs = job->full.ms > SLOW_MS ? SLOW_RUNS : 0,
    };
    return cop_bench_pair(job->engine, graphs, &options, job->out->benches, share, err);
}

/* Times the cut that the choice stands for; what the weights are does not matter yet. */
static enum cop_status time_choice(struct job *job, double *share, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    struct cop_graph *small = NULL;
    COP_TRY(cop_tables_cut(out->tables, out->choice, out->arena, &job->cut, err));
    COP_TRY(cop_cut_apply(out->groups, &job->cut, &small, err));
    enum cop_status status = time_small(job, small, share, err);
    cop_graph_destroy(small);
    return status;
}

/* Widths whose measured time is within the limit and not far below it: predictions are
 * corrected by what was measured, a few times. */
static enum cop_status choose_timed(
    struct job *job, const struct cop_budget *counts, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    size_t bytes = (size_t)cop_tables_n_options(out->tables) * sizeof *out->choice;
    int32_t *best =
        COP_ARENA_NEW_N(out->arena, cop_tables_n_options(out->tables), int32_t);
    if (best == NULL) return COP_FAIL_NOMEM(err);
    double best_share = 0.0;
    double scale = 1.0;
    double tightness = 0.98;
    for (int attempt = 0; attempt < MOST_TIMED_ATTEMPTS; attempt++) {
        COP_TRY(cop_progress_check(job->progress, err));
        struct cop_budget budget = *counts;
        budget.ms = tightness * counts->ms * job->full.ms / scale;
        bool is_reached =
            cop_generate(out->tables, job->coefficients, &budget, out->choice);
        struct cop_prediction now;
        double share;
        cop_tables_predict(out->tables, out->choice, &now);
        COP_TRY(time_choice(job, &share, err));
        bool is_within = share <= counts->ms;
        if (is_within && share > best_share) {
            best_share = share;
            memcpy(best, out->choice, bytes);
        }
        if (best_share >= NEAR_ENOUGH * counts->ms) break;
        if (!is_reached && !is_within) break;
        scale = share * job->full.ms / now.ms;
        if (!is_within) tightness *= 0.98;
        cop_progress_step(job->progress, "time cuts", attempt + 1, MOST_TIMED_ATTEMPTS);
    }
    if (best_share == 0.0) return tell_out_of_reach(job, err);
    memcpy(out->choice, best, bytes);
    return COP_OK;
}

static enum cop_status list_idle(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    int32_t n = cop_tables_n_options(out->tables);
    out->idle = COP_ARENA_NEW_N(out->arena, n, const struct cop_group *);
    if (out->idle == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < n; o++) {
        const struct cop_cut_option *option = cop_tables_option(out->tables, o);
        struct cop_prediction saved;
        if (out->choice[o] != 0) continue;
        cop_tables_save(
            out->tables,
            option->group->id,
            option->widths[0] - option->widths[option->n_widths - 1],
            &saved);
        if (saved.ms <= NO_TIME * job->full.ms)
            out->idle[out->n_idle++] = option->group;
    }
    return COP_OK;
}

/* Low rank serves limits on size: where time or work counts, two nodes in place of one
 * would have to be measured one by one. */
static bool may_lower_ranks(const struct job *job)
{
    const struct cop_shrink_options *o = job->options;
    return !o->keeps_ranks && params_limit(job) > 0.0 && o->macs.value <= 0.0 &&
           o->latency.value <= 0.0;
}

/* Where no rank was lowered, none makes good what widths were cut too much: the generator
 * knows how. */
static void give_back(
    const struct job *job, double max_params, const struct cop_reduction *reduction)
{
    struct cop_shrunk *out = job->out;
    const struct cop_budget budget = {.params = max_params};
    bool is_ranked = false;
    for (int32_t f = 0; f < cop_lowrank_n(job->lowrank); f++)
        is_ranked = is_ranked || reduction->ranks[f] != 0;
    if (!is_ranked)
        (void)cop_generate(out->tables, job->coefficients, &budget, out->choice);
}

/* Widths and ranks for a limit on size.  The ranks are chosen again once the widths are
 * cut. */
static enum cop_status choose_ranked(
    struct job *job, double max_params, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    COP_TRY(cop_lowrank_measure(
        job->engine,
        job->input->graph,
        &job->images.samples,
        job->progress,
        &job->lowrank,
        err));
    job->ranks.lowrank = job->lowrank;
    if (job->options->score != COP_SCORE_RECONSTRUCTION)
        cop_reduce_scale(out->tables, job->coefficients);
    if (job->inquiry != NULL) {
        int32_t n = cop_lowrank_n(job->lowrank);
        double *coefficients = COP_ARENA_NEW_N(out->arena, n, double);
        if (coefficients == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(cop_reduce_inquire(
            job->inquiry, job->lowrank, job->progress, coefficients, err));
        job->ranks.coefficients = coefficients;
    }
    struct cop_reduction reduction;
    bool is_reached;
    COP_TRY(cop_reduce_choose(
        out->tables,
        job->coefficients,
        &job->ranks,
        max_params,
        out->arena,
        &reduction,
        &is_reached,
        err));
    out->choice = reduction.choice;
    if (is_reached) {
        give_back(job, max_params, &reduction);
        return COP_OK;
    }
    return COP_FAIL(
        err,
        COP_ELIMIT,
        "out of reach: by channels and ranks the network comes down to %.2f %% of its "
        "parameters",
        100.0 * reduction.params / (double)out->before.params);
}

/* Asks what the chosen widths cost, in place of halves, and chooses again. */
static enum cop_status ask_again(
    struct job *job, const struct cop_budget *budget, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    int32_t n = cop_tables_n_options(out->tables);
    double *responses = COP_ARENA_NEW_N(out->arena, n, double);
    if (responses == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t round = 0; round < job->n_more_rounds; round++) {
        COP_TRY(cop_inquire(job->inquiry, out->choice, job->progress, responses, err));
        cop_adjust(out->tables, out->choice, responses, ADJUST_RATE, job->coefficients);
        (void)cop_generate(out->tables, job->coefficients, budget, out->choice);
    }
    return COP_OK;
}

static bool is_repaired(const struct job *job)
{
    return job->out->calibration != NULL && !job->options->is_unrepaired;
}

static enum cop_status choose(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    const struct cop_shrink_options *options = job->options;
    struct cop_budget budget = {
        .macs = cop_synth__limit_share(&options->macs, (double)out->before.macs) *
                (double)out->before.macs,
        .params = params_limit(job),
    };
    if (may_lower_ranks(job)) return choose_ranked(job, budget.params, err);
    if (options->latency.value <= 0.0) {
        if (!cop_generate(out->tables, job->coefficients, &budget, out->choice))
            return tell_out_of_reach(job, err);
        COP_TRY(ask_again(job, &budget, err));
        if (job->inquiry == NULL || !is_repaired(job)) return COP_OK;
        const struct cop_shrink_contest contest = {
            .engine = job->engine, .images = &job->images, .progress = job->progress};
        return cop_shrink__contest(&contest, &budget, out, err);
    }
    const struct cop_bench_options bench = {
        .mb = options->mb, .threads = options->threads};
    COP_TRY(cop_bench(job->engine, job->input->graph, &bench, &out->benches[0], err));
    budget.ms = cop_synth__limit_share(&options->latency, out->benches[0].median_ms);
    if (budget.ms >= 1.0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "nothing to cut: %.4g ms asked, and the network takes %.4g ms",
            options->latency.value,
            out->benches[0].median_ms);
    COP_TRY(choose_timed(job, &budget, err));
    return list_idle(job, err);
}

/* ---- cut and repair -------------------------------------------------------------------------- */

static enum cop_status repair(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    return cop_repair_responses(
        job->engine,
        out->groups,
        &job->cut,
        out->calibration,
        &job->images.samples,
        job->progress,
        out->graph,
        err);
}

static enum cop_status cut_widths(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    COP_TRY(cop_tables_cut(out->tables, out->choice, out->arena, &job->cut, err));
    if (!is_repaired(job))
        return cop_cut_apply(out->groups, &job->cut, &out->graph, err);
    COP_TRY(cop_repair_consumers(
        out->groups, &job->cut, out->calibration, NULL, &out->graph, err));
    return repair(job, err);
}

/* What the repair of the lowered network may add to it. */
static double count_gained(const struct cop_graph *graph)
{
    int64_t n = 0;
    int32_t axis;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        n += cop_repair_gained(cop_graph_node(graph, i), &axis);
    return (double)n;
}

/* Ranks of the network as cut and repaired; then the second of two nodes answers for what
 * the first has lost. */
static enum cop_status lower_ranks(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    struct cop_graph *reduced = NULL;
    double gained = is_repaired(job) ? count_gained(out->graph) : 0.0;
    COP_TRY(cop_reduce_ranks(
        job->engine,
        out->graph,
        &job->images.samples,
        job->progress,
        &job->ranks,
        params_limit(job) - gained,
        out->arena,
        &reduced,
        &out->lowered,
        err));
    cop_graph_destroy(out->graph);
    out->graph = reduced;
    return is_repaired(job) && out->lowered.n > 0 ? repair(job, err) : COP_OK;
}

static enum cop_status build(struct job *job, struct cop_err *err)
{
    COP_TRY(cut_widths(job, err));
    if (job->lowrank == NULL) return COP_OK;
    double params = (double)cop_graph_n_params(job->out->graph);
    return params > params_limit(job) ? lower_ranks(job, err) : COP_OK;
}

/* ---- measure ----------------------------------------------------------------------------------- */

/* The original answers before anything is cut: data that do not fit it are told at once. */
static enum cop_status answer(
    struct job *job, const struct cop_graph *graph, int i, struct cop_err *err)
{
    if (job->compared == NULL) return COP_OK;
    return cop_evaluate(
        job->engine,
        graph,
        job->compared,
        &job->evaluate,
        job->progress,
        &job->out->evaluations[i],
        err);
}

static enum cop_status compare(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    out->agreement = (double)NAN;
    if (job->compared == NULL) return COP_OK;
    COP_TRY(answer(job, out->graph, 1, err));
    int64_t n_same = 0;
    for (int64_t i = 0; i < out->evaluations[0].n; i++)
        n_same += out->evaluations[0].answers[i].answer ==
                  out->evaluations[1].answers[i].answer;
    out->agreement = 100.0 * (double)n_same / (double)out->evaluations[0].n;
    return COP_OK;
}

static enum cop_status measure(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    struct cop_shrunk_size *after = &out->after;
    COP_TRY(cop_graph_macs(out->graph, &after->macs, err));
    after->params = cop_graph_n_params(out->graph);
    after->bytes = cop_graph_param_bytes(out->graph);
    COP_TRY(time_small(job, out->graph, &out->time_share, err));
    after->ms = out->benches[1].median_ms;
    out->before.ms = after->ms / out->time_share;
    return compare(job, err);
}

/* Nothing is claimed that was not reached. */
static enum cop_status check_reached(const struct job *job, struct cop_err *err)
{
    const struct cop_shrink_options *o = job->options;
    const struct cop_shrunk_size *before = &job->out->before;
    const struct cop_shrunk_size *after = &job->out->after;
    const struct {
        const char *what;
        double share;
        double limit;
    } checks[] = {
        {"MACs",
         (double)after->macs / (double)before->macs,
         cop_synth__limit_share(&o->macs, (double)before->macs)},
        {"parameters",
         (double)after->params / (double)before->params,
         cop_synth__limit_share(&o->params, (double)before->params)},
        {"bytes",
         (double)after->bytes / (double)before->bytes,
         cop_synth__limit_share(&o->bytes, (double)before->bytes)},
        {"time", job->out->time_share, cop_synth__limit_share(&o->latency, before->ms)},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (checks[i].limit <= 0.0 || checks[i].share <= checks[i].limit + 1e-12)
            continue;
        return COP_FAIL(
            err,
            COP_ELIMIT,
            "reached %.1f %% of the %s, %.1f %% was asked; nothing is kept",
            100.0 * checks[i].share,
            checks[i].what,
            100.0 * checks[i].limit);
    }
    return COP_OK;
}

/* Whole blocks instead of channels: every group stays as it is. */
static enum cop_status drop_blocks(struct job *job, struct cop_err *err)
{
    struct cop_shrunk *out = job->out;
    const struct cop_plan_options plan = {
        .mb = job->options->mb > 0 ? job->options->mb : 1,
        .threads = job->options->threads,
    };
    const struct cop_tables_options nothing = {.plan = NULL};
    COP_TRY(cop_groups_find(job->input->graph, &out->groups, err));
    COP_TRY(cop_tables_make(
        job->engine,
        out->groups,
        &nothing,
        job->progress,
        out->arena,
        &out->tables,
        err));
    out->choice =
        COP_ARENA_NEW_N(out->arena, cop_tables_n_options(out->tables), int32_t);
    if (out->choice == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_drop_input input = {
        .engine = job->engine,
        .groups = out->groups,
        .samples = &job->images.samples,
        .plan = &plan,
        .progress = job->progress,
        .is_unrepaired = job->options->is_unrepaired,
    };
    return cop_drop_blocks(
        &input, job->options->n_blocks, out->arena, &out->graph, &out->dropped, err);
}

static enum cop_status shrink(struct job *job, struct cop_err *err)
{
    COP_TRY(check_options(job, err));
    COP_TRY(cop_shrink__images(
        job->input, job->options, job->out->arena, &job->images, err));
    job->out->n_calibration = job->images.samples.n;
    job->out->is_blind = job->images.drawn.data == NULL;
    COP_TRY(cop_shrink__compared(
        job->input,
        &job->images,
        job->out->arena,
        &job->compared,
        &job->evaluate,
        &job->out->is_held_out,
        err));
    if (job->input->val != NULL) {
        COP_TRY(cop_shrink__count_shared(
            &job->images, job->input->val, &job->out->n_shared, err));
        job->out->is_held_out = job->out->n_shared == 0;
    }
    COP_TRY(answer(job, job->input->graph, 0, err));
    if (job->options->n_blocks > 0) {
        COP_TRY(drop_blocks(job, err));
        return measure(job, err);
    }
    COP_TRY(survey(job, err));
    COP_TRY(inquire(job, err));
    COP_TRY(choose(job, err));
    COP_TRY(build(job, err));
    COP_TRY(measure(job, err));
    return check_reached(job, err);
}

enum cop_status cop_shrink(
    struct cop_engine *engine,
    const struct cop_shrink_input *input,
    const struct cop_shrink_options *options,
    const struct cop_progress *progress,
    struct cop_shrunk *shrunk,
    struct cop_err *err)
{
    *shrunk = (struct cop_shrunk){.arena = cop_arena_create()};
    if (shrunk->arena == NULL) return COP_FAIL_NOMEM(err);
    struct job job = {
        .engine = engine,
        .input = input,
        .options = options,
        .progress = progress,
        .out = shrunk,
        .evaluate = {.threads = options->threads},
    };
    enum cop_status status = shrink(&job, err);
    cop_lowrank_destroy(job.lowrank);
    if (status != COP_OK) cop_shrunk_clear(shrunk);
    return status;
}

void cop_shrunk_clear(struct cop_shrunk *shrunk)
{
    cop_evaluation_clear(&shrunk->evaluations[0]);
    cop_evaluation_clear(&shrunk->evaluations[1]);
    cop_calibration_destroy(shrunk->calibration);
    cop_groups_destroy(shrunk->groups);
    cop_graph_destroy(shrunk->graph);
    cop_arena_destroy(shrunk->arena);
    *shrunk = (struct cop_shrunk){0};
}
