/* prune/score.h - which channel to give up first, and what each width costs. */
#ifndef COP_PRUNE_SCORE_H
#define COP_PRUNE_SCORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/progress.h"
#include "prune/calibrate.h"
#include "prune/groups.h"
#include "prune/saliency.h"

enum cop_score_method {
    COP_SCORE_MAGNITUDE, /* squared norm of all members' slices (Li et al. 2017, grouped) */
    COP_SCORE_RECONSTRUCTION, /* increase of the consumers' squared error when the channel
                                 goes and the rest is refitted (OBS; OSSCAR 2024) */
    COP_SCORE_TAYLOR, /* mean of |dL/dgate| (Molchanov et al. 2019; saliency.h) */
    COP_SCORE_FISHER, /* mean of (dL/dgate)^2 (Liu et al. 2021; saliency.h) */
    COP_SCORE_FPGM,   /* sum of distances to the group's other filters: the most
                         replaceable goes (He et al. 2019) */
};
/* All but RECONSTRUCTION are divided by their mean over the group. */

/** "magnitude", "reconstruction", ...; NULL behind the last method. */
const char *cop_score_method_name(enum cop_score_method method);
/** COP_EINVAL lists the names there are. */
COP_NODISCARD enum cop_status cop_score_method_parse(
    const char *name, enum cop_score_method *method, struct cop_err *err);

/** One row per channel, in the order of removal. */
struct cop_score {
    int64_t channel;
    double score; /* of the channel at the moment it would go */
    double
        error_left; /* RECONSTRUCTION: relative squared error at the consumers once it
                          and all before it are gone; else their share of all scores */
};

/** What a score may be based on; NULL: not at hand. */
struct cop_score_ground {
    const struct cop_calibration *calibration; /* for RECONSTRUCTION */
    const struct cop_saliency *saliency;       /* for TAYLOR and FISHER */
};
/** Whether it looks at gradients: cop_saliency_measure. */
bool cop_score_needs_gradients(enum cop_score_method method);

/** @p order receives group->n_channels rows, first to go first.  COP_ENOMEM;
 *  COP_EINVAL if the method lacks its ground. */
COP_NODISCARD enum cop_status cop_score_group(
    const struct cop_groups *groups,
    const struct cop_group *group,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    struct cop_score *order,
    struct cop_err *err);

/** Scores every group that may be cut: *orders [group id][n_channels], NULL for frozen
 *  groups; in @p arena.  What cop_score_group returns; COP_EINTR. */
COP_NODISCARD enum cop_status cop_score_all(
    const struct cop_groups *groups,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    const struct cop_score *const **orders,
    struct cop_err *err);

#endif
