/* synth/drawn.h - some images of a data set, and some of these; only for synth/.
 *
 * Class folders give the images class by class: the first few would be one class, so a part
 * of them is always spread over all. */
#ifndef COP_SYNTH_DRAWN_H
#define COP_SYNTH_DRAWN_H

#include "base/arena.h"
#include "data/dataset.h"
#include "prune/calibrate.h"

#include <stdint.h>

enum { COP_DRAWN_PARTS = 2 };

struct cop_drawn {
    const struct cop_dataset *data;
    int64_t *at;                      /* [samples.n] of data, ascending */
    struct cop_sample_source samples; /* borrows this struct */
};

/** At most @p n of @p data by chance, equal ones for equal seeds; *drawn stays where it is.
 *  COP_EINVAL if the set is empty; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_drawn__make(
    const struct cop_dataset *data,
    int64_t n,
    uint64_t seed,
    struct cop_arena *arena,
    struct cop_drawn *drawn,
    struct cop_err *err);

/** Part number @p number (below COP_DRAWN_PARTS) of at most @p n of the images, evenly
 *  spaced; as long as n * COP_DRAWN_PARTS were drawn, no image is in two parts of one n.
 *  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_drawn__part(
    const struct cop_drawn *drawn,
    int64_t number,
    int64_t n,
    struct cop_arena *arena,
    struct cop_drawn *part,
    struct cop_err *err);

#endif
