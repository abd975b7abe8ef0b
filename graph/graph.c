/* graph/graph.c - life and reading of a graph; see graph.h.  Editing is in edit.c. */
#include "graph/graph_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum cop_status cop_graph_create(
    const struct cop_op_set *ops, struct cop_graph **graph, struct cop_err *err)
{
    struct cop_graph *fresh = cop_mem_array(1, sizeof *fresh);
    if (fresh == NULL) return COP_FAIL_NOMEM(err);
    fresh->ops = ops;
    fresh->arena = cop_arena_create();
    if (fresh->arena == NULL) {
        cop_mem_free(fresh);
        return COP_FAIL_NOMEM(err);
    }
    *graph = fresh;
    return COP_OK;
}

void cop_graph_destroy(struct cop_graph *graph)
{
    if (graph == NULL) return;
    for (int32_t i = 0; i < graph->values.n; i++) {
        struct cop_value *value = graph->values.at[i];
        if (value == NULL) continue;
        cop_buf_release(value->data);
        cop_mem_free(value->uses);
    }
    cop_mem_free(graph->nodes.at);
    cop_mem_free(graph->values.at);
    cop_mem_free(graph->inputs.at);
    cop_mem_free(graph->outputs.at);
    cop_graph__names_clear(&graph->node_names);
    cop_graph__names_clear(&graph->value_names);
    cop_arena_destroy(graph->arena);
    cop_mem_free(graph);
}

const struct cop_op_set *cop_graph_ops(const struct cop_graph *graph)
{
    return graph->ops;
}

struct cop_arena *cop_graph_arena(struct cop_graph *graph)
{
    return graph->arena;
}

int32_t cop_graph_n_nodes(const struct cop_graph *graph)
{
    return graph->nodes.n;
}

struct cop_node *cop_graph_node(const struct cop_graph *graph, int32_t position)
{
    assert(position >= 0 && position < graph->nodes.n);
    return graph->nodes.at[position];
}

int32_t cop_graph_n_values(const struct cop_graph *graph)
{
    return graph->values.n;
}

struct cop_value *cop_graph_value(const struct cop_graph *graph, int32_t id)
{
    assert(id >= 0 && id < graph->values.n);
    return graph->values.at[id];
}

struct cop_value *cop_graph_find_value(const struct cop_graph *graph, const char *name)
{
    return cop_graph__names_find(&graph->value_names, name);
}

struct cop_node *cop_graph_find_node(const struct cop_graph *graph, const char *name)
{
    return cop_graph__names_find(&graph->node_names, name);
}

int32_t cop_graph_n_inputs(const struct cop_graph *graph)
{
    return graph->inputs.n;
}

struct cop_value *cop_graph_input(const struct cop_graph *graph, int32_t i)
{
    assert(i >= 0 && i < graph->inputs.n);
    return graph->inputs.at[i];
}

int32_t cop_graph_n_outputs(const struct cop_graph *graph)
{
    return graph->outputs.n;
}

struct cop_value *cop_graph_output(const struct cop_graph *graph, int32_t i)
{
    assert(i >= 0 && i < graph->outputs.n);
    return graph->outputs.at[i];
}

const char *cop_graph_meta(const struct cop_graph *graph, const char *key)
{
    for (int32_t i = 0; i < graph->n_meta; i++) {
        if (strcmp(graph->meta[i].key, key) == 0) return graph->meta[i].text;
    }
    return NULL;
}

int32_t cop_graph_n_meta(const struct cop_graph *graph)
{
    return graph->n_meta;
}

void cop_graph_meta_at(
    const struct cop_graph *graph, int32_t i, const char **key, const char **text)
{
    assert(i >= 0 && i < graph->n_meta);
    *key = graph->meta[i].key;
    *text = graph->meta[i].text;
}

static void remove_meta(struct cop_graph *graph, const char *key)
{
    for (int32_t i = 0; i < graph->n_meta; i++) {
        if (strcmp(graph->meta[i].key, key) != 0) continue;
        graph->n_meta--;
        memmove(
            &graph->meta[i],
            &graph->meta[i + 1],
            (size_t)(graph->n_meta - i) * sizeof *graph->meta);
        return;
    }
}

