/* graph/op.h - what an operator is: one constant row that answers every concern.
 *
 * A row (see ops/) picks ready-made rules from the menus of the concern folders.  No
 * field may be NULL or missing: "no" has a name (cop_couple_frozen, cop_macs_none, ...).
 * The set of operators is passed in, so this folder knows none of them by name. */
#ifndef COP_GRAPH_OP_H
#define COP_GRAPH_OP_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_graph;
struct cop_node;
struct cop_emitter;   /* engine/emit.h */
struct cop_coupling;  /* prune/coupling.h */
struct cop_relevance; /* explain/relevance.h */

/** What is known of a value before anything runs. */
struct cop_fact {
    enum cop_dtype dtype;
    struct cop_shape shape;
    const void *data; /* all elements, maybe unaligned; NULL when not known */
};

/* ---- attributes: data, not code ------------------------------------------------- */

enum cop_attr_type {
    COP_ATTR_END = 0,
    COP_ATTR_INT,    /* int64_t */
    COP_ATTR_FLOAT,  /* float */
    COP_ATTR_STRING, /* const char *, in the graph's arena or static */
    COP_ATTR_INTS,   /* struct cop_ints */
    COP_ATTR_FLOATS, /* struct cop_floats */
    COP_ATTR_TENSOR, /* struct cop_fact with data in the graph's arena or a kept map */
};

/** at == NULL: the attribute is absent. */
struct cop_ints {
    int64_t n;
    const int64_t *at;
};
struct cop_floats {
    int64_t n;
    const float *at;
};

/** One attribute of an operator: where it lives in the attribute struct, its default,
 *  and in which opsets files carry it.  A table ends with type COP_ATTR_END. */
struct cop_attr_spec {
    const char *name;
    enum cop_attr_type type;
    size_t offset;
    int64_t int_default;
    float float_default;
    const char *string_default; /* lists and tensors default to absent */
    int16_t last_opset;         /* 0: still in use; later files do not carry it */
    int16_t first_opset;        /* 0: there from the start; earlier files have it not */
    bool is_required;           /* a file without it is broken; always written */
    int8_t late_slot; /* INTS: after last_opset files carry the list as this operand; 0:
                         they do not */
    bool
        counts_results; /* INT: from first_opset on files without operand 1 say here how
                            many results there are; 0 in memory */
    const char *late_text; /* STRING: a value that is known only from late_opset on */
    int16_t late_opset;
};

/** Fills @p attrs (zeroed or not) with the defaults of @p specs. */
void cop_attrs_default(const struct cop_attr_spec *specs, void *attrs);
/** NULL when there is none of that name. */
const struct cop_attr_spec *cop_attrs_find(
    const struct cop_attr_spec *specs, const char *name);
extern const struct cop_attr_spec cop_attrs_none[]; /* an empty table */

/* ---- the facets that graph itself uses --------------------------------------------- */

/** Types and shapes of the results from what is known of the sources.  Pure.
 *  src[i].dtype is COP_DTYPE_NONE for an absent operand.  dst arrives zeroed.
 *  COP_ESHAPE, COP_EUNSUPPORTED; the caller prefixes the node. */
typedef enum cop_status cop_infer_fn(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_err *err);

/** Elements of the results where all that matters is known: sets dst[i].data (in
 *  @p arena, or a pointer taken over from a source) or leaves it NULL.  Pure. */
typedef enum cop_status cop_fold_fn(
    const struct cop_node *node,
    const struct cop_fact *src,
    struct cop_fact *dst,
    struct cop_arena *arena,
    struct cop_err *err);
cop_fold_fn cop_fold_none; /* never known */

/** Multiply-accumulates for one sample from the inferred shapes (mb = 1).  Pure. */
typedef enum cop_status cop_macs_fn(
    const struct cop_node *node, int64_t *macs, struct cop_err *err);
cop_macs_fn cop_macs_none; /* costs none */

/** Lifts the encoding of an older opset to the one form we hold in memory (that of
 *  opset 13): for example attributes that later became operands.  May edit the graph. */
typedef enum cop_status cop_upgrade_fn(
    struct cop_graph *graph, struct cop_node *node, int32_t opset, struct cop_err *err);
cop_upgrade_fn cop_upgrade_none; /* all opsets read alike */

/** Emits the engine primitives that compute the node; see engine/emit.h. */
typedef enum cop_status cop_lower_fn(
    const struct cop_node *node, struct cop_emitter *emitter, struct cop_err *err);

/** One operator.  Constant; identity is the row's address. */
struct cop_op {
    const char *name;  /* ONNX op_type, default domain */
    int16_t opsets[2]; /* first and last understood */
    int8_t arity[3];   /* fewest src, most src (-1: any), most dst */
    size_t attrs_size; /* of the operator's attribute struct; may be 0 */
    const struct cop_attr_spec *attrs; /* drives reading, writing, docs, fuzzing */
    cop_upgrade_fn *upgrade;
    cop_infer_fn *infer;
    cop_fold_fn *fold;
    cop_macs_fn *macs;
    cop_lower_fn *lower;
    const struct cop_coupling *coupling;
    const struct cop_relevance *relevance;
};

/** The operators that a reader of files may use. */
struct cop_op_set {
    const struct cop_op *const *ops;
    size_t n;
};

/** NULL when the set has no operator of that name. */
const struct cop_op *cop_op_find(const struct cop_op_set *set, const char *name);

#endif
