/* prune/refit.c - see refit_impl.h.
 *
 * With Z the patches that the cut network feeds a reader, y the original's result, both
 * centred, and V the reader's present weights, the new ones are
 * V + (Z'Z + lambda mean(diag) I)^-1 (Z'y - Z'Z V): He et al. 2017 (arXiv 1707.06168),
 * asymmetric, so that errors made before the reader are seen and made good, and with the
 * ridge towards V.  Patches have zeros where the window leaves the picture, so borders
 * are right too. */
#include "prune/refit_impl.h"

#include "prune/fit_impl.h"
#include "prune/patches_impl.h"
#include "prune/probe_impl.h"
#include "prune/reader_impl.h"

#include "base/mem.h"

#include <cblas.h>
#include <lapacke.h>
#include <string.h>

static const double refit_ridge = 1e-2;
static const double scarce_rows = 16.0; /* rows per feature below which it grows */
enum {
    PACK_ROWS = 2048,     /* summed in single precision */
    MOST_FEATURES = 4608, /* a wider normal matrix would take more than 162 MiB */
};

/* One reader: sums over all rows until `finish`, then moments. */
struct fit {
    const struct cop_reader *was; /* in the original */
    struct cop_reader is;         /* in the cut network */
    struct cop_node *node;        /* likewise */
    struct cop_reader_shape shape;
    int64_t features; /* of one convolution group: rows * taps */
    int64_t *output;  /* [g * n_out]: output of the original */
    float *shift_z;   /* [g * features]: near the means */
    float *shift_y;   /* [g * n_out] */
    double *mean_z;
    double *mean_y;
    double *own;   /* [g][features][features]: Z'Z, lower part */
    double *cross; /* [g][features][n_out]: Z'y */
    double count;
};

struct stretch {
    struct fit *fits;
    int32_t n;
};

/* ---- moments ------------------------------------------------------------------------ */

static void sum_rows(const float *packed, int64_t n, int64_t k, double *sums)
{
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i < k; i++)
            sums[c] += (double)packed[c * k + i];
    }
}

static void set_shift(const float *packed, int64_t n, int64_t k, float *shift)
{
    for (int64_t c = 0; c < n; c++) {
        double sum = 0.0;
        for (int64_t i = 0; i < k; i++)
            sum += (double)packed[c * k + i];
        shift[c] = (float)(sum / (double)k);
    }
}

static void take_off(float *packed, int64_t n, int64_t k, const float *shift)
{
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i < k; i++)
            packed[c * k + i] -= shift[c];
    }
}

/* Adds k rows of one convolution group. */
static void add_rows(
    struct fit *fit,
    int64_t g,
    const float *z,
    const float *y,
    int64_t k,
    float *product)
{
    int64_t f = fit->features;
    int64_t n = fit->shape.n_out;
    double *own = fit->own + g * f * f;
    double *cross = fit->cross + g * f * n;
    cblas_ssyrk(
        CblasRowMajor,
        CblasLower,
        CblasNoTrans,
        (int)f,
        (int)k,
        1.0f,
        z,
        (int)k,
        0.0f,
        product,
        (int)f);
    for (int64_t r = 0; r < f; r++) {
        for (int64_t c = 0; c <= r; c++)
            own[r * f + c] += (double)product[r * f + c];
    }
    cblas_sgemm(
        CblasRowMajor,
        CblasNoTrans,
        CblasTrans,
        (int)f,
        (int)n,
        (int)k,
        1.0f,
        z,
        (int)k,
        y,
        (int)k,
        0.0f,
        product,
        (int)n);
    for (int64_t i = 0; i < f * n; i++)
        cross[i] += (double)product[i];
    sum_rows(z, f, k, fit->mean_z + g * f);
    sum_rows(y, n, k, fit->mean_y + g * n);
}

