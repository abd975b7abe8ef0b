/* tests/ops/reference_move.c - operators that move, select or make elements. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int axis_of(int64_t axis, int rank)
{
    return (int)(axis < 0 ? axis + rank : axis);
}

/* dst[at] = src[from(at)] is all that most of these say. */
static void copy(struct ref_call *call, int dst, const int64_t *from, int64_t to)
{
    call->dst[dst].at[to] = call->src[0].at[ref_ravel(&call->src[0].shape, from)];
}

static void same_elements(struct ref_call *call, const struct cop_shape *shape)
{
    const struct ref_tensor *const src = &call->src[0];
    ref_make(&call->dst[0], src->dtype, shape);
    memcpy(call->dst[0].at, src->at, (size_t)ref_n(src) * sizeof(double));
}

/* ---- shapes --------------------------------------------------------------------------- */

static void reshape(struct ref_call *call)
{
    const struct ref_tensor *const src = &call->src[0];
    struct cop_shape shape = {(int32_t)ref_n(&call->src[1]), {0}};
    int open = -1;
    int64_t rest = ref_n(src);
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = (int64_t)call->src[1].at[i];
        if (shape.dim[i] == 0) shape.dim[i] = src->shape.dim[i];
        if (shape.dim[i] < 0)
            open = i;
        else
            rest /= shape.dim[i];
    }
    if (open >= 0) shape.dim[open] = rest;
    same_elements(call, &shape);
}

static void flatten(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    const int64_t given = ref_int(call, "axis", 1);
    const int axis = axis_of(given, src->rank);
    struct cop_shape shape = {2, {1, 1}};
    for (int i = 0; i < src->rank; i++)
        shape.dim[i < axis ? 0 : 1] *= src->dim[i];
    same_elements(call, &shape);
}

/* Axes as an attribute up to opset 12, as operand 1 since. */
static int listed_axes(const struct ref_call *call, int64_t *axes)
{
    if (!ref_has(call, 1)) return ref_ints(call, "axes", axes, COP_MAX_RANK);
    const int n = (int)ref_n(&call->src[1]);
    for (int i = 0; i < n; i++)
        axes[i] = (int64_t)call->src[1].at[i];
    return n;
}

static void squeeze(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    int64_t axes[COP_MAX_RANK];
    const int n = listed_axes(call, axes);
    struct cop_shape shape = {0, {0}};
    for (int i = 0; i < src->rank; i++) {
        bool goes = n < 0 && src->dim[i] == 1;
        for (int k = 0; k < n; k++)
            goes = goes || axis_of(axes[k], src->rank) == i;
        if (!goes) shape.dim[shape.rank++] = src->dim[i];
    }
    same_elements(call, &shape);
}

static void unsqueeze(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    int64_t axes[COP_MAX_RANK];
    const int n = listed_axes(call, axes);
    struct cop_shape shape = {src->rank + n, {0}};
    for (int k = 0; k < n; k++)
        shape.dim[axis_of(axes[k], shape.rank)] = 1;
    for (int i = 0, from = 0; i < shape.rank; i++)
        if (shape.dim[i] == 0) shape.dim[i] = src->dim[from++];
    same_elements(call, &shape);
}

static void shape_of(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    int64_t start = ref_int(call, "start", 0);
    int64_t end = ref_int(call, "end", src->rank);
    if (start < 0) start += src->rank;
    if (end < 0) end += src->rank;
    if (end > src->rank) end = src->rank;
    const int64_t n = end > start ? end - start : 0;
    const struct cop_shape shape = cop_shape_make(1, &n);
    ref_make(&call->dst[0], COP_I64, &shape);
    for (int64_t i = 0; i < n; i++)
        call->dst[0].at[i] = (double)src->dim[start + i];
}

/* ---- moving --------------------------------------------------------------------------- */

static void transpose(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    int64_t perm[COP_MAX_RANK];
    if (ref_ints(call, "perm", perm, COP_MAX_RANK) < 0)
        for (int i = 0; i < src->rank; i++)
            perm[i] = src->rank - 1 - i;
    struct cop_shape shape = {src->rank, {0}};
    for (int i = 0; i < src->rank; i++)
        shape.dim[i] = src->dim[perm[i]];
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        int64_t from[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        for (int k = 0; k < shape.rank; k++)
            from[perm[k]] = at[k];
        copy(call, 0, from, i);
    }
}

