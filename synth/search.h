/* synth/search.h - the search: limits in, measured variants out.
 *
 * generator (generate.h): a latency budget and one coefficient per group become widths;
 * inquisitor (inquire.h): calibration samples stimulate the network with one group cut at a
 * time; how far its outputs move, against what the tables predicted, is the group's next
 * coefficient.  Every candidate is a row in the store with its decision,
 * numbers and reason; the same options continue where an earlier run stopped. */
#ifndef COP_SYNTH_SEARCH_H
#define COP_SYNTH_SEARCH_H

#include "base/err.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "graph/op.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** value 0: no limit. */
struct cop_limit {
    double value;
    bool is_share; /* of the original's own (0.6 = 60 %); else absolute: ms, count */
};

struct cop_search_options {
    const char *model; /* name in the project */
    const char *data;  /* calibration set; labels not needed */
    const char *val;   /* labelled set that decides acceptance; NULL: data */
    struct cop_limit max_latency;
    struct cop_limit max_macs;
    struct cop_limit max_params;
    double max_drop;    /* points of top-1 against the original; < 0: no limit */
    double time_s;      /* stop generating after that; 0: 300 */
    int64_t samples;    /* of the calibration set; 0: 256 */
    int32_t candidates; /* most to generate; 0: 24 */
    uint64_t seed;
    int64_t mb;  /* batch whose latency counts; 0: 1 */
    int threads; /* 0: all */
};

/** Reachable range of one quantity over the widths that may be chosen. */
struct cop_reach {
    double original;
    double least;
};
struct cop_feasibility {
    struct cop_reach latency_ms; /* least: measured at the least widths */
    struct cop_reach macs;
    struct cop_reach params;
    double prunable_macs; /* share, 0..1 */
    char limited_by[160]; /* the frozen part that holds the most of what is left */
};

struct cop_search_result {
    int64_t run_id;
    struct cop_feasibility feasibility;
    int32_t n_candidates; /* rows of the run, earlier sessions included */
    int32_t n_accepted;
    bool is_resumed;
    bool is_finished; /* false: time or the user stopped it; run again to go on */
    char best[64];    /* fastest accepted variant; "" if none */
};

/** COP_ELIMIT: finished and no candidate met the limits (all rows are there);
 *  COP_EINTR: stopped by the user, resumable; COP_ENOTFOUND, COP_EINVAL, COP_ESTORE, and
 *  whatever engine, data and prune return.  @p result is filled as far as it got. */
COP_NODISCARD enum cop_status cop_search(
    struct cop_store *store,
    struct cop_engine *engine,
    const struct cop_op_set *ops,
    const struct cop_search_options *options,
    const struct cop_progress *progress,
    struct cop_search_result *result,
    struct cop_err *err);

/** Marks the rows that no other accepted row beats in both time and accuracy. */
void cop_search_front(
    const struct cop_candidate_row *rows, int32_t n, bool *is_on_front);

#endif
