/* importers/tf_quant.c - simulated quantisation, in the arithmetic of the result; see
 * tf_rules.h. */
#include "importers/tf_rules.h"

#include <math.h>
#include <string.h>

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
