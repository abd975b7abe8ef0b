/* engine/run.c - running steps, forcing masked channels, timing. */
#include "engine/plan_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/par.h"

#include <stdlib.h>

/* ---- masks ---------------------------------------------------------------------------- */

static void fill_below(
    const struct cop_mask *mask, const struct cop_shape *shape, int32_t axis, float *at)
{
    if (axis >= shape->rank || axis >= COP_MAX_RANK) {
        *at = mask->fill;
        return;
    }
    for (int64_t i = 0; i < shape->dim[axis]; i++)
        fill_below(mask, shape, axis + 1, at + mask->offsets.axis[axis][i]);
}

static void apply_mask(const struct cop_plan *plan, const struct cop_mask *mask)
{
    const struct cop_shape *shape = cop_plan__shape(plan, mask->value_id);
    float *data = plan->arrays[plan->first_array[mask->value_id]].data;
    for (int64_t i = 0; i < shape->dim[0]; i++) {
        for (int64_t c = 0; c < shape->dim[1]; c++) {
            if (mask->channels[c] != 0)
                fill_below(
                    mask,
                    shape,
                    2,
                    data + mask->offsets.axis[0][i] + mask->offsets.axis[1][c]);
        }
    }
}

/* A mask acts once, on the tensor's first array, before anybody reads or reorders it. */
static void apply_masks_after(const struct cop_plan *plan, const struct cop_step *step)
{
    const struct cop_array *dst = &plan->arrays[step->args[step->n_args - 1].array];
    for (int32_t i = 0; i < plan->n_masks; i++) {
        const struct cop_mask *mask = &plan->masks[i];
        if (mask->channels == NULL || mask->value_id != dst->tensor) continue;
        if (plan->arrays[plan->first_array[dst->tensor]].data == dst->data)
            apply_mask(plan, mask);
    }
}

const struct cop_mask *cop_plan__mask_of(const struct cop_plan *plan, int32_t value_id)
{
    for (int32_t i = 0; i < plan->n_masks; i++) {
        if (plan->masks[i].value_id == value_id && plan->masks[i].channels != NULL)
            return &plan->masks[i];
    }
    return NULL;
}

static void apply_masks_to_starts(const struct cop_plan *plan)
{
    for (int32_t i = 0; i < plan->n_masks; i++) {
        const struct cop_mask *mask = &plan->masks[i];
        if (mask->channels != NULL &&
            plan->program->tensors[mask->value_id].role == COP_TENSOR_START)
            apply_mask(plan, mask);
    }
}

/* ---- steps ---------------------------------------------------------------------------- */

enum cop_status cop_plan__run_steps(
    struct cop_plan *plan, double *times, struct cop_err *err)
{
    apply_masks_to_starts(plan);
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const struct cop_step *step = plan->steps[i];
        double begun = times != NULL ? cop_clock_ms() : 0.0;
        enum cop_status status = step->pd != NULL ? cop_kernel_run(step->kernel, err)
                                                  : step->loop(plan, step, err);
        if (status != COP_OK) {
            cop_err_in(err, "step %d (%s, %s)", (int)i, step->kind, step->impl);
            return status;
        }
        if (plan->n_masks > 0) apply_masks_after(plan, step);
        if (times != NULL) times[i] = cop_clock_ms() - begun;
    }
    return COP_OK;
}

/* ---- profile --------------------------------------------------------------------------- */

int32_t cop_plan_n_steps(const struct cop_plan *plan)
{
    return plan->n_steps;
}

void cop_plan_step(const struct cop_plan *plan, int32_t i, struct cop_plan_step *step)
{
    const struct cop_step *own = plan->steps[i];
    *step = (struct cop_plan_step){
        .kind = own->kind,
        .impl = own->impl,
        .node_ids = own->nodes,
        .n_nodes = own->n_nodes,
        .ms = own->ms,
    };
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

enum cop_status cop_plan_profile(
    struct cop_plan *plan, int repeats, struct cop_err *err)
{
    if (repeats < 1) return COP_FAIL(err, COP_EINVAL, "%d repeats", repeats);
    if (!plan->has_run) return COP_FAIL(err, COP_EINVAL, "the plan has not run yet");
    size_t n = (size_t)plan->n_steps;
    size_t r = (size_t)repeats;
    double *times = cop_mem_array(n * r, sizeof *times); /* [repeats][n_steps] */
    double *one = cop_mem_array(r, sizeof *one);
    enum cop_status status = COP_OK;
    int before = cop_par_threads();
    cop_par_set_threads(plan->threads);
    if (times == NULL || one == NULL) status = COP_FAIL_NOMEM(err);
    for (size_t k = 0; status == COP_OK && k < r; k++)
        status = cop_plan__run_steps(plan, times + k * n, err);
    cop_par_set_threads(before);
    for (size_t i = 0; status == COP_OK && i < n; i++) {
        for (size_t k = 0; k < r; k++)
            one[k] = times[k * n + i];
        qsort(one, r, sizeof *one, ascending);
        plan->steps[i]->ms =
            r % 2 == 1 ? one[r / 2] : (one[r / 2 - 1] + one[r / 2]) / 2;
        plan->steps[i]->ms *= (double)plan->n_slices;
    }
    cop_mem_free(one);
    cop_mem_free(times);
    return status;
}
