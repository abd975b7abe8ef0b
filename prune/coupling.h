/* prune/coupling.h - which slices of a node's tensors must be cut together.
 *
 * Pruning asks one question of an operator: if a slice of one tensor goes, which
 * slices of its neighbours must go too?  The answer is data (a list of ties), so
 * the pruner unites ties into groups and never mentions an operator by name.  An axis
 * that a node does not mention in any tie may not be cut as far as that node goes:
 * silence freezes.  Pure functions of the node, safe from any thread.  A facet header:
 * base/ and graph/ only.  See prune/README.md. */
#ifndef COP_PRUNE_COUPLING_H
#define COP_PRUNE_COUPLING_H

#include "base/err.h"
#include "graph/graph.h"

#include <stdbool.h>
#include <stdint.h>

/** One end of a tie: runs of @c step elements along one axis of one tensor. */
struct cop_slice {
    int32_t slot;  /* operand of the node: 0.. for sources, -1.. for results */
    int32_t axis;  /* 0 is the batch axis of activations */
    int64_t first; /* element where the first run starts; > 0 inside a Concat */
    int64_t step;  /* elements per run, >= 1; h * w behind a Flatten */
};

/** Run k of one end is cut exactly when run k of the other end is cut.  Both ends alike
 *  says only "this range may be cut" (the zero channels of a Pad). */
struct cop_tie {
    struct cop_slice end[2];
    int64_t runs; /* how many runs, the same at both ends */
};

struct cop_ties; /* growing list of ties; lives in the pruner's arena */

/** Appends a copy of @p tie.  On failure @p ties is as it was.
 *  @return COP_OK, COP_ENOMEM, or COP_ESHAPE if an end overruns its axis or names an
 *  absent operand. */
COP_NODISCARD enum cop_status cop_ties_add(
    struct cop_ties *ties, const struct cop_tie *tie, struct cop_err *err);
/** The node whose ties are being listed. */
const struct cop_node *cop_ties_node(const struct cop_ties *ties);

/** Ties all of one axis to all of another, element by element. */
COP_NODISCARD enum cop_status cop_ties_add_axis(
    struct cop_ties *ties,
    int32_t slot0,
    int32_t axis0,
    int32_t slot1,
    int32_t axis1,
    struct cop_err *err);

/** What a cut leaves of a node's operands; answers refit. */
struct cop_kept;
/** How many of the elements [first, first + n) of that axis stay. */
int64_t cop_kept_count(
    const struct cop_kept *kept, int32_t slot, int32_t axis, int64_t first, int64_t n);

/** A node that is a linear map of one source along its channel axis: what repair and low
 *  rank may rewrite.  Groups: weights' in axis covers one group of the source. */
struct cop_linear {
    int32_t src_slot;
    int32_t weights_slot;
    int32_t bias_slot; /* where a bias is or may be added; -1: the operator has none */
    int32_t src_axis;  /* axis of src that is contracted */
    int32_t in_axis;   /* axis of weights that meets it */
    int32_t out_axis;  /* axis of weights that becomes dst_axis */
    int32_t dst_axis;
    int64_t g;
    /* A window over the last two axes of source and weights: result (y, x) reads source
     * row y * strides[0] - pads_l[0] + ky * dilations[0], likewise the column, zero
     * outside.  strides 0: no window, every position is read where it is. */
    int64_t strides[2];
    int64_t dilations[2];
    int64_t pads_l[2];
    /* Attributes (op->attrs_size bytes) with which the same operator, its axes as above,
     * maps channels at each position without a window: the second of two factors.  NULL:
     * there are none. */
    const void *pointwise;
};

/** How one kind of operator ties its axes.  Constant; shared by operators. */
struct cop_coupling {
    const char *name; /* for reports, e.g. "elementwise" */

    /** Appends every tie of @p node, whose shapes are known; keeps no pointer. */
    enum cop_status (*tie)(
        const struct cop_node *node, struct cop_ties *ties, struct cop_err *err);

    /** Before a cut is made, repairs attributes and small constants that spell out
     *  extents (group, split sizes, target shape); cop_refit_none if there are none.
     *  Shapes of @p node are still the old ones. */
    enum cop_status (*refit)(
        struct cop_graph *graph,
        struct cop_node *node,
        const struct cop_kept *kept,
        struct cop_err *err);

    /** True, with *linear filled, if the node is a linear map whose weights are its
     *  own operand; cop_linear_none otherwise. */
    bool (*linear)(const struct cop_node *node, struct cop_linear *linear);
};

bool cop_linear_none(const struct cop_node *node, struct cop_linear *linear);
enum cop_status cop_refit_none(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err);

/* The menu: an operator names one of these, or brings its own. */
extern const struct cop_coupling cop_couple_elementwise; /* NumPy-broadcast sources, all
                                                            axes of like extent */
extern const struct cop_coupling
    cop_couple_channels;                            /* axis 1 of src 0 and dst 0; other
                                                         sources of rank 1 tie axis 0 */
extern const struct cop_coupling cop_couple_frozen; /* nothing here may be cut */

#endif
