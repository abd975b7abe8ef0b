/* prune/lowrank.h - one wide linear node becomes two narrow ones.
 *
 * A node Y = X W + b with weights W [n_in][n_out] becomes Z = X W V, Y = Z V^T + b', where
 * the columns of V [n_out][rank] are orthonormal: the first node keeps the window, the
 * second maps channels at each position.  V holds the leading eigenvectors of the
 * covariance of Y over calibration samples, and b' makes up for the mean.  This is the
 * data-aware singular value decomposition: with H = X^T X = L L^T the right singular vectors
 * of L^T W are the eigenvectors of W^T H W, which is the Gram of Y, and no rank-r W comes
 * nearer in ||X W - X W_r|| (Zhang et al. 2016, arXiv 1505.06798, equation 7).  Needing
 * only results, it holds for windows and paddings too.  Directions in which the samples say
 * nothing follow the weights alone; without samples all do.  See prune/README.md. */
#ifndef COP_PRUNE_LOWRANK_H
#define COP_PRUNE_LOWRANK_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "graph/graph.h"
#include "prune/calibrate.h"

#include <stdint.h>

struct cop_lowrank;

/** One node that may become two. */
struct cop_factor {
    const struct cop_node *node;
    int64_t n_in;      /* source channels times taps of the window */
    int64_t n_out;     /* channels of the result */
    int64_t positions; /* of the result, for one sample */
    int32_t out_axis;  /* of the weights */
    int64_t n_bias;    /* elements of the bias that it gets, having had none; else 0 */
    int64_t n_ranks;   /* ranks 1 .. n_ranks need fewer parameters than the node has */
    /* [n_ranks + 1]: what is lost of the results' energy about their mean (without
     * samples: of the weights' energy) at each rank; errors[0] is 1. */
    const double *errors;
};

/** Finds every linear node with weights of its own, one group and at least one rank that
 *  saves, and decomposes it.  @p samples NULL: by the weights alone.  Borrows @p graph.
 *  One forward pass, and for n outputs some 4 n^3 operations; nodes of more than 4608
 *  results are left out.  COP_ENOMEM, COP_EINTR, COP_EINVAL (no samples in the source, or
 *  weights that are not finite), the engine's. */
COP_NODISCARD enum cop_status cop_lowrank_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_lowrank **lowrank,
    struct cop_err *err);
void cop_lowrank_destroy(struct cop_lowrank *lowrank);

/** In topological order. */
int32_t cop_lowrank_n(const struct cop_lowrank *lowrank);
const struct cop_factor *cop_lowrank_at(const struct cop_lowrank *lowrank, int32_t i);
/** Whether samples decided. */
bool cop_lowrank_has_data(const struct cop_lowrank *lowrank);

/** Weights of the two nodes at @p rank; 0: of the node as it is.  Times positions they are
 *  its multiply-accumulates; with n_bias they are what is stored. */
int64_t cop_factor_n_weights(const struct cop_factor *factor, int64_t rank);

/** A copy of the graph in which factor i has rank ranks[i]; 0 leaves it as it is.  The
 *  second node keeps the name, the result and its name; the first is called NAME_narrow.
 *  COP_EINVAL if a rank is out of 0 .. n_ranks. */
COP_NODISCARD enum cop_status cop_lowrank_apply(
    const struct cop_lowrank *lowrank,
    const int64_t *ranks,
    struct cop_graph **factored,
    struct cop_err *err);

#endif
