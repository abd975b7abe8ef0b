/* engine/streams.h - several plans at work at the same time, each on processors of its own.
 *
 * A stream is one thread, pinned to its processors together with its OpenMP team, and the
 * plans that were made for it.  N streams of one thread each do more work in a given time
 * than one stream of N threads, which in turn answers a single question sooner: nothing
 * waits for a slower thread between two layers.  Plans of all streams share their packed
 * weights (weights.h).  The pool belongs to the thread that created it. */
#ifndef COP_ENGINE_STREAMS_H
#define COP_ENGINE_STREAMS_H

#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cop_streams;

struct cop_streams_options {
    int n;       /* streams; 0: as many as there are processors for */
    int threads; /* OpenMP threads of each; 0: as many as there are processors for, or 1
                    when n is 0 too */
};

/** What @p options mean on this machine: nothing is 0 any more.  COP_EINVAL when they ask
 *  for more threads than the process has processors, told with both numbers. */
COP_NODISCARD enum cop_status cop_streams_resolve(
    struct cop_streams_options *options, struct cop_err *err);

/** Starts the threads.  COP_EINVAL as cop_streams_resolve, COP_ENOMEM, COP_EENGINE if the
 *  system gives no more threads. */
COP_NODISCARD enum cop_status cop_streams_create(
    const struct cop_streams_options *options,
    struct cop_streams **streams,
    struct cop_err *err);
/** Ends the threads and destroys their plans.  Accepts NULL. */
void cop_streams_destroy(struct cop_streams *streams);

int cop_streams_n(const struct cop_streams *streams);
int cop_streams_threads(const struct cop_streams *streams);
/** False where the system did not let every thread stay on its processor. */
bool cop_streams_is_pinned(const struct cop_streams *streams);

/** Gives every stream one more plan, made by the stream itself so that its memory lies
 *  near its processors.  Threads of @p plan_options are ignored.  @p index counts from 0
 *  in the order of the calls.  What cop_plan_create returns; then no stream has it. */
COP_NODISCARD enum cop_status cop_streams_add_plan(
    struct cop_streams *streams,
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_plan_options *plan_options,
    int32_t *index,
    struct cop_err *err);
/** The plan of one stream; only that stream may run it. */
struct cop_plan *cop_streams_plan(
    const struct cop_streams *streams, int stream, int32_t index);

/** Calls work(context, stream, err) in every stream; all begin together.  Returns when all
 *  have ended, with the error of the first stream that failed. */
COP_NODISCARD enum cop_status cop_streams_run(
    struct cop_streams *streams,
    enum cop_status (*work)(void *context, int stream, struct cop_err *err),
    void *context,
    struct cop_err *err);

/** Calls body(context, stream, i, err) for 0 <= i < n; a stream that is free takes the
 *  lowest i that nobody has.  On failure the error of the lowest failing i is reported,
 *  so that messages repeat; items above it may be left out. */
COP_NODISCARD enum cop_status cop_streams_for(
    struct cop_streams *streams,
    int64_t n,
    enum cop_status (*body)(void *context, int stream, int64_t i, struct cop_err *err),
    void *context,
    struct cop_err *err);

/** Bytes of all plans together: weights that plans share count once. */
void cop_streams_memory(
    const struct cop_streams *streams, struct cop_plan_memory *memory);

#endif
