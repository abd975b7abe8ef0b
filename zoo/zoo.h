/* zoo/zoo.h - well-known networks with fresh weights, exactly as published.
 *
 * Layers, widths, strides and paddings are those of the papers and of the reference
 * implementations named in each file; parameters and multiply-accumulates are tested
 * against their counts.  Weights are He-initialised from the seed; normalisation statistics
 * are near those that the weights give rise to, as in a trained network: activations stay
 * in range at any depth and follow the input, and nothing folds to an identity. */
#ifndef COP_ZOO_ZOO_H
#define COP_ZOO_ZOO_H

#include "base/err.h"
#include "graph/graph.h"

#include <stdint.h>

struct cop_zoo_options {
    int64_t classes;  /* 0: as published */
    int64_t channels; /* of the input; 0: 3 */
    int64_t height;   /* 0: as published */
    int64_t width;
    uint64_t seed;
};

/** One network of the zoo. */
struct cop_zoo_net {
    const char *name;   /* "resnet50" */
    const char *source; /* paper and reference implementation */
    int64_t size;       /* published input height and width */
    int64_t classes;    /* published */
    int64_t least_size; /* smallest input its strides allow */
};

int32_t cop_zoo_n(void);
const struct cop_zoo_net *cop_zoo_at(int32_t i);

/** One input, "input", batch free; one output, a score per class.  COP_ENOTFOUND lists the names;
 *  COP_EINVAL if a size is too small or absurd, or the weights exceed 2 GiB; COP_EUNSUPPORTED if @p ops lacks an operator;
 *  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_zoo_build(
    const char *name,
    const struct cop_op_set *ops,
    const struct cop_zoo_options *options,
    struct cop_graph **graph,
    struct cop_err *err);

#endif
