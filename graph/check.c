/* graph/check.c - walks a whole graph and compares its double bookkeeping; see graph.h. */
#include "graph/graph_impl.h"

#include "base/mem.h"

static int32_t count_uses(
    const struct cop_value *value, const struct cop_node *node, int32_t slot)
{
    int32_t n = 0;
    for (int32_t u = 0; u < value->n_uses; u++)
        n += value->uses[u].node == node && value->uses[u].slot == slot;
    return n;
}

static enum cop_status check_sources(
    const struct cop_graph *graph,
    const struct cop_node *node,
    const uint8_t *is_computed, /* by value id */
    struct cop_err *err)
{
    for (int32_t s = 0; s < node->n_src; s++) {
        const struct cop_value *src = node->src[s];
        if (src == NULL) {
            if (s < node->op->arity[0])
                return COP_FAIL(err, COP_EFORMAT, "source %d is absent", s);
            continue;
        }
        if (graph->values.at[src->id] != src)
            return COP_FAIL(err, COP_EFORMAT, "source %d left the graph", s);
        if (src->producer != NULL && !is_computed[src->id])
            return COP_FAIL(
                err, COP_EFORMAT, "reads '%s' before it is computed", src->name);
        if (src->producer == NULL && src->data == NULL && !src->is_input)
            return COP_FAIL(
                err, COP_EFORMAT, "reads '%s', which nobody gives", src->name);
        if (count_uses(src, node, s) != 1)
            return COP_FAIL(
                err, COP_EFORMAT, "'%s' does not list its reader once", src->name);
    }
    return COP_OK;
}

static enum cop_status check_results(
    const struct cop_graph *graph,
    const struct cop_node *node,
    uint8_t *is_computed,
    struct cop_err *err)
{
    for (int32_t d = 0; d < node->n_dst; d++) {
        const struct cop_value *dst = node->dst[d];
        if (dst == NULL) continue;
        if (graph->values.at[dst->id] != dst || dst->producer != node ||
            dst->producer_slot != d)
            return COP_FAIL(err, COP_EFORMAT, "result %d belongs to another node", d);
        if (dst->data != NULL || dst->is_input)
            return COP_FAIL(err, COP_EFORMAT, "result '%s' is also given", dst->name);
        is_computed[dst->id] = 1;
    }
    return COP_OK;
}

static enum cop_status check_value(
    const struct cop_graph *graph, int32_t id, struct cop_err *err)
{
    const struct cop_value *value = graph->values.at[id];
    if (value == NULL) return COP_OK;
    if (value->id != id || cop_graph_find_value(graph, value->name) != value)
        return COP_FAIL(
            err, COP_EFORMAT, "value '%s' is not where it says", value->name);
    for (int32_t u = 0; u < value->n_uses; u++) {
        const struct cop_use *use = &value->uses[u];
        if (use->slot >= use->node->n_src || use->node->src[use->slot] != value)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "value '%s' lists node '%s', which does not read it",
                value->name,
                use->node->name);
    }
    if (value->data == NULL) return COP_OK;
    int64_t n;
    COP_TRY(cop_shape_count(&value->shape, &n, err));
    if ((size_t)n * cop_dtype_bytes(value->dtype) != cop_buf_bytes(value->data))
        return COP_FAIL(
            err,
            COP_EFORMAT,
            "constant '%s' has %lld elements and %zu bytes",
            value->name,
            (long long)n,
            cop_buf_bytes(value->data));
    return COP_OK;
}

static enum cop_status check_all(
    const struct cop_graph *graph, uint8_t *is_computed, struct cop_err *err)
{
    for (int32_t i = 0; i < graph->nodes.n; i++) {
        const struct cop_node *node = graph->nodes.at[i];
        enum cop_status status = check_sources(graph, node, is_computed, err);
        if (status == COP_OK) status = check_results(graph, node, is_computed, err);
        if (status == COP_OK && cop_graph_find_node(graph, node->name) != node)
            status = COP_FAIL(err, COP_EFORMAT, "is not found by its name");
        if (status != COP_OK) {
            cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
            return status;
        }
    }
    for (int32_t i = 0; i < graph->values.n; i++)
        COP_TRY(check_value(graph, i, err));
    for (int32_t i = 0; i < graph->outputs.n; i++) {
        const struct cop_value *value = graph->outputs.at[i];
        if (!value->is_output || graph->values.at[value->id] != value)
            return COP_FAIL(err, COP_EFORMAT, "output %d left the graph", i);
    }
    return COP_OK;
}

enum cop_status cop_graph_check(const struct cop_graph *graph, struct cop_err *err)
{
    uint8_t *is_computed = cop_mem_array((size_t)graph->values.n, 1);
    if (is_computed == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = check_all(graph, is_computed, err);
    cop_mem_free(is_computed);
    return status;
}
