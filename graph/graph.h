/* graph/graph.h - what a network is: values and nodes in static single assignment form.
 *
 * A graph owns its nodes, values, names and attribute structs (one arena) and holds a
 * reference on every constant's bytes.  cop_node and cop_value are open for reading;
 * only the functions here change them.  Nodes are kept in topological order.  Activations
 * are NCHW; axis 0 of every graph input is the batch (mb).  Knows no operator by name.
 * Reading from several threads is safe while nobody edits. */
#ifndef COP_GRAPH_GRAPH_H
#define COP_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "graph/op.h"
#include "graph/tensor.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_graph;

/** One place where a value is read: node->src[slot]. */
struct cop_use {
    struct cop_node *node;
    int32_t slot;
};

/** A tensor: a graph input, a constant (data set) or a result (producer set). */
struct cop_value {
    const char *name; /* unique in the graph */
    int32_t id;       /* cop_graph_value(graph, id) */
    enum cop_dtype dtype;
    struct cop_shape shape;    /* with mb = 1; results: after cop_graph_infer */
    struct cop_node *producer; /* NULL for inputs and constants */
    int32_t producer_slot;
    struct cop_buf
        *data; /* row-major elements, maybe unaligned; NULL if not constant */
    struct cop_use *uses;
    int32_t n_uses;
    int32_t cap_uses;
    bool is_input;
    bool is_output;
    bool is_batch_free; /* of an input: the file left axis 0 open */
};

/** One operation. */
struct cop_node {
    const struct cop_op *op;
    const char *name; /* unique in the graph */
    int32_t id;       /* stable; kept by cop_graph_clone; not the order */
    int32_t n_src;
    int32_t n_dst;
    struct cop_value **src; /* an absent optional operand is NULL */
    struct cop_value **dst; /* an unused optional result is NULL */
    void *attrs;            /* op->attrs_size bytes; lives in the graph's arena */
};

/* ---- life ------------------------------------------------------------------- */

/** An empty graph over an operator set that outlives it.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_graph_create(
    const struct cop_op_set *ops, struct cop_graph **graph, struct cop_err *err);
/** Accepts NULL. */
void cop_graph_destroy(struct cop_graph *graph);
/** Same nodes and values with the same ids; constants are shared, not copied. */
COP_NODISCARD enum cop_status cop_graph_clone(
    const struct cop_graph *graph, struct cop_graph **clone, struct cop_err *err);

const struct cop_op_set *cop_graph_ops(const struct cop_graph *graph);
/** For attribute structs and strings that live as long as the graph. */
struct cop_arena *cop_graph_arena(struct cop_graph *graph);

/* ---- reading ----------------------------------------------------------------- */

int32_t cop_graph_n_nodes(const struct cop_graph *graph);
/** In topological order, 0 <= position < n_nodes. */
struct cop_node *cop_graph_node(const struct cop_graph *graph, int32_t position);
/** Ids run to n_values; removed values are NULL. */
int32_t cop_graph_n_values(const struct cop_graph *graph);
struct cop_value *cop_graph_value(const struct cop_graph *graph, int32_t id);
/** NULL when there is none of that name. */
struct cop_value *cop_graph_find_value(const struct cop_graph *graph, const char *name);
struct cop_node *cop_graph_find_node(const struct cop_graph *graph, const char *name);
int32_t cop_graph_n_inputs(const struct cop_graph *graph);
struct cop_value *cop_graph_input(const struct cop_graph *graph, int32_t i);
int32_t cop_graph_n_outputs(const struct cop_graph *graph);
struct cop_value *cop_graph_output(const struct cop_graph *graph, int32_t i);

/** Free-form strings that travel with the model (producer, preprocessing hints).
 *  NULL when the key is unknown. */
const char *cop_graph_meta(const struct cop_graph *graph, const char *key);
int32_t cop_graph_n_meta(const struct cop_graph *graph);
void cop_graph_meta_at(
    const struct cop_graph *graph, int32_t i, const char **key, const char **text);
/** Copies both strings; replaces an older text.  @p text NULL removes the key. */
COP_NODISCARD enum cop_status cop_graph_set_meta(
    struct cop_graph *graph, const char *key, const char *text, struct cop_err *err);

/* ---- building and editing ------------------------------------------------------ */
/* Names are copied; a NULL or taken name is replaced by a fresh one made from it.
 * Every function leaves the graph consistent, also when it fails. */

