/* prune/groups.h - the channel groups of a graph: what can be cut, what goes with it.
 *
 * Every element along every mentioned axis is a symbol; ties unite symbols (union-find,
 * algorithms of channel-symbol union-find); a class is a set of symbols that must be cut
 * together, a group the set of classes whose members lie on the same tensors.  One channel
 * of a group is one class.  Members record where the class lies in every tensor.
 * Groups borrow the graph, which must not change while they live. */
#ifndef COP_PRUNE_GROUPS_H
#define COP_PRUNE_GROUPS_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

struct cop_groups;

/** One axis of one tensor that a group runs along. */
struct cop_member {
    const struct cop_value *value;
    int32_t axis;
    bool is_consumer; /* a constant whose slice reads the group (conv weights axis 1) */
    int64_t step;     /* elements of this axis per channel (h * w behind a Flatten) */
};

struct cop_group {
    int32_t id;
    const char *name;   /* of the first node that produces it: "layer1.0.conv1" */
    int64_t n_channels; /* classes */
    const struct cop_member *members;
    int32_t n_members;
    /* NULL: may be cut.  Else one sentence that names the node that forbids it. */
    const char *frozen_because;
};

/** COP_ENOMEM, COP_EUNSUPPORTED. */
COP_NODISCARD enum cop_status cop_groups_find(
    const struct cop_graph *graph, struct cop_groups **groups, struct cop_err *err);
void cop_groups_destroy(struct cop_groups *groups);

/** The graph they were found in. */
const struct cop_graph *cop_groups_graph(const struct cop_groups *groups);
/** In topological order of their first producers; the frozen ones included. */
int32_t cop_groups_n(const struct cop_groups *groups);
const struct cop_group *cop_groups_at(const struct cop_groups *groups, int32_t i);
/** Of them, those that may not be cut. */
int32_t cop_groups_n_frozen(const struct cop_groups *groups);
/** The elements of @p member that belong to channel @p channel: *elements points to
 *  step consecutive or scattered indices along the axis. */
void cop_group_elements(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t member,
    int64_t channel,
    const int64_t **elements,
    int64_t *n);

/** A run of channels whose elements follow one another along a member's axis: channel
 *  @c channel + i owns elements @c first + i * each .. + each - 1. */
struct cop_range {
    int64_t channel;
    int64_t n; /* channels */
    int64_t first;
    int64_t each; /* elements per channel within this range */
};
/** Where all channels of a group lie along one member's axis: one range for a plain
 *  layer, several where a concat repeats or splits the group, h * w of them behind a
 *  Flatten of channels-last data.  *ranges is in @p arena.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_group_ranges(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t member,
    struct cop_arena *arena,
    struct cop_range **ranges,
    int32_t *n,
    struct cop_err *err);

/** How a node fares: the verdict of `inspect`. */
enum cop_verdict {
    COP_VERDICT_PRUNABLE, /* produces channels of a group that may be cut */
    COP_VERDICT_CARRIED,  /* follows its neighbours */
    COP_VERDICT_FROZEN,
};
/** *reason is a static or groups-owned sentence for FROZEN, NULL otherwise. */
enum cop_verdict cop_groups_verdict(
    const struct cop_groups *groups, const struct cop_node *node, const char **reason);
/** Share of the graph's multiply-accumulates in nodes with prunable inputs or outputs. */
double cop_groups_prunable_macs(const struct cop_groups *groups);

#endif
