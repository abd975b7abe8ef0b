/* synth/tables.h - the inside of cop_tables; only for synth/. */
#ifndef COP_SYNTH_TABLES_H
#define COP_SYNTH_TABLES_H

#include "synth/generate.h"

/** Times of one node at the levels. */
struct cop_node_times {
    double x[COP_N_LEVELS];  /* share of work left at each level, descending */
    double ms[COP_N_LEVELS]; /* measured there */
};

/** The best way found to narrow one option. */
struct cop_step {
    int32_t width;   /* -1: none saves anything */
    double worth;    /* saved per error */
    double saved[3]; /* ms, MACs, parameters */
};

struct cop_tables {
    struct cop_arena *arena;
    const struct cop_groups *groups;
    struct cop_cut_option *options;
    int32_t n_options;
    struct cop_work *work;
    struct cop_node_times *times; /* by position in the graph */
    bool is_timed;
    bool gains_biases; /* counted among the constants */
    /* scratch of predictions and of the generator */
    int64_t *removed;       /* by group id */
    struct cop_step *steps; /* by option */
    bool *is_known;         /* by group id: the option's step is up to date */
};

/** Fills tables->removed from a choice. */
void cop_synth__set_removed(const struct cop_tables *tables, const int32_t *choice);
/** Milliseconds of the node at that position when the share @p x of its work is left. */
double cop_synth__node_ms(const struct cop_tables *tables, int32_t node, double x);

#endif
