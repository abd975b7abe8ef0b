/* ops/resize.c - Resize and Upsample: images of another size.
 *
 * Each axis is resized on its own: nearest elements are picked by a table, linear and cubic
 * interpolation are one table of weights.  Positions are computed in float32, as ONNX
 * Runtime does, because rounding decides which element is nearest.  Upsample is read as the
 * Resize that it became. */
#include "ops/ops.h"
#include "ops/row.h"

#include <math.h>
#include <string.h>

struct resize_attrs {
    const char *mode;
    const char *coordinate_transformation_mode;
    const char *nearest_mode;
    const char *keep_aspect_ratio_policy;
    float cubic_coeff_a;
    float extrapolation_value;
    int64_t exclude_outside;
    int64_t antialias;
    struct cop_ints axes;
};

#define AT(field) .offset = offsetof(struct resize_attrs, field)
static const struct cop_attr_spec resize_specs[] = {
    {.name = "mode", .type = COP_ATTR_STRING, AT(mode), .string_default = "nearest"},
    {.name = "coordinate_transformation_mode",
     .type = COP_ATTR_STRING,
     AT(coordinate_transformation_mode),
     .string_default = "half_pixel",
     .first_opset = 11,
     .late_text = "half_pixel_symmetric",
     .late_opset = 19},
    {.name = "nearest_mode",
     .type = COP_ATTR_STRING,
     AT(nearest_mode),
     .string_default = "round_prefer_floor",
     .first_opset = 11},
    {.name = "cubic_coeff_a",
     .type = COP_ATTR_FLOAT,
     AT(cubic_coeff_a),
     .float_default = -0.75F,
     .first_opset = 11},
    {.name = "exclude_outside",
     .type = COP_ATTR_INT,
     AT(exclude_outside),
     .first_opset = 11},
    {.name = "extrapolation_value",
     .type = COP_ATTR_FLOAT,
     AT(extrapolation_value),
     .first_opset = 11},
    {.name = "antialias", .type = COP_ATTR_INT, AT(antialias), .first_opset = 18},
    {.name = "axes", .type = COP_ATTR_INTS, AT(axes), .first_opset = 18},
    {.name = "keep_aspect_ratio_policy",
     .type = COP_ATTR_STRING,
     AT(keep_aspect_ratio_policy),
     .string_default = "stretch",
     .first_opset = 18},
    {.type = COP_ATTR_END}};
#undef AT

enum { NEAREST, LINEAR, CUBIC };
enum {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL_FOR_NN,
    TF_CROP_AND_RESIZE
};
enum { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, FLOOR, CEIL };
enum { STRETCH, NOT_LARGER, NOT_SMALLER };

/** The attributes' words as numbers. */
struct words {
    int mode;
    int coordinates;
    int nearest;
    int policy;
};

static enum cop_status find_word(
    const char *what,
    const char *given,
    const char *const *known,
    int n,
    int *found,
    struct cop_err *err)
{
    for (*found = 0; *found < n; *found += 1)
        if (given != NULL && strcmp(given, known[*found]) == 0) return COP_OK;
    return COP_FAIL(err, COP_EUNSUPPORTED, "%s is '%.24s'", what, given ? given : "");
}

static enum cop_status read_words(
    const struct resize_attrs *attrs, struct words *words, struct cop_err *err)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coordinates[] = {
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_half_pixel_for_nn",
        "tf_crop_and_resize"};
    static const char *const nearest[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
    COP_TRY(find_word("mode", attrs->mode, modes, 3, &words->mode, err));
    COP_TRY(find_word(
        "coordinate_transformation_mode",
        attrs->coordinate_transformation_mode,
        coordinates,
        7,
        &words->coordinates,
        err));
    COP_TRY(find_word(
        "nearest_mode", attrs->nearest_mode, nearest, 4, &words->nearest, err));
    return find_word(
        "keep_aspect_ratio_policy",
        attrs->keep_aspect_ratio_policy,
        policies,
        3,
        &words->policy,
        err);
}

/* ---- sizes ------------------------------------------------------------------------------ */

