/* importers/tf_read.h - frozen graphs of TensorFlow in.
 *
 * Reads a GraphDef (a ".pb" file of the first or the second TensorFlow, all variables
 * frozen to constants) into a graph over a given operator set.  Tensors are views of the
 * mapped file where their order allows it; weights of convolutions are reordered.  What a
 * file asks for is bounded before memory is asked for.  Every operator that is not known is
 * listed; nothing is guessed. */
#ifndef COP_IMPORTERS_TF_READ_H
#define COP_IMPORTERS_TF_READ_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "graph/graph.h"

#include <stdbool.h>

/** Where the graph begins. */
struct cop_tf_input {
    const char *name;       /* a node, or "node:1" for a result besides the first */
    bool has_shape;         /* else it is taken from the file */
    struct cop_shape shape; /* in the file's own order of axes; axis 0 is the batch */
    bool is_switch;         /* the value is the truth value below, not an input */
    bool is_true;
};

/** "NAME", "NAME=1x49x10" or "NAME=true".  The name is cut from @p text, which is written
 *  to.  COP_EINVAL when what stands behind '=' is neither. */
COP_NODISCARD enum cop_status cop_tf_parse_input(
    char *text, struct cop_tf_input *input, struct cop_err *err);

struct cop_tf_read_options {
    /* What lies before these is cut away.  None: every placeholder that is needed. */
    const struct cop_tf_input *inputs;
    int32_t n_inputs;
    /* Nodes (or "node:1").  None: every node that depends on an input and that no other
     * node reads. */
    const char *const *outputs;
    int32_t n_outputs;
    /* As in cop_onnx_read_options. */
    struct cop_text *unsupported;
};

/** True when @p bytes hold a GraphDef or a SavedModel (which the reader refuses with words
 *  of its own), by their content. */
bool cop_tf_is_graph(const struct cop_buf *bytes);

/** Reads a graph over @p ops.  Constant chains are folded, shapes inferred; cop_graph_check
 *  holds.  Rewrites that name operators (cop_ops_simplify) are the caller's.  Images that
 *  the file takes with channels last become NCHW inputs (metadata "tf.transposed_inputs"
 *  lists them); outputs keep the file's order of axes.  Metadata "tf.*" tells of the file;
 *  @p bytes stays referenced by the tensors.  @p file_name is for messages: the text of a
 *  failure is one line that starts with it.
 *  COP_EFORMAT (broken file), COP_EINVAL (no such input or output), COP_EUNSUPPORTED (lists
 *  every unknown operator), COP_ESHAPE, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_tf_read_bytes(
    struct cop_buf *bytes,
    const char *file_name,
    const struct cop_op_set *ops,
    const struct cop_tf_read_options *options, /* NULL: defaults */
    struct cop_graph **graph,
    struct cop_err *err);

#endif
