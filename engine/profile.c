/* engine/profile.c - what the steps of a plan do, and how long each takes. */
#include "engine/plan_impl.h"

#include "base/clock.h"
#include "base/mem.h"
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
    if (prim->kind == COP_PRIM_CONV || prim->kind == COP_PRIM_DECONV) {
        const struct cop_shape *weights = cop_plan__shape(plan, prim->srcs[1]);
        int64_t per_channel = cop_shape_span(weights, 1, weights->rank);
        if (prim->kind == COP_PRIM_CONV) return n_results * per_channel;
        return cop_shape_n(cop_plan__shape(plan, prim->srcs[0])) * per_channel;
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

struct samples {
    int repeats;
    double *steps; /* [n_steps][repeats] */
    double *run;   /* [n_steps], of one run */
    double *sums;  /* [repeats] */
    double *walls; /* [repeats] */
};

static enum cop_status take_samples(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    struct samples *samples,
    struct cop_err *err)
{
    for (int k = 0; k < samples->repeats; k++) {
        for (int32_t i = 0; i < plan->n_steps; i++)
            samples->run[i] = 0.0;
        double begun = cop_clock_ms();
        COP_TRY(cop_plan__run(plan, starts, ends, samples->run, err));
        samples->walls[k] = cop_clock_ms() - begun;
        for (int32_t i = 0; i < plan->n_steps; i++) {
            samples->steps[(int64_t)i * samples->repeats + k] = samples->run[i];
            samples->sums[k] += samples->run[i];
        }
    }
    return COP_OK;
}

enum cop_status cop_plan_profile(
    struct cop_plan *plan,
    const float *const *starts,
    float *const *ends,
    int repeats,
    struct cop_plan_times *times,
    struct cop_err *err)
{
    if (repeats < 1) return COP_FAIL(err, COP_EINVAL, "%d repeats", repeats);
    size_t n = (size_t)plan->n_steps;
    size_t r = (size_t)repeats;
    size_t n_times = 0;
    struct samples samples = {.repeats = repeats};
    if (!cop_mul_overflow(n, r, &n_times))
        samples.steps = cop_mem_array(n_times, sizeof(double));
    samples.run = cop_mem_array(n, sizeof(double));
    samples.sums = cop_mem_array(r, sizeof(double));
    samples.walls = cop_mem_array(r, sizeof(double));
    bool has_room = samples.steps != NULL && samples.run != NULL &&
                    samples.sums != NULL && samples.walls != NULL;
    enum cop_status status = has_room ? take_samples(plan, starts, ends, &samples, err)
                                      : COP_FAIL_NOMEM(err);
    for (size_t i = 0; status == COP_OK && i < n; i++)
        plan->steps[i]->ms = cop_stats_quantile(samples.steps + i * r, repeats, 0.5);
    if (status == COP_OK) {
        times->steps_ms = cop_stats_quantile(samples.sums, repeats, 0.5);
        times->wall_ms = cop_stats_quantile(samples.walls, repeats, 0.5);
    }
    cop_mem_free(samples.walls);
    cop_mem_free(samples.sums);
    cop_mem_free(samples.run);
    cop_mem_free(samples.steps);
    return status;
}
