/* graph/edit.c - building and changing a graph; see graph.h.  Every function leaves the
 * double bookkeeping (uses, producers, names) consistent, also when it fails. */
#include "graph/graph_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum cop_status cop_graph__push(struct cop_list *list, void *thing, struct cop_err *err)
{
    if (list->n == list->cap) {
        int32_t cap = list->cap == 0 ? 16 : list->cap * 2;
        void **grown =
            cop_mem_grow(list->at, (size_t)list->cap, (size_t)cap, sizeof *grown);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        list->at = grown;
        list->cap = cap;
    }
    list->at[list->n++] = thing;
    return COP_OK;
}

enum cop_status cop_graph__fresh_name(
    struct cop_graph *graph,
    const struct cop_names *names,
    const char *name,
    const char *stem,
    const char **fresh,
    struct cop_err *err)
{
    bool is_given = name != NULL && name[0] != '\0';
    if (is_given && cop_graph__names_find(names, name) == NULL) {
        *fresh = cop_arena_strdup(graph->arena, name);
        return *fresh != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    }
    const char *base = is_given ? name : stem;
    for (size_t i = names->used + (is_given ? 1 : 0);; i++) {
        *fresh = cop_arena_printf(graph->arena, "%s_%zu", base, i);
        if (*fresh == NULL) return COP_FAIL_NOMEM(err);
        if (cop_graph__names_find(names, *fresh) == NULL) return COP_OK;
    }
}

enum cop_status cop_graph__add_value(
    struct cop_graph *graph,
    const char *name,
    struct cop_value **value,
    struct cop_err *err)
{
    struct cop_value *fresh = COP_ARENA_NEW(graph->arena, struct cop_value);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(cop_graph__fresh_name(
        graph, &graph->value_names, name, "value", &fresh->name, err));
    fresh->id = graph->values.n;
    COP_TRY(cop_graph__push(&graph->values, fresh, err));
    enum cop_status status =
        cop_graph__names_add(&graph->value_names, fresh->name, fresh, err);
    if (status != COP_OK) {
        graph->values.n--;
        return status;
    }
    *value = fresh;
    return COP_OK;
}

enum cop_status cop_graph__add_use(
    struct cop_value *value, struct cop_node *node, int32_t slot, struct cop_err *err)
{
    if (value->n_uses == value->cap_uses) {
        int32_t cap = value->cap_uses == 0 ? 2 : value->cap_uses * 2;
        struct cop_use *grown = cop_mem_grow(
            value->uses, (size_t)value->cap_uses, (size_t)cap, sizeof *grown);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        value->uses = grown;
        value->cap_uses = cap;
    }
    value->uses[value->n_uses++] = (struct cop_use){.node = node, .slot = slot};
    return COP_OK;
}

void cop_graph__remove_use(
    struct cop_value *value, const struct cop_node *node, int32_t slot)
{
    for (int32_t i = value->n_uses - 1; i >= 0; i--) { /* edits often undo the last */
        if (value->uses[i].node != node || value->uses[i].slot != slot) continue;
        value->n_uses--;
        memmove(
            &value->uses[i],
            &value->uses[i + 1],
            (size_t)(value->n_uses - i) * sizeof *value->uses);
        return;
    }
}

enum cop_status cop_graph_add_input(
    struct cop_graph *graph,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_value **value,
    struct cop_err *err)
{
    int64_t n;
    COP_TRY(cop_shape_count(shape, &n, err));
    struct cop_value *fresh = NULL;
    COP_TRY(cop_graph__add_value(graph, name, &fresh, err));
    fresh->dtype = dtype;
    fresh->shape = *shape;
    COP_TRY(cop_graph__push(&graph->inputs, fresh, err));
    fresh->is_input = true;
    *value = fresh;
    return COP_OK;
}

static enum cop_status check_bytes(
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    const struct cop_buf *data,
    struct cop_err *err)
{
    int64_t n;
    COP_TRY(cop_shape_count(shape, &n, err));
    size_t bytes = (size_t)n * cop_dtype_bytes(dtype);
    if (bytes == cop_buf_bytes(data)) return COP_OK;
    char text[COP_SHAPE_TEXT];
    return COP_FAIL(
        err,
        COP_ESHAPE,
        "%s of shape %s needs %zu bytes, there are %zu",
        cop_dtype_name(dtype),
        cop_shape_print(shape, text, sizeof text),
        bytes,
        cop_buf_bytes(data));
}

enum cop_status cop_graph_add_const(
    struct cop_graph *graph,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_value **value,
    struct cop_err *err)
{
    COP_TRY(check_bytes(dtype, shape, data, err));
    struct cop_value *fresh = NULL;
    COP_TRY(cop_graph__add_value(graph, name, &fresh, err));
    fresh->dtype = dtype;
    fresh->shape = *shape;
    fresh->data = cop_buf_retain(data);
    *value = fresh;
    return COP_OK;
}

