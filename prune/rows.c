/* prune/rows.c - see rows_impl.h. */
#include "prune/rows_impl.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/product.h"

enum { SMALL_TILE = 64, LARGE_TILE = 256, SMALL = 1024 };

int64_t cop_rows__n_blocks(const struct cop_rows *rows)
{
    return (rows->n_rows + rows->block_rows - 1) / rows->block_rows;
}

int64_t cop_rows__in_block(const struct cop_rows *rows, int64_t b)
{
    int64_t left = rows->n_rows - b * rows->block_rows;
    return left < rows->block_rows ? left : rows->block_rows;
}

/* What the bodies of parallel loops share. */
struct product {
    const struct cop_rows *x;
    const struct cop_rows *y;
    double *result;
    const double *mean;
    int64_t tile;
};

static enum cop_status mean_of(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct product *product = context;
    const struct cop_rows *x = product->x;
    double sum = 0.0;
    for (int64_t b = 0; b < cop_rows__n_blocks(x); b++) {
        int64_t k = cop_rows__in_block(x, b);
        const float *row = x->elements + b * x->stride + i * k;
        for (int64_t r = 0; r < k; r++)
            sum += (double)row[r];
    }
    product->result[i] = sum / (double)x->n_rows;
    return COP_OK;
}

enum cop_status cop_rows__means(
    const struct cop_rows *rows, double *mean, struct cop_err *err)
{
    struct product product = {.x = rows, .result = mean};
    return cop_par_for(rows->n, mean_of, &product, err);
}

static enum cop_status take_off(void *context, int64_t i, struct cop_err *err)
{
    (void)err;
    const struct product *product = context;
    const struct cop_rows *x = product->x;
    float mean = (float)product->mean[i];
    for (int64_t b = 0; b < cop_rows__n_blocks(x); b++) {
        int64_t k = cop_rows__in_block(x, b);
        float *row = x->elements + b * x->stride + i * k;
        for (int64_t r = 0; r < k; r++)
            row[r] -= mean;
    }
    return COP_OK;
}

enum cop_status cop_rows__take_off(
    const struct cop_rows *rows, const double *mean, struct cop_err *err)
{
    struct product product = {.x = rows, .mean = mean};
    return cop_par_for(rows->n, take_off, &product, err);
}

/* Adds up rows [r0, r0 + rn) by columns [c0, c0 + cn) of X'Y over all blocks. */
static enum cop_status add_tile(
    const struct product *product,
    int64_t r0,
    int64_t rn,
    int64_t c0,
    int64_t cn,
    struct cop_err *err)
{
    const struct cop_rows *x = product->x;
    const struct cop_rows *y = product->y;
    float *part = cop_mem_array((size_t)(rn * cn), sizeof *part);
    double *sum = cop_mem_array((size_t)(rn * cn), sizeof *sum);
    enum cop_status status = part != NULL && sum != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    for (int64_t b = 0; b < cop_rows__n_blocks(x) && status == COP_OK; b++) {
        int64_t k = cop_rows__in_block(x, b);
        status = cop_product_nt(
            rn,
            cn,
            k,
            x->elements + b * x->stride + r0 * k,
            y->elements + b * y->stride + c0 * k,
            part,
            err);
        for (int64_t i = 0; i < rn * cn; i++)
            sum[i] += (double)part[i];
    }
    for (int64_t r = 0; r < rn && status == COP_OK; r++) {
        for (int64_t c = 0; c < cn; c++)
            product->result[(r0 + r) * y->n + c0 + c] =
                sum[r * cn + c] / (double)x->n_rows;
    }
    cop_mem_free(sum);
    cop_mem_free(part);
    return status;
}

/* Tile i of the lower half: rows of tiles of growing length. */
static enum cop_status gram_tile(void *context, int64_t i, struct cop_err *err)
{
    const struct product *product = context;
    int64_t row = 0;
    while ((row + 1) * (row + 2) / 2 <= i)
        row++;
    int64_t column = i - row * (row + 1) / 2;
    int64_t n = product->x->n;
    int64_t r0 = row * product->tile;
    int64_t c0 = column * product->tile;
    int64_t rn = n - r0 < product->tile ? n - r0 : product->tile;
    int64_t cn = n - c0 < product->tile ? n - c0 : product->tile;
    return add_tile(product, r0, rn, c0, cn, err);
}

enum cop_status cop_rows__gram(
    const struct cop_rows *rows, double *gram, struct cop_err *err)
{
    int64_t n = rows->n;
    struct product product = {
        .x = rows,
        .y = rows,
        .result = gram,
        .tile = n < SMALL ? SMALL_TILE : LARGE_TILE};
    int64_t tiles = (n + product.tile - 1) / product.tile;
    COP_TRY(cop_par_for(tiles * (tiles + 1) / 2, gram_tile, &product, err));
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c < r; c++)
            gram[c * n + r] = gram[r * n + c];
    }
    return COP_OK;
}

static enum cop_status cross_tile(void *context, int64_t i, struct cop_err *err)
{
    const struct product *product = context;
    int64_t r0 = i * product->tile;
    int64_t left = product->x->n - r0;
    int64_t rn = left < product->tile ? left : product->tile;
    return add_tile(product, r0, rn, 0, product->y->n, err);
}

enum cop_status cop_rows__cross(
    const struct cop_rows *x,
    const struct cop_rows *y,
    double *cross,
    struct cop_err *err)
{
    struct product product = {
        .x = x,
        .y = y,
        .result = cross,
        .tile = x->n < SMALL ? SMALL_TILE : LARGE_TILE};
    int64_t tiles = (x->n + product.tile - 1) / product.tile;
    return cop_par_for(tiles, cross_tile, &product, err);
}
