/* prune/taps.c - moments of patches: what a reader with a window sees, tap by tap.
 *
 * Rows are packed as for a refit (patches_impl.h), fewer of them. */
#include "prune/calibrate_impl.h"
#include "prune/reader_impl.h"

#include "base/mem.h"

enum {
    MOST_FEATURES =
        2304, /* 256 channels, 3 x 3; more would take longer than the network */
    ROWS_PER_FEATURE = 16,
    LEAST_ROWS = 1 << 14,
};

const struct cop_taps *cop_calibration__taps(
    const struct cop_calibration *calibration, const struct cop_reader *reader)
{
    for (int32_t i = 0; i < calibration->n_taps; i++) {
        if (calibration->taps[i].reader == reader) return &calibration->taps[i];
    }
    return NULL;
}

bool cop_taps__make(
    const struct cop_groups *groups,
    const struct cop_reader *reader,
    int64_t n_samples,
    struct cop_taps *taps)
{
    struct cop_reader_shape shape;
    int32_t axis = reader->linear.src_axis;
    if (reader->linear.strides[0] == 0 || reader->linear.g != 1 ||
        cop_reader__block(groups, reader->src, axis) != 1 ||
        !cop_reader__shape(reader, 1, &shape) || shape.taps == 1)
        return false;
    int64_t f = shape.rows * shape.taps;
    int64_t rows =
        ROWS_PER_FEATURE * f > LEAST_ROWS ? ROWS_PER_FEATURE * f : LEAST_ROWS;
    *taps = (struct cop_taps){
        .reader = reader,
        .n = shape.taps,
        .moments = {.value = reader->src, .axis = axis, .block = 1, .n = f},
    };
    return f <= MOST_FEATURES &&
           cop_patches__make(
               reader, shape.rows, (rows - 1) / n_samples + 1, &taps->patches);
}

static void take_off_shift(
    struct cop_moments *moments, float *packed, int64_t rows, bool is_first)
{
    for (int64_t i = 0; i < moments->n; i++) {
        float *row = packed + i * rows;
        double sum = 0.0;
        for (int64_t r = 0; r < rows; r++)
            sum += (double)row[r];
        if (is_first) moments->shift[i] = (float)(sum / (double)rows);
        for (int64_t r = 0; r < rows; r++)
            row[r] -= moments->shift[i];
        moments->mean[i] += sum - (double)rows * (double)moments->shift[i];
    }
}

enum cop_status cop_taps__add(
    struct cop_taps *taps, const float *src, int64_t n_samples, struct cop_err *err)
{
    struct cop_moments *moments = &taps->moments;
    int64_t n = moments->n;
    int64_t rows = n_samples * cop_patches__per_sample(&taps->patches);
    float *packed = cop_mem_array((size_t)(n * rows), sizeof *packed);
    float *product = cop_mem_array((size_t)(COP_MOMENTS_BAND * n), sizeof *product);
    enum cop_status status =
        packed != NULL && product != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    if (status == COP_OK) {
        cop_patches__pack(&taps->patches, src, n_samples, 0, packed);
        take_off_shift(moments, packed, rows, moments->count == 0);
    }
    if (status == COP_OK)
        status = cop_moments__multiply(moments, packed, rows, product, err);
    moments->count += rows;
    cop_mem_free(product);
    cop_mem_free(packed);
    return status;
}
