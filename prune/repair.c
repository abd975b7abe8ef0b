/* prune/repair.c - least squares at every consumer; see repair.h.
 *
 * With C the Gram of a source's centred channels, K the kept and R the removed ones,
 * x_R ~ mu_R + B (x_K - mu_K), B = C_RK (C_KK + lambda mean(diag) I)^-1 (GRAIL, arXiv
 * 2602.23795, with an intercept).  B is folded into the reader's weights, tap by tap, and
 * the intercept into its bias.  A reader without a place for a bias is fitted through the
 * origin, on moments that are not centred.  All groups that are cut in one source are
 * solved together. */
#include "prune/repair.h"

#include "prune/calibrate_impl.h"
#include "prune/cut_impl.h"
#include "prune/fit_impl.h"
#include "prune/reader_impl.h"

#include "base/mem.h"

#include <cblas.h>
#include <lapacke.h>
#include <string.h>

static const double default_ridge = 1e-3;

/* One reader, the channels of its source, and the weights as matrices. */
struct job {
    const struct cop_cut_map *map;
    const struct cop_reader *reader;
    const struct cop_moments *moments;
    int64_t taps; /* rows per channel of the moments: more than 1 of patches */
    struct cop_reader_shape plain; /* of the weights */
    struct cop_reader_shape shape; /* the same as rows of the moments */
    double ridge;
    bool has_intercept;
    int64_t *kept;    /* rows of the convolution group in hand that stay */
    int64_t *removed; /* and those that go */
    int64_t n_kept;
    int64_t n_removed;
    double *matrix; /* [g][rows][columns] */
    double *shift;  /* [g][n_out]: what the bias gains */
};

static bool row_stays(const struct job *job, int64_t row)
{
    return cop_cut__stays(
        job->map,
        job->moments->value,
        job->moments->axis,
        row / job->taps * job->moments->block);
}

static bool is_any_removed(const struct job *job)
{
    for (int64_t c = 0; c < job->moments->n; c++) {
        if (!row_stays(job, c)) return true;
    }
    return false;
}

static double moment(const struct job *job, int64_t r, int64_t c)
{
    double centred = job->moments->gram[r * job->moments->n + c];
    if (job->has_intercept) return centred;
    return centred + job->moments->mean[r] * job->moments->mean[c];
}

/* predict [removed][kept] = B of the convolution group that starts at row `first`. */
static enum cop_status predict(
    const struct job *job,
    int64_t first,
    double *normal, /* [kept][kept] */
    double *predictor,
    struct cop_err *err)
{
    int64_t n = job->n_kept;
    double mean = 0.0;
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b < n; b++)
            normal[a * n + b] = moment(job, first + job->kept[a], first + job->kept[b]);
        mean += normal[a * n + a] / (double)n;
    }
    double ridge = mean > 0.0 ? job->ridge * mean : 1.0;
    for (int64_t a = 0; a < n; a++)
        normal[a * n + a] += ridge;
    for (int64_t r = 0; r < job->n_removed; r++) {
        for (int64_t a = 0; a < n; a++)
            predictor[r * n + a] =
                moment(job, first + job->removed[r], first + job->kept[a]);
    }
    int info = LAPACKE_dposv(
        LAPACK_COL_MAJOR,
        'U',
        (int)n,
        (int)job->n_removed,
        normal,
        (int)n,
        predictor,
        (int)n);
    if (info == 0) return COP_OK;
    return COP_FAIL(
        err,
        COP_EINVAL,
        "the moments of '%s' are not positive definite",
        job->moments->value->name);
}

