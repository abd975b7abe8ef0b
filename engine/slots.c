/* engine/slots.c - concat without copies: kernels that write with any strides put their
 * result at once where the concat of channels wants it.  Only tensors that nobody but one
 * concat reads have such a slot, so nobody meets them in a layout that oneDNN lacks. */
#include "engine/fuse.h"
#include "engine/plan_impl.h"

static bool is_channel_concat(const struct cop_plan *plan, const struct cop_prim *prim)
{
    return prim->kind == COP_PRIM_CONCAT && prim->as.concat_axis == 1 &&
           cop_plan__shape(plan, prim->dst)->rank == 4;
}

enum cop_status cop_plan__find_slots(struct cop_plan *plan, struct cop_err *err)
{
    const struct cop_program *program = plan->program;
    int32_t *n_readers = COP_ARENA_NEW_N(plan->arena, program->n_tensors, int32_t);
    plan->slots = COP_ARENA_NEW_N(plan->arena, program->n_tensors, struct cop_slot);
    if (plan->slots == NULL || n_readers == NULL) return COP_FAIL_NOMEM(err);
    cop_program_count_readers(program, n_readers);
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        if (!is_channel_concat(plan, prim)) continue;
        int64_t first = 0;
        for (int32_t k = 0; k < prim->n_srcs; k++) {
            const struct cop_tensor *src = &program->tensors[prim->srcs[k]];
            if (src->role == COP_TENSOR_COMPUTED && !src->keep &&
                n_readers[prim->srcs[k]] == 1)
                plan->slots[prim->srcs[k]] =
                    (struct cop_slot){.concat = prim, .first = first};
            first += src->shape.dim[1];
        }
    }
    return COP_OK;
}

/* The dense array of a tensor that no kernel has given a layout yet. */
static enum cop_status dense_array(
    struct cop_plan *plan, int32_t tensor, int32_t *array, struct cop_err *err)
{
    const struct cop_md *md;
    COP_TRY(cop_md_channels_last(plan->arena, cop_plan__shape(plan, tensor), &md, err));
    return cop_plan__new_array(plan, tensor, md, -1, array, err);
}

bool cop_plan__has_slot(const struct cop_plan *plan, int32_t tensor)
{
    return plan->slots[tensor].concat != NULL;
}

enum cop_status cop_plan__channels_last_array(
    struct cop_plan *plan, int32_t tensor, int32_t *array, struct cop_err *err)
{
    const struct cop_slot *slot = &plan->slots[tensor];
    if (slot->concat == NULL) return dense_array(plan, tensor, array, err);
    int32_t whole = plan->first_array[slot->concat->dst];
    /* A concat may itself have a slot in a larger one; networks nest them a few deep. */
    if (whole < 0)
        COP_TRY(cop_plan__channels_last_array(plan, slot->concat->dst, &whole, err));
    const struct cop_md *part;
    int64_t offset;
    COP_TRY(cop_md_part(
        plan->arena,
        cop_plan__md(plan, whole),
        1,
        slot->first,
        cop_plan__shape(plan, tensor)->dim[1],
        &part,
        &offset,
        err));
    int32_t storage = plan->arrays[whole].storage;
    offset += plan->arrays[whole].offset;
    plan->storages[storage].is_shared = true;
    COP_TRY(cop_plan__new_array(plan, tensor, part, storage, array, err));
    plan->arrays[*array].offset = offset;
    return COP_OK;
}

bool cop_plan__is_in_place(
    const struct cop_plan *plan, int32_t array, const struct cop_prim *concat)
{
    int32_t whole = plan->first_array[concat->dst];
    return whole >= 0 && plan->arrays[array].storage == plan->arrays[whole].storage;
}
