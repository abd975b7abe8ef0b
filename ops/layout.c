/* ops/layout.c - from channels-last graphs to NCHW: Transposes move until they cancel.
 *
 * Readers of channels-last files (TensorFlow, Keras) put a Transpose to NCHW before and one
 * back behind every node with a window; ONNX files converted from them look the same.  The
 * Transpose back is moved down here: f(T(x)) becomes T(f'(x)), where f' names its axes in
 * the other order.  In a classifier every one meets its inverse or is swallowed by the
 * weights behind the flattening (layout_flat.c). */
#include "ops/ops.h"
#include "ops/rewrite.h"
#include "ops/row.h"

#include <string.h>

enum { MAX_MOVED_RANK = 5 };

/* ---- permutations --------------------------------------------------------------------- */

static struct cop_ops__perm inverse(const struct cop_ops__perm *perm)
{
    struct cop_ops__perm back = {.rank = perm->rank};
    for (int32_t i = 0; i < perm->rank; i++)
        back.at[perm->at[i]] = i;
    return back;
}

static bool is_ascending(const struct cop_ops__perm *perm)
{
    for (int32_t i = 0; i < perm->rank; i++)
        if (perm->at[i] != i) return false;
    return true;
}

/* The shape that the permutation makes of @p shape. */
static struct cop_shape permuted(
    const struct cop_shape *shape, const struct cop_ops__perm *perm)
{
    struct cop_shape moved = {.rank = perm->rank};
    for (int32_t i = 0; i < perm->rank; i++)
        moved.dim[i] = shape->dim[perm->at[i]];
    return moved;
}

/* What is left of the permutation when the result axes in @p gone go. */
static struct cop_ops__perm without(const struct cop_ops__perm *perm, uint32_t gone)
{
    struct cop_ops__perm left = {.rank = 0};
    for (int32_t i = 0; i < perm->rank; i++) {
        if ((gone >> i & 1u) != 0) continue;
        int32_t from = 0;
        for (int32_t k = 0; k < perm->rank; k++)
            if ((gone >> k & 1u) == 0 && perm->at[k] < perm->at[i]) from++;
        left.at[left.rank++] = from;
    }
    return left;
}

bool cop_ops__is_channels_last(const struct cop_node *node, struct cop_ops__perm *perm)
{
    if (node == NULL || node->op != &cop_op_transpose) return false;
    if (cop_ops__perm_of(node, perm, NULL) != COP_OK) return false;
    const int32_t last = perm->rank - 1;
    if (last < 2 || perm->rank > MAX_MOVED_RANK || perm->at[0] != 0) return false;
    for (int32_t i = 1; i < last; i++)
        if (perm->at[i] != i + 1) return false;
    return perm->at[last] == 1;
}

/* ---- building ------------------------------------------------------------------------- */

static enum cop_status set_perm(
    struct cop_graph *graph,
    struct cop_ints *ints,
    const struct cop_ops__perm *perm,
    struct cop_err *err)
{
    int64_t *const at =
        COP_ARENA_NEW_N(cop_graph_arena(graph), perm->rank + 1, int64_t);
    if (at == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < perm->rank; i++)
        at[i] = perm->at[i];
    *ints = (struct cop_ints){perm->rank, at};
    return COP_OK;
}

static enum cop_status add_transpose(
    struct cop_graph *graph,
    struct cop_value *src,
    const struct cop_ops__perm *perm,
    const struct cop_node *before,
    struct cop_value **dst,
    struct cop_err *err)
{
    struct cop_ints attrs;
    struct cop_node *node = NULL;
    COP_TRY(set_perm(graph, &attrs, perm, err));
    const struct cop_node_spec spec = {
        .op = &cop_op_transpose,
        .name = src->name,
        .attrs = &attrs,
        .src = &src,
        .n_src = 1,
        .n_dst = 1,
        .before = before};
    COP_TRY(cop_graph_add_node(graph, &spec, &node, err));
    *dst = node->dst[0];
    (*dst)->dtype = src->dtype;
    (*dst)->shape = permuted(&src->shape, perm);
    return COP_OK;
}

