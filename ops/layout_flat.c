/* ops/layout_flat.c - a Transpose behind which everything is flattened: the features come
 * in another order, so the weights that read them are reordered instead; see rewrite.h.
 *
 * All readers are looked at first, and changed only if every one of them can be. */
#include "ops/ops.h"
#include "ops/rewrite.h"
#include "ops/row.h"

#include <string.h>

/** A constant whose axis runs over the features. */
struct target {
    struct cop_node *node;
    int32_t slot;
    int32_t axis;
};

/** The flattened values found so far and the constants to reorder. */
struct search {
    struct cop_arena *arena;
    const struct cop_value *
        *rows; /* the result of the Reshape, and what is made of it */
    int32_t n_rows;
    int32_t cap_rows;
    struct target *targets;
    int32_t n_targets;
    int32_t cap_targets;
    int64_t n_features;
};

static bool is_row(const struct search *search, const struct cop_value *value)
{
    for (int32_t i = 0; i < search->n_rows; i++)
        if (search->rows[i] == value) return true;
    return false;
}

static enum cop_status add_target(
    struct search *search,
    struct cop_node *node,
    int32_t slot,
    int32_t axis,
    struct cop_err *err)
{
    if (search->n_targets == search->cap_targets) {
        const int32_t cap = search->cap_targets * 2 + 8;
        struct target *const grown = COP_ARENA_NEW_N(search->arena, cap, struct target);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        if (search->n_targets > 0)
            memcpy(grown, search->targets, (size_t)search->n_targets * sizeof *grown);
        search->targets = grown;
        search->cap_targets = cap;
    }
    search->targets[search->n_targets++] = (struct target){node, slot, axis};
    return COP_OK;
}

static enum cop_status add_row(
    struct search *search, const struct cop_value *value, struct cop_err *err)
{
    if (search->n_rows == search->cap_rows) {
        const int32_t cap = search->cap_rows * 2 + 8;
        const struct cop_value **const grown =
            COP_ARENA_NEW_N(search->arena, cap, const struct cop_value *);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        if (search->n_rows > 0)
            memcpy(grown, search->rows, (size_t)search->n_rows * sizeof *grown);
        search->rows = grown;
        search->cap_rows = cap;
    }
    search->rows[search->n_rows++] = value;
    return COP_OK;
}

/* ---- readers --------------------------------------------------------------------------- */

/* A product that contracts the features with constant weights. */
static enum cop_status look_at_product(
    struct search *search, struct cop_node *node, bool *can, struct cop_err *err)
{
    int32_t axis = 0;
    if (node->op == &cop_op_gemm) {
        const int64_t *const trans_a = cop_ops__attr(node, "transA");
        const int64_t *const trans_b = cop_ops__attr(node, "transB");
        *can = *can && *trans_a == 0;
        axis = *trans_b != 0;
    }
    const struct cop_value *const weights = node->src[1];
    *can = *can && weights->data != NULL && weights->shape.rank == 2 &&
           (node->n_src < 3 || !is_row(search, node->src[2]));
    return *can ? add_target(search, node, 1, axis, err) : COP_OK;
}

/* Feature by feature; constants repeat along the batch, or everywhere. */
static enum cop_status look_at_elementwise(
    struct search *search, struct cop_node *node, bool *can, struct cop_err *err)
{
    for (int32_t i = 0; i < node->n_src && *can; i++) {
        const struct cop_value *const src = node->src[i];
        if (src == NULL || is_row(search, src) || cop_shape_n(&src->shape) == 1)
            continue;
        const int32_t last = src->shape.rank - 1;
        *can = src->data != NULL && last <= 1 &&
               src->shape.dim[last] == search->n_features &&
               cop_shape_n(&src->shape) == search->n_features;
        if (*can) COP_TRY(add_target(search, node, i, last, err));
    }
    *can = *can && node->dst[0]->shape.rank == 2;
    return *can ? add_row(search, node->dst[0], err) : COP_OK;
}

static enum cop_status look_at_norm(
    struct search *search, struct cop_node *node, bool *can, struct cop_err *err)
{
    for (int32_t i = 1; i < node->n_src && *can; i++) {
        *can = node->src[i] != NULL && node->src[i]->data != NULL;
        if (*can) COP_TRY(add_target(search, node, i, 0, err));
    }
    return *can ? add_row(search, node->dst[0], err) : COP_OK;
}

