/* ops/rewrite.h - what the graph rewrites share: facts, bypasses, layouts.
 *
 * Private to ops/.  A rewrite keeps what the graph computes for every batch size, and the
 * names of its outputs. */
#ifndef COP_OPS_REWRITE_H
#define COP_OPS_REWRITE_H

#include "graph/graph.h"

#include <stdbool.h>

/** Facts for two batch sizes; NULL where the graph does not work for them. */
struct cop_ops__batches {
    struct cop_fact *two;
    struct cop_fact *three;
};
/** In @p arena.  COP_ENOMEM only. */
COP_NODISCARD enum cop_status cop_ops__find_batches(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_ops__batches *batches,
    struct cop_err *err);

/** Readers of @p old read @p fresh, unless an output would stop being a computed value of
 *  its own: then nothing happens. */
COP_NODISCARD enum cop_status cop_ops__bypass(
    struct cop_graph *graph,
    struct cop_value *old,
    struct cop_value *fresh,
    struct cop_err *err);

/** Where an attribute of a node lies; NULL when its operator has none of that name. */
void *cop_ops__attr(const struct cop_node *node, const char *name);

/** Axis i of a Transpose's result is axis at[i] of its source. */
struct cop_ops__perm {
    int32_t rank;
    int32_t at[COP_MAX_RANK];
};
/** Of a Transpose; COP_ESHAPE when its attribute does not fit its source. */
COP_NODISCARD enum cop_status cop_ops__perm_of(
    const struct cop_node *node, struct cop_ops__perm *perm, struct cop_err *err);
/** Of a Transpose that moves channels from axis 1 to the last axis: true, and *perm. */
bool cop_ops__is_channels_last(const struct cop_node *node, struct cop_ops__perm *perm);

/** A fresh constant takes src[slot], or new elements the old one if nobody else reads it.
 *  Takes a reference of its own on @p data. */
COP_NODISCARD enum cop_status cop_ops__replace_const(
    struct cop_graph *graph,
    struct cop_node *node,
    int32_t slot,
    const struct cop_shape *shape,
    struct cop_buf *data,
    struct cop_err *err);

/** Moves Transposes to channels-last down through the nodes that read them until they meet
 *  their inverse, an output, or a node that minds the order; reorders the weights behind a
 *  flattened one; takes what is left together.  Leaves the graph inferred. */
COP_NODISCARD enum cop_status cop_ops__settle_layout(
    struct cop_graph *graph, struct cop_err *err);

/** Flatten or Reshape of a Transpose to rows of features: when only nodes read them whose
 *  constants can be reordered instead (weights of a fully connected layer), does so and
 *  lets @p reshape read the source of @p transpose. */
COP_NODISCARD enum cop_status cop_ops__reorder_weights(
    struct cop_graph *graph,
    struct cop_node *reshape,
    struct cop_node *transpose,
    struct cop_err *err);

/** Constants added to the channels of a convolution, a Gemm or a product with weights (which
 *  becomes a Gemm) turn into its bias.  Leaves the graph inferred. */
COP_NODISCARD enum cop_status cop_ops__join_biases(
    struct cop_graph *graph, struct cop_err *err);

#endif
