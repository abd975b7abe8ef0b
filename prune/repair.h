/* prune/repair.h - closed-form repair of a cut: no labels, no gradients.
 *
 * cop_repair_consumers: for each linear consumer the removed channels are predicted from
 * the kept ones by ridge least squares with intercept on the channel Gram; the prediction
 * is folded into its weights and bias.  (GRAIL, arXiv 2602.23795, with an intercept.)
 * cop_repair_statistics: per-channel mean and deviation of every linear result are brought
 * back to the original's, in topological order.  (REPAIR; statcorr of OBC.) */
#ifndef COP_PRUNE_REPAIR_H
#define COP_PRUNE_REPAIR_H

#include "base/err.h"
#include "base/progress.h"
#include "prune/calibrate.h"
#include "prune/cut.h"

struct cop_repair_options {
    double ridge; /* times the mean of the Gram's diagonal; 0: 1e-3 */
};

/** The cut graph with its consumers refitted: use instead of cop_cut_apply. */
COP_NODISCARD enum cop_status cop_repair_consumers(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_repair_options *options, /* NULL: defaults */
    struct cop_graph **repaired,
    struct cop_err *err);

/** Corrects @p small in place against the calibration of the original.  Nodes and values
 *  are matched by name. */
COP_NODISCARD enum cop_status cop_repair_statistics(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_graph *small,
    struct cop_err *err);

/** In topological order, each linear node behind the cut is refitted by least squares, from
 *  what the cut network really feeds it, to what the original has behind it: the sum where a
 *  residual branch ends (so errors of the shortcut are made good too), as seen through the
 *  activation that follows (He et al. 2017, arXiv 1707.06168, asymmetric; Zhang et al. 2015,
 *  arXiv 1411.4229, for the activation).  The best that is to be had without training; start
 *  from cop_repair_consumers' result.  Costs one forward pass of each network over the
 *  samples, and memory for what both hold between two nodes.  COP_ENOMEM; COP_EINVAL without
 *  samples or with other than one input; what plans, reading and the solver return. */
COP_NODISCARD enum cop_status cop_repair_responses(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_graph *small,
    struct cop_err *err);

/** Elements of the bias that a repair may give to @p node, which has none; 0: it has one, or
 *  no place for one, or is not linear.  *axis of the result is that of the bias. */
int64_t cop_repair_gained(const struct cop_node *node, int32_t *axis);

#endif
