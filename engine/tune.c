/* engine/tune.c - measures the methods of convolution inside the network that needs them,
 * where caches are as warm or cold as they will be: one plan per method, every step timed,
 * the least sum of times per kind of convolution wins. */
#include "engine/conv_method.h"
#include "engine/tuner.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"

#include <string.h>

enum { MIN_RUNS = 4, MAX_RUNS = 20, MAX_STARTS = 16 };
#define BYTES_PER_MS 20e6 /* that one thread moves between near caches */
#define BUDGET_MS 600.0   /* per method, in which at least MIN_RUNS are made */

/* One kind of convolution of the network and what its methods took. */
struct kind {
    const char *key;
    const char *method; /* the best so far */
    double ms;
    double method_ms; /* of the method being measured; its steps add up */
};

struct tuning {
    struct cop_arena *arena;
    struct kind *kinds;
    int32_t n;
    float *inputs[MAX_STARTS];
};

static struct kind *find_kind(const struct tuning *tuning, const char *key)
{
    for (int32_t i = 0; i < tuning->n; i++) {
        if (strcmp(tuning->kinds[i].key, key) == 0) return &tuning->kinds[i];
    }
    return NULL;
}

/* Every kind in the plan that the tuner does not know. */
static enum cop_status list_kinds(
    struct tuning *tuning, const struct cop_plan *plan, struct cop_err *err)
{
    char method[COP_TUNER_METHOD];
    tuning->kinds = COP_ARENA_NEW_N(tuning->arena, plan->n_steps, struct kind);
    if (tuning->kinds == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const char *key = plan->steps[i]->tuning_key;
        if (key == NULL || find_kind(tuning, key) != NULL ||
            cop_tuner_find(plan->engine->tuner, key, method))
            continue;
        const char *own = cop_arena_strdup(tuning->arena, key);
        if (own == NULL) return COP_FAIL_NOMEM(err);
        tuning->kinds[tuning->n++] = (struct kind){.key = own};
    }
    return COP_OK;
}

static enum cop_status make_inputs(
    struct tuning *tuning, const struct cop_plan *plan, struct cop_err *err)
{
    struct cop_rng rng;
    cop_rng_init(&rng, 1);
    if (plan->n_starts > MAX_STARTS)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "%d inputs to tune", (int)plan->n_starts);
    for (int32_t i = 0; i < plan->n_starts; i++) {
        int64_t n = cop_shape_n(cop_plan_start_shape(plan, i));
        tuning->inputs[i] = COP_ARENA_NEW_N(tuning->arena, n, float);
        if (tuning->inputs[i] == NULL) return COP_FAIL_NOMEM(err);
        for (int64_t k = 0; k < n; k++)
            tuning->inputs[i][k] = (float)(cop_rng_unit(&rng) - 0.5);
    }
    return COP_OK;
}

/* The least time of each step over some runs. */
static enum cop_status time_steps(
    struct tuning *tuning, struct cop_plan *plan, double *least, struct cop_err *err)
{
    double *times = COP_ARENA_NEW_N(tuning->arena, plan->n_steps, double);
    if (times == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_plan_run(plan, (const float *const *)tuning->inputs, NULL, err));
    int before = cop_par_threads();
    cop_par_set_threads(plan->threads);
    enum cop_status status = COP_OK;
    double begun = cop_clock_ms();
    for (int run = 0; status == COP_OK && run < MAX_RUNS; run++) {
        if (run >= MIN_RUNS && cop_clock_ms() - begun > BUDGET_MS) break;
        memset(times, 0, (size_t)plan->n_steps * sizeof *times);
        status = cop_plan__run_steps(plan, times, err);
        for (int32_t i = 0; i < plan->n_steps; i++) {
            if (run == 0 || times[i] < least[i]) least[i] = times[i];
        }
    }
    cop_par_set_threads(before);
    return status;
}

/* What a result costs that is copied into its concat later, because this step did not
 * write it there: read and written once. */
static double copy_ms(const struct cop_plan *plan, const struct cop_step *step)
{
    const struct cop_array *dst = &plan->arrays[step->args[step->n_args - 1].array];
    const struct cop_prim *concat = plan->slots[dst->tensor].concat;
    if (concat == NULL) return 0.0;
    int32_t whole = plan->first_array[concat->dst];
    if (plan->arrays[whole].storage == dst->storage) return 0.0;
    return 2.0 * (double)cop_md_bytes(dst->md) / (BYTES_PER_MS * plan->threads);
}

/* A method that is able nowhere is not compared: its steps would be another's. */
static void compare(
    struct tuning *tuning, const struct cop_plan *plan, const double *least)
{
    const char *name = cop_conv_method_name((enum cop_conv_method)plan->method);
    for (int32_t i = 0; i < tuning->n; i++)
        tuning->kinds[i].method_ms = 0.0;
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const struct cop_step *step = plan->steps[i];
        struct kind *kind =
            step->tuning_key != NULL ? find_kind(tuning, step->tuning_key) : NULL;
        if (kind != NULL && strcmp(step->tuning_method, name) == 0)
            kind->method_ms += least[i] + copy_ms(plan, step);
    }
    for (int32_t i = 0; i < tuning->n; i++) {
        struct kind *kind = &tuning->kinds[i];
        if (kind->method_ms == 0.0) continue;
        if (kind->method != NULL && kind->method_ms >= kind->ms) continue;
        kind->method = name;
        kind->ms = kind->method_ms;
    }
}

static enum cop_status measure(
    struct tuning *tuning,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    enum cop_conv_method method,
    struct cop_err *err)
{
    struct cop_plan *plan;
    COP_TRY(cop_plan__create_with(engine, graph, options, (int)method, &plan, err));
    enum cop_status status = COP_OK;
    double *least = COP_ARENA_NEW_N(tuning->arena, plan->n_steps, double);
    if (least == NULL) status = COP_FAIL_NOMEM(err);
    if (status == COP_OK && tuning->inputs[0] == NULL)
        status = make_inputs(tuning, plan, err);
    if (status == COP_OK) status = time_steps(tuning, plan, least, err);
    if (status == COP_OK) compare(tuning, plan, least);
    cop_plan_destroy(plan);
    return status;
}

static enum cop_status tune(
    struct tuning *tuning,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    struct cop_err *err)
{
    struct cop_plan *plan;
    COP_TRY(cop_plan_create(engine, graph, options, &plan, err));
    enum cop_status status = list_kinds(tuning, plan, err);
    cop_plan_destroy(plan);
    for (int i = 0; status == COP_OK && tuning->n > 0 && i < COP_CONV_N_METHODS; i++)
        status = measure(tuning, engine, graph, options, (enum cop_conv_method)i, err);
    for (int32_t i = 0; status == COP_OK && i < tuning->n; i++)
        status = cop_tuner_put(
            engine->tuner, tuning->kinds[i].key, tuning->kinds[i].method, err);
    return status;
}

enum cop_status cop_engine_tune(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *options,
    int32_t *n_measured,
    struct cop_err *err)
{
    struct tuning tuning = {.arena = cop_arena_create()};
    if (tuning.arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = tune(&tuning, engine, graph, options, err);
    *n_measured = tuning.n;
    cop_arena_destroy(tuning.arena);
    return status;
}