/** One axis: how many elements become how many, and where they lie. */
struct axis {
    int64_t in;
    int64_t out;
    float scale;
    float length; /* what align_corners calls the result's length */
    float roi[2]; /* tf_crop_and_resize: the part taken, 0 to 1 */
};

enum { ROI = 1, SCALES = 2, SIZES = 3 };

static bool is_given(const struct cop_node *node, const struct cop_fact *src, int slot)
{
    return cop_ops__has(node, slot) && cop_shape_n(&src[slot].shape) > 0;
}

/* The numbers of operand @p slot, one per listed axis (roi: two). */
static enum cop_status numbers(
    const struct cop_fact *fact,
    const char *what,
    int64_t n,
    double to[2 * COP_MAX_RANK],
    struct cop_err *err)
{
    if (fact->data == NULL)
        return COP_FAIL(err, COP_EUNSUPPORTED, "%s are not constant", what);
    if (cop_shape_n(&fact->shape) != n)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "%s has %lld entries, wanted %lld",
            what,
            (long long)cop_shape_n(&fact->shape),
            (long long)n);
    for (int64_t i = 0; i < n; i++)
        to[i] = cop_element_at(fact->dtype, fact->data, i);
    return COP_OK;
}

static enum cop_status listed_axes(
    const struct resize_attrs *attrs,
    int32_t rank,
    int32_t list[COP_MAX_RANK],
    int32_t *n,
    struct cop_err *err)
{
    uint32_t marks = 0;
    *n = attrs->axes.at != NULL ? (int32_t)attrs->axes.n : rank;
    if (attrs->axes.at != NULL)
        COP_TRY(cop_ops__axes(rank, attrs->axes.at, attrs->axes.n, &marks, err));
    for (int32_t i = 0; i < *n; i++) {
        list[i] = i;
        if (attrs->axes.at != NULL)
            COP_TRY(cop_shape_axis(rank, attrs->axes.at[i], &list[i], err));
    }
    return COP_OK;
}

static enum cop_status size_from_scale(
    struct axis *axis, double scale, struct cop_err *err)
{
    axis->scale = (float)scale;
    axis->length = (float)axis->in * axis->scale;
    if (!(axis->scale > 0.0F) || !(axis->length < 0x1p31F))
        return COP_FAIL(err, COP_ESHAPE, "scale is %g", scale);
    axis->out = (int64_t)floorf(axis->length);
    return COP_OK;
}

/* Sizes are bounds of a common scale where the aspect ratio is kept. */
static enum cop_status sizes_to_axes(
    const double *sizes,
    const int32_t *list,
    int32_t n,
    int policy,
    struct axis axes[COP_MAX_RANK],
    struct cop_err *err)
{
    float common = 0.0F;
    for (int32_t i = 0; i < n; i++) {
        struct axis *const axis = &axes[list[i]];
        if (!(sizes[i] >= 1.0) || !(sizes[i] < 0x1p31) || axis->in < 1)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d of %lld elements is resized to %g",
                list[i],
                (long long)axis->in,
                sizes[i]);
        axis->out = (int64_t)sizes[i];
        axis->scale = (float)axis->out / (float)axis->in;
        const bool is_tighter =
            policy == NOT_LARGER ? axis->scale < common : axis->scale > common;
        if (i == 0 || is_tighter) common = axis->scale;
    }
    for (int32_t i = 0; i < n; i++) {
        struct axis *const axis = &axes[list[i]];
        if (policy != STRETCH) {
            axis->scale = common;
            axis->out = (int64_t)floorf(common * (float)axis->in + 0.5F);
        }
        axis->length = (float)axis->out;
    }
    return COP_OK;
}