enum cop_status cop_ops__replace_const(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_err *err)
{
    struct cop_value *const old = node->src[slot];
    struct cop_value *fresh = NULL;
    if (old->n_uses == 1 && !old->is_output)
        return cop_graph_set_const(graph, old, shape, data, err);
    COP_TRY(
        cop_graph_add_const(graph, old->name, old->dtype, shape, data, &fresh, err));
    return cop_graph_set_src(graph, node, slot, fresh, err);
}

/* ---- one step down --------------------------------------------------------------------- */

/** A node whose sources come from Transposes that all permute alike. */
struct step {
    struct cop_graph *graph;
    struct cop_node *node;
    const struct cop_node *next; /* behind the node; NULL at the end */
    struct cop_ops__perm perm;
};

/* What the Transpose above source @p slot reads; NULL when there is none. */
static struct cop_value *above(const struct step *step, int32_t slot)
{
    const struct cop_value *const src = step->node->src[slot];
    struct cop_ops__perm perm;
    if (src == NULL || !cop_ops__is_channels_last(src->producer, &perm)) return NULL;
    return perm.rank == step->perm.rank ? src->producer->src[0] : NULL;
}

/* May the sources change their order together?  Those without a Transpose are constants or
 * get one to the other side, but not more of these than go. */
static bool can_take(const struct step *step, bool may_repeat)
{
    int32_t n_gone = 0;
    int32_t n_added = 0;
    for (int32_t i = 0; i < step->node->n_src; i++) {
        const struct cop_value *const src = step->node->src[i];
        if (src == NULL || (may_repeat && src->shape.rank == 0)) continue;
        if (above(step, i) != NULL)
            n_gone++;
        else if (src->data == NULL)
            n_added++;
        const int32_t rank = src->shape.rank;
        const bool is_whole = rank == step->perm.rank;
        const bool is_vector = may_repeat && rank < step->perm.rank;
        if (!is_whole && !(is_vector && src->data != NULL)) return false;
    }
    return n_gone > 0 && n_added <= n_gone;
}

/* A constant that the result repeats along absent or unit axes. */
static enum cop_status take_const(
    const struct step *step, int32_t slot, struct cop_err *err)
{
    const struct cop_value *const old = step->node->src[slot];
    const struct cop_ops__perm back = inverse(&step->perm);
    struct cop_shape full = {.rank = step->perm.rank};
    for (int32_t i = 0; i < full.rank; i++) {
        const int32_t from = i - (full.rank - old->shape.rank);
        full.dim[i] = from < 0 ? 1 : old->shape.dim[from];
    }
    if (cop_shape_n(&full) == 1) return COP_OK;
    const struct cop_shape moved = permuted(&full, &back);
    int64_t strides[COP_MAX_RANK];
    int64_t from[COP_MAX_RANK];
    cop_ops__strides(&full, strides);
    for (int32_t i = 0; i < full.rank; i++)
        from[i] = strides[back.at[i]];
    struct cop_buf *data = NULL;
    COP_TRY(cop_buf_create(cop_buf_bytes(old->data), &data, err));
    cop_ops__copy_strided(
        &moved,
        from,
        0,
        cop_dtype_bytes(old->dtype),
        cop_buf_data(old->data),
        cop_buf_mutable(data));
    const enum cop_status status =
        cop_ops__replace_const(step->graph, step->node, slot, &moved, data, err);
    cop_buf_release(data);
    return status;
}

static enum cop_status take_sources(const struct step *step, struct cop_err *err)
{
    for (int32_t i = 0; i < step->node->n_src; i++) {
        struct cop_value *const src = step->node->src[i];
        if (src == NULL || src->shape.rank == 0) continue;
        struct cop_value *fresh = above(step, i);
        if (fresh == NULL && src->data != NULL) {
            COP_TRY(take_const(step, i, err));
            continue;
        }
        const struct cop_ops__perm back = inverse(&step->perm);
        if (fresh == NULL)
            COP_TRY(add_transpose(step->graph, src, &back, step->node, &fresh, err));
        COP_TRY(cop_graph_set_src(step->graph, step->node, i, fresh, err));
    }
    return COP_OK;
}

