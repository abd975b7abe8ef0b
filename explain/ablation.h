/* explain/ablation.h - what each channel of a layer is worth: the score without it.
 *
 * score(a) - score(a with one channel replaced), for every channel of the chosen layers,
 * averaged over samples.  Only what lies behind the layer is computed again: the plan
 * starts at the layer, and at the values that run past it (a residual branch).  Scores as
 * in occlusion.h.  Knows no operator by name. */
#ifndef COP_EXPLAIN_ABLATION_H
#define COP_EXPLAIN_ABLATION_H

#include "base/arena.h"
#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"

#include <stdint.h>

enum cop_ablation_fill {
    COP_ABLATION_ZERO, /* the channel says nothing */
    COP_ABLATION_MEAN, /* the channel says what it says on average over the samples */
};

struct cop_ablation_options {
    /* Values of the graph whose channels (axis 1) are ablated, in this order. */
    const struct cop_value *const *layers;
    int32_t n_layers;
    enum cop_ablation_fill fill;
    int64_t mb;  /* samples in one run; 0: 16; lowered to the number of samples */
    int threads; /* 0: all */
    const struct cop_progress *progress; /* may be NULL */
};

/** The samples to average over, held in memory. */
struct cop_ablation_samples {
    const float *inputs; /* [n][c][h][w], preprocessed */
    const int64_t
        *targets; /* [n] class explained; NULL: the class the network answers */
    int64_t n;
};

/** One layer's answer. */
struct cop_ablation_layer {
    const char *name; /* of the node that produces the layer; in the caller's arena */
    int64_t n_channels;
    float *mean;       /* [n_channels] mean of score(a) - score(a without c) */
    float *mean_abs;   /* [n_channels] mean of its absolute value */
    double mean_score; /* mean of score(a) over the samples */
};

/** Ablates every channel of every one of options->layers; results [n_layers], their
 *  arrays in @p arena.  COP_EINVAL for a layer without channels or that the first output
 *  does not depend on, COP_ENOMEM, what cop_plan_create and cop_plan_run return,
 *  COP_EINTR. */
COP_NODISCARD enum cop_status cop_ablate(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_ablation_samples *samples,
    const struct cop_ablation_options *options,
    struct cop_arena *arena,
    struct cop_ablation_layer *results,
    struct cop_err *err);

#endif
