/* prune/walk.c - see walk_impl.h. */
#include "prune/walk_impl.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/streams.h"

#include <string.h>

enum { MOST_SAMPLES = 32 };                   /* per batch */
static const int64_t most_elements = 1 << 23; /* of one value of one batch: 32 MiB */

/* ---- what can be held ----------------------------------------------------------------- */

enum cop_status cop_walk__survey(
    struct cop_walk_side *side, struct cop_arena *arena, struct cop_err *err)
{
    const struct cop_graph *graph = side->graph;
    int32_t n_nodes = cop_graph_n_nodes(graph);
    /* Weights and biases that are replaced meanwhile may become new values. */
    int32_t n_values = cop_graph_n_values(graph) + 2 * n_nodes;
    for (int32_t p = 0; p < n_nodes; p++) {
        int32_t id = cop_graph_node(graph, p)->id;
        if (id >= side->n_ids) side->n_ids = id + 1;
    }
    side->position = COP_ARENA_NEW_N(arena, side->n_ids, int32_t);
    side->can_be_held = COP_ARENA_NEW_N(arena, n_values, uint8_t);
    side->is_fed = COP_ARENA_NEW_N(arena, n_values, uint8_t);
    side->held = COP_ARENA_NEW_N(arena, n_values, float *);
    struct cop_fact *facts = NULL;
    COP_TRY(cop_graph_facts(graph, 2, arena, &facts, err));
    if (side->position == NULL || side->can_be_held == NULL || side->is_fed == NULL ||
        side->held == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < cop_graph_n_inputs(graph); i++)
        side->is_fed[cop_graph_input(graph, i)->id] = 1;
    for (int32_t p = 0; p < n_nodes; p++) {
        const struct cop_node *node = cop_graph_node(graph, p);
        side->position[node->id] = p;
        bool is_fed = false;
        for (int32_t s = 0; s < node->n_src; s++)
            is_fed = is_fed || (node->src[s] != NULL && side->is_fed[node->src[s]->id]);
        for (int32_t d = 0; d < node->n_dst; d++) {
            if (node->dst[d] != NULL) side->is_fed[node->dst[d]->id] = is_fed;
        }
    }
    for (int32_t v = 0; v < cop_graph_n_values(graph); v++) {
        const struct cop_value *value = cop_graph_value(graph, v);
        if (value == NULL || !side->is_fed[v] || value->dtype != COP_F32) continue;
        const struct cop_shape *two = &facts[v].shape;
        bool fits = two->rank == value->shape.rank && two->rank > 0 &&
                    two->dim[0] == 2 * value->shape.dim[0];
        for (int32_t a = 1; fits && a < two->rank; a++)
            fits = two->dim[a] == value->shape.dim[a];
        side->can_be_held[v] = fits;
    }
    return COP_OK;
}

/* Marks what must be held for @p value to be known later. */
static void mark(
    const struct cop_walk_side *side, const struct cop_value *value, uint8_t *is_wanted)
{
    if (!side->is_fed[value->id] || is_wanted[value->id]) return;
    if (side->can_be_held[value->id] || value->producer == NULL) {
        is_wanted[value->id] = 1;
        return;
    }
    for (int32_t s = 0; s < value->producer->n_src; s++) {
        if (value->producer->src[s] != NULL)
            mark(side, value->producer->src[s], is_wanted);
    }
}

/* Marks what nodes from @p position on read of what is computed before. */
static void mark_frontier(
    const struct cop_walk_side *side, int32_t position, uint8_t *is_wanted)
{
    for (int32_t v = 0; v < cop_graph_n_values(side->graph); v++) {
        const struct cop_value *value = cop_graph_value(side->graph, v);
        if (value == NULL || !side->is_fed[v]) continue;
        if (value->producer != NULL && side->position[value->producer->id] >= position)
            continue;
        bool is_read = false;
        for (int32_t u = 0; u < value->n_uses && !is_read; u++)
            is_read = side->position[value->uses[u].node->id] >= position;
        if (is_read) mark(side, value, is_wanted);
    }
}

static int64_t per_sample(const struct cop_value *value)
{
    return cop_shape_n(&value->shape);
}

static size_t bytes_of(const struct cop_walk *walk, const struct cop_value *value)
{
    return (size_t)(walk->n_batches * walk->mb * per_sample(value)) * sizeof(float);
}

static enum cop_status hold(
    struct cop_walk *walk,
    struct cop_walk_side *side,
    const struct cop_value *value,
    struct cop_err *err)
{
    size_t n = (size_t)(walk->n_batches * walk->mb);
    float *elements = cop_mem_array(n * (size_t)per_sample(value), sizeof *elements);
    if (elements == NULL) return COP_FAIL_NOMEM(err);
    side->held[value->id] = elements;
    walk->bytes += bytes_of(walk, value);
    if (walk->bytes > walk->most_bytes) walk->most_bytes = walk->bytes;
    return COP_OK;
}

