/* prune/score.c - see score.h.
 *
 * Reconstruction (optimal brain surgeon; OSSCAR, arXiv 2403.12983): with C the Gram of the
 * patches that a reader sees (of the source's channels, where patches were not measured),
 * H = C^-1 and M = W W^T the Gram of the readers' weight rows, giving up row c and refitting
 * the rest raises the readers' squared error by M_cc / H_cc, adds -H_kc / H_cc times row c
 * to row k of the weights, and takes H_c H_c^T / H_cc from H.  A channel is its taps, one
 * after the other.  One pass to the last channel gives the error at every width. */
#include "prune/score.h"

#include "prune/calibrate_impl.h"
#include "prune/reader_impl.h"
#include "prune/score_impl.h"

#include "base/mem.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double score_ridge = 1e-3; /* times the mean of the Gram's diagonal */

/* ---- reconstruction ----------------------------------------------------------------- */

/* The quadratic problem of all readers of one source, or of one reader and its patches.
 * Channels, or their taps, are rows; removed ones have left the first `n` places of
 * `row`. */
struct source {
    const struct cop_moments *moments;
    int64_t taps; /* rows per channel of the moments: more than 1 of patches */
    int64_t g;
    int64_t width;   /* rows: leading dimension of the matrices */
    double *inverse; /* H [width][width] */
    double *weights; /* M [width][width], readers in units of their output's energy */
    int64_t *row;    /* rows still there, in the order of the matrices */
    int64_t n;
    int64_t *elements; /* [group channels][per_channel]: rows of each */
    int64_t per_channel;
};

struct problem {
    struct source *sources;
    int32_t n_sources;
    int32_t n_readers;
};

/* The reader's weights as rows of the source, each output in the unit of its target, so
 * that what a normalisation behind makes small counts little.  *shape becomes that of the
 * rows; @p matrix has room for twice the weights, and its first half is filled. */
static void gather_rows(
    const struct source *source,
    const struct cop_reader *reader,
    const double *slopes,
    struct cop_reader_shape *shape,
    double *matrix)
{
    int64_t n = shape->g * shape->rows * shape->columns;
    int64_t per_out = shape->taps * shape->block;
    cop_reader__gather(reader, shape, matrix);
    for (int64_t i = 0; slopes != NULL && i < n; i++) {
        int64_t g = i / (shape->rows * shape->columns);
        matrix[i] *= slopes[g * shape->n_out + i % shape->columns / per_out];
    }
    if (source->taps == 1) return;
    memcpy(matrix + n, matrix, (size_t)n * sizeof *matrix);
    cop_reader__to_features(shape, matrix + n, matrix);
    shape->rows *= shape->taps;
    shape->columns = shape->n_out;
}

/* Adds W W^T of one reader, divided by the energy of its output. */
static enum cop_status add_reader(
    struct source *source,
    const struct cop_reader *reader,
    const double *slopes,
    struct cop_err *err)
{
    struct cop_reader_shape shape;
    if (!cop_reader__shape(reader, source->moments->block, &shape)) return COP_OK;
    int64_t width = source->width;
    int64_t n = shape.g * shape.rows * shape.columns;
    double *matrix = cop_mem_array((size_t)(2 * n), sizeof *matrix);
    double *product = cop_mem_array((size_t)(width * width), sizeof *product);
    if (matrix == NULL || product == NULL) {
        cop_mem_free(matrix);
        cop_mem_free(product);
        return COP_FAIL_NOMEM(err);
    }
    gather_rows(source, reader, slopes, &shape, matrix);
    double energy = 0.0;
    for (int64_t g = 0; g < shape.g; g++) {
        const double *rows = matrix + g * shape.rows * shape.columns;
        double *block = product + g * shape.rows * (width + 1);
        cblas_dgemm(
            CblasRowMajor,
            CblasNoTrans,
            CblasTrans,
            (int)shape.rows,
            (int)shape.rows,
            (int)shape.columns,
            1.0,
            rows,
            (int)shape.columns,
            rows,
            (int)shape.columns,
            0.0,
            block,
            (int)width);
    }
    for (int64_t i = 0; i < width * width; i++)
        energy += product[i] * source->moments->gram[i];
    double scale = energy > 0.0 ? 1.0 / energy : 0.0;
    for (int64_t i = 0; i < width * width; i++)
        source->weights[i] += scale * product[i];
    cop_mem_free(matrix);
    cop_mem_free(product);
    return COP_OK;
}

