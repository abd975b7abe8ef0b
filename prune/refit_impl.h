/* prune/refit_impl.h - asymmetric least squares for one stretch of a cut network; only for
 * prune/. */
#ifndef COP_PRUNE_REFIT_IMPL_H
#define COP_PRUNE_REFIT_IMPL_H

#include "prune/calibrate_impl.h"
#include "prune/cut_impl.h"

struct cop_refit {
    struct cop_engine *engine;
    const struct cop_cut_map *map;
    const struct cop_calibration *calibration;
    const struct cop_sample_source *samples;
    const struct cop_progress *progress;
    struct cop_graph *small;
};

/** Refits the readers among the linear nodes [first, last) of the calibration: their
 *  weights and biases become those that, from what the cut network feeds them, come
 *  nearest to the original's results. */
COP_NODISCARD enum cop_status cop_refit__stretch(
    const struct cop_refit *refit, int32_t first, int32_t last, struct cop_err *err);

#endif
