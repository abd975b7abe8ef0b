/* prune/least.c - see least_impl.h.
 *
 * With Z centred, y what Z W + b should be, and V the present weights, one solution is
 * W = V + (Z'Z + lambda mean(diag) I)^-1 (Z'y - Z'Z V), b = mean(y) (He et al. 2017, arXiv
 * 1707.06168, asymmetric; the ridge towards V).
 *
 * Where the original's value lies beyond the bend (below 0, before a ReLU), any result
 * beyond it is as good.  So y is taken as near to the present result as the bend allows, and
 * the system, whose matrix stays the same, is solved again: alternating projections, with the
 * momentum of FISTA (Beck and Teboulle 2009), as each is a gradient step on the distance. */
#include "prune/least_impl.h"

#include "base/mem.h"
#include "base/par.h"
#include "engine/product.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

static const double least_ridge = 1e-2;
static const double scarce_rows = 16.0; /* rows per feature below which it grows */
enum { BEND_ROUNDS = 4, OUTPUTS_AT_ONCE = 64 };
static const double flat = 1e-3; /* of the largest slope: cannot be steered */

struct work {
    struct cop_least *least;
    double steepest; /* slope */
    double *mean_z;  /* [f] */
    double *gram;    /* [f][f]; its factor after factorize */
    double *cross;   /* [f][n] */
    double *start;   /* [f][n]: Z'Z V */
    double *present; /* [f][n]: V */
    double *weights; /* [f][n] */
    double *bias;    /* [n] */
    double *before;  /* [f][n] and [n]: both, a round ago */
    float *ahead;    /* [n][f]: weights with momentum, transposed */
    double *bias_ahead;
    double *room; /* [f][n]: columns while they are solved */
    int info;
};

/* 0 for an output that cannot be steered. */
static double slope_of(const struct work *work, int64_t o)
{
    double slope = work->least->slope[o];
    return fabs(slope) > flat * work->steepest ? slope : 0.0;
}

/* What the result should be, from the target and the rest. */
static double aim(const struct work *work, int64_t o, double want, double rest)
{
    double slope = slope_of(work, o);
    return slope != 0.0 ? (want - rest) / slope : 0.0;
}

static enum cop_status aim_first(void *context, int64_t b, struct cop_err *err)
{
    (void)err;
    const struct work *work = context;
    const struct cop_least *least = work->least;
    int64_t k = cop_rows__in_block(&least->want, b);
    const float *want = least->want.elements + b * least->want.stride;
    const float *rest = least->rest.elements != NULL
                            ? least->rest.elements + b * least->rest.stride
                            : NULL;
    float *to = least->room.elements + b * least->room.stride;
    for (int64_t o = 0; o < least->want.n; o++) {
        for (int64_t i = o * k; i < (o + 1) * k; i++)
            to[i] = (float)aim(
                work, o, (double)want[i], rest != NULL ? (double)rest[i] : 0.0);
    }
    return COP_OK;
}

/* One output: what lies beyond the bend in the original may stay where it is now, if that is
 * beyond the bend too. */
static void aim_output(
    const struct cop_least *least,
    double slope,
    double bias,
    int64_t k,
    const float *want,
    const float *rest,
    float *to)
{
    double low = least->low;
    double high = least->high;
    for (int64_t i = 0; i < k; i++) {
        double others = rest != NULL ? (double)rest[i] : 0.0;
        double is = slope * ((double)to[i] + bias) + others;
        double wanted = (double)want[i];
        double below = is < low ? is : low;
        double above = is > high ? is : high;
        wanted = wanted <= low ? below : wanted >= high ? above : wanted;
        to[i] = (float)(slope != 0.0 ? (wanted - others) / slope : 0.0);
    }
}

/* Runs the rows through the weights as they are, and takes aim again. */
static enum cop_status aim_again(void *context, int64_t b, struct cop_err *err)
{
    const struct work *work = context;
    const struct cop_least *least = work->least;
    int64_t k = cop_rows__in_block(&least->want, b);
    const float *want = least->want.elements + b * least->want.stride;
    const float *rest = least->rest.elements != NULL
                            ? least->rest.elements + b * least->rest.stride
                            : NULL;
    float *to = least->room.elements + b * least->room.stride;
    COP_TRY(cop_product_nn(
        least->want.n,
        k,
        least->z.n,
        work->ahead,
        least->z.elements + b * least->z.stride,
        to,
        err));
    for (int64_t o = 0; o < least->want.n; o++)
        aim_output(
            least,
            slope_of(work, o),
            work->bias_ahead[o],
            k,
            want + o * k,
            rest != NULL ? rest + o * k : NULL,
            to + o * k);
    return COP_OK;
}

