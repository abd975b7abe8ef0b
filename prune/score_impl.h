/* prune/score_impl.h - what the scores share; only for prune/. */
#ifndef COP_PRUNE_SCORE_IMPL_H
#define COP_PRUNE_SCORE_IMPL_H

#include "base/arena.h"
#include "prune/score.h"

/** From one score per channel (order[c].channel is c): divides by the group's mean, so that
 *  groups can be compared (Torch-Pruning's default), sorts, and sets error_left to the
 *  share of the group's sum that has gone. */
void cop_score__rank(struct cop_score *order, int64_t n);

/** Raw scores by the weights alone. */
void cop_score__magnitude(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_score *order);
COP_NODISCARD enum cop_status cop_score__fpgm(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_arena *arena,
    struct cop_score *order,
    struct cop_err *err);

#endif
