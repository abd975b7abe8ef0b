/* importers/keras_norm.c - normalisation by known statistics, and Rescaling; see
 * keras_norm.h. */
#include "importers/keras_norm.h"

#include <inttypes.h>
#include <math.h>

/* ---- BatchNormalization ----------------------------------------------------------------------- */

static enum cop_status one_axis(
    const struct cop_keras__job *job, int32_t *axis, struct cop_err *err)
{
    int64_t given = -1;
    int32_t n = 0;
    COP_TRY(cop_keras__ints(job->layer->config, "axis", &given, 1, &n, err));
    return cop_keras__axis(job->src, given, axis, err);
}

/* A scale of ones or a shift of zeros where the layer has none. */
static enum cop_status filled(
    const struct cop_keras__job *job,
    int64_t n,
    float number,
    struct cop_value **value,
    struct cop_err *err)
{
    const struct cop_shape shape = cop_shape_make(1, &n);
    COP_TRY(cop_keras__spend(job, 2 * (size_t)n * sizeof(float), err));
    float *floats = COP_ARENA_NEW_N(job->net->scratch, n, float);
    if (floats == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++)
        floats[i] = number;
    return cop_importers__add_floats(job->net->graph, NULL, &shape, floats, value, err);
}

/* The four vectors: scale, shift, mean and variance; the first two may be missing. */
static enum cop_status read_statistics(
    const struct cop_keras__job *job,
    struct cop_importers__part *part,
    struct cop_err *err)
{
    const bool has_scale = cop_keras__flag(job->layer->config, "scale", true);
    const bool has_shift = cop_keras__flag(job->layer->config, "center", true);
    int32_t next = 0;
    COP_TRY(cop_keras__want_weights(job, 2 + has_scale + has_shift, err));
    for (int32_t i = 0; i < job->layer->n_weights; i++)
        COP_TRY(cop_keras__want_axes(job, i, 1, err));
    const int64_t n = job->layer->weights[0]->shape.dim[0];
    COP_TRY(
        has_scale ? cop_keras__weight(job, next++, &part->src[1], err)
                  : filled(job, n, 1, &part->src[1], err));
    COP_TRY(
        has_shift ? cop_keras__weight(job, next++, &part->src[2], err)
                  : filled(job, n, 0, &part->src[2], err));
    COP_TRY(cop_keras__weight(job, next++, &part->src[3], err));
    return cop_keras__weight(job, next, &part->src[4], err);
}

enum cop_status cop_keras__build_batch_norm(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    double epsilon = 0;
    int32_t axis = 0;
    struct cop_importers__part part = {
        .op = "BatchNormalization", .src = {job->src->value}, .n_src = 5};
    COP_TRY(one_axis(job, &axis, err));
    if (axis != 1)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "normalises axis %d, which is not that of the channels",
            axis);
    COP_TRY(cop_keras__real(job->layer->config, "epsilon", 1e-3, &epsilon, err));
    COP_TRY(read_statistics(job, &part, err));
    part.attrs[0] =
        (struct cop_importers__attr){.name = "epsilon", .real = (float)epsilon};
    *dst = *job->src;
    return cop_keras__node(job, NULL, &part, &dst->value, err);
}

/* ---- Normalization and Rescaling -------------------------------------------------------------- */

/** One number for all, or one for each channel. */
struct numbers {
    int64_t n;
    float *at;
};

static enum cop_status make_numbers(
    const struct cop_keras__job *job,
    int64_t n,
    struct numbers *numbers,
    struct cop_err *err)
{
    COP_TRY(cop_keras__spend(job, 2 * (size_t)n * sizeof(float), err));
    numbers->n = n;
    numbers->at = COP_ARENA_NEW_N(job->net->scratch, n, float);
    return numbers->at != NULL ? COP_OK : COP_FAIL_NOMEM(err);
}

/* A number or a list, or lists in lists as NumPy arrays with leading axes are written. */
static enum cop_status read_numbers(
    const struct cop_keras__job *job,
    const char *key,
    double otherwise,
    struct numbers *numbers,
    struct cop_err *err)
{
    const cJSON *item = cop_keras__get(job->layer->config, key);
    while (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 1 &&
           cJSON_IsArray(item->child))
        item = item->child;
    const int64_t n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 1;
    if (n < 1) return COP_FAIL(err, COP_EFORMAT, "'%s' is an empty list", key);
    COP_TRY(make_numbers(job, n, numbers, err));
    const cJSON *element = cJSON_IsArray(item) ? item->child : item;
    if (item == NULL) numbers->at[0] = (float)otherwise;
    for (int64_t i = 0; i < n && item != NULL; i++) {
        if (!cJSON_IsNumber(element))
            return COP_FAIL(err, COP_EUNSUPPORTED, "'%s' is no list of numbers", key);
        numbers->at[i] = (float)element->valuedouble;
        element = element->next;
    }
    return COP_OK;
}