static double ridge_of(const struct work *work)
{
    const struct cop_rows *z = &work->least->z;
    double mean = 0.0;
    for (int64_t r = 0; r < z->n; r++)
        mean += work->gram[r * (z->n + 1)] / (double)z->n;
    double scarcity = 1.0 + scarce_rows * (double)z->n / (double)z->n_rows;
    return mean > 0.0 ? least_ridge * scarcity * mean : 1.0;
}

/* LAPACK in one thread, so that rounding does not depend on how many there are: BLAS takes
 * no team of its own inside a parallel loop.  What is upper by columns is lower by rows. */
static enum cop_status factorize(void *context, int64_t i, struct cop_err *err)
{
    (void)i;
    (void)err;
    struct work *work = context;
    int64_t f = work->least->z.n;
    double ridge = ridge_of(work);
    for (int64_t r = 0; r < f; r++)
        work->gram[r * (f + 1)] += ridge;
    work->info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)f, work->gram, (int)f);
    return COP_OK;
}

/* Outputs are solved in chunks of their own, on several threads. */
static int64_t n_chunks(const struct work *work)
{
    return (work->least->want.n + OUTPUTS_AT_ONCE - 1) / OUTPUTS_AT_ONCE;
}

static int64_t in_chunk(const struct work *work, int64_t chunk)
{
    int64_t left = work->least->want.n - chunk * OUTPUTS_AT_ONCE;
    return left < OUTPUTS_AT_ONCE ? left : OUTPUTS_AT_ONCE;
}

/* Z'Z V, of one chunk. */
static enum cop_status multiply_present(
    void *context, int64_t chunk, struct cop_err *err)
{
    (void)err;
    struct work *work = context;
    int64_t f = work->least->z.n;
    int64_t n = work->least->want.n;
    int64_t first = chunk * OUTPUTS_AT_ONCE;
    cblas_dgemm(
        CblasRowMajor,
        CblasNoTrans,
        CblasNoTrans,
        (int)f,
        (int)in_chunk(work, chunk),
        (int)f,
        1.0,
        work->gram,
        (int)f,
        work->present + first,
        (int)n,
        0.0,
        work->start + first,
        (int)n);
    return COP_OK;
}

static enum cop_status solve_chunk(void *context, int64_t chunk, struct cop_err *err)
{
    (void)err;
    struct work *work = context;
    int64_t f = work->least->z.n;
    int64_t n = work->least->want.n;
    int64_t first = chunk * OUTPUTS_AT_ONCE;
    int64_t here = in_chunk(work, chunk);
    double *x = work->room + f * first; /* [f][here] */
    for (int64_t r = 0; r < f; r++) {
        for (int64_t o = 0; o < here; o++)
            x[r * here + o] =
                work->cross[r * n + first + o] - work->start[r * n + first + o];
    }
    for (int back = 0; back < 2; back++)
        cblas_dtrsm(
            CblasRowMajor,
            CblasLeft,
            CblasLower,
            back ? CblasTrans : CblasNoTrans,
            CblasNonUnit,
            (int)f,
            (int)here,
            1.0,
            work->gram,
            (int)f,
            x,
            (int)here);
    for (int64_t r = 0; r < f; r++) {
        for (int64_t o = 0; o < here; o++)
            work->weights[r * n + first + o] =
                x[r * here + o] + work->present[r * n + first + o];
    }
    return COP_OK;
}

/* From what is aimed at in `room` to weights and biases of centred features. */
static enum cop_status fit_once(struct work *work, struct cop_err *err)
{
    struct cop_least *least = work->least;
    COP_TRY(cop_rows__means(&least->room, work->bias, err));
    COP_TRY(cop_rows__cross(&least->z, &least->room, work->cross, err));
    COP_TRY(cop_par_for(n_chunks(work), solve_chunk, work, err));
    if (!least->has_intercept)
        memset(work->bias, 0, (size_t)least->want.n * sizeof *work->bias);
    return COP_OK;
}

