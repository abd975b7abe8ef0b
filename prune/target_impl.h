/* prune/target_impl.h - where the result of a linear node first meets a bend; only for
 * prune/.
 *
 * What a refitted layer should hit is not its own result of old but what comes of it: the
 * sum behind a normalisation and a residual add, so that errors of the shortcut are made
 * good too, and of that sum only what the activation behind it lets through.  No operator
 * is named: nodes are tried on made-up numbers. */
#ifndef COP_PRUNE_TARGET_IMPL_H
#define COP_PRUNE_TARGET_IMPL_H

#include "prune/walk_impl.h"

struct cop_target {
    /* In the cut network: value = slope[c] * result + rest, the rest computed from values
     * that do not come through the node.  The node's own result if there is nothing. */
    const struct cop_value *value;
    double *slope; /* [channels along axis] */
    /* Of value, only min(max(value, low), high) is read. */
    double low;
    double high;
};

/** Follows the first result of @p node, whose channels lie along @p axis.  @p is_linear
 *  (by node id) tells nodes that will be refitted: none may lie on the way to the rest.
 *  @p target's slope lives in @p arena.  COP_ENOMEM; what plans return. */
COP_NODISCARD enum cop_status cop_target__find(
    struct cop_engine *engine,
    const struct cop_walk_side *side,
    const struct cop_node *node,
    int32_t axis,
    const uint8_t *is_linear,
    struct cop_arena *arena,
    struct cop_target *target,
    struct cop_err *err);

#endif