/* Adds B^T times the removed rows to the kept rows, and the intercept to the shift. */
static void fold(
    const struct job *job,
    int64_t g,
    const double *predictor,
    double *gathered) /* [removed][columns] then [kept][columns] */
{
    int64_t columns = job->shape.columns;
    double *rows = job->matrix + g * job->shape.rows * columns;
    double *change = gathered + job->n_removed * columns;
    const double *mean = job->moments->mean + g * job->shape.rows;
    int64_t per_out = job->shape.taps * job->shape.block;
    for (int64_t r = 0; r < job->n_removed; r++) {
        const double *row = rows + job->removed[r] * columns;
        memcpy(gathered + r * columns, row, (size_t)columns * sizeof *row);
        double rest = mean[job->removed[r]];
        for (int64_t k = 0; k < job->n_kept; k++)
            rest -= predictor[r * job->n_kept + k] * mean[job->kept[k]];
        for (int64_t i = 0; i < columns; i++)
            job->shift[g * job->shape.n_out + i / per_out] += rest * row[i];
    }
    cblas_dgemm(
        CblasRowMajor,
        CblasTrans,
        CblasNoTrans,
        (int)job->n_kept,
        (int)columns,
        (int)job->n_removed,
        1.0,
        predictor,
        (int)job->n_kept,
        gathered,
        (int)columns,
        0.0,
        change,
        (int)columns);
    for (int64_t k = 0; k < job->n_kept; k++) {
        double *row = rows + job->kept[k] * columns;
        for (int64_t i = 0; i < columns; i++)
            row[i] += change[k * columns + i];
    }
}

static enum cop_status solve_group(struct job *job, int64_t g, struct cop_err *err)
{
    int64_t first = g * job->shape.rows;
    job->n_kept = 0;
    job->n_removed = 0;
    for (int64_t r = 0; r < job->shape.rows; r++) {
        if (row_stays(job, first + r))
            job->kept[job->n_kept++] = r;
        else
            job->removed[job->n_removed++] = r;
    }
    if (job->n_kept == 0 || job->n_removed == 0) return COP_OK;
    size_t kept = (size_t)job->n_kept;
    size_t removed = (size_t)job->n_removed;
    double *normal = cop_mem_array(kept * kept, sizeof *normal);
    double *predictor = cop_mem_array(kept * removed, sizeof *predictor);
    double *gathered = cop_mem_array(
        (size_t)job->shape.rows * (size_t)job->shape.columns, sizeof *gathered);
    enum cop_status status = COP_ENOMEM;
    if (normal == NULL || predictor == NULL || gathered == NULL) {
        status = COP_FAIL_NOMEM(err);
        goto done;
    }
    status = predict(job, first, normal, predictor, err);
    if (status == COP_OK) fold(job, g, predictor, gathered);
done:
    cop_mem_free(gathered);
    cop_mem_free(predictor);
    cop_mem_free(normal);
    return status;
}

static enum cop_status store(
    const struct job *job,
    struct cop_graph *small,
    const float *weights,
    struct cop_err *err)
{
    const struct cop_reader *reader = job->reader;
    struct cop_node *node = cop_graph_find_node(small, reader->node->name);
    COP_TRY(cop_fit__set_weights(
        job->map,
        small,
        node,
        reader->weights,
        reader->linear.weights_slot,
        weights,
        err));
    if (!job->has_intercept) return COP_OK;
    return cop_fit__add_bias(
        job->map, small, reader->node, &reader->linear, job->shift, err);
}

/* The weights as rows of the moments, into job->matrix; and back into @p weights. */
static void gather_rows(struct job *job, double *plain)
{
    if (job->taps == 1) {
        cop_reader__gather(job->reader, &job->shape, job->matrix);
        return;
    }
    cop_reader__gather(job->reader, &job->plain, plain);
    cop_reader__to_features(&job->plain, plain, job->matrix);
}

static void scatter_rows(const struct job *job, double *plain, float *weights)
{
    if (job->taps == 1) {
        cop_reader__scatter(job->reader, &job->shape, job->matrix, weights);
        return;
    }
    cop_reader__from_features(&job->plain, job->matrix, plain);
    cop_reader__scatter(job->reader, &job->plain, plain, weights);
}

static enum cop_status solve(
    struct job *job, struct cop_graph *small, struct cop_err *err)
{
    int64_t n_weights = cop_shape_n(&job->reader->weights->shape);
    float *weights = cop_mem_array((size_t)n_weights, sizeof *weights);
    double *plain = cop_mem_array((size_t)n_weights, sizeof *plain);
    enum cop_status status =
        weights != NULL && plain != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    if (status == COP_OK) {
        gather_rows(job, plain);
        for (int64_t g = 0; g < job->shape.g && status == COP_OK; g++)
            status = solve_group(job, g, err);
    }
    if (status == COP_OK) {
        scatter_rows(job, plain, weights);
        status = store(job, small, weights, err);
    }
    cop_mem_free(plain);
    cop_mem_free(weights);
    return status;
}

