/* prune/score_impl.h - what the scores share; only for prune/. */
#ifndef COP_PRUNE_SCORE_IMPL_H
#define COP_PRUNE_SCORE_IMPL_H

#include "base/arena.h"
#include "prune/score.h"

/** From one score per channel (order[c].channel is c): divides by the group's mean, so that
 *  groups can be compared (Torch-Pruning's default), sorts, and sets error_left to the
 *  share of the group's sum that has gone. */
void cop_score__rank(struct cop_score *order, int64_t n);

/** What scoring groups by reconstruction shares between them. */
struct cop_reconstruction;
/** In @p arena; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_reconstruction__create(
    const struct cop_groups *groups,
    const struct cop_calibration *calibration,
    struct cop_arena *arena,
    struct cop_reconstruction **reconstruction,
    struct cop_err *err);
/** Each group that may be cut once, in any order: memory goes with the last that needs it.
 *  COP_ENOMEM; COP_EINVAL if moments cannot be inverted. */
COP_NODISCARD enum cop_status cop_reconstruction__score(
    struct cop_reconstruction *reconstruction,
    const struct cop_group *group,
    struct cop_score *order,
    struct cop_err *err);
/** Accepts NULL. */
void cop_reconstruction__destroy(struct cop_reconstruction *reconstruction);

/** By the weights alone, ranked. */
void cop_score__magnitude(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_score *order);
COP_NODISCARD enum cop_status cop_score__fpgm(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct cop_score *order,
    struct cop_err *err);

#endif
