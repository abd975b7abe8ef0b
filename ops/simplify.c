/* ops/simplify.c - graph rewrites that must name operators, run once after an import.
 *
 * Batch-dependent Reshape targets become 0 and -1, so that no chain of shape arithmetic is
 * left; nodes that change nothing go; Softmax of older opsets takes its present form;
 * channels-last graphs become NCHW (layout.c); biases become operands (join.c).  What the
 * graph computes stays the same for every batch size. */
#include "ops/ops.h"
#include "ops/rewrite.h"
#include "ops/row.h"

#include <string.h>

static enum cop_status facts_or_null(
    const struct cop_graph *graph,
    int64_t mb,
    struct cop_arena *arena,
    struct cop_fact **facts,
    struct cop_err *err)
{
    struct cop_err unfit;
    const enum cop_status status = cop_graph_facts(graph, mb, arena, facts, &unfit);
    if (status == COP_ENOMEM) return COP_FAIL_NOMEM(err);
    if (status != COP_OK) *facts = NULL;
    return COP_OK;
}

enum cop_status cop_ops__find_batches(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_ops__batches *batches,
    struct cop_err *err)
{
    COP_TRY(facts_or_null(graph, 2, arena, &batches->two, err));
    return facts_or_null(graph, 3, arena, &batches->three, err);
}

/* ---- Reshape targets ------------------------------------------------------------------ */

/* The 0 of these targets copies an extent, whatever the file has them mean. */
static enum cop_status set_target(
    struct cop_graph *graph,
    struct cop_node *node,
    const int64_t *extents,
    int32_t rank,
    struct cop_err *err)
{
    COP_TRY(cop_ops__set_ints(graph, node, 1, extents, rank, err));
    *(int64_t *)cop_ops__attr(node, "allowzero") = 0;
    return COP_OK;
}

/* A target of a model with a fixed batch says 1 where it means the batch: 0 copies it.
 * With one sample both are the same. */
static enum cop_status free_target(
    struct cop_graph *graph, struct cop_node *node, struct cop_err *err)
{
    const struct cop_value *const target = node->src[1];
    const struct cop_value *const src = node->src[0];
    if (target->data == NULL || src->data != NULL || src->shape.rank == 0)
        return COP_OK;
    const struct cop_fact fact = {
        target->dtype, target->shape, cop_buf_data(target->data)};
    int64_t extents[COP_MAX_RANK];
    int32_t rank = 0;
    COP_TRY(cop_ops__ints(&fact, "target shape", extents, &rank, err));
    if (rank < 2 || extents[0] != 1 || src->shape.dim[0] != 1) return COP_OK;
    for (int32_t i = 1; i < rank; i++)
        if (extents[i] == 0) return COP_OK;
    extents[0] = 0;
    return set_target(graph, node, extents, rank, err);
}

/* Finds what to write for each extent; false when 0 and one -1 cannot say it.
 * @param is_meant a 0 of the target is an extent, not a copy */
static bool write_target(
    const struct cop_fact target[2], /* for 2 and 3 samples */
    const struct cop_fact src[2],
    bool is_meant,
    int64_t extents[COP_MAX_RANK],
    int32_t rank)
{
    bool has_open = false;
    for (int32_t i = 0; i < rank; i++) {
        const int64_t two = cop_i64_at(target[0].data, i);
        const int64_t three = cop_i64_at(target[1].data, i);
        const bool is_copy = i < src[0].shape.rank && src[0].shape.dim[i] == two &&
                             src[1].shape.dim[i] == three;
        extents[i] = two;
        if (is_meant && two == 0) return false;
        if (two == three && two != -1) continue;
        extents[i] = is_copy ? 0 : -1;
        if (!is_copy && has_open) return false;
        has_open = has_open || !is_copy;
    }
    return true;
}

static enum cop_status settle_target(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_ops__batches *batches,
    struct cop_err *err)
{
    if (node->src[1]->data != NULL || batches->two == NULL || batches->three == NULL)
        return COP_OK;
    const int32_t id = node->src[1]->id;
    const struct cop_fact target[2] = {batches->two[id], batches->three[id]};
    const struct cop_fact src[2] = {
        batches->two[node->src[0]->id], batches->three[node->src[0]->id]};
    for (int i = 0; i < 2; i++)
        if (target[i].data == NULL || target[i].dtype != COP_I64 ||
            target[i].shape.rank != 1 || target[i].shape.dim[0] > COP_MAX_RANK)
            return COP_OK;
    if (!cop_shape_equal(&target[0].shape, &target[1].shape)) return COP_OK;
    int64_t extents[COP_MAX_RANK];
    const int32_t rank = (int32_t)target[0].shape.dim[0];
    const bool is_meant = *(const int64_t *)cop_ops__attr(node, "allowzero") != 0;
    if (!write_target(target, src, is_meant, extents, rank)) return COP_OK;
    return set_target(graph, node, extents, rank, err);
}

