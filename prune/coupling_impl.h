/* prune/coupling_impl.h - the inside of a list of ties; only for prune/ and its tests. */
#ifndef COP_PRUNE_COUPLING_IMPL_H
#define COP_PRUNE_COUPLING_IMPL_H

#include "base/arena.h"
#include "prune/coupling.h"

struct cop_ties {
    struct cop_arena *arena; /* holds at */
    const struct cop_node *node;
    struct cop_tie *at;
    int32_t n;
    int32_t cap;
};

/** What a cut leaves of one node: answers for its operands. */
struct cop_kept {
    const struct cop_node *node; /* of the graph before the cut */
    const void *context;
    bool (*stays)(
        const void *context,
        const struct cop_value *value,
        int32_t axis,
        int64_t element);
};

/** The value in an operand slot (0.. sources, -1.. results); NULL if there is none. */
const struct cop_value *cop_coupling__operand(
    const struct cop_node *node, int32_t slot);

#endif
