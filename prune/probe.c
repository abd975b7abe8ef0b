/* prune/probe.c - see probe_impl.h. */
#include "prune/probe_impl.h"

#include "base/mem.h"

enum { MOST_SAMPLES = 32 };                   /* per batch */
static const int64_t most_elements = 1 << 28; /* of all values of one batch: 1 GiB */

/* As many samples as keep all values of a batch within the bound. */
static int64_t choose_batch(const struct cop_probe *probe)
{
    int64_t elements = 1;
    for (int32_t i = 0; i < probe->n_values; i++)
        elements += cop_shape_n(&probe->values[i]->shape);
    int64_t mb = most_elements / elements;
    if (mb > MOST_SAMPLES) mb = MOST_SAMPLES;
    if (mb > probe->samples->n) mb = probe->samples->n;
    return mb > 0 ? mb : 1;
}

/* The values to compute, each once, and where each value lies among them. */
struct ends {
    const struct cop_value **at;
    int32_t n;
    int32_t *of; /* by probe value */
};

static void collect_ends(const struct cop_probe *probe, struct ends *ends)
{
    for (int32_t i = 0; i < probe->n_values; i++) {
        int32_t e = 0;
        while (e < ends->n && ends->at[e] != probe->values[i])
            e++;
        if (e == ends->n) ends->at[ends->n++] = probe->values[i];
        ends->of[i] = e;
    }
}

static enum cop_status show_values(
    const struct cop_probe *probe,
    struct cop_plan *plan,
    const struct ends *ends,
    struct cop_err *err)
{
    for (int32_t i = 0; i < probe->n_values; i++) {
        const struct cop_shape *shape = cop_plan_end_shape(plan, ends->of[i]);
        int64_t n = cop_shape_n(shape);
        float *elements = cop_mem_array((size_t)n, sizeof *elements);
        if (elements == NULL) return COP_FAIL_NOMEM(err);
        enum cop_status status =
            cop_plan_read(plan, probe->values[i]->id, elements, n, err);
        if (status == COP_OK)
            status = probe->visit(probe->context, i, elements, shape, err);
        cop_mem_free(elements);
        COP_TRY(status);
    }
    return COP_OK;
}

/* The samples [first, last) in batches of mb, which divides their number. */
static enum cop_status run_batches(
    const struct cop_probe *probe,
    const struct ends *ends,
    int64_t first,
    int64_t last,
    int64_t mb,
    struct cop_err *err)
{
    struct cop_plan *plan = NULL;
    float *batch = NULL;
    float **unread = NULL; /* ends are read one by one instead */
    const struct cop_plan_options options = {
        .mb = mb,
        .purpose = COP_PURPOSE_INFER,
        .ends = ends->at,
        .n_ends = ends->n,
    };
    enum cop_status status =
        cop_plan_create(probe->engine, probe->graph, &options, &plan, err);
    if (status != COP_OK) goto done;
    status = COP_ENOMEM;
    batch = cop_mem_array(
        (size_t)cop_shape_n(cop_plan_start_shape(plan, 0)), sizeof *batch);
    unread = cop_mem_array((size_t)ends->n, sizeof *unread);
    if (batch == NULL || unread == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    for (int64_t at = first; at < last; at += mb) {
        status = cop_progress_check(probe->progress, err);
        if (status != COP_OK) goto done;
        status = probe->samples->read(probe->samples->context, at, mb, batch, err);
        if (status != COP_OK) goto done;
        const float *starts[1] = {batch};
        status = cop_plan_run(plan, starts, unread, err);
        if (status == COP_OK) status = show_values(probe, plan, ends, err);
        if (status != COP_OK) goto done;
        cop_progress_step(probe->progress, probe->what, at + mb, probe->samples->n);
    }
done:
    cop_mem_free(unread);
    cop_mem_free(batch);
    cop_plan_destroy(plan);
    return status;
}

enum cop_status cop_probe__run(const struct cop_probe *probe, struct cop_err *err)
{
    if (probe->samples->n < 1)
        return COP_FAIL(err, COP_EINVAL, "there are no calibration samples");
    if (cop_graph_n_inputs(probe->graph) != 1)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "calibration feeds one input, the network has %d",
            cop_graph_n_inputs(probe->graph));
    if (probe->n_values == 0) return COP_OK;
    struct ends ends = {
        .at = cop_mem_array((size_t)probe->n_values, sizeof *ends.at),
        .of = cop_mem_array((size_t)probe->n_values, sizeof *ends.of),
    };
    enum cop_status status = COP_ENOMEM;
    if (ends.at == NULL || ends.of == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    collect_ends(probe, &ends);
    int64_t n = probe->samples->n;
    int64_t mb = choose_batch(probe);
    int64_t whole = n / mb * mb;
    status = run_batches(probe, &ends, 0, whole, mb, err);
    if (status == COP_OK && whole < n)
        status = run_batches(probe, &ends, whole, n, n - whole, err);
done:
    cop_mem_free(ends.of);
    cop_mem_free(ends.at);
    return status;
}
