/* explain/lrp.c - see lrp.h. */
#include "explain/lrp.h"

#include "base/arena.h"
#include "explain/relevance.h"

#include <math.h>

/* One node at work: the plan of that node alone, and its tensors. */
struct flow {
    const struct cop_node *node;
    const struct cop_relevance_flow *io;
    struct cop_plan *plan;
    const struct cop_value **starts; /* distinct non-constant sources */
    int32_t n_starts;
    int32_t *start_slot; /* [n_starts] first slot that reads the value */
    int64_t *start_n;    /* [n_starts] elements */
    int64_t *dst_n;      /* [n_dst] elements; 0 for unused results */
    float **y;           /* [n_dst] the node's answer to its sources */
    float **y_zero;      /* ... to sources that are all 0 */
    float **y_one;       /* ... to sources that are all 1 */
    float **seed;        /* what goes into the gradient */
};

static void plan_release(void *plan)
{
    cop_plan_destroy(plan);
}

static double sum_of(const float *x, int64_t n, double *magnitude)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
        *magnitude += fabs((double)x[i]);
    }
    return sum;
}

static enum cop_status find_starts(
    struct flow *flow, struct cop_arena *scratch, struct cop_err *err)
{
    const struct cop_node *node = flow->node;
    flow->starts = COP_ARENA_NEW_N(scratch, node->n_src, const struct cop_value *);
    flow->start_slot = COP_ARENA_NEW_N(scratch, node->n_src, int32_t);
    flow->start_n = COP_ARENA_NEW_N(scratch, node->n_src, int64_t);
    if (!flow->starts || !flow->start_slot || !flow->start_n)
        return COP_FAIL_NOMEM(err);
    for (int32_t slot = 0; slot < node->n_src; slot++) {
        const struct cop_value *src = node->src[slot];
        bool is_known = !src || src->data;
        for (int32_t i = 0; i < flow->n_starts; i++)
            is_known |= flow->starts[i] == src;
        if (is_known) continue;
        if (src->dtype != COP_F32 && node->op->relevance->rule == COP_RELEVANCE_STOP)
            continue;
        if (src->dtype != COP_F32 && src->dtype != COP_BOOL && src->dtype != COP_U8 &&
            src->dtype != COP_I8)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "node '%s' (%s): relevance of %s operand %d",
                node->name,
                node->op->name,
                cop_dtype_name(src->dtype),
                (int)slot);
        flow->start_slot[flow->n_starts] = slot;
        flow->starts[flow->n_starts++] = src;
    }
    return COP_OK;
}

/* PASS and STOP run nothing: element counts follow from the shapes at mb = 1. */
static enum cop_status count_elements(
    struct flow *flow, struct cop_arena *scratch, struct cop_err *err)
{
    const struct cop_node *node = flow->node;
    flow->dst_n = COP_ARENA_NEW_N(scratch, node->n_dst, int64_t);
    if (!flow->dst_n) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < flow->n_starts; i++)
        flow->start_n[i] = flow->io->mb * cop_shape_n(&flow->starts[i]->shape);
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i])
            flow->dst_n[i] = flow->io->mb * cop_shape_n(&node->dst[i]->shape);
    return COP_OK;
}

static enum cop_status make_plan(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    struct flow *flow,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    const struct cop_node *node = flow->node;
    const struct cop_value **ends =
        COP_ARENA_NEW_N(scratch, node->n_dst, const struct cop_value *);
    flow->dst_n = COP_ARENA_NEW_N(scratch, node->n_dst, int64_t);
    if (!ends || !flow->dst_n) return COP_FAIL_NOMEM(err);
    int32_t n_ends = 0;
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i]) ends[n_ends++] = node->dst[i];
    const struct cop_plan_options options = {
        .mb = flow->io->mb,
        .threads = flow->io->threads,
        .purpose = COP_PURPOSE_BACKWARD,
        .starts = flow->starts,
        .n_starts = flow->n_starts,
        .ends = ends,
        .n_ends = n_ends,
    };
    COP_TRY(cop_plan_create(engine, graph, &options, &flow->plan, err));
    if (cop_arena_defer(scratch, plan_release, flow->plan) != COP_OK)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < flow->n_starts; i++)
        flow->start_n[i] = cop_shape_n(cop_plan_start_shape(flow->plan, i));
    int32_t end = 0;
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i])
            flow->dst_n[i] = cop_shape_n(cop_plan_end_shape(flow->plan, end++));
    return COP_OK;
}