/* Walks from the edge outwards, turning round or starting over as the mode says. */
static int64_t beyond(const char *mode, int64_t at, int64_t n)
{
    int64_t place = 0;
    int64_t step = 1;
    if (at >= 0 && at < n) return at;
    const int64_t n_steps = at < 0 ? -at : at - (n - 1);
    if (at >= n) place = n - 1;
    if (strcmp(mode, "edge") == 0) return place;
    if (strcmp(mode, "wrap") == 0) {
        for (int64_t i = 0; i < n_steps; i++)
            place = at < 0 ? (place + n - 1) % n : (place + 1) % n;
        return place;
    }
    if (at >= n) step = -1;
    for (int64_t i = 0; i < n_steps && n > 1; i++) {
        if (place + step < 0 || place + step >= n) step = -step;
        place += step;
    }
    return place;
}

static void pad(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    const char *const mode = ref_text(call, "mode", "constant");
    const bool is_constant = strcmp(mode, "constant") == 0;
    int64_t listed[2 * COP_MAX_RANK];
    int64_t pads[2 * COP_MAX_RANK] = {0};
    double fill = ref_float(call, "value", 0.0);
    int n = ref_ints(call, "pads", listed, 2 * COP_MAX_RANK);
    for (int i = 0; n < 0 && i < ref_n(&call->src[1]); i++)
        listed[i] = (int64_t)call->src[1].at[i];
    if (n < 0) n = (int)ref_n(&call->src[1]);
    for (int i = 0; i < n / 2; i++) {
        const int axis =
            ref_has(call, 3) ? axis_of((int64_t)call->src[3].at[i], src->rank) : i;
        pads[axis] = listed[i];
        pads[src->rank + axis] = listed[n / 2 + i];
    }
    if (ref_has(call, 2)) fill = call->src[2].at[0];
    struct cop_shape shape = *src;
    for (int i = 0; i < src->rank; i++)
        shape.dim[i] += pads[i] + pads[src->rank + i];
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        bool is_inside = true;
        ref_unravel(&shape, i, at);
        for (int k = 0; k < shape.rank; k++) {
            at[k] -= pads[k];
            if (!is_constant) at[k] = beyond(mode, at[k], src->dim[k]);
            is_inside = is_inside && at[k] >= 0 && at[k] < src->dim[k];
        }
        call->dst[0].at[i] = fill;
        if (is_inside) copy(call, 0, at, i);
    }
}

/* NumPy's a[start:end:step] on each listed axis, by walking along it. */
static void slice(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    static const char *const names[5] = {"", "starts", "ends", "axes", "steps"};
    int64_t lists[5][COP_MAX_RANK];
    int n = 0;
    for (int i = 1; i < 5; i++) {
        int listed = ref_ints(call, names[i], lists[i], COP_MAX_RANK);
        for (int k = 0; ref_has(call, i) && k < ref_n(&call->src[i]); k++)
            lists[i][listed = k] = (int64_t)call->src[i].at[k];
        if (i == 1) n = ref_has(call, 1) ? (int)ref_n(&call->src[1]) : listed;
        for (int k = 0; listed < 0 && k < n; k++)
            lists[i][k] = i == 3 ? k : 1;
    }
    struct cop_shape shape = *src;
    int64_t first[COP_MAX_RANK] = {0};
    int64_t step[COP_MAX_RANK];
    for (int i = 0; i < src->rank; i++)
        step[i] = 1;
    for (int k = 0; k < n; k++) {
        const int axis = axis_of(lists[3][k], src->rank);
        const int64_t extent = src->dim[axis];
        int64_t start = lists[1][k] < 0 ? lists[1][k] + extent : lists[1][k];
        int64_t end = lists[2][k] < 0 ? lists[2][k] + extent : lists[2][k];
        step[axis] = lists[4][k];
        if (step[axis] < 0 && start > extent - 1) start = extent - 1;
        if (step[axis] > 0 && start < 0) start = 0;
        first[axis] = start;
        shape.dim[axis] = 0;
        for (int64_t at = start; at >= 0 && at < extent; at += step[axis])
            shape.dim[axis] += step[axis] > 0 ? at < end : at > end;
    }
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        for (int k = 0; k < shape.rank; k++)
            at[k] = first[k] + at[k] * step[k];
        copy(call, 0, at, i);
    }
}

static void concat(struct ref_call *call)
{
    const int axis = axis_of(ref_int(call, "axis", 1), call->src[0].shape.rank);
    struct cop_shape shape = call->src[0].shape;
    for (int s = 1; s < call->n_src; s++)
        shape.dim[axis] += call->src[s].shape.dim[axis];
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        int s = 0;
        while (at[axis] >= call->src[s].shape.dim[axis])
            at[axis] -= call->src[s++].shape.dim[axis];
        call->dst[0].at[i] = call->src[s].at[ref_ravel(&call->src[s].shape, at)];
    }
}

