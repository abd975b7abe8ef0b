/* prune/patches_impl.h - what each result of a linear node reads, as rows of features; only
 * for prune/.
 *
 * A feature is (source channel, tap); a row is one result position of one sample.  Of many
 * positions only every stride-th is used, always the same ones for the same shape. */
#ifndef COP_PRUNE_PATCHES_IMPL_H
#define COP_PRUNE_PATCHES_IMPL_H

#include "prune/groups_impl.h"
#include "prune/probe_impl.h"

struct cop_patches {
    const struct cop_linear *linear;
    const float *src; /* [outer][channels][height][width] */
    const float *dst; /* [outer][outputs][positions] */
    int64_t outer;
    int64_t channels;
    int64_t height; /* without a window: all positions in one row */
    int64_t width;
    int64_t kernel[2];
    int64_t outputs;
    int64_t positions;
    int64_t dst_width;
    int64_t rows; /* source channels of one convolution group */
    int64_t stride;
};

/** False if source and result do not fit each other. */
bool cop_patches__make(
    const struct cop_reader *reader,
    int64_t rows,
    const struct cop_probe_value *src,
    const struct cop_probe_value *dst,
    int64_t features,
    struct cop_patches *patches);
int64_t cop_patches__rows(const struct cop_patches *patches);
/** Rows [first, first + n) of the group whose source channels start at @p channel, into
 *  packed [features][n]. */
void cop_patches__pack(
    const struct cop_patches *patches,
    int64_t channel,
    int64_t first,
    int64_t n,
    float *packed);
/** The same rows of the chosen outputs, into packed [n_outputs][n]. */
void cop_patches__pack_results(
    const struct cop_patches *patches,
    const int64_t *outputs,
    int64_t n_outputs,
    int64_t first,
    int64_t n,
    float *packed);

#endif
