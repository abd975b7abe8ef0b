/* synth/contest.h - two ways to choose the widths, tried against each other; only for
 * synth/.
 *
 * The errors of the tables alone and the same errors weighed by the inquiry choose different
 * widths for one limit, and which of them keeps more of the answers differs from network to
 * network, by far.  So both networks are made and asked. */
#ifndef COP_SYNTH_CONTEST_H
#define COP_SYNTH_CONTEST_H

#include "synth/shrink.h"
#include "synth/shrink_images.h"

struct cop_shrink_contest {
    struct cop_engine *engine;
    const struct cop_shrink_images *images;
    const struct cop_progress *progress;
};

/** shrunk->choice holds the widths that the inquiry weighed.  Chooses for the same budget by
 *  the tables alone too, cuts both and repairs them on a few of the images, asks them on a
 *  few others, and leaves in @p shrunk the choice whose outputs are nearer the original's,
 *  which it was, and both errors.  Equal choices, or fewer than 32 images, are not tried.
 *  COP_EINTR; what cutting, repairing, plans and reading return. */
COP_NODISCARD enum cop_status cop_shrink__contest(
    const struct cop_shrink_contest *contest,
    const struct cop_budget *budget,
    struct cop_shrunk *shrunk,
    struct cop_err *err);

#endif
