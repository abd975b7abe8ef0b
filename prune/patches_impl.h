/* prune/patches_impl.h - what each result of a linear node reads, as rows of features; only
 * for prune/.
 *
 * A feature is (source channel, tap); a row is one result position of one sample.  Of many
 * positions only every stride-th is used, always the same ones for the same shape. */
#ifndef COP_PRUNE_PATCHES_IMPL_H
#define COP_PRUNE_PATCHES_IMPL_H

#include "prune/groups_impl.h"

struct cop_patches {
    const struct cop_linear *linear;
    int64_t outer; /* of one sample: what lies before the channels */
    int64_t channels;
    int64_t height; /* without a window: all positions in one row */
    int64_t width;
    int64_t kernel[2];
    int64_t positions; /* of the result */
    int64_t dst_width;
    int64_t rows; /* source channels of one convolution group */
    int64_t stride;
};

/** At most @p most_rows rows per sample, and at least one per outer.  False if source and
 *  result do not fit each other. */
bool cop_patches__make(
    const struct cop_reader *reader,
    int64_t rows,
    int64_t most_rows,
    struct cop_patches *patches);
int64_t cop_patches__per_sample(const struct cop_patches *patches);
/** All rows of @p n samples @p src [n][outer][channels][height][width], of the convolution
 *  group whose source channels start at @p channel, into packed [features][rows]. */
void cop_patches__pack(
    const struct cop_patches *patches,
    const float *src,
    int64_t n,
    int64_t channel,
    float *packed);
/** The same rows of chosen channels of @p dst [n][outer][n_channels][positions] into packed
 *  [n_chosen][rows]. */
void cop_patches__pack_results(
    const struct cop_patches *patches,
    const float *dst,
    int64_t n,
    int64_t n_channels,
    const int64_t *chosen,
    int64_t n_chosen,
    float *packed);

#endif
