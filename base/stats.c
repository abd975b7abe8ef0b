/* base/stats.c - see stats.h. */
#include "base/stats.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double cop_stats_quantile(double *x, int64_t n, double q)
{
    assert(q >= 0.0 && q <= 1.0);
    if (n <= 0) return NAN;
    qsort(x, (size_t)n, sizeof *x, compare_doubles);
    double position = q * (double)(n - 1);
    int64_t below = (int64_t)floor(position);
    if (below >= n - 1) return x[n - 1];
    double part = position - (double)below;
    return x[below] + part * (x[below + 1] - x[below]);
}

void cop_stats_wilson(int64_t successes, int64_t n, double *low, double *high)
{
    *low = 0.0;
    *high = 1.0;
    if (n <= 0) return;
    const double z = 1.959963984540054; /* 97.5 % point of the standard normal */
    double count = (double)n;
    double p = (double)successes / count;
    double scale = 1.0 + z * z / count;
    double centre = (p + z * z / (2.0 * count)) / scale;
    double spread = p * (1.0 - p) / count + z * z / (4.0 * count * count);
    double half = z * sqrt(spread) / scale;
    if (successes > 0) *low = centre - half;
    if (successes < n) *high = centre + half;
}

/* p = 2 P(X <= min(b, c)), X ~ Binomial(b + c, 1/2).  The largest term comes from
 * logarithms, the others from their ratio, until they no longer count. */
double cop_stats_mcnemar(int64_t b, int64_t c)
{
    if (b == c) return 1.0;
    int64_t fewer = b < c ? b : c;
    double n = (double)(b + c);
    double k = (double)fewer;
    int sign;
    double log_term = lgamma_r(n + 1.0, &sign) - lgamma_r(k + 1.0, &sign) -
                      lgamma_r(n - k + 1.0, &sign) - n * log(2.0);
    double term = 1.0;
    double sum = 1.0;
    for (int64_t j = fewer; j >= 1 && term > 1e-18 * sum; j--) {
        term *= (double)j / (n - (double)j + 1.0);
        sum += term;
    }
    double p = 2.0 * sum * exp(log_term);
    return p < 1.0 ? p : 1.0;
}

struct ranked {
    float value;
    int64_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* rank[i] in 1 .. n, equal values share the mean of their ranks */
static void fill_ranks(const float *x, int64_t n, struct ranked *sorted, double *rank)
{
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (struct ranked){.value = x[i], .index = i};
    qsort(sorted, (size_t)n, sizeof *sorted, compare_ranked);
    for (int64_t first = 0; first < n;) {
        int64_t end = first + 1;
        while (end < n && sorted[end].value <= sorted[first].value)
            end++;
        for (int64_t i = first; i < end; i++)
            rank[sorted[i].index] = 0.5 * (double)(first + 1 + end);
        first = end;
    }
}

/* Pearson correlation of the ranks, whose mean is (n + 1) / 2. */
static double correlate_ranks(const double *x, const double *y, int64_t n)
{
    double mean = 0.5 * (double)(n + 1);
    double xx = 0.0;
    double yy = 0.0;
    double xy = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double dx = x[i] - mean;
        double dy = y[i] - mean;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    if (xx <= 0.0 || yy <= 0.0) return NAN;
    return fmax(-1.0, fmin(1.0, xy / sqrt(xx * yy)));
}

double cop_stats_spearman(const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (isnan(x[i]) || isnan(y[i])) return NAN;
    }
    double result = -2.0;
    size_t count = n > 0 ? (size_t)n : 0;
    struct ranked *sorted = cop_mem_array(count, sizeof *sorted);
    double *rank_x = cop_mem_array(count, sizeof *rank_x);
    double *rank_y = cop_mem_array(count, sizeof *rank_y);
    if (sorted == NULL || rank_x == NULL || rank_y == NULL) goto done;
    fill_ranks(x, n, sorted, rank_x);
    fill_ranks(y, n, sorted, rank_y);
    result = correlate_ranks(rank_x, rank_y, n);
done:
    cop_mem_free(rank_y);
    cop_mem_free(rank_x);
    cop_mem_free(sorted);
    return result;
}
