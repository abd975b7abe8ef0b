/* importers/keras_shape.c - the order of axes, and layers that only move elements; see
 * keras_layers.h. */
#include "importers/keras_shape.h"

#include <inttypes.h>
#include <string.h>

/* Axis a of Keras (N, H, W, C) is axis memory_of[a] of memory (N, C, H, W). */
static const int32_t memory_of[4] = {0, 2, 3, 1};
static const int32_t keras_of[4] = {0, 3, 1, 2};

/* ---- order of axes -------------------------------------------------------------------------- */

enum cop_status cop_keras__axis(
    const struct cop_keras__tensor *tensor,
    int64_t axis,
    int32_t *memory_axis,
    struct cop_err *err)
{
    COP_TRY(cop_shape_axis(tensor->value->shape.rank, axis, memory_axis, err));
    if (tensor->is_first) *memory_axis = memory_of[*memory_axis];
    return COP_OK;
}

static enum cop_status reshape(
    const struct cop_keras__job *job,
    const char *suffix,
    struct cop_value *src,
    const int64_t *target,
    int64_t rank,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_importers__part part = {.op = "Reshape", .src = {src}, .n_src = 2};
    COP_TRY(cop_importers__add_ints(
        job->net->graph, NULL, target, rank, &part.src[1], err));
    return cop_keras__node(job, suffix, &part, dst, err);
}

static enum cop_status transpose(
    const struct cop_keras__job *job,
    const char *suffix,
    struct cop_value *src,
    const int64_t *perm,
    struct cop_value **dst,
    struct cop_err *err)
{
    const struct cop_importers__part part = {
        .op = "Transpose",
        .src = {src},
        .n_src = 1,
        .attrs = {{.name = "perm", .ints = perm, .n = src->shape.rank}}};
    return cop_keras__node(job, suffix, &part, dst, err);
}

/* Where either the channels or the places are but one, both orders hold the elements in the
 * same sequence. */
static bool is_flat(const struct cop_shape *shape, bool is_first)
{
    const int64_t places =
        is_first ? shape->dim[2] * shape->dim[3] : shape->dim[1] * shape->dim[2];
    return places == 1 || shape->dim[is_first ? 1 : 3] == 1;
}

static enum cop_status reorder(
    const struct cop_keras__job *job,
    const struct cop_keras__tensor *src,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const struct cop_shape *shape = &src->value->shape;
    const int32_t *from = src->is_first ? memory_of : keras_of;
    int64_t perm[4];
    int64_t target[4] = {0};
    for (int i = 0; i < 4; i++) {
        perm[i] = from[i];
        if (i > 0) target[i] = shape->dim[from[i]];
    }
    dst->is_first = !src->is_first;
    return is_flat(shape, src->is_first)
               ? reshape(job, "order", src->value, target, 4, &dst->value, err)
               : transpose(job, "order", src->value, perm, &dst->value, err);
}

enum cop_status cop_keras__image(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *image,
    struct cop_err *err)
{
    const char *format =
        cop_keras__text(job->layer->config, "data_format", "channels_last");
    const bool is_last = strcmp(format, "channels_last") == 0;
    if (!is_last && strcmp(format, "channels_first") != 0)
        return COP_FAIL(err, COP_EUNSUPPORTED, "data_format '%s' is not known", format);
    const int32_t rank = job->src->value->shape.rank;
    if (rank != 4)
        return COP_FAIL(
            err, COP_EUNSUPPORTED, "reads a tensor of %d axes, images have 4", rank);
    return cop_keras__order(job, job->src, is_last, image, err);
}

enum cop_status cop_keras__order(
    const struct cop_keras__job *job,
    const struct cop_keras__tensor *src,
    bool is_first,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const struct cop_keras__tensor from = *src;
    *dst = from;
    return from.is_first == is_first ? COP_OK : reorder(job, &from, dst, err);
}

/* ---- layers --------------------------------------------------------------------------------- */

enum cop_status cop_keras__build_same(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    (void)err;
    *dst = *job->src;
    return COP_OK;
}

static int64_t sample_elements(const struct cop_value *value)
{
    return cop_shape_span(&value->shape, 1, value->shape.rank);
}

/* Whatever the order of memory, channels come last in what is flattened: that is Keras's
 * rule where the layer knows its data_format. */
