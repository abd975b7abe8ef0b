/* engine/backward.c - the backward pass: primitives in reverse, gradients summed where a
 * tensor is read twice; see engine.h and backward.h. */
#include "engine/backward.h"

#include "base/mem.h"
#include "base/par.h"

#include <string.h>

/* ---- life ----------------------------------------------------------------------------- */

/* 64-byte aligned places in the block. */
static size_t take(size_t *used, int64_t n)
{
    size_t at = *used;
    *used += ((size_t)n * sizeof(float) + 63) / 64 * 64;
    return at / sizeof(float);
}

static bool *find_read(const struct cop_plan *plan)
{
    const struct cop_program *program = plan->program;
    bool *read = COP_ARENA_NEW_N(plan->arena, program->n_tensors, bool);
    for (int32_t i = 0; read != NULL && i < program->n_prims; i++) {
        for (int32_t k = 0; k < program->prims[i]->n_srcs; k++) {
            if (program->prims[i]->srcs[k] >= 0)
                read[program->prims[i]->srcs[k]] = true;
        }
    }
    return read;
}

/* Chooses places; nothing points anywhere before the block exists. */
static enum cop_status lay_out(
    struct cop_plan *plan, size_t *diff_at, size_t *value_at, struct cop_err *err)
{
    const struct cop_program *program = plan->program;
    struct cop_backward *backward = plan->backward;
    const bool *read = find_read(plan);
    if (read == NULL) return COP_FAIL_NOMEM(err);
    size_t used = 0;
    for (int32_t i = 0; i < program->n_tensors; i++) {
        const struct cop_tensor *tensor = &program->tensors[i];
        bool wanted = tensor->role == COP_TENSOR_CONST
                          ? tensor->dtype == COP_F32 && (read[i] || tensor->keep)
                          : plan->first_array[i] >= 0;
        if (!wanted) continue;
        backward->grad[i].n = cop_shape_n(&tensor->shape);
        diff_at[i] = take(&used, backward->grad[i].n);
    }
    backward->diff_bytes = used;
    for (int32_t i = 0; i < program->n_tensors; i++) {
        struct cop_grad *grad = &backward->grad[i];
        if (grad->n == 0) continue;
        int32_t array;
        const struct cop_md *plain;
        COP_TRY(cop_plan__array(plan, i, &array, err));
        const struct cop_md *own = cop_plan__md(plan, array);
        grad->value = plan->arrays[array].data;
        if (cop_md_is_plain(own)) continue;
        COP_TRY(
            cop_md_create(plan->arena, &program->tensors[i].shape, NULL, &plain, err));
        COP_TRY(cop_copy_between(plan->arena, own, plain, &grad->copy, err));
        value_at[i] = take(&used, grad->n);
    }
    backward->block = cop_mem_aligned(used);
    if (backward->block == NULL)
        return COP_FAIL(
            err, COP_ENOMEM, "out of memory for %zu bytes of gradients", used);
    plan->memory.activation_bytes += used;
    return COP_OK;
}

enum cop_status cop_plan__backward_create(struct cop_plan *plan, struct cop_err *err)
{
    int32_t n = plan->program->n_tensors;
    plan->backward = COP_ARENA_NEW(plan->arena, struct cop_backward);
    if (plan->backward == NULL) return COP_FAIL_NOMEM(err);
    struct cop_backward *backward = plan->backward;
    backward->grad = COP_ARENA_NEW_N(plan->arena, n, struct cop_grad);
    size_t *diff_at = COP_ARENA_NEW_N(plan->arena, n, size_t);
    size_t *value_at = COP_ARENA_NEW_N(plan->arena, n, size_t);
    if (backward->grad == NULL || diff_at == NULL || value_at == NULL)
        return COP_FAIL_NOMEM(err);
    COP_TRY(lay_out(plan, diff_at, value_at, err));
    for (int32_t i = 0; i < n; i++) {
        struct cop_grad *grad = &backward->grad[i];
        if (grad->n == 0) continue;
        grad->diff = backward->block + diff_at[i];
        if (value_at[i] != 0) grad->unpacked = backward->block + value_at[i];
    }
    size_t columns = 0;
    for (int32_t i = 0; i < plan->program->n_prims; i++) {
        size_t own = cop_plan__n_columns(plan, plan->program->prims[i]);
        if (own > columns) columns = own;
    }
    backward->columns = cop_mem_aligned(columns * sizeof(float));
    if (backward->columns == NULL)
        return COP_FAIL(err, COP_ENOMEM, "out of memory for %zu columns", columns);
    plan->memory.scratchpad_bytes += columns * sizeof(float);
    return COP_OK;
}

