/* engine/streams.c - the pool of pinned threads; see streams.h.
 *
 * Every stream waits for a job, meets the others at a barrier, does its part and says so.
 * Threads live as long as the pool: the OpenMP run time keeps a team per thread, and ends
 * it with the thread, so that pools of other shapes later find no idle threads in their
 * way. */
#include "engine/streams.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/thread.h"
#include "engine/plan_impl.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

typedef enum cop_status work_fn(void *context, int stream, struct cop_err *err);

struct stream {
    struct cop_streams *pool;
    pthread_t thread;
    int index;
    const int *processors; /* [threads] */
    bool is_pinned;
    struct cop_plan **plans; /* [n_plans] */
    enum cop_status status;  /* of the last job */
    struct cop_err err;
};

struct cop_streams {
    int n;
    int threads;
    int n_started;
    int32_t n_plans;
    int *processors; /* [n][threads] */
    struct stream *streams;
    struct cop_engine *engine; /* of the plans; NULL: none yet */
    pthread_barrier_t together;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t begun;
    pthread_cond_t ended;
    int64_t n_jobs; /* so far; a stream does each once */
    int n_working;
    bool is_over;
    work_fn *work;
    void *context;
};

/* ---- how many ------------------------------------------------------------------------ */

enum { MOST = 1 << 16 };

enum cop_status cop_streams_resolve(
    struct cop_streams_options *options, struct cop_err *err)
{
    int n_processors = cop_thread_processors(NULL, 0);
    if (options->n < 0 || options->n > MOST || options->threads < 0 ||
        options->threads > MOST)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%d streams of %d threads, 0 to %d are possible",
            options->n,
            options->threads,
            (int)MOST);
    int threads = options->threads;
    if (threads == 0) threads = options->n > 0 ? n_processors / options->n : 1;
    if (threads == 0) threads = 1;
    int n = options->n > 0 ? options->n : n_processors / threads;
    if (n == 0) n = 1;
    if ((int64_t)n * threads > n_processors)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%d stream%s of %d thread%s need %lld processors, this process may use %d",
            n,
            n == 1 ? "" : "s",
            threads,
            threads == 1 ? "" : "s",
            (long long)n * threads,
            n_processors);
    options->n = n;
    options->threads = threads;
    return COP_OK;
}

/* ---- the threads ---------------------------------------------------------------------- */

/* Waits for the next job; false when there is none any more. */
static bool next_job(struct cop_streams *pool, int64_t n_done)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->n_jobs == n_done && !pool->is_over)
        (void)pthread_cond_wait(&pool->begun, &pool->lock);
    bool is_over = pool->is_over;
    (void)pthread_mutex_unlock(&pool->lock);
    return !is_over;
}

static void end_job(struct cop_streams *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (--pool->n_working == 0) (void)pthread_cond_signal(&pool->ended);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *live(void *argument)
{
    struct stream *own = argument;
    struct cop_streams *pool = own->pool;
    for (int64_t n_done = 0; next_job(pool, n_done); n_done++) {
        (void)pthread_barrier_wait(&pool->together);
        own->err = (struct cop_err){.status = COP_OK};
        own->status = pool->work(pool->context, own->index, &own->err);
        end_job(pool);
    }
    return NULL;
}

/* Ends and joins the threads that were started. */
static void stop(struct cop_streams *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_over = true;
    (void)pthread_cond_broadcast(&pool->begun);
    (void)pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->n_started; i++)
        (void)pthread_join(pool->streams[i].thread, NULL);
}

static enum cop_status start(struct cop_streams *pool, struct cop_err *err)
{
    for (int i = 0; i < pool->n; i++) {
        struct stream *stream = &pool->streams[i];
        stream->pool = pool;
        stream->index = i;
        stream->processors = &pool->processors[(int64_t)i * pool->threads];
        if (pthread_create(&stream->thread, NULL, live, stream) != 0)
            return COP_FAIL(
                err, COP_EENGINE, "cannot start thread %d of %d", i + 1, pool->n);
        pool->n_started++;
    }
    return COP_OK;
}

/* The first job of every stream. */
static enum cop_status pin(void *context, int stream, struct cop_err *err)
{
    (void)err;
    struct cop_streams *pool = context;
    struct stream *own = &pool->streams[stream];
    own->is_pinned = cop_par_pin(own->processors, pool->threads);
    return COP_OK;
}

