/* prune/probe_impl.h - runs samples through a graph, or two side by side, and shows chosen
 * values, batch after batch, each value in the order of the batches; only for prune/. */
#ifndef COP_PRUNE_PROBE_IMPL_H
#define COP_PRUNE_PROBE_IMPL_H

#include "prune/calibrate.h"

/** One value of one batch in plain order; the shape is at the batch's size. */
struct cop_probe_value {
    const float *elements;
    struct cop_shape shape;
};

/** @p values has one entry per side.  Called for several i at the same time, never twice
 *  for one: what value i adds to must be its own. */
typedef enum cop_status cop_probe_visit(
    void *context,
    int32_t i,
    const struct cop_probe_value *values,
    struct cop_err *err);

/** A graph and what to read of it; value i of one side belongs to value i of the other. */
struct cop_probe_side {
    const struct cop_graph *graph;
    const struct cop_value *const *values;
};

enum { COP_PROBE_SIDES = 2 };

struct cop_probe {
    struct cop_engine *engine;
    struct cop_probe_side sides[COP_PROBE_SIDES];
    int32_t n_sides;
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
