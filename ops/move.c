/* ops/move.c - Transpose: elements move, none is computed. */
#include "ops/rewrite.h"
#include "ops/row.h"

/* ---- Transpose ---------------------------------------------------------------------- */

struct transpose_attrs {
    struct cop_ints perm;
};

static const struct cop_attr_spec transpose_specs[] = {
    {.name = "perm",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct transpose_attrs, perm)},
    {.type = COP_ATTR_END}};

/* Axis i of the result is axis perm[i] of the source; absent: reversed. */
static enum cop_status transpose_perm(
    const struct transpose_attrs *attrs,
    int32_t rank,
    int32_t perm[COP_MAX_RANK],
    struct cop_err *err)
{
    if (attrs->perm.at == NULL) {
        for (int32_t i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
        return COP_OK;
    }
    if (attrs->perm.n != rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "perm has %lld entries, src has %d axes",
            (long long)attrs->perm.n,
            rank);
    uint32_t marks = 0;
    COP_TRY(cop_ops__axes(rank, attrs->perm.at, rank, &marks, err));
    for (int32_t i = 0; i < rank; i++)
        COP_TRY(cop_shape_axis(rank, attrs->perm.at[i], &perm[i], err));
    return COP_OK;
}

enum cop_status cop_ops__perm_of(
    const struct cop_node *node, struct cop_ops__perm *perm, struct cop_err *err)
{
    perm->rank = node->src[0]->shape.rank;
    return transpose_perm(node->attrs, perm->rank, perm->at, err);
}

static enum cop_status transpose_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    const int32_t rank = src[0].shape.rank;
    COP_TRY(transpose_perm(node->attrs, rank, perm, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = {.rank = rank}};
    for (int32_t i = 0; i < rank; i++)
        dst[0].shape.dim[i] = src[0].shape.dim[perm[i]];
    return COP_OK;
}

static enum cop_status transpose_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL) return COP_OK;
    int32_t perm[COP_MAX_RANK] = {0};
    int64_t strides[COP_MAX_RANK];
    int64_t moved[COP_MAX_RANK] = {0};
    COP_TRY(transpose_perm(node->attrs, src[0].shape.rank, perm, err));
    cop_ops__strides(&src[0].shape, strides);
    for (int32_t i = 0; i < src[0].shape.rank; i++)
        moved[i] = strides[perm[i]];
    cop_ops__copy_strided(
        &dst[0].shape, moved, 0, cop_dtype_bytes(src[0].dtype), src[0].data, elements);
    return COP_OK;
}

static enum cop_status transpose_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    COP_TRY(transpose_perm(
        node->attrs, cop_emit_src_fact(emitter, 0)->shape.rank, perm, err));
    return cop_emit_transpose(
        emitter, perm, cop_emit_src(emitter, 0), cop_emit_dst(emitter, 0), err);
}

static enum cop_status transpose_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    int32_t perm[COP_MAX_RANK] = {0};
    const int32_t rank = node->src[0]->shape.rank;
    COP_TRY(transpose_perm(node->attrs, rank, perm, err));
    for (int32_t i = 0; i < rank; i++)
        COP_TRY(cop_ties_add_axis(ties, 0, perm[i], -1, i, err));
    return COP_OK;
}

static const struct cop_coupling transpose_coupling = {
    .name = "transpose",
    .tie = transpose_tie,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_transpose = {
    .name = "Transpose",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 1, 1},
    .attrs_size = sizeof(struct transpose_attrs),
    .attrs = transpose_specs,
    .upgrade = cop_upgrade_none,
    .infer = transpose_infer,
    .fold = transpose_fold,
    .macs = cop_macs_none,
    .lower = transpose_lower,
    .coupling = &transpose_coupling,
    .relevance = &cop_relevance_move,
};
