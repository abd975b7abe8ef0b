/* prune/score_reconstruct.c - what the readers of a group cannot make up for.
 *
 * The quadratic problem of optimal brain surgeon (surgeon_impl.h) over the patches that a
 * reader sees, or over the source's channels where patches were not measured.  Rows that the
 * group does not own stay, so that of H and M only the group's own part is needed; H, of the
 * whole source, is shared by the groups that read it and lives until the last of them. */
#include "prune/calibrate_impl.h"
#include "prune/reader_impl.h"
#include "prune/score_impl.h"
#include "prune/surgeon_impl.h"

#include "base/mem.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

static const double score_ridge = 1e-3; /* times the mean of the Gram's diagonal */

/* Moments with the convolution groups of who reads them. */
struct source {
    const struct cop_moments *moments;
    int64_t taps; /* rows per channel of the moments: more than 1 of patches */
    int64_t g;
    int32_t n_left;  /* groups that will still ask */
    double *inverse; /* H [n][n]; NULL: nobody has asked yet */
};

struct cop_reconstruction {
    const struct cop_groups *groups;
    const struct cop_calibration *calibration;
    struct source *sources;
    int32_t n_sources;
    int32_t *source_of; /* by reader; -1: not measured */
    double *energy;     /* by reader, of its output; negative: not known yet */
};

/* One source as one group sees it. */
struct part {
    struct source *source;
    int64_t *rows; /* [n]: of the source, channel by channel of the group */
    int64_t n;
    struct cop_surgeon surgeon;
};

static bool is_read(const struct cop_group *group, const struct cop_reader *reader)
{
    for (int32_t m = 0; m < group->n_members; m++) {
        if (group->members[m].value == reader->src &&
            group->members[m].axis == reader->linear.src_axis)
            return true;
    }
    return false;
}

/* ---- sources ------------------------------------------------------------------------ */

static void add_source(struct cop_reconstruction *r, int32_t i)
{
    const struct cop_reader *reader = &r->groups->readers[i];
    const struct cop_taps *taps = cop_calibration__taps(r->calibration, reader);
    const struct cop_moments *moments =
        taps != NULL ? &taps->moments
                     : cop_calibration__moments(
                           r->calibration, reader->src, reader->linear.src_axis);
    struct cop_reader_shape shape;
    r->source_of[i] = -1;
    r->energy[i] = -1.0;
    if (moments == NULL || !cop_reader__shape(reader, moments->block, &shape)) return;
    int32_t s = 0;
    while (s < r->n_sources &&
           (r->sources[s].moments != moments || r->sources[s].g != reader->linear.g))
        s++;
    r->source_of[i] = s;
    if (s < r->n_sources) return;
    r->sources[r->n_sources++] = (struct source){
        .moments = moments, .taps = taps != NULL ? taps->n : 1, .g = reader->linear.g};
}

/* True if a reader of the group reads that source. */
static bool has_source(
    const struct cop_reconstruction *r, const struct cop_group *group, int32_t s)
{
    for (int32_t i = 0; i < r->groups->n_readers; i++) {
        if (r->source_of[i] == s && is_read(group, &r->groups->readers[i])) return true;
    }
    return false;
}

enum cop_status cop_reconstruction__create(
    const struct cop_groups *groups,
    const struct cop_calibration *calibration,
    struct cop_arena *arena,
    struct cop_reconstruction **reconstruction,
    struct cop_err *err)
{
    struct cop_reconstruction *r = COP_ARENA_NEW(arena, struct cop_reconstruction);
    if (r == NULL) return COP_FAIL_NOMEM(err);
    r->groups = groups;
    r->calibration = calibration;
    r->sources = COP_ARENA_NEW_N(arena, groups->n_readers, struct source);
    r->source_of = COP_ARENA_NEW_N(arena, groups->n_readers, int32_t);
    r->energy = COP_ARENA_NEW_N(arena, groups->n_readers, double);
    if (r->sources == NULL || r->source_of == NULL || r->energy == NULL)
        return COP_FAIL_NOMEM(err);
    for (int32_t i = 0; i < groups->n_readers; i++)
        add_source(r, i);
    for (int32_t s = 0; s < r->n_sources; s++) {
        for (int32_t g = 0; g < groups->n; g++) {
            const struct cop_group *group = &groups->groups[g];
            if (group->frozen_because == NULL && has_source(r, group, s))
                r->sources[s].n_left++;
        }
    }
    *reconstruction = r;
    return COP_OK;
}

static void drop_inverse(struct source *source)
{
    cop_mem_free(source->inverse);
    source->inverse = NULL;
}

void cop_reconstruction__destroy(struct cop_reconstruction *reconstruction)
{
    for (int32_t s = 0; reconstruction != NULL && s < reconstruction->n_sources; s++)
        drop_inverse(&reconstruction->sources[s]);
}

