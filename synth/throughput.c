/* synth/throughput.c - streams timed together; see throughput.h. */
#include "synth/throughput.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/stats.h"
#include "engine/streams.h"
#include "synth/bench_impl.h"

enum { LEAST_RUNS = 5 };
static const double RUN_FOR_MS = 1500.0;

/* What one stream brings and takes. */
struct runner {
    struct cop_bench_inputs inputs;
    double warm_ms; /* of the last run before it counts */
    double *ms;     /* [n_runs] */
    int64_t n_runs;
    int64_t cap;
    double elapsed_ms; /* from the common start to the end of the last run counted */
};

struct measuring {
    struct cop_streams *streams;
    int32_t plan;
    double for_ms;
    struct runner *runners; /* [streams] */
};

/* ---- in the streams ------------------------------------------------------------------- */

static enum cop_status warm_up(void *context, int stream, struct cop_err *err)
{
    struct measuring *measuring = context;
    struct runner *runner = &measuring->runners[stream];
    struct cop_plan *plan =
        cop_streams_plan(measuring->streams, stream, measuring->plan);
    COP_TRY(cop_bench__inputs(plan, &runner->inputs, err));
    for (int i = 0; i < COP_BENCH_WARM_UPS; i++)
        COP_TRY(cop_bench__time_run(plan, &runner->inputs, &runner->warm_ms, err));
    return COP_OK;
}

static enum cop_status keep(struct runner *runner, double ms, struct cop_err *err)
{
    if (runner->n_runs == runner->cap) {
        int64_t cap = runner->cap > 0 ? 2 * runner->cap : 1024;
        double *grown =
            cop_mem_grow(runner->ms, (size_t)runner->cap, (size_t)cap, sizeof *grown);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        runner->ms = grown;
        runner->cap = cap;
    }
    runner->ms[runner->n_runs++] = ms;
    return COP_OK;
}

/* The first run counts in any case: there is always something to tell. */
static enum cop_status run_until(void *context, int stream, struct cop_err *err)
{
    struct measuring *measuring = context;
    struct runner *runner = &measuring->runners[stream];
    struct cop_plan *plan =
        cop_streams_plan(measuring->streams, stream, measuring->plan);
    double begun = cop_clock_ms();
    for (;;) {
        double ms;
        COP_TRY(cop_bench__time_run(plan, &runner->inputs, &ms, err));
        double elapsed = cop_clock_ms() - begun;
        bool is_late = elapsed > measuring->for_ms;
        if (is_late && runner->n_runs > 0) return COP_OK;
        COP_TRY(keep(runner, ms, err));
        runner->elapsed_ms = elapsed;
        if (is_late) return COP_OK;
    }
}

/* ---- one division --------------------------------------------------------------------- */

static struct cop_latency_stats stats_of(double *ms, int64_t n)
{
    return (struct cop_latency_stats){
        .runs = n,
        .median_ms = cop_stats_quantile(ms, n, 0.5),
        .p90_ms = cop_stats_quantile(ms, n, 0.9),
        .p99_ms = cop_stats_quantile(ms, n, 0.99),
    };
}

static enum cop_status summarise(
    const struct measuring *measuring,
    struct cop_throughput *result,
    struct cop_err *err)
{
    int64_t n_runs = 0;
    for (int i = 0; i < result->streams; i++)
        n_runs += measuring->runners[i].n_runs;
    result->each = cop_mem_array((size_t)result->streams, sizeof *result->each);
    double *ms = cop_mem_array((size_t)n_runs, sizeof *ms);
    if (result->each == NULL || ms == NULL) {
        cop_mem_free(ms);
        return COP_FAIL_NOMEM(err);
    }
    n_runs = 0;
    for (int i = 0; i < result->streams; i++) {
        const struct runner *runner = &measuring->runners[i];
        for (int64_t k = 0; k < runner->n_runs; k++)
            ms[n_runs++] = runner->ms[k];
        result->images_per_s +=
            1000.0 * (double)(runner->n_runs * result->mb) / runner->elapsed_ms;
        result->each[i] = stats_of(runner->ms, runner->n_runs);
    }
    result->all = stats_of(ms, n_runs);
    cop_mem_free(ms);
    struct cop_plan_memory memory;
    cop_streams_memory(measuring->streams, &memory);
    result->peak_bytes =
        (int64_t)(memory.weights_bytes + memory.activation_bytes + memory.scratchpad_bytes);
    return COP_OK;
}

static enum cop_status run_together(
    struct measuring *measuring, double for_ms, struct cop_err *err)
{
    COP_TRY(cop_streams_run(measuring->streams, warm_up, measuring, err));
    double slowest = 0.0;
    for (int i = 0; i < cop_streams_n(measuring->streams); i++) {
        if (measuring->runners[i].warm_ms > slowest)
            slowest = measuring->runners[i].warm_ms;
    }
    measuring->for_ms = for_ms > 0.0 ? for_ms : RUN_FOR_MS;
    if (measuring->for_ms < LEAST_RUNS * slowest)
        measuring->for_ms = LEAST_RUNS * slowest;
    return cop_streams_run(measuring->streams, run_until, measuring, err);
}