COP_NODISCARD enum cop_status cop_graph_add_input(
    struct cop_graph *graph,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape, /* axis 0 given as 1 */
    struct cop_value **value,
    struct cop_err *err);

/** Takes one reference of its own on @p data.  COP_ESHAPE unless the bytes fit the shape. */
COP_NODISCARD enum cop_status cop_graph_add_const(
    struct cop_graph *graph,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_value **value,
    struct cop_err *err);

/** What cop_graph_add_node needs. */
struct cop_node_spec {
    const struct cop_op *op;
    const char *name;
    const void *attrs; /* op->attrs_size bytes, copied flat; NULL: the defaults.  What
                          its pointers reach must live in the graph's arena. */
    struct cop_value *const *src;
    int32_t n_src;
    const char *const *dst_names; /* NULL entries: unused results; NULL: fresh names */
    int32_t n_dst;
    const struct cop_node *before; /* insert before this node; NULL: at the end */
};

/** Adds a node with fresh results, their shapes unknown until cop_graph_infer.
 *  COP_EINVAL if the operand counts do not fit op->arity. */
COP_NODISCARD enum cop_status cop_graph_add_node(
    struct cop_graph *graph,
    const struct cop_node_spec *spec,
    struct cop_node **node,
    struct cop_err *err);

/** node->src[slot] = value (may be NULL for an optional operand; slot may be n_src to
 *  append).  The caller keeps topological order, or calls cop_graph_sort. */
COP_NODISCARD enum cop_status cop_graph_set_src(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    struct cop_value *value,
    struct cop_err *err);

/** Every reader of @p old, and the graph's output list, gets @p fresh instead.  A graph
 *  output keeps its name: the names of the two are exchanged. */
COP_NODISCARD enum cop_status cop_graph_replace_value(
    struct cop_graph *graph,
    struct cop_value *old,
    struct cop_value *fresh,
    struct cop_err *err);

/** Exchanges the names of two values.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_graph_swap_names(
    struct cop_graph *graph,
    struct cop_value *a,
    struct cop_value *b,
    struct cop_err *err);

/** Gives a constant, for all its readers, new elements and maybe a new shape. */
COP_NODISCARD enum cop_status cop_graph_set_const(
    struct cop_graph *graph,
    struct cop_value *value,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_err *err);

COP_NODISCARD enum cop_status cop_graph_mark_output(
    struct cop_graph *graph, struct cop_value *value, struct cop_err *err);

/** Removes nodes whose results nobody reads, then constants nobody reads. */
void cop_graph_remove_dead(struct cop_graph *graph);

/** Restores topological order.  COP_EFORMAT names a node of a cycle. */
COP_NODISCARD enum cop_status cop_graph_sort(
    struct cop_graph *graph, struct cop_err *err);

/* ---- facts ---------------------------------------------------------------------- */

/** Types, shapes and known constant elements of every value for batch size @p mb.
 *  @p facts[value->id], allocated in @p arena; removed values have dtype NONE.
 *  Fails as the operators' infer does, prefixed with the node; COP_EUNSUPPORTED also if
 *  constant arithmetic takes far more memory than the constants. */
COP_NODISCARD enum cop_status cop_graph_facts(
    const struct cop_graph *graph,
    int64_t mb,
    struct cop_arena *arena,
    struct cop_fact **facts,
    struct cop_err *err);

/** Writes dtype and shape for mb = 1 into every value. */
COP_NODISCARD enum cop_status cop_graph_infer(
    struct cop_graph *graph, struct cop_err *err);

/** Turns every result whose elements are known, and the same for every batch size, into
 *  a constant, and removes what then is dead.  Shapes are inferred afterwards. */
COP_NODISCARD enum cop_status cop_graph_fold(
    struct cop_graph *graph, struct cop_err *err);

/** Walks everything and compares the double bookkeeping; for tests and readers of files.
 *  COP_EFORMAT tells the first contradiction. */
COP_NODISCARD enum cop_status cop_graph_check(
    const struct cop_graph *graph, struct cop_err *err);

/** Multiply-accumulates of one node and of the whole graph for one sample. */
COP_NODISCARD enum cop_status cop_node_macs(
    const struct cop_node *node, int64_t *macs, struct cop_err *err);
COP_NODISCARD enum cop_status cop_graph_macs(
    const struct cop_graph *graph, int64_t *macs, struct cop_err *err);
/** Elements and bytes of all floating-point constants. */
int64_t cop_graph_n_params(const struct cop_graph *graph);
int64_t cop_graph_param_bytes(const struct cop_graph *graph);

#endif
