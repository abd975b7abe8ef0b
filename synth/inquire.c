/* synth/inquire.c - responses of single cuts at the outputs; see inquire.h. */
#include "synth/inquire.h"

#include "base/mem.h"
#include "prune/repair.h"

#include <math.h>
#include <string.h>

enum { BATCH = 32 };

struct cop_inquiry {
    struct cop_engine *engine;
    const struct cop_tables *tables;
    const struct cop_groups *groups;
    const struct cop_calibration *calibration;
    const struct cop_sample_source *samples;
    struct cop_arena *arena;
    int64_t mb;
    int64_t n_batches;
    int64_t n_outputs;  /* elements of the first output for one batch */
    float *batch;       /* [mb][c][h][w] */
    float *original;    /* [n_batches][n_outputs] */
    float *outputs;     /* [n_outputs] */
    double energy;      /* of the original's outputs around their means */
    double **responses; /* by option and width; negative: not asked yet */
};

/* ---- the original ------------------------------------------------------------------------ */

/* Energy of each output element around its mean over the samples. */
static double energy_of(const struct cop_inquiry *inquiry)
{
    int64_t per_sample = inquiry->n_outputs / inquiry->mb;
    int64_t n_samples = inquiry->n_batches * inquiry->mb;
    double energy = 0.0;
    for (int64_t k = 0; k < per_sample; k++) {
        double sum = 0.0;
        double squares = 0.0;
        for (int64_t s = 0; s < n_samples; s++) {
            double y = (double)inquiry->original[s * per_sample + k];
            sum += y;
            squares += y * y;
        }
        energy += squares - sum * sum / (double)n_samples;
    }
    return energy;
}

static enum cop_status run_batch(
    const struct cop_inquiry *inquiry,
    struct cop_plan *plan,
    int64_t number,
    float *outputs,
    struct cop_err *err)
{
    COP_TRY(inquiry->samples->read(
        inquiry->samples->context,
        number * inquiry->mb,
        inquiry->mb,
        inquiry->batch,
        err));
    const float *starts[1] = {inquiry->batch};
    float *ends[1] = {outputs};
    return cop_plan_run(plan, starts, ends, err);
}

static enum cop_status make_plan(
    const struct cop_inquiry *inquiry,
    const struct cop_graph *graph,
    struct cop_plan **plan,
    struct cop_err *err)
{
    const struct cop_plan_options options = {
        .mb = inquiry->mb,
        .ends = (const struct cop_value *const[]){cop_graph_output(graph, 0)},
        .n_ends = 1,
    };
    return cop_plan_create(inquiry->engine, graph, &options, plan, err);
}

static enum cop_status run_original(
    struct cop_inquiry *inquiry, struct cop_plan *plan, struct cop_err *err)
{
    struct cop_arena *arena = inquiry->arena;
    int64_t n_input = cop_shape_n(cop_plan_start_shape(plan, 0));
    inquiry->n_outputs = cop_shape_n(cop_plan_end_shape(plan, 0));
    inquiry->batch = COP_ARENA_NEW_N(arena, n_input, float);
    inquiry->outputs = COP_ARENA_NEW_N(arena, inquiry->n_outputs, float);
    inquiry->original =
        COP_ARENA_NEW_N(arena, inquiry->n_batches * inquiry->n_outputs, float);
    if (inquiry->batch == NULL || inquiry->outputs == NULL || inquiry->original == NULL)
        return COP_FAIL_NOMEM(err);
    for (int64_t b = 0; b < inquiry->n_batches; b++)
        COP_TRY(run_batch(
            inquiry, plan, b, inquiry->original + b * inquiry->n_outputs, err));
    inquiry->energy = energy_of(inquiry);
    return COP_OK;
}

static enum cop_status open_answers(struct cop_inquiry *inquiry, struct cop_err *err)
{
    int32_t n = cop_tables_n_options(inquiry->tables);
    inquiry->responses = COP_ARENA_NEW_N(inquiry->arena, n, double *);
    if (inquiry->responses == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < n; o++) {
        int32_t n_widths = cop_tables_option(inquiry->tables, o)->n_widths;
        inquiry->responses[o] = COP_ARENA_NEW_N(inquiry->arena, n_widths, double);
        if (inquiry->responses[o] == NULL) return COP_FAIL_NOMEM(err);
        for (int32_t w = 1; w < n_widths; w++)
            inquiry->responses[o][w] = -1.0;
    }
    return COP_OK;
}

