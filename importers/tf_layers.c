/* importers/tf_layers.c - bias, normalisation, products, blocks of pixels; see tf_rules.h. */
#include "importers/tf_rules.h"

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

static enum cop_status add_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    bool is_last,
    float epsilon,
    struct cop_value *const src[5], /* x as NCHW, scale, offset, mean, variance */
    struct cop_err *err)
{
    struct cop_value *dst = NULL;
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
    return add_norm(import, node, is_last, epsilon, src, err);
}

/* Channels last, the statistics first, and a scale that may be without effect. */
enum cop_status cop_tf__translate_old_norm(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const struct cop_tf__rule *rule,
    struct cop_err *err)
{
    (void)rule;
    bool is_scaled = true;
    float epsilon = 0.0F;
    struct cop_value *src[5] = {NULL}; /* x, scale, offset, mean, variance */
    static const int32_t inputs[5] = {0, 4, 3, 1, 2};
    COP_TRY(cop_tf__attr_float(&import->tf, node, "variance_epsilon", &epsilon, err));
    COP_TRY(cop_tf__attr_bool(
        &import->tf, node, "scale_after_normalization", &is_scaled, err));
    if (!is_scaled)
        return COP_FAIL(err, COP_EUNSUPPORTED, "scale_after_normalization is false");
    COP_TRY(cop_tf__image(import, node, true, &src[0], err));
    for (int32_t i = 1; i < 5; i++)
        COP_TRY(cop_tf__src(import, node, inputs[i], &src[i], err));
    return add_norm(import, node, true, epsilon, src, err);
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

/* ---- blocks of pixels ------------------------------------------------------------------------------ */

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
