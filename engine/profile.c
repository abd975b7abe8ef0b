/* engine/profile.c - what the steps of a plan do, and how long each takes. */
#include "engine/plan_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"
#include "base/stats.h"

int32_t cop_plan_n_steps(const struct cop_plan *plan)
{
    return plan->n_steps;
}

/* ---- what it does --------------------------------------------------------------------- */

/* Multiply-accumulates of one slice, by definition. */
static int64_t macs_of(const struct cop_plan *plan, const struct cop_prim *prim)
{
    if (prim == NULL) return 0;
    int64_t n_results = cop_shape_n(cop_plan__shape(plan, prim->dst));
    if (prim->kind == COP_PRIM_CONV) {
        const struct cop_shape *weights = cop_plan__shape(plan, prim->srcs[1]);
        return n_results * cop_shape_span(weights, 1, weights->rank);
    }
    if (prim->kind != COP_PRIM_MATMUL) return 0;
    const struct cop_shape *src = cop_plan__shape(plan, prim->srcs[0]);
    bool is_turned = prim->as.matmul.transpose_src && src->rank > 1;
    return n_results * src->dim[is_turned ? src->rank - 2 : src->rank - 1];
}

static int64_t bytes_of_array(const struct cop_plan *plan, int32_t array)
{
    const struct cop_md *md = cop_plan__md(plan, array);
    int64_t n = 1;
    for (int32_t i = 0; i < cop_md_rank(md); i++)
        n *= cop_md_dim(md, i);
    return n * (int64_t)sizeof(float);
}

/* A kernel of oneDNN that adds to its result reads it first. */
static int64_t bytes_of_step(const struct cop_plan *plan, const struct cop_step *step)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < step->n_args; i++)
        bytes += bytes_of_array(plan, step->args[i].array);
    if (step->prim == NULL || step->pd == NULL) return bytes;
    for (int32_t i = 0; i < step->prim->n_posts; i++) {
        if (step->prim->posts[i].kind == COP_POST_SUM)
            bytes += bytes_of_array(plan, step->args[step->n_args - 1].array);
    }
    return bytes;
}

void cop_plan_step(const struct cop_plan *plan, int32_t i, struct cop_plan_step *step)
{
    const struct cop_step *own = plan->steps[i];
    *step = (struct cop_plan_step){
        .kind = own->kind,
        .impl = own->impl,
        .node_ids = own->nodes,
        .n_nodes = own->n_nodes,
        .flops = 2 * plan->n_slices * macs_of(plan, own->prim),
        .bytes = plan->n_slices * bytes_of_step(plan, own),
        .ms = own->ms,
    };
    const struct cop_md *src = cop_plan__md(plan, own->args[0].array);
    const struct cop_md *dst = cop_plan__md(plan, own->args[own->n_args - 1].array);
    (void)cop_md_layout(src, step->src_layout, sizeof step->src_layout);
    (void)cop_md_layout(dst, step->dst_layout, sizeof step->dst_layout);
}

/* ---- how long ------------------------------------------------------------------------- */

struct times {
    int repeats;
    double *steps; /* [n_steps][repeats] */
    double *slice; /* [n_steps] */
    double *walls; /* [repeats] */
};

/* Run @p k: all slices, each step's times added up. */
static enum cop_status time_steps(
    struct cop_plan *plan, struct times *times, int k, struct cop_err *err)
{
    int before = cop_par_threads();
    enum cop_status status = COP_OK;
    cop_par_set_threads(plan->threads);
    for (int64_t s = 0; s < plan->n_slices && status == COP_OK; s++) {
        status = cop_plan__run_steps(plan, times->slice, err);
        for (int32_t i = 0; i < plan->n_steps && status == COP_OK; i++)
            times->steps[(int64_t)i * times->repeats + k] += times->slice[i];
    }
    cop_par_set_threads(before);
    return status;
}

static enum cop_status time_all(
    struct cop_plan *plan,
    struct times *times,
    const float *const *starts,
    struct cop_err *err)
{
    for (int k = 0; k < times->repeats; k++) {
        COP_TRY(time_steps(plan, times, k, err));
        if (starts == NULL) continue;
        double begun = cop_clock_ms();
        COP_TRY(cop_plan_run(plan, starts, NULL, err));
        times->walls[k] = cop_clock_ms() - begun;
    }
    return COP_OK;
}

enum cop_status cop_plan_profile(
    struct cop_plan *plan,
    int repeats,
    const float *const *starts,
    double *wall_ms,
    struct cop_err *err)
{
    if (repeats < 1) return COP_FAIL(err, COP_EINVAL, "%d repeats", repeats);
    if (!plan->has_run) return COP_FAIL(err, COP_EINVAL, "the plan has not run yet");
    size_t n = (size_t)plan->n_steps;
    size_t r = (size_t)repeats;
    size_t n_times = 0;
    struct times times = {.repeats = repeats};
    if (!cop_mul_overflow(n, r, &n_times))
        times.steps = cop_mem_array(n_times, sizeof(double));
    times.slice = cop_mem_array(n, sizeof(double));
    times.walls = cop_mem_array(r, sizeof(double));
    bool has_room = times.steps != NULL && times.slice != NULL && times.walls != NULL;
    enum cop_status status =
        has_room ? time_all(plan, &times, starts, err) : COP_FAIL_NOMEM(err);
    for (size_t i = 0; status == COP_OK && i < n; i++)
        plan->steps[i]->ms = cop_stats_quantile(times.steps + i * r, repeats, 0.5);
    if (status == COP_OK && starts != NULL)
        *wall_ms = cop_stats_quantile(times.walls, repeats, 0.5);
    cop_mem_free(times.walls);
    cop_mem_free(times.slice);
    cop_mem_free(times.steps);
    return status;
}
