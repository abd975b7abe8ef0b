/* prune/cut.h - surgery: the physically smaller graph.
 *
 * A cut says for every group which channels stay.  cop_cut_apply makes a new graph; the
 * old one and its shared constants are untouched.  Source of the correctness criterion:
 * the prune oracle (tests/prune): zeroing the slices that consume the removed channels in
 * the big graph gives the outputs of the small one. */
#ifndef COP_PRUNE_CUT_H
#define COP_PRUNE_CUT_H

#include "base/err.h"
#include "prune/groups.h"

#include <stdint.h>

/** For group i: keep[i] points to n_channels bytes, non-zero = stays; NULL: all stay. */
struct cop_cut {
    const uint8_t *const *keep;
};

/** COP_EINVAL if a frozen group is cut or nothing would be left of one; COP_ENOMEM;
 *  COP_ESHAPE if an operator's refit and its ties contradict each other. */
COP_NODISCARD enum cop_status cop_cut_apply(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    struct cop_graph **small,
    struct cop_err *err);

/** The big graph with the consuming slices of the removed channels zeroed: the other
 *  half of the oracle. */
COP_NODISCARD enum cop_status cop_cut_mask(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    struct cop_graph **masked,
    struct cop_err *err);

#endif
