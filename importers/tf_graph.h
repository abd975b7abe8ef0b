/* importers/tf_graph.h - a GraphDef of TensorFlow as bounded lists, not yet understood.
 *
 * Private to importers/.  Walks the bytes once; names and operators become texts in an
 * arena, attributes and tensors stay where they are in the file and are decoded on demand.
 * Field numbers are those of TensorFlow's published graph.proto, node_def.proto,
 * attr_value.proto, tensor.proto and tensor_shape.proto.  Only known fields are entered,
 * each message at a fixed depth, so nesting costs nothing. */
#ifndef COP_IMPORTERS_TF_GRAPH_H
#define COP_IMPORTERS_TF_GRAPH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "graph/tensor.h"
#include "importers/wire.h"

#include <stdbool.h>
#include <stdint.h>

/** Result @c port of a node; node -1 when the file has none of that name. */
struct cop_tf__ref {
    int32_t node;
    int32_t port;
};

struct cop_tf__input {
    const char *text; /* as the file says it: "conv1/kernel", "split:1" */
    struct cop_tf__ref ref;
};

struct cop_tf__attr {
    const char *name;
    struct cop_importers__span value; /* an AttrValue */
};

struct cop_tf__node {
    const char *name;
    const char *op;
    struct cop_tf__input *inputs; /* of data */
    int32_t n_inputs;
    int32_t
        *controls; /* nodes that must have run; those not in the file are left out */
    int32_t n_controls;
    struct cop_tf__attr *attrs;
    int32_t n_attrs;
    bool is_read; /* some node reads a result */
};

struct cop_tf__graph {
    const uint8_t *file;
    struct cop_arena *arena;
    struct cop_tf__node *nodes;
    int32_t n_nodes;
    int32_t *by_name; /* positions, sorted by name */
    int64_t producer; /* version of the graph format; 0: not said */
};

/** True when the bytes look like a GraphDef, or like a SavedModel, which the reader then
 *  refuses with words of its own. */
bool cop_tf__is_graph(struct cop_importers__span file);

/** @p graph lives as long as @p arena and @p file.  COP_EFORMAT (broken, beyond a cap, a
 *  name twice), COP_EUNSUPPORTED (a SavedModel), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__scan(
    struct cop_importers__span file,
    struct cop_arena *arena,
    struct cop_tf__graph *graph,
    struct cop_err *err);

/** "name" or "name:port"; node -1 when there is none. */
struct cop_tf__ref cop_tf__find(const struct cop_tf__graph *graph, const char *text);

/* ---- attributes ---------------------------------------------------------------- */
/* Each sets what it finds and leaves @p to as it was when the node has no such attribute.
 * COP_EFORMAT when it has another type. */

bool cop_tf__has_attr(const struct cop_tf__node *node, const char *name);
COP_NODISCARD enum cop_status cop_tf__attr_int(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    int64_t *to,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__attr_bool(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    bool *to,
    struct cop_err *err);
COP_NODISCARD enum cop_status cop_tf__attr_float(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    float *to,
    struct cop_err *err);
/** A text of the graph's arena. */
COP_NODISCARD enum cop_status cop_tf__attr_text(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    const char **to,
    struct cop_err *err);
/** DataType's number. */
COP_NODISCARD enum cop_status cop_tf__attr_type(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    int64_t *to,
    struct cop_err *err);

enum { COP_TF_MAX_INTS = 64 };
struct cop_tf__ints {
    int32_t n;
    int64_t at[COP_TF_MAX_INTS];
};
/** Also COP_EUNSUPPORTED: more than fit. */
COP_NODISCARD enum cop_status cop_tf__attr_ints(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_tf__ints *to,
    struct cop_err *err);

/** Extents as the file says them; below 0 they are open.  rank -1: not known. */
struct cop_tf__shape {
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
};
/** Of an attribute of type shape, or the first of a list of shapes. */
COP_NODISCARD enum cop_status cop_tf__attr_shape(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_tf__shape *to,
    struct cop_err *err);

/** A TensorShapeProto. */
COP_NODISCARD enum cop_status cop_tf__read_shape(
    const struct cop_tf__graph *graph,
    struct cop_importers__span message,
    struct cop_tf__shape *to,
    struct cop_err *err);
/** A TensorProto.  Also COP_EFORMAT: no such attribute. */
COP_NODISCARD enum cop_status cop_tf__attr_tensor(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    const char *name,
    struct cop_importers__span *to,
    struct cop_err *err);

/* ---- tensors ---------------------------------------------------------------------- */

/** What we hold elements of TensorFlow's type @p number as; COP_DTYPE_NONE when we do not.
 *  int32, int16 and uint16 become int64 (as shape arithmetic needs), half and double
 *  float32. */
enum cop_dtype cop_tf__dtype(int64_t number);
/** "float32", "string", .. for messages. */
const char *cop_tf__dtype_name(int64_t number);

struct cop_tf__tensor {
    enum cop_dtype dtype;
    enum cop_dtype widened; /* COP_F16 or COP_F64 where the file has that; else none */
    struct cop_shape shape;
    struct cop_buf *data; /* the caller releases it */
};

/** The tensor of attribute "value": a view of @p file where its bytes can serve as they
 *  are.  @p room (elements) bounds what repeated values may grow to, over all tensors.
 *  COP_EFORMAT, COP_EUNSUPPORTED (element type), COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf__read_tensor(
    const struct cop_tf__graph *graph,
    const struct cop_tf__node *node,
    struct cop_buf *file,
    int64_t *room,
    struct cop_tf__tensor *tensor,
    struct cop_err *err);

#endif
