/* engine/build.c - from a primitive program to steps over arrays; see plan_impl.h. */
#include "engine/plan_impl.h"

#include <string.h>

struct cop_pd_request cop_plan__request(
    const struct cop_plan *plan, const struct cop_attr *attr)
{
    return (struct cop_pd_request){
        .arena = plan->arena, .dnnl = plan->engine->dnnl, .attr = attr};
}

const struct cop_shape *cop_plan__shape(const struct cop_plan *plan, int32_t tensor)
{
    return &plan->program->tensors[tensor].shape;
}

const struct cop_md *cop_plan__md(const struct cop_plan *plan, int32_t array)
{
    return plan->arrays[array].md;
}

/* ---- growing -------------------------------------------------------------------------- */

static enum cop_status grow(
    struct cop_arena *arena,
    void **items,
    int32_t n,
    int32_t *cap,
    size_t size,
    struct cop_err *err)
{
    if (n < *cap) return COP_OK;
    int32_t larger = *cap == 0 ? 64 : 2 * *cap;
    void *fresh = cop_arena_array(arena, (size_t)larger, size);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    if (n > 0) memcpy(fresh, *items, (size_t)n * size);
    *items = fresh;
    *cap = larger;
    return COP_OK;
}

static enum cop_status append_array(
    struct cop_plan *plan,
    const struct cop_array *like,
    int32_t *array,
    struct cop_err *err)
{
    void *items = plan->arrays;
    COP_TRY(grow(
        plan->arena,
        &items,
        plan->n_arrays,
        &plan->cap_arrays,
        sizeof *plan->arrays,
        err));
    plan->arrays = items;
    plan->arrays[plan->n_arrays] = *like;
    *array = plan->n_arrays++;
    return COP_OK;
}

static enum cop_status append_storage(
    struct cop_plan *plan, size_t bytes, int32_t *storage, struct cop_err *err)
{
    void *items = plan->storages;
    COP_TRY(grow(
        plan->arena,
        &items,
        plan->n_storages,
        &plan->cap_storages,
        sizeof *plan->storages,
        err));
    plan->storages = items;
    plan->storages[plan->n_storages] =
        (struct cop_storage){.bytes = bytes, .first = INT32_MAX, .last = -1};
    *storage = plan->n_storages++;
    return COP_OK;
}

/* ---- arrays --------------------------------------------------------------------------- */

enum cop_status cop_plan__new_array(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_md *md,
    int32_t storage,
    int32_t *array,
    struct cop_err *err)
{
    if (storage < 0) COP_TRY(append_storage(plan, cop_md_bytes(md), &storage, err));
    const struct cop_array like = {
        .tensor = tensor, .md = md, .storage = storage, .next = -1};
    COP_TRY(append_array(plan, &like, array, err));
    /* The first array is the one that taps, masks and ends see. */
    int32_t *link = &plan->first_array[tensor];
    while (*link >= 0)
        link = &plan->arrays[*link].next;
    if (link == &plan->first_array[tensor] && plan->program->tensors[tensor].keep)
        plan->storages[storage].is_kept = true;
    *link = *array;
    return COP_OK;
}

enum cop_status cop_plan__view(
    struct cop_plan *plan,
    int32_t array,
    const struct cop_md *md,
    int32_t *view,
    struct cop_err *err)
{
    struct cop_array like = plan->arrays[array];
    like.md = md;
    like.next = -1;
    return append_array(plan, &like, view, err);
}

enum cop_status cop_plan__packed(
    struct cop_plan *plan,
    const struct cop_pack_request *request,
    int32_t *array,
    struct cop_err *err)
{
    struct cop_pack *pack;
    COP_TRY(cop_weights_pack(plan->engine->weights, request, &pack, err));
    if (cop_arena_defer(plan->arena, cop_pack_release, pack) != COP_OK)
        return COP_FAIL_NOMEM(err);
    bool is_known = false; /* two layers of one constant read the same pack */
    for (int32_t i = 0; i < plan->n_arrays && !is_known; i++)
        is_known = plan->arrays[i].data == cop_pack_data(pack);
    if (!is_known) plan->memory.weights_bytes += cop_pack_bytes(pack);
    const struct cop_array like = {
        .tensor = -1,
        .md = request->md,
        .storage = -1,
        .data = cop_pack_data(pack),
        .next = -1,
    };
    return append_array(plan, &like, array, err);
}