static enum cop_status find_axes(
    const struct cop_node *node,
    const struct words *words,
    const struct cop_fact *src,
    struct axis axes[COP_MAX_RANK],
    struct cop_err *err)
{
    const struct cop_shape *const shape = &src[0].shape;
    int32_t list[COP_MAX_RANK];
    int32_t n = 0;
    double given[2 * COP_MAX_RANK];
    COP_TRY(listed_axes(node->attrs, shape->rank, list, &n, err));
    for (int32_t i = 0; i < shape->rank; i++)
        axes[i] = (struct axis){
            shape->dim[i], shape->dim[i], 1.0F, (float)shape->dim[i], {0.0F, 1.0F}};
    if (is_given(node, src, SIZES)) {
        COP_TRY(numbers(&src[SIZES], "sizes", n, given, err));
        COP_TRY(sizes_to_axes(given, list, n, words->policy, axes, err));
    } else if (is_given(node, src, SCALES)) {
        COP_TRY(numbers(&src[SCALES], "scales", n, given, err));
        for (int32_t i = 0; i < n; i++)
            COP_TRY(size_from_scale(&axes[list[i]], given[i], err));
    } else {
        return COP_FAIL(err, COP_EFORMAT, "neither scales nor sizes are given");
    }
    if (words->coordinates != TF_CROP_AND_RESIZE) return COP_OK;
    if (!is_given(node, src, ROI))
        return COP_FAIL(err, COP_EFORMAT, "tf_crop_and_resize has no roi");
    COP_TRY(numbers(&src[ROI], "roi", 2 * n, given, err));
    for (int32_t i = 0; i < n; i++) {
        axes[list[i]].roi[0] = (float)given[i];
        axes[list[i]].roi[1] = (float)given[n + i];
    }
    return COP_OK;
}

static enum cop_status resize_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    struct words words;
    struct axis axes[COP_MAX_RANK];
    COP_TRY(cop_ops__want_f32(src, 0, err));
    COP_TRY(read_words(node->attrs, &words, err));
    COP_TRY(find_axes(node, &words, src, axes, err));
    dst[0] = (struct cop_fact){.dtype = COP_F32, .shape = src[0].shape};
    for (int32_t i = 0; i < src[0].shape.rank; i++) {
        dst[0].shape.dim[i] = axes[i].out;
        if (axes[i].out < 1 || axes[i].in < 1)
            return COP_FAIL(
                err,
                COP_ESHAPE,
                "axis %d of %lld elements is scaled by %g",
                i,
                (long long)axes[i].in,
                (double)axes[i].scale);
    }
    return COP_OK;
}

/* ---- positions -------------------------------------------------------------------------- */

/* Where element @p o of the result lies in the source. */
static float position(const struct axis *axis, int coordinates, int64_t o)
{
    const float in = (float)axis->in;
    const float at = (float)o;
    switch (coordinates) {
    case HALF_PIXEL_SYMMETRIC: {
        const float adjustment = (float)axis->out / (axis->scale * in);
        const float offset = in / 2.0F * (1.0F - adjustment);
        return offset + (at + 0.5F) / axis->scale - 0.5F;
    }
    case PYTORCH_HALF_PIXEL:
        return axis->out > 1 ? (at + 0.5F) / axis->scale - 0.5F : 0.0F;
    case ALIGN_CORNERS:
        return axis->out > 1 ? at * (in - 1.0F) / (axis->length - 1.0F) : 0.0F;
    case ASYMMETRIC: return at / axis->scale;
    case TF_HALF_PIXEL_FOR_NN: return (at + 0.5F) / axis->scale;
    case TF_CROP_AND_RESIZE: {
        const float span = axis->roi[1] - axis->roi[0];
        if (axis->out == 1) return 0.5F * (axis->roi[0] + axis->roi[1]) * (in - 1.0F);
        return axis->roi[0] * (in - 1.0F) +
               at * span * (in - 1.0F) / (axis->length - 1.0F);
    }
    default: return (at + 0.5F) / axis->scale - 0.5F;
    }
}

static bool is_outside(const struct axis *axis, int coordinates, float at)
{
    return coordinates == TF_CROP_AND_RESIZE &&
           !(at >= 0.0F && at <= (float)(axis->in - 1));
}