static void split(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    const int axis = axis_of(ref_int(call, "axis", 0), src->rank);
    int64_t sizes[REF_MAX_DST];
    int n = ref_ints(call, "split", sizes, REF_MAX_DST);
    for (int k = 0; ref_has(call, 1) && k < ref_n(&call->src[1]); k++)
        sizes[k] = (int64_t)call->src[1].at[k], n = k + 1;
    const int64_t each = (src->dim[axis] + call->n_dst - 1) / call->n_dst;
    int64_t first = 0;
    for (int d = 0; d < call->n_dst; d++) {
        struct cop_shape shape = *src;
        const int64_t left = src->dim[axis] - first;
        shape.dim[axis] = n > 0 ? sizes[d] : (left < each ? left : each);
        ref_make(&call->dst[d], call->src[0].dtype, &shape);
        for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
            int64_t at[COP_MAX_RANK];
            ref_unravel(&shape, i, at);
            at[axis] += first;
            copy(call, d, at, i);
        }
        first += shape.dim[axis];
    }
}

static void gather(struct ref_call *call)
{
    const struct cop_shape *const src = &call->src[0].shape;
    const struct ref_tensor *const indices = &call->src[1];
    const int axis = axis_of(ref_int(call, "axis", 0), src->rank);
    struct cop_shape shape = {0, {0}};
    for (int i = 0; i < axis; i++)
        shape.dim[shape.rank++] = src->dim[i];
    for (int i = 0; i < indices->shape.rank; i++)
        shape.dim[shape.rank++] = indices->shape.dim[i];
    for (int i = axis + 1; i < src->rank; i++)
        shape.dim[shape.rank++] = src->dim[i];
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++) {
        int64_t at[COP_MAX_RANK];
        int64_t from[COP_MAX_RANK];
        ref_unravel(&shape, i, at);
        for (int k = 0; k < axis; k++)
            from[k] = at[k];
        const int64_t k = ref_ravel(&indices->shape, &at[axis]);
        const int64_t index = (int64_t)indices->at[k];
        from[axis] = index < 0 ? index + src->dim[axis] : index;
        for (int m = axis + 1; m < src->rank; m++)
            from[m] = at[m - 1 + indices->shape.rank];
        copy(call, 0, from, i);
    }
}

/* ---- making --------------------------------------------------------------------------- */

static void fill(struct ref_call *call)
{
    struct cop_shape shape = {(int32_t)ref_n(&call->src[0]), {0}};
    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = (int64_t)call->src[0].at[i];
    const char *const value = ref_text(call, "value", "f:0");
    ref_make(&call->dst[0], value[0] == 'i' ? COP_I64 : COP_F32, &shape);
    for (int64_t i = 0; i < cop_shape_n(&shape); i++)
        call->dst[0].at[i] = (double)strtof(strchr(value, ':') + 1, NULL);
}

static void constant(struct ref_call *call)
{
    const char *text = ref_text(call, "value", NULL);
    const bool is_scalar = text == NULL && ref_text(call, "value_ints", NULL) == NULL &&
                           ref_text(call, "value_floats", NULL) == NULL;
    enum cop_dtype dtype = COP_F32;
    if (text != NULL) {
        dtype = text[0] == 'i' ? COP_I64 : COP_F32;
        text = strchr(text, ':') + 1;
    } else {
        const bool is_whole = ref_text(call, "value_int", NULL) != NULL ||
                              ref_text(call, "value_ints", NULL) != NULL;
        dtype = is_whole ? COP_I64 : COP_F32;
        text = call->attrs[0].text;
    }
    double elements[16];
    int64_t n = 0;
    for (char *end = NULL; *text != '\0' && n < 16; text = *end == ',' ? end + 1 : end)
        elements[n++] = (double)strtof(text, &end);
    const struct cop_shape shape = cop_shape_make(is_scalar ? 0 : 1, &n);
    ref_make(&call->dst[0], dtype, &shape);
    memcpy(call->dst[0].at, elements, (size_t)n * sizeof(double));
}

static void range(struct ref_call *call)
{
    const double start = call->src[0].at[0];
    const double delta = call->src[2].at[0];
    const double n = fmax(0.0, ceil((call->src[1].at[0] - start) / delta));
    const int64_t extent = (int64_t)n;
    const struct cop_shape shape = cop_shape_make(1, &extent);
    ref_make(&call->dst[0], call->src[0].dtype, &shape);
    for (int64_t i = 0; i < extent; i++)
        call->dst[0].at[i] = start + (double)i * delta;
}

const struct ref_row ref_move_rows[] = {
    {"Concat", concat},
    {"Constant", constant},
    {"ConstantOfShape", fill},
    {"Flatten", flatten},
    {"Gather", gather},
    {"Pad", pad},
    {"Range", range},
    {"Reshape", reshape},
    {"Shape", shape_of},
    {"Slice", slice},
    {"Split", split},
    {"Squeeze", squeeze},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
    {NULL, NULL}};