static enum cop_status look_at_reader(
    struct search *search, const struct cop_use *use, bool *can, struct cop_err *err)
{
    struct cop_node *const node = use->node;
    if (node->op == &cop_op_matmul || node->op == &cop_op_gemm) {
        *can = use->slot == 0;
        return look_at_product(search, node, can, err);
    }
    *can = node->n_dst == 1;
    if (node->op->coupling == &cop_couple_elementwise || node->op == &cop_op_clip)
        return look_at_elementwise(search, node, can, err);
    *can = *can && node->op == &cop_op_batch_normalization && use->slot == 0;
    return look_at_norm(search, node, can, err);
}

/* A node reached by two of its sources is looked at once. */
static bool was_seen(const struct search *search, const struct cop_use *use)
{
    return use->node->n_dst == 1 && is_row(search, use->node->dst[0]);
}

enum { MAX_ROWS = 64 };

static enum cop_status look(struct search *search, bool *can, struct cop_err *err)
{
    for (int32_t i = 0; i < search->n_rows && *can; i++) {
        const struct cop_value *const row = search->rows[i];
        *can = !row->is_output && search->n_rows <= MAX_ROWS;
        for (int32_t k = 0; k < row->n_uses && *can; k++)
            if (!was_seen(search, &row->uses[k]))
                COP_TRY(look_at_reader(search, &row->uses[k], can, err));
    }
    return COP_OK;
}

/* ---- reordering -------------------------------------------------------------------------- */

/** The features as they lie behind the Transpose, by the axes before it. */
struct order {
    struct cop_shape shape;        /* before, without the batch */
    int64_t strides[COP_MAX_RANK]; /* of these axes behind it, in features */
};

static struct order find_order(
    const struct cop_shape *before, const struct cop_ops__perm *perm)
{
    struct order order = {.shape = {.rank = before->rank - 1}};
    int64_t stride = 1;
    for (int32_t i = perm->rank - 1; i > 0; i--) {
        const int32_t axis = perm->at[i];
        order.strides[axis - 1] = stride;
        order.shape.dim[axis - 1] = before->dim[axis];
        stride *= before->dim[axis];
    }
    return order;
}

static enum cop_status reorder(
    struct cop_graph *graph,
    const struct target *target,
    const struct order *order,
    struct cop_err *err)
{
    const struct cop_value *const old = target->node->src[target->slot];
    const int64_t inner =
        cop_shape_span(&old->shape, target->axis + 1, old->shape.rank);
    struct cop_shape shape = {.rank = order->shape.rank + 2};
    int64_t strides[COP_MAX_RANK];
    shape.dim[0] = cop_shape_span(&old->shape, 0, target->axis);
    strides[0] = old->shape.dim[target->axis] * inner;
    for (int32_t i = 0; i < order->shape.rank; i++) {
        shape.dim[i + 1] = order->shape.dim[i];
        strides[i + 1] = order->strides[i] * inner;
    }
    shape.dim[shape.rank - 1] = inner;
    strides[shape.rank - 1] = 1;
    struct cop_buf *data = NULL;
    COP_TRY(cop_buf_create(cop_buf_bytes(old->data), &data, err));
    cop_ops__copy_strided(
        &shape,
        strides,
        0,
        cop_dtype_bytes(old->dtype),
        cop_buf_data(old->data),
        cop_buf_mutable(data));
    const enum cop_status status = cop_ops__replace_const(
        graph, target->node, target->slot, &old->shape, data, err);
    cop_buf_release(data);
    return status;
}

static enum cop_status reorder_in(
    struct cop_graph *graph,
    struct cop_node *reshape,
    const struct cop_node *transpose,
    struct search *search,
    struct cop_err *err)
{
    struct cop_ops__perm perm;
    struct cop_value *const src = transpose->src[0];
    const struct cop_shape *const rows = &reshape->dst[0]->shape;
    bool can = rows->rank == 2 && rows->dim[0] == src->shape.dim[0];
    COP_TRY(cop_ops__perm_of(transpose, &perm, err));
    search->n_features = rows->dim[1];
    if (can) COP_TRY(add_row(search, reshape->dst[0], err));
    COP_TRY(look(search, &can, err));
    if (!can || search->n_targets == 0) return COP_OK;
    const struct order order = find_order(&src->shape, &perm);
    for (int32_t i = 0; i < search->n_targets; i++)
        COP_TRY(reorder(graph, &search->targets[i], &order, err));
    return cop_graph_set_src(graph, reshape, 0, src, err);
}

enum cop_status cop_ops__reorder_weights(
    struct cop_graph *graph,
    struct cop_node *reshape,
    struct cop_node *transpose,
    struct cop_err *err)
{
    struct search search = {.arena = cop_arena_create()};
    if (search.arena == NULL) return COP_FAIL_NOMEM(err);
    const enum cop_status status = reorder_in(graph, reshape, transpose, &search, err);
    cop_arena_destroy(search.arena);
    return status;
}
