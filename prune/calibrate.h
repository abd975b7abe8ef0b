/* prune/calibrate.h - one pass over calibration samples: means and channel Grams.
 *
 * For every tensor that a linear consumer reads along a group that may be cut: the mean of
 * each channel and the Gram matrix between channels over all samples and positions,
 * accumulated in double, plus mean and standard deviation of every linear node's result.
 * Labels are not needed; nothing is stored per sample. */
#ifndef COP_PRUNE_CALIBRATE_H
#define COP_PRUNE_CALIBRATE_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "prune/groups.h"

#include <stdint.h>

struct cop_calibration;

/** Fills @p batch [n][c][h][w] with the samples first .. first + n of the set.  May be
 *  called by several threads at the same time. */
struct cop_sample_source {
    void *context;
    int64_t n;
    enum cop_status (*read)(
        void *context, int64_t first, int64_t n, float *batch, struct cop_err *err);
};

COP_NODISCARD enum cop_status cop_calibrate(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    struct cop_calibration **calibration,
    struct cop_err *err);
void cop_calibration_destroy(struct cop_calibration *calibration);

/** Moments of one value along its channel axis: mean [c], gram [c][c] of centred
 *  channels divided by the count.  False if the value was not measured. */
bool cop_calibration_moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    int64_t *n_channels,
    const double **mean,
    const double **gram);

#endif
