/* synth/evaluate.h - what a network answers on a data set. */
#ifndef COP_SYNTH_EVALUATE_H
#define COP_SYNTH_EVALUATE_H

#include "base/err.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "engine/engine.h"

#include <stdint.h>

struct cop_answer {
    int32_t sample;
    int32_t answer; /* class of the largest output */
    float p_answer; /* softmax of the outputs; the outputs if they already sum to 1 */
    float p_label;
};

struct cop_evaluation {
    int64_t n;
    double top1; /* percent; NaN without labels */
    double top5;
    double top1_low; /* 95 % Wilson interval of top1 */
    double top1_high;
    int32_t n_classes;
    int64_t *class_n;           /* [n_classes] samples with that label */
    int64_t *class_right;       /* [n_classes] of those, answered right */
    struct cop_answer *answers; /* [n], by sample */
};

struct cop_evaluate_options {
    int64_t mb;    /* samples that one stream runs together; 0: 8 */
    int threads;   /* streams, at most one a processor; 0: as many as processors */
    int64_t limit; /* 0: all samples; else that many, drawn evenly over classes */
    uint64_t seed; /* of the draw */
    /* Just these, whatever limit says; NULL: all, or as many as limit draws. */
    const int64_t *samples;
    int64_t n_samples;
};

/** Uses the first output, flattened per sample, as class scores.  The result does not
 *  depend on how many threads there are.  COP_ESHAPE if the data
 *  does not fit the input or has more classes than outputs; what reading and running
 *  return; COP_EINTR.  Clear with cop_evaluation_clear. */
COP_NODISCARD enum cop_status cop_evaluate(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_dataset *dataset,
    const struct cop_evaluate_options *options,
    const struct cop_progress *progress,
    struct cop_evaluation *evaluation,
    struct cop_err *err);
void cop_evaluation_clear(struct cop_evaluation *evaluation);

struct cop_bench_options {
    int64_t mb;   /* 0: 1 */
    int threads;  /* 0: all */
    int64_t runs; /* 0: as many as fit in half a second, at least 30 */
};
struct cop_bench_result {
    int64_t mb;
    int threads;
    int64_t runs;
    double median_ms;
    double p95_ms;
    double min_ms;
    double images_per_s; /* at the median */
    int64_t peak_bytes;  /* of the plan: weights, activations, scratchpad */
};

/** Latency of one plan on random inputs, after warm-up. */
COP_NODISCARD enum cop_status cop_bench(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_bench_options *options,
    struct cop_bench_result *result,
    struct cop_err *err);

/** Times two networks in turn, A B A B ..., so that a drifting machine cancels;
 *  @p ratio is the median of the pairs' B / A. */
COP_NODISCARD enum cop_status cop_bench_pair(
    struct cop_engine *engine,
    const struct cop_graph *const graphs[2],
    const struct cop_bench_options *options,
    struct cop_bench_result results[2],
    double *ratio,
    struct cop_err *err);

#endif
