/* importers/tf_import.h - what the parts of the TensorFlow reader share.
 *
 * Private to importers/.  The order of the work is in README.md.  Nodes of TensorFlow are
 * translated one by one, in an order in which what they read is there: each by the function
 * of its row in tf_table.c, which adds nodes by their ONNX names.  Tensors keep the file's
 * order of axes; what needs NCHW stands between two Transposes, which the rewrites of ops/
 * take away. */
#ifndef COP_IMPORTERS_TF_IMPORT_H
#define COP_IMPORTERS_TF_IMPORT_H

#include "graph/graph.h"
#include "importers/build.h"
#include "importers/tf_graph.h"
#include "importers/tf_read.h"

struct cop_tf__import;

/** How one operator of TensorFlow is translated. */
struct cop_tf__rule {
    const char *op;
    const char *needs; /* ONNX operators, separated by spaces; all must be in the set */
    enum cop_status (*translate)(
        struct cop_tf__import *import,
        const struct cop_tf__node *node,
        const struct cop_tf__rule *rule,
        struct cop_err *err);
    int32_t n_inputs; /* least */
    const char *arg;  /* for translators that several rows share */
    float number;
};

/** What became of a node. */
struct cop_tf__made {
    const struct cop_tf__rule *rule;
    struct cop_value **values; /* by port; NULL: not there (yet) */
    int32_t n_values;
    struct cop_tf__ref same_as; /* node >= 0: every reader reads that instead */
    int8_t known;               /* -1, or the truth value it has */
    int8_t dead_port;           /* of a Switch: the port not taken; -1: not known */
    bool is_dead;               /* in a branch that is not taken */
    bool is_needed;
    const struct cop_tf__node *reader; /* the only one, by its first input; else NULL */
    int32_t n_readers;
    const struct cop_tf__node *unbatch; /* of a BatchToSpaceND: what it undoes */
};

struct cop_tf__import {
    struct cop_buf *file;
    const struct cop_op_set *ops;
    const struct cop_tf_read_options *options;
    struct cop_arena *scratch; /* gone when the reading ends */
    struct cop_tf__graph tf;
    struct cop_tf__made *made;     /* by node */
    struct cop_tf__ref *cuts;      /* by options->inputs */
    struct cop_value **cut_values; /* likewise */
    struct cop_tf__ref *outputs;
    int32_t n_outputs;
    int32_t *order; /* needed nodes, those read first */
    int32_t n_order;
    int64_t n_half;   /* constants of float16 and float64 that were widened */
    int64_t n_double; /* likewise */
    int64_t room;     /* elements that repeated values may still take */
    struct cop_graph *graph;
    struct cop_fact *facts[2]; /* by value id, for 1 and 2 samples */
    int32_t n_facts;
};

static inline const struct cop_tf__node *cop_tf__node_of(
    const struct cop_tf__import *import, struct cop_tf__ref ref)
{
    return &import->tf.nodes[ref.node];
}
static inline struct cop_tf__made *cop_tf__made_of(
    const struct cop_tf__import *import, const struct cop_tf__node *node)
{
    return &import->made[node - import->tf.nodes];
}

/* ---- tf_live.c: which nodes are needed --------------------------------------------- */

/** Finds inputs, outputs, branches that are not taken, and the order of translation.
 *  COP_EFORMAT (a cycle, a missing node), COP_EINVAL (no such input or output),
 *  COP_EUNSUPPORTED (a branch that depends on an input), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__find_order(
    struct cop_tf__import *import, struct cop_err *err);
/** The number of the cut that a reference meets; -1: none. */
int32_t cop_tf__cut_at(const struct cop_tf__import *import, struct cop_tf__ref ref);
/** Follows nodes that only hand on one of their inputs. */
struct cop_tf__ref cop_tf__follow(
    const struct cop_tf__import *import, struct cop_tf__ref ref);

/* ---- tf_inputs.c ----------------------------------------------------------------------- */

/** Adds an input for every cut, and for the placeholders of the order.
 *  COP_EUNSUPPORTED (element type, shape not known), COP_EINVAL, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__add_inputs(
    struct cop_tf__import *import, struct cop_err *err);

/* ---- tf_table.c ----------------------------------------------------------------------- */

/** The row of every needed node; COP_EUNSUPPORTED lists the operators without one. */
COP_NODISCARD enum cop_status cop_tf__find_rules(
    struct cop_tf__import *import, struct cop_err *err);

