/* prune/probe.c - see probe_impl.h. */
#include "prune/probe_impl.h"

#include "base/arena.h"
#include "base/mem.h"

enum { MOST_SAMPLES = 32 };                   /* per batch */
static const int64_t most_elements = 1 << 28; /* of all values of one batch: 1 GiB */

/* One side with its plan for the batch size in hand. */
struct side {
    const struct cop_probe_side *what;
    const struct cop_value **ends; /* the values, each once */
    int32_t n_ends;
    int32_t *end_of; /* by probe value */
    float **unread;  /* [n_ends] NULL: ends are read one by one instead */
    struct cop_plan *plan;
};

/* As many samples as keep all values of a batch within the bound. */
static int64_t choose_batch(const struct cop_probe *probe)
{
    int64_t elements = 1;
    for (int32_t s = 0; s < probe->n_sides; s++) {
        for (int32_t i = 0; i < probe->n_values; i++)
            elements += cop_shape_n(&probe->sides[s].values[i]->shape);
    }
    int64_t mb = most_elements / elements;
    if (mb > MOST_SAMPLES) mb = MOST_SAMPLES;
    if (mb > probe->samples->n) mb = probe->samples->n;
    return mb > 0 ? mb : 1;
}

static enum cop_status collect_ends(
    const struct cop_probe *probe,
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
        while (e < side->n_ends && side->ends[e] != side->what->values[i])
            e++;
        if (e == side->n_ends) side->ends[side->n_ends++] = side->what->values[i];
        side->end_of[i] = e;
    }
    return COP_OK;
}

/* Value i of every side, to the visitor. */
static enum cop_status show_value(
    const struct cop_probe *probe,
    const struct side *sides,
    int32_t i,
    struct cop_err *err)
{
    struct cop_probe_value values[COP_PROBE_SIDES] = {0};
    float *elements[COP_PROBE_SIDES] = {NULL};
    enum cop_status status = COP_OK;
    for (int32_t s = 0; s < probe->n_sides && status == COP_OK; s++) {
        values[s].shape = *cop_plan_end_shape(sides[s].plan, sides[s].end_of[i]);
        int64_t n = cop_shape_n(&values[s].shape);
        elements[s] = cop_mem_array((size_t)n, sizeof *elements[s]);
        values[s].elements = elements[s];
        int32_t id = sides[s].what->values[i]->id;
        status = elements[s] == NULL
                     ? COP_FAIL_NOMEM(err)
                     : cop_plan_read(sides[s].plan, id, elements[s], n, err);
    }
    if (status == COP_OK) status = probe->visit(probe->context, i, values, err);
    for (int32_t s = 0; s < probe->n_sides; s++)
        cop_mem_free(elements[s]);
    return status;
}

static enum cop_status run_batch(
    const struct cop_probe *probe,
    const struct side *sides,
    int64_t first,
    int64_t mb,
    float *batch,
    struct cop_err *err)
{
    COP_TRY(cop_progress_check(probe->progress, err));
    COP_TRY(probe->samples->read(probe->samples->context, first, mb, batch, err));
    const float *starts[1] = {batch};
    for (int32_t s = 0; s < probe->n_sides; s++)
        COP_TRY(cop_plan_run(sides[s].plan, starts, sides[s].unread, err));
    for (int32_t i = 0; i < probe->n_values; i++)
        COP_TRY(show_value(probe, sides, i, err));
    cop_progress_step(probe->progress, probe->what, first + mb, probe->samples->n);
    return COP_OK;
}

/* The samples [first, last) in batches of mb, which divides their number. */
static enum cop_status run_batches(
    const struct cop_probe *probe,
    struct side *sides,
    int64_t first,
    int64_t last,
    int64_t mb,
    struct cop_err *err)
{
    float *batch = NULL;
    enum cop_status status = COP_OK;
    for (int32_t s = 0; s < probe->n_sides && status == COP_OK; s++) {
        const struct cop_plan_options options = {
            .mb = mb,
            .purpose = COP_PURPOSE_INFER,
            .ends = sides[s].ends,
            .n_ends = sides[s].n_ends,
        };
        status = cop_plan_create(
            probe->engine, sides[s].what->graph, &options, &sides[s].plan, err);
    }
    if (status != COP_OK) goto done;
    batch = cop_mem_array(
        (size_t)cop_shape_n(cop_plan_start_shape(sides[0].plan, 0)), sizeof *batch);
    if (batch == NULL) status = COP_FAIL_NOMEM(err);
    for (int64_t at = first; at < last && status == COP_OK; at += mb)
        status = run_batch(probe, sides, at, mb, batch, err);
done:
    cop_mem_free(batch);
    for (int32_t s = 0; s < probe->n_sides; s++) {
        cop_plan_destroy(sides[s].plan);
        sides[s].plan = NULL;
    }
    return status;
}

enum cop_status cop_probe__run(const struct cop_probe *probe, struct cop_err *err)
{
    int64_t n = probe->samples->n;
    if (n < 1) return COP_FAIL(err, COP_EINVAL, "there are no calibration samples");
    if (cop_graph_n_inputs(probe->sides[0].graph) != 1)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "calibration feeds one input, the network has %d",
            cop_graph_n_inputs(probe->sides[0].graph));
    if (probe->n_values == 0) return COP_OK;
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct side sides[COP_PROBE_SIDES] = {0};
    enum cop_status status = COP_OK;
    for (int32_t s = 0; s < probe->n_sides && status == COP_OK; s++) {
        sides[s].what = &probe->sides[s];
        status = collect_ends(probe, &sides[s], arena, err);
    }
    int64_t mb = choose_batch(probe);
    int64_t whole = n / mb * mb;
    if (status == COP_OK) status = run_batches(probe, sides, 0, whole, mb, err);
    if (status == COP_OK && whole < n)
        status = run_batches(probe, sides, whole, n, n - whole, err);
    cop_arena_destroy(arena);
    return status;
}
