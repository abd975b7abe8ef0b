/* prune/work.h - how work and tensors shrink as channels of groups go.
 *
 * What is left of a tensor is the product over its axes of 1 - sum(share * channels
 * removed), exactly as a cut leaves it; what is left of a node's multiply-accumulates is
 * what is left of its weights (or of its result, if it has none).  So the cost of any cut
 * is known without making it.  Everything lives in the caller's arena and borrows the
 * groups. */
#ifndef COP_PRUNE_WORK_H
#define COP_PRUNE_WORK_H

#include "base/arena.h"
#include "base/err.h"
#include "prune/groups.h"

#include <stdint.h>

struct cop_work_part {
    int32_t group;
    int32_t axis;
    double share; /* of that axis, per channel */
};

/** A node or a floating-point constant. */
struct cop_work_item {
    const struct cop_node *node; /* NULL: a constant */
    int64_t size;                /* MACs per sample; elements of a constant */
    struct cop_work_part *parts;
    int32_t n_parts;
    bool is_gained; /* a bias that a repair adds, having had none */
};

/** What one group shrinks: indices into the lists of struct cop_work. */
struct cop_work_touched {
    int32_t *nodes;
    int32_t n_nodes;
    int32_t *consts;
    int32_t n_consts;
};

struct cop_work {
    struct cop_work_item *nodes; /* by position in the graph */
    int32_t n_nodes;
    struct cop_work_item *consts;
    int32_t n_consts;
    struct cop_work_touched *touched; /* by group */
    int32_t n_groups;
};

/** @p gains_biases: the cut will be repaired, which may give a bias to every linear node
 *  that has none and a place for it (cop_repair_gained); these count as constants, so that
 *  what is left is at most what is foretold.  COP_ENOMEM, and what the operators' MACs
 *  return. */
COP_NODISCARD enum cop_status cop_work_find(
    const struct cop_groups *groups,
    bool gains_biases,
    struct cop_arena *arena,
    struct cop_work **work,
    struct cop_err *err);

/** What is left of the item, 0..1, when removed[group id] channels go from each group. */
double cop_work_left(const struct cop_work_item *item, const int64_t *removed);

/** What goes when @p n channels of @p group alone are cut; no gained bias among it. */
struct cop_work_saving {
    double macs;
    double params;
};
struct cop_work_saving cop_work_save(
    const struct cop_work *work, int32_t group, int64_t n);

#endif