/* ---- tf_build.c: values and nodes --------------------------------------------------------- */

/** What an input of a node is; constants are added when they are first read.
 *  COP_EFORMAT, COP_EUNSUPPORTED, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__src(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    struct cop_value **value,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__value(
    struct cop_tf__import *import,
    struct cop_tf__ref ref,
    struct cop_value **value,
    struct cop_err *err);
/** The Const node behind an input; NULL when there is none. */
const struct cop_tf__node *cop_tf__const_of(
    const struct cop_tf__import *import, const struct cop_tf__node *node, int32_t i);
/** The integers of an input that are the same for every batch size.
 *  COP_EUNSUPPORTED when they are not known; the text calls them @p what. */
COP_NODISCARD enum cop_status cop_tf__ints(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    struct cop_tf__ints *ints,
    struct cop_err *err);
/** One of them. */
COP_NODISCARD enum cop_status cop_tf__int(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    int64_t *number,
    struct cop_err *err);
/** The one float of a constant input. */
COP_NODISCARD enum cop_status cop_tf__float(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    int32_t i,
    const char *what,
    float *number,
    struct cop_err *err);

struct cop_tf__part {
    const char *op;
    const char *name;             /* of the node; made unique */
    const char *result;           /* of the value; NULL: made from the name */
    struct cop_value *const *src; /* NULL entries: absent */
    int32_t n_src;
    int32_t n_dst; /* 0: one */
    struct cop_importers__attr
        attrs[COP_IMPORTERS__ATTRS]; /* to the first without a name */
};

/** Adds a node; types and shapes of its results are known afterwards.  dst[n_dst].
 *  COP_EUNSUPPORTED, COP_ESHAPE, COP_ENOMEM; texts name the operator. */
COP_NODISCARD enum cop_status cop_tf__add(
    struct cop_tf__import *import,
    const struct cop_tf__part *part,
    struct cop_value **dst,
    struct cop_err *err);
/** One source, no attributes. */
COP_NODISCARD enum cop_status cop_tf__add_unary(
    struct cop_tf__import *import,
    const char *op,
    const char *name,
    struct cop_value *src,
    struct cop_value **dst,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__add_binary(
    struct cop_tf__import *import,
    const char *op,
    const char *name,
    struct cop_value *a,
    struct cop_value *b,
    struct cop_value **dst,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__add_transpose(
    struct cop_tf__import *import,
    const char *name,
    struct cop_value *src,
    const int64_t *perm,
    struct cop_value **dst,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__add_reshape(
    struct cop_tf__import *import,
    const char *name,
    struct cop_value *src,
    const int64_t *target,
    int64_t rank,
    struct cop_value **dst,
    struct cop_err *err);
/** A constant; takes a reference of its own on @p data. */
COP_NODISCARD enum cop_status cop_tf__add_const(
    struct cop_tf__import *import,
    const char *name,
    enum cop_dtype dtype,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_value **value,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__add_ints(
    struct cop_tf__import *import,
    const char *name,
    const int64_t *ints,
    int64_t n,
    struct cop_value **value,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__add_float(
    struct cop_tf__import *import,
    const char *name,
    float number,
    struct cop_value **value,
    struct cop_err *err);

/** "node/what" in the scratch arena, for nodes beside the one that bears the node's name;
 *  never NULL ("node" when memory gives out, which shows soon enough). */
const char *cop_tf__beside(
    const struct cop_tf__import *import,
    const struct cop_tf__node *node,
    const char *what);

/** Every reader of the node's only result gets @p value. */
COP_NODISCARD enum cop_status cop_tf__give(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *value,
    struct cop_err *err);
/** Results by port. */
COP_NODISCARD enum cop_status cop_tf__give_all(
    struct cop_tf__import *import,
    const struct cop_tf__node *node,
    struct cop_value *const *values,
    int32_t n,
    struct cop_err *err);

/** Its shape depends on the number of samples. */
bool cop_tf__has_batch(
    const struct cop_tf__import *import, const struct cop_value *value);
/** To be called with a constant or an input added to the graph by other means.
 *  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__note(
    struct cop_tf__import *import, const struct cop_value *value, struct cop_err *err);

/** What is known of a value for 1 sample. */
struct cop_fact cop_tf__fact(
    const struct cop_tf__import *import, const struct cop_value *value);

#endif
