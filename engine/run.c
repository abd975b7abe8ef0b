/* engine/run.c - running steps, forcing masked channels. */
#include "engine/plan_impl.h"

#include "base/clock.h"

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
        if (times != NULL) times[i] += cop_clock_ms() - begun;
    }
    return COP_OK;
}
