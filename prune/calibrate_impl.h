/* prune/calibrate_impl.h - what calibration measured; only for prune/. */
#ifndef COP_PRUNE_CALIBRATE_IMPL_H
#define COP_PRUNE_CALIBRATE_IMPL_H

#include "base/arena.h"
#include "prune/calibrate.h"
#include "prune/view_impl.h"

/** First and second moments of the source of a reader, channel by channel. */
struct cop_moments {
    const struct cop_value *value;
    int32_t axis;
    int64_t block; /* elements of the axis per channel */
    int64_t n;     /* channels */
    int64_t count; /* rows seen */
    double *mean;  /* [n] */
    double *gram;  /* [n][n], centred, divided by count */
    float *shift;  /* [n]: near the mean, taken off before squaring */
};

/** Mean and deviation of every channel of a linear node's result. */
struct cop_spread {
    const struct cop_node *node;
    const struct cop_value *value;
    int32_t axis;
    int64_t n;
    double *mean;      /* [n] */
    double *deviation; /* [n] */
    double count;      /* per channel */
};

struct cop_calibration {
    struct cop_arena *arena;
    struct cop_moments *moments;
    int32_t n_moments;
    struct cop_spread *spreads; /* in topological order */
    int32_t n_spreads;
};

/** NULL if that axis was not measured. */
const struct cop_moments *cop_calibration__moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    int32_t axis);

/** Adds the rows of one batch to the sums in mean and gram, until cop_moments__finish. */
COP_NODISCARD enum cop_status cop_moments__add(
    struct cop_moments *moments, const struct cop_view *view, struct cop_err *err);
void cop_moments__finish(struct cop_moments *moments);

/** Adds one batch to the sums in mean and deviation (sum and sum of squares until
 *  cop_spread__finish). */
void cop_spread__add(
    struct cop_spread *spread, const float *elements, const struct cop_shape *shape);
void cop_spread__finish(struct cop_spread *spread);

#endif
