/* importers/keras_merge.c - layers of several tensors; see keras_merge.h. */
#include "importers/keras_merge.h"

/* ---- elementwise -------------------------------------------------------------------------------- */

/* All tensors in one order: channels first if one has them there. */
static enum cop_status align(
    const struct cop_keras__job *job,
    struct cop_keras__tensor **aligned,
    bool *is_first,
    struct cop_err *err)
{
    int32_t rank = -1;
    int32_t n_tensors = 0;
    *is_first = false;
    for (int32_t i = 0; i < job->n_src; i++) {
        const struct cop_value *value = job->src[i].value;
        if (value == NULL) continue;
        if (rank >= 0 && value->shape.rank != rank)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "reads tensors of %d and of %d axes",
                rank,
                value->shape.rank);
        rank = value->shape.rank;
        *is_first = *is_first || job->src[i].is_first;
        n_tensors++;
    }
    if (n_tensors == 0) return COP_FAIL(err, COP_EFORMAT, "reads numbers only");
    *aligned = cop_arena_copy(
        job->net->scratch, job->src, (size_t)job->n_src * sizeof **aligned);
    if (*aligned == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < job->n_src; i++) {
        struct cop_keras__tensor *tensor = &(*aligned)[i];
        if (tensor->value != NULL)
            COP_TRY(cop_keras__order(job, tensor, *is_first, tensor, err));
    }
    return COP_OK;
}

static enum cop_status operand(
    const struct cop_keras__job *job,
    const struct cop_keras__tensor *tensor,
    struct cop_value **value,
    struct cop_err *err)
{
    *value = tensor->value;
    if (*value != NULL) return COP_OK;
    return cop_keras__scalar(job, tensor->number, value, err);
}

/* ((a OP b) OP c) ... */
static enum cop_status chain(
    const struct cop_keras__job *job,
    const char *op,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_keras__tensor *src = NULL;
    struct cop_importers__part part = {.op = op, .n_src = 2};
    *dst = (struct cop_keras__tensor){0};
    COP_TRY(align(job, &src, &dst->is_first, err));
    COP_TRY(operand(job, &src[0], &dst->value, err));
    for (int32_t i = 1; i < job->n_src; i++) {
        part.src[0] = dst->value;
        COP_TRY(operand(job, &src[i], &part.src[1], err));
        COP_TRY(cop_keras__node(job, NULL, &part, &dst->value, err));
    }
    return COP_OK;
}

enum cop_status cop_keras__build_add(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Add", dst, err);
}

enum cop_status cop_keras__build_subtract(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Sub", dst, err);
}

enum cop_status cop_keras__build_multiply(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Mul", dst, err);
}

enum cop_status cop_keras__build_divide(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Div", dst, err);
}

enum cop_status cop_keras__build_maximum(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Max", dst, err);
}

enum cop_status cop_keras__build_minimum(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    return chain(job, "Min", dst, err);
}

enum cop_status cop_keras__build_average(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = "Mul", .n_src = 2};
    COP_TRY(chain(job, "Add", dst, err));
    part.src[0] = dst->value;
    COP_TRY(cop_keras__scalar(job, 1.0 / job->n_src, &part.src[1], err));
    return cop_keras__node(job, "mean", &part, &dst->value, err);
}

/* ---- Concatenate -------------------------------------------------------------------------------- */

enum cop_status cop_keras__build_concatenate(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct cop_keras__tensor *src = NULL;
    int64_t axis = -1;
    int32_t memory_axis = 0;
    *dst = (struct cop_keras__tensor){0};
    for (int32_t i = 0; i < job->n_src; i++)
        if (job->src[i].value == NULL)
            return COP_FAIL(err, COP_EUNSUPPORTED, "reads a number");
    COP_TRY(cop_keras__int(job->layer->config, "axis", -1, &axis, err));
    COP_TRY(align(job, &src, &dst->is_first, err));
    COP_TRY(cop_keras__axis(&src[0], axis, &memory_axis, err));
    if (memory_axis == 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "joins samples (axis 0)");
    struct cop_value **values =
        COP_ARENA_NEW_N(job->net->scratch, job->n_src, struct cop_value *);
    if (values == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < job->n_src; i++)
        values[i] = src[i].value;
    const struct cop_importers__part part = {
        .op = "Concat",
        .all_src = values,
        .n_src = job->n_src,
        .attrs = {{.name = "axis", .number = memory_axis}}};
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}