static void add_batch(struct fit *fit, const struct cop_patches *patches, float *work)
{
    int64_t f = fit->features;
    int64_t n = fit->shape.n_out;
    float *z = work;
    float *y = z + f * PACK_ROWS;
    float *product = y + n * PACK_ROWS;
    int64_t rows = cop_patches__rows(patches);
    bool is_first = !(fit->count > 0.0);
    for (int64_t first = 0; first < rows; first += PACK_ROWS) {
        int64_t k = rows - first < PACK_ROWS ? rows - first : PACK_ROWS;
        for (int64_t g = 0; g < fit->shape.g; g++) {
            float *shift_z = fit->shift_z + g * f;
            float *shift_y = fit->shift_y + g * n;
            cop_patches__pack(patches, g * fit->shape.rows, first, k, z);
            cop_patches__pack_results(patches, fit->output + g * n, n, first, k, y);
            if (is_first && first == 0) {
                set_shift(z, f, k, shift_z);
                set_shift(y, n, k, shift_y);
            }
            take_off(z, f, k, shift_z);
            take_off(y, n, k, shift_y);
            add_rows(fit, g, z, y, k, product);
        }
    }
    fit->count += (double)rows;
}

static enum cop_status visit(
    void *context, int32_t i, const struct cop_probe_value *values, struct cop_err *err)
{
    const struct stretch *stretch = context;
    struct fit *fit = &stretch->fits[i];
    struct cop_patches patches;
    if (!cop_patches__make(
            &fit->is, fit->shape.rows, &values[1], &values[0], fit->features, &patches))
        return COP_FAIL(
            err,
            COP_ESHAPE,
            "node '%s': source and result do not match",
            fit->node->name);
    size_t f = (size_t)fit->features;
    size_t n = (size_t)fit->shape.n_out;
    size_t widest = f > n ? f : n;
    float *work = cop_mem_array((f + n) * PACK_ROWS + f * widest, sizeof *work);
    if (work == NULL) return COP_FAIL_NOMEM(err);
    add_batch(fit, &patches, work);
    cop_mem_free(work);
    return COP_OK;
}

/* Sums become moments, centred if the reader has room for an intercept. */
static void finish(struct fit *fit, bool is_centred)
{
    int64_t f = fit->features;
    int64_t n = fit->shape.n_out;
    double count = fit->count;
    for (int64_t i = 0; i < fit->shape.g * f; i++)
        fit->mean_z[i] /= count;
    for (int64_t i = 0; i < fit->shape.g * n; i++)
        fit->mean_y[i] /= count;
    for (int64_t g = 0; g < fit->shape.g; g++) {
        double *own = fit->own + g * f * f;
        double *cross = fit->cross + g * f * n;
        double *z = fit->mean_z + g * f;
        double *y = fit->mean_y + g * n;
        const float *shift_z = fit->shift_z + g * f;
        const float *shift_y = fit->shift_y + g * n;
        for (int64_t r = 0; r < f; r++) {
            double z_r = z[r] + (double)shift_z[r];
            for (int64_t c = 0; c <= r; c++) {
                own[r * f + c] = own[r * f + c] / count - z[r] * z[c];
                if (!is_centred) own[r * f + c] += z_r * (z[c] + (double)shift_z[c]);
                own[c * f + r] = own[r * f + c];
            }
            for (int64_t c = 0; c < n; c++) {
                cross[r * n + c] = cross[r * n + c] / count - z[r] * y[c];
                if (!is_centred) cross[r * n + c] += z_r * (y[c] + (double)shift_y[c]);
            }
        }
        for (int64_t r = 0; r < f; r++)
            z[r] += (double)shift_z[r];
        for (int64_t c = 0; c < n; c++)
            y[c] += (double)shift_y[c];
    }
}

/* ---- solving ------------------------------------------------------------------------ */