/* One more layout of a constant; the first that is asked for stands first. */
static enum cop_status constant_array(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    const struct cop_pack_request request = {
        .source = &plan->program->tensors[tensor], .md = md};
    COP_TRY(cop_plan__packed(plan, &request, array, err));
    plan->arrays[*array].tensor = tensor;
    int32_t *link = &plan->first_array[tensor];
    while (*link >= 0)
        link = &plan->arrays[*link].next;
    *link = *array;
    return COP_OK;
}

enum cop_status cop_plan__array(
    struct cop_plan *plan, int32_t tensor, int32_t *array, struct cop_err *err)
{
    *array = plan->first_array[tensor];
    if (*array >= 0) return COP_OK;
    const struct cop_tensor *source = &plan->program->tensors[tensor];
    if (source->role == COP_TENSOR_CONST) {
        const struct cop_md *plain;
        COP_TRY(cop_md_create(plan->arena, &source->shape, NULL, &plain, err));
        return constant_array(plan, tensor, plain, array, err);
    }
    return COP_FAIL(err, COP_EENGINE, "value '%s' is not there yet", source->name);
}

enum cop_status cop_plan__array_as(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_md *md,
    int32_t *array,
    struct cop_err *err)
{
    for (int32_t i = plan->first_array[tensor]; i >= 0; i = plan->arrays[i].next) {
        if (cop_md_equal(plan->arrays[i].md, md)) {
            *array = i;
            return COP_OK;
        }
    }
    if (plan->program->tensors[tensor].role == COP_TENSOR_CONST)
        return constant_array(plan, tensor, md, array, err);
    int32_t from;
    COP_TRY(cop_plan__array(plan, tensor, &from, err));
    COP_TRY(cop_plan__new_array(plan, tensor, md, -1, array, err));
    return cop_plan__build_reorder(plan, from, *array, err);
}

enum cop_status cop_plan__array_plain(
    struct cop_plan *plan,
    int32_t tensor,
    const struct cop_shape *view,
    int32_t *array,
    struct cop_err *err)
{
    int32_t from = plan->first_array[tensor];
    while (from >= 0 && !cop_md_is_plain(plan->arrays[from].md))
        from = plan->arrays[from].next;
    const struct cop_shape *shape = cop_plan__shape(plan, tensor);
    const struct cop_md *md;
    if (from < 0) {
        COP_TRY(cop_md_create(plan->arena, shape, NULL, &md, err));
        COP_TRY(cop_plan__array_as(plan, tensor, md, &from, err));
    }
    COP_TRY(cop_md_create(plan->arena, view != NULL ? view : shape, NULL, &md, err));
    *array = from;
    if (cop_md_equal(md, plan->arrays[from].md)) return COP_OK;
    return cop_plan__view(plan, from, md, array, err);
}

bool cop_plan__dies(const struct cop_plan *plan, int32_t array, int32_t position)
{
    const struct cop_array *candidate = &plan->arrays[array];
    if (candidate->storage < 0 || candidate->tensor < 0) return false;
    const struct cop_storage *storage = &plan->storages[candidate->storage];
    return !storage->is_kept && !storage->is_shared &&
           plan->last_use[candidate->tensor] <= position;
}

/* ---- steps ---------------------------------------------------------------------------- */

static void touch(struct cop_plan *plan, int32_t array, int32_t step)
{
    int32_t storage = plan->arrays[array].storage;
    if (storage < 0) return;
    if (plan->storages[storage].first > step) plan->storages[storage].first = step;
    if (plan->storages[storage].last < step) plan->storages[storage].last = step;
}

enum cop_status cop_plan__add_step(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    const struct cop_step_arg *args,
    int32_t n_args,
    struct cop_step **step,
    struct cop_err *err)
{
    void *items = plan->steps;
    COP_TRY(grow(
        plan->arena,
        &items,
        plan->n_steps,
        &plan->cap_steps,
        sizeof *plan->steps,
        err));
    plan->steps = items;
    struct cop_step *fresh = COP_ARENA_NEW(plan->arena, struct cop_step);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    fresh->args = cop_arena_copy(plan->arena, args, (size_t)n_args * sizeof args[0]);
    if (fresh->args == NULL) return COP_FAIL_NOMEM(err);
    fresh->n_args = n_args;
    fresh->kind = prim != NULL ? cop_prim_kind_name(prim->kind) : "reorder";
    fresh->impl = "coppice";
    fresh->prim = prim;
    if (prim != NULL) {
        fresh->nodes = prim->nodes;
        fresh->n_nodes = prim->n_nodes;
    }
    for (int32_t i = 0; i < n_args; i++)
        touch(plan, args[i].array, plan->n_steps);
    plan->steps[plan->n_steps++] = fresh;
    *step = fresh;
    return COP_OK;
}

