/* prune/view_impl.h - one value of a batch as channels by rows; only for prune/.
 *
 * Rows are samples times positions.  Of a large picture only every stride-th position is
 * used, always the same ones for the same shape. */
#ifndef COP_PRUNE_VIEW_IMPL_H
#define COP_PRUNE_VIEW_IMPL_H

#include "graph/tensor.h"

struct cop_view {
    const float *elements; /* [outer][n][positions] */
    int64_t outer;
    int64_t n; /* channels */
    int64_t positions;
    int64_t stride; /* every stride-th position is used */
};

/** @p block elements of @p axis are one channel. */
struct cop_view cop_view__make(
    const float *elements, const struct cop_shape *shape, int32_t axis, int64_t block);
int64_t cop_view__rows(const struct cop_view *view);
/** Rows [first, first + n) of one channel, less @p shift. */
void cop_view__pack(
    const struct cop_view *view,
    int64_t channel,
    float shift,
    int64_t first,
    int64_t n,
    float *packed);

#endif
