/* prune/merge.c - pictures of coloured noise; see merge.h. */
#include "prune/merge.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>

/* Variance that all channels of a picture share: photographs are mostly grey. */
static const double COMMON = 0.8;

/* The grid of one octave: one number every @p pitch pixels, and one beyond each border. */
struct octave {
    const double *grid;
    int64_t columns;
    int64_t pitch;
};

static double smooth(double t)
{
    return t * t * (3.0 - 2.0 * t);
}

/* Between the four nearest grid points, scaled to unit variance on average. */
static double octave_at(const struct octave *octave, int64_t y, int64_t x)
{
    double ty = smooth((double)(y % octave->pitch) / (double)octave->pitch);
    double tx = smooth((double)(x % octave->pitch) / (double)octave->pitch);
    const double *at =
        octave->grid + y / octave->pitch * octave->columns + x / octave->pitch;
    double weights[4] = {
        (1.0 - ty) * (1.0 - tx), (1.0 - ty) * tx, ty * (1.0 - tx), ty * tx};
    double value = weights[0] * at[0] + weights[1] * at[1] +
                   weights[2] * at[octave->columns] +
                   weights[3] * at[octave->columns + 1];
    double variance = 0.0;
    for (int i = 0; i < 4; i++)
        variance += weights[i] * weights[i];
    return value / sqrt(variance);
}

/* Adds one plane of noise of unit variance, times @p gain. */
static void add_plane(
    const struct cop_merge_pictures *pictures,
    struct cop_rng *rng,
    double gain,
    double *grid, /* room for (height + 2) * (width + 2) */
    float *plane)
{
    int64_t longest =
        pictures->height > pictures->width ? pictures->height : pictures->width;
    int n_octaves = 1;
    while (((int64_t)1 << n_octaves) < longest)
        n_octaves++;
    double share = gain / sqrt((double)n_octaves);
    for (int o = 0; o < n_octaves; o++) {
        struct octave octave = {.grid = grid, .pitch = (int64_t)1 << o};
        octave.columns = (pictures->width - 1) / octave.pitch + 2;
        int64_t rows = (pictures->height - 1) / octave.pitch + 2;
        for (int64_t i = 0; i < rows * octave.columns; i++)
            grid[i] = cop_rng_normal(rng);
        for (int64_t y = 0; y < pictures->height; y++) {
            for (int64_t x = 0; x < pictures->width; x++)
                plane[y * pictures->width + x] +=
                    (float)(share * octave_at(&octave, y, x));
        }
    }
}

static void draw(
    const struct cop_merge_pictures *pictures,
    uint64_t number,
    double *grid,
    float *common,
    float *picture)
{
    int64_t n = pictures->height * pictures->width;
    struct cop_rng rng;
    cop_rng_init_stream(&rng, pictures->seed, number);
    for (int64_t i = 0; i < n; i++)
        common[i] = 0.0F;
    add_plane(pictures, &rng, sqrt(COMMON), grid, common);
    for (int64_t c = 0; c < pictures->channels; c++) {
        int64_t k = c < COP_MERGE_CHANNELS ? c : COP_MERGE_CHANNELS - 1;
        float *plane = picture + c * n;
        for (int64_t i = 0; i < n; i++)
            plane[i] = common[i];
        add_plane(pictures, &rng, sqrt(1.0 - COMMON), grid, plane);
        for (int64_t i = 0; i < n; i++)
            plane[i] = pictures->mean[k] + pictures->deviation[k] * plane[i];
    }
}

static enum cop_status read_pictures(
    void *context, int64_t first, int64_t n, float *batch, struct cop_err *err)
{
    const struct cop_merge_pictures *pictures = context;
    size_t plane = (size_t)(pictures->height * pictures->width);
    size_t room = (size_t)((pictures->height + 2) * (pictures->width + 2));
    double *grid = cop_mem_array(room, sizeof *grid);
    float *common = cop_mem_array(plane, sizeof *common);
    enum cop_status status = COP_OK;
    if (grid == NULL || common == NULL) status = COP_FAIL_NOMEM(err);
    for (int64_t i = 0; i < n && status == COP_OK; i++)
        draw(
            pictures,
            (uint64_t)(first + i),
            grid,
            common,
            batch + (size_t)i * plane * (size_t)pictures->channels);
    cop_mem_free(common);
    cop_mem_free(grid);
    return status;
}

struct cop_sample_source cop_merge_source(
    struct cop_merge_pictures *pictures, int64_t n)
{
    return (struct cop_sample_source){
        .context = pictures, .n = n, .read = read_pictures};
}
