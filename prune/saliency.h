/* prune/saliency.h - what the loss says of each channel, by gradients.
 *
 * Every channel is thought to be multiplied by a gate of 1 where its readers take it in.
 * The derivative of one sample's loss by that gate is the sum of weight times gradient over
 * the readers' slices that belong to the channel, because a reader is linear in them; a
 * group without readers is gated where it is made.  The loss is cross entropy with the
 * sample's label, or, without one, with the class that the network itself answers: then it
 * says what would change the answer, right or wrong.  Uses the first output as class
 * scores, as they are or already a distribution. */
#ifndef COP_PRUNE_SALIENCY_H
#define COP_PRUNE_SALIENCY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "prune/calibrate.h"
#include "prune/groups.h"

#include <stdint.h>

struct cop_saliency {
    int64_t n; /* samples */
    /* By group id [n_channels], NULL for frozen groups; means over samples. */
    double **taylor; /* |dL/dgate|: Molchanov et al. 2019, over the whole group */
    double **fisher; /* (dL/dgate)^2: Liu et al. 2021, equation 6 */
};

/** One forward and one backward pass per sample, one sample at a time.  @p labels [samples
 *  ->n]: -1 or NULL for unknown.  COP_EUNSUPPORTED if an operator has no gradient; COP_EINTR,
 *  COP_ENOMEM; what reading and running return. */
COP_NODISCARD enum cop_status cop_saliency_measure(
    struct cop_engine *engine,
    const struct cop_groups *groups,
    const struct cop_sample_source *samples,
    const int32_t *labels,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    struct cop_saliency **saliency,
    struct cop_err *err);

#endif
