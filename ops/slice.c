/* ops/slice.c - Slice, and Gather with constant indices. */
#include "ops/row.h"

#include <string.h>

/* Bounds are operands starts, ends, axes, steps since opset 10, attributes before. */
struct slice_attrs {
    struct cop_ints starts;
    struct cop_ints ends;
    struct cop_ints axes;
};

static const struct cop_attr_spec slice_specs[] = {
    {.name = "starts",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct slice_attrs, starts),
     .last_opset = 9},
    {.name = "ends",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct slice_attrs, ends),
     .last_opset = 9},
    {.name = "axes",
     .type = COP_ATTR_INTS,
     .offset = offsetof(struct slice_attrs, axes),
     .last_opset = 9},
    {.type = COP_ATTR_END}};

static enum cop_status slice_upgrade(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err)
{
    struct slice_attrs *const attrs = node->attrs;
    if (opset > 9) return COP_OK;
    if (attrs->starts.at == NULL || attrs->ends.at == NULL)
        return COP_FAIL(err, COP_EFORMAT, "starts or ends are missing");
    COP_TRY(cop_ops__set_ints(graph, node, 1, attrs->starts.at, attrs->starts.n, err));
    COP_TRY(cop_ops__set_ints(graph, node, 2, attrs->ends.at, attrs->ends.n, err));
    if (attrs->axes.at != NULL)
        COP_TRY(cop_ops__set_ints(graph, node, 3, attrs->axes.at, attrs->axes.n, err));
    memset(attrs, 0, sizeof *attrs);
    return COP_OK;
}

/** What is taken, for every axis of the source. */
struct slice_span {
    int64_t start;
    int64_t step;
    int64_t n;
    bool is_listed;  /* false: the axis is whole */
    int64_t said[2]; /* start and end as the operands give them */
};

static int64_t clamp(int64_t at, int64_t low, int64_t high)
{
    if (at < low) return low;
    return at > high ? high : at;
}

/* ONNX: negative bounds count from the end, all are clamped to the axis. */
static void resolve(
    struct slice_span *span, int64_t start, int64_t end, int64_t step, int64_t extent)
{
    if (start < 0) start += extent;
    if (end < 0) end += extent;
    span->step = step;
    if (step > 0) {
        start = clamp(start, 0, extent);
        end = clamp(end, 0, extent);
        span->n = end > start ? (end - start - 1) / step + 1 : 0;
    } else {
        start = clamp(start, -1, extent - 1);
        end = clamp(end, -1, extent - 1);
        span->n = start > end ? (start - end - 1) / -step + 1 : 0;
    }
    span->start = start;
}

/** The four lists of a Slice: starts, ends, axes, steps. */
struct slice_lists {
    int64_t at[4][COP_MAX_RANK];
    int32_t n;
};

/* Absent axes are the first ones, absent steps are 1. */
static enum cop_status read_lists(
    const struct cop_node *node,
    const struct cop_fact *const facts[5],
    struct slice_lists *lists,
    struct cop_err *err)
{
    static const char *const names[4] = {"starts", "ends", "axes", "steps"};
    for (int32_t i = 0; i < 4; i++) {
        int32_t n = lists->n;
        if (cop_ops__has(node, 1 + i))
            COP_TRY(cop_ops__ints(facts[1 + i], names[i], lists->at[i], &n, err));
        else if (i < 2)
            return COP_FAIL(err, COP_EFORMAT, "%s are missing", names[i]);
        if (i == 0) lists->n = n;
        if (n != lists->n)
            return COP_FAIL(
                err, COP_ESHAPE, "%s has %d entries, starts %d", names[i], n, lists->n);
        for (int32_t k = 0; k < n && !cop_ops__has(node, 1 + i); k++)
            lists->at[i][k] = i == 2 ? k : 1;
    }
    return COP_OK;
}

static enum cop_status slice_spans(
    const struct cop_node *node,
    const struct cop_fact *const facts[5],
    struct slice_span spans[COP_MAX_RANK],
    struct cop_err *err)
{
    struct slice_lists lists = {.n = 0};
    COP_TRY(read_lists(node, facts, &lists, err));
    const struct cop_shape *const shape = &facts[0]->shape;
    for (int32_t i = 0; i < COP_MAX_RANK; i++)
        spans[i] = (struct slice_span){.step = 1, .n = shape->dim[i]};
    for (int32_t k = 0; k < lists.n; k++) {
        int32_t axis = 0;
        COP_TRY(cop_shape_axis(shape->rank, lists.at[2][k], &axis, err));
        const int64_t step = lists.at[3][k];
        if (step == 0 || step > INT32_MAX || step < -INT32_MAX)
            return COP_FAIL(
                err, COP_ESHAPE, "step of axis %d is %lld", axis, (long long)step);
        if (spans[axis].is_listed)
            return COP_FAIL(err, COP_ESHAPE, "axis %d has two bounds", axis);
        resolve(&spans[axis], lists.at[0][k], lists.at[1][k], step, shape->dim[axis]);
        spans[axis].is_listed = true;
        spans[axis].said[0] = lists.at[0][k];
        spans[axis].said[1] = lists.at[1][k];
    }
    return COP_OK;
}

static enum cop_status spans_of_facts(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct slice_span spans[COP_MAX_RANK],
    struct cop_err *err)
{
    const struct cop_fact *const facts[5] = {
        &src[0],
        node->n_src > 1 ? &src[1] : NULL,
        node->n_src > 2 ? &src[2] : NULL,
        node->n_src > 3 ? &src[3] : NULL,
        node->n_src > 4 ? &src[4] : NULL};
    return slice_spans(node, facts, spans, err);
}

