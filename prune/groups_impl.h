/* prune/groups_impl.h - the inside of the channel groups; only for prune/. */
#ifndef COP_PRUNE_GROUPS_IMPL_H
#define COP_PRUNE_GROUPS_IMPL_H

#include "base/arena.h"
#include "prune/coupling_impl.h"
#include "prune/groups.h"

/** One axis of one value that some tie mentions: a run of symbols. */
struct cop_symbol_axis {
    const struct cop_value *value;
    int32_t axis;
    int32_t n;     /* elements */
    int32_t first; /* symbol of element 0 */
    bool is_consumer;
};

/** The ties of one node; of nodes by position in the graph. */
struct cop_node_ties {
    const struct cop_node *node;
    const struct cop_tie *at;
    int32_t n;
};

/** Every symbol, united by every tie. */
struct cop_symbols {
    struct cop_node_ties *nodes; /* [n_nodes] */
    int32_t n_nodes;
    int32_t *axis_of; /* [n_values][COP_MAX_RANK]: index into axes, -1: not mentioned */
    struct cop_symbol_axis *axes; /* inputs, results in topological order, constants */
    int32_t n_axes;
    int32_t n;
    int32_t *parent;      /* of the union-find; the smallest symbol is the root */
    const char **because; /* by root: why it is frozen, or NULL */
    uint8_t *is_batch;    /* by root: lies on a batch axis */
};

/** Lists the ties of every node and unites the symbols, in @p arena. */
COP_NODISCARD enum cop_status cop_symbols__unite(
    const struct cop_graph *graph,
    struct cop_arena *arena,
    struct cop_symbols *symbols,
    struct cop_err *err);
int32_t cop_symbols__root(const struct cop_symbols *symbols, int32_t symbol);
/** The symbols of that axis; NULL when no tie mentions it. */
const struct cop_symbol_axis *cop_symbols__axis(
    const struct cop_symbols *symbols, const struct cop_value *value, int32_t axis);

/** Which operand axes one node ties together, axis by axis. */
struct cop_local {
    const struct cop_node *node;
    int32_t *part; /* [n_src + n_dst][COP_MAX_RANK] */
    bool *has_src; /* by part: an activation source lies in it */
    bool *has_dst; /* by part: a result lies in it */
};
COP_NODISCARD enum cop_status cop_symbols__local(
    const struct cop_node_ties *ties,
    struct cop_arena *arena,
    struct cop_local *local,
    struct cop_err *err);
int32_t cop_local__part(const struct cop_local *local, int32_t slot, int32_t axis);

/** One linear node that mixes the channels of its source, so that the source's group
 *  ends here. */
struct cop_reader {
    const struct cop_node *node;
    const struct cop_value *src;
    const struct cop_value *weights;
    struct cop_linear linear;
};

struct cop_groups {
    struct cop_arena *arena;
    const struct cop_graph *graph;
    struct cop_symbols symbols;
    struct cop_group *groups;
    int32_t n;
    int64_t ***elements; /* [group][member]: [n_channels][step] */
    int32_t *group_of;   /* by symbol; -1: in no listed group */
    int32_t *channel_of; /* by symbol */
    uint8_t *verdict;    /* by node id */
    const char **reason; /* by node id */
    double prunable_macs;
    struct cop_reader *readers; /* in topological order */
    int32_t n_readers;
};

/** The group and channel of one element; false if it belongs to no listed group. */
bool cop_groups__find(
    const struct cop_groups *groups,
    const struct cop_value *value,
    int32_t axis,
    int64_t element,
    int32_t *group,
    int32_t *channel);

#endif