/* ---- the whole program ----------------------------------------------------------------- */

static enum cop_status build_prim(
    struct cop_plan *plan,
    const struct cop_prim *prim,
    int32_t position,
    struct cop_err *err)
{
    switch (prim->kind) {
    case COP_PRIM_CONV: return cop_plan__build_conv(plan, prim, position, err);
    case COP_PRIM_MATMUL: return cop_plan__build_matmul(plan, prim, position, err);
    case COP_PRIM_POOL: return cop_plan__build_pool(plan, prim, position, err);
    case COP_PRIM_ELTWISE: return cop_plan__build_eltwise(plan, prim, position, err);
    case COP_PRIM_BINARY: return cop_plan__build_binary(plan, prim, position, err);
    case COP_PRIM_NORMALISE:
        return cop_plan__build_normalise(plan, prim, position, err);
    case COP_PRIM_SOFTMAX: return cop_plan__build_softmax(plan, prim, position, err);
    case COP_PRIM_REDUCE: return cop_plan__build_reduce(plan, prim, position, err);
    case COP_PRIM_CONCAT: return cop_plan__build_concat(plan, prim, position, err);
    case COP_PRIM_SLICE:
    case COP_PRIM_PAD:
    case COP_PRIM_PICK:
    case COP_PRIM_TRANSPOSE: return cop_plan__build_copy(plan, prim, position, err);
    case COP_PRIM_RESHAPE: return cop_plan__build_reshape(plan, prim, position, err);
    case COP_PRIM_RESAMPLE: return cop_plan__build_resample(plan, prim, position, err);
    case COP_PRIM_SELECT: return cop_plan__build_select(plan, prim, position, err);
    case COP_PRIM_DECONV: return cop_plan__build_deconv(plan, prim, position, err);
    }
    return COP_FAIL(err, COP_EENGINE, "unknown primitive %d", (int)prim->kind);
}

static void find_last_uses(struct cop_plan *plan)
{
    const struct cop_program *program = plan->program;
    for (int32_t i = 0; i < program->n_tensors; i++)
        plan->last_use[i] = -1;
    for (int32_t i = 0; i < program->n_prims; i++) {
        const struct cop_prim *prim = program->prims[i];
        for (int32_t k = 0; k < prim->n_srcs; k++) {
            if (prim->srcs[k] >= 0) plan->last_use[prim->srcs[k]] = i;
        }
        for (int32_t k = 0; k < prim->n_posts; k++) {
            if (prim->posts[k].kind == COP_POST_SUM)
                plan->last_use[prim->posts[k].tensor] = i;
        }
    }
}

enum cop_status cop_plan__build(struct cop_plan *plan, struct cop_err *err)
{
    const struct cop_program *program = plan->program;
    int32_t n = program->n_tensors;
    plan->first_array = COP_ARENA_NEW_N(plan->arena, n, int32_t);
    plan->last_use = COP_ARENA_NEW_N(plan->arena, n, int32_t);
    if (plan->first_array == NULL || plan->last_use == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        plan->first_array[i] = -1;
    find_last_uses(plan);
    COP_TRY(cop_plan__find_slots(plan, err));
    for (int32_t i = 0; i < n; i++) {
        if (program->tensors[i].role != COP_TENSOR_START) continue;
        const struct cop_md *md;
        int32_t array;
        COP_TRY(cop_md_create(plan->arena, &program->tensors[i].shape, NULL, &md, err));
        COP_TRY(cop_plan__new_array(plan, i, md, -1, &array, err));
        touch(plan, array, -1);
    }
    for (int32_t i = 0; i < program->n_prims; i++) {
        enum cop_status status = build_prim(plan, program->prims[i], i, err);
        if (status != COP_OK) {
            cop_err_in(
                err, "value '%s'", program->tensors[program->prims[i]->dst].name);
            return status;
        }
    }
    return COP_OK;
}
