/* synth/inquire.h - the inquisitor: stimulate a candidate, compare responses, adjust.
 *
 * Both networks see the same calibration samples.  The response of a group is the relative
 * squared error, at the linear nodes that consume it, between the original's results and
 * the candidate's (kept channels only).  Groups whose share of the error is larger than the
 * tables predicted get a larger coefficient. */
#ifndef COP_SYNTH_INQUIRE_H
#define COP_SYNTH_INQUIRE_H

#include "base/err.h"
#include "engine/engine.h"
#include "prune/calibrate.h"
#include "synth/generate.h"

/** observed[i]: response error of option i, 0 where nothing was cut; @p n_samples of
 *  @p samples are used.  Nodes are matched by name.  What plans and reading return. */
COP_NODISCARD enum cop_status cop_inquire(
    struct cop_engine *engine,
    const struct cop_tables *tables,
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_graph *candidate,
    const struct cop_sample_source *samples,
    int64_t n_samples,
    double *observed,
    struct cop_err *err);

/** coefficients[i] *= (observed_i / predicted_i / their geometric mean) ^ rate for every
 *  group that was cut, a group left whole counting as 1 in the mean.  Clipped to [1/8, 8]
 *  times the old value and [1e-3, 1e3] overall. */
void cop_adjust(
    const struct cop_tables *tables,
    const int32_t *choice,
    const double *observed,
    double rate,
    double *coefficients);

#endif
