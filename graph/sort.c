/* graph/sort.c - topological order by depth-first search; a sorted graph stays as it is. */
#include "graph/graph_impl.h"

#include "base/mem.h"

#include <string.h>

enum mark { UNSEEN = 0, OPEN, PLACED };

struct visit {
    struct cop_node *node;
    int32_t next_src;
};

struct sorter {
    uint8_t *marks; /* by node id */
    struct visit *stack;
    void **sorted;
    int32_t n_sorted;
};

/* Places everything that @p root needs, then root. */
static enum cop_status place(
    struct sorter *sorter, struct cop_node *root, struct cop_err *err)
{
    int32_t depth = 0;
    sorter->stack[depth++] = (struct visit){.node = root};
    sorter->marks[root->id] = OPEN;
    while (depth > 0) {
        struct visit *top = &sorter->stack[depth - 1];
        if (top->next_src == top->node->n_src) {
            sorter->marks[top->node->id] = PLACED;
            sorter->sorted[sorter->n_sorted++] = top->node;
            depth--;
            continue;
        }
        const struct cop_value *src = top->node->src[top->next_src++];
        struct cop_node *producer = src != NULL ? src->producer : NULL;
        if (producer == NULL || sorter->marks[producer->id] == PLACED) continue;
        if (sorter->marks[producer->id] == OPEN)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "node '%s' (%s) waits for its own result: the graph has a cycle",
                producer->name,
                producer->op->name);
        sorter->marks[producer->id] = OPEN;
        sorter->stack[depth++] = (struct visit){.node = producer};
    }
    return COP_OK;
}

enum cop_status cop_graph_sort(struct cop_graph *graph, struct cop_err *err)
{
    size_t n = (size_t)graph->nodes.n;
    struct sorter sorter = {
        .marks = cop_mem_array((size_t)graph->next_node_id, 1),
        .stack = cop_mem_array(n, sizeof(struct visit)),
        .sorted = cop_mem_array(n, sizeof(void *)),
    };
    enum cop_status status = COP_OK;
    if (sorter.marks == NULL || sorter.stack == NULL || sorter.sorted == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    for (size_t i = 0; i < n && status == COP_OK; i++) {
        struct cop_node *node = graph->nodes.at[i];
        if (sorter.marks[node->id] == UNSEEN) status = place(&sorter, node, err);
    }
    if (status == COP_OK && n > 0)
        memcpy(graph->nodes.at, sorter.sorted, n * sizeof *sorter.sorted);
done:
    cop_mem_free(sorter.marks);
    cop_mem_free(sorter.stack);
    cop_mem_free(sorter.sorted);
    return status;
}
