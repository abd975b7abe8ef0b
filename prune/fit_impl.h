/* prune/fit_impl.h - rewriting the weights and biases of one node of a cut graph; only
 * for prune/.  A constant that other nodes read too is left to them. */
#ifndef COP_PRUNE_FIT_IMPL_H
#define COP_PRUNE_FIT_IMPL_H

#include "prune/cut_impl.h"

/** True if the node's bias is absent but possible, or a float constant that spreads over
 *  its outputs. */
bool cop_fit__has_bias(const struct cop_node *node, const struct cop_linear *linear);

/** What of @p weights (of the uncut operand @p big) stays becomes @p slot of @p node. */
COP_NODISCARD enum cop_status cop_fit__set_weights(
    const struct cop_cut_map *map,
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_value *big,
    int32_t slot,
    const float *weights,
    struct cop_err *err);

/** Adds @p shift, one number per output of the uncut @p node, to the bias of the node of
 *  that name in @p small. */
COP_NODISCARD enum cop_status cop_fit__add_bias(
    const struct cop_cut_map *map,
    struct cop_graph *small,
    const struct cop_node *node,
    const struct cop_linear *linear,
    const double *shift,
    struct cop_err *err);

/** The weights of @p node, a node of @p small, become @p weights and, if it has room for
 *  one, its bias @p bias. */
COP_NODISCARD enum cop_status cop_fit__replace(
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_linear *linear,
    const float *weights,
    const double *bias,
    struct cop_err *err);

/** result = result * scale + shift per output of @p node, a node of @p small itself. */
COP_NODISCARD enum cop_status cop_fit__rescale(
    struct cop_graph *small,
    struct cop_node *node,
    const struct cop_linear *linear,
    const double *scale,
    const double *shift,
    struct cop_err *err);

#endif
