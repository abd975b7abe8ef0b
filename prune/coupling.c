/* prune/coupling.c - lists of ties and the ready-made couplings; see coupling.h. */
#include "prune/coupling_impl.h"

const struct cop_value *cop_coupling__operand(const struct cop_node *node, int32_t slot)
{
    if (slot >= 0) return slot < node->n_src ? node->src[slot] : NULL;
    int32_t d = -1 - slot;
    return d < node->n_dst ? node->dst[d] : NULL;
}

static enum cop_status check_end(
    const struct cop_node *node,
    const struct cop_slice *end,
    int64_t runs,
    struct cop_err *err)
{
    const struct cop_value *value = cop_coupling__operand(node, end->slot);
    if (value == NULL)
        return COP_FAIL(err, COP_ESHAPE, "a tie names absent operand %d", end->slot);
    if (end->axis < 0 || end->axis >= value->shape.rank)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "a tie names axis %d of '%s', which has %d axes",
            end->axis,
            value->name,
            value->shape.rank);
    int64_t extent = value->shape.dim[end->axis];
    if (end->first < 0 || end->step < 1 || runs < 0 || end->first > extent ||
        runs > (extent - end->first) / end->step)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "a tie of %lld runs of %lld from %lld overruns axis %d of '%s', which is "
            "%lld",
            (long long)runs,
            (long long)end->step,
            (long long)end->first,
            end->axis,
            value->name,
            (long long)extent);
    return COP_OK;
}

enum cop_status cop_ties_add(
    struct cop_ties *ties, const struct cop_tie *tie, struct cop_err *err)
{
    COP_TRY(check_end(ties->node, &tie->end[0], tie->runs, err));
    COP_TRY(check_end(ties->node, &tie->end[1], tie->runs, err));
    if (ties->n == ties->cap) {
        int32_t cap = ties->cap == 0 ? 8 : ties->cap * 2;
        struct cop_tie *grown = COP_ARENA_NEW_N(ties->arena, cap, struct cop_tie);
        if (grown == NULL) return COP_FAIL_NOMEM(err);
        for (int32_t i = 0; i < ties->n; i++)
            grown[i] = ties->at[i];
        ties->at = grown;
        ties->cap = cap;
    }
    ties->at[ties->n++] = *tie;
    return COP_OK;
}

const struct cop_node *cop_ties_node(const struct cop_ties *ties)
{
    return ties->node;
}

enum cop_status cop_ties_add_axis(
    struct cop_ties *ties,
    int32_t slot0,
    int32_t axis0,
    int32_t slot1,
    int32_t axis1,
    struct cop_err *err)
{
    const struct cop_value *value = cop_coupling__operand(ties->node, slot0);
    int64_t extent = value != NULL && axis0 >= 0 && axis0 < value->shape.rank
                         ? value->shape.dim[axis0]
                         : 0;
    const struct cop_tie tie = {
        .end =
            {{.slot = slot0, .axis = axis0, .first = 0, .step = 1},
             {.slot = slot1, .axis = axis1, .first = 0, .step = 1}},
        .runs = extent,
    };
    const struct cop_value *other = cop_coupling__operand(ties->node, slot1);
    if (value != NULL && other != NULL && axis1 >= 0 && axis1 < other->shape.rank &&
        other->shape.dim[axis1] != extent)
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "axis %d of '%s' is %lld, axis %d of '%s' is %lld",
            axis0,
            value->name,
            (long long)extent,
            axis1,
            other->name,
            (long long)other->shape.dim[axis1]);
    return cop_ties_add(ties, &tie, err);
}

int64_t cop_kept_count(
    const struct cop_kept *kept, int32_t slot, int32_t axis, int64_t first, int64_t n)
{
    const struct cop_value *value = cop_coupling__operand(kept->node, slot);
    if (value == NULL) return n;
    int64_t count = 0;
    for (int64_t i = first; i < first + n; i++)
        count += kept->stays(kept->context, value, axis, i);
    return count;
}

/* ---- the menu ------------------------------------------------------------------- */

bool cop_linear_none(const struct cop_node *node, struct cop_linear *linear)
{
    (void)node;
    (void)linear;
    return false;
}

enum cop_status cop_refit_none(
    struct cop_graph *graph,
    struct cop_node *node,
    const struct cop_kept *kept,
    struct cop_err *err)
{
    (void)graph;
    (void)node;
    (void)kept;
    (void)err;
    return COP_OK;
}

/* Sources are aligned at the last axis, as NumPy broadcasts.  A source axis of extent 1
 * under a longer one is silent: it is repeated, not cut. */
static enum cop_status tie_elementwise(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *dst = &node->dst[0]->shape;
    for (int32_t s = 0; s < node->n_src; s++) {
        if (node->src[s] == NULL) continue;
        const struct cop_shape *src = &node->src[s]->shape;
        int32_t shift = dst->rank - src->rank;
        for (int32_t axis = 0; axis < src->rank; axis++) {
            int32_t dst_axis = axis + shift;
            if (dst_axis < 0 || src->dim[axis] != dst->dim[dst_axis]) continue;
            COP_TRY(cop_ties_add_axis(ties, s, axis, -1, dst_axis, err));
        }
    }
    return COP_OK;
}

static enum cop_status tie_channels(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    const struct cop_shape *src = &node->src[0]->shape;
    const struct cop_shape *dst = &node->dst[0]->shape;
    if (src->rank < 2 || dst->rank < 2 || src->dim[1] != dst->dim[1]) return COP_OK;
    COP_TRY(cop_ties_add_axis(ties, 0, 1, -1, 1, err));
    for (int32_t s = 1; s < node->n_src; s++) {
        const struct cop_value *vector = node->src[s];
        if (vector == NULL || vector->shape.rank != 1) continue;
        if (vector->shape.dim[0] != dst->dim[1]) continue;
        COP_TRY(cop_ties_add_axis(ties, s, 0, -1, 1, err));
    }
    return COP_OK;
}

static enum cop_status tie_nothing(
    const struct cop_node *node, struct cop_ties *ties, struct cop_err *err)
{
    (void)node;
    (void)ties;
    (void)err;
    return COP_OK;
}

const struct cop_coupling cop_couple_elementwise = {
    .name = "elementwise",
    .tie = tie_elementwise,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_coupling cop_couple_channels = {
    .name = "channels",
    .tie = tie_channels,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};

const struct cop_coupling cop_couple_frozen = {
    .name = "frozen",
    .tie = tie_nothing,
    .refit = cop_refit_none,
    .linear = cop_linear_none,
};
