/* prune/reader.c - between the weights of a linear reader and matrices. */
#include "prune/reader_impl.h"

#include "base/mem.h"

int64_t cop_reader__gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The group and channel of an element as one number; -1 when it has none. */
static int64_t class_at(
    const struct cop_groups *groups,
    const struct cop_value *src,
    int32_t axis,
    int64_t element)
{
    int32_t group = 0;
    int32_t channel = 0;
    if (!cop_groups__find(groups, src, axis, element, &group, &channel)) return -1;
    return ((int64_t)group << 32) | channel;
}

int64_t cop_reader__block(
    const struct cop_groups *groups, const struct cop_value *src, int32_t axis)
{
    int64_t n = src->shape.dim[axis];
    int64_t block = n;
    int64_t start = 0;
    for (int64_t i = 1; i <= n; i++) {
        int64_t before = class_at(groups, src, axis, i - 1);
        if (i < n && before >= 0 && class_at(groups, src, axis, i) == before) continue;
        block = cop_reader__gcd(block, i - start);
        start = i;
    }
    return block > 0 ? block : 1;
}

bool cop_reader__shape(
    const struct cop_reader *reader, int64_t block, struct cop_reader_shape *shape)
{
    const struct cop_shape *weights = &reader->weights->shape;
    int64_t n_in = weights->dim[reader->linear.in_axis];
    if (n_in % block != 0) return false;
    shape->g = reader->linear.g;
    shape->block = block;
    shape->rows = n_in / block;
    shape->n_channels = shape->rows * shape->g;
    shape->n_out = weights->dim[reader->linear.out_axis] / shape->g;
    shape->taps = cop_shape_n(weights) / n_in / weights->dim[reader->linear.out_axis];
    shape->columns = shape->n_out * shape->taps * shape->block;
    return true;
}

/* Where element @p i of the weights lies in the matrices. */
static int64_t matrix_index(
    const struct cop_reader *reader, const struct cop_reader_shape *shape, int64_t i)
{
    const struct cop_shape *weights = &reader->weights->shape;
    int64_t in = 0;
    int64_t out = 0;
    int64_t tap = 0;
    int64_t tap_scale = 1;
    for (int32_t axis = weights->rank - 1; axis >= 0; axis--) {
        int64_t at = i % weights->dim[axis];
        i /= weights->dim[axis];
        if (axis == reader->linear.in_axis) {
            in = at;
        } else if (axis == reader->linear.out_axis) {
            out = at;
        } else {
            tap += at * tap_scale;
            tap_scale *= weights->dim[axis];
        }
    }
    int64_t group = out / shape->n_out;
    int64_t column = ((out % shape->n_out) * shape->taps + tap) * shape->block;
    return (group * shape->rows + in / shape->block) * shape->columns + column +
           in % shape->block;
}

void cop_reader__gather(
    const struct cop_reader *reader,
    const struct cop_reader_shape *shape,
    double *matrix)
{
    const void *weights = cop_buf_data(reader->weights->data);
    int64_t n = cop_shape_n(&reader->weights->shape);
    for (int64_t i = 0; i < n; i++)
        matrix[matrix_index(reader, shape, i)] = (double)cop_f32_at(weights, i);
}

void cop_reader__scatter(
    const struct cop_reader *reader,
    const struct cop_reader_shape *shape,
    const double *matrix,
    float *weights)
{
    int64_t n = cop_shape_n(&reader->weights->shape);
    for (int64_t i = 0; i < n; i++)
        weights[i] = (float)matrix[matrix_index(reader, shape, i)];
}

void cop_reader__to_features(
    const struct cop_reader_shape *shape, const double *matrix, double *weights)
{
    for (int64_t r = 0; r < shape->rows; r++) {
        for (int64_t o = 0; o < shape->n_out; o++) {
            for (int64_t t = 0; t < shape->taps; t++)
                weights[(r * shape->taps + t) * shape->n_out + o] =
                    matrix[(r * shape->n_out + o) * shape->taps + t];
        }
    }
}

void cop_reader__from_features(
    const struct cop_reader_shape *shape, const double *weights, double *matrix)
{
    for (int64_t r = 0; r < shape->rows; r++) {
        for (int64_t o = 0; o < shape->n_out; o++) {
            for (int64_t t = 0; t < shape->taps; t++)
                matrix[(r * shape->n_out + o) * shape->taps + t] =
                    weights[(r * shape->taps + t) * shape->n_out + o];
        }
    }
}