enum cop_status cop_keras__build_flatten(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const char *format = cop_keras__text(job->layer->config, "data_format", "");
    const bool is_channels_first = strcmp(format, "channels_first") == 0;
    const struct cop_shape *shape = &job->src->value->shape;
    struct cop_keras__tensor src = *job->src;
    int64_t target[2] = {0, sample_elements(job->src->value)};
    if (is_channels_first && !src.is_first && shape->rank > 2) {
        if (shape->rank != 4)
            return COP_FAIL(
                err,
                COP_EUNSUPPORTED,
                "channels_first with %d axes is not supported, 4 are",
                shape->rank);
        src.is_first = true; /* as memory has it already */
    }
    if (shape->rank == 4 && src.is_first && !is_flat(shape, true))
        COP_TRY(cop_keras__order(job, &src, false, &src, err));
    dst->is_first = false;
    return reshape(job, NULL, src.value, target, 2, &dst->value, err);
}

/* One extent may be -1: what is left. */
static enum cop_status resolve_target(
    const struct cop_keras__job *job,
    int64_t *target,
    int32_t *rank,
    struct cop_err *err)
{
    const int64_t all = sample_elements(job->src->value);
    int64_t known = 1;
    int32_t open = -1;
    COP_TRY(cop_keras__ints(
        job->layer->config, "target_shape", target + 1, COP_MAX_RANK - 1, rank, err));
    target[0] = 0;
    *rank += 1;
    for (int32_t i = 1; i < *rank; i++) {
        if (target[i] == -1 && open < 0) {
            open = i;
            continue;
        }
        if (target[i] < 1 || known > all)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "target_shape has %" PRId64 " at %d, wanted extents of %" PRId64
                " elements",
                target[i],
                i - 1,
                all);
        known *= target[i];
    }
    if (open >= 0 && all % known == 0) target[open] = all / known;
    if (open >= 0 ? all % known == 0 : all == known) return COP_OK;
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "target_shape holds %" PRId64 " elements, the tensor %" PRId64,
        known,
        all);
}

/* The target (1, 1, C), as before the gates of squeeze and excitation, is given the order
 * of memory at once. */
enum cop_status cop_keras__build_reshape(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    int64_t target[COP_MAX_RANK] = {0};
    int32_t rank = 0;
    struct cop_keras__tensor src = *job->src;
    COP_TRY(resolve_target(job, target, &rank, err));
    if (src.is_first && !is_flat(&src.value->shape, true))
        COP_TRY(cop_keras__order(job, &src, false, &src, err));
    dst->is_first = false;
    if (rank == 4 && !job->net->keeps_order &&
        (target[1] * target[2] == 1 || target[3] == 1)) {
        const int64_t channels = target[3];
        target[3] = target[2];
        target[2] = target[1];
        target[1] = channels;
        dst->is_first = true;
    }
    return reshape(job, NULL, src.value, target, rank, &dst->value, err);
}

/* Axis a of the result is axis dims[a] of the source, counted from 1. */
enum cop_status cop_keras__build_permute(
    const struct cop_keras__job *job,
    struct cop_keras__tensor *dst,
    struct cop_err *err)
{
    const int32_t rank = job->src->value->shape.rank;
    int64_t dims[COP_MAX_RANK] = {0};
    int64_t perm[COP_MAX_RANK] = {0};
    uint32_t seen = 1;
    int32_t n = 0;
    COP_TRY(cop_keras__ints(
        job->layer->config, "dims", dims + 1, COP_MAX_RANK - 1, &n, err));
    for (int32_t i = 1; i <= n; i++)
        if (dims[i] > 0 && dims[i] < rank) seen |= 1U << dims[i];
    if (n + 1 != rank || seen != (1U << rank) - 1)
        return COP_FAIL(
            err, COP_EFORMAT, "'dims' are %d, no order of %d axes", n, rank - 1);
    dst->is_first = job->src->is_first;
    for (int32_t i = 0; i < rank; i++) {
        /* Both tensors lie in the same order of memory. */
        const int32_t keras_axis = dst->is_first ? keras_of[i] : i;
        const int64_t from = dims[keras_axis];
        perm[i] = dst->is_first ? memory_of[from] : from;
    }
    return transpose(job, NULL, job->src->value, perm, &dst->value, err);
}
