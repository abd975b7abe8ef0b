/* importers/tf_layers.c - bias, normalisation, products, resizing, blocks of pixels; see
 * tf_rules.h. */
#include "importers/tf_rules.h"

#include <math.h>
#include <string.h>

/* ---- bias ----------------------------------------------------------------------------------- */

/* Along the last axis NumPy's rules place it; along axis 1 it needs axes behind. */
enum cop_status cop_tf__translate_bias(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    bool is_last = true;
    struct cop_value *src = NULL;
    struct cop_value *bias = NULL;
    COP_TRY(cop_tf__is_last(import, node, &is_last, err));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(cop_tf__src(import, node, 1, &bias, err));
    const int32_t rank = src->shape.rank;
    if (bias->shape.rank != 1 || rank < 2)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "bias has %d axes and source %d, wanted 1 and at least 2",
            bias->shape.rank,
            rank);
    if (!is_last && rank > 2) {
        int64_t target[COP_MAX_RANK] = {bias->shape.dim[0], 1, 1, 1, 1, 1, 1};
        const char *const name = cop_tf__beside(import, node, "bias");
        COP_TRY(cop_tf__add_reshape(import, name, bias, target, rank - 1, &bias, err));
    }
    COP_TRY(cop_tf__add_binary(import, "Add", node->name, src, bias, &src, err));
    return cop_tf__give(import, node, src, err);
}

/* ---- normalisation --------------------------------------------------------------------------- */

enum cop_status cop_tf__translate_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    bool is_last = true;
    bool is_training = true; /* TensorFlow's default */
    float epsilon = 1e-4F;
    struct cop_value *src[5] = {NULL};
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__attr_bool(&import->tf, node, "is_training", &is_training, err));
    if (is_training)
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "is_training is true: it normalises by the statistics of its batch");
    COP_TRY(cop_tf__attr_float(&import->tf, node, "epsilon", &epsilon, err));
    COP_TRY(cop_tf__is_last(import, node, &is_last, err));
    COP_TRY(cop_tf__image(import, node, is_last, &src[0], err));
    for (int32_t i = 1; i < 5; i++)
        COP_TRY(cop_tf__src(import, node, i, &src[i], err));
    const struct cop_tf__part part = {
        .op = "BatchNormalization",
        .name = node->name,
        .result = cop_tf__image_name(import, node, is_last),
        .src = src,
        .n_src = 5,
        .attrs = {{.name = "epsilon", .real = epsilon}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, is_last, dst, err);
}

/* y = x / (bias + alpha * sum of squares over 2 radius + 1 channels) ^ beta; ONNX divides
 * alpha by the number of channels. */
enum cop_status cop_tf__translate_lrn(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    int64_t radius = 5;
    float bias = 1.0F;
    float alpha = 1.0F;
    float beta = 0.5F;
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__attr_int(&import->tf, node, "depth_radius", &radius, err));
    COP_TRY(cop_tf__attr_float(&import->tf, node, "bias", &bias, err));
    COP_TRY(cop_tf__attr_float(&import->tf, node, "alpha", &alpha, err));
    COP_TRY(cop_tf__attr_float(&import->tf, node, "beta", &beta, err));
    if (radius < 0 || radius > INT16_MAX)
        return COP_FAIL(err, COP_EFORMAT, "depth_radius is %lld", (long long)radius);
    const int64_t size = 2 * radius + 1;
    COP_TRY(cop_tf__image(import, node, true, &src, err));
    const struct cop_tf__part part = {
        .op = "LRN",
        .name = node->name,
        .result = cop_tf__image_name(import, node, true),
        .src = &src,
        .n_src = 1,
        .attrs = {
            {.name = "size", .number = size},
            {.name = "bias", .real = bias},
            {.name = "alpha", .real = alpha * (float)size},
            {.name = "beta", .real = beta}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, true, dst, err);
}

/* ---- products ------------------------------------------------------------------------------------ */