static enum cop_status repair_reader(
    const struct cop_cut_map *map,
    const struct cop_reader *reader,
    const struct cop_calibration *calibration,
    double ridge,
    struct cop_graph *small,
    struct cop_err *err)
{
    const struct cop_taps *taps = cop_calibration__taps(calibration, reader);
    struct job job = {
        .map = map,
        .reader = reader,
        .moments = taps != NULL
                       ? &taps->moments
                       : cop_calibration__moments(
                             calibration, reader->src, reader->linear.src_axis),
        .taps = taps != NULL ? taps->n : 1,
        .ridge = ridge,
        .has_intercept = cop_fit__has_bias(reader->node, &reader->linear),
    };
    if (job.moments == NULL ||
        !cop_reader__shape(reader, job.moments->block, &job.plain))
        return COP_OK;
    job.shape = job.plain;
    if (job.taps > 1) {
        job.shape.rows *= job.taps;
        job.shape.columns = job.shape.n_out;
        job.shape.taps = 1;
    }
    if (!is_any_removed(&job)) return COP_OK;
    enum cop_status status = COP_ENOMEM;
    size_t n = (size_t)(job.shape.g * job.shape.rows);
    job.kept = cop_mem_array((size_t)job.shape.rows, sizeof *job.kept);
    job.removed = cop_mem_array((size_t)job.shape.rows, sizeof *job.removed);
    job.matrix = cop_mem_array(n * (size_t)job.shape.columns, sizeof *job.matrix);
    job.shift =
        cop_mem_array((size_t)(job.shape.g * job.shape.n_out), sizeof *job.shift);
    if (job.kept == NULL || job.removed == NULL || job.matrix == NULL ||
        job.shift == NULL)
        status = COP_FAIL_NOMEM(err);
    else
        status = solve(&job, small, err);
    cop_mem_free(job.shift);
    cop_mem_free(job.matrix);
    cop_mem_free(job.removed);
    cop_mem_free(job.kept);
    return status;
}

enum cop_status cop_repair_consumers(
    const struct cop_groups *groups,
    const struct cop_cut *cut,
    const struct cop_calibration *calibration,
    const struct cop_repair_options *options,
    struct cop_graph **repaired,
    struct cop_err *err)
{
    const struct cop_cut_map map = {.groups = groups, .cut = cut};
    double ridge =
        options != NULL && options->ridge > 0.0 ? options->ridge : default_ridge;
    struct cop_graph *small = NULL;
    COP_TRY(cop_cut_apply(groups, cut, &small, err));
    enum cop_status status = COP_OK;
    for (int32_t i = 0; i < groups->n_readers && status == COP_OK; i++) {
        const struct cop_reader *reader = &groups->readers[i];
        status = repair_reader(&map, reader, calibration, ridge, small, err);
        if (status != COP_OK) cop_err_in(err, "node '%s'", reader->node->name);
    }
    if (status == COP_OK) status = cop_graph_infer(small, err);
    if (status == COP_OK) status = cop_graph_check(small, err);
    if (status != COP_OK) {
        cop_graph_destroy(small);
        return status;
    }
    *repaired = small;
    return COP_OK;
}

int64_t cop_repair_gained(const struct cop_node *node, int32_t *axis)
{
    struct cop_linear linear;
    if (!node->op->coupling->linear(node, &linear)) return 0;
    const struct cop_value *weights = node->src[linear.weights_slot];
    if (weights == NULL || weights->data == NULL || weights->dtype != COP_F32) return 0;
    if (!cop_fit__has_bias(node, &linear)) return 0;
    if (linear.bias_slot < node->n_src && node->src[linear.bias_slot] != NULL) return 0;
    *axis = linear.dst_axis;
    return node->dst[0]->shape.dim[linear.dst_axis];
}
