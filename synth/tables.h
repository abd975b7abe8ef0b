/* synth/tables.h - the inside of cop_tables; only for synth/. */
#ifndef COP_SYNTH_TABLES_H
#define COP_SYNTH_TABLES_H

#include "synth/generate.h"

/** A tensor that shrinks with some options: left = product over axes of
 *  1 - sum(share * channels removed). */
struct cop_extent_part {
    int32_t option;
    int32_t axis;
    double share; /* of that axis, per channel */
};
struct cop_extent {
    struct cop_extent_part *parts;
    int32_t n_parts;
};

struct cop_node_cost {
    const struct cop_node *node;
    int64_t macs;
    struct cop_extent extent;
    double x[COP_N_LEVELS];  /* share of work left at each measured level, descending */
    double ms[COP_N_LEVELS]; /* measured there */
};

struct cop_const_cost {
    int64_t n; /* elements */
    struct cop_extent extent;
};

struct cop_tables {
    struct cop_arena *arena;
    const struct cop_groups *groups;
    struct cop_option *options;
    int32_t n_options;
    struct cop_node_cost *nodes;
    int32_t n_nodes;
    struct cop_const_cost *consts;
    int32_t n_consts;
};

COP_NODISCARD enum cop_status cop_synth__extent_init(
    const struct cop_tables *tables,
    const struct cop_value *value,
    struct cop_extent *extent,
    struct cop_err *err);
double cop_synth__extent_share(
    const struct cop_tables *tables,
    const struct cop_extent *extent,
    const int32_t *choice);
double cop_synth__node_ms(const struct cop_node_cost *cost, double x);

#endif
