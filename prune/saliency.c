/* prune/saliency.c - what the loss says of each channel; see saliency.h. */
#include "prune/saliency.h"

#include "base/mem.h"

#include <math.h>

struct pass {
    struct cop_engine *engine;
    const struct cop_groups *groups;
    const struct cop_sample_source *samples;
    const int32_t *labels;
    struct cop_plan *plan;
    float *input;
    float *scores;
    float *diff_scores;
    int64_t n_scores;
    float *diff;   /* of the largest member */
    double **gate; /* by group id: dL/dgate of the sample in hand */
    struct cop_saliency *out;
};

/* ---- the loss ------------------------------------------------------------------------- */

static bool is_distribution(const float *scores, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (scores[i] < 0.0F) return false;
        sum += (double)scores[i];
    }
    return fabs(sum - 1.0) < 1e-3;
}

/* Gradient of cross entropy by the scores. */
static void diff_loss(const float *scores, int64_t n, int64_t label, float *diff)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        if (scores[i] > scores[best]) best = i;
    }
    if (label < 0 || label >= n) label = best;
    bool is_softmax = is_distribution(scores, n);
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)scores[i] - (double)scores[best]);
    for (int64_t i = 0; i < n; i++) {
        double p = exp((double)scores[i] - (double)scores[best]) / sum;
        diff[i] = is_softmax ? 0.0F : (float)(p - (i == label));
    }
    if (is_softmax) diff[label] = -1.0F / fmaxf(scores[label], 1e-12F);
}

/* ---- gates ------------------------------------------------------------------------------ */

static bool is_weight(const struct cop_value *value)
{
    return value->data != NULL && value->dtype == COP_F32;
}

/* Whether the member is where the group is gated. */
static bool is_gated(const struct cop_group *group, int32_t m)
{
    bool has_reader = false;
    for (int32_t k = 0; k < group->n_members; k++)
        has_reader = has_reader || (is_weight(group->members[k].value) &&
                                    group->members[k].is_consumer);
    return is_weight(group->members[m].value) &&
           (!has_reader || group->members[m].is_consumer);
}

/* Adds weight times gradient over the slices of every channel. */
static void add_products(
    const struct pass *pass, const struct cop_group *group, int32_t m, double *gate)
{
    const struct cop_member *member = &group->members[m];
    const struct cop_shape *shape = &member->value->shape;
    const void *weights = cop_buf_data(member->value->data);
    int64_t extent = shape->dim[member->axis];
    int64_t outer = cop_shape_span(shape, 0, member->axis);
    int64_t inner = cop_shape_span(shape, member->axis + 1, shape->rank);
    for (int64_t c = 0; c < group->n_channels; c++) {
        const int64_t *elements;
        int64_t n;
        cop_group_elements(pass->groups, group, m, c, &elements, &n);
        for (int64_t o = 0; o < outer; o++) {
            for (int64_t e = 0; e < n; e++) {
                int64_t first = (o * extent + elements[e]) * inner;
                double sum = 0.0;
                for (int64_t i = first; i < first + inner; i++)
                    sum += (double)cop_f32_at(weights, i) * (double)pass->diff[i];
                gate[c] += sum;
            }
        }
    }
}

static enum cop_status find_gates(const struct pass *pass, struct cop_err *err)
{
    for (int32_t g = 0; g < cop_groups_n(pass->groups); g++) {
        const struct cop_group *group = cop_groups_at(pass->groups, g);
        double *gate = pass->gate[g];
        if (gate == NULL) continue;
        for (int64_t c = 0; c < group->n_channels; c++)
            gate[c] = 0.0;
        for (int32_t m = 0; m < group->n_members; m++) {
            const struct cop_value *value = group->members[m].value;
            if (!is_gated(group, m)) continue;
            COP_TRY(cop_plan_read_diff(
                pass->plan, value->id, pass->diff, cop_shape_n(&value->shape), err));
            add_products(pass, group, m, gate);
        }
        double share = 1.0 / (double)pass->out->n;
        for (int64_t c = 0; c < group->n_channels; c++) {
            pass->out->taylor[g][c] += share * fabs(gate[c]);
            pass->out->fisher[g][c] += share * gate[c] * gate[c];
        }
    }
    return COP_OK;
}

/* ---- the pass ------------------------------------------------------------------------------ */