enum cop_status cop_graph_set_meta(
    struct cop_graph *graph, const char *key, const char *text, struct cop_err *err)
{
    if (text == NULL) {
        remove_meta(graph, key);
        return COP_OK;
    }
    const char *copy = cop_arena_strdup(graph->arena, text);
    if (copy == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < graph->n_meta; i++) {
        if (strcmp(graph->meta[i].key, key) != 0) continue;
        graph->meta[i].text = copy;
        return COP_OK;
    }
    struct cop_meta *grown =
        COP_ARENA_NEW_N(graph->arena, graph->n_meta + 1, struct cop_meta);
    const char *own_key = cop_arena_strdup(graph->arena, key);
    if (grown == NULL || own_key == NULL) return COP_FAIL_NOMEM(err);
    if (graph->n_meta > 0)
        memcpy(grown, graph->meta, (size_t)graph->n_meta * sizeof *grown);
    grown[graph->n_meta++] = (struct cop_meta){.key = own_key, .text = copy};
    graph->meta = grown;
    return COP_OK;
}

int64_t cop_graph_n_params(const struct cop_graph *graph)
{
    int64_t n = 0;
    for (int32_t i = 0; i < graph->values.n; i++) {
        const struct cop_value *value = graph->values.at[i];
        if (value != NULL && value->data != NULL && value->dtype == COP_F32)
            n += cop_shape_n(&value->shape);
    }
    return n;
}

int64_t cop_graph_param_bytes(const struct cop_graph *graph)
{
    return cop_graph_n_params(graph) * (int64_t)sizeof(float);
}

enum cop_status cop_node_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err)
{
    enum cop_status status = node->op->macs(node, macs, err);
    if (status != COP_OK) cop_err_in(err, "node '%s' (%s)", node->name, node->op->name);
    return status;
}

enum cop_status cop_graph_macs(
    const struct cop_graph *graph, int64_t *macs, struct cop_err *err)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < graph->nodes.n; i++) {
        int64_t of_node = 0;
        COP_TRY(cop_node_macs(graph->nodes.at[i], &of_node, err));
        if (__builtin_add_overflow(sum, of_node, &sum))
            return COP_FAIL(err, COP_ESHAPE, "multiply-accumulates exceed 2^63");
    }
    *macs = sum;
    return COP_OK;
}

/* ---- clone -------------------------------------------------------------------- */

static enum cop_status clone_values(
    const struct cop_graph *graph, struct cop_graph *clone, struct cop_err *err)
{
    for (int32_t i = 0; i < graph->values.n; i++) {
        const struct cop_value *from = graph->values.at[i];
        if (from == NULL) {
            COP_TRY(cop_graph__push(&clone->values, NULL, err));
            continue;
        }
        struct cop_value *to = NULL;
        COP_TRY(cop_graph__add_value(clone, from->name, &to, err));
        to->dtype = from->dtype;
        to->shape = from->shape;
        to->is_batch_free = from->is_batch_free;
        to->is_input = from->is_input;
        to->is_output = from->is_output;
        if (from->data != NULL) to->data = cop_buf_retain(from->data);
    }
    return COP_OK;
}

static enum cop_status clone_node(
    struct cop_graph *clone, const struct cop_node *from, struct cop_err *err)
{
    struct cop_node *to = COP_ARENA_NEW(clone->arena, struct cop_node);
    if (to == NULL) return COP_FAIL_NOMEM(err);
    to->op = from->op;
    to->id = from->id;
    to->n_src = from->n_src;
    to->n_dst = from->n_dst;
    to->name = cop_arena_strdup(clone->arena, from->name);
    to->attrs = cop_arena_copy(clone->arena, from->attrs, from->op->attrs_size);
    to->src = COP_ARENA_NEW_N(clone->arena, from->n_src, struct cop_value *);
    to->dst = COP_ARENA_NEW_N(clone->arena, from->n_dst, struct cop_value *);
    if (to->name == NULL || to->attrs == NULL || to->src == NULL || to->dst == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < from->n_src; i++) {
        if (from->src[i] == NULL) continue;
        to->src[i] = clone->values.at[from->src[i]->id];
        COP_TRY(cop_graph__add_use(to->src[i], to, i, err));
    }
    for (int32_t i = 0; i < from->n_dst; i++) {
        if (from->dst[i] == NULL) continue;
        to->dst[i] = clone->values.at[from->dst[i]->id];
        to->dst[i]->producer = to;
        to->dst[i]->producer_slot = i;
    }
    COP_TRY(cop_graph__names_add(&clone->node_names, to->name, to, err));
    return cop_graph__push(&clone->nodes, to, err);
}