static enum cop_status make_results(
    const struct flow *flow,
    struct cop_arena *scratch,
    float ***results,
    struct cop_err *err)
{
    const struct cop_node *node = flow->node;
    *results = COP_ARENA_NEW_N(scratch, node->n_dst, float *);
    if (!*results) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_dst; i++) {
        (*results)[i] = COP_ARENA_NEW_N(scratch, flow->dst_n[i] + 1, float);
        if (!(*results)[i]) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

/* Runs the node; @p starts by start; @p results by result slot, unused ones skipped. */
static enum cop_status run_node(
    struct flow *flow,
    const float *const *starts,
    float *const *results,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    float **ends = COP_ARENA_NEW_N(scratch, flow->node->n_dst, float *);
    if (!ends) return COP_FAIL_NOMEM(err);
    int32_t n_ends = 0;
    for (int32_t i = 0; i < flow->node->n_dst; i++)
        if (flow->node->dst[i]) ends[n_ends++] = results[i];
    return cop_plan_run(flow->plan, starts, ends, err);
}

/* Runs the node on sources that are all @p fill. */
static enum cop_status run_filled(
    struct flow *flow,
    float fill,
    float *const *results,
    struct cop_arena *scratch,
    struct cop_err *err)
{
    const float **starts = COP_ARENA_NEW_N(scratch, flow->n_starts, const float *);
    if (!starts) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < flow->n_starts; i++) {
        float *start = COP_ARENA_NEW_N(scratch, flow->start_n[i], float);
        if (!start) return COP_FAIL_NOMEM(err);
        for (int64_t k = 0; k < flow->start_n[i]; k++)
            start[k] = fill;
        starts[i] = start;
    }
    return run_node(flow, starts, results, scratch, err);
}

/* seed = R / stabilised y, and the shares of the constants and of the stabiliser. */
static void seed_ratio(struct flow *flow, struct cop_relevance_balance *balance)
{
    const double stabiliser = flow->io->stabiliser > 0 ? flow->io->stabiliser : 1e-6;
    for (int32_t d = 0; d < flow->node->n_dst; d++) {
        const float *r = flow->io->dst_relevance[d];
        double magnitude = 0;
        sum_of(flow->y[d], flow->dst_n[d], &magnitude);
        const double mean = flow->dst_n[d] ? magnitude / (double)flow->dst_n[d] : 0;
        const double step = mean > 0 ? stabiliser * mean : stabiliser;
        for (int64_t i = 0; i < flow->dst_n[d]; i++) {
            const double y = (double)flow->y[d][i];
            const double share = (double)r[i] / (y + (y < 0 ? -step : step));
            flow->seed[d][i] = (float)share;
            balance->absorbed += share * (double)flow->y_zero[d][i];
            balance->stabilised += share * (y < 0 ? -step : step);
        }
    }
}

/* seed = R; an element of the result that does not move with the sources (padding) keeps
 * its relevance: f(1) - f(0) is then 0 instead of 1. */
static void seed_move(struct flow *flow, struct cop_relevance_balance *balance)
{
    for (int32_t d = 0; d < flow->node->n_dst; d++) {
        const float *r = flow->io->dst_relevance[d];
        for (int64_t i = 0; i < flow->dst_n[d]; i++) {
            const double moved = (double)flow->y_one[d][i] - (double)flow->y_zero[d][i];
            flow->seed[d][i] = r[i];
            balance->absorbed += (double)r[i] * (1 - moved);
        }
    }
}

/* The relevance of every source from the gradient of the seed: times x for RATIO. */
static enum cop_status read_sources(
    struct flow *flow, bool is_ratio, struct cop_arena *scratch, struct cop_err *err)
{
    const float **seeds = COP_ARENA_NEW_N(scratch, flow->node->n_dst, const float *);
    if (!seeds) return COP_FAIL_NOMEM(err);
    int32_t n_ends = 0;
    for (int32_t i = 0; i < flow->node->n_dst; i++)
        if (flow->node->dst[i]) seeds[n_ends++] = flow->seed[i];
    COP_TRY(cop_plan_backward(flow->plan, seeds, err));
    for (int32_t i = 0; i < flow->n_starts; i++) {
        const int32_t slot = flow->start_slot[i];
        float *r = flow->io->src_relevance[slot];
        COP_TRY(cop_plan_read_diff(
            flow->plan, flow->starts[i]->id, r, flow->start_n[i], err));
        for (int64_t k = 0; is_ratio && k < flow->start_n[i]; k++)
            r[k] *= flow->io->src[slot][k];
    }
    return COP_OK;
}