static int64_t clamp(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static int64_t nearest(float at, int nearest_mode, int64_t n)
{
    float chosen = 0.0F;
    switch (nearest_mode) {
    case ROUND_PREFER_CEIL: chosen = floorf(at + 0.5F); break;
    case FLOOR: chosen = floorf(at); break;
    case CEIL: chosen = ceilf(at); break;
    default: chosen = ceilf(at - 0.5F); break;
    }
    if (!(chosen > 0.0F)) return 0;
    return chosen < (float)n ? clamp((int64_t)chosen, n) : n - 1;
}

/* Weight of an element at distance @p x: a triangle, or Keys' cubic (1981, equation 4)
 * with a free a. */
static double kernel(const struct resize_attrs *attrs, int mode, double x)
{
    const double a = (double)attrs->cubic_coeff_a;
    x = fabs(x);
    if (mode == LINEAR) return x < 1.0 ? 1.0 - x : 0.0;
    if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

/* Weights of the elements around one position; they are made to sum to 1 where the kernel
 * was stretched or taps were left out. */
static void weigh(
    const struct resize_attrs *attrs,
    const struct words *words,
    const struct axis *axis,
    float at,
    int64_t n_taps,
    int64_t *index, /* [n_taps] */
    float *weight)  /* [n_taps] */
{
    const bool is_stretched = attrs->antialias != 0 && axis->scale < 1.0F;
    const bool excludes = attrs->exclude_outside != 0;
    const double narrow = is_stretched ? (double)axis->scale : 1.0;
    const int64_t first = (int64_t)ceilf(at) - n_taps / 2;
    double sum = 0.0;
    for (int64_t t = 0; t < n_taps; t++) {
        const double distance = (double)(first + t) - (double)at;
        double x = kernel(attrs, words->mode, distance * narrow);
        index[t] = clamp(first + t, axis->in);
        if (excludes && index[t] != first + t) x = 0.0;
        weight[t] = (float)x;
        sum += x;
    }
    for (int64_t t = 0; t < n_taps && (is_stretched || excludes); t++)
        weight[t] = (float)((double)weight[t] / sum);
}

/* ---- lowering --------------------------------------------------------------------------- */

enum { MAX_TAPS = 1 << 26 };

static enum cop_status emit_axis(
    struct cop_emitter *emitter,
    const struct resize_attrs *attrs,
    const struct words *words,
    const struct axis *axis,
    int32_t i,
    struct cop_ref src,
    struct cop_ref dst,
    struct cop_err *err)
{
    const float reach = words->mode == LINEAR ? 1.0F : 2.0F;
    const bool is_stretched = attrs->antialias != 0 && axis->scale < 1.0F;
    const float n_left =
        is_stretched ? -floorf(-reach / axis->scale) : reach; /* taps on each side */
    if (!(n_left * 2.0F * (float)axis->out < (float)MAX_TAPS))
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "axis %d: %lld elements of %g taps each",
            i,
            (long long)axis->out,
            2.0 * (double)n_left);
    const int64_t n_taps = 2 * (int64_t)n_left;
    struct cop_arena *const arena = cop_emit_arena(emitter);
    int64_t *const index = COP_ARENA_NEW_N(arena, axis->out * n_taps, int64_t);
    float *const weight = COP_ARENA_NEW_N(arena, axis->out * n_taps, float);
    if (index == NULL || weight == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t o = 0; o < axis->out; o++) {
        float at = position(axis, words->coordinates, o);
        if (is_outside(axis, words->coordinates, at)) at = 0.0F; /* replaced later */
        weigh(attrs, words, axis, at, n_taps, index + o * n_taps, weight + o * n_taps);
    }
    const struct cop_resample taps = {i, n_taps, index, weight};
    return cop_emit_resample(emitter, &taps, src, dst, err);
}

/* Tables of what nearest picks, or, for interpolation, of what lies outside (-1). */
static enum cop_status pick_tables(
    struct cop_emitter *emitter,
    const struct words *words,
    const struct axis *axes,
    const int64_t *tables[COP_MAX_RANK],
    bool *is_needed,
    struct cop_err *err)
{
    const int32_t rank = cop_emit_dst_fact(emitter, 0)->shape.rank;
    *is_needed = false;
    for (int32_t i = 0; i < rank; i++) {
        const struct axis *const axis = &axes[i];
        int64_t *table = NULL;
        COP_TRY(cop_ops__table(emitter, i, &table, err));
        bool differs = false;
        for (int64_t o = 0; o < axis->out; o++) {
            const float at = position(axis, words->coordinates, o);
            table[o] =
                words->mode == NEAREST ? nearest(at, words->nearest, axis->in) : o;
            if (is_outside(axis, words->coordinates, at)) table[o] = -1;
            differs = differs || table[o] != o;
        }
        if (!differs && (words->mode != NEAREST || axis->in == axis->out)) continue;
        tables[i] = table;
        *is_needed = true;
    }
    return COP_OK;
}

static bool is_resampled(const struct words *words, const struct axis *axis)
{
    const bool is_whole = !(axis->roi[0] < 0.0F) && !(axis->roi[0] > 0.0F) &&
                          !(axis->roi[1] < 1.0F) && !(axis->roi[1] > 1.0F);
    return words->mode != NEAREST && (axis->in != axis->out || !is_whole);
}

/* One primitive per axis that changes; the last one writes the result. */
static enum cop_status resize_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct resize_attrs *const attrs = node->attrs;
    struct cop_fact src[4];
    struct words words;
    struct axis axes[COP_MAX_RANK];
    for (int32_t i = 0; i < 4; i++)
        src[i] = *cop_emit_src_fact(emitter, i);
    COP_TRY(read_words(attrs, &words, err));
    COP_TRY(find_axes(node, &words, src, axes, err));
    struct cop_ref so_far = cop_emit_src(emitter, 0);
    struct cop_shape shape = src[0].shape;
    for (int32_t i = 0; i < shape.rank; i++) {
        if (!is_resampled(&words, &axes[i])) continue;
        struct cop_ref next = COP_REF_ABSENT;
        shape.dim[i] = axes[i].out;
        COP_TRY(cop_emit_temp(emitter, &shape, &next, err));
        COP_TRY(emit_axis(emitter, attrs, &words, &axes[i], i, so_far, next, err));
        so_far = next;
    }
    const int64_t *tables[COP_MAX_RANK] = {NULL};
    bool is_needed = false;
    COP_TRY(pick_tables(emitter, &words, axes, tables, &is_needed, err));
    if (!is_needed)
        return cop_emit_reshape(emitter, so_far, cop_emit_dst(emitter, 0), err);
    return cop_emit_pick(
        emitter,
        tables,
        attrs->extrapolation_value,
        so_far,
        cop_emit_dst(emitter, 0),
        err);
}