/* H: inverse of the Gram with ridge, one convolution group at a time. */
static enum cop_status invert_gram(struct source *source, struct cop_err *err)
{
    int64_t width = source->width;
    const double *gram = source->moments->gram;
    double mean = 0.0;
    for (int64_t c = 0; c < width; c++)
        mean += gram[c * width + c] / (double)width;
    double ridge = mean > 0.0 ? score_ridge * mean : 1.0;
    int64_t rows = width / source->g;
    for (int64_t g = 0; g < source->g; g++) {
        double *block = source->inverse + g * rows * (width + 1);
        const double *from = gram + g * rows * (width + 1);
        for (int64_t r = 0; r < rows; r++) {
            memcpy(block + r * width, from + r * width, (size_t)rows * sizeof *block);
            block[r * width + r] += ridge;
        }
        int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)rows, block, (int)width);
        if (info == 0)
            info = LAPACKE_dpotri(LAPACK_COL_MAJOR, 'U', (int)rows, block, (int)width);
        if (info != 0)
            return COP_FAIL(
                err,
                COP_EINVAL,
                "the moments of '%s' are not positive definite",
                source->moments->value->name);
        for (int64_t r = 0; r < rows; r++) { /* row-major: the lower part is filled */
            for (int64_t c = r + 1; c < rows; c++)
                block[r * width + c] = block[c * width + r];
        }
    }
    return COP_OK;
}

/* The rows of the source that each channel of the group owns. */
static enum cop_status find_rows(
    const struct cop_groups *groups,
    const struct cop_group *group,
    struct source *source,
    struct cop_arena *arena,
    struct cop_err *err)
{
    int32_t m = 0;
    while (group->members[m].value != source->moments->value ||
           group->members[m].axis != source->moments->axis)
        m++;
    int64_t block = source->moments->block;
    int64_t taps = source->taps;
    source->per_channel = group->members[m].step / block * taps;
    source->elements =
        COP_ARENA_NEW_N(arena, group->n_channels * source->per_channel, int64_t);
    source->row = COP_ARENA_NEW_N(arena, source->width, int64_t);
    if (source->elements == NULL || source->row == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t c = 0; c < group->n_channels; c++) {
        const int64_t *elements;
        int64_t n;
        cop_group_elements(groups, group, m, c, &elements, &n);
        for (int64_t k = 0; k < source->per_channel; k++)
            source->elements[c * source->per_channel + k] =
                elements[k / taps * block] / block * taps + k % taps;
    }
    for (int64_t r = 0; r < source->width; r++)
        source->row[r] = r;
    source->n = source->width;
    return COP_OK;
}

static bool has_member(const struct cop_group *group, const struct cop_reader *reader)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        if (group->members[m].value == reader->src &&
            group->members[m].axis == reader->linear.src_axis)
            return true;
    }
    return false;
}

static enum cop_status find_source(
    struct problem *problem,
    const struct cop_moments *moments,
    int64_t taps,
    int64_t g,
    struct cop_arena *arena,
    struct source **source,
    struct cop_err *err)
{
    for (int32_t s = 0; s < problem->n_sources; s++) {
        *source = &problem->sources[s];
        if ((*source)->moments == moments && (*source)->g == g) return COP_OK;
    }
    int64_t width = moments->n;
    *source = &problem->sources[problem->n_sources];
    **source = (struct source){
        .moments = moments,
        .taps = taps,
        .g = g,
        .width = width,
        .inverse = COP_ARENA_NEW_N(arena, width * width, double),
        .weights = COP_ARENA_NEW_N(arena, width * width, double),
    };
    if ((*source)->inverse == NULL || (*source)->weights == NULL)
        return COP_FAIL_NOMEM(err);
    problem->n_sources++;
    return COP_OK;
}

static enum cop_status pose_problem(
    const struct cop_groups *groups,
    const struct cop_group *group,
    const struct cop_calibration *calibration,
    struct cop_arena *arena,
    struct problem *problem,
    struct cop_err *err)
{
    problem->sources = COP_ARENA_NEW_N(arena, groups->n_readers, struct source);
    if (problem->sources == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < groups->n_readers; i++) {
        const struct cop_reader *reader = &groups->readers[i];
        if (!has_member(group, reader)) continue;
        const struct cop_taps *taps = cop_calibration__taps(calibration, reader);
        const struct cop_moments *moments =
            taps != NULL ? &taps->moments
                         : cop_calibration__moments(
                               calibration, reader->src, reader->linear.src_axis);
        if (moments == NULL) continue;
        struct source *source;
        COP_TRY(find_source(
            problem,
            moments,
            taps != NULL ? taps->n : 1,
            reader->linear.g,
            arena,
            &source,
            err));
        COP_TRY(add_reader(
            source, reader, cop_calibration__slopes(calibration, reader), err));
        problem->n_readers++;
    }
    for (int32_t s = 0; s < problem->n_sources; s++) {
        COP_TRY(invert_gram(&problem->sources[s], err));
        COP_TRY(find_rows(groups, group, &problem->sources[s], arena, err));
    }
    return COP_OK;
}

