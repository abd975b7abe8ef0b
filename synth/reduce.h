/* synth/reduce.h - fewer bytes by narrower groups and lower ranks together.
 *
 * Both have an error at every size: a group's width that of its consumers once refitted
 * (prune/score.h), a factor's rank that of its results (prune/lowrank.h), each relative to
 * the energy of what it approximates.  What is taken next is what saves most per error,
 * whichever it is; ranks are chosen again once the narrower network is there. */
#ifndef COP_SYNTH_REDUCE_H
#define COP_SYNTH_REDUCE_H

#include "prune/lowrank.h"
#include "synth/generate.h"
#include "synth/inquire.h"

struct cop_reduction {
    int32_t *choice; /* by option of the tables */
    int64_t *ranks;  /* by factor; 0: as it is */
    double params;   /* predicted */
    double error;    /* sum of the relative errors times their coefficients */
};

/** What may become two nodes, and what an error there costs the answers. */
struct cop_rank_tables {
    const struct cop_lowrank *lowrank;
    const double *coefficients; /* by factor; NULL: all 1 */
};

/** coefficients[f]: how far the outputs move when factor f alone loses a little (5 %, or as
 *  near to it as its ranks come), over what it loses.  What cop_inquire_graph and
 *  cop_lowrank_apply return; COP_EINTR. */
COP_NODISCARD enum cop_status cop_reduce_inquire(
    struct cop_inquiry *inquiry,
    const struct cop_lowrank *lowrank,
    const struct cop_progress *progress,
    double *coefficients,
    struct cop_err *err);

/** Coefficients with which errors that are sums of scores (all but reconstruction) become
 *  shares of all, and so stand beside those of ranks. */
void cop_reduce_scale(const struct cop_tables *tables, double *coefficients);

/** Widths and ranks that leave at most @p max_params parameters.  @p tables and @p ranks
 *  are of one graph; NULL @p ranks: widths alone.  False if that is out of reach; the
 *  reduction then is the least.  *reduction lives in @p arena.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_reduce_choose(
    const struct cop_tables *tables,
    const double *coefficients, /* by option; NULL: all 1 */
    const struct cop_rank_tables *ranks,
    double max_params,
    struct cop_arena *arena,
    struct cop_reduction *reduction,
    bool *is_reached,
    struct cop_err *err);

/** One node of a reduced network that became two. */
struct cop_reduced_node {
    const char *name;
    int64_t n_in;
    int64_t n_out;
    int64_t rank;
    double error;
};

struct cop_reduced_nodes {
    struct cop_reduced_node *at;
    int32_t n;
    bool has_data; /* samples decided, not the weights alone */
};

/** Lowers ranks of @p graph, and nothing else, until at most @p max_params parameters are
 *  left or nothing more saves; the caller counts.  @p samples NULL: by the weights alone.
 *  @p was (or NULL) are the tables of the network it was cut from: nodes of one name have
 *  one coefficient.
 *  *nodes (or NULL) and the names in it live in @p arena. */
COP_NODISCARD enum cop_status cop_reduce_ranks(
    struct cop_engine *engine,
    const struct cop_graph *graph,
    const struct cop_sample_source *samples,
    const struct cop_progress *progress,
    const struct cop_rank_tables *was,
    double max_params,
    struct cop_arena *arena,
    struct cop_graph **reduced,
    struct cop_reduced_nodes *nodes,
    struct cop_err *err);

#endif
