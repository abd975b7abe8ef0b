/* tests/ops/reference_resize.c - Resize and Upsample, one axis after the other. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/** How one axis is resized. */
struct line {
    const char *mode;
    const char *coordinates;
    const char *nearest;
    int64_t in;
    int64_t out;
    double scale;
    double length; /* of the result, for align_corners; not always whole */
    double roi[2];
    bool excludes;
    bool antialias;
    double a;
    double outside;
};

static double position(const struct line *line, int64_t o)
{
    const double at = (double)o;
    const double in = (double)line->in;
    if (strcmp(line->coordinates, "asymmetric") == 0) return at / line->scale;
    if (strcmp(line->coordinates, "tf_half_pixel_for_nn") == 0)
        return (at + 0.5) / line->scale;
    if (strcmp(line->coordinates, "align_corners") == 0)
        return line->out == 1 ? 0.0 : at * (in - 1) / (line->length - 1);
    if (strcmp(line->coordinates, "pytorch_half_pixel") == 0 && line->out == 1)
        return 0.0;
    if (strcmp(line->coordinates, "tf_crop_and_resize") == 0) {
        const double first = line->roi[0] * (in - 1);
        const double last = line->roi[1] * (in - 1);
        if (line->out == 1) return (first + last) / 2;
        return first + at * (last - first) / (double)(line->out - 1);
    }
    const double x = (at + 0.5) / line->scale - 0.5;
    if (strcmp(line->coordinates, "half_pixel_symmetric") != 0) return x;
    return x + in / 2 * (1 - (double)line->out / (line->scale * in));
}

static double element(
    const double *src, int64_t step, const struct line *line, int64_t i)
{
    if (i < 0) i = 0;
    if (i > line->in - 1) i = line->in - 1;
    return src[i * step];
}

static double weight(const struct line *line, double x)
{
    const double a = line->a;
    x = fabs(x);
    if (strcmp(line->mode, "linear") == 0) return fmax(0.0, 1 - x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0.0;
}

static double sample(
    const double *src, int64_t step, const struct line *line, int64_t o)
{
    const double x = position(line, o);
    if (strcmp(line->coordinates, "tf_crop_and_resize") == 0 &&
        (x < 0 || x > (double)(line->in - 1)))
        return line->outside;
    if (strcmp(line->mode, "nearest") == 0) {
        double chosen = ceil(x - 0.5);
        if (strcmp(line->nearest, "round_prefer_ceil") == 0) chosen = floor(x + 0.5);
        if (strcmp(line->nearest, "floor") == 0) chosen = floor(x);
        if (strcmp(line->nearest, "ceil") == 0) chosen = ceil(x);
        return element(src, step, line, (int64_t)chosen);
    }
    const double narrow = line->antialias ? fmin(1.0, line->scale) : 1.0;
    const int64_t reach = (int64_t)ceil(2.0 / narrow) + 1;
    double sum = 0.0;
    double all = 0.0;
    for (int64_t i = (int64_t)floor(x) - reach; i <= (int64_t)floor(x) + reach; i++) {
        if (line->excludes && (i < 0 || i >= line->in)) continue;
        const double w = weight(line, ((double)i - x) * narrow);
        sum += w * element(src, step, line, i);
        all += w;
    }
    return line->excludes || narrow < 1.0 ? sum / all : sum;
}

static struct ref_tensor along(
    const struct ref_tensor *src, int axis, const struct line *line)
{
    struct ref_tensor dst;
    struct cop_shape shape = src->shape;
    shape.dim[axis] = line->out;
    ref_make(&dst, COP_F32, &shape);
    const int64_t step = cop_shape_span(&shape, axis + 1, shape.rank);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        const int64_t o = at[axis];
        at[axis] = 0;
        dst.at[i] = sample(&src->at[ref_ravel(&src->shape, at)], step, line, o);
    }
    return dst;
}

/* The line of each axis that is listed; others stay as they are. */
static bool find_line(const struct ref_call *call, int axis, struct line *line)
{
    const struct ref_tensor *const src = &call->src[0];
    const int scales = call->opset > 10 && strcmp(call->op, "Resize") == 0 ? 2 : 1;
    const bool has_sizes = ref_has(call, 3);
    int64_t axes[COP_MAX_RANK];
    int n = ref_ints(call, "axes", axes, COP_MAX_RANK);
    int k = n < 0 ? axis : -1;
    for (int i = 0; i < n; i++)
        if (axes[i] == axis || axes[i] + src->shape.rank == axis) k = i;
    if (n < 0) n = src->shape.rank;
    if (k < 0) return false;
    const bool is_old = scales == 1;
    line->mode = ref_text(call, "mode", "nearest");
    line->coordinates = ref_text(
        call, "coordinate_transformation_mode", is_old ? "asymmetric" : "half_pixel");
    line->nearest =
        ref_text(call, "nearest_mode", is_old ? "floor" : "round_prefer_floor");
    line->a = ref_float(call, "cubic_coeff_a", -0.75);
    line->excludes = ref_int(call, "exclude_outside", 0) != 0;
    line->antialias = ref_int(call, "antialias", 0) != 0;
    line->outside = ref_float(call, "extrapolation_value", 0.0);
    line->in = src->shape.dim[axis];
    if (strcmp(line->coordinates, "tf_crop_and_resize") == 0) {
        line->roi[0] = call->src[1].at[k];
        line->roi[1] = call->src[1].at[n + k];
    }
    if (!has_sizes) {
        const char *text = ref_text(call, "scales", NULL);
        for (int i = 0; text != NULL && i < k; i++)
            text = strchr(text, ',') + 1;
        line->scale = text != NULL ? strtod(text, NULL) : call->src[scales].at[k];
        line->length = line->scale * (double)line->in;
        line->out = (int64_t)floor(line->length + 1e-6);
        return true;
    }
    const char *const policy = ref_text(call, "keep_aspect_ratio_policy", "stretch");
    line->out = (int64_t)call->src[3].at[k];
    line->scale = (double)line->out / (double)line->in;
    for (int i = 0; i < n && strcmp(policy, "stretch") != 0; i++) {
        const int other =
            ref_ints(call, "axes", axes, COP_MAX_RANK) < 0 ? i : (int)axes[i];
        const double scale = call->src[3].at[i] / (double)src->shape.dim[other];
        line->scale = strcmp(policy, "not_larger") == 0 ? fmin(line->scale, scale)
                                                        : fmax(line->scale, scale);
    }
    if (strcmp(policy, "stretch") != 0)
        line->out = (int64_t)floor(line->scale * (double)line->in + 0.5);
    line->length = (double)line->out;
    return true;
}

static void resize(struct ref_call *call)
{
    struct ref_tensor so_far = {COP_F32, call->src[0].shape, call->src[0].at};
    for (int axis = 0; axis < call->src[0].shape.rank; axis++) {
        struct line line = {.in = 0};
        if (!find_line(call, axis, &line)) continue;
        const struct ref_tensor next = along(&so_far, axis, &line);
        if (so_far.at != call->src[0].at) ref_clear(&so_far);
        so_far = next;
    }
    ref_make(&call->dst[0], COP_F32, &so_far.shape);
    memcpy(call->dst[0].at, so_far.at, (size_t)ref_n(&so_far) * sizeof so_far.at[0]);
    if (so_far.at != call->src[0].at) ref_clear(&so_far);
}

const struct ref_row ref_resize_rows[] = {
    {"Resize", resize}, {"Upsample", resize}, {NULL, NULL}};