static enum cop_status swap_last(
    struct cop_tf__import *import,
    const char *name,
    struct cop_value **value,
    struct cop_err *err)
{
    const int32_t rank = (*value)->shape.rank;
    int64_t perm[COP_MAX_RANK];
    for (int32_t i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return cop_tf__add_transpose(import, name, *value, perm, value, err);
}

enum cop_status cop_tf__translate_matmul(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const bool is_batch = strcmp(rule->arg, "batch") == 0;
    bool swaps[2] = {false, false};
    struct cop_value *src[2] = {NULL, NULL};
    struct cop_value *dst = NULL;
    for (int32_t i = 0; i < 2; i++) {
        static const char *const names[2][2] = {
            {"transpose_a", "transpose_b"}, {"adj_x", "adj_y"}};
        COP_TRY(
            cop_tf__attr_bool(&import->tf, node, names[is_batch][i], &swaps[i], err));
        COP_TRY(cop_tf__src(import, node, i, &src[i], err));
        const int32_t rank = src[i]->shape.rank;
        if (is_batch ? rank < 2 : rank != 2)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "source %d has %d axes, wanted 2", i, rank);
    }
    if (swaps[1] && !swaps[0] && !is_batch) {
        const struct cop_tf__part part = {
            .op = "Gemm",
            .name = node->name,
            .result = node->name,
            .src = src,
            .n_src = 2,
            .attrs = {{.name = "transB", .number = 1}}};
        COP_TRY(cop_tf__add(import, &part, &dst, err));
        return cop_tf__give(import, node, dst, err);
    }
    for (int32_t i = 0; i < 2; i++)
        if (swaps[i])
            COP_TRY(swap_last(
                import, cop_tf__beside(import, node, "swapped"), &src[i], err));
    COP_TRY(
        cop_tf__add_binary(import, "MatMul", node->name, src[0], src[1], &dst, err));
    return cop_tf__give(import, node, dst, err);
}

/* ---- resizing -------------------------------------------------------------------------------------- */

/* TensorFlow's nearest pixel: of i * in / out, or of (i + 0.5) * in / out, the floor; with
 * corners aligned the rounded i * (in - 1) / (out - 1).  The latter two are what ONNX gets
 * by rounding halves up. */
static enum cop_status find_coordinates(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char **coordinates,
    const char **nearest,
    struct cop_err *err)
{
    bool aligns = false;
    bool is_half = false;
    COP_TRY(cop_tf__attr_bool(&import->tf, node, "align_corners", &aligns, err));
    COP_TRY(cop_tf__attr_bool(&import->tf, node, "half_pixel_centers", &is_half, err));
    if (aligns && is_half)
        return COP_FAIL(
            err, COP_EFORMAT, "align_corners and half_pixel_centers are both true");
    *coordinates = aligns ? "align_corners" : is_half ? "half_pixel" : "asymmetric";
    *nearest = aligns || is_half ? "round_prefer_ceil" : "floor";
    return COP_OK;
}