/* x OP numbers, which run along the last axis of Keras. */
static enum cop_status with_numbers(
    const struct cop_keras__job *job,
    const char *op,
    const struct numbers *numbers,
    struct cop_keras__tensor *x,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = op, .src = {x->value}, .n_src = 2};
    struct cop_shape shape = {.rank = 0};
    int32_t axis = 0;
    COP_TRY(cop_keras__axis(x, -1, &axis, err));
    const struct cop_shape *all = &x->value->shape;
    if (numbers->n < 1) return COP_FAIL(err, COP_EFORMAT, "no numbers for %s", op);
    if (numbers->n > 1) {
        if (job->net->keeps_order || numbers->n != all->dim[axis])
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "%" PRId64 " numbers for %" PRId64 " channels, which must come last",
                numbers->n,
                all->dim[axis]);
        shape.rank = all->rank - axis;
        for (int32_t i = 0; i < shape.rank; i++)
            shape.dim[i] = i == 0 ? numbers->n : 1;
    }
    COP_TRY(cop_importers__add_floats(
        job->net->graph, NULL, &shape, numbers->at, &part.src[1], err));
    return cop_keras__node(job, op, &part, &x->value, err);
}

enum cop_status cop_keras__build_rescaling(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct numbers scale;
    struct numbers offset;
    COP_TRY(read_numbers(job, "scale", 1, &scale, err));
    COP_TRY(read_numbers(job, "offset", 0, &offset, err));
    *dst = *job->src;
    COP_TRY(with_numbers(job, "Mul", &scale, dst, err));
    if (offset.n == 1 && offset.at[0] == 0) return COP_OK;
    return with_numbers(job, "Add", &offset, dst, err);
}

static enum cop_status weight_numbers(
    const struct cop_keras__job *job,
    int32_t i,
    struct numbers *numbers,
    struct cop_err *err)
{
    const struct cop_importers__h5_tensor *tensor = job->layer->weights[i];
    const int64_t n = cop_shape_n(&tensor->shape);
    COP_TRY(make_numbers(job, n, numbers, err));
    for (int64_t k = 0; k < n; k++)
        numbers->at[k] = cop_f32_at(cop_buf_data(tensor->data), k);
    return COP_OK;
}

static enum cop_status check_normalization(
    const struct cop_keras__job *job, struct cop_err *err)
{
    int64_t axes[2] = {-1, 0};
    int32_t n = 0;
    const int32_t last = job->src->value->shape.rank - 1;
    COP_TRY(cop_keras__ints(job->layer->config, "axis", axes, 2, &n, err));
    if (cop_keras__flag(job->layer->config, "invert", false))
        return COP_FAIL(err, COP_EUNSUPPORTED, "invert=True is not supported");
    if (n <= 1 && (axes[0] == -1 || axes[0] == last)) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "normalises %d axes, the first %" PRId64 "; only the last is supported",
        n,
        axes[0]);
}

/* (x - mean) / max(sqrt(variance), 1e-7), the statistics from the configuration or, when it
 * was adapted to data, from the file. */
enum cop_status cop_keras__build_normalization(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    struct numbers mean;
    struct numbers scale;
    COP_TRY(check_normalization(job, err));
    if (cop_keras__get(job->layer->config, "mean") != NULL) {
        COP_TRY(read_numbers(job, "mean", 0, &mean, err));
        COP_TRY(read_numbers(job, "variance", 1, &scale, err));
    } else {
        COP_TRY(cop_keras__want_weights(job, 2, err));
        COP_TRY(weight_numbers(job, 0, &mean, err));
        COP_TRY(weight_numbers(job, 1, &scale, err));
    }
    for (int64_t i = 0; i < scale.n; i++)
        scale.at[i] = fmaxf(sqrtf(scale.at[i]), 1e-7F);
    *dst = *job->src;
    COP_TRY(with_numbers(job, "Sub", &mean, dst, err));
    return with_numbers(job, "Div", &scale, dst, err);
}
