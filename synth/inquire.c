/* synth/inquire.c - responses of a candidate against the original's; see inquire.h. */
#include "synth/inquire.h"

#include "base/mem.h"
#include "prune/coupling.h"

#include <math.h>

enum { MOST_PROBES = 1024 };

/* One linear node whose result is compared. */
struct probe {
    const struct cop_value *dst;   /* in the original */
    const struct cop_value *small; /* of the same name in the candidate */
    int32_t option;                /* whose consumer it is */
    int64_t *kept;                 /* original's channel of each of the candidate's */
    double error;
};

struct inquiry {
    struct cop_arena *arena;
    const struct cop_tables *tables;
    const struct cop_groups *groups;
    const struct cop_cut *cut;
    struct probe *probes;
    int32_t n_probes;
    struct cop_plan *plans[2];
    int64_t mb;
    float *batch;
    float *results[2];
};

/* Channels of axis 1 of @p value that stay. */
static enum cop_status kept_channels(
    const struct inquiry *inquiry,
    const struct cop_value *value,
    int64_t **kept,
    struct cop_err *err)
{
    int64_t extent = value->shape.dim[1];
    uint8_t *gone = COP_ARENA_NEW_N(inquiry->arena, extent, uint8_t);
    *kept = COP_ARENA_NEW_N(inquiry->arena, extent, int64_t);
    if (gone == NULL || *kept == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t g = 0; g < cop_groups_n(inquiry->groups); g++) {
        const struct cop_group *group = cop_groups_at(inquiry->groups, g);
        const uint8_t *keep = inquiry->cut->keep[g];
        for (int32_t m = 0; keep != NULL && m < group->n_members; m++) {
            if (group->members[m].value != value || group->members[m].axis != 1)
                continue;
            for (int64_t c = 0; c < group->n_channels; c++) {
                const int64_t *elements;
                int64_t n = 0;
                cop_group_elements(inquiry->groups, group, m, c, &elements, &n);
                for (int64_t e = 0; keep[c] == 0 && e < n; e++)
                    gone[elements[e]] = 1;
            }
        }
    }
    int64_t n_kept = 0;
    for (int64_t c = 0; c < extent; c++) {
        if (gone[c] == 0) (*kept)[n_kept++] = c;
    }
    return COP_OK;
}

static enum cop_status add_probe(
    struct inquiry *inquiry,
    const struct cop_graph *candidate,
    const struct cop_node *node,
    int32_t option,
    struct cop_err *err)
{
    const struct cop_node *twin = cop_graph_find_node(candidate, node->name);
    bool fits = twin != NULL && inquiry->n_probes < MOST_PROBES &&
                node->dst[0]->shape.rank >= 2;
    if (!fits) return COP_OK;
    struct probe probe = {.dst = node->dst[0], .small = twin->dst[0], .option = option};
    COP_TRY(kept_channels(inquiry, probe.dst, &probe.kept, err));
    inquiry->probes[inquiry->n_probes++] = probe;
    return COP_OK;
}

/* The linear nodes that read a group through one of its consumer constants. */
static enum cop_status find_probes(
    struct inquiry *inquiry, const struct cop_graph *candidate, struct cop_err *err)
{
    inquiry->probes = COP_ARENA_NEW_N(inquiry->arena, MOST_PROBES, struct probe);
    if (inquiry->probes == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < cop_tables_n_options(inquiry->tables); o++) {
        const struct cop_group *group = cop_tables_option(inquiry->tables, o)->group;
        if (inquiry->cut->keep[group->id] == NULL) continue;
        for (int32_t m = 0; m < group->n_members; m++) {
            const struct cop_value *value = group->members[m].value;
            if (!group->members[m].is_consumer) continue;
            for (int32_t u = 0; u < value->n_uses; u++) {
                const struct cop_node *node = value->uses[u].node;
                struct cop_linear linear;
                if (node->op->coupling->linear(node, &linear) && linear.dst_axis == 1)
                    COP_TRY(add_probe(inquiry, candidate, node, o, err));
            }
        }
    }
    return COP_OK;
}

