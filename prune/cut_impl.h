/* prune/cut_impl.h - pieces of surgery that repair uses too; only for prune/. */
#ifndef COP_PRUNE_CUT_IMPL_H
#define COP_PRUNE_CUT_IMPL_H

#include "prune/cut.h"
#include "prune/groups_impl.h"

/** A cut looked up by element. */
struct cop_cut_map {
    const struct cop_groups *groups;
    const struct cop_cut *cut;
};
/** A struct cop_kept's stays over a struct cop_cut_map. */
bool cop_cut__stays(
    const void *map, const struct cop_value *value, int32_t axis, int64_t element);
/** How many elements of an axis stay. */
int64_t cop_cut__width(
    const struct cop_cut_map *map, const struct cop_value *value, int32_t axis);

/** The elements of the constant @p value (as many as its shape says, of its type) that
 *  stay, in a fresh buffer; *shape is theirs. */
COP_NODISCARD enum cop_status cop_cut__slice(
    const struct cop_cut_map *map,
    const struct cop_value *value,
    const void *elements,
    struct cop_shape *shape,
    struct cop_buf **sliced,
    struct cop_err *err);

#endif