/* Every reader of a result gets it behind a Transpose; the result itself has the order of
 * the new sources. */
static enum cop_status give_result(
    const struct step *step,
    int32_t slot,
    const struct cop_ops__perm *perm,
    struct cop_err *err)
{
    struct cop_value *const dst = step->node->dst[slot];
    if (dst == NULL || is_ascending(perm)) return COP_OK;
    const struct cop_ops__perm back = inverse(perm);
    dst->shape = permuted(&dst->shape, &back);
    struct cop_value *fresh = NULL;
    COP_TRY(add_transpose(step->graph, dst, perm, step->next, &fresh, err));
    struct cop_node *const transpose = fresh->producer;
    COP_TRY(cop_graph_replace_value(step->graph, dst, fresh, err));
    return cop_graph_set_src(step->graph, transpose, 0, dst, err);
}

static enum cop_status give_results(const struct step *step, struct cop_err *err)
{
    for (int32_t i = 0; i < step->node->n_dst; i++)
        COP_TRY(give_result(step, i, &step->perm, err));
    return COP_OK;
}

/* ---- rules by operator ------------------------------------------------------------------ */

static enum cop_status push_elementwise(const struct step *step, struct cop_err *err)
{
    if (!can_take(step, true)) return COP_OK;
    COP_TRY(take_sources(step, err));
    return give_results(step, err);
}

/* A node that works along one axis. */
static enum cop_status push_axis(const struct step *step, struct cop_err *err)
{
    int32_t axis = 0;
    int64_t *const said = cop_ops__attr(step->node, "axis");
    if (*said == INT64_MIN) *said = -1; /* Softmax's default */
    COP_TRY(cop_shape_axis(step->perm.rank, *said, &axis, err));
    *said = step->perm.at[axis];
    return give_results(step, err);
}

static enum cop_status push_concat(const struct step *step, struct cop_err *err)
{
    if (!can_take(step, false)) return COP_OK;
    COP_TRY(take_sources(step, err));
    return push_axis(step, err);
}

static enum cop_status push_first_along_axis(
    const struct step *step, struct cop_err *err)
{
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL) return COP_OK;
    COP_TRY(cop_graph_set_src(step->graph, step->node, 0, fresh, err));
    return push_axis(step, err);
}

/* Axes of operand @p slot in the other order; *marks says which they were. */
static enum cop_status move_axes(
    const struct step *step, int32_t slot, uint32_t *marks, struct cop_err *err)
{
    const struct cop_fact fact = cop_ops__peek(step->node, slot);
    int64_t axes[COP_MAX_RANK];
    int32_t n = 0;
    COP_TRY(cop_ops__ints(&fact, "axes", axes, &n, err));
    COP_TRY(cop_ops__axes(step->perm.rank, axes, n, marks, err));
    for (int32_t i = 0; i < n; i++)
        axes[i] = step->perm.at[axes[i] < 0 ? axes[i] + step->perm.rank : axes[i]];
    return cop_ops__set_ints(step->graph, step->node, slot, axes, n, err);
}

/* The axes of a reduction are an attribute or operand 1; without any, all are reduced. */
static enum cop_status push_reduce(const struct step *step, struct cop_err *err)
{
    struct cop_ints *const axes = cop_ops__attr(step->node, "axes");
    const bool is_attr = axes->at != NULL;
    const bool is_operand = !is_attr && cop_ops__has(step->node, 1);
    uint32_t marks = 0;
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL || (is_operand && step->node->src[1]->data == NULL))
        return COP_OK;
    if (is_operand) COP_TRY(move_axes(step, 1, &marks, err));
    if (is_attr) {
        struct cop_ops__perm moved = {.rank = (int32_t)axes->n};
        COP_TRY(cop_ops__axes(step->perm.rank, axes->at, axes->n, &marks, err));
        for (int32_t i = 0; i < moved.rank; i++) {
            const int64_t axis = axes->at[i];
            moved.at[i] = step->perm.at[axis < 0 ? axis + step->perm.rank : axis];
        }
        COP_TRY(set_perm(step->graph, axes, &moved, err));
    }
    const int64_t *const noop = cop_ops__attr(step->node, "noop_with_empty_axes");
    if (marks == 0 && (noop == NULL || *noop == 0)) marks = (1u << step->perm.rank) - 1;
    COP_TRY(cop_graph_set_src(step->graph, step->node, 0, fresh, err));
    const int64_t *const keepdims = cop_ops__attr(step->node, "keepdims");
    const struct cop_ops__perm left =
        *keepdims != 0 ? step->perm : without(&step->perm, marks);
    return give_result(step, 0, &left, err);
}

