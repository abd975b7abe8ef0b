/* prune/statistics.c - brings the statistics of every linear result back; see repair.h.
 *
 * Per channel, with mu and s of the original and m and t of the cut network:
 * W <- W s / t, b <- (b - m) s / t + mu (REPAIR; statcorr of OBC).  The result is
 * corrected before any normalisation that follows, so that stays valid.  Each sweep
 * measures the corrected network anew, and corrects one stretch of the nodes in
 * topological order: what lies behind sees what was corrected before it. */
#include "prune/repair.h"

#include "prune/calibrate_impl.h"
#include "prune/cut_impl.h"
#include "prune/fit_impl.h"
#include "prune/probe_impl.h"
#include "prune/refit_impl.h"

#include "base/mem.h"

#include <math.h>

/* The finer the stretches, the less a node is fitted to what is corrected after it was
 * measured; each costs a pass. */
enum { STATISTICS_STRETCHES = 8 };
static const double most_ratio = 2.0; /* a deviation is not changed by more */
static const double dead = 1e-3; /* of the mean deviation: such a channel is dead */
static const double small_change = 1e-4;

struct sweep {
    struct cop_spread *spreads; /* of the cut network */
    int32_t n;
};

static enum cop_status visit(
    void *context, int32_t i, const struct cop_probe_value *value, struct cop_err *err)
{
    (void)err;
    struct sweep *sweep = context;
    cop_spread__add(&sweep->spreads[i], value->elements, &value->shape);
    return COP_OK;
}

static double mean_deviation(const struct cop_spread *spread)
{
    double sum = 0.0;
    for (int64_t c = 0; c < spread->n; c++)
        sum += spread->deviation[c] / (double)spread->n;
    return sum;
}

/* Scale and shift of each channel that is left; false if all are nearly as they were. */
static bool find_correction(
    const struct cop_cut_map *map,
    const struct cop_spread *was,
    const struct cop_spread *is,
    double *scale,
    double *shift)
{
    bool is_needed = false;
    double floor = dead * mean_deviation(was);
    int64_t at = 0;
    for (int64_t c = 0; c < was->n; c++) {
        if (!cop_cut__stays(map, was->value, was->axis, c)) continue;
        double ratio = 1.0;
        if (is->deviation[at] > floor && was->deviation[c] > floor)
            ratio = was->deviation[c] / is->deviation[at];
        ratio = fmin(fmax(ratio, 1.0 / most_ratio), most_ratio);
        scale[at] = ratio;
        shift[at] = was->mean[c] - is->mean[at] * ratio;
        is_needed = is_needed || fabs(ratio - 1.0) > small_change ||
                    fabs(was->mean[c] - is->mean[at]) > small_change * floor / dead;
        at++;
    }
    return is_needed;
}

static enum cop_status correct_node(
    const struct cop_cut_map *map,
    const struct cop_spread *was,
    const struct cop_spread *is,
    struct cop_graph *small,
    struct cop_err *err)
{
    struct cop_node *node = cop_graph_find_node(small, was->node->name);
    struct cop_linear linear;
    if (!node->op->coupling->linear(node, &linear)) return COP_OK;
    const struct cop_value *weights = node->src[linear.weights_slot];
    if (weights == NULL || weights->data == NULL || weights->dtype != COP_F32 ||
        weights->shape.dim[linear.out_axis] != is->n ||
        !cop_fit__has_bias(node, &linear))
        return COP_OK;
    double *scale = cop_mem_array((size_t)is->n * 2, sizeof *scale);
    if (scale == NULL) return COP_FAIL_NOMEM(err);
    double *shift = scale + is->n;
    enum cop_status status = COP_OK;
    if (find_correction(map, was, is, scale, shift))
        status = cop_fit__rescale(small, node, &linear, scale, shift, err);
    cop_mem_free(scale);
    return status;
}

static enum cop_status prepare(
    const struct cop_calibration *calibration,
    const struct cop_graph *small,
    struct cop_arena *arena,
    struct sweep *sweep,
    const struct cop_value **values,
    struct cop_err *err)
{
    for (int32_t i = 0; i < sweep->n; i++) {
        const struct cop_spread *was = &calibration->spreads[i];
        struct cop_spread *is = &sweep->spreads[i];
        const struct cop_node *node = cop_graph_find_node(small, was->node->name);
        if (node == NULL)
            return COP_FAIL(
                err, COP_EINVAL, "the cut network has no node '%s'", was->node->name);
        values[i] = node->dst[0];
        *is = (struct cop_spread){.node = node, .value = values[i], .axis = was->axis};
        is->n = values[i]->shape.dim[was->axis];
        is->mean = COP_ARENA_NEW_N(arena, is->n, double);
        is->deviation = COP_ARENA_NEW_N(arena, is->n, double);
        if (is->mean == NULL || is->deviation == NULL) return COP_FAIL_NOMEM(err);
    }
    return COP_OK;
}

/* Measures, then corrects the nodes [first, last). */
static enum cop_status sweep_once(
    const struct cop_cut_map *map,
    const struct cop_calibration *calibration,
    struct cop_probe *probe,
    struct cop_graph *small,
    int32_t first,
    int32_t last,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct sweep sweep = {
        .spreads = COP_ARENA_NEW_N(arena, calibration->n_spreads, struct cop_spread),
        .n = last,
    };
    const struct cop_value **values =
        COP_ARENA_NEW_N(arena, calibration->n_spreads, const struct cop_value *);
    enum cop_status status = COP_ENOMEM;
    if (sweep.spreads == NULL || values == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    status = prepare(calibration, small, arena, &sweep, values, err);
    if (status != COP_OK) goto done;
    probe->sides[0].values = values + first;
    probe->n_values = last - first;
    probe->context = &sweep;
    sweep.spreads += first;
    status = cop_probe__run(probe, err);
    for (int32_t i = first; i < last && status == COP_OK; i++) {
        cop_spread__finish(&sweep.spreads[i - first]);
        status = correct_node(
            map, &calibration->spreads[i], &sweep.spreads[i - first], small, err);
    }
done:
    cop_arena_destroy(arena);
    return status;
}

enum cop_status cop_repair_statistics(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_graph *small,
    struct cop_err *err)
{
    const struct cop_cut_map map = {.groups = groups, .cut = cut};
    struct cop_probe probe = {
        .engine = engine,
        .sides = {{.graph = small}},
        .n_sides = 1,
        .samples = samples,
        .progress = progress,
        .what = "correcting statistics",
        .visit = visit,
    };
    int32_t n = calibration->n_spreads;
    for (int32_t s = 0; s < STATISTICS_STRETCHES; s++) {
        int32_t first = (int32_t)((int64_t)n * s / STATISTICS_STRETCHES);
        int32_t last = (int32_t)((int64_t)n * (s + 1) / STATISTICS_STRETCHES);
        if (first == last) continue;
        COP_TRY(sweep_once(&map, calibration, &probe, small, first, last, err));
    }
    COP_TRY(cop_graph_infer(small, err));
    return cop_graph_check(small, err);
}

enum cop_status cop_repair_responses(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_graph *small,
    struct cop_err *err)
{
    (void)calibration;
    const struct cop_cut_map map = {.groups = groups, .cut = cut};
    const struct cop_refit refit = {
        .engine = engine,
        .map = &map,
        .samples = samples,
        .progress = progress,
        .small = small,
    };
    COP_TRY(cop_refit__all(&refit, err));
    COP_TRY(cop_graph_infer(small, err));
    return cop_graph_check(small, err);
}
