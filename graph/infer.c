/* graph/infer.c - facts: types, shapes and known elements of every value, by the rows'
 * infer and fold; see graph.h. */
#include "graph/graph_impl.h"

#include <string.h>

static struct cop_fact input_fact(const struct cop_value *value, int64_t mb)
{
    struct cop_fact fact = {.dtype = value->dtype, .shape = value->shape};
    if (fact.shape.rank > 0) fact.shape.dim[0] = mb;
    return fact;
}

static void given_facts(
    const struct cop_graph *graph, int64_t mb, struct cop_fact *facts)
{
    for (int32_t i = 0; i < graph->values.n; i++) {
        const struct cop_value *value = graph->values.at[i];
        if (value == NULL) continue;
        if (value->data != NULL)
            facts[i] = (struct cop_fact){
                .dtype = value->dtype,
                .shape = value->shape,
                .data = cop_buf_data(value->data),
            };
        else if (value->is_input)
            facts[i] = input_fact(value, mb);
    }
}

static enum cop_status check_results(
    const struct cop_node *node, const struct cop_fact *dst, struct cop_err *err)
{
    for (int32_t i = 0; i < node->n_dst; i++) {
        int64_t n;
        if (node->dst[i] == NULL) continue;
        if (dst[i].dtype == COP_DTYPE_NONE)
            return COP_FAIL(err, COP_EUNSUPPORTED, "result %d has no type", i);
        COP_TRY(cop_shape_count(&dst[i].shape, &n, err));
    }
    return COP_OK;
}

static int64_t fact_bytes(const struct cop_fact *fact)
{
    return cop_shape_n(&fact->shape) * (int64_t)cop_dtype_bytes(fact->dtype);
}

/* Known elements may take this much more memory than twice the constants would as float32:
 * a small file can ask for large ones over and over. */
enum { KNOWN_BYTES_BASE = 64 << 20 };

static int64_t known_bytes_limit(const struct cop_graph *graph)
{
    int64_t limit = KNOWN_BYTES_BASE;
    for (int32_t i = 0; i < graph->values.n; i++) {
        const struct cop_value *value = graph->values.at[i];
        if (value == NULL || value->data == NULL) continue;
        const int64_t n =
            (int64_t)(cop_buf_bytes(value->data) / cop_dtype_bytes(value->dtype));
        limit += 2 * n * (int64_t)sizeof(float);
    }
    return limit;
}

/* Elements that a result takes over from a source cost nothing. */
static enum cop_status pay_for_elements(
    const struct cop_node *node,
    const struct cop_fact *src,
    const struct cop_fact *dst,
    int64_t *left,
    struct cop_err *err)
{
    for (int32_t d = 0; d < node->n_dst; d++) {
        bool is_new = dst[d].data != NULL;
        for (int32_t s = 0; s < node->n_src; s++)
            is_new = is_new && dst[d].data != src[s].data;
        if (is_new) *left -= fact_bytes(&dst[d]);
    }
    if (*left >= 0) return COP_OK;
    return COP_FAIL(
        err,
        COP_EUNSUPPORTED,
        "constant arithmetic takes %lld bytes more than it may",
        (long long)-*left);
}

/* Of a tensor without elements all are known. */
static void know_empty(const struct cop_node *node, struct cop_fact *dst)
{
    static const char nothing;
    for (int32_t i = 0; i < node->n_dst; i++)
        if (node->dst[i] != NULL && cop_shape_n(&dst[i].shape) == 0)
            dst[i].data = &nothing;
}

static enum cop_status node_facts(
    const struct cop_node *node,
    struct cop_arena *arena,
    struct cop_fact *facts,
    int64_t *left,
    struct cop_err *err)
{
    struct cop_fact *src = COP_ARENA_NEW_N(arena, node->n_src, struct cop_fact);
    struct cop_fact *dst = COP_ARENA_NEW_N(arena, node->n_dst, struct cop_fact);
    if (src == NULL || dst == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < node->n_src; i++) {
        if (node->src[i] != NULL) src[i] = facts[node->src[i]->id];
    }
    COP_TRY(node->op->infer(node, src, dst, err));
    COP_TRY(check_results(node, dst, err));
    COP_TRY(node->op->fold(node, src, dst, arena, err));
    know_empty(node, dst);
    COP_TRY(pay_for_elements(node, src, dst, left, err));
    for (int32_t i = 0; i < node->n_dst; i++) {
        if (node->dst[i] != NULL) facts[node->dst[i]->id] = dst[i];
    }
    return COP_OK;
}

enum cop_status cop_graph_facts(
    const struct cop_graph *graph,
    int64_t mb,
    struct cop_arena *arena,
    struct cop_fact **facts,
    struct cop_err *err)
{
    struct cop_fact *found = COP_ARENA_NEW_N(arena, graph->values.n, struct cop_fact);
    if (found == NULL) return COP_FAIL_NOMEM(err);
    given_facts(graph, mb, found);
    int64_t left = known_bytes_limit(graph);
    for (int32_t i = 0; i < graph->nodes.n; i++) {
        const struct cop_node *node = graph->nodes.at[i];
        enum cop_status status = node_facts(node, arena, found, &left, err);
        if (status != COP_OK) {
            cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
            return status;
        }
    }
    *facts = found;
    return COP_OK;
}