/* What attribute structs point to must live with the clone: deep copies of the lists. */
static enum cop_status own_attrs(
    struct cop_graph *clone, struct cop_node *node, struct cop_err *err)
{
    const struct cop_attr_spec *spec = node->op->attrs;
    for (; spec->type != COP_ATTR_END; spec++) {
        char *field = (char *)node->attrs + spec->offset;
        const void *old = NULL;
        size_t bytes = 0;
        if (spec->type == COP_ATTR_STRING) {
            memcpy(&old, field, sizeof old);
            if (old != NULL) bytes = strlen(old) + 1;
        } else if (spec->type == COP_ATTR_INTS) {
            old = ((const struct cop_ints *)(const void *)field)->at;
            bytes = (size_t)((const struct cop_ints *)(const void *)field)->n *
                    sizeof(int64_t);
        } else if (spec->type == COP_ATTR_FLOATS) {
            old = ((const struct cop_floats *)(const void *)field)->at;
            bytes = (size_t)((const struct cop_floats *)(const void *)field)->n *
                    sizeof(float);
        } else if (spec->type == COP_ATTR_TENSOR) {
            const struct cop_fact *tensor = (const void *)field;
            old = tensor->data;
            bytes =
                (size_t)cop_shape_n(&tensor->shape) * cop_dtype_bytes(tensor->dtype);
        }
        if (old == NULL) continue;
        const void *own = cop_arena_copy(clone->arena, old, bytes);
        if (own == NULL) return COP_FAIL_NOMEM(err);
        if (spec->type == COP_ATTR_STRING) memcpy(field, &own, sizeof own);
        if (spec->type == COP_ATTR_INTS) ((struct cop_ints *)(void *)field)->at = own;
        if (spec->type == COP_ATTR_FLOATS)
            ((struct cop_floats *)(void *)field)->at = own;
        if (spec->type == COP_ATTR_TENSOR)
            ((struct cop_fact *)(void *)field)->data = own;
    }
    return COP_OK;
}

static enum cop_status clone_list(
    const struct cop_list *from,
    struct cop_list *to,
    const struct cop_graph *clone,
    struct cop_err *err)
{
    for (int32_t i = 0; i < from->n; i++) {
        const struct cop_value *value = from->at[i];
        COP_TRY(cop_graph__push(to, clone->values.at[value->id], err));
    }
    return COP_OK;
}

static enum cop_status clone_into(
    const struct cop_graph *graph, struct cop_graph *clone, struct cop_err *err)
{
    COP_TRY(clone_values(graph, clone, err));
    for (int32_t i = 0; i < graph->nodes.n; i++) {
        COP_TRY(clone_node(clone, graph->nodes.at[i], err));
        COP_TRY(own_attrs(clone, clone->nodes.at[i], err));
    }
    COP_TRY(clone_list(&graph->inputs, &clone->inputs, clone, err));
    COP_TRY(clone_list(&graph->outputs, &clone->outputs, clone, err));
    for (int32_t i = 0; i < graph->n_meta; i++)
        COP_TRY(
            cop_graph_set_meta(clone, graph->meta[i].key, graph->meta[i].text, err));
    clone->next_node_id = graph->next_node_id;
    return COP_OK;
}

enum cop_status cop_graph_clone(
    const struct cop_graph *graph, struct cop_graph **clone, struct cop_err *err)
{
    struct cop_graph *fresh = NULL;
    COP_TRY(cop_graph_create(graph->ops, &fresh, err));
    enum cop_status status = clone_into(graph, fresh, err);
    if (status != COP_OK) {
        cop_graph_destroy(fresh);
        return status;
    }
    *clone = fresh;
    return COP_OK;
}
