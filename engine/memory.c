/* engine/memory.c - one block for all activations: storages whose lifetimes do not meet
 * share bytes.  Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep
 * Neural Net Inference", 2020): the largest storage first, each at the lowest gap that is
 * free over its whole lifetime. */
#include "engine/plan_impl.h"

#include "base/mem.h"

#include <stdlib.h>

enum { ALIGN = 64 };

/* The vector code of oneDNN may load a whole vector at the end of a tensor. */
static size_t room(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static bool meet(const struct cop_storage *a, const struct cop_storage *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int larger_first(const void *a, const void *b)
{
    const struct cop_storage *x = *(const struct cop_storage *const *)a;
    const struct cop_storage *y = *(const struct cop_storage *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y; /* of one array: a fixed order */
}

static int lower_first(const void *a, const void *b)
{
    const struct cop_storage *x = *(const struct cop_storage *const *)a;
    const struct cop_storage *y = *(const struct cop_storage *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The smallest gap between the placed storages alive with @p storage that holds it. */
static size_t find_gap(
    const struct cop_storage *storage, struct cop_storage **alive, size_t n_alive)
{
    size_t need = room(storage->bytes);
    size_t best = SIZE_MAX;
    size_t best_gap = SIZE_MAX;
    size_t end = 0;
    qsort(alive, n_alive, sizeof *alive, lower_first);
    for (size_t i = 0; i < n_alive; i++) {
        size_t gap = alive[i]->offset > end ? alive[i]->offset - end : 0;
        if (gap >= need && gap < best_gap) {
            best = end;
            best_gap = gap;
        }
        size_t behind = alive[i]->offset + room(alive[i]->bytes);
        if (behind > end) end = behind;
    }
    return best != SIZE_MAX ? best : end;
}

static enum cop_status place_storages(
    struct cop_plan *plan, size_t *block_bytes, struct cop_err *err)
{
    size_t n = (size_t)plan->n_storages;
    struct cop_arena_mark mark = cop_arena_mark(plan->arena);
    struct cop_storage **order = COP_ARENA_NEW_N(plan->arena, n, struct cop_storage *);
    struct cop_storage **alive = COP_ARENA_NEW_N(plan->arena, n, struct cop_storage *);
    if (order == NULL || alive == NULL) return COP_FAIL_NOMEM(err);
    for (size_t i = 0; i < n; i++) {
        order[i] = &plan->storages[i];
        if (order[i]->is_kept) order[i]->last = plan->n_steps;
    }
    qsort(order, n, sizeof *order, larger_first);
    *block_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_alive = 0;
        for (size_t k = 0; k < i; k++) {
            if (meet(order[k], order[i])) alive[n_alive++] = order[k];
        }
        order[i]->offset = find_gap(order[i], alive, n_alive);
        size_t end = order[i]->offset + room(order[i]->bytes);
        if (end > *block_bytes) *block_bytes = end;
    }
    cop_arena_reset(plan->arena, mark);
    return COP_OK;
}

static size_t largest_scratchpad(const struct cop_plan *plan)
{
    size_t most = 0;
    for (int32_t i = 0; i < plan->n_steps; i++) {
        const struct cop_step *step = plan->steps[i];
        const struct cop_md *md =
            step->pd != NULL ? cop_pd_md(step->pd, COP_ROLE_SCRATCHPAD) : NULL;
        size_t bytes = md != NULL ? cop_md_bytes(md) : step->scratchpad_bytes;
        if (bytes > most) most = bytes;
    }
    return most;
}

enum cop_status cop_plan__place(struct cop_plan *plan, struct cop_err *err)
{
    size_t bytes = 0;
    COP_TRY(place_storages(plan, &bytes, err));
    size_t scratch = largest_scratchpad(plan);
    plan->block = cop_mem_aligned(bytes);
    plan->scratchpad = cop_mem_aligned(scratch);
    if (plan->block == NULL || plan->scratchpad == NULL)
        return COP_FAIL(
            err,
            COP_ENOMEM,
            "out of memory for %zu bytes of activations",
            bytes + scratch);
    plan->memory.activation_bytes = bytes;
    plan->memory.scratchpad_bytes = scratch;
    for (int32_t i = 0; i < plan->n_arrays; i++) {
        struct cop_array *array = &plan->arrays[i];
        if (array->storage >= 0)
            array->data = plan->block +
                          plan->storages[array->storage].offset / sizeof(float) +
                          array->offset;
    }
    return COP_OK;
}

enum cop_status cop_plan__bind(struct cop_plan *plan, struct cop_err *err)
{
    const struct cop_pd_request request = cop_plan__request(plan, NULL);
    for (int32_t i = 0; i < plan->n_steps; i++) {
        struct cop_step *step = plan->steps[i];
        if (step->pd == NULL) continue;
        struct cop_arg *args =
            COP_ARENA_NEW_N(plan->arena, step->n_args + 1, struct cop_arg);
        if (args == NULL) return COP_FAIL_NOMEM(err);
        int32_t n = step->n_args;
        for (int32_t k = 0; k < n; k++) {
            const struct cop_array *array = &plan->arrays[step->args[k].array];
            args[k] = (struct cop_arg){step->args[k].role, array->md, array->data};
        }
        const struct cop_md *scratch = cop_pd_md(step->pd, COP_ROLE_SCRATCHPAD);
        if (scratch != NULL && cop_md_bytes(scratch) > 0)
            args[n++] =
                (struct cop_arg){COP_ROLE_SCRATCHPAD, scratch, plan->scratchpad};
        COP_TRY(cop_kernel_create(&request, step->pd, args, n, &step->kernel, err));
    }
    return COP_OK;
}
