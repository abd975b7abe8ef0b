/* prune/blocks.h - whole blocks that can be left out.
 *
 * A block lies between two values x and y of one shape, x read by several nodes, y made by
 * a node that joins several values: a residual block, a cell, an excitation.  Nothing
 * between them is read elsewhere, so y may become x and the network stays valid.  How well
 * a linear map of x can stand in for y is its recoverability (algorithm of PRACTISE, Wang
 * and Wu 2023, in closed form: what they train by gradients, the linear part, is a ridge
 * regression).  Knows no operator by name.  Borrows the graph. */
#ifndef COP_PRUNE_BLOCKS_H
#define COP_PRUNE_BLOCKS_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "graph/graph.h"
#include "prune/calibrate.h"

#include <stdint.h>

struct cop_blocks;

struct cop_block {
    const char *name;             /* of the node that makes y */
    const struct cop_value *from; /* x */
    const struct cop_value *to;   /* y */
    /* What takes y's place: x, or a value before it from which x comes without weights. */
    const struct cop_value *stand_in;
    int32_t n_nodes; /* between x and y, y's included */
    int64_t macs;    /* of these, per sample */
    /* After cop_blocks_measure: squared error over the energy of y about its channels'
     * means, when x plus a constant stands in for y, and when A x + b does. */
    double error_bypassed;
    double error_linear;
    double time_share; /* after cop_blocks_time: of the whole network's steps */
};

/** All blocks in topological order of y; of several x for one y the nearest, those first
 *  that y is made from directly.  Values of more than 4096 channels end none.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_blocks_find(
    const struct cop_graph *graph, struct cop_blocks **blocks, struct cop_err *err);
void cop_blocks_destroy(struct cop_blocks *blocks);
int32_t cop_blocks_n(const struct cop_blocks *blocks);
const struct cop_block *cop_blocks_at(const struct cop_blocks *blocks, int32_t i);

/** Fills the errors from one pass.  COP_EINVAL without samples; COP_EINTR; the engine's. */
COP_NODISCARD enum cop_status cop_blocks_measure(
    struct cop_blocks *blocks,
    struct cop_engine *engine,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_err *err);

/** Fills time_share from a profile of the network at that batch and these threads. */
COP_NODISCARD enum cop_status cop_blocks_time(
    struct cop_blocks *blocks,
    struct cop_engine *engine,
    const struct cop_plan_options *options,
    struct cop_err *err);

/** Index of the block that costs least error per time (macs, if nothing was timed);
 *  -1 if there is none. */
int32_t cop_blocks_cheapest(const struct cop_blocks *blocks);

/** A copy of the graph without block @p i.  The stand-in takes y's name, so that a repair
 *  by names (prune/repair.h) makes what comes before the gap aim at y. */
COP_NODISCARD enum cop_status cop_blocks_drop(
    const struct cop_blocks *blocks,
    int32_t i,
    struct cop_graph **dropped,
    struct cop_err *err);

#endif