/* H: inverse of the Gram with ridge, one convolution group at a time. */
static enum cop_status invert_gram(struct source *source, struct cop_err *err)
{
    int64_t width = source->moments->n;
    const double *gram = source->moments->gram;
    double mean = 0.0;
    if (source->inverse != NULL) return COP_OK;
    source->inverse = cop_mem_array((size_t)(width * width), sizeof *source->inverse);
    if (source->inverse == NULL) return COP_FAIL_NOMEM(err);
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
        if (info != 0) {
            drop_inverse(source);
            return COP_FAIL(
                err,
                COP_EINVAL,
                "the moments of '%s' are not positive definite",
                source->moments->value->name);
        }
        for (int64_t r = 0; r < rows; r++) { /* row-major: the lower part is filled */
            for (int64_t c = r + 1; c < rows; c++)
                block[r * width + c] = block[c * width + r];
        }
    }
    return COP_OK;
}

/* ---- readers ------------------------------------------------------------------------ */

/* The reader's weights as rows of the source [g][rows][columns], each output in the unit of
 * its target, so that what a normalisation behind makes small counts little; freed by the
 * caller, NULL without memory. */
static double *gather_rows(
    const struct cop_reconstruction *r,
    const struct source *source,
    int32_t reader,
    struct cop_reader_shape *shape)
{
    const struct cop_reader *is = &r->groups->readers[reader];
    const double *slopes = cop_calibration__slopes(r->calibration, is);
    cop_reader__shape(is, source->moments->block, shape);
    int64_t n = shape->g * shape->rows * shape->columns;
    int64_t per_out = shape->taps * shape->block;
    double *plain = cop_mem_array((size_t)n, sizeof *plain);
    if (plain == NULL) return NULL;
    cop_reader__gather(is, shape, plain);
    for (int64_t i = 0; slopes != NULL && i < n; i++) {
        int64_t g = i / (shape->rows * shape->columns);
        plain[i] *= slopes[g * shape->n_out + i % shape->columns / per_out];
    }
    if (source->taps == 1) return plain;
    double *by_tap = cop_mem_array((size_t)n, sizeof *by_tap);
    if (by_tap != NULL) cop_reader__to_features(shape, plain, by_tap);
    cop_mem_free(plain);
    shape->rows *= shape->taps;
    shape->columns = shape->n_out;
    return by_tap;
}

/* Lower half of W W' into @p product [n][n]. */
static void square(const double *rows, int64_t n, int64_t columns, double *product)
{
    cblas_dsyrk(
        CblasRowMajor,
        CblasLower,
        CblasNoTrans,
        (int)n,
        (int)columns,
        1.0,
        rows,
        (int)columns,
        0.0,
        product,
        (int)n);
}

/* tr(W' C W): what the reader's output varies by in all. */
static enum cop_status find_energy(
    struct cop_reconstruction *r,
    const struct source *source,
    int32_t reader,
    const struct cop_reader_shape *shape,
    const double *weights,
    struct cop_err *err)
{
    int64_t n = shape->rows;
    int64_t width = source->moments->n;
    if (r->energy[reader] >= 0.0) return COP_OK;
    double *product = cop_mem_array((size_t)(n * n), sizeof *product);
    if (product == NULL) return COP_FAIL_NOMEM(err);
    double energy = 0.0;
    for (int64_t g = 0; g < shape->g; g++) {
        const double *gram = source->moments->gram + g * n * (width + 1);
        square(weights + g * n * shape->columns, n, shape->columns, product);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t k = 0; k <= i; k++)
                energy +=
                    (k < i ? 2.0 : 1.0) * product[i * n + k] * gram[i * width + k];
        }
    }
    r->energy[reader] = energy > 0.0 ? energy : 0.0;
    cop_mem_free(product);
    return COP_OK;
}

/* ---- one group ------------------------------------------------------------------------ */

/* The rows of the source that each channel of the group owns. */
static enum cop_status find_rows(
    const struct cop_reconstruction *r,
    const struct cop_group *group,
    struct cop_arena *arena,
    struct part *part,
    struct cop_err *err)
{
    const struct cop_moments *moments = part->source->moments;
    int64_t block = moments->block;
    int64_t taps = part->source->taps;
    int32_t m = 0;
    while (group->members[m].value != moments->value ||
           group->members[m].axis != moments->axis)
        m++;
    int64_t per_channel = group->members[m].step / block * taps;
    part->n = group->n_channels * per_channel;
    part->rows = COP_ARENA_NEW_N(arena, part->n, int64_t);
    if (part->rows == NULL) return COP_FAIL_NOMEM(err);
    for (int64_t c = 0; c < group->n_channels; c++) {
        const int64_t *elements;
        int64_t n;
        cop_group_elements(r->groups, group, m, c, &elements, &n);
        for (int64_t k = 0; k < per_channel; k++)
            part->rows[c * per_channel + k] =
                elements[k / taps * block] / block * taps + k % taps;
    }
    return cop_surgeon__create(
        group->n_channels, per_channel, arena, &part->surgeon, err);
}

