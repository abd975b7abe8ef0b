/* synth/candidate.h - one candidate from decision to row; only for synth/.
 *
 * Evaluating is a pure function of stored inputs (model, choice, data, seed) apart from the
 * clock: generate, cut, repair, measure, judge. */
#ifndef COP_SYNTH_CANDIDATE_H
#define COP_SYNTH_CANDIDATE_H

#include "synth/drawn.h"
#include "synth/evaluate.h"
#include "synth/generate.h"
#include "synth/inquire.h"
#include "synth/search.h"

/** Everything of a search that all its candidates share. */
struct cop_bench_base {
    struct cop_evaluation evaluation; /* of the original on the validation data */
    struct cop_bench_result bench;    /* of the original */
    int64_t macs;
    int64_t params;
};

struct cop_search_state {
    struct cop_store *store;
    struct cop_engine *engine;
    const struct cop_search_options *options;
    const struct cop_progress *progress;
    struct cop_arena *arena; /* lives as long as the search */
    struct cop_graph *graph;
    struct cop_model_row model;
    struct cop_dataset *data;
    struct cop_dataset *val;
    int64_t val_id;
    struct cop_groups *groups;
    struct cop_calibration *calibration;
    struct cop_drawn drawn; /* of data; what calibrates and repairs */
    struct cop_tables *tables;
    struct cop_bench_base base;
    struct cop_run_row run;
    /* what the candidates so far taught */
    double *coefficients;       /* per option */
    double scale;               /* measured share of the time / predicted share */
    const int32_t **choices;    /* of the rows so far, with as much room */
    struct cop_prediction full; /* of the network as it is */
    struct cop_inquiry *inquiry;
    struct cop_candidate_row *rows; /* those before, by seq; room for all of the run */
    int32_t n_rows;
};

enum cop_outcome {
    COP_OUTCOME_ACCEPTED,
    COP_OUTCOME_TOO_SLOW, /* or too large: a limit on size or time was missed */
    COP_OUTCOME_TOO_WRONG,
};

/** A decision: how tight the budget was and what was chosen. */
struct cop_decision {
    double tightness;       /* budget = tightness * limit */
    double predicted_share; /* of the original's time, before scale */
    int32_t *choice;
    double *coefficients_used;
    double *coefficients_next;
    double *observed;
    enum cop_outcome outcome;
};

/** Room for one decision in the search's arena; NULL choice when memory gives out. */
struct cop_decision cop_synth__decision_new(const struct cop_search_state *state);

/** Generates at that tightness, evaluates, judges, and writes the row (with the model, its
 *  cuts and numbers if it is accepted and no earlier one beats it) as one transaction. */
COP_NODISCARD enum cop_status cop_synth__candidate_run(
    struct cop_search_state *state,
    double tightness,
    struct cop_decision *decision,
    struct cop_candidate_row *row,
    struct cop_err *err);

/** Text form of a decision, and back; the choice is stored as widths.  COP_ESTORE if the text is not one of ours for these tables. */
const char *cop_synth__decision_print(
    const struct cop_search_state *state, const struct cop_decision *decision);
COP_NODISCARD enum cop_status cop_synth__decision_parse(
    const struct cop_search_state *state,
    const char *text,
    struct cop_decision *decision,
    struct cop_err *err);

/** The share of the original's that a limit allows; 0: no limit. */
double cop_synth__limit_share(const struct cop_limit *limit, double original);

#endif