static enum cop_status each_reshape(
    struct cop_graph *graph,
    const struct cop_ops__batches *batches,
    struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *const node = cop_graph_node(graph, i);
        if (node->op != &cop_op_reshape) continue;
        COP_TRY(
            batches == NULL ? free_target(graph, node, err)
                            : settle_target(graph, node, batches, err));
    }
    return COP_OK;
}

/* ---- what opset 18 leaves unsaid --------------------------------------------------------- */

/* Since opset 18 a Split may leave less for its last result without saying so; the form
 * held in memory, that of opset 13, spells the sizes out. */
static enum cop_status spell_split(
    struct cop_graph *graph, struct cop_node *node, struct cop_err *err)
{
    const struct cop_shape *const src = &node->src[0]->shape;
    int32_t axis = 0;
    COP_TRY(cop_shape_axis(src->rank, *(const int64_t *)node->attrs, &axis, err));
    const int64_t extent = src->dim[axis];
    if (cop_ops__has(node, 1) || extent % node->n_dst == 0) return COP_OK;
    int64_t *const sizes =
        COP_ARENA_NEW_N(cop_graph_arena(graph), node->n_dst, int64_t);
    if (sizes == NULL) return COP_FAIL_NOMEM(err);
    const int64_t each = (extent + node->n_dst - 1) / node->n_dst;
    for (int32_t i = 0; i < node->n_dst; i++) {
        const int64_t left = extent - each * i;
        sizes[i] = left > each ? each : left;
    }
    return cop_ops__set_ints(graph, node, 1, sizes, node->n_dst, err);
}

/* Since opset 18 a Pad may list the axes that it pads; the form held spells all out. */
static enum cop_status spell_pad(
    struct cop_graph *graph, struct cop_node *node, struct cop_err *err)
{
    const int32_t rank = node->src[0]->shape.rank;
    int64_t listed[COP_MAX_RANK];
    int64_t amounts[2 * COP_MAX_RANK] = {0};
    int32_t n = 0;
    if (!cop_ops__has(node, 3) || node->src[3]->data == NULL ||
        node->src[1]->data == NULL)
        return COP_OK;
    const struct cop_fact axes = cop_ops__fact(node->src[3]);
    COP_TRY(cop_ops__ints(&axes, "axes", listed, &n, err));
    for (int32_t i = 0; i < n; i++) {
        int32_t axis = 0;
        COP_TRY(cop_shape_axis(rank, listed[i], &axis, err));
        for (int side = 0; side < 2; side++)
            amounts[side * rank + axis] =
                cop_i64_at(cop_buf_data(node->src[1]->data), side * n + i);
    }
    COP_TRY(cop_graph_set_src(graph, node, 3, NULL, err));
    return cop_ops__set_ints(graph, node, 1, amounts, (int64_t)2 * rank, err);
}

static enum cop_status spell_out(struct cop_graph *graph, struct cop_err *err)
{
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *const node = cop_graph_node(graph, i);
        if (node->op == &cop_op_split) COP_TRY(spell_split(graph, node, err));
        if (node->op == &cop_op_pad) COP_TRY(spell_pad(graph, node, err));
    }
    return COP_OK;
}

/* ---- nodes that change nothing ---------------------------------------------------------- */

static bool same_shape(
    const struct cop_ops__batches *batches,
    const struct cop_value *a,
    const struct cop_value *b)
{
    if (!cop_shape_equal(&a->shape, &b->shape)) return false;
    if (batches->two == NULL || batches->three == NULL) return true;
    return cop_shape_equal(&batches->two[a->id].shape, &batches->two[b->id].shape) &&
           cop_shape_equal(&batches->three[a->id].shape, &batches->three[b->id].shape);
}

static bool changes_nothing(
    const struct cop_node *node, const struct cop_ops__batches *batches)
{
    if (node->op == &cop_op_identity) return true;
    if (node->op == &cop_op_dropout)
        return (!cop_ops__has(node, 2) || node->src[2]->data != NULL) &&
               (node->n_dst < 2 || node->dst[1] == NULL ||
                (node->dst[1]->n_uses == 0 && !node->dst[1]->is_output));
    if (node->op == &cop_op_cast) return node->src[0]->dtype == node->dst[0]->dtype;
    if (node->op == &cop_op_reshape || node->op == &cop_op_flatten)
        return same_shape(batches, node->src[0], node->dst[0]);
    return false;
}