/* Adds the group's part of W W' of one reader, divided by the energy of its output. */
static enum cop_status add_weights(
    const struct part *part,
    const struct cop_reader_shape *shape,
    const double *weights,
    double energy,
    struct cop_err *err)
{
    int64_t columns = shape->columns;
    int64_t *at = cop_mem_array((size_t)part->n, sizeof *at);
    double *own = cop_mem_array((size_t)(part->n * columns), sizeof *own);
    double *product = cop_mem_array((size_t)(part->n * part->n), sizeof *product);
    enum cop_status status =
        at != NULL && own != NULL && product != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    double scale = energy > 0.0 ? 1.0 / energy : 0.0;
    for (int64_t g = 0; g < shape->g && status == COP_OK; g++) {
        int64_t n = 0;
        for (int64_t i = 0; i < part->n; i++) {
            int64_t row = part->rows[i];
            if (row / shape->rows != g) continue;
            memcpy(
                own + n * columns,
                weights + row * columns,
                (size_t)columns * sizeof *own);
            at[n++] = i;
        }
        if (n == 0) continue;
        square(own, n, columns, product);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t k = 0; k <= i; k++) {
                double more = scale * product[i * n + k];
                part->surgeon.m[at[i] * part->n + at[k]] += more;
                if (k < i) part->surgeon.m[at[k] * part->n + at[i]] += more;
            }
        }
    }
    cop_mem_free(product);
    cop_mem_free(own);
    cop_mem_free(at);
    return status;
}

static enum cop_status add_reader(
    struct cop_reconstruction *r,
    const struct part *part,
    int32_t reader,
    struct cop_err *err)
{
    struct cop_reader_shape shape;
    double *weights = gather_rows(r, part->source, reader, &shape);
    if (weights == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = find_energy(r, part->source, reader, &shape, weights, err);
    if (status == COP_OK)
        status = add_weights(part, &shape, weights, r->energy[reader], err);
    cop_mem_free(weights);
    return status;
}

static enum cop_status pose_part(
    const struct cop_reconstruction *r,
    const struct cop_group *group,
    struct source *source,
    struct cop_arena *arena,
    struct part *part,
    struct cop_err *err)
{
    int64_t width = source->moments->n;
    *part = (struct part){.source = source};
    COP_TRY(find_rows(r, group, arena, part, err));
    COP_TRY(invert_gram(source, err));
    for (int64_t i = 0; i < part->n; i++) {
        const double *row = source->inverse + part->rows[i] * width;
        for (int64_t k = 0; k < part->n; k++)
            part->surgeon.h[i * part->n + k] = row[part->rows[k]];
    }
    return COP_OK;
}

static void walk(
    struct part *parts,
    int32_t n_parts,
    int32_t n_readers,
    int64_t n_channels,
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
            for (int32_t p = 0; p < n_parts; p++)
                cost += cop_surgeon__cost(&parts[p].surgeon, c);
            if (best < 0 || cost < least) {
                least = cost;
                best = c;
            }
        }
        is_gone[best] = 1;
        for (int32_t p = 0; p < n_parts; p++)
            cop_surgeon__remove(&parts[p].surgeon, best);
        lost += least;
        order[i] = (struct cop_score){
            .channel = best,
            .score = least,
            .error_left = lost / (double)n_readers,
        };
    }
}

static enum cop_status score_in(
    struct cop_reconstruction *r,
    const struct cop_group *group,
    struct cop_arena *arena,
    struct cop_score *order,
    struct cop_err *err)
{
    struct part *parts = COP_ARENA_NEW_N(arena, r->n_sources, struct part);
    uint8_t *is_gone = COP_ARENA_NEW_N(arena, group->n_channels, uint8_t);
    if (parts == NULL || is_gone == NULL) return COP_FAIL_NOMEM(err);
    int32_t n_parts = 0;
    int32_t n_readers = 0;
    for (int32_t i = 0; i < r->groups->n_readers; i++) {
        if (r->source_of[i] < 0 || !is_read(group, &r->groups->readers[i])) continue;
        struct source *source = &r->sources[r->source_of[i]];
        int32_t p = 0;
        while (p < n_parts && parts[p].source != source)
            p++;
        if (p == n_parts)
            COP_TRY(pose_part(r, group, source, arena, &parts[n_parts++], err));
        COP_TRY(add_reader(r, &parts[p], i, err));
        n_readers++;
    }
    if (n_readers == 0) { /* nobody to ask: the share of the weights' norm */
        cop_score__magnitude(r->groups, group, order);
        return COP_OK;
    }
    for (int32_t p = 0; p < n_parts; p++) {
        if (--parts[p].source->n_left == 0) drop_inverse(parts[p].source);
        cop_surgeon__begin(&parts[p].surgeon);
    }
    walk(parts, n_parts, n_readers, group->n_channels, is_gone, order);
    return COP_OK;
}

enum cop_status cop_reconstruction__score(
    struct cop_reconstruction *reconstruction,
    const struct cop_group *group,
    struct cop_score *order,
    struct cop_err *err)
{
    struct cop_arena *arena = cop_arena_create();
    if (arena == NULL) return COP_FAIL_NOMEM(err);
    enum cop_status status = score_in(reconstruction, group, arena, order, err);
    cop_arena_destroy(arena);
    return status;
}
