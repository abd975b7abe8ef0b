/* prune/calibrate_impl.h - what calibration measured; only for prune/. */
#ifndef COP_PRUNE_CALIBRATE_IMPL_H
#define COP_PRUNE_CALIBRATE_IMPL_H

#include "base/arena.h"
#include "prune/calibrate.h"
#include "prune/patches_impl.h"
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

/** Moments of the patches that one reader sees: channel c, tap t is row c * n + t. */
struct cop_taps {
    const struct cop_reader *reader;
    int64_t n; /* taps */
    struct cop_patches patches;
    struct cop_moments moments; /* n: features */
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
    struct cop_taps *taps;
    int32_t n_taps;
    struct cop_spread *spreads; /* in topological order */
    int32_t n_spreads;
    const struct cop_groups *groups;
    double **slopes; /* by reader of the groups: of its target by its outputs */
};

/** NULL if that axis was not measured. */
const struct cop_moments *cop_calibration__moments(
    const struct cop_calibration *calibration,
    const struct cop_value *value,
    int32_t axis);

/** NULL if the patches of that reader were not measured. */
const struct cop_taps *cop_calibration__taps(
    const struct cop_calibration *calibration, const struct cop_reader *reader);
/** Slopes of the reader's target (target_impl.h) by its outputs; NULL: take them as 1. */
const double *cop_calibration__slopes(
    const struct cop_calibration *calibration, const struct cop_reader *reader);

/** What to measure of a reader; false if it has no window or too many features. */
bool cop_taps__make(
    const struct cop_groups *groups,
    const struct cop_reader *reader,
    int64_t n_samples,
    struct cop_taps *taps);
/** Adds one batch of the reader's source, until cop_moments__finish. */
COP_NODISCARD enum cop_status cop_taps__add(
    struct cop_taps *taps, const float *src, int64_t n_samples, struct cop_err *err);

/** Adds the products of @p k packed rows [n][k] to the lower half of gram, a band of it at a
 *  time.  @p product has room for COP_MOMENTS_BAND x n. */
enum { COP_MOMENTS_BAND = 256 };
COP_NODISCARD enum cop_status cop_moments__multiply(
    struct cop_moments *moments,
    const float *packed,
    int64_t k,
    float *product,
    struct cop_err *err);

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