enum cop_status cop_graph_set_const(
    struct cop_graph *graph,
    struct cop_value *value,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_err *err)
{
    (void)graph;
    COP_TRY(check_bytes(value->dtype, shape, data, err));
    struct cop_buf *old = value->data;
    value->data = cop_buf_retain(data);
    value->shape = *shape;
    cop_buf_release(old);
    return COP_OK;
}

enum cop_status cop_graph_mark_output(
    struct cop_graph *graph, struct cop_value *value, struct cop_err *err)
{
    COP_TRY(cop_graph__push(&graph->outputs, value, err));
    value->is_output = true;
    return COP_OK;
}

/* ---- nodes -------------------------------------------------------------------------- */

static enum cop_status check_arity(
    const struct cop_node_spec *spec, struct cop_err *err)
{
    const struct cop_op *op = spec->op;
    if (spec->n_src < op->arity[0] || (op->arity[1] >= 0 && spec->n_src > op->arity[1]))
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s takes %d to %d sources, given %d",
            op->name,
            op->arity[0],
            op->arity[1],
            spec->n_src);
    if (spec->n_dst < 1 || (op->arity[2] >= 0 && spec->n_dst > op->arity[2]))
        return COP_FAIL(
            err,
            COP_EINVAL,
            "%s gives 1 to %d results, asked for %d",
            op->name,
            op->arity[2],
            spec->n_dst);
    for (int32_t i = 0; i < op->arity[0]; i++) {
        if (spec->src[i] == NULL)
            return COP_FAIL(
                err, COP_EINVAL, "%s needs source %d, it is absent", op->name, i);
    }
    return COP_OK;
}

static enum cop_status fill_node(
    struct cop_graph *graph,
    const struct cop_node_spec *spec,
    struct cop_node *node,
    struct cop_err *err)
{
    size_t attrs_size = spec->op->attrs_size;
    node->op = spec->op;
    node->n_src = spec->n_src;
    node->n_dst = spec->n_dst;
    node->src = COP_ARENA_NEW_N(graph->arena, spec->n_src, struct cop_value *);
    node->dst = COP_ARENA_NEW_N(graph->arena, spec->n_dst, struct cop_value *);
    node->attrs = cop_arena_array(graph->arena, 1, attrs_size != 0 ? attrs_size : 1);
    if (node->src == NULL || node->dst == NULL || node->attrs == NULL)
        return COP_FAIL_NOMEM(err);
    if (spec->attrs != NULL)
        memcpy(node->attrs, spec->attrs, attrs_size);
    else
        cop_attrs_default(spec->op->attrs, node->attrs);
    return cop_graph__fresh_name(
        graph, &graph->node_names, spec->name, spec->op->name, &node->name, err);
}

static enum cop_status connect(
    struct cop_graph *graph,
    const struct cop_node_spec *spec,
    struct cop_node *node,
    struct cop_err *err)
{
    for (int32_t i = 0; i < spec->n_src; i++) {
        if (spec->src[i] == NULL) continue;
        COP_TRY(cop_graph__add_use(spec->src[i], node, i, err));
        node->src[i] = spec->src[i];
    }
    for (int32_t i = 0; i < spec->n_dst; i++) {
        if (spec->dst_names != NULL && spec->dst_names[i] == NULL) continue;
        const char *name = spec->dst_names != NULL ? spec->dst_names[i] : node->name;
        COP_TRY(cop_graph__add_value(graph, name, &node->dst[i], err));
        node->dst[i]->producer = node;
        node->dst[i]->producer_slot = i;
    }
    COP_TRY(cop_graph__names_add(&graph->node_names, node->name, node, err));
    return cop_graph__push(&graph->nodes, node, err);
}

static void remove_value(struct cop_graph *graph, struct cop_value *value)
{
    cop_graph__names_remove(&graph->value_names, value->name);
    graph->values.at[value->id] = NULL;
    cop_buf_release(value->data);
    cop_mem_free(value->uses);
    value->data = NULL;
    value->uses = NULL;
}

/* Takes a node's edges back; the node itself stays in the arena. */
static void disconnect(struct cop_graph *graph, struct cop_node *node)
{
    for (int32_t i = 0; i < node->n_src; i++) {
        if (node->src[i] != NULL) cop_graph__remove_use(node->src[i], node, i);
        node->src[i] = NULL;
    }
    for (int32_t i = 0; i < node->n_dst; i++) {
        if (node->dst[i] != NULL) remove_value(graph, node->dst[i]);
        node->dst[i] = NULL;
    }
    if (cop_graph__names_find(&graph->node_names, node->name) == node)
        cop_graph__names_remove(&graph->node_names, node->name);
}

