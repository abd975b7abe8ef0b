/* synth/shrink_images.h - the images that one cut is made by and compared on; only for
 * synth/. */
#ifndef COP_SYNTH_SHRINK_IMAGES_H
#define COP_SYNTH_SHRINK_IMAGES_H

#include "base/arena.h"
#include "prune/merge.h"
#include "synth/shrink.h"

struct cop_shrink_images {
    const struct cop_dataset *data;     /* NULL: the pictures are made up */
    struct cop_merge_pictures pictures; /* then these */
    int64_t *drawn;                     /* [samples.n] of data, ascending */
    struct cop_sample_source samples;   /* borrows this struct */
};

/** Draws as many as @p options say, or makes them up.  COP_EINVAL if there are none,
 *  COP_EUNSUPPORTED if the input is no picture; COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_shrink__images(
    const struct cop_shrink_input *input,
    const struct cop_shrink_options *options,
    struct cop_arena *arena,
    struct cop_shrink_images *images,
    struct cop_err *err);

/** -1: unknown. */
int32_t cop_shrink__label(const struct cop_shrink_images *images, int64_t i);

/** Those of the data that were not drawn, evenly spaced if there are many; else, with too
 *  few left over, those drawn.  Fills evaluate->samples. */
COP_NODISCARD enum cop_status cop_shrink__compared(
    const struct cop_shrink_images *images,
    struct cop_arena *arena,
    struct cop_evaluate_options *evaluate,
    bool *is_held_out,
    struct cop_err *err);

#endif
