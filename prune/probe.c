/* prune/probe.c - see probe_impl.h.
 *
 * Each stream (engine/streams.h) takes a batch, decodes and runs it, and shows its values
 * one after the other; value i of a batch waits until value i of the batch before was
 * shown.  So streams follow one another through the list of values like looms through a
 * warp: all are busy, and every value still meets the batches in their order. */
#include "prune/probe_impl.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/par.h"
#include "engine/streams.h"

#include <pthread.h>

enum { MOST_SAMPLES = 32 };                   /* per batch */
static const int64_t most_elements = 1 << 28; /* of all values of one batch: 1 GiB */
static const int64_t most_at_once = 1 << 30;  /* of those of all streams: 4 GiB */

/* One side with its plans. */
struct side {
    const struct cop_value **ends; /* the values, each once */
    int32_t n_ends;
    int32_t *end_of; /* by probe value */
    float **unread;  /* [n_ends] NULL: ends are read one by one instead */
    int32_t plan;    /* of every stream */
};

struct running {
    const struct cop_probe *probe;
    struct side sides[COP_PROBE_SIDES];
    struct cop_streams *streams;
    int64_t mb;
    float **batches; /* [streams] [mb][c][h][w] */
    pthread_mutex_t lock;
    pthread_cond_t turned;
    int64_t *next;  /* [n_values] the batch whose turn it is */
    int64_t n_done; /* samples */
    bool has_failed;
};

/* ---- turns ---------------------------------------------------------------------------- */

/* False when a batch before this one failed: its turn will never come. */
static bool wait_for_turn(struct running *running, int32_t i, int64_t batch)
{
    (void)pthread_mutex_lock(&running->lock);
    while (running->next[i] < batch && !running->has_failed)
        (void)pthread_cond_wait(&running->turned, &running->lock);
    bool is_ours = running->next[i] == batch;
    (void)pthread_mutex_unlock(&running->lock);
    return is_ours;
}

static void pass_turn(struct running *running, int32_t i)
{
    (void)pthread_mutex_lock(&running->lock);
    running->next[i]++;
    (void)pthread_cond_broadcast(&running->turned);
    (void)pthread_mutex_unlock(&running->lock);
}

static void give_up(struct running *running)
{
    (void)pthread_mutex_lock(&running->lock);
    running->has_failed = true;
    (void)pthread_cond_broadcast(&running->turned);
    (void)pthread_mutex_unlock(&running->lock);
}

static enum cop_status check_stop(struct running *running, struct cop_err *err)
{
    (void)pthread_mutex_lock(&running->lock);
    enum cop_status status = cop_progress_check(running->probe->progress, err);
    (void)pthread_mutex_unlock(&running->lock);
    return status;
}

static void tell_done(struct running *running, int64_t n_more)
{
    const struct cop_probe *probe = running->probe;
    (void)pthread_mutex_lock(&running->lock);
    running->n_done += n_more;
    cop_progress_step(probe->progress, probe->what, running->n_done, probe->samples->n);
    (void)pthread_mutex_unlock(&running->lock);
}

/* ---- one batch ------------------------------------------------------------------------ */

/* Value i of every side, to the visitor.  The last batch may be short: what its samples
 * gave comes first, the rest is not shown. */
static enum cop_status show_value(
    struct running *running,
    int stream,
    int64_t batch,
    int64_t n_samples,
    int32_t i,
    struct cop_err *err)
{
    const struct cop_probe *probe = running->probe;
    struct cop_probe_value values[COP_PROBE_SIDES] = {0};
    float *elements[COP_PROBE_SIDES] = {NULL};
    enum cop_status status = COP_OK;
    for (int32_t s = 0; s < probe->n_sides && status == COP_OK; s++) {
        const struct side *side = &running->sides[s];
        struct cop_plan *plan = cop_streams_plan(running->streams, stream, side->plan);
        values[s].shape = *cop_plan_end_shape(plan, side->end_of[i]);
        int64_t n = cop_shape_n(&values[s].shape);
        values[s].shape.dim[0] = values[s].shape.dim[0] / running->mb * n_samples;
        elements[s] = cop_mem_array((size_t)n, sizeof *elements[s]);
        values[s].elements = elements[s];
        int32_t id = probe->sides[s].values[i]->id;
        status = elements[s] == NULL ? COP_FAIL_NOMEM(err)
                                     : cop_plan_read(plan, id, elements[s], n, err);
    }
    if (status == COP_OK && !wait_for_turn(running, i, batch))
        status = COP_FAIL(err, COP_EINTR, "an earlier batch failed");
    if (status == COP_OK) {
        status = probe->visit(probe->context, i, values, err);
        if (status == COP_OK) pass_turn(running, i);
    }
    for (int32_t s = 0; s < probe->n_sides; s++)
        cop_mem_free(elements[s]);
    return status;
}

static enum cop_status run_batch(
    struct running *running, int stream, int64_t batch, struct cop_err *err)
{
    const struct cop_probe *probe = running->probe;
    int64_t first = batch * running->mb;
    int64_t left = probe->samples->n - first;
    int64_t n = left < running->mb ? left : running->mb;
    float *elements = running->batches[stream];
    COP_TRY(check_stop(running, err));
    COP_TRY(probe->samples->read(probe->samples->context, first, n, elements, err));
    const float *starts[1] = {elements};
    for (int32_t s = 0; s < probe->n_sides; s++) {
        const struct side *side = &running->sides[s];
        COP_TRY(cop_plan_run(
            cop_streams_plan(running->streams, stream, side->plan),
            starts,
            side->unread,
            err));
    }
    for (int32_t i = 0; i < probe->n_values; i++)
        COP_TRY(show_value(running, stream, batch, n, i, err));
    tell_done(running, n);
    return COP_OK;
}

