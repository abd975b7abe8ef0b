/* zoo/moments.h - what the channels of a network under construction will hold; only for
 * zoo/.
 *
 * Mean and variance of every channel are followed from the input, a standard normal, to
 * each normalisation, which then gets them as its running statistics: the network is as
 * well scaled as a trained one, whatever its depth.  Needs no data; Nagel et al.,
 * "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section
 * 4.2, follow means in the same way. */
#ifndef COP_ZOO_MOMENTS_H
#define COP_ZOO_MOMENTS_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"

/** One channel over samples and places. */
struct cop_moments {
    double mean;
    double var;
};

/** Of all values so far. */
struct cop_moments_table {
    struct cop_arena *arena;       /* the caller's; outlives the table */
    const struct cop_moments **of; /* [cap], by value id: [channels]; NULL: not known */
    int32_t cap;
};

/** Standard normal channels for a network's input.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_moments__start(
    struct cop_moments_table *table,
    const struct cop_value *input,
    struct cop_err *err);

/** Enters the result of a node whose shapes are known; does nothing when its source is not
 *  known, or when the result has no places.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_moments__follow(
    struct cop_moments_table *table, const struct cop_node *node, struct cop_err *err);

/** NULL when not known. */
const struct cop_moments *cop_moments__of(
    const struct cop_moments_table *table, const struct cop_value *value);

#endif
