/* graph/graph_impl.h - the inside of a graph; only for graph/. */
#ifndef COP_GRAPH_GRAPH_IMPL_H
#define COP_GRAPH_GRAPH_IMPL_H

#include "graph/graph.h"
#include "graph/names.h"

struct cop_meta {
    const char *key;
    const char *text;
};

struct cop_list { /* of pointers */
    void **at;
    int32_t n;
    int32_t cap;
};

struct cop_graph {
    const struct cop_op_set *ops;
    struct cop_arena *arena; /* nodes, values, names, attributes */
    struct cop_list nodes;   /* topological order */
    struct cop_list values;  /* by id; removed ones NULL */
    struct cop_list inputs;
    struct cop_list outputs;
    struct cop_names node_names;
    struct cop_names value_names;
    struct cop_meta *meta;
    int32_t n_meta;
    int32_t next_node_id;
};

COP_NODISCARD enum cop_status cop_graph__push(
    struct cop_list *list, void *thing, struct cop_err *err);
/** A copy of @p name, or a name made from it, that @p names does not hold yet. */
COP_NODISCARD enum cop_status cop_graph__fresh_name(
    struct cop_graph *graph,
    const struct cop_names *names,
    const char *name,
    const char *stem,
    const char **fresh,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_graph__add_value(
    struct cop_graph *graph,
    const char *name,
    struct cop_value **value,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_graph__add_use(
    struct cop_value *value, struct cop_node *node, int32_t slot, struct cop_err *err);
void cop_graph__remove_use(
    struct cop_value *value, const struct cop_node *node, int32_t slot);

#endif
