/* prune/probe_impl.h - runs samples through a graph and shows chosen values, batch after
 * batch, always in the same order; only for prune/. */
#ifndef COP_PRUNE_PROBE_IMPL_H
#define COP_PRUNE_PROBE_IMPL_H

#include "prune/calibrate.h"

/** One value of one batch in plain order.  @p shape is at the batch's size. */
typedef enum cop_status cop_probe_visit(
    void *context,
    int32_t i,
    const float *elements,
    const struct cop_shape *shape,
    struct cop_err *err);

struct cop_probe {
    struct cop_engine *engine;
    const struct cop_graph *graph;
    const struct cop_value *const *values;
    int32_t n_values;
    const struct cop_sample_source *samples;
    const struct cop_progress *progress;
    const char *what; /* for progress */
    cop_probe_visit *visit;
    void *context;
};

/** COP_EINVAL without samples or with other than one input; COP_EINTR; the engine's. */
COP_NODISCARD enum cop_status cop_probe__run(
    const struct cop_probe *probe, struct cop_err *err);

#endif
