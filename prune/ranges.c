/* prune/ranges.c - where the channels of a group lie along a member's axis, as few ranges. */
#include "prune/groups_impl.h"

/* The element behind the consecutive ones that begin at @p k. */
static int64_t piece_end(const int64_t *elements, int64_t step, int64_t k)
{
    int64_t end = k + 1;
    while (end < step && elements[end] == elements[end - 1] + 1)
        end++;
    return end;
}

/* True if every piece of a channel lies right behind the same piece of the one before.
 * @param at the elements of the channel; those of the one before lie before them */
static bool follows(const int64_t *at, int64_t step)
{
    const int64_t *before = at - step;
    for (int64_t k = 0; k < step;) {
        int64_t end = piece_end(before, step, k);
        /* One piece of all elements touches its own next one: compare the width only. */
        for (int64_t i = k; i < end; i++) {
            if (at[i] != before[i] + (end - k)) return false;
        }
        k = end;
    }
    return true;
}

/* Writes the ranges, or only counts them if @p ranges is NULL. */
static int32_t list_ranges(
    const int64_t *elements, int64_t n_channels, int64_t step, struct cop_range *ranges)
{
    int32_t n = 0;
    for (int64_t c = 0; c < n_channels;) {
        int64_t next = c + 1;
        while (next < n_channels && follows(elements + next * step, step))
            next++;
        const int64_t *at = elements + c * step;
        for (int64_t k = 0; k < step;) {
            int64_t end = piece_end(at, step, k);
            if (ranges != NULL)
                ranges[n] = (struct cop_range){
                    .channel = c, .n = next - c, .first = at[k], .each = end - k};
            n++;
            k = end;
        }
        c = next;
    }
    return n;
}

enum cop_status cop_group_ranges(
    const struct cop_groups *groups,
    const struct cop_group *group,
    int32_t member,
    struct cop_arena *arena,
    struct cop_range **ranges,
    int32_t *n,
    struct cop_err *err)
{
    int64_t step = group->members[member].step;
    const int64_t *elements = groups->elements[group->id][member];
    *n = list_ranges(elements, group->n_channels, step, NULL);
    *ranges = COP_ARENA_NEW_N(arena, *n, struct cop_range);
    if (*ranges == NULL) return COP_FAIL_NOMEM(err);
    (void)list_ranges(elements, group->n_channels, step, *ranges);
    return COP_OK;
}