/* Goes on from the last round by @p momentum times what it changed. */
static void look_ahead(struct work *work, double momentum)
{
    int64_t f = work->least->z.n;
    int64_t n = work->least->want.n;
    double *bias_before = work->before + f * n;
    for (int64_t r = 0; r < f; r++) {
        for (int64_t o = 0; o < n; o++) {
            double now = work->weights[r * n + o];
            double *before = &work->before[r * n + o];
            work->ahead[o * f + r] = (float)(now + momentum * (now - *before));
            *before = now;
        }
    }
    for (int64_t o = 0; o < n; o++) {
        work->bias_ahead[o] =
            work->bias[o] + momentum * (work->bias[o] - bias_before[o]);
        bias_before[o] = work->bias[o];
    }
}

/* Outputs whose slope is next to nothing keep their weights. */
static void keep_flat(struct work *work)
{
    const struct cop_least *least = work->least;
    int64_t n = least->want.n;
    for (int64_t o = 0; o < n; o++) {
        if (slope_of(work, o) != 0.0) continue;
        for (int64_t r = 0; r < least->z.n; r++)
            work->weights[r * n + o] = work->present[r * n + o];
    }
}

static enum cop_status solve(struct work *work, struct cop_err *err)
{
    struct cop_least *least = work->least;
    int64_t f = least->z.n;
    int64_t n = least->want.n;
    int64_t n_blocks = cop_rows__n_blocks(&least->z);
    for (int64_t o = 0; o < n; o++)
        work->steepest = fmax(work->steepest, fabs(least->slope[o]));
    if (least->has_intercept) {
        COP_TRY(cop_rows__means(&least->z, work->mean_z, err));
        COP_TRY(cop_rows__take_off(&least->z, work->mean_z, err));
    }
    COP_TRY(cop_rows__gram(&least->z, work->gram, err));
    COP_TRY(cop_par_for(n_chunks(work), multiply_present, work, err));
    COP_TRY(cop_par_for(1, factorize, work, err));
    if (work->info != 0)
        return COP_FAIL(
            err,
            COP_EINVAL,
            "the patches before '%s' have no positive definite moments",
            least->name);
    COP_TRY(cop_par_for(n_blocks, aim_first, work, err));
    COP_TRY(fit_once(work, err));
    bool is_bent = least->low > -INFINITY || least->high < INFINITY;
    for (int round = 0; is_bent && round < BEND_ROUNDS; round++) {
        look_ahead(work, (double)round / (double)(round + 3));
        COP_TRY(cop_par_for(n_blocks, aim_again, work, err));
        COP_TRY(fit_once(work, err));
    }
    keep_flat(work);
    for (int64_t r = 0; r < f && least->has_intercept; r++) {
        for (int64_t o = 0; o < n; o++)
            work->bias[o] -= work->mean_z[r] * work->weights[r * n + o];
    }
    return COP_OK;
}

enum cop_status cop_least__solve(
    struct cop_least *least, double *weights, double *bias, struct cop_err *err)
{
    size_t f = (size_t)least->z.n;
    size_t n = (size_t)least->want.n;
    double *doubles = cop_mem_array(f + n + f * f + 5 * f * n + n, sizeof *doubles);
    float *ahead = cop_mem_array(n * f, sizeof *ahead);
    enum cop_status status =
        doubles != NULL && ahead != NULL ? COP_OK : COP_FAIL_NOMEM(err);
    if (status == COP_OK) {
        double *gram = doubles + f + n;
        double *matrices = gram + f * f;
        struct work work = {
            .least = least,
            .mean_z = doubles,
            .bias_ahead = doubles + f,
            .gram = gram,
            .cross = matrices,
            .start = matrices + f * n,
            .present = matrices + 2 * f * n,
            .room = matrices + 3 * f * n,
            .before = matrices + 4 * f * n,
            .weights = weights,
            .bias = bias,
            .ahead = ahead,
        };
        memcpy(work.present, weights, f * n * sizeof *weights);
        status = solve(&work, err);
    }
    cop_mem_free(ahead);
    cop_mem_free(doubles);
    return status;
}
