/* prune/view.c - see view_impl.h. */
#include "prune/view_impl.h"

#include "prune/reader_impl.h"

enum { MOST_POSITIONS = 1024 }; /* of one sample; more tell little that is new */

struct cop_view cop_view__make(
    const float *elements, const struct cop_shape *shape, int32_t axis, int64_t block)
{
    struct cop_view view = {
        .elements = elements,
        .outer = cop_shape_span(shape, 0, axis),
        .n = shape->dim[axis] / block,
        .positions = cop_shape_span(shape, axis + 1, shape->rank) * block,
        .stride = 1,
    };
    /* A stride without common factor walks over all columns of the picture. */
    while (view.positions / view.stride > MOST_POSITIONS ||
           cop_reader__gcd(view.stride, view.positions) != 1)
        view.stride++;
    return view;
}

static int64_t rows_per_sample(const struct cop_view *view)
{
    return (view->positions - 1) / view->stride + 1;
}

int64_t cop_view__rows(const struct cop_view *view)
{
    return view->outer * rows_per_sample(view);
}

void cop_view__pack(
    const struct cop_view *view,
    int64_t channel,
    float shift,
    int64_t first,
    int64_t n,
    float *packed)
{
    int64_t per_sample = rows_per_sample(view);
    int64_t outer = first / per_sample;
    int64_t row = first % per_sample;
    for (int64_t left = n; left > 0; outer++, row = 0) {
        const float *from =
            view->elements + (outer * view->n + channel) * view->positions;
        int64_t k = left < per_sample - row ? left : per_sample - row;
        for (int64_t i = 0; i < k; i++)
            packed[i] = from[(row + i) * view->stride] - shift;
        packed += k;
        left -= k;
    }
}