enum cop_status cop_inquiry_make(
    struct cop_engine *engine,
    const struct cop_tables *tables,
    const struct cop_groups *groups,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    int64_t n_samples,
    struct cop_arena *arena,
    struct cop_inquiry **inquiry,
    struct cop_err *err)
{
    struct cop_inquiry *made = COP_ARENA_NEW(arena, struct cop_inquiry);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    if (n_samples > samples->n) n_samples = samples->n;
    *made = (struct cop_inquiry){
        .engine = engine,
        .tables = tables,
        .groups = groups,
        .calibration = calibration,
        .samples = samples,
        .arena = arena,
        .mb = n_samples < BATCH ? n_samples : BATCH,
    };
    made->n_batches = n_samples / made->mb;
    COP_TRY(open_answers(made, err));
    struct cop_plan *plan = NULL;
    COP_TRY(make_plan(made, cop_groups_graph(groups), &plan, err));
    enum cop_status status = run_original(made, plan, err);
    cop_plan_destroy(plan);
    if (status == COP_OK) *inquiry = made;
    return status;
}

/* ---- one cut ------------------------------------------------------------------------------ */

static enum cop_status compare(
    struct cop_inquiry *inquiry,
    struct cop_plan *plan,
    double *response,
    struct cop_err *err)
{
    double squared = 0.0;
    for (int64_t b = 0; b < inquiry->n_batches; b++) {
        COP_TRY(run_batch(inquiry, plan, b, inquiry->outputs, err));
        const float *want = inquiry->original + b * inquiry->n_outputs;
        for (int64_t i = 0; i < inquiry->n_outputs; i++) {
            double change = (double)inquiry->outputs[i] - (double)want[i];
            squared += change * change;
        }
    }
    *response = inquiry->energy > 0.0 ? squared / inquiry->energy : 0.0;
    return COP_OK;
}

enum cop_status cop_inquire_graph(
    struct cop_inquiry *inquiry,
    const struct cop_graph *graph,
    double *response,
    struct cop_err *err)
{
    struct cop_plan *plan = NULL;
    COP_TRY(make_plan(inquiry, graph, &plan, err));
    enum cop_status status = compare(inquiry, plan, response, err);
    cop_plan_destroy(plan);
    return status;
}

static enum cop_status ask(
    struct cop_inquiry *inquiry, int32_t option, int32_t width, struct cop_err *err)
{
    int32_t n = cop_tables_n_options(inquiry->tables);
    struct cop_arena_mark mark = cop_arena_mark(inquiry->arena);
    int32_t *choice = COP_ARENA_NEW_N(inquiry->arena, n, int32_t);
    if (choice == NULL) return COP_FAIL_NOMEM(err);
    choice[option] = width;
    struct cop_cut cut;
    struct cop_graph *graph = NULL;
    enum cop_status status =
        cop_tables_cut(inquiry->tables, choice, inquiry->arena, &cut, err);
    if (status == COP_OK)
        status = cop_repair_consumers(
            inquiry->groups, &cut, inquiry->calibration, NULL, &graph, err);
    if (status == COP_OK)
        status =
            cop_inquire_graph(inquiry, graph, &inquiry->responses[option][width], err);
    cop_graph_destroy(graph);
    cop_arena_reset(inquiry->arena, mark);
    return status;
}

enum cop_status cop_inquire(
    struct cop_inquiry *inquiry,
    const int32_t *choice,
    const struct cop_progress *progress,
    double *responses,
    struct cop_err *err)
{
    int32_t n = cop_tables_n_options(inquiry->tables);
    for (int32_t o = 0; o < n; o++) {
        COP_TRY(cop_progress_check(progress, err));
        if (inquiry->responses[o][choice[o]] < 0.0)
            COP_TRY(ask(inquiry, o, choice[o], err));
        responses[o] = inquiry->responses[o][choice[o]];
        cop_progress_step(progress, "probe groups", o + 1, n);
    }
    return COP_OK;
}

void cop_adjust(
    const struct cop_tables *tables,
    const int32_t *choice,
    const double *responses,
    double rate,
    double *coefficients)
{
    for (int32_t o = 0; o < cop_tables_n_options(tables); o++) {
        double predicted = cop_tables_option(tables, o)->errors[choice[o]];
        if (choice[o] == 0 || predicted <= 0.0 || responses[o] <= 0.0) continue;
        double seen = log(responses[o] / predicted);
        double log_coefficient = (1.0 - rate) * log(coefficients[o]) + rate * seen;
        coefficients[o] = exp(fmin(fmax(log_coefficient, log(1e-6)), log(1e6)));
    }
}
