/* synth/shrink.h - one cut, now: what may remain in, one repaired and measured network out.
 *
 * For people who know how small the network has to be.  The same calls as the search makes
 * for one candidate: groups, calibration, scores, tables, the generator, repair, timing in
 * turn with the original, answers on images.  Nothing is claimed that was not counted or
 * measured: a target that is missed is COP_ELIMIT and leaves nothing behind. */
#ifndef COP_SYNTH_SHRINK_H
#define COP_SYNTH_SHRINK_H

#include "base/err.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "prune/score.h"
#include "store/store.h"
#include "synth/drop.h"
#include "synth/evaluate.h"
#include "synth/generate.h"
#include "synth/reduce.h"
#include "synth/search.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_shrink_input {
    const struct cop_graph *graph; /* outlives the result */
    /* Calibration; NULL: channels are merged by made-up pictures (prune/merge.h). */
    const struct cop_dataset *data;
    const struct cop_dataset *val; /* compared on all of it; NULL: see below */
};

struct cop_shrink_options {
    /* What may remain; value 0: no limit.  At least one is given, or else n_blocks. */
    struct cop_limit macs;
    struct cop_limit params;
    struct cop_limit bytes;
    struct cop_limit latency;
    int32_t n_blocks; /* leave out that many whole blocks, and cut no channels */
    enum cop_score_method score;
    bool is_unrepaired; /* cut only: to see what the repair is worth */
    bool keeps_ranks;   /* no low rank, which limits on size alone otherwise use too */
    int64_t samples;    /* of the calibration set; 0: 512 */
    uint64_t seed;      /* of the draw */
    int64_t mb;         /* batch whose latency counts; 0: 1 */
    int threads;        /* 0: all */
};

struct cop_shrunk_size {
    int64_t macs;
    int64_t params;
    int64_t bytes;
    double ms; /* median, timed in turn */
};

/* What weighed the widths.  Where both could, both networks were tried. */
enum cop_allocation {
    COP_BY_TABLES,  /* the errors of the tables alone */
    COP_BY_INQUIRY, /* the same, weighed by what each group's cut did to the outputs */
    COP_N_ALLOCATIONS
};

struct cop_shrunk {
    struct cop_graph *graph; /* the smaller network */
    struct cop_shrunk_size before;
    struct cop_shrunk_size after;
    double time_share; /* median of the pairs' ratios */
    struct cop_bench_result benches[2];
    int64_t n_calibration; /* images used, or pictures made up */
    bool is_blind;         /* they were made up */
    /* Answers of original and result on the same images: all of val, or those of data that
     * were not used for calibration, or, with fewer than 50 of these, those that were.
     * Nothing is compared without data.  A val with calibration images is not held out. */
    struct cop_evaluation evaluations[2];
    bool is_held_out;
    int64_t n_shared; /* samples of val that calibration has used, by their bytes */
    double agreement; /* percent of equal answers; NaN: nothing compared */
    /* What was decided, and on what ground. */
    struct cop_arena *arena;
    struct cop_groups *groups;
    struct cop_calibration *calibration;
    struct cop_tables *tables;
    int32_t *choice;                             /* by option of the tables */
    bool is_contested;                           /* both allocations were tried */
    enum cop_allocation allocation;              /* the one that was kept */
    double allocation_errors[COP_N_ALLOCATIONS]; /* contested: at the outputs */
    struct cop_reduced_nodes lowered;            /* nodes that became two */
    struct cop_dropped_blocks dropped;
    /* Groups that a limit on time left alone: narrowing them saves none. */
    const struct cop_group **idle;
    int32_t n_idle;
};

/** COP_ELIMIT: what was asked is out of reach, or was not measured in the end; the text
 *  says what can be had.  COP_EINVAL: no limit, a limit that is met already;
 *  COP_EUNSUPPORTED: no data and an input that is no picture; COP_EINTR; what prune, engine and data return.  Clear with
 *  cop_shrunk_clear, after success. */
COP_NODISCARD enum cop_status cop_shrink(
    struct cop_engine *engine,
    const struct cop_shrink_input *input,
    const struct cop_shrink_options *options,
    const struct cop_progress *progress,
    struct cop_shrunk *shrunk,
    struct cop_err *err);
void cop_shrunk_clear(struct cop_shrunk *shrunk);

struct cop_shrink_origin {
    const struct cop_model_row *parent;
    const char *name;        /* of the new model */
    const char *asked;       /* "prune --macs 48%" */
    const char *data_sha256; /* NULL: none */
    int64_t val_id;          /* of a val whose evaluations are kept; 0: none */
    const struct cop_dataset *val;
};

/** Keeps the model, what became of every group, times and answers, as one transaction.
 *  COP_EINVAL when the name is taken; COP_ESTORE. */
COP_NODISCARD enum cop_status cop_shrink_store(
    struct cop_store *store,
    struct cop_engine *engine,
    const struct cop_shrink_origin *origin,
    const struct cop_shrink_options *options,
    const struct cop_shrunk *shrunk,
    struct cop_err *err);

#endif