void *cop_ops__attr(const struct cop_node *node, const char *name)
{
    const struct cop_attr_spec *const spec = cop_attrs_find(node->op->attrs, name);
    return spec != NULL ? (char *)node->attrs + spec->offset : NULL;
}

enum cop_status cop_ops__bypass(
    struct cop_graph *graph,
    struct cop_value *old,
    struct cop_value *fresh,
    struct cop_err *err)
{
    if (old->is_output && (fresh->is_input || fresh->data != NULL || fresh->is_output))
        return COP_OK;
    return cop_graph_replace_value(graph, old, fresh, err);
}

/* ---- Softmax of older opsets ---------------------------------------------------------- */

static const struct cop_node *producer(
    const struct cop_value *value, const struct cop_op *op)
{
    const struct cop_node *const node = value->producer;
    return node != NULL && node->op == op && value->n_uses == 1 && !value->is_output
               ? node
               : NULL;
}

/* Flatten(axis), Softmax(-1), Reshape(back) is Softmax(axis) if nothing but that axis was
 * flattened. */
static enum cop_status join_softmax(
    struct cop_graph *graph, struct cop_node *reshape, struct cop_err *err)
{
    const struct cop_op *const kinds[2] = {&cop_op_softmax, &cop_op_log_softmax};
    for (int i = 0; i < 2; i++) {
        const struct cop_node *const inner = producer(reshape->src[0], kinds[i]);
        if (inner == NULL) continue;
        const struct cop_node *const flatten = producer(inner->src[0], &cop_op_flatten);
        if (flatten == NULL) continue;
        struct cop_value *const src = flatten->src[0];
        int64_t axis = *(const int64_t *)flatten->attrs;
        const int32_t rank = src->shape.rank;
        if (axis < 0) axis += rank;
        if (*(const int64_t *)inner->attrs != -1 || axis >= rank ||
            !cop_shape_equal(&src->shape, &reshape->dst[0]->shape) ||
            cop_shape_span(&src->shape, (int32_t)axis + 1, rank) != 1)
            continue;
        struct cop_node *joined = NULL;
        const struct cop_node_spec spec = {
            .op = inner->op,
            .name = inner->name,
            .attrs = &axis,
            .src = &src,
            .n_src = 1,
            .n_dst = 1,
            .before = reshape};
        COP_TRY(cop_graph_add_node(graph, &spec, &joined, err));
        return cop_ops__bypass(graph, reshape->dst[0], joined->dst[0], err);
    }
    return COP_OK;
}

static enum cop_status drop_idle(
    struct cop_graph *graph,
    const struct cop_ops__batches *batches,
    struct cop_err *err)
{
    /* Joining adds nodes before the one in hand, which shifts positions: read again. */
    for (int32_t i = 0; i < cop_graph_n_nodes(graph); i++) {
        struct cop_node *const node = cop_graph_node(graph, i);
        const int32_t n = cop_graph_n_nodes(graph);
        if (changes_nothing(node, batches))
            COP_TRY(cop_ops__bypass(graph, node->dst[0], node->src[0], err));
        else if (node->op == &cop_op_reshape)
            COP_TRY(join_softmax(graph, node, err));
        i += cop_graph_n_nodes(graph) - n;
    }
    cop_graph_remove_dead(graph);
    return cop_graph_infer(graph, err);
}

/* ---- all of it ------------------------------------------------------------------------ */

/* Leaves every Reshape target constant that can be. */
static enum cop_status settle_targets(
    struct cop_graph *graph, struct cop_arena *arena, struct cop_err *err)
{
    struct cop_ops__batches batches = {NULL, NULL};
    COP_TRY(each_reshape(graph, NULL, err));
    COP_TRY(cop_ops__find_batches(graph, arena, &batches, err));
    COP_TRY(each_reshape(graph, &batches, err));
    cop_graph_remove_dead(graph);
    return cop_graph_fold(graph, err);
}

static enum cop_status simplify_in(
    struct cop_graph *graph, struct cop_arena *arena, struct cop_err *err)
{
    struct cop_ops__batches batches = {NULL, NULL};
    COP_TRY(cop_graph_infer(graph, err));
    COP_TRY(cop_graph_fold(graph, err));
    COP_TRY(spell_out(graph, err));
    COP_TRY(settle_targets(graph, arena, err));
    COP_TRY(cop_ops__find_batches(graph, arena, &batches, err));
    COP_TRY(drop_idle(graph, &batches, err));
    COP_TRY(cop_ops__settle_layout(graph, err));
    return cop_ops__join_biases(graph, err);
}

enum cop_status cop_ops_simplify(struct cop_graph *graph, struct cop_err *err)
{
    struct cop_arena *const arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    const enum cop_status status = simplify_in(graph, arena, err);
    cop_arena_destroy(arena);
    return status;
}