/* Between matrices [rows][n_out * taps] and features [rows * taps][n_out]. */
static void to_features(
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

static void from_features(
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

/* weights: V on entry, the new ones on return; shift: the biases they need. */
static enum cop_status solve_group(
    struct fit *fit,
    int64_t g,
    double *weights,
    double *change,
    double *shift,
    struct cop_err *err)
{
    int64_t f = fit->features;
    int64_t n = fit->shape.n_out;
    double *own = fit->own + g * f * f;
    const double *z = fit->mean_z + g * f;
    memcpy(change, fit->cross + g * f * n, (size_t)(f * n) * sizeof *change);
    cblas_dgemm(
        CblasRowMajor,
        CblasNoTrans,
        CblasNoTrans,
        (int)f,
        (int)n,
        (int)f,
        -1.0,
        own,
        (int)f,
        weights,
        (int)n,
        1.0,
        change,
        (int)n);
    double mean = 0.0;
    for (int64_t r = 0; r < f; r++)
        mean += own[r * (f + 1)] / (double)f;
    double scarcity = 1.0 + scarce_rows * (double)f / fit->count;
    double ridge = mean > 0.0 ? refit_ridge * scarcity * mean : 1.0;
    for (int64_t r = 0; r < f; r++)
        own[r * (f + 1)] += ridge;
    int info = LAPACKE_dposv(
        LAPACK_ROW_MAJOR, 'L', (int)f, (int)n, own, (int)f, change, (int)n);
    if (info != 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the patches before '%s' have no positive definite moments",
            fit->node->name);
    for (int64_t o = 0; o < n; o++)
        shift[o] = fit->mean_y[g * n + o];
    for (int64_t r = 0; r < f; r++) {
        for (int64_t o = 0; o < n; o++) {
            weights[r * n + o] += change[r * n + o];
            shift[o] -= z[r] * weights[r * n + o];
        }
    }
    return COP_OK;
}

static enum cop_status solve(
    const struct cop_refit *refit, struct fit *fit, struct cop_err *err)
{
    const struct cop_reader_shape *shape = &fit->shape;
    int64_t per_group = fit->features * shape->n_out;
    enum cop_status status = COP_ENOMEM;
    double *matrix = cop_mem_array((size_t)(shape->g * per_group), sizeof *matrix);
    double *work = cop_mem_array((size_t)per_group * 2, sizeof *work);
    double *shift = cop_mem_array((size_t)(shape->g * shape->n_out), sizeof *shift);
    float *weights = cop_mem_array((size_t)(shape->g * per_group), sizeof *weights);
    if (matrix == NULL || work == NULL || shift == NULL || weights == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    status = COP_OK;
    finish(fit, cop_fit__has_bias(fit->node, &fit->is.linear));
    cop_reader__gather(&fit->is, shape, matrix);
    for (int64_t g = 0; g < shape->g && status == COP_OK; g++) {
        to_features(shape, matrix + g * per_group, work);
        status =
            solve_group(fit, g, work, work + per_group, shift + g * shape->n_out, err);
        if (status == COP_OK) from_features(shape, work, matrix + g * per_group);
    }
    if (status != COP_OK) goto done;
    cop_reader__scatter(&fit->is, shape, matrix, weights);
    status =
        cop_fit__replace(refit->small, fit->node, &fit->is.linear, weights, shift, err);
done:
    cop_mem_free(weights);
    cop_mem_free(shift);
    cop_mem_free(work);
    cop_mem_free(matrix);
    return status;
}

/* ---- a stretch ---------------------------------------------------------------------- */

static const struct cop_reader *find_reader(
    const struct cop_groups *groups, const struct cop_node *node)
{
    for (int32_t i = 0; i < groups->n_readers; i++) {
        if (groups->readers[i].node == node) return &groups->readers[i];
    }
    return NULL;
}

static enum cop_status reserve(
    const struct cop_refit *refit,
    struct fit *fit,
    struct cop_arena *arena,
    struct cop_err *err)
{
    int64_t g = fit->shape.g;
    int64_t f = fit->features;
    int64_t n = fit->shape.n_out;
    fit->output = COP_ARENA_NEW_N(arena, g * n, int64_t);
    fit->shift_z = COP_ARENA_NEW_N(arena, g * f, float);
    fit->shift_y = COP_ARENA_NEW_N(arena, g * n, float);
    fit->mean_z = COP_ARENA_NEW_N(arena, g * f, double);
    fit->mean_y = COP_ARENA_NEW_N(arena, g * n, double);
    fit->own = COP_ARENA_NEW_N(arena, g * f * f, double);
    fit->cross = COP_ARENA_NEW_N(arena, g * f * n, double);
    if (fit->output == NULL || fit->shift_z == NULL || fit->shift_y == NULL ||
        fit->mean_z == NULL || fit->mean_y == NULL || fit->own == NULL ||
        fit->cross == NULL)
        return COP_FAIL_NOMEM(err);
    const struct cop_value *dst = fit->was->node->dst[0];
    int32_t axis = fit->was->linear.dst_axis;
    int64_t at = 0;
    for (int64_t o = 0; o < dst->shape.dim[axis]; o++) {
        if (cop_cut__stays(refit->map, dst, axis, o) && at < g * n)
            fit->output[at++] = o;
    }
    return COP_OK;
}

/* Prepares one linear node if it can be refitted. */
static enum cop_status add_fit(
    const struct cop_refit *refit,
    const struct cop_node *node,
    struct stretch *stretch,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_reader *was = find_reader(refit->map->groups, node);
    if (was == NULL) return COP_OK;
    struct fit *fit = &stretch->fits[stretch->n];
    *fit =
        (struct fit){.was = was, .node = cop_graph_find_node(refit->small, node->name)};
    struct cop_reader *is = &fit->is;
    is->node = fit->node;
    if (!node->op->coupling->linear(fit->node, &is->linear)) return COP_OK;
    is->src = fit->node->src[is->linear.src_slot];
    is->weights = fit->node->src[is->linear.weights_slot];
    if (!cop_reader__shape(is, 1, &fit->shape)) return COP_OK;
    fit->features = fit->shape.rows * fit->shape.taps;
    bool has_window = is->linear.strides[0] > 0;
    if (fit->features > MOST_FEATURES || (fit->shape.taps > 1 && !has_window))
        return COP_OK;
    stretch->n++;
    return reserve(refit, fit, arena, err);
}

static enum cop_status measure_and_solve(
    const struct cop_refit *refit,
    struct stretch *stretch,
    struct cop_arena *arena,
    struct cop_err *err)
{
    const struct cop_value **was =
        COP_ARENA_NEW_N(arena, stretch->n, const struct cop_value *);
    const struct cop_value **is =
        COP_ARENA_NEW_N(arena, stretch->n, const struct cop_value *);
    if (was == NULL || is == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < stretch->n; i++) {
        was[i] = stretch->fits[i].was->node->dst[0];
        is[i] = stretch->fits[i].is.src;
    }
    const struct cop_probe probe = {
        .engine = refit->engine,
        .sides =
            {{.graph = refit->map->groups->graph, .values = was},
             {.graph = refit->small, .values = is}},
        .n_sides = 2,
        .n_values = stretch->n,
        .samples = refit->samples,
        .progress = refit->progress,
        .what = "refitting",
        .visit = visit,
        .context = stretch,
    };
    COP_TRY(cop_probe__run(&probe, err));
    for (int32_t i = 0; i < stretch->n; i++)
        COP_TRY(solve(refit, &stretch->fits[i], err));
    return COP_OK;
}

enum cop_status cop_refit__stretch(
    const struct cop_refit *refit, int32_t first, int32_t last, struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    struct stretch stretch = {.fits = COP_ARENA_NEW_N(arena, last - first, struct fit)};
    enum cop_status status = stretch.fits != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    for (int32_t i = first; i < last && status == COP_OK; i++)
        status =
            add_fit(refit, refit->calibration->spreads[i].node, &stretch, arena, err);
    if (status == COP_OK) status = measure_and_solve(refit, &stretch, arena, err);
    cop_arena_destroy(arena);
    return status;
}
