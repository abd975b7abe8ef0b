/* prune/refit_impl.h - asymmetric least squares, layer by layer, over a whole cut network;
 * only for prune/. */
#ifndef COP_PRUNE_REFIT_IMPL_H
#define COP_PRUNE_REFIT_IMPL_H

#include "prune/calibrate.h"
#include "prune/cut_impl.h"

struct cop_refit {
    struct cop_engine *engine;
    const struct cop_cut_map *map;
    const struct cop_sample_source *samples;
    const struct cop_progress *progress;
    struct cop_graph *small;
};

/** In topological order from the first node that reads something cut, the weights and
 *  biases of each linear node become those that, from what the cut network feeds it, come
 *  nearest to the original.  Costs one run of each network over the samples. */
COP_NODISCARD enum cop_status cop_refit__all(
    const struct cop_refit *refit, struct cop_err *err);

#endif