static enum cop_status push_squeeze(const struct step *step, struct cop_err *err)
{
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL || !cop_ops__has(step->node, 1) ||
        step->node->src[1]->data == NULL)
        return COP_OK;
    uint32_t marks = 0;
    COP_TRY(move_axes(step, 1, &marks, err));
    COP_TRY(cop_graph_set_src(step->graph, step->node, 0, fresh, err));
    const struct cop_ops__perm left = without(&step->perm, marks);
    return give_result(step, 0, &left, err);
}

/* Bounds of absent axes are those of the first ones. */
static enum cop_status push_slice(const struct step *step, struct cop_err *err)
{
    struct cop_node *const node = step->node;
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL || !cop_ops__has(node, 1) || node->src[1]->shape.rank != 1 ||
        (cop_ops__has(node, 3) && node->src[3]->data == NULL))
        return COP_OK;
    uint32_t marks = 0;
    if (cop_ops__has(node, 3)) {
        COP_TRY(move_axes(step, 3, &marks, err));
    } else {
        int64_t axes[COP_MAX_RANK];
        const int64_t n = node->src[1]->shape.dim[0];
        for (int64_t i = 0; i < n; i++)
            axes[i] = step->perm.at[i];
        COP_TRY(cop_ops__set_ints(step->graph, node, 3, axes, n, err));
    }
    COP_TRY(cop_graph_set_src(step->graph, node, 0, fresh, err));
    return give_results(step, err);
}

/* Operand 1 has two numbers for each axis: all the first, then all the second. */
static enum cop_status push_pad(const struct step *step, struct cop_err *err)
{
    struct cop_node *const node = step->node;
    const int32_t rank = step->perm.rank;
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL || !cop_ops__has(node, 1) || node->src[1]->data == NULL ||
        cop_ops__has(node, 3))
        return COP_OK;
    int64_t amounts[2 * MAX_MOVED_RANK];
    const void *const said = cop_buf_data(node->src[1]->data);
    for (int32_t i = 0; i < rank; i++) {
        amounts[step->perm.at[i]] = cop_i64_at(said, i);
        amounts[rank + step->perm.at[i]] = cop_i64_at(said, rank + i);
    }
    COP_TRY(cop_ops__set_ints(step->graph, node, 1, amounts, (int64_t)2 * rank, err));
    COP_TRY(cop_graph_set_src(step->graph, node, 0, fresh, err));
    return give_results(step, err);
}

/* Where scales or sizes are for listed axes only; else they name the batch as well. */
static enum cop_status push_resize(const struct step *step, struct cop_err *err)
{
    struct cop_node *const node = step->node;
    struct cop_ints *const axes = cop_ops__attr(node, "axes");
    struct cop_value *const fresh = above(step, 0);
    if (fresh == NULL || axes == NULL || axes->at == NULL || axes->n > COP_MAX_RANK)
        return COP_OK;
    struct cop_ops__perm moved = {.rank = (int32_t)axes->n};
    for (int32_t i = 0; i < moved.rank; i++) {
        const int64_t axis = axes->at[i];
        moved.at[i] = step->perm.at[axis < 0 ? axis + step->perm.rank : axis];
    }
    COP_TRY(set_perm(step->graph, axes, &moved, err));
    COP_TRY(cop_graph_set_src(step->graph, node, 0, fresh, err));
    return give_results(step, err);
}