void cop_plan__backward_destroy(struct cop_backward *backward)
{
    if (backward == NULL) return;
    cop_mem_free(backward->block);
    cop_mem_free(backward->columns);
}

/* ---- moving elements -------------------------------------------------------------------- */

static enum cop_status plain_offsets(
    struct cop_plan *plan,
    int32_t tensor,
    struct cop_offsets *offsets,
    struct cop_err *err)
{
    const struct cop_md *md;
    COP_TRY(cop_md_create(plan->arena, cop_plan__shape(plan, tensor), NULL, &md, err));
    return cop_offsets_of(plan->arena, md, offsets, err);
}

static enum cop_status grad_copy(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    struct cop_offsets whole[2];
    struct cop_copy copy = {.rank = 0};
    COP_TRY(plain_offsets(plan, prim->srcs[0], &whole[0], err));
    COP_TRY(plain_offsets(plan, prim->dst, &whole[1], err));
    COP_TRY(cop_plan__link(plan, prim, whole, &copy, err));
    if (copy.rank < 0) return COP_OK;
    return cop_copy_add_back(
        &copy,
        cop_plan__grad(plan, prim->srcs[0])->diff,
        cop_plan__grad(plan, prim->dst)->diff,
        err);
}

static enum cop_status grad_concat(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    struct cop_offsets dst;
    int64_t first = 0;
    COP_TRY(plain_offsets(plan, prim->dst, &dst, err));
    for (int32_t i = 0; i < prim->n_srcs; i++) {
        const struct cop_shape *shape = cop_plan__shape(plan, prim->srcs[i]);
        struct cop_copy copy = {.rank = shape->rank, .dst = dst};
        memcpy(copy.dim, shape->dim, sizeof copy.dim);
        COP_TRY(plain_offsets(plan, prim->srcs[i], &copy.src, err));
        copy.dst.axis[prim->as.concat_axis] += first;
        first += shape->dim[prim->as.concat_axis];
        COP_TRY(cop_copy_add_back(
            &copy,
            cop_plan__grad(plan, prim->srcs[i])->diff,
            cop_plan__grad(plan, prim->dst)->diff,
            err));
    }
    return COP_OK;
}

static void grad_reshape(const struct cop_plan *plan, const struct cop_prim *prim)
{
    const struct cop_grad *src = cop_plan__grad(plan, prim->srcs[0]);
    const struct cop_grad *dst = cop_plan__grad(plan, prim->dst);
    for (int64_t i = 0; i < src->n; i++)
        src->diff[i] += dst->diff[i];
}

/* ---- the pass ---------------------------------------------------------------------------- */

static enum cop_status grad_prim(
    struct cop_plan *plan, const struct cop_prim *prim, struct cop_err *err)
{
    switch (prim->kind) {
    case COP_PRIM_CONV: return cop_plan__grad_conv(plan, prim, err);
    case COP_PRIM_MATMUL: return cop_plan__grad_matmul(plan, prim, err);
    case COP_PRIM_POOL: return cop_plan__grad_pool(plan, prim, err);
    case COP_PRIM_ELTWISE: return cop_plan__grad_eltwise(plan, prim, err);
    case COP_PRIM_BINARY: return cop_plan__grad_binary(plan, prim, err);
    case COP_PRIM_NORMALISE: return cop_plan__grad_normalise(plan, prim, err);
    case COP_PRIM_SOFTMAX: return cop_plan__grad_softmax(plan, prim, err);
    case COP_PRIM_REDUCE: return cop_plan__grad_reduce(plan, prim, err);
    case COP_PRIM_CONCAT: return grad_concat(plan, prim, err);
    case COP_PRIM_SLICE:
    case COP_PRIM_PAD:
    case COP_PRIM_PICK:
    case COP_PRIM_TRANSPOSE: return grad_copy(plan, prim, err);
    case COP_PRIM_RESHAPE: grad_reshape(plan, prim); return COP_OK;
    case COP_PRIM_RESAMPLE: return cop_plan__grad_resample(plan, prim, err);
    case COP_PRIM_SELECT: return cop_plan__grad_select(plan, prim, err);
    case COP_PRIM_DECONV: return cop_plan__grad_deconv(plan, prim, err);
    }
    return COP_FAIL(err, COP_EENGINE, "unknown primitive %d", (int)prim->kind);
}