/* ---- coupling --------------------------------------------------------------------------- */

static enum cop_status resize_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    const struct cop_shape *const dst = &node->dst[0]->shape;
    for (int32_t i = 0; i < src->rank; i++)
        if (src->dim[i] == dst->dim[i])
            COP_TRY(cop_ties_add_axis(ties, 0, i, -1, i, err));
    return COP_OK;
}

/* Sizes spell out the extents of cut axes too. */
static enum cop_status resize_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    const struct cop_shape *const dst = &node->dst[0]->shape;
    int32_t list[COP_MAX_RANK];
    int32_t n = 0;
    int64_t sizes[COP_MAX_RANK];
    int32_t n_sizes = 0;
    bool is_cut = false;
    if (!cop_ops__has(node, SIZES) || node->src[SIZES]->data == NULL) return COP_OK;
    const struct cop_fact fact = cop_ops__fact(node->src[SIZES]);
    COP_TRY(listed_axes(node->attrs, dst->rank, list, &n, err));
    COP_TRY(cop_ops__ints(&fact, "sizes", sizes, &n_sizes, err));
    for (int32_t i = 0; i < n && i < n_sizes; i++) {
        const int64_t stays = cop_kept_count(kept, -1, list[i], 0, dst->dim[list[i]]);
        is_cut = is_cut || stays != dst->dim[list[i]];
        if (stays != dst->dim[list[i]]) sizes[i] = stays;
    }
    return is_cut ? cop_ops__set_ints(graph, node, SIZES, sizes, n, err) : COP_OK;
}

static const struct cop_coupling resize_coupling = {
    .name = "resize",
    .tie = resize_tie,
    .refit = resize_refit,
    .linear = cop_linear_none,
};