/* What giving up one row costs now. */
static double row_cost(const struct source *source, int64_t row)
{
    int64_t at = row * (source->width + 1);
    return source->inverse[at] > 0.0 ? source->weights[at] / source->inverse[at] : 0.0;
}

/* Gives up one row: folds its weights into the others and leaves the inverse of the
 * smaller Gram. */
static void remove_row(struct source *source, int64_t row)
{
    int64_t width = source->width;
    const double *h = source->inverse + row * width;
    const double *m = source->weights + row * width;
    double pivot = h[row];
    double own = m[row];
    int64_t kept = 0;
    for (int64_t i = 0; i < source->n; i++) {
        if (source->row[i] != row) source->row[kept++] = source->row[i];
    }
    source->n = kept;
    if (pivot <= 0.0) return;
    for (int64_t i = 0; i < kept; i++) {
        int64_t r = source->row[i];
        double beta = -h[r] / pivot;
        double *to_m = source->weights + r * width;
        double *to_h = source->inverse + r * width;
        double m_r = m[r] + beta * own;
        if (beta == 0.0 && m[r] == 0.0) continue;
        for (int64_t j = 0; j < kept; j++) {
            int64_t c = source->row[j];
            to_m[c] += beta * m[c] - h[c] / pivot * m_r;
            to_h[c] += beta * h[c];
        }
    }
}

/* The joint cost of all rows of one channel: they go one after the other.  Exact for one
 * row; for several tr(M_SS H_SS^-1). */
static double channel_cost(
    const struct source *source, int64_t channel, double *scratch)
{
    int64_t n = source->per_channel;
    const int64_t *rows = source->elements + channel * n;
    if (n == 1) return row_cost(source, rows[0]);
    double *h = scratch;
    double *m = scratch + n * n;
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < n; b++) {
            h[a * n + b] = source->inverse[rows[a] * source->width + rows[b]];
            m[a * n + b] = source->weights[rows[a] * source->width + rows[b]];
        }
    }
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)n, h, (int)n) != 0) return 0.0;
    if (LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'U', (int)n, (int)n, h, (int)n, m, (int)n) !=
        0)
        return 0.0;
    double cost = 0.0;
    for (int64_t a = 0; a < n; a++)
        cost += m[a * (n + 1)];
    return cost;
}

static void walk(
    struct problem *problem,
    int64_t n_channels,
    double *scratch,
    uint8_t *is_gone,
    struct cop_score *order)
{
    double lost = 0.0;
    for (int64_t i = 0; i < n_channels; i++) {
        int64_t best = -1;
        double least = INFINITY;
        for (int64_t c = 0; c < n_channels; c++) {
            if (is_gone[c]) continue;
            double cost = 0.0;
            for (int32_t s = 0; s < problem->n_sources; s++)
                cost += channel_cost(&problem->sources[s], c, scratch);
            if (best < 0 || cost < least) {
                least = cost;
                best = c;
            }
        }
        is_gone[best] = 1;
        for (int32_t s = 0; s < problem->n_sources; s++) {
            struct source *source = &problem->sources[s];
            for (int64_t k = 0; k < source->per_channel; k++)
                remove_row(source, source->elements[best * source->per_channel + k]);
        }
        lost += least;
        order[i] = (struct cop_score){
            .channel = best,
            .score = least,
            .error_left = lost / (double)problem->n_readers,
        };
    }
}

static enum cop_status score_reconstruction(
    const struct cop_groups *groups,
    const struct cop_group *group,
    const struct cop_calibration *calibration,
    struct cop_arena *arena,
    struct cop_score *order,
    struct cop_err *err)
{
    struct problem problem = {0};
    COP_TRY(pose_problem(groups, group, calibration, arena, &problem, err));
    if (problem.n_readers == 0) { /* nobody to ask: the share of the weights' norm */
        cop_score__magnitude(groups, group, order);
        cop_score__rank(order, group->n_channels);
        return COP_OK;
    }
    int64_t most = 1;
    for (int32_t s = 0; s < problem.n_sources; s++) {
        if (problem.sources[s].per_channel > most)
            most = problem.sources[s].per_channel;
    }
    double *scratch = COP_ARENA_NEW_N(arena, 2 * most * most, double);
    uint8_t *is_gone = COP_ARENA_NEW_N(arena, group->n_channels, uint8_t);
    if (scratch == NULL || is_gone == NULL) return COP_FAIL_NOMEM(err);
    walk(&problem, group->n_channels, scratch, is_gone, order);
    return COP_OK;
}