static bool init_locks(struct cop_streams *pool)
{
    if (pthread_barrier_init(&pool->together, NULL, (unsigned)pool->n) != 0)
        return false;
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->begun, NULL);
    (void)pthread_cond_init(&pool->ended, NULL);
    return true;
}

static void free_pool(struct cop_streams *pool)
{
    cop_mem_free(pool->streams);
    cop_mem_free(pool->processors);
    cop_mem_free(pool);
}

enum cop_status cop_streams_create(
    const struct cop_streams_options *options,
    struct cop_streams **streams,
    struct cop_err *err)
{
    *streams = NULL;
    struct cop_streams_options whole = *options;
    COP_TRY(cop_streams_resolve(&whole, err));
    struct cop_streams *pool = cop_mem_array(1, sizeof *pool);
    if (pool == NULL) return COP_FAIL_NOMEM(err);
    int n_threads = whole.n * whole.threads;
    pool->n = whole.n;
    pool->threads = whole.threads;
    pool->processors = cop_mem_array((size_t)n_threads, sizeof(int));
    pool->streams = cop_mem_array((size_t)whole.n, sizeof *pool->streams);
    if (pool->processors == NULL || pool->streams == NULL || !init_locks(pool)) {
        free_pool(pool);
        return COP_FAIL_NOMEM(err);
    }
    (void)cop_thread_processors(pool->processors, n_threads);
    enum cop_status status = start(pool, err);
    if (status == COP_OK) status = cop_streams_run(pool, pin, pool, err);
    if (status == COP_OK)
        *streams = pool;
    else
        cop_streams_destroy(pool);
    return status;
}

void cop_streams_destroy(struct cop_streams *streams)
{
    if (streams == NULL) return;
    stop(streams);
    for (int i = 0; i < streams->n; i++) {
        for (int32_t k = 0; k < streams->n_plans; k++)
            cop_plan_destroy(streams->streams[i].plans[k]);
        cop_mem_free(streams->streams[i].plans);
    }
    (void)pthread_cond_destroy(&streams->ended);
    (void)pthread_cond_destroy(&streams->begun);
    (void)pthread_mutex_destroy(&streams->lock);
    (void)pthread_barrier_destroy(&streams->together);
    free_pool(streams);
}

int cop_streams_n(const struct cop_streams *streams)
{
    return streams->n;
}

int cop_streams_threads(const struct cop_streams *streams)
{
    return streams->threads;
}

bool cop_streams_is_pinned(const struct cop_streams *streams)
{
    bool is_pinned = true;
    for (int i = 0; i < streams->n; i++)
        is_pinned = is_pinned && streams->streams[i].is_pinned;
    return is_pinned;
}

/* ---- work ----------------------------------------------------------------------------- */

enum cop_status cop_streams_run(
    struct cop_streams *streams, work_fn *work, void *context, struct cop_err *err)
{
    (void)pthread_mutex_lock(&streams->lock);
    streams->work = work;
    streams->context = context;
    streams->n_working = streams->n;
    streams->n_jobs++;
    (void)pthread_cond_broadcast(&streams->begun);
    while (streams->n_working > 0)
        (void)pthread_cond_wait(&streams->ended, &streams->lock);
    (void)pthread_mutex_unlock(&streams->lock);
    for (int i = 0; i < streams->n; i++) {
        const struct stream *stream = &streams->streams[i];
        if (stream->status == COP_OK) continue;
        if (err != NULL) *err = stream->err;
        return stream->status;
    }
    return COP_OK;
}

struct items {
    enum cop_status (*body)(void *context, int stream, int64_t i, struct cop_err *err);
    void *context;
    atomic_llong next;
    atomic_llong lowest; /* that failed; n: none */
    pthread_mutex_t lock;
    struct cop_err err; /* of the lowest */
};

static void note_failure(struct items *items, int64_t i, const struct cop_err *err)
{
    (void)pthread_mutex_lock(&items->lock);
    if (i < atomic_load(&items->lowest)) {
        atomic_store(&items->lowest, i);
        items->err = *err;
    }
    (void)pthread_mutex_unlock(&items->lock);
}