enum cop_status cop_tf__translate_resize(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    const char *coordinates = NULL;
    const char *nearest = NULL;
    struct cop_tf__ints size = {.n = 0};
    struct cop_value *src[4] = {NULL};
    struct cop_value *dst = NULL;
    COP_TRY(find_coordinates(import, node, &coordinates, &nearest, err));
    COP_TRY(cop_tf__ints(import, node, 1, "sizes", &size, err));
    COP_TRY(cop_tf__image(import, node, true, &src[0], err));
    if (size.n != 2 || size.at[0] < 1 || size.at[1] < 1)
        return COP_FAIL(err, COP_EFORMAT, "has %d sizes, wanted 2 above 0", size.n);
    const int64_t sizes[4] = {1, src[0]->shape.dim[1], size.at[0], size.at[1]};
    COP_TRY(cop_tf__add_ints(
        import, cop_tf__beside(import, node, "sizes"), sizes, 4, &src[3], err));
    const struct cop_tf__part part = {
        .op = "Resize",
        .name = node->name,
        .result = cop_tf__image_name(import, node, true),
        .src = src,
        .n_src = 4,
        .attrs = {
            {.name = "mode", .text = rule->arg},
            {.name = "coordinate_transformation_mode", .text = coordinates},
            {.name = "nearest_mode", .text = nearest}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, true, dst, err);
}

/* Both formats number the pixels of a block before the channels, as ONNX's default does. */
enum cop_status cop_tf__translate_depth_space(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    bool is_last = true;
    int64_t block = 0;
    struct cop_value *src = NULL;
    struct cop_value *dst = NULL;
    COP_TRY(cop_tf__is_last(import, node, &is_last, err));
    COP_TRY(cop_tf__attr_int(&import->tf, node, "block_size", &block, err));
    COP_TRY(cop_tf__image(import, node, is_last, &src, err));
    const struct cop_tf__part part = {
        .op = rule->arg,
        .name = node->name,
        .result = cop_tf__image_name(import, node, is_last),
        .src = &src,
        .n_src = 1,
        .attrs = {{.name = "blocksize", .number = block}}};
    COP_TRY(cop_tf__add(import, &part, &dst, err));
    return cop_tf__give_image(import, node, is_last, dst, err);
}

/* ---- simulated quantisation --------------------------------------------------------------------------- */

/** A grid of 2^bits levels from low to high, of which 0 is one. */
struct grid {
    float low;
    float high;
    float scale;
};

/* The range is moved until 0 is a level, as TensorFlow's kernels do in float
 * (fake_quant_ops_functor.h, "Nudge"). */
static enum cop_status find_grid(
    float low,
    float high,
    const int64_t levels[2],
    struct grid *grid,
    struct cop_err *err)
{
    if (!(low <= 0.0F) || !(high >= 0.0F) || !(high > low) || !isfinite(high - low))
        return COP_FAIL(
            err,
            COP_EUNSUPPORTED,
            "the range %g to %g does not hold 0",
            (double)low,
            (double)high);
    const float first = (float)levels[0];
    const float last = (float)levels[1];
    grid->scale = (high - low) / (last - first);
    const float zero = first - low / grid->scale;
    const float nudged = zero < first ? first : zero > last ? last : roundf(zero);
    grid->low = (first - nudged) * grid->scale;
    grid->high = (last - nudged) * grid->scale;
    return COP_OK;
}

static enum cop_status read_levels(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int64_t levels[2],
    struct cop_err *err)
{
    int64_t bits = 8;
    bool is_narrow = false;
    COP_TRY(cop_tf__attr_int(&import->tf, node, "num_bits", &bits, err));
    COP_TRY(cop_tf__attr_bool(&import->tf, node, "narrow_range", &is_narrow, err));
    if (bits < 2 || bits > 16)
        return COP_FAIL(
            err, COP_EFORMAT, "num_bits is %lld, 2 to 16 are", (long long)bits);
    levels[0] = is_narrow;
    levels[1] = ((int64_t)1 << bits) - 1;
    return COP_OK;
}

/* floor((clamp(x) - low) / scale + 0.5) * scale + low, with a grid for each channel or one
 * for all. */
static enum cop_status add_grid(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *src,
    struct cop_value *const grid[4], /* low, high, 1 / scale, scale */
    struct cop_err *err)
{
    const struct {
        const char *op;
        int32_t with; /* of grid; -1: a half; -2: nothing */
    } steps[] = {
        {"Max", 0},
        {"Min", 1},
        {"Sub", 0},
        {"Mul", 2},
        {"Add", -1},
        {"Floor", -2},
        {"Mul", 3}};
    const char *const name = cop_tf__beside(import, node, "step");
    struct cop_value *half = NULL;
    COP_TRY(cop_tf__add_float(
        import, cop_tf__beside(import, node, "half"), 0.5F, &half, err));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].with == -2) {
            COP_TRY(cop_tf__add_unary(import, steps[i].op, name, src, &src, err));
            continue;
        }
        struct cop_value *const with = steps[i].with < 0 ? half : grid[steps[i].with];
        COP_TRY(cop_tf__add_binary(import, steps[i].op, name, src, with, &src, err));
    }
    COP_TRY(cop_tf__add_binary(import, "Add", node->name, src, grid[0], &src, err));
    return cop_tf__give(import, node, src, err);
}