bool cop_score_needs_gradients(enum cop_score_method method)
{
    return method == COP_SCORE_TAYLOR || method == COP_SCORE_FISHER;
}

/* Scores that were measured for all groups at once. */
static void take_over(
    const struct cop_group *group, const double *scores, struct cop_score *order)
{
    for (int64_t c = 0; c < group->n_channels; c++)
        order[c] = (struct cop_score){.channel = c, .score = scores[c]};
}

static enum cop_status score_in(
    const struct cop_groups *groups,
    const struct cop_group *group,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    struct cop_arena *arena,
    struct cop_score *order,
    struct cop_err *err)
{
    switch (method) {
    case COP_SCORE_RECONSTRUCTION:
        return score_reconstruction(
            groups, group, ground->calibration, arena, order, err);
    case COP_SCORE_MAGNITUDE: cop_score__magnitude(groups, group, order); break;
    case COP_SCORE_FPGM:
        COP_TRY(cop_score__fpgm(groups, group, arena, order, err));
        break;
    case COP_SCORE_TAYLOR:
        take_over(group, ground->saliency->taylor[group->id], order);
        break;
    case COP_SCORE_FISHER:
        take_over(group, ground->saliency->fisher[group->id], order);
        break;
    }
    cop_score__rank(order, group->n_channels);
    return COP_OK;
}

enum cop_status cop_score_group(
    const struct cop_groups *groups,
    const struct cop_group *group,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    struct cop_score *order,
    struct cop_err *err)
{
    bool lacks_gradients =
        cop_score_needs_gradients(method) &&
        (ground->saliency == NULL || ground->saliency->taylor[group->id] == NULL);
    if (method == COP_SCORE_RECONSTRUCTION && ground->calibration == NULL)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "scoring '%s' by reconstruction needs a calibration",
            group->name);
    if (lacks_gradients)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "scoring '%s' by %s needs gradients",
            group->name,
            cop_score_method_name(method));
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = score_in(groups, group, method, ground, arena, order, err);
    cop_arena_destroy(arena);
    return status;
}

enum cop_status cop_score_all(
    const struct cop_groups *groups,
    enum cop_score_method method,
    const struct cop_score_ground *ground,
    const struct cop_progress *progress,
    struct cop_arena *arena,
    const struct cop_score *const **orders,
    struct cop_err *err)
{
    int32_t n = cop_groups_n(groups);
    const struct cop_score **made = COP_ARENA_NEW_N(arena, n, const struct cop_score *);
    if (made == NULL) return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        COP_TRY(cop_progress_check(progress, err));
        const struct cop_group *group = cop_groups_at(groups, i);
        if (group->frozen_because == NULL) {
            struct cop_score *order =
                COP_ARENA_NEW_N(arena, group->n_channels, struct cop_score);
            if (order == NULL) return COP_FAIL_NOMEM(err);
            COP_TRY(cop_score_group(groups, group, method, ground, order, err));
            made[i] = order;
        }
        cop_progress_step(progress, "score groups", i + 1, n);
    }
    *orders = made;
    return COP_OK;
}

static const char *const method_names[] = {
    [COP_SCORE_MAGNITUDE] = "magnitude",
    [COP_SCORE_RECONSTRUCTION] = "reconstruction",
    [COP_SCORE_TAYLOR] = "taylor",
    [COP_SCORE_FISHER] = "fisher",
    [COP_SCORE_FPGM] = "fpgm",
};

const char *cop_score_method_name(enum cop_score_method method)
{
    size_t n = sizeof method_names / sizeof *method_names;
    return (size_t)method < n ? method_names[method] : NULL;
}

enum cop_status cop_score_method_parse(
    const char *name, enum cop_score_method *method, struct cop_err *err)
{
    char known[120] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof method_names / sizeof *method_names; i++) {
        if (strcmp(name, method_names[i]) == 0) {
            *method = (enum cop_score_method)i;
            return COP_OK;
        }
        int wrote = snprintf(
            known + used,
            sizeof known - used,
            "%s%s",
            i > 0 ? ", " : "",
            method_names[i]);
        if (wrote > 0 && (size_t)wrote < sizeof known - used) used += (size_t)wrote;
    }
    return COP_FAIL(
        err, COP_EINVAL, "no score is called '%.40s'; there are: %s", name, known);
}