static void let_go(
    struct cop_walk *walk, struct cop_walk_side *side, const struct cop_value *value)
{
    if (side->held[value->id] == NULL) return;
    walk->bytes -= bytes_of(walk, value);
    cop_mem_free(side->held[value->id]);
    side->held[value->id] = NULL;
}

const float *cop_walk__held(
    const struct cop_walk *walk,
    int32_t side,
    const struct cop_value *value,
    int64_t batch)
{
    return walk->sides[side].held[value->id] + batch * walk->mb * per_sample(value);
}

/* ---- one run: from what is held to new values --------------------------------------------- */

struct run {
    int32_t side;
    const struct cop_value **starts;
    int32_t n_starts;
    const struct cop_value **ends;
    int32_t n_ends;
    const struct cop_value *zeroed; /* a start that is all zeros */
    const struct cop_value *shown;  /* an end that is not held, or NULL */
    int32_t plan;
};

struct passing {
    struct cop_walk *walk;
    const struct cop_walk_pass *pass;
    struct run runs[COP_WALK_SIDES + 1];
    int32_t n_runs;
    struct cop_streams *streams;
    float *zeros;                  /* [mb] of the zeroed value */
    float **shown[COP_WALK_SIDES]; /* [streams] */
};

/* Collects what a plan for @p value must start from. */
static void find_starts(
    const struct cop_walk_side *side,
    const struct cop_value *value,
    uint8_t *is_seen,
    struct run *run)
{
    if (!side->is_fed[value->id] || is_seen[value->id]) return;
    is_seen[value->id] = 1;
    if (side->held[value->id] != NULL || value == run->zeroed ||
        value->producer == NULL) {
        run->starts[run->n_starts++] = value;
        return;
    }
    for (int32_t s = 0; s < value->producer->n_src; s++) {
        if (value->producer->src[s] != NULL)
            find_starts(side, value->producer->src[s], is_seen, run);
    }
}

static enum cop_status open_run(
    struct passing *passing,
    int32_t side_index,
    struct cop_arena *arena,
    struct run **run,
    struct cop_err *err)
{
    const struct cop_walk_side *side = &passing->walk->sides[side_index];
    int32_t n_values = cop_graph_n_values(side->graph);
    *run = &passing->runs[passing->n_runs];
    **run = (struct run){
        .side = side_index,
        .starts = COP_ARENA_NEW_N(arena, n_values, const struct cop_value *),
        .ends = COP_ARENA_NEW_N(arena, n_values, const struct cop_value *),
    };
    if ((*run)->starts == NULL || (*run)->ends == NULL) return COP_FAIL_NOMEM(err);
    return COP_OK;
}

/* Makes the plan of a run whose ends are known, and room for what it computes. */
static enum cop_status close_run(
    struct passing *passing,
    struct run *run,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (run->n_ends == 0) return COP_OK;
    struct cop_walk *walk = passing->walk;
    struct cop_walk_side *side = &walk->sides[run->side];
    uint8_t *is_seen = COP_ARENA_NEW_N(arena, cop_graph_n_values(side->graph), uint8_t);
    if (is_seen == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t e = 0; e < run->n_ends; e++)
        find_starts(side, run->ends[e], is_seen, run);
    const struct cop_plan_options options = {
        .mb = walk->mb,
        .purpose = COP_PURPOSE_INFER,
        .starts = run->starts,
        .n_starts = run->n_starts,
        .ends = run->ends,
        .n_ends = run->n_ends,
    };
    COP_TRY(cop_streams_add_plan(
        passing->streams, walk->engine, side->graph, &options, &run->plan, err));
    passing->n_runs++;
    for (int32_t e = 0; e < run->n_ends; e++) {
        if (run->ends[e] != run->shown) COP_TRY(hold(walk, side, run->ends[e], err));
    }
    if (run->shown == NULL) return COP_OK;
    int n_streams = cop_streams_n(passing->streams);
    float **shown = COP_ARENA_NEW_N(arena, n_streams, float *);
    if (shown == NULL) return COP_FAIL_NOMEM(err);
    for (int s = 0; s < n_streams; s++) {
        shown[s] = COP_ARENA_NEW_N(arena, walk->mb * per_sample(run->shown), float);
        if (shown[s] == NULL) return COP_FAIL_NOMEM(err);
    }
    passing->shown[run->side] = shown;
    return COP_OK;
}