/* Elements picked along one axis by a list. */
static enum cop_status push_gather(const struct step *step, struct cop_err *err)
{
    const struct cop_value *const list = step->node->src[1];
    if (list->data == NULL || list->shape.rank != 1) return COP_OK;
    return push_first_along_axis(step, err);
}

/* Two Transposes are one, or none. */
static enum cop_status push_transpose(const struct step *step, struct cop_err *err)
{
    const struct cop_node *const first = step->node->src[0]->producer;
    struct cop_ops__perm inner;
    struct cop_ops__perm outer;
    if (first == NULL || first->op != &cop_op_transpose) return COP_OK;
    COP_TRY(cop_ops__perm_of(first, &inner, err));
    COP_TRY(cop_ops__perm_of(step->node, &outer, err));
    for (int32_t i = 0; i < outer.rank; i++)
        outer.at[i] = inner.at[outer.at[i]];
    COP_TRY(cop_graph_set_src(step->graph, step->node, 0, first->src[0], err));
    COP_TRY(set_perm(step->graph, step->node->attrs, &outer, err));
    if (!is_ascending(&outer)) return COP_OK;
    return cop_ops__bypass(step->graph, step->node->dst[0], first->src[0], err);
}

static enum cop_status push_flatten(const struct step *step, struct cop_err *err)
{
    struct cop_node *const transpose = step->node->src[0]->producer;
    if (above(step, 0) == NULL) return COP_OK;
    return cop_ops__reorder_weights(step->graph, step->node, transpose, err);
}

static const struct {
    const struct cop_op *op;
    enum cop_status (*push)(const struct step *step, struct cop_err *err);
} rules[] = {
    {&cop_op_clip, push_elementwise},
    {&cop_op_concat, push_concat},
    {&cop_op_dropout, push_elementwise},
    {&cop_op_flatten, push_flatten},
    {&cop_op_gather, push_gather},
    {&cop_op_log_softmax, push_first_along_axis},
    {&cop_op_pad, push_pad},
    {&cop_op_reduce_max, push_reduce},
    {&cop_op_reduce_mean, push_reduce},
    {&cop_op_reduce_sum, push_reduce},
    {&cop_op_reshape, push_flatten},
    {&cop_op_resize, push_resize},
    {&cop_op_slice, push_slice},
    {&cop_op_softmax, push_first_along_axis},
    {&cop_op_split, push_first_along_axis},
    {&cop_op_squeeze, push_squeeze},
};

/* The permutation of the first source that has one. */
static bool find_perm(struct step *step)
{
    for (int32_t i = 0; i < step->node->n_src; i++) {
        const struct cop_value *const src = step->node->src[i];
        if (src != NULL && cop_ops__is_channels_last(src->producer, &step->perm))
            return true;
    }
    return false;
}

static enum cop_status push(struct step *step, struct cop_err *err)
{
    if (step->node->op == &cop_op_transpose) return push_transpose(step, err);
    if (!find_perm(step)) return COP_OK;
    if (step->node->op->coupling == &cop_couple_elementwise)
        return push_elementwise(step, err);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].op == step->node->op) return rules[i].push(step, err);
    return COP_OK;
}

/* ---- what is left ------------------------------------------------------------------------ */

/* Axes with more than one element, and the batch, keep their order: nothing moves. */
static bool moves_nothing(
    const struct cop_ops__perm *perm, const struct cop_shape *shape)
{
    int32_t last = 0;
    for (int32_t i = 0; i < perm->rank; i++) {
        const int32_t axis = perm->at[i];
        if (axis != 0 && shape->dim[axis] == 1) continue;
        if (axis < last) return false;
        last = axis;
    }
    return true;
}

/* The batch is axis 0 and no other extent depends on it. */
static bool has_batch_first(
    const struct cop_ops__batches *batches, const struct cop_value *value)
{
    if (batches->two == NULL || value->shape.rank == 0) return false;
    struct cop_shape shape = value->shape;
    shape.dim[0] = 2;
    return value->shape.dim[0] == 1 &&
           cop_shape_equal(&shape, &batches->two[value->id].shape);
}

