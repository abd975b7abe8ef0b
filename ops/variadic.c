/* ops/variadic.c - Max, Min, Sum and Mean of any number of broadcast sources: a chain of
 * primitives of two. */
#include "ops/row.h"

#include <math.h>

/* ---- folding ---------------------------------------------------------------------- */

static bool max_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a > b ? a : b;
    return true;
}

static enum cop_status max_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {max_whole, fmax};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

static bool min_whole(int64_t a, int64_t b, int64_t *result)
{
    *result = a < b ? a : b;
    return true;
}

static enum cop_status min_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    static const struct cop_ops__arithmetic arithmetic = {min_whole, fmin};
    return cop_ops__fold_broadcast(node, src, dst, arena, &arithmetic, err);
}

/* ---- lowering --------------------------------------------------------------------- */

static enum cop_status emit_chain(
    const struct cop_node *node,
    struct cop_emitter *emitter,
    enum cop_binary_alg alg,
    struct cop_ref dst,
    struct cop_err *err)
{
    struct cop_ref so_far = COP_REF_ABSENT;
    struct cop_shape shape = cop_emit_src_fact(emitter, 0)->shape;
    COP_TRY(cop_emit_number(emitter, 0, &so_far, err));
    if (node->n_src == 1) return cop_emit_reshape(emitter, so_far, dst, err);
    for (int32_t i = 1; i < node->n_src; i++) {
        const struct cop_shape before = shape;
        struct cop_ref next = dst;
        struct cop_ref operand = COP_REF_ABSENT;
        COP_TRY(cop_shape_broadcast(
            &before, &cop_emit_src_fact(emitter, i)->shape, &shape, err));
        COP_TRY(cop_emit_number(emitter, i, &operand, err));
        if (i < node->n_src - 1) COP_TRY(cop_emit_temp(emitter, &shape, &next, err));
        COP_TRY(cop_emit_binary(emitter, alg, so_far, operand, next, err));
        so_far = next;
    }
    return COP_OK;
}

static enum cop_status max_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit_chain(node, emitter, COP_BINARY_MAX, cop_emit_dst(emitter, 0), err);
}

static enum cop_status min_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit_chain(node, emitter, COP_BINARY_MIN, cop_emit_dst(emitter, 0), err);
}

static enum cop_status sum_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    return emit_chain(node, emitter, COP_BINARY_ADD, cop_emit_dst(emitter, 0), err);
}

static enum cop_status mean_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    struct cop_ref sum = COP_REF_ABSENT;
    COP_TRY(cop_emit_temp(emitter, &cop_emit_dst_fact(emitter, 0)->shape, &sum, err));
    COP_TRY(emit_chain(node, emitter, COP_BINARY_ADD, sum, err));
    return cop_emit_eltwise(
        emitter,
        COP_ELTWISE_LINEAR,
        1.0F / (float)node->n_src,
        0.0F,
        sum,
        cop_emit_dst(emitter, 0),
        err);
}

static enum cop_status infer_f32(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    COP_TRY(cop_ops__want_f32(src, 0, err));
    return cop_ops__infer_broadcast(node, src, dst, err);
}

const struct cop_op cop_op_max = {
    .name = "Max",
    .opsets = {8, COP_OPS_LAST},
    .arity = {1, -1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = max_fold,
    .macs = cop_macs_none,
    .lower = max_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_choice,
};

const struct cop_op cop_op_min = {
    .name = "Min",
    .opsets = {8, COP_OPS_LAST},
    .arity = {1, -1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = cop_ops__infer_broadcast,
    .fold = min_fold,
    .macs = cop_macs_none,
    .lower = min_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_choice,
};

const struct cop_op cop_op_sum = {
    .name = "Sum",
    .opsets = {8, COP_OPS_LAST},
    .arity = {1, -1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = sum_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_sum,
};

const struct cop_op cop_op_mean = {
    .name = "Mean",
    .opsets = {8, COP_OPS_LAST},
    .arity = {1, -1, 1},
    .attrs_size = 0,
    .attrs = cop_attrs_none,
    .upgrade = cop_upgrade_none,
    .infer = infer_f32,
    .fold = cop_fold_none,
    .macs = cop_macs_none,
    .lower = mean_lower,
    .coupling = &cop_couple_elementwise,
    .relevance = &cop_relevance_sum,
};
