/* synth/bench.c - latency of networks, alone and in pairs; see evaluate.h. */
#include "synth/evaluate.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/stats.h"
#include "synth/bench_impl.h"

enum { LEAST_RUNS = 30, MOST_RUNS = 2000 };
static const double RUN_FOR_MS = 500.0;

struct subject {
    struct cop_plan *plan;
    struct cop_bench_inputs inputs;
    double *ms; /* one per run */
};

/* ---- inputs and one run --------------------------------------------------------------- */

enum cop_status cop_bench__inputs(
    const struct cop_plan *plan, struct cop_bench_inputs *inputs, struct cop_err *err)
{
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    inputs->n = cop_plan_n_starts(plan);
    inputs->starts = cop_mem_array((size_t)inputs->n, sizeof(float *));
    if (inputs->starts == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < inputs->n; i++) {
        int64_t n = cop_shape_n(cop_plan_start_shape(plan, i));
        inputs->starts[i] = cop_mem_array((size_t)n, sizeof(float));
        if (inputs->starts[i] == NULL) return COP_FAIL_NOMEM(err);
        for (int64_t k = 0; k < n; k++)
            inputs->starts[i][k] = (float)cop_rng_range(&rng, -1.0, 1.0);
    }
    return COP_OK;
}

void cop_bench__inputs_clear(struct cop_bench_inputs *inputs)
{
    for (int32_t i = 0; inputs->starts != NULL && i < inputs->n; i++)
        cop_mem_free(inputs->starts[i]);
    cop_mem_free(inputs->starts);
    *inputs = (struct cop_bench_inputs){0};
}

enum cop_status cop_bench__time_run(
    struct cop_plan *plan,
    const struct cop_bench_inputs *inputs,
    double *ms,
    struct cop_err *err)
{
    double before = cop_clock_ms();
    COP_TRY(cop_plan_run(plan, (const float *const *)inputs->starts, NULL, err));
    *ms = cop_clock_ms() - before;
    return COP_OK;
}

/* ---- latency -------------------------------------------------------------------------- */

static void subject_clear(struct subject *subject)
{
    cop_bench__inputs_clear(&subject->inputs);
    cop_mem_free(subject->ms);
    cop_plan_destroy(subject->plan);
}

static enum cop_status time_run(
    struct subject *subject, double *ms, struct cop_err *err)
{
    return cop_bench__time_run(subject->plan, &subject->inputs, ms, err);
}

static enum cop_status subject_init(
    struct subject *subject,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_bench_options *options,
    struct cop_err *err)
{
    const struct cop_plan_options plan_options = {
        .mb = options->mb > 0 ? options->mb : 1,
        .threads = options->threads,
        .may_slice = true,
    };
    COP_TRY(cop_plan_create(engine, graph, &plan_options, &subject->plan, err));
    COP_TRY(cop_bench__inputs(subject->plan, &subject->inputs, err));
    subject->ms = cop_mem_array(MOST_RUNS, sizeof(double));
    if (subject->ms == NULL) return COP_FAIL_NOMEM(err);
    for (int i = 0; i < COP_BENCH_WARM_UPS; i++)
        COP_TRY(time_run(subject, &subject->ms[0], err));
    return COP_OK;
}

static int64_t runs_for(
    const struct cop_bench_options *options, const struct subject *slowest)
{
    if (options->runs > 0) return options->runs < MOST_RUNS ? options->runs : MOST_RUNS;
    int64_t fit = (int64_t)(RUN_FOR_MS / (slowest->ms[0] + 1e-6));
    if (fit < LEAST_RUNS) return LEAST_RUNS;
    return fit < MOST_RUNS ? fit : MOST_RUNS;
}

static void summarise(
    const struct subject *subject,
    const struct cop_bench_options *options,
    int64_t runs,
    struct cop_bench_result *result)
{
    struct cop_plan_memory memory;
    cop_plan_memory(subject->plan, &memory);
    *result = (struct cop_bench_result){
        .mb = options->mb > 0 ? options->mb : 1,
        .threads = options->threads > 0 ? options->threads : cop_par_max_threads(),
        .runs = runs,
        .median_ms = cop_stats_quantile(subject->ms, runs, 0.5),
        .p95_ms = cop_stats_quantile(subject->ms, runs, 0.95),
        .min_ms = cop_stats_quantile(subject->ms, runs, 0.0),
        .peak_bytes =
            (int64_t)(memory.weights_bytes + memory.activation_bytes + memory.scratchpad_bytes),
    };
    result->images_per_s = 1000.0 * (double)result->mb / result->median_ms;
}

enum cop_status cop_bench(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_bench_options *options,
    struct cop_bench_result *result,
    struct cop_err *err)
{
    struct subject subject = {0};
    enum cop_status status = subject_init(&subject, engine, graph, options, err);
    int64_t runs = status == COP_OK ? runs_for(options, &subject) : 0;
    for (int64_t i = 0; i < runs && status == COP_OK; i++)
        status = time_run(&subject, &subject.ms[i], err);
    if (status == COP_OK) summarise(&subject, options, runs, result);
    subject_clear(&subject);
    return status;
}

static enum cop_status time_pairs(
    struct subject subjects[2], int64_t runs, double *ratios, struct cop_err *err)
{
    for (int64_t i = 0; i < runs; i++) {
        COP_TRY(time_run(&subjects[0], &subjects[0].ms[i], err));
        COP_TRY(time_run(&subjects[1], &subjects[1].ms[i], err));
        ratios[i] = subjects[1].ms[i] / subjects[0].ms[i];
    }
    return COP_OK;
}

enum cop_status cop_bench_pair(
    struct cop_engine *engine,
    const struct cop_graph *const graphs[2],
    const struct cop_bench_options *options,
    struct cop_bench_result results[2],
    double *ratio,
    struct cop_err *err)
{
    struct subject subjects[2] = {{0}, {0}};
    double *ratios = cop_mem_array(MOST_RUNS, sizeof *ratios);
    enum cop_status status = ratios != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    for (int i = 0; i < 2 && status == COP_OK; i++)
        status = subject_init(&subjects[i], engine, graphs[i], options, err);
    int64_t runs = status == COP_OK ? runs_for(options, &subjects[0]) : 0;
    if (status == COP_OK) status = time_pairs(subjects, runs, ratios, err);
    if (status == COP_OK) {
        *ratio = cop_stats_quantile(ratios, runs, 0.5);
        for (int i = 0; i < 2; i++)
            summarise(&subjects[i], options, runs, &results[i]);
    }
    cop_mem_free(ratios);
    for (int i = 0; i < 2; i++)
        subject_clear(&subjects[i]);
    return status;
}
