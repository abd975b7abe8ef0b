/* explain/lrp.h - relevance handed back through one node, with its books balanced.
 *
 * Applies the rule that the node's operator row names (relevance.h) on the engine's own
 * forward and gradient, so that it works for every operator without naming one.  All that
 * arrives is accounted for: what the sources get, what constants absorb (a bias, padding,
 * what a STOP holds back), and what the stabiliser of the ratio takes.
 * Source: Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019, eq. 60
 * of its section 10.2 in the gradient form of Shrikumar et al. 2016. */
#ifndef COP_EXPLAIN_LRP_H
#define COP_EXPLAIN_LRP_H

#include "base/err.h"
#include "engine/engine.h"

#include <stdint.h>

/** Sums in double over all elements.  For every rule that conserves,
 *  arrived = passed + absorbed + stabilised, up to float32 rounding: absorbed is computed
 *  from the node's answer to all-zero sources (and all-one sources for MOVE), never as the
 *  difference of the others, so that the equation is a check. */
struct cop_relevance_balance {
    double arrived;    /* sum of the relevance of the results */
    double passed;     /* sum of the relevance of the sources */
    double absorbed;   /* taken by constants: bias, shift, padding, a stop */
    double stabilised; /* taken by the stabiliser of RATIO */
    double
        magnitude; /* sum of absolute relevance of results and sources: the scale that
                          a rounding error is to be compared with */
};

/** What goes in and comes out.  All arrays are plain NCHW float32 at batch size mb,
 *  indexed by operand slot; NULL for constant or absent sources and unused results. */
struct cop_relevance_flow {
    int64_t mb;
    const float *const *src; /* [n_src] elements of the non-constant sources */
    const float *const *dst_relevance; /* [n_dst] */
    float *const *src_relevance;       /* [n_src] filled; a value read at two slots gets
                                          all of it at the first and 0 at the other */
    double
        stabiliser; /* RATIO divides by y + stabiliser * mean|y| * sign(y); 0: 1e-6 */
    int threads;    /* 0: all */
};

/** Hands relevance from the results of @p node to its sources.  @p balance may be NULL.
 *  COP_EUNSUPPORTED if a non-constant operand is not float32, COP_ESHAPE if PASS finds no
 *  source shaped as the result, COP_ENOMEM, what cop_plan_create returns. */
COP_NODISCARD enum cop_status cop_relevance_node(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_node *node,
    const struct cop_relevance_flow *io,
    struct cop_relevance_balance *balance,
    struct cop_err *err);

#endif