static enum cop_status take_batch(
    void *context, int stream, int64_t batch, struct cop_err *err)
{
    struct running *running = context;
    enum cop_status status = run_batch(running, stream, batch, err);
    if (status != COP_OK) give_up(running);
    return status;
}

/* ---- preparing ------------------------------------------------------------------------ */

static int64_t elements_per_sample(const struct cop_probe *probe)
{
    int64_t elements = 1;
    for (int32_t s = 0; s < probe->n_sides; s++) {
        for (int32_t i = 0; i < probe->n_values; i++)
            elements += cop_shape_n(&probe->sides[s].values[i]->shape);
    }
    return elements;
}

/* As many samples as keep all values of a batch within the bound.  How sums are rounded
 * follows from this, so it does not look at the machine. */
static int64_t choose_batch(const struct cop_probe *probe)
{
    int64_t mb = most_elements / elements_per_sample(probe);
    if (mb > MOST_SAMPLES) mb = MOST_SAMPLES;
    if (mb > probe->samples->n) mb = probe->samples->n;
    return mb > 0 ? mb : 1;
}

/* As many streams as there are threads, batches, and room for values. */
static enum cop_status make_streams(struct running *running, struct cop_err *err)
{
    const struct cop_probe *probe = running->probe;
    struct cop_streams_options options = {.n = 1};
    COP_TRY(cop_streams_resolve(&options, err));
    int threads = options.threads;
    if (cop_par_threads() < threads) threads = cop_par_threads();
    int64_t n = (probe->samples->n + running->mb - 1) / running->mb;
    int64_t n_room = most_at_once / (running->mb * elements_per_sample(probe));
    if (n > n_room) n = n_room > 0 ? n_room : 1;
    if (n > threads) n = threads;
    options.n = (int)n;
    options.threads = threads / options.n;
    return cop_streams_create(&options, &running->streams, err);
}

static enum cop_status collect_ends(
    const struct cop_probe *probe,
    const struct cop_value *const *values,
    struct side *side,
    struct cop_arena *arena,
    struct cop_err *err)
{
    side->ends = COP_ARENA_NEW_N(arena, probe->n_values, const struct cop_value *);
    side->end_of = COP_ARENA_NEW_N(arena, probe->n_values, int32_t);
    side->unread = COP_ARENA_NEW_N(arena, probe->n_values, float *);
    if (side->ends == NULL || side->end_of == NULL || side->unread == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < probe->n_values; i++) {
        int32_t e = 0;
        while (e < side->n_ends && side->ends[e] != values[i])
            e++;
        if (e == side->n_ends) side->ends[side->n_ends++] = values[i];
        side->end_of[i] = e;
    }
    return COP_OK;
}

static enum cop_status make_plans(
    struct running *running, struct cop_arena *arena, struct cop_err *err)
{
    const struct cop_probe *probe = running->probe;
    for (int32_t s = 0; s < probe->n_sides; s++) {
        struct side *side = &running->sides[s];
        COP_TRY(collect_ends(probe, probe->sides[s].values, side, arena, err));
        const struct cop_plan_options options = {
            .mb = running->mb,
            .purpose = COP_PURPOSE_INFER,
            .ends = side->ends,
            .n_ends = side->n_ends,
        };
        COP_TRY(cop_streams_add_plan(
            running->streams,
            probe->engine,
            probe->sides[s].graph,
            &options,
            &side->plan,
            err));
    }
    int n_streams = cop_streams_n(running->streams);
    const struct cop_plan *plan =
        cop_streams_plan(running->streams, 0, running->sides[0].plan);
    int64_t n_elements = cop_shape_n(cop_plan_start_shape(plan, 0));
    running->next = COP_ARENA_NEW_N(arena, probe->n_values, int64_t);
    running->batches = COP_ARENA_NEW_N(arena, n_streams, float *);
    if (running->next == NULL || running->batches == NULL) return COP_FAIL_NOMEM(err);
    for (int i = 0; i < n_streams; i++) {
        running->batches[i] = COP_ARENA_NEW_N(arena, n_elements, float);
        if (running->batches[i] == NULL) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

static enum cop_status run_all(
    struct running *running, struct cop_arena *arena, struct cop_err *err)
{
    int64_t n = running->probe->samples->n;
    running->mb = choose_batch(running->probe);
    COP_TRY(make_streams(running, err));
    COP_TRY(make_plans(running, arena, err));
    int64_t n_batches = (n + running->mb - 1) / running->mb;
    return cop_streams_for(running->streams, n_batches, take_batch, running, err);
}

enum cop_status cop_probe__run(const struct cop_probe *probe, struct cop_err *err)
{
    if (probe->samples->n < 1)
        return COP_FAIL(err, COP_EINVAL, "there are no calibration samples");
    if (cop_graph_n_inputs(probe->sides[0].graph) != 1)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "calibration feeds one input, the network has %d",
            cop_graph_n_inputs(probe->sides[0].graph));
    if (probe->n_values == 0) return COP_OK;
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct running running = {.probe = probe};
    (void)pthread_mutex_init(&running.lock, NULL);
    (void)pthread_cond_init(&running.turned, NULL);
    enum cop_status status = run_all(&running, arena, err);
    cop_streams_destroy(running.streams);
    (void)pthread_cond_destroy(&running.turned);
    (void)pthread_mutex_destroy(&running.lock);
    cop_arena_destroy(arena);
    return status;
}