static void move_before(
    struct cop_graph *graph, struct cop_node *node, const struct cop_node *before)
{
    int32_t at = graph->nodes.n - 1;
    while (at > 0 && graph->nodes.at[at] != before)
        at--;
    if (graph->nodes.at[at] != before) return;
    memmove(
        &graph->nodes.at[at + 1],
        &graph->nodes.at[at],
        (size_t)(graph->nodes.n - 1 - at) * sizeof *graph->nodes.at);
    graph->nodes.at[at] = node;
}

enum cop_status cop_graph_add_node(
    struct cop_graph *graph,
    const struct cop_node_spec *spec,
    struct cop_node **node,
    struct cop_err *err)
{
    COP_TRY(check_arity(spec, err));
    struct cop_node *fresh = COP_ARENA_NEW(graph->arena, struct cop_node);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    COP_TRY(fill_node(graph, spec, fresh, err));
    fresh->id = graph->next_node_id;
    enum cop_status status = connect(graph, spec, fresh, err);
    if (status != COP_OK) {
        disconnect(graph, fresh);
        return status;
    }
    graph->next_node_id++;
    if (spec->before != NULL) move_before(graph, fresh, spec->before);
    if (node != NULL) *node = fresh;
    return COP_OK;
}

enum cop_status cop_graph_set_src(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    struct cop_value *value,
    struct cop_err *err)
{
    if (slot > node->n_src || (node->op->arity[1] >= 0 && slot >= node->op->arity[1]))
        return COP_FAIL(
            err, COP_EINVAL, "%s has no source %d to set", node->op->name, slot);
    if (slot == node->n_src) {
        struct cop_value **grown =
            COP_ARENA_NEW_N(graph->arena, node->n_src + 1, struct cop_value *);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        if (node->n_src > 0)
            memcpy(grown, node->src, (size_t)node->n_src * sizeof(*grown));
        node->src = grown;
        node->n_src++;
    }
    if (value != NULL) COP_TRY(cop_graph__add_use(value, node, slot, err));
    if (node->src[slot] != NULL) cop_graph__remove_use(node->src[slot], node, slot);
    node->src[slot] = value;
    return COP_OK;
}

enum cop_status cop_graph_swap_names(
    struct cop_graph *graph,
    struct cop_value *a,
    struct cop_value *b,
    struct cop_err *err)
{
    const char *name_a = a->name;
    cop_graph__names_remove(&graph->value_names, a->name);
    cop_graph__names_remove(&graph->value_names, b->name);
    a->name = b->name;
    b->name = name_a;
    COP_TRY(cop_graph__names_add(&graph->value_names, a->name, a, err));
    return cop_graph__names_add(&graph->value_names, b->name, b, err);
}

enum cop_status cop_graph_replace_value(
    struct cop_graph *graph,
    struct cop_value *old,
    struct cop_value *fresh,
    struct cop_err *err)
{
    while (old->n_uses > 0) {
        struct cop_use use = old->uses[old->n_uses - 1];
        COP_TRY(cop_graph_set_src(graph, use.node, use.slot, fresh, err));
    }
    if (!old->is_output) return COP_OK;
    for (int32_t i = 0; i < graph->outputs.n; i++) {
        if (graph->outputs.at[i] == old) graph->outputs.at[i] = fresh;
    }
    old->is_output = false;
    bool keeps_own_name = fresh->is_output || fresh->is_input;
    fresh->is_output = true;
    return keeps_own_name ? COP_OK : cop_graph_swap_names(graph, old, fresh, err);
}

static bool is_read(const struct cop_node *node)
{
    for (int32_t i = 0; i < node->n_dst; i++) {
        const struct cop_value *value = node->dst[i];
        if (value != NULL && (value->n_uses > 0 || value->is_output)) return true;
    }
    return false;
}

void cop_graph_remove_dead(struct cop_graph *graph)
{
    int32_t n = graph->nodes.n;
    for (int32_t i = n - 1; i >= 0; i--) {
        struct cop_node *node = graph->nodes.at[i];
        if (is_read(node)) continue;
        disconnect(graph, node);
        graph->nodes.at[i] = NULL;
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++) {
        if (graph->nodes.at[i] != NULL) graph->nodes.at[kept++] = graph->nodes.at[i];
    }
    graph->nodes.n = kept;
    for (int32_t i = 0; i < graph->values.n; i++) {
        struct cop_value *value = graph->values.at[i];
        bool is_dead_const = value != NULL && value->data != NULL &&
                             value->n_uses == 0 && !value->is_output;
        if (is_dead_const) remove_value(graph, value);
    }
}