/* Reads @p src with the extents of @p node's result. */
static enum cop_status add_reshape(
    struct cop_graph *graph,
    const struct cop_node *node,
    struct cop_value *src,
    struct cop_err *err)
{
    struct cop_value *const operands[2] = {src, src};
    struct cop_node *reshape = NULL;
    int64_t target[COP_MAX_RANK];
    struct cop_value *const dst = node->dst[0];
    memcpy(target, dst->shape.dim, sizeof target);
    target[0] = 0;
    const struct cop_node_spec spec = {
        .op = &cop_op_reshape,
        .name = node->name,
        .src = operands,
        .n_src = 2,
        .n_dst = 1,
        .before = node};
    COP_TRY(cop_graph_add_node(graph, &spec, &reshape, err));
    COP_TRY(cop_ops__set_ints(graph, reshape, 1, target, dst->shape.rank, err));
    reshape->dst[0]->dtype = dst->dtype;
    reshape->dst[0]->shape = dst->shape;
    return cop_graph_replace_value(graph, dst, reshape->dst[0], err);
}

static bool keeps_order(const struct cop_node *node)
{
    return node != NULL &&
           (node->op == &cop_op_reshape || node->op == &cop_op_flatten ||
            node->op == &cop_op_squeeze || node->op == &cop_op_unsqueeze);
}

/* Transposes that move nothing become a Reshape, and a Reshape of a Reshape reads what that
 * read. */
static enum cop_status tidy(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_ops__batches *batches,
    struct cop_err *err)
{
    struct cop_ops__perm perm;
    struct cop_value *src = node->src[0];
    const bool is_reshape = keeps_order(node);
    if (!is_reshape && node->op != &cop_op_transpose) return COP_OK;
    if (!is_reshape) {
        COP_TRY(cop_ops__perm_of(node, &perm, err));
        if (!moves_nothing(&perm, &src->shape)) return COP_OK;
    }
    /* Values made here have no facts; their sources have. */
    const bool is_second = keeps_order(src->producer);
    if (is_second) src = src->producer->src[0];
    if ((is_reshape && !is_second) || node->dst[0]->shape.rank == 0 ||
        !has_batch_first(batches, node->dst[0]) || !has_batch_first(batches, src))
        return COP_OK;
    return add_reshape(graph, node, src, err);
}

static enum cop_status tidy_all(struct cop_graph *graph, struct cop_err *err)
{
    struct cop_arena *const arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct cop_ops__batches batches = {NULL, NULL};
    enum cop_status status = cop_ops__find_batches(graph, arena, &batches, err);
    for (int32_t i = 0; status == COP_OK && i < cop_graph_n_nodes(graph); i++) {
        const int32_t n = cop_graph_n_nodes(graph);
        status = tidy(graph, cop_graph_node(graph, i), &batches, err);
        i += cop_graph_n_nodes(graph) - n;
    }
    cop_arena_destroy(arena);
    return status;
}

static enum cop_status push_all(struct cop_graph *graph, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct step step = {.graph = graph, .node = cop_graph_node(graph, i)};
        if (i + 1 < cop_graph_n_nodes(graph)) step.next = cop_graph_node(graph, i + 1);
        const enum cop_status status = push(&step, err);
        if (status == COP_OK) continue;
        cop_err_in(err, "node '%s' (%s)", step.node->name, step.node->op->name);
        return status;
    }
    return COP_OK;
}

enum cop_status cop_ops__settle_layout(struct cop_graph *graph, struct cop_err *err)
{
    bool has_transpose = false;
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++)
        has_transpose =
            has_transpose || cop_graph_node(graph, i)->op == &cop_op_transpose;
    if (!has_transpose) return COP_OK;
    COP_TRY(push_all(graph, err));
    cop_graph_remove_dead(graph);
    COP_TRY(cop_graph_infer(graph, err));
    COP_TRY(tidy_all(graph, err));
    cop_graph_remove_dead(graph);
    return cop_graph_infer(graph, err);
}
