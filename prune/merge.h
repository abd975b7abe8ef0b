/* prune/merge.h - merging channels when there are no images.
 *
 * A removed filter is expressed by the kept ones, and what it did is merged into them at
 * every reader (neuron merging, Kim et al. 2020; by ridge over all kept filters at once,
 * as LBYL, ICML 2022).  How alike two filters are is not read off their weights alone: both
 * are shown made-up pictures, so that normalisation, bias and activation between them and
 * the reader count as they are.  The pictures are coloured noise: octaves of equal energy
 * as in photographs (a spectrum of about 1/f), channels mostly alike, mean and deviation as
 * preprocessing leaves them.  They are a sample source like any other: calibration,
 * reconstruction scores and cop_repair_consumers do the merging. */
#ifndef COP_PRUNE_MERGE_H
#define COP_PRUNE_MERGE_H

#include "prune/calibrate.h"

enum { COP_MERGE_CHANNELS = 4 };

/** The pictures: a plain value; the source below borrows it. */
struct cop_merge_pictures {
    int64_t channels;
    int64_t height;
    int64_t width;
    float mean[COP_MERGE_CHANNELS]; /* of the input; the last serves all further ones */
    float deviation[COP_MERGE_CHANNELS];
    uint64_t seed;
};

/** @p n pictures, each a function of the seed and its number alone. */
struct cop_sample_source cop_merge_source(
    struct cop_merge_pictures *pictures, int64_t n);

#endif
