/* synth/keep.h - what a search writes into the project file; only for synth/. */
#ifndef COP_SYNTH_KEEP_H
#define COP_SYNTH_KEEP_H

#include "synth/candidate.h"

/** A variant that becomes a model of the project. */
struct cop_kept_variant {
    const struct cop_graph *graph;
    const struct cop_evaluation *evaluation;
    const struct cop_bench_result *bench;
    const struct cop_decision *decision;
};

/** The candidate's row and, if @p kept is not NULL, its model ("V1", "V2", ...), cuts,
 *  evaluation and measurement: all of it or nothing. */
COP_NODISCARD enum cop_status cop_synth__store_candidate(
    struct cop_search_state *state,
    const struct cop_kept_variant *kept,
    struct cop_candidate_row *row,
    struct cop_err *err);

/** Writes what is reachable, and how the run stands, into its row. */
COP_NODISCARD enum cop_status cop_synth__store_feasibility(
    struct cop_search_state *state,
    const struct cop_feasibility *feasibility,
    const char *run_status,
    struct cop_err *err);

#endif
