/* prune/reader_impl.h - the weights of a linear reader as plain matrices; only for prune/.
 *
 * A source channel is a block of consecutive elements of the contracted axis (h * w behind
 * a Flatten, else 1).  For one convolution group the weights are a matrix with one row per
 * source channel; its columns are (output, taps, place in the block). */
#ifndef COP_PRUNE_READER_IMPL_H
#define COP_PRUNE_READER_IMPL_H

#include "prune/groups_impl.h"

struct cop_reader_shape {
    int64_t block;      /* elements per source channel */
    int64_t n_channels; /* of the source, all convolution groups together */
    int64_t g;
    int64_t rows;    /* n_channels / g */
    int64_t columns; /* n_out * taps * block */
    int64_t n_out;   /* outputs of one convolution group */
    int64_t taps;
};

int64_t cop_reader__gcd(int64_t a, int64_t b);

/** Elements per channel of the axis that @p reader contracts: the longest run that every
 *  class of it covers whole. */
int64_t cop_reader__block(
    const struct cop_groups *groups, const struct cop_value *src, int32_t axis);
/** False if blocks of that size straddle two convolution groups. */
bool cop_reader__shape(
    const struct cop_reader *reader, int64_t block, struct cop_reader_shape *shape);
/** Copies the weights into matrices [g][rows][columns], and back into @p weights. */
void cop_reader__gather(
    const struct cop_reader *reader,
    const struct cop_reader_shape *shape,
    double *matrix);
void cop_reader__scatter(
    const struct cop_reader *reader,
    const struct cop_reader_shape *shape,
    const double *matrix,
    float *weights);
/** Between one such matrix, of blocks of 1, and weights by feature [rows * taps][n_out]. */
void cop_reader__to_features(
    const struct cop_reader_shape *shape, const double *matrix, double *weights);
void cop_reader__from_features(
    const struct cop_reader_shape *shape, const double *weights, double *matrix);

#endif
