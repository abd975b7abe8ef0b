/* explain/occlusion.h - where a network looks: what the answer loses when a patch is hidden.
 *
 * Occlusion (Zeiler and Fergus 2014): score(x) - score(x with one window replaced), for
 * windows on a regular grid.  Needs no gradient, so it holds for any network the engine
 * runs and is the same measure for an original and for its variants.  The score is the
 * chosen class's output before softmax; of networks that end in probabilities it is the
 * logarithm of the probability.  One occluder serves one thread. */
#ifndef COP_EXPLAIN_OCCLUSION_H
#define COP_EXPLAIN_OCCLUSION_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

enum cop_occlusion_fill {
    COP_OCCLUSION_VALUE, /* a constant: 0 is the data set's mean colour once normalised */
    COP_OCCLUSION_BLUR, /* the sample itself, blurred by a box as wide as the window */
};

/** All zero is the default. */
struct cop_occlusion_options {
    int64_t window[2]; /* height, width in input pixels; 0: max(4, side / 6) */
    int64_t stride[2]; /* 0: max(1, window / 2) */
    enum cop_occlusion_fill fill;
    float fill_value; /* of COP_OCCLUSION_VALUE, in normalised units */
    int64_t mb;       /* windows in one run of the plan; 0: 16 */
    int threads;      /* 0: all */
};

/** One map.  The picture is divided evenly into rows x cols cells; a cell's value is the
 *  mean loss of score over the windows that cover its centre.  Positive: hiding it hurts
 *  the class, so it speaks for the class; negative: it speaks against it. */
struct cop_occlusion_map {
    int64_t rows;
    int64_t cols;
    int64_t target;      /* class explained */
    double f_x;          /* its score on the untouched sample */
    bool is_probability; /* the network ends in probabilities: scores are log p */
    int64_t n_windows;   /* forward passes it took, besides the untouched one */
    float *values;       /* [rows][cols] */
};
/** Accepts an all-zero map. */
void cop_occlusion_map_clear(struct cop_occlusion_map *map);

struct cop_occluder;

/** Compiles the one plan that all maps of @p graph run through.  The graph has one input
 *  of rank 4; its first output, flattened per sample, holds the class scores.
 *  COP_ESHAPE if not, COP_EINVAL for a window or stride that does not fit the input; what
 *  cop_plan_create returns. */
COP_NODISCARD enum cop_status cop_occluder_create(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_occlusion_options *options, /* NULL: the defaults */
    struct cop_occluder **occluder,
    struct cop_err *err);
/** Accepts NULL. */
void cop_occluder_destroy(struct cop_occluder *occluder);

/** The options with every default filled in: what a record of the map must say. */
const struct cop_occlusion_options *cop_occluder_options(
    const struct cop_occluder *occluder);

/** Maps one preprocessed sample [c][h][w].  @p target -1: the class this network answers.
 *  Clear @p map with cop_occlusion_map_clear.  COP_EINVAL (no such class), COP_ENOMEM,
 *  COP_EENGINE, COP_EINTR. */
COP_NODISCARD enum cop_status cop_occluder_map(
    struct cop_occluder *occluder,
    const float *sample,
    int64_t target,
    const struct cop_progress *progress,
    struct cop_occlusion_map *map,
    struct cop_err *err);

#endif
