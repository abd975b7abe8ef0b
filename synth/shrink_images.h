/* synth/shrink_images.h - the images that one cut is made by and compared on; only for
 * synth/. */
#ifndef COP_SYNTH_SHRINK_IMAGES_H
#define COP_SYNTH_SHRINK_IMAGES_H

#include "base/arena.h"
#include "prune/merge.h"
#include "synth/drawn.h"
#include "synth/shrink.h"

struct cop_shrink_images {
    struct cop_drawn drawn;             /* data NULL: the pictures are made up */
    struct cop_merge_pictures pictures; /* then these */
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

/** A few of the images. */
struct cop_shrink_part {
    struct cop_drawn drawn; /* data NULL: the pictures are made up */
    const struct cop_shrink_images *images;
    int64_t first;                    /* of made-up pictures, which follow no order */
    struct cop_sample_source samples; /* borrows this struct */
};

/** As cop_drawn__part does, for made-up pictures too. */
COP_NODISCARD enum cop_status cop_shrink__part(
    const struct cop_shrink_images *images,
    int64_t part,
    int64_t n,
    struct cop_arena *arena,
    struct cop_shrink_part *made,
    struct cop_err *err);

/** -1: unknown. */
int32_t cop_shrink__label(const struct cop_shrink_images *images, int64_t i);

/** What answers are compared on: all of val, if given; else those of the data that were not
 *  drawn, evenly spaced if there are many; with too few left over, those drawn.  Fills
 *  evaluate->samples; *set is NULL if there are no images. */
COP_NODISCARD enum cop_status cop_shrink__compared(
    const struct cop_shrink_input *input,
    const struct cop_shrink_images *images,
    struct cop_arena *arena,
    const struct cop_dataset **set,
    struct cop_evaluate_options *evaluate,
    bool *is_held_out,
    struct cop_err *err);

/** How many samples of @p val are among the drawn ones; their bytes tell, not how they are
 *  named.  What reading returns. */
COP_NODISCARD enum cop_status cop_shrink__count_shared(
    const struct cop_shrink_images *images,
    const struct cop_dataset *val,
    int64_t *n_shared,
    struct cop_err *err);

#endif
