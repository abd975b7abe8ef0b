/* synth/inquire.h - the inquisitor: stimulate what was generated, compare, adjust.
 *
 * The stimulus is a few calibration samples, the response the network's own outputs.  One
 * group at a time is cut to a width and repaired while the rest stays whole: how far the
 * outputs move is what that cut costs the answers, in the same unit for every group.  The
 * generator's coefficient of a group is that response over the error its tables predicted. */
#ifndef COP_SYNTH_INQUIRE_H
#define COP_SYNTH_INQUIRE_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "prune/calibrate.h"
#include "synth/generate.h"

struct cop_inquiry; /* the original's outputs, and the responses found so far */

/** Runs the original on the first @p n_samples of @p samples.  All arguments are borrowed;
 *  @p arena keeps the inquiry.  What plans and reading return. */
COP_NODISCARD enum cop_status cop_inquiry_make(
    struct cop_engine *engine,
    const struct cop_tables *tables,
    const struct cop_groups *groups,
    const struct cop_calibration *calibration,
    const struct cop_sample_source *samples,
    int64_t n_samples,
    struct cop_arena *arena,
    struct cop_inquiry **inquiry,
    struct cop_err *err);

/** responses[i]: squared change of the outputs, relative to their variance over the samples,
 *  when option i alone is cut to choice[i]; 0 where choice[i] is 0.  Asked again, an answer
 *  is remembered.  COP_EINTR; what cutting, repairing, plans and reading return. */
COP_NODISCARD enum cop_status cop_inquire(
    struct cop_inquiry *inquiry,
    const int32_t *choice,
    const struct cop_progress *progress,
    double *responses,
    struct cop_err *err);

/** The same measure for any network that answers in the original's place.  What plans and
 *  reading return. */
COP_NODISCARD enum cop_status cop_inquire_graph(
    struct cop_inquiry *inquiry,
    const struct cop_graph *graph,
    double *response,
    struct cop_err *err);

/** coefficients[i] = coefficients[i] ^ (1 - rate) * (responses[i] / predicted error) ^ rate
 *  for every option that is cut, within [1e-6, 1e6]. */
void cop_adjust(
    const struct cop_tables *tables,
    const int32_t *choice,
    const double *responses,
    double rate,
    double *coefficients);

#endif