/* What a mask forces does not depend on what computed it. */
static void stop_at_mask(const struct cop_plan *plan, int32_t tensor)
{
    const struct cop_mask *mask = cop_plan__mask_of(plan, tensor);
    if (mask == NULL) return;
    const struct cop_shape *shape = cop_plan__shape(plan, tensor);
    int64_t inner = cop_shape_span(shape, 2, shape->rank);
    float *diff = cop_plan__grad(plan, tensor)->diff;
    for (int64_t row = 0; row < shape->dim[0] * shape->dim[1]; row++) {
        if (mask->channels[row % shape->dim[1]] == 0) continue;
        for (int64_t i = 0; i < inner; i++)
            diff[row * inner + i] = 0.0f;
    }
}

static enum cop_status unpack_values(struct cop_plan *plan, struct cop_err *err)
{
    for (int32_t i = 0; i < plan->program->n_tensors; i++) {
        struct cop_grad *grad = &plan->backward->grad[i];
        if (grad->unpacked == NULL) continue;
        const float *from = plan->arrays[plan->first_array[i]].data;
        COP_TRY(cop_copy_run(&grad->copy, from, grad->unpacked, err));
        grad->value = grad->unpacked;
    }
    return COP_OK;
}

static enum cop_status pass(
    struct cop_plan *plan, const float *const *diff_ends, struct cop_err *err)
{
    const struct cop_program *program = plan->program;
    struct cop_backward *backward = plan->backward;
    COP_TRY(unpack_values(plan, err));
    memset(backward->block, 0, backward->diff_bytes);
    for (int32_t i = 0; i < plan->n_ends; i++) {
        const struct cop_grad *end = cop_plan__grad(plan, plan->ends[i].tensor);
        for (int64_t k = 0; diff_ends[i] != NULL && k < end->n; k++)
            end->diff[k] += diff_ends[i][k];
    }
    for (int32_t i = program->n_prims - 1; i >= 0; i--) {
        stop_at_mask(plan, program->prims[i]->dst);
        COP_TRY(grad_prim(plan, program->prims[i], err));
    }
    for (int32_t i = 0; i < plan->n_starts; i++)
        stop_at_mask(plan, plan->starts[i].tensor);
    return COP_OK;
}

enum cop_status cop_plan_backward(
    struct cop_plan *plan, const float *const *diff_ends, struct cop_err *err)
{
    if (plan->backward == NULL)
        return COP_FAIL(err, COP_EINVAL, "the plan was made for inference only");
    if (!plan->has_run) return COP_FAIL(err, COP_EINVAL, "the plan has not run yet");
    int before = cop_par_threads();
    cop_par_set_threads(plan->threads);
    struct cop_arena_mark mark = cop_arena_mark(plan->arena);
    enum cop_status status = pass(plan, diff_ends, err);
    cop_arena_reset(plan->arena, mark);
    cop_par_set_threads(before);
    plan->backward->has_run = status == COP_OK;
    return status;
}

enum cop_status cop_plan_read_diff(
    struct cop_plan *plan,
    int32_t value_id,
    float *elements,
    int64_t n,
    struct cop_err *err)
{
    if (plan->backward == NULL || !plan->backward->has_run)
        return COP_FAIL(err, COP_EINVAL, "no gradients: the plan has not run backward");
    bool known = value_id >= 0 && value_id < plan->program->n_tensors;
    const struct cop_grad *grad = known ? cop_plan__grad(plan, value_id) : NULL;
    if (grad == NULL || grad->diff == NULL)
        return COP_FAIL(
            err, COP_EINVAL, "value %d is not part of the plan", (int)value_id);
    if (n != grad->n)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "value '%s' has %lld elements, room is for %lld",
            plan->program->tensors[value_id].name,
            (long long)grad->n,
            (long long)n);
    memcpy(elements, grad->diff, (size_t)n * sizeof elements[0]);
    return COP_OK;
}
