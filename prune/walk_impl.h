/* prune/walk_impl.h - leads samples through the original and the cut network side by side,
 * a piece of each at a time; only for prune/.
 *
 * A side stands at a position of its topological order and holds, for every sample, the
 * values that nodes from there on still read.  A pass moves each side forward, computing
 * only the nodes in between, so that all passes together cost one run of each network.
 * Weights behind the positions may be changed between passes.  Not for two threads at
 * once; a pass itself runs on streams. */
#ifndef COP_PRUNE_WALK_IMPL_H
#define COP_PRUNE_WALK_IMPL_H

#include "base/arena.h"
#include "engine/engine.h"
#include "prune/calibrate.h"

enum { COP_WALK_ORIGINAL = 0, COP_WALK_CUT = 1, COP_WALK_SIDES = 2 };

struct cop_walk_side {
    const struct cop_graph *graph;
    int32_t n_ids;        /* of nodes: all are below */
    int32_t *position;    /* by node id: place in the topological order */
    uint8_t *can_be_held; /* by value id: a batch of samples, one behind the other */
    uint8_t *is_fed;      /* by value id: depends on the input */
    float **held;         /* by value id: [n_room][elements of one sample], or NULL */
};

struct cop_walk {
    struct cop_engine *engine;
    struct cop_arena *arena;
    struct cop_walk_side sides[COP_WALK_SIDES];
    int64_t n_samples;
    int64_t mb;
    int64_t n_batches;
    size_t bytes;      /* held now */
    size_t most_bytes; /* held at any time */
};

/** What a pass shows of one batch; both may be called from several streams at once, for
 *  different batches.  Elements that were not asked for are NULL. */
typedef enum cop_status cop_walk_visit(
    void *context,
    int64_t batch,
    int64_t n, /* samples, fewer in the last batch */
    const float *const read[COP_WALK_SIDES],
    struct cop_err *err);

struct cop_walk_pass {
    int32_t to[COP_WALK_SIDES]; /* positions; never back */
    /* One more value of each side to show, or NULL.  That of the original is computed on
     * the way; that of the cut network from where it has arrived, with @p zeroed taken as
     * all zeros. */
    const struct cop_value *read[COP_WALK_SIDES];
    const struct cop_value *zeroed;
    cop_walk_visit *visit; /* NULL: just move */
    void *context;
};

/** Fills in what is known of side->graph without running it, in @p arena. */
COP_NODISCARD enum cop_status cop_walk__survey(
    struct cop_walk_side *side, struct cop_arena *arena, struct cop_err *err);

/** Both sides at the beginning, holding the decoded samples.  Graphs are borrowed.
 *  COP_EINVAL without samples or with other than one input; what reading returns. */
COP_NODISCARD enum cop_status cop_walk__create(
    struct cop_engine *engine,
    const struct cop_graph *const graphs[COP_WALK_SIDES],
    const struct cop_sample_source *samples,
    struct cop_walk **walk,
    struct cop_err *err);
void cop_walk__destroy(struct cop_walk *walk);

/** COP_ENOMEM; what plans and the visitor return.  The walk is of no use afterwards if it
 *  fails. */
COP_NODISCARD enum cop_status cop_walk__pass(
    struct cop_walk *walk, const struct cop_walk_pass *pass, struct cop_err *err);

/** The elements of a held value from the first sample of a batch on. */
const float *cop_walk__held(
    const struct cop_walk *walk,
    int32_t side,
    const struct cop_value *value,
    int64_t batch);

#endif