/* Opset 10 had no words for what it did. */
static enum cop_status resize_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct resize_attrs *const attrs = node->attrs;
    if (opset > 10) return COP_OK;
    attrs->coordinate_transformation_mode = "asymmetric";
    attrs->nearest_mode = "floor";
    if (node->n_src < 2) return COP_FAIL(err, COP_EFORMAT, "scales are missing");
    COP_TRY(cop_graph_set_src(graph, node, SCALES, node->src[1], err));
    return cop_graph_set_src(graph, node, ROI, NULL, err);
}

const struct cop_op cop_op_resize = {
    .name = "Resize",
    .opsets = {10, COP_OPS_LAST},
    .arity = {1, 4, 1},
    .attrs_size = sizeof(struct resize_attrs),
    .attrs = resize_specs,
    .upgrade = resize_upgrade,
    .infer = resize_infer,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = resize_lower,
    .coupling = &resize_coupling,
    .relevance = &cop_relevance_move,
};

/* ---- Upsample --------------------------------------------------------------------------- */

struct upsample_attrs {
    const char *mode;
    struct cop_floats scales;
};

static const struct cop_attr_spec upsample_specs[] = {
    {.name = "mode",
     .type = COP_ATTR_STRING,
     .offset = offsetof(struct upsample_attrs, mode),
     .string_default = "nearest"},
    {.name = "scales",
     .type = COP_ATTR_FLOATS,
     .offset = offsetof(struct upsample_attrs, scales),
     .last_opset = 8},
    {.type = COP_ATTR_END}};

/* The scales as an operand: they were an attribute up to opset 8. */
static enum cop_status find_scales(
    struct cop_graph *graph,
    const struct cop_node *node,
    struct cop_value **scales,
    struct cop_err *err)
{
    const struct cop_floats *const given =
        &((const struct upsample_attrs *)node->attrs)->scales;
    *scales = node->n_src > 1 ? node->src[1] : NULL;
    if (*scales != NULL) return COP_OK;
    if (given->at == NULL) return COP_FAIL(err, COP_EFORMAT, "scales are missing");
    struct cop_buf *buf = NULL;
    const size_t bytes = (size_t)given->n * sizeof given->at[0];
    const struct cop_shape shape = cop_shape_make(1, &given->n);
    COP_TRY(cop_buf_create(bytes, &buf, err));
    memcpy(cop_buf_mutable(buf), given->at, bytes);
    const enum cop_status status =
        cop_graph_add_const(graph, node->name, COP_F32, &shape, buf, scales, err);
    cop_buf_release(buf);
    return status;
}

/* A Resize takes its place; it is dead from here on. */
static enum cop_status upsample_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    (void)opset;
    struct cop_value *src[3] = {node->src[0], NULL, NULL};
    struct resize_attrs attrs;
    COP_TRY(find_scales(graph, node, &src[SCALES], err));
    cop_attrs_default(resize_specs, &attrs);
    attrs.mode = ((const struct upsample_attrs *)node->attrs)->mode;
    attrs.coordinate_transformation_mode = "asymmetric";
    attrs.nearest_mode = "floor";
    const struct cop_node_spec spec = {
        .op = &cop_op_resize,
        .name = node->name,
        .attrs = &attrs,
        .src = src,
        .n_src = 3,
        .n_dst = 1,
        .before = node};
    struct cop_node *resize = NULL;
    COP_TRY(cop_graph_add_node(graph, &spec, &resize, err));
    return cop_graph_replace_value(graph, node->dst[0], resize->dst[0], err);
}

static enum cop_status upsample_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    (void)node;
    (void)emitter;
    return COP_FAIL(err, COP_EINVAL, "an Upsample is read as a Resize");
}

const struct cop_op cop_op_upsample = {
    .name = "Upsample",
    .opsets = {7, 9},
    .arity = {1, 2, 1},
    .attrs_size = sizeof(struct upsample_attrs),
    .attrs = upsample_specs,
    .upgrade = upsample_upgrade,
    .infer = cop_ops__infer_same_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = upsample_lower,
    .coupling = &cop_couple_frozen,
    .relevance = &cop_relevance_stop,
};