enum cop_status cop_graph_infer(struct cop_graph *graph, struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    struct cop_fact *facts = NULL;
    enum cop_status status = cop_graph_facts(graph, 1, scratch, &facts, err);
    for (int32_t i = 0; status == COP_OK && i < graph->values.n; i++) {
        struct cop_value *value = graph->values.at[i];
        if (value == NULL || value->producer == NULL) continue;
        value->dtype = facts[i].dtype;
        value->shape = facts[i].shape;
    }
    cop_arena_destroy(scratch);
    return status;
}

/* ---- folding ------------------------------------------------------------------------- */

/* The batch size must not be baked into a constant: elements count as known only when two
 * different batch sizes give the same ones. */
static bool same_elements(const struct cop_fact *a, const struct cop_fact *b)
{
    if (a->data == NULL || b->data == NULL || a->dtype != b->dtype) return false;
    if (!cop_shape_equal(&a->shape, &b->shape)) return false;
    if (a->data == b->data) return true;
    size_t bytes = (size_t)cop_shape_n(&a->shape) * cop_dtype_bytes(a->dtype);
    return bytes == 0 || memcmp(a->data, b->data, bytes) == 0;
}

/* Facts may hand on a source's own bytes: then the buffer is shared, not copied. */
static enum cop_status buffer_of(
    const struct cop_node *node,
    const struct cop_fact *fact,
    struct cop_buf **buf,
    struct cop_err *err)
{
    size_t bytes = (size_t)cop_shape_n(&fact->shape) * cop_dtype_bytes(fact->dtype);
    for (int32_t i = 0; i < node->n_src; i++) {
        const struct cop_value *src = node->src[i];
        if (src == NULL || src->data == NULL) continue;
        if (cop_buf_data(src->data) != fact->data || cop_buf_bytes(src->data) != bytes)
            continue;
        *buf = cop_buf_retain(src->data);
        return COP_OK;
    }
    COP_TRY(cop_buf_create(bytes, buf, err));
    if (bytes > 0) memcpy(cop_buf_mutable(*buf), fact->data, bytes);
    return COP_OK;
}

static enum cop_status fold_result(
    struct cop_graph *graph,
    const struct cop_node *node,
    int32_t slot,
    const struct cop_fact *fact,
    struct cop_err *err)
{
    struct cop_buf *buf = NULL;
    COP_TRY(buffer_of(node, fact, &buf, err));
    struct cop_value *constant = NULL;
    enum cop_status status = cop_graph_add_const(
        graph, node->dst[slot]->name, fact->dtype, &fact->shape, buf, &constant, err);
    cop_buf_release(buf);
    if (status != COP_OK) return status;
    return cop_graph_replace_value(graph, node->dst[slot], constant, err);
}

static enum cop_status fold_equal(
    struct cop_graph *graph,
    const struct cop_fact *a,
    const struct cop_fact *b,
    struct cop_err *err)
{
    for (int32_t i = 0; i < graph->nodes.n; i++) {
        const struct cop_node *node = graph->nodes.at[i];
        for (int32_t d = 0; d < node->n_dst; d++) {
            const struct cop_value *value = node->dst[d];
            if (value == NULL || (value->n_uses == 0 && !value->is_output)) continue;
            if (!same_elements(&a[value->id], &b[value->id])) continue;
            COP_TRY(fold_result(graph, node, d, &a[value->id], err));
        }
    }
    return COP_OK;
}

static bool is_batch_fixed(const struct cop_graph *graph)
{
    for (int32_t i = 0; i < graph->inputs.n; i++) {
        const struct cop_value *value = graph->inputs.at[i];
        if (value->is_batch_free) return false;
    }
    return true;
}

/* A network whose file fixes the batch at 1 may be unable to take another. */
static enum cop_status fold_known(
    struct cop_graph *graph, struct cop_arena *scratch, struct cop_err *err)
{
    struct cop_fact *at_2 = NULL;
    struct cop_fact *at_3 = NULL;
    enum cop_status status = cop_graph_facts(graph, 2, scratch, &at_2, err);
    if (status == COP_OK) status = cop_graph_facts(graph, 3, scratch, &at_3, err);
    if (status == COP_OK) return fold_equal(graph, at_2, at_3, err);
    if (status == COP_ENOMEM || !is_batch_fixed(graph)) return status;
    COP_TRY(cop_graph_facts(graph, 1, scratch, &at_2, err));
    return fold_equal(graph, at_2, at_2, err);
}

enum cop_status cop_graph_fold(struct cop_graph *graph, struct cop_err *err)
{
    struct cop_arena *scratch = cop_arena_create();
    if (scratch == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = fold_known(graph, scratch, err);
    cop_arena_destroy(scratch);
    if (status != COP_OK) return status;
    cop_graph_remove_dead(graph);
    return cop_graph_infer(graph, err);
}