/* The run that moves a side forward. */
static enum cop_status plan_move(
    struct passing *passing,
    int32_t side_index,
    uint8_t *is_wanted,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_walk_pass *pass = passing->pass;
    const struct cop_walk_side *side = &passing->walk->sides[side_index];
    struct run *run;
    COP_TRY(open_run(passing, side_index, arena, &run, err));
    mark_frontier(side, pass->to[side_index], is_wanted);
    for (int32_t v = 0; v < cop_graph_n_values(side->graph); v++) {
        if (is_wanted[v] && side->held[v] == NULL)
            run->ends[run->n_ends++] = cop_graph_value(side->graph, v);
    }
    const struct cop_value *read =
        side_index == COP_WALK_ORIGINAL ? pass->read[side_index] : NULL;
    if (read != NULL && !is_wanted[read->id] && side->held[read->id] == NULL) {
        run->ends[run->n_ends++] = read;
        run->shown = read;
    }
    return close_run(passing, run, arena, err);
}

/* What of the cut network is to be shown, from where it has arrived. */
static enum cop_status plan_rest(
    struct passing *passing, struct cop_arena *arena, struct cop_err *err)
{
    const struct cop_walk_pass *pass = passing->pass;
    const struct cop_value *read = pass->read[COP_WALK_CUT];
    struct run *run;
    if (read == NULL) return COP_OK;
    COP_TRY(open_run(passing, COP_WALK_CUT, arena, &run, err));
    run->ends[run->n_ends++] = read;
    run->shown = read;
    run->zeroed = pass->zeroed;
    int64_t n = passing->walk->mb * per_sample(run->zeroed);
    passing->zeros = COP_ARENA_NEW_N(arena, n, float);
    if (passing->zeros == NULL) return COP_FAIL_NOMEM(err);
    return close_run(passing, run, arena, err);
}

static enum cop_status run_batch(
    struct passing *passing,
    const struct run *run,
    int stream,
    int64_t batch,
    struct cop_err *err)
{
    const struct cop_walk *walk = passing->walk;
    struct cop_plan *plan = cop_streams_plan(passing->streams, stream, run->plan);
    const float **starts = cop_mem_array((size_t)run->n_starts, sizeof *starts);
    float **ends = cop_mem_array((size_t)run->n_ends, sizeof *ends);
    enum cop_status status =
        starts != NULL && ends != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < run->n_starts && status == COP_OK; i++)
        starts[i] = run->starts[i] == run->zeroed
                        ? passing->zeros
                        : cop_walk__held(walk, run->side, run->starts[i], batch);
    for (int32_t i = 0; i < run->n_ends && status == COP_OK; i++) {
        const struct cop_value *end = run->ends[i];
        ends[i] = end == run->shown ? passing->shown[run->side][stream]
                                    : walk->sides[run->side].held[end->id] +
                                          batch * walk->mb * per_sample(end);
    }
    if (status == COP_OK) status = cop_plan_run(plan, starts, ends, err);
    cop_mem_free(ends);
    cop_mem_free(starts);
    return status;
}

static enum cop_status take_batch(
    void *context, int stream, int64_t batch, struct cop_err *err)
{
    struct passing *passing = context;
    const struct cop_walk *walk = passing->walk;
    for (int32_t i = 0; i < passing->n_runs; i++)
        COP_TRY(run_batch(passing, &passing->runs[i], stream, batch, err));
    if (passing->pass->visit == NULL) return COP_OK;
    const float *read[COP_WALK_SIDES] = {NULL, NULL};
    for (int32_t s = 0; s < COP_WALK_SIDES; s++) {
        const struct cop_value *value = passing->pass->read[s];
        if (value == NULL) continue;
        read[s] = walk->sides[s].held[value->id] != NULL
                      ? cop_walk__held(walk, s, value, batch)
                      : passing->shown[s][stream];
    }
    int64_t left = walk->n_samples - batch * walk->mb;
    return passing->pass->visit(
        passing->pass->context, batch, left < walk->mb ? left : walk->mb, read, err);
}

/* ---- a pass ------------------------------------------------------------------------------- */

static enum cop_status start_streams(struct passing *passing, struct cop_err *err)
{
    struct cop_streams_options options = {.n = 1};
    COP_TRY(cop_streams_resolve(&options, err));
    int threads = options.threads;
    if (cop_par_threads() < threads) threads = cop_par_threads();
    int64_t n = passing->walk->n_batches;
    options.n = n < threads ? (int)n : threads;
    options.threads = threads / options.n;
    return cop_streams_create(&options, &passing->streams, err);
}