/* Items are taken in ascending order: those below a failed one are in somebody's hands. */
static enum cop_status take_items(void *context, int stream, struct cop_err *err)
{
    (void)err;
    struct items *items = context;
    int64_t i = atomic_fetch_add(&items->next, 1);
    while (i < atomic_load(&items->lowest)) {
        struct cop_err own = {.status = COP_OK};
        own.status = items->body(items->context, stream, i, &own);
        if (own.status != COP_OK) note_failure(items, i, &own);
        i = atomic_fetch_add(&items->next, 1);
    }
    return COP_OK;
}

enum cop_status cop_streams_for(
    struct cop_streams *streams,
    int64_t n,
    enum cop_status (*body)(void *context, int stream, int64_t i, struct cop_err *err),
    void *context,
    struct cop_err *err)
{
    struct items items = {.body = body, .context = context};
    atomic_init(&items.next, 0);
    atomic_init(&items.lowest, n);
    (void)pthread_mutex_init(&items.lock, NULL);
    enum cop_status status = cop_streams_run(streams, take_items, &items, err);
    (void)pthread_mutex_destroy(&items.lock);
    if (status != COP_OK) return status;
    if (err != NULL && items.err.status != COP_OK) *err = items.err;
    return items.err.status;
}

/* ---- plans ---------------------------------------------------------------------------- */

struct making {
    struct cop_streams *streams;
    struct cop_engine *engine;
    const struct cop_graph *graph;
    struct cop_plan_options options;
    pthread_mutex_t
        lock; /* one after the other: what choosing a kernel times is alone */
};

static enum cop_status make_plan(void *context, int stream, struct cop_err *err)
{
    struct making *making = context;
    struct cop_plan **plans = making->streams->streams[stream].plans;
    (void)pthread_mutex_lock(&making->lock);
    enum cop_status status = cop_plan_create(
        making->engine,
        making->graph,
        &making->options,
        &plans[making->streams->n_plans],
        err);
    (void)pthread_mutex_unlock(&making->lock);
    return status;
}

static enum cop_status make_room(struct cop_streams *streams, struct cop_err *err)
{
    size_t n = (size_t)streams->n_plans;
    for (int i = 0; i < streams->n; i++) {
        struct stream *stream = &streams->streams[i];
        struct cop_plan **plans = cop_mem_grow(stream->plans, n, n + 1, sizeof *plans);
        if (plans == NULL) return COP_FAIL_NOMEM(err);
        plans[n] = NULL;
        stream->plans = plans;
    }
    return COP_OK;
}

enum cop_status cop_streams_add_plan(
    struct cop_streams *streams,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *plan_options,
    int32_t *index,
    struct cop_err *err)
{
    assert(streams->engine == NULL || streams->engine == engine);
    COP_TRY(make_room(streams, err));
    struct making making = {
        .streams = streams,
        .engine = engine,
        .graph = graph,
        .options = *plan_options,
    };
    making.options.threads = streams->threads;
    (void)pthread_mutex_init(&making.lock, NULL);
    enum cop_status status = cop_streams_run(streams, make_plan, &making, err);
    (void)pthread_mutex_destroy(&making.lock);
    if (status != COP_OK) {
        for (int i = 0; i < streams->n; i++)
            cop_plan_destroy(streams->streams[i].plans[streams->n_plans]);
        return status;
    }
    streams->engine = engine;
    *index = streams->n_plans++;
    return COP_OK;
}

struct cop_plan *cop_streams_plan(
    const struct cop_streams *streams, int stream, int32_t index)
{
    assert(stream >= 0 && stream < streams->n);
    assert(index >= 0 && index < streams->n_plans);
    return streams->streams[stream].plans[index];
}

void cop_streams_memory(
    const struct cop_streams *streams, struct cop_plan_memory *memory)
{
    *memory = (struct cop_plan_memory){0};
    if (streams->engine != NULL)
        memory->weights_bytes = cop_weights_bytes(streams->engine->weights);
    for (int i = 0; i < streams->n; i++) {
        for (int32_t k = 0; k < streams->n_plans; k++) {
            struct cop_plan_memory own;
            cop_plan_memory(streams->streams[i].plans[k], &own);
            memory->activation_bytes += own.activation_bytes;
            memory->scratchpad_bytes += own.scratchpad_bytes;
        }
    }
}