static enum cop_status make_plans(
    struct inquiry *inquiry,
    struct cop_engine *engine,
    const struct cop_graph *original,
    const struct cop_graph *candidate,
    struct cop_err *err)
{
    int32_t n = inquiry->n_probes;
    const struct cop_value **ends[2];
    for (int side = 0; side < 2; side++) {
        ends[side] = COP_ARENA_NEW_N(inquiry->arena, n, const struct cop_value *);
        if (ends[side] == NULL) return COP_FAIL_NOMEM(err);
    }
    int64_t largest = 0;
    for (int32_t i = 0; i < n; i++) {
        ends[0][i] = inquiry->probes[i].dst;
        ends[1][i] = inquiry->probes[i].small;
        int64_t elements = cop_shape_n(&inquiry->probes[i].dst->shape) * inquiry->mb;
        if (elements > largest) largest = elements;
    }
    const struct cop_graph *graphs[2] = {original, candidate};
    for (int side = 0; side < 2; side++) {
        const struct cop_plan_options options = {
            .mb = inquiry->mb, .taps = ends[side], .n_taps = n};
        COP_TRY(cop_plan_create(
            engine, graphs[side], &options, &inquiry->plans[side], err));
        inquiry->results[side] = cop_mem_array((size_t)largest, sizeof(float));
        if (inquiry->results[side] == NULL) return COP_FAIL_NOMEM(err);
    }
    int64_t n_input = cop_shape_n(cop_plan_start_shape(inquiry->plans[0], 0));
    inquiry->batch = cop_mem_array((size_t)n_input, sizeof(float));
    return inquiry->batch != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* Relative squared error over the kept channels; the original's energy is taken around
 * each channel's mean of the batch. */
static double compare(
    const struct inquiry *inquiry,
    const struct probe *probe,
    const float *original, /* [mb][c][spatial] */
    const float *candidate /* [mb][kept][spatial] */)
{
    int64_t n_original = probe->dst->shape.dim[1];
    int64_t n_kept = probe->small->shape.dim[1];
    int64_t spatial = cop_shape_span(&probe->dst->shape, 2, probe->dst->shape.rank);
    double squared = 0.0;
    double energy = 0.0;
    for (int64_t k = 0; k < n_kept; k++) {
        double sum = 0.0;
        double sum_squares = 0.0;
        for (int64_t s = 0; s < inquiry->mb; s++) {
            const float *a = original + (s * n_original + probe->kept[k]) * spatial;
            const float *b = candidate + (s * n_kept + k) * spatial;
            for (int64_t i = 0; i < spatial; i++) {
                double difference = (double)a[i] - (double)b[i];
                squared += difference * difference;
                sum += (double)a[i];
                sum_squares += (double)a[i] * (double)a[i];
            }
        }
        energy += sum_squares - sum * sum / (double)(inquiry->mb * spatial);
    }
    return energy > 0.0 ? squared / energy : 0.0;
}

static enum cop_status probe_batch(struct inquiry *inquiry, struct cop_err *err)
{
    const float *starts[1] = {inquiry->batch};
    for (int side = 0; side < 2; side++)
        COP_TRY(cop_plan_run(inquiry->plans[side], starts, NULL, err));
    for (int32_t i = 0; i < inquiry->n_probes; i++) {
        struct probe *probe = &inquiry->probes[i];
        const struct cop_value *values[2] = {probe->dst, probe->small};
        for (int side = 0; side < 2; side++)
            COP_TRY(cop_plan_read(
                inquiry->plans[side],
                values[side]->id,
                inquiry->results[side],
                cop_shape_n(&values[side]->shape) * inquiry->mb,
                err));
        probe->error +=
            compare(inquiry, probe, inquiry->results[0], inquiry->results[1]);
    }
    return COP_OK;
}

static enum cop_status run_inquiry(
    struct inquiry *inquiry,
    const struct cop_sample_source *samples,
    int64_t n_samples,
    double *observed,
    struct cop_err *err)
{
    int64_t n_batches = 0;
    for (int64_t first = 0; first + inquiry->mb <= n_samples; first += inquiry->mb) {
        COP_TRY(
            samples->read(samples->context, first, inquiry->mb, inquiry->batch, err));
        COP_TRY(probe_batch(inquiry, err));
        n_batches++;
    }
    int32_t n_options = cop_tables_n_options(inquiry->tables);
    int32_t *n_of = COP_ARENA_NEW_N(inquiry->arena, n_options, int32_t);
    if (n_of == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t o = 0; o < n_options; o++)
        observed[o] = 0.0;
    for (int32_t i = 0; i < inquiry->n_probes; i++) {
        const struct probe *probe = &inquiry->probes[i];
        observed[probe->option] += probe->error / (double)n_batches;
        n_of[probe->option]++;
    }
    for (int32_t o = 0; o < n_options; o++) {
        if (n_of[o] > 0) observed[o] /= (double)n_of[o];
    }
    return COP_OK;
}

enum cop_status cop_inquire(
    struct cop_engine *engine,
    const struct cop_tables *tables,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_graph *candidate,
    const struct cop_sample_source *samples,
    int64_t n_samples,
    double *observed,
    struct cop_err *err)
{
    struct inquiry inquiry = {
        .arena = cop_arena_create(),
        .tables = tables,
        .groups = groups,
        .cut = cut,
        .mb = 16,
    };
    if (inquiry.arena == NULL) return COP_FAIL_NOMEM(err);
    if (n_samples > samples->n) n_samples = samples->n;
    if (inquiry.mb > n_samples) inquiry.mb = n_samples;
    enum cop_status status = find_probes(&inquiry, candidate, err);
    if (status == COP_OK)
        status = make_plans(&inquiry, engine, cop_groups_graph(groups), candidate, err);
    if (status == COP_OK)
        status = run_inquiry(&inquiry, samples, n_samples, observed, err);
    for (int side = 0; side < 2; side++) {
        cop_plan_destroy(inquiry.plans[side]);
        cop_mem_free(inquiry.results[side]);
    }
    cop_mem_free(inquiry.batch);
    cop_arena_destroy(inquiry.arena);
    return status;
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

void cop_adjust(
    const struct cop_tables *tables,
    const int32_t *choice,
    const double *observed,
    double rate,
    double *coefficients)
{
    double log_sum = 0.0;
    int32_t n = cop_tables_n_options(tables);
    for (int32_t o = 0; o < n; o++) {
        double predicted = cop_tables_option(tables, o)->errors[choice[o]];
        if (predicted <= 0.0 || observed[o] <= 0.0) continue;
        log_sum += log(observed[o] / predicted);
    }
    double mean = n > 0 ? log_sum / (double)n : 0.0;
    for (int32_t o = 0; o < cop_tables_n_options(tables); o++) {
        double predicted = cop_tables_option(tables, o)->errors[choice[o]];
        if (predicted <= 0.0 || observed[o] <= 0.0) continue;
        double factor = exp(rate * (log(observed[o] / predicted) - mean));
        coefficients[o] *= clip(factor, 1.0 / 8.0, 8.0);
        coefficients[o] = clip(coefficients[o], 1e-3, 1e3);
    }
}