static enum cop_status move(
    struct passing *passing, struct cop_arena *arena, struct cop_err *err)
{
    struct cop_walk *walk = passing->walk;
    uint8_t *is_wanted[COP_WALK_SIDES];
    COP_TRY(start_streams(passing, err));
    for (int32_t s = 0; s < COP_WALK_SIDES; s++) {
        int32_t n_values = cop_graph_n_values(walk->sides[s].graph);
        is_wanted[s] = COP_ARENA_NEW_N(arena, n_values, uint8_t);
        if (is_wanted[s] == NULL) return COP_FAIL_NOMEM(err);
        COP_TRY(plan_move(passing, s, is_wanted[s], arena, err));
    }
    COP_TRY(plan_rest(passing, arena, err));
    COP_TRY(
        cop_streams_for(passing->streams, walk->n_batches, take_batch, passing, err));
    for (int32_t s = 0; s < COP_WALK_SIDES; s++) {
        struct cop_walk_side *side = &walk->sides[s];
        for (int32_t v = 0; v < cop_graph_n_values(side->graph); v++) {
            if (side->held[v] != NULL && !is_wanted[s][v])
                let_go(walk, side, cop_graph_value(side->graph, v));
        }
    }
    return COP_OK;
}

enum cop_status cop_walk__pass(
    struct cop_walk *walk, const struct cop_walk_pass *pass, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct passing passing = {.walk = walk, .pass = pass};
    enum cop_status status = move(&passing, arena, err);
    cop_streams_destroy(passing.streams);
    cop_arena_destroy(arena);
    return status;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* How sums are rounded follows from the batch, so it does not look at the machine. */
static int64_t choose_batch(const struct cop_walk *walk)
{
    int64_t largest = 1;
    for (int32_t s = 0; s < COP_WALK_SIDES; s++) {
        const struct cop_walk_side *side = &walk->sides[s];
        for (int32_t v = 0; v < cop_graph_n_values(side->graph); v++) {
            if (side->can_be_held[v] &&
                per_sample(cop_graph_value(side->graph, v)) > largest)
                largest = per_sample(cop_graph_value(side->graph, v));
        }
    }
    int64_t mb = most_elements / largest;
    if (mb > MOST_SAMPLES) mb = MOST_SAMPLES;
    if (mb > walk->n_samples) mb = walk->n_samples;
    return mb > 0 ? mb : 1;
}

static enum cop_status read_samples(
    struct cop_walk *walk, const struct cop_sample_source *samples, struct cop_err *err)
{
    const struct cop_value *input = cop_graph_input(walk->sides[0].graph, 0);
    int64_t elements = per_sample(input);
    for (int32_t s = 0; s < COP_WALK_SIDES; s++)
        COP_TRY(
            hold(walk, &walk->sides[s], cop_graph_input(walk->sides[s].graph, 0), err));
    float *first = walk->sides[0].held[input->id];
    for (int64_t i = 0; i < walk->n_samples; i += walk->mb) {
        int64_t left = walk->n_samples - i;
        int64_t n = left < walk->mb ? left : walk->mb;
        COP_TRY(samples->read(samples->context, i, n, first + i * elements, err));
    }
    int32_t other = cop_graph_input(walk->sides[1].graph, 0)->id;
    memcpy(walk->sides[1].held[other], first, bytes_of(walk, input));
    return COP_OK;
}

enum cop_status cop_walk__create(
    struct cop_engine *engine,
    const struct cop_graph *const graphs[COP_WALK_SIDES],
    const struct cop_sample_source *samples,
    struct cop_walk **walk,
    struct cop_err *err)
{
    if (samples->n < 1)
        return COP_FAIL(err, COP_EINVAL, "there are no calibration samples");
    if (cop_graph_n_inputs(graphs[0]) != 1)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "repair feeds one input, the network has %d",
            cop_graph_n_inputs(graphs[0]));
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_walk *made = COP_ARENA_NEW(arena, struct cop_walk);
    if (made == NULL) {
        cop_arena_destroy(arena);
        return COP_FAIL_NOMEM(err);
    }
    *made =
        (struct cop_walk){.engine = engine, .arena = arena, .n_samples = samples->n};
    enum cop_status status = COP_OK;
    for (int32_t s = 0; s < COP_WALK_SIDES && status == COP_OK; s++) {
        made->sides[s].graph = graphs[s];
        status = cop_walk__survey(&made->sides[s], arena, err);
    }
    if (status == COP_OK) {
        made->mb = choose_batch(made);
        made->n_batches = (made->n_samples + made->mb - 1) / made->mb;
        status = read_samples(made, samples, err);
    }
    if (status != COP_OK) {
        cop_walk__destroy(made);
        return status;
    }
    *walk = made;
    return COP_OK;
}

void cop_walk__destroy(struct cop_walk *walk)
{
    if (walk == NULL) return;
    for (int32_t s = 0; s < COP_WALK_SIDES; s++) {
        struct cop_walk_side *side = &walk->sides[s];
        if (side->held == NULL) continue;
        for (int32_t v = 0; v < cop_graph_n_values(side->graph); v++) {
            if (side->held[v] != NULL)
                let_go(walk, side, cop_graph_value(side->graph, v));
        }
    }
    cop_arena_destroy(walk->arena);
}
