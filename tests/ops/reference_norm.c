/* tests/ops/reference_norm.c - normalisations with statistics of their own. */
#include "reference.h"

#include <math.h>
#include <string.h>

/* Mean and variance of elements first, first + step, ... */
struct moments {
    double mean;
    double variance;
};

static struct moments moments_of(const double *at, int64_t n)
{
    struct moments moments = {0.0, 0.0};
    for (int64_t i = 0; i < n; i++)
        moments.mean += at[i] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double centred = at[i] - moments.mean;
        moments.variance += centred * centred / (double)n;
    }
    return moments;
}

/* Blocks of elements behind one another have statistics of their own. */
static void blocks(struct ref_call *call, int64_t n)
{
    const struct ref_tensor *const src = &call->src[0];
    const double epsilon = ref_float(call, "epsilon", 1e-5);
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t first = 0; first < ref_n(src); first += n) {
        const struct moments m = moments_of(src->at + first, n);
        for (int64_t i = first; i < first + n; i++)
            call->dst[0].at[i] = (src->at[i] - m.mean) / sqrt(m.variance + epsilon);
    }
}

static void by_channel(struct ref_call *call)
{
    const struct cop_shape *const shape = &call->src[0].shape;
    const int64_t groups = strcmp(call->op, "GroupNormalization") == 0
                               ? ref_int(call, "num_groups", 1)
                               : shape->dim[1];
    blocks(call, cop_shape_span(shape, 1, shape->rank) / groups);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(shape, i, at);
        call->dst[0].at[i] =
            call->dst[0].at[i] * call->src[1].at[at[1]] + call->src[2].at[at[1]];
    }
}

static void layer(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const struct cop_shape *const shape = &src->shape;
    const double epsilon = ref_float(call, "epsilon", 1e-5);
    int64_t axis = ref_int(call, "axis", -1);
    if (axis < 0) axis += shape->rank;
    const int64_t n = cop_shape_span(shape, (int32_t)axis, shape->rank);
    blocks(call, n);
    for (int64_t i = 0; i < ref_n(&call->dst[0]); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(shape, i, at);
        call->dst[0].at[i] *= ref_broadcast_at(&call->src[1], shape, at);
        if (ref_has(call, 2))
            call->dst[0].at[i] += ref_broadcast_at(&call->src[2], shape, at);
    }
    struct cop_shape kept = *shape;
    for (int64_t i = axis; i < shape->rank; i++)
        kept.dim[i] = 1;
    for (int d = 1; d < call->n_dst; d++) {
        ref_make(&call->dst[d], COP_F32, &kept);
        for (int64_t i = 0; i < cop_shape_n(&kept); i++) {
            const struct moments m = moments_of(src->at + i * n, n);
            call->dst[d].at[i] = d == 1 ? m.mean : 1.0 / sqrt(m.variance + epsilon);
        }
    }
}

/* Divides by what the squares of neighbouring channels sum to. */
static void lrn(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const int64_t size = ref_int(call, "size", 1);
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        const int64_t c = at[1];
        double sum = 0.0;
        for (int64_t k = c - (size - 1) / 2; k <= c + size / 2; k++) {
            if (k < 0 || k >= src->shape.dim[1]) continue;
            at[1] = k;
            const double x = src->at[ref_ravel(&src->shape, at)];
            sum += x * x;
        }
        call->dst[0].at[i] =
            src->at[i] / pow(ref_float(call, "bias", 1.0) +
                                 ref_float(call, "alpha", 1e-4) / (double)size * sum,
                             ref_float(call, "beta", 0.75));
    }
}

static void lp_normalise(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    const double p = (double)ref_int(call, "p", 2);
    int64_t axis = ref_int(call, "axis", -1);
    if (axis < 0) axis += src->shape.rank;
    ref_make(&call->dst[0], COP_F32, &src->shape);
    for (int64_t i = 0; i < ref_n(src); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&src->shape, i, at);
        double sum = 0.0;
        for (at[axis] = 0; at[axis] < src->shape.dim[axis]; at[axis]++)
            sum += pow(fabs(src->at[ref_ravel(&src->shape, at)]), p);
        call->dst[0].at[i] = src->at[i] / pow(sum, 1.0 / p);
    }
}

const struct ref_row ref_norm_rows[] = {
    {"GroupNormalization", by_channel},
    {"InstanceNormalization", by_channel},
    {"LRN", lrn},
    {"LayerNormalization", layer},
    {"LpNormalization", lp_normalise},
    {NULL, NULL}};