static enum cop_status add_row(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *what,
    const float *numbers,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_buf *data = NULL;
    const struct cop_shape shape = {.rank = n > 1, .dim = {n}};
    COP_TRY(cop_buf_create((size_t)n * sizeof *numbers, &data, err));
    memcpy(cop_buf_mutable(data), numbers, (size_t)n * sizeof *numbers);
    const enum cop_status status = cop_tf__add_const(
        import, cop_tf__beside(import, node, what), COP_F32, &shape, data, value, err);
    cop_buf_release(data);
    return status;
}

/* The ends of the ranges: attributes, or constants of one or n elements. */
static enum cop_status read_range(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *kind,
    struct cop_value *ends[2],
    struct cop_err *err)
{
    float range[2] = {-6.0F, 6.0F};
    if (strcmp(kind, "args") == 0) {
        COP_TRY(cop_tf__attr_float(&import->tf, node, "min", &range[0], err));
        COP_TRY(cop_tf__attr_float(&import->tf, node, "max", &range[1], err));
        COP_TRY(add_row(import, node, "min", &range[0], 1, &ends[0], err));
        return add_row(import, node, "max", &range[1], 1, &ends[1], err);
    }
    for (int32_t i = 0; i < 2; i++) {
        COP_TRY(cop_tf__src(import, node, 1 + i, &ends[i], err));
        if (ends[i]->data == NULL || ends[i]->dtype != COP_F32 ||
            ends[i]->shape.rank > 1)
            return COP_FAIL(
                err, COP_EUNSUPPORTED, "input %d is not constant float32", 1 + i);
    }
    if (cop_shape_equal(&ends[0]->shape, &ends[1]->shape)) return COP_OK;
    return COP_FAIL(err, COP_ESHAPE, "min and max differ in size");
}

enum cop_status cop_tf__translate_fake_quant(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    int64_t levels[2] = {0};
    struct cop_value *src = NULL;
    struct cop_value *ends[2] = {NULL, NULL};
    struct cop_value *values[4] = {NULL};
    if (node->n_inputs < (strcmp(rule->arg, "args") == 0 ? 1 : 3))
        return COP_FAIL(err, COP_EFORMAT, "has %d inputs", node->n_inputs);
    COP_TRY(read_levels(import, node, levels, err));
    COP_TRY(cop_tf__src(import, node, 0, &src, err));
    COP_TRY(read_range(import, node, rule->arg, ends, err));
    const int64_t n = cop_shape_n(&ends[0]->shape);
    float *const numbers = COP_ARENA_NEW_N(import->scratch, 4 * n, float);
    if (numbers == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n; i++) {
        struct grid grid = {0};
        COP_TRY(find_grid(
            cop_f32_at(cop_buf_data(ends[0]->data), i),
            cop_f32_at(cop_buf_data(ends[1]->data), i),
            levels,
            &grid,
            err));
        numbers[i] = grid.low;
        numbers[n + i] = grid.high;
        numbers[2 * n + i] = 1.0F / grid.scale;
        numbers[3 * n + i] = grid.scale;
    }
    static const char *const names[4] = {"low", "high", "inverse", "scale"};
    for (int i = 0; i < 4; i++)
        COP_TRY(add_row(import, node, names[i], numbers + i * n, n, &values[i], err));
    return add_grid(import, node, src, values, err);
}
