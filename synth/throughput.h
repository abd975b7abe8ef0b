/* synth/throughput.h - what several streams do in a given time (engine/streams.h).
 *
 * One stream of all threads answers soonest: latency mode.  As many streams of one thread
 * as there are processors do most: throughput mode.  Between them lie the other ways to
 * divide the machine; which is best depends on network, batch and machine, so it is
 * measured. */
#ifndef COP_SYNTH_THROUGHPUT_H
#define COP_SYNTH_THROUGHPUT_H

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_throughput_options {
    int64_t mb;  /* samples in one run; 0: 1 */
    int streams; /* as in struct cop_streams_options */
    int threads; /* of each stream */
    double ms;   /* how long they run together; 0: 1500.  Prolonged to five runs */
};

/** Times of single runs while all streams were at work. */
struct cop_latency_stats {
    int64_t runs;
    double median_ms;
    double p90_ms;
    double p99_ms;
};

struct cop_throughput {
    int64_t mb;
    int streams;
    int threads;
    bool is_pinned; /* every thread stayed on its processor */
    double images_per_s;
    struct cop_latency_stats all;
    struct cop_latency_stats *each; /* [streams] */
    int64_t peak_bytes; /* of all plans: weights once, activations, scratchpads */
};

/** Warms up, lets all streams begin together and run on random inputs until the time is
 *  over.  A run that was not finished then is not counted, so every counted run had all
 *  other streams beside it.  COP_EINVAL when there are fewer processors than threads; what
 *  making and running plans returns.  Clear with cop_throughput_clear. */
COP_NODISCARD enum cop_status cop_throughput_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_throughput *result,
    struct cop_err *err);
void cop_throughput_clear(struct cop_throughput *result);

/** The ways to divide a machine: n streams of p / n threads for every divisor n of its p
 *  processors. */
struct cop_divisions {
    int32_t n;
    struct cop_throughput *at; /* [n], by ascending number of streams */
    int32_t most_images;       /* index of the best throughput */
    int32_t least_ms;          /* index of the best median latency */
};

/** Measures all of them, ascending and then descending, so that a drifting machine treats
 *  them alike; numbers are means of the two.  @p options->threads is p, 0: all; streams is
 *  ignored.  Fails as cop_throughput_measure does.  Clear with cop_divisions_clear. */
COP_NODISCARD enum cop_status cop_divisions_measure(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_throughput_options *options,
    struct cop_divisions *divisions,
    struct cop_err *err);
void cop_divisions_clear(struct cop_divisions *divisions);

#endif