static enum cop_status slice_infer(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err)
{
    struct slice_span spans[COP_MAX_RANK];
    COP_TRY(spans_of_facts(node, src, spans, err));
    dst[0] = (struct cop_fact){.dtype = src[0].dtype, .shape = src[0].shape};
    for (int32_t i = 0; i < src[0].shape.rank; i++)
        dst[0].shape.dim[i] = spans[i].n;
    return COP_OK;
}

static enum cop_status slice_fold(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err)
{
    if (src[0].data == NULL) return COP_OK;
    void *elements = NULL;
    COP_TRY(cop_ops__fold_room(node, src, dst, arena, &elements, err));
    if (elements == NULL || cop_shape_n(&dst[0].shape) == 0) return COP_OK;
    struct slice_span spans[COP_MAX_RANK];
    COP_TRY(spans_of_facts(node, src, spans, err));
    int64_t strides[COP_MAX_RANK] = {0};
    int64_t first = 0;
    cop_ops__strides(&src[0].shape, strides);
    for (int32_t i = 0; i < src[0].shape.rank; i++) {
        first += spans[i].start * strides[i];
        strides[i] *= spans[i].step;
    }
    cop_ops__copy_strided(
        &dst[0].shape,
        strides,
        first,
        cop_dtype_bytes(src[0].dtype),
        src[0].data,
        elements);
    return COP_OK;
}

static enum cop_status slice_lower(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err)
{
    const struct cop_fact *facts[5] = {NULL};
    for (int32_t i = 0; i < node->n_src && i < 5; i++)
        facts[i] = cop_emit_src_fact(emitter, i);
    struct slice_span spans[COP_MAX_RANK];
    COP_TRY(slice_spans(node, facts, spans, err));
    int64_t starts[COP_MAX_RANK];
    int64_t steps[COP_MAX_RANK];
    for (int32_t i = 0; i < facts[0]->shape.rank; i++) {
        starts[i] = spans[i].start;
        steps[i] = spans[i].step;
    }
    return cop_emit_slice(
        emitter,
        starts,
        steps,
        cop_emit_src(emitter, 0),
        cop_emit_dst(emitter, 0),
        err);
}

/* ---- coupling ------------------------------------------------------------------------ */

static enum cop_status spans_of_node(
    const struct cop_node *node,
    struct slice_span spans[COP_MAX_RANK],
    struct cop_err *err)
{
    struct cop_fact facts[5] = {{COP_DTYPE_NONE, {0, {0}}, NULL}};
    for (int32_t i = 0; i < node->n_src && i < 5; i++) {
        const struct cop_value *const value = node->src[i];
        if (value == NULL) continue;
        facts[i] = (struct cop_fact){
            value->dtype, value->shape, value->data ? cop_buf_data(value->data) : NULL};
    }
    return spans_of_facts(node, facts, spans, err);
}

/* Ranges taken with step 1 are tied, what is left out may be cut at will.  Other steps
 * freeze their axis, whose bounds could not be written for a cut. */
static enum cop_status slice_tie(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    struct slice_span spans[COP_MAX_RANK];
    COP_TRY(spans_of_node(node, spans, err));
    const struct cop_shape *const shape = &node->src[0]->shape;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (spans[i].step != 1 || spans[i].n == 0) continue;
        const struct cop_slice from = {0, i, spans[i].start, 1};
        const struct cop_slice to = {-1, i, 0, 1};
        const int64_t end = spans[i].start + spans[i].n;
        COP_TRY(cop_ops__tie_range(ties, from, to, spans[i].n, err));
        COP_TRY(cop_ops__tie_free(ties, 0, i, 0, spans[i].start, err));
        COP_TRY(cop_ops__tie_free(ties, 0, i, end, shape->dim[i] - end, err));
    }
    return COP_OK;
}

/* Writes the bounds of cut axes anew (their step is 1); the others keep what they say,
 * which may depend on the batch size. */
static enum cop_status slice_refit(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    struct slice_span spans[COP_MAX_RANK];
    COP_TRY(spans_of_node(node, spans, err));
    const struct cop_shape *const shape = &node->src[0]->shape;
    int64_t lists[5][COP_MAX_RANK]; /* starts, ends, axes, steps from 1 */
    int32_t n = 0;
    bool is_cut = false;
    for (int32_t i = 0; i < shape->rank; i++) {
        struct slice_span *const span = &spans[i];
        if (!span->is_listed) continue;
        if (cop_kept_count(kept, 0, i, 0, shape->dim[i]) != shape->dim[i]) {
            is_cut = true;
            span->said[0] = cop_kept_count(kept, 0, i, 0, span->start);
            span->said[1] =
                span->said[0] + cop_kept_count(kept, 0, i, span->start, span->n);
        }
        lists[1][n] = span->said[0];
        lists[2][n] = span->said[1];
        lists[3][n] = i;
        lists[4][n++] = span->step;
    }
    for (int32_t i = 1; i < 5 && is_cut; i++)
        COP_TRY(cop_ops__set_ints(graph, node, i, lists[i], n, err));
    return COP_OK;
}

static const struct cop_coupling slice_coupling = {
    .name = "slice",
    .tie = slice_tie,
    .refit = slice_refit,
    .linear = cop_linear_none,
};

const struct cop_op cop_op_slice = {
    .name = "Slice",
    .opsets = {1, COP_OPS_LAST},
    .arity = {1, 5, 1},
    .attrs_size = sizeof(struct slice_attrs),
    .attrs = slice_specs,
    .upgrade = slice_upgrade,
    .infer = slice_infer,
    .fold = slice_fold,
    .macs = cop_macs_none,
    .lower = slice_lower,
    .coupling = &slice_coupling,
    .relevance = &cop_relevance_move,
};
