/* tests/ops/check_gradient.c - (2) the engine's gradients against central differences of
 * the double-precision reference. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

/* sum over results of diff * result, in double precision. */
static double objective(
    const struct check *check, const struct ref_tensor *src, float *const *diffs)
{
    struct ref_call call = case_call(check->line, src);
    double sum = 0.0;
    (void)ref_run(&call);
    for (int d = 0; d < check->line->n_dst; d++)
        for (int64_t i = 0; i < ref_n(&call.dst[d]); i++)
            sum += (double)diffs[d][i] * call.dst[d].at[i];
    ref_call_clear(&call);
    return sum;
}

static double slope(
    struct check *check, double *element, float *const *diffs, double step)
{
    const double x = *element;
    *element = x + step;
    const double up = objective(check, check->src, diffs);
    *element = x - step;
    const double down = objective(check, check->src, diffs);
    *element = x;
    return (up - down) / (2.0 * step);
}

enum { SAMPLED_DERIVATIVES = 12 };

static bool compare_slopes(
    struct check *check, int s, const float *got, float *const *diffs, double scale)
{
    const int64_t n = ref_n(&check->src[s]);
    for (int k = 0; k < SAMPLED_DERIVATIVES; k++) {
        const int64_t i =
            n <= SAMPLED_DERIVATIVES ? k % n : cop_rng_below(&check->rng, n);
        double *const element = &check->src[s].at[i];
        const double coarse = slope(check, element, diffs, 1e-3);
        const double fine = slope(check, element, diffs, 1e-4);
        /* A kink between the two: there is no derivative to compare with. */
        if (fabs(coarse - fine) > 1e-3 * (scale + fabs(fine)) + 1e-5) continue;
        if (!(fabs((double)got[i] - fine) <= 1e-3 * (scale + fabs(fine)) + 1e-5))
            return check_fail(
                check,
                "gradient of source %d element %lld is %.9g, central difference %.9g",
                s,
                (long long)i,
                (double)got[i],
                fine);
        check->n_gradient++;
    }
    return true;
}

static bool compare_gradient(
    struct check *check, struct cop_plan *plan, int s, float *const *diffs)
{
    const int64_t n = ref_n(&check->src[s]);
    float *const got = check_floats(n);
    bool is_good = check_status(
        check,
        cop_plan_read_diff(plan, check->built.src[s]->id, got, n, &check->err),
        "read gradient");
    double scale = 0.0;
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)got[i]));
    if (is_good) is_good = compare_slopes(check, s, got, diffs, scale);
    free(got);
    return is_good;
}

bool check_backward(struct check *check)
{
    if (!check->line->has_grad || !check_is_live(check) || !check_is_float(check))
        return true;
    struct check_bench bench;
    float *diffs[REF_MAX_DST] = {NULL};
    bool is_good = check_bench_make(check, COP_PURPOSE_BACKWARD, &bench);
    for (int d = 0; is_good && d < check->line->n_dst; d++) {
        const struct ref_tensor *const want = &check->call.dst[d];
        is_good = check_near(
            check, "forward for backward", bench.ends[d], want->at, ref_n(want), 2e-5);
        diffs[d] = check_floats(ref_n(want));
        for (int64_t i = 0; i < ref_n(want); i++)
            diffs[d][i] = (float)cop_rng_range(&check->rng, -1.0, 1.0);
    }
    if (is_good)
        is_good = check_status(
            check,
            cop_plan_backward(bench.plan, (const float *const *)diffs, &check->err),
            "backward");
    for (int s = 0; is_good && s < check->line->n_src; s++) {
        const enum case_kind kind = check->line->src[s].kind;
        if (kind == CASE_ACTIVATION || kind == CASE_CONSTANT)
            is_good = compare_gradient(check, bench.plan, s, diffs);
    }
    for (int d = 0; d < REF_MAX_DST; d++)
        free(diffs[d]);
    check_bench_clear(&bench);
    return is_good;
}