static enum cop_status propagate(
    struct flow *flow,
    bool is_ratio,
    struct cop_arena *scratch,
    struct cop_relevance_balance *balance,
    struct cop_err *err)
{
    const float **starts = COP_ARENA_NEW_N(scratch, flow->n_starts, const float *);
    if (!starts) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < flow->n_starts; i++)
        starts[i] = flow->io->src[flow->start_slot[i]];
    COP_TRY(make_results(flow, scratch, &flow->y, err));
    COP_TRY(make_results(flow, scratch, &flow->y_zero, err));
    COP_TRY(make_results(flow, scratch, &flow->y_one, err));
    COP_TRY(make_results(flow, scratch, &flow->seed, err));
    COP_TRY(run_filled(flow, 0, flow->y_zero, scratch, err));
    if (!is_ratio) COP_TRY(run_filled(flow, 1, flow->y_one, scratch, err));
    COP_TRY(run_node(flow, starts, flow->y, scratch, err));
    if (is_ratio)
        seed_ratio(flow, balance);
    else
        seed_move(flow, balance);
    return read_sources(flow, is_ratio, scratch, err);
}

/* The first source shaped as the first result takes all of its relevance; other results,
 * statistics of the first, keep theirs. */
static enum cop_status pass_on(
    struct flow *flow, struct cop_relevance_balance *balance, struct cop_err *err)
{
    const struct cop_node *node = flow->node;
    double magnitude = 0;
    for (int32_t d = 1; d < node->n_dst; d++)
        if (node->dst[d])
            balance->absorbed +=
                sum_of(flow->io->dst_relevance[d], flow->dst_n[d], &magnitude);
    for (int32_t i = 0; i < flow->n_starts; i++) {
        if (!cop_shape_equal(&flow->starts[i]->shape, &node->dst[0]->shape)) continue;
        float *r = flow->io->src_relevance[flow->start_slot[i]];
        for (int64_t k = 0; k < flow->start_n[i]; k++)
            r[k] = flow->io->dst_relevance[0][k];
        return COP_OK;
    }
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "node '%s' (%s): no source is shaped as the result",
        node->name,
        node->op->name);
}

static enum cop_status apply_rule(
    struct flow *flow,
    struct cop_arena *scratch,
    struct cop_relevance_balance *balance,
    struct cop_err *err)
{
    switch (flow->node->op->relevance->rule) {
    case COP_RELEVANCE_RATIO: return propagate(flow, true, scratch, balance, err);
    case COP_RELEVANCE_MOVE: return propagate(flow, false, scratch, balance, err);
    case COP_RELEVANCE_PASS: return pass_on(flow, balance, err);
    case COP_RELEVANCE_STOP: balance->absorbed = balance->arrived; return COP_OK;
    }
    return COP_FAIL(err, COP_EINVAL, "unknown relevance rule");
}

/* All source relevances 0, so that slots that get none say so. */
static void clear_sources(const struct flow *flow)
{
    const struct cop_node *node = flow->node;
    for (int32_t slot = 0; slot < node->n_src; slot++)
        for (int32_t i = 0; i < flow->n_starts; i++) {
            if (node->src[slot] != flow->starts[i]) continue;
            for (int64_t k = 0; k < flow->start_n[i]; k++)
                flow->io->src_relevance[slot][k] = 0;
        }
}

enum cop_status cop_relevance_node(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_node *node,
    const struct cop_relevance_flow *io,
    struct cop_relevance_balance *balance,
    struct cop_err *err)
{
    enum cop_status status = COP_OK;
    struct cop_relevance_balance books = {0};
    struct flow flow = {.node = node, .io = io};
    struct cop_arena *scratch = cop_arena_create();
    if (!scratch) return COP_FAIL_NOMEM(err);
    status = find_starts(&flow, scratch, err);
    if (status != COP_OK) goto done;
    const enum cop_relevance_rule rule = node->op->relevance->rule;
    if (rule == COP_RELEVANCE_RATIO || rule == COP_RELEVANCE_MOVE)
        status = make_plan(engine, graph, &flow, scratch, err);
    else
        status = count_elements(&flow, scratch, err);
    if (status != COP_OK) goto done;
    clear_sources(&flow);
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i])
            books.arrived +=
                sum_of(io->dst_relevance[i], flow.dst_n[i], &books.magnitude);
    status = apply_rule(&flow, scratch, &books, err);
    if (status != COP_OK) goto done;
    for (int32_t i = 0; i < flow.n_starts; i++)
        books.passed += sum_of(
            io->src_relevance[flow.start_slot[i]], flow.start_n[i], &books.magnitude);
    if (balance) *balance = books;
done:
    cop_arena_destroy(scratch);
    return status;
}