static enum cop_status make_room(
    struct pass *pass, struct cop_arena *arena, struct cop_err *err)
{
    int32_t n = cop_groups_n(pass->groups);
    int64_t largest = 1;
    struct cop_saliency *out = pass->out;
    out->taylor = COP_ARENA_NEW_N(arena, n, double *);
    out->fisher = COP_ARENA_NEW_N(arena, n, double *);
    pass->gate = COP_ARENA_NEW_N(arena, n, double *);
    if (out->taylor == NULL || out->fisher == NULL || pass->gate == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t g = 0; g < n; g++) {
        const struct cop_group *group = cop_groups_at(pass->groups, g);
        if (group->frozen_because != NULL) continue;
        out->taylor[g] = COP_ARENA_NEW_N(arena, group->n_channels, double);
        out->fisher[g] = COP_ARENA_NEW_N(arena, group->n_channels, double);
        pass->gate[g] = COP_ARENA_NEW_N(arena, group->n_channels, double);
        if (out->taylor[g] == NULL || out->fisher[g] == NULL || pass->gate[g] == NULL)
            return COP_FAIL_NOMEM(err);
        for (int32_t m = 0; m < group->n_members; m++) {
            int64_t n_elements = cop_shape_n(&group->members[m].value->shape);
            if (is_gated(group, m) && n_elements > largest) largest = n_elements;
        }
    }
    int64_t n_input = cop_shape_n(cop_plan_start_shape(pass->plan, 0));
    pass->n_scores = cop_shape_n(cop_plan_end_shape(pass->plan, 0));
    pass->diff = cop_mem_array((size_t)largest, sizeof(float));
    pass->input = cop_mem_array((size_t)n_input, sizeof(float));
    pass->scores = cop_mem_array((size_t)pass->n_scores, sizeof(float));
    pass->diff_scores = cop_mem_array((size_t)pass->n_scores, sizeof(float));
    if (pass->diff == NULL || pass->input == NULL || pass->scores == NULL ||
        pass->diff_scores == NULL)
        return COP_FAIL_NOMEM(err);
    return COP_OK;
}

static enum cop_status run(
    struct pass *pass, const struct cop_progress *progress, struct cop_err *err)
{
    for (int64_t i = 0; i < pass->samples->n; i++) {
        COP_TRY(cop_progress_check(progress, err));
        COP_TRY(pass->samples->read(pass->samples->context, i, 1, pass->input, err));
        COP_TRY(cop_plan_run(
            pass->plan,
            (const float *const[]){pass->input},
            (float *const[]){pass->scores},
            err));
        int64_t label = pass->labels != NULL ? pass->labels[i] : -1;
        diff_loss(pass->scores, pass->n_scores, label, pass->diff_scores);
        COP_TRY(cop_plan_backward(
            pass->plan, (const float *const[]){pass->diff_scores}, err));
        COP_TRY(find_gates(pass, err));
        cop_progress_step(progress, "gradients", i + 1, pass->samples->n);
    }
    return COP_OK;
}

enum cop_status cop_saliency_measure(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_sample_source *samples,
    const int32_t *labels,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    struct cop_saliency **saliency,
    struct cop_err *err)
{
    const struct cop_graph *graph = cop_groups_graph(groups);
    struct cop_saliency *out = COP_ARENA_NEW(arena, struct cop_saliency);
    if (out == NULL) return COP_FAIL_NOMEM(err);
    out->n = samples->n;
    struct pass pass = {
        .engine = engine,
        .groups = groups,
        .samples = samples,
        .labels = labels,
        .out = out,
    };
    const struct cop_plan_options options = {
        .mb = 1,
        .purpose = COP_PURPOSE_BACKWARD,
        .ends = (const struct cop_value *const[]){cop_graph_output(graph, 0)},
        .n_ends = 1,
    };
    enum cop_status status = cop_plan_create(engine, graph, &options, &pass.plan, err);
    if (status == COP_OK) status = make_room(&pass, arena, err);
    if (status == COP_OK) status = run(&pass, progress, err);
    if (status == COP_OK) *saliency = out;
    cop_mem_free(pass.diff);
    cop_mem_free(pass.input);
    cop_mem_free(pass.scores);
    cop_mem_free(pass.diff_scores);
    cop_plan_destroy(pass.plan);
    return status;
}
