/* importers/onnx_order.c - nodes in an order in which values exist before they are read;
 * see onnx_model.h.  Depth first from each node in file order, with a stack of our own:
 * a file that is in order already stays as it is. */
#include "importers/onnx_model.h"

#include <stdlib.h>
#include <string.h>

/* Which node makes the value of a name. */
struct maker {
    const char *name;
    int32_t node;
};

struct makers {
    struct maker *at; /* sorted by name */
    size_t n;
};

struct frame {
    int32_t node;
    size_t next; /* source to look at */
};

enum mark { UNSEEN, OPEN, DONE };

static int compare_makers(const void *a, const void *b)
{
    const struct maker *x = a;
    const struct maker *y = b;
    int by_name = strcmp(x->name, y->name);
    if (by_name != 0) return by_name;
    return (x->node > y->node) - (x->node < y->node);
}

static int compare_name(const void *key, const void *element)
{
    const struct maker *maker = element;
    return strcmp(key, maker->name);
}

static const char *node_name(const Onnx__GraphProto *graph, int32_t node)
{
    return cop_importers__text(graph->node[node]->name);
}

static enum cop_status list_makers(
    const struct cop_importers__model *model,
    struct makers *makers,
    struct cop_err *err)
{
    const Onnx__GraphProto *graph = model->proto->graph;
    size_t n = 0;
    for (size_t i = 0; i < graph->n_node; i++)
        n += graph->node[i]->n_output;
    makers->at = COP_ARENA_NEW_N(model->scratch, n, struct maker);
    if (makers->at == NULL) return COP_FAIL_NOMEM(err);
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t d = 0; d < node->n_output; d++) {
            if (node->output[d][0] == '\0') continue; /* unused result */
            makers->at[makers->n++] =
                (struct maker){.name = node->output[d], .node = (int32_t)i};
        }
    }
    qsort(makers->at, makers->n, sizeof *makers->at, compare_makers);
    for (size_t i = 1; i < makers->n; i++) {
        const struct maker *a = &makers->at[i - 1];
        const struct maker *b = &makers->at[i];
        if (strcmp(a->name, b->name) == 0)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "value '%s' is made twice, by nodes '%s' and '%s'",
                a->name,
                node_name(graph, a->node),
                node_name(graph, b->node));
    }
    return COP_OK;
}

/* The node that must come first for the frame's next source; -1 when there is none. */
static int32_t next_needed(
    const Onnx__NodeProto *node, const struct makers *makers, size_t source)
{
    const char *name = node->input[source];
    if (name[0] == '\0' || makers->n == 0) return -1;
    const struct maker *maker =
        bsearch(name, makers->at, makers->n, sizeof *makers->at, compare_name);
    return maker != NULL ? maker->node : -1;
}

struct walk {
    const Onnx__GraphProto *graph;
    struct makers makers;
    enum mark *marks;
    struct frame *stack;
    int32_t *order;
    size_t n_order;
};

static enum cop_status visit(struct walk *walk, int32_t root, struct cop_err *err)
{
    size_t depth = 0;
    walk->stack[depth++] = (struct frame){.node = root};
    walk->marks[root] = OPEN;
    while (depth > 0) {
        struct frame *top = &walk->stack[depth - 1];
        const Onnx__NodeProto *node = walk->graph->node[top->node];
        if (top->next == node->n_input) {
            walk->marks[top->node] = DONE;
            walk->order[walk->n_order++] = top->node;
            depth--;
            continue;
        }
        int32_t needed = next_needed(node, &walk->makers, top->next++);
        if (needed < 0 || walk->marks[needed] == DONE) continue;
        if (walk->marks[needed] == OPEN)
            return COP_FAIL(
                err,
                COP_EFORMAT,
                "node '%s' depends on itself",
                node_name(walk->graph, needed));
        walk->marks[needed] = OPEN;
        walk->stack[depth++] = (struct frame){.node = needed};
    }
    return COP_OK;
}

enum cop_status cop_importers__order_nodes(
    const struct cop_importers__model *model, int32_t **order, struct cop_err *err)
{
    const Onnx__GraphProto *graph = model->proto->graph;
    struct walk walk = {.graph = graph};
    COP_TRY(list_makers(model, &walk.makers, err));
    walk.marks = COP_ARENA_NEW_N(model->scratch, graph->n_node, enum mark);
    walk.stack = COP_ARENA_NEW_N(model->scratch, graph->n_node, struct frame);
    walk.order = COP_ARENA_NEW_N(model->scratch, graph->n_node, int32_t);
    if (walk.marks == NULL || walk.stack == NULL || walk.order == NULL)
        return COP_FAIL_NOMEM(err);
    for (size_t i = 0; i < graph->n_node; i++) {
        if (walk.marks[i] == UNSEEN) COP_TRY(visit(&walk, (int32_t)i, err));
    }
    *order = walk.order;
    return COP_OK;
}