static enum cop_status measure(
    struct measuring *measuring,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_throughput *result,
    struct cop_err *err)
{
    result->mb = options->mb > 0 ? options->mb : 1;
    result->streams = cop_streams_n(measuring->streams);
    result->threads = cop_streams_threads(measuring->streams);
    result->is_pinned = cop_streams_is_pinned(measuring->streams);
    measuring->runners =
        cop_mem_array((size_t)result->streams, sizeof *measuring->runners);
    if (measuring->runners == NULL) return COP_FAIL_NOMEM(err);
    const struct cop_plan_options plan_options = {.mb = result->mb, .may_slice = true};
    COP_TRY(cop_streams_add_plan(
        measuring->streams, engine, graph, &plan_options, &measuring->plan, err));
    COP_TRY(run_together(measuring, options->ms, err));
    return summarise(measuring, result, err);
}

enum cop_status cop_throughput_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_throughput *result,
    struct cop_err *err)
{
    *result = (struct cop_throughput){0};
    struct measuring measuring = {0};
    const struct cop_streams_options streams = {
        .n = options->streams, .threads = options->threads};
    COP_TRY(cop_streams_create(&streams, &measuring.streams, err));
    enum cop_status status = measure(&measuring, engine, graph, options, result, err);
    for (int i = 0; measuring.runners != NULL && i < result->streams; i++) {
        cop_bench__inputs_clear(&measuring.runners[i].inputs);
        cop_mem_free(measuring.runners[i].ms);
    }
    cop_mem_free(measuring.runners);
    cop_streams_destroy(measuring.streams);
    if (status != COP_OK) cop_throughput_clear(result);
    return status;
}

void cop_throughput_clear(struct cop_throughput *result)
{
    cop_mem_free(result->each);
    *result = (struct cop_throughput){0};
}

/* ---- all divisions -------------------------------------------------------------------- */

/* The mean of two measurements, in @p a. */
static void merge(struct cop_latency_stats *a, const struct cop_latency_stats *b)
{
    a->runs += b->runs;
    a->median_ms = 0.5 * (a->median_ms + b->median_ms);
    a->p90_ms = 0.5 * (a->p90_ms + b->p90_ms);
    a->p99_ms = 0.5 * (a->p99_ms + b->p99_ms);
}

static enum cop_status measure_once_more(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_throughput *first,
    struct cop_err *err)
{
    struct cop_throughput second;
    struct cop_throughput_options same = *options;
    same.streams = first->streams;
    same.threads = first->threads;
    COP_TRY(cop_throughput_measure(engine, graph, &same, &second, err));
    first->images_per_s = 0.5 * (first->images_per_s + second.images_per_s);
    merge(&first->all, &second.all);
    for (int i = 0; i < first->streams; i++)
        merge(&first->each[i], &second.each[i]);
    cop_throughput_clear(&second);
    return COP_OK;
}

static void choose(struct cop_divisions *divisions)
{
    divisions->most_images = divisions->least_ms = 0;
    for (int32_t i = 1; i < divisions->n; i++) {
        const struct cop_throughput *at = divisions->at;
        if (at[i].images_per_s > at[divisions->most_images].images_per_s)
            divisions->most_images = i;
        if (at[i].all.median_ms < at[divisions->least_ms].all.median_ms)
            divisions->least_ms = i;
    }
}

enum cop_status cop_divisions_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_divisions *divisions,
    struct cop_err *err)
{
    struct cop_streams_options whole = {.n = 1, .threads = options->threads};
    *divisions = (struct cop_divisions){0};
    COP_TRY(cop_streams_resolve(&whole, err));
    int n_processors = whole.threads;
    divisions->at = cop_mem_array((size_t)n_processors, sizeof *divisions->at);
    if (divisions->at == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = COP_OK;
    for (int n = 1; n <= n_processors && status == COP_OK; n++) {
        if (n_processors % n != 0) continue;
        struct cop_throughput_options own = *options;
        own.streams = n;
        own.threads = n_processors / n;
        status = cop_throughput_measure(
            engine, graph, &own, &divisions->at[divisions->n], err);
        if (status == COP_OK) divisions->n++;
    }
    for (int32_t i = divisions->n - 1; i >= 0 && status == COP_OK; i--)
        status = measure_once_more(engine, graph, options, &divisions->at[i], err);
    if (status == COP_OK)
        choose(divisions);
    else
        cop_divisions_clear(divisions);
    return status;
}

void cop_divisions_clear(struct cop_divisions *divisions)
{
    for (int32_t i = 0; i < divisions->n; i++)
        cop_throughput_clear(&divisions->at[i]);
    cop_mem_free(divisions->at);
    *divisions = (struct cop_divisions){0};
}
