/* tests/base/stats_test.c - against the definitions and published values. */
#include "base_tests.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/stats.h"

#include <math.h>

static void assert_close(double got, double want, double relative)
{
    if (fabs(got - want) > relative * fabs(want))
        fail_msg("got %.17g, wanted %.17g", got, want);
}

static void quantiles_interpolate(void **state)
{
    (void)state;
    double x[] = {4.0, 1.0, 3.0, 2.0};
    assert_close(cop_stats_quantile(x, 4, 0.5), 2.5, 1e-15);
    assert_close(x[0], 1.0, 0.0); /* sorted now */
    assert_close(cop_stats_quantile(x, 4, 0.0), 1.0, 0.0);
    assert_close(cop_stats_quantile(x, 4, 1.0), 4.0, 0.0);
    assert_close(cop_stats_quantile(x, 4, 0.95), 3.85, 1e-15);
    double one[] = {7.0};
    assert_close(cop_stats_quantile(one, 1, 0.3), 7.0, 0.0);
    assert_true(isnan(cop_stats_quantile(one, 0, 0.5)));
}

/* Both bounds solve the equation that defines the interval:
 * (k/n - p)^2 = z^2 p (1 - p) / n. */
static void assert_solves(double p, int64_t k, int64_t n)
{
    double z = 1.9599639845400545;
    double count = (double)n;
    double distance = (double)k / count - p;
    double width = z * z * p * (1.0 - p) / count;
    if (fabs(distance * distance - width) > 1e-14)
        fail_msg("%.17g does not bound %d of %d", p, (int)k, (int)n);
}

/* Newcombe 1998, table I, method 3, has four digits. */
static void wilson_matches_known_values(void **state)
{
    (void)state;
    const struct {
        int64_t k, n;
        double low, high;
    } cases[] = {
        {81, 263, 0.2553, 0.3662},
        {15, 148, 0.0624, 0.1605},
        {0, 20, 0.0, 0.1611},
        {1, 29, 0.0061, 0.1718},
        {20, 20, 1.0 - 0.1611, 1.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double low;
        double high;
        cop_stats_wilson(cases[i].k, cases[i].n, &low, &high);
        assert_true(fabs(low - cases[i].low) < 0.00006);
        assert_true(fabs(high - cases[i].high) < 0.00006);
        assert_solves(low, cases[i].k, cases[i].n);
        assert_solves(high, cases[i].k, cases[i].n);
    }
    double low;
    double high;
    cop_stats_wilson(0, 20, &low, &high);
    assert_true(low == 0.0 && high < 1.0);
    cop_stats_wilson(20, 20, &low, &high);
    assert_true(low > 0.0 && high == 1.0);
    cop_stats_wilson(0, 0, &low, &high);
    assert_true(low == 0.0 && high == 1.0);
}

/* The definition: both tails of Binomial(n, 1/2), summed term by term. */
static double slow_mcnemar(int b, int c)
{
    int n = b + c;
    int k = b < c ? b : c;
    long double term = ldexpl(1.0L, -n);
    long double sum = 0.0L;
    for (int i = 0; i <= k; i++) {
        sum += term;
        term = term * (long double)(n - i) / (long double)(i + 1);
    }
    return fmin(1.0, (double)(2.0L * sum));
}

static void mcnemar_matches_the_sum(void **state)
{
    (void)state;
    assert_close(cop_stats_mcnemar(0, 0), 1.0, 0.0);
    assert_close(cop_stats_mcnemar(1, 0), 1.0, 1e-12);
    assert_close(cop_stats_mcnemar(5, 0), 0.0625, 1e-12);
    assert_close(cop_stats_mcnemar(10, 2), 0.03857421875, 1e-12);
    for (int b = 0; b < 120; b++) {
        for (int c = 0; c < 120; c++)
            assert_close(cop_stats_mcnemar(b, c), slow_mcnemar(b, c), 1e-10);
    }
    /* far beyond what 2^-n can hold */
    assert_close(cop_stats_mcnemar(50000, 50000), 1.0, 0.0);
    double p = cop_stats_mcnemar(49500, 50500);
    assert_close(p, erfc((1000.0 - 1.0) / sqrt(100000.0) / sqrt(2.0)), 1e-3);
    assert_true(cop_stats_mcnemar(0, 100000) == 0.0);
}

static void spearman_matches_known_values(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3, 4, 5};
    const float y[] = {5, 6, 7, 8, 7}; /* the example of scipy.stats.spearmanr */
    assert_close(cop_stats_spearman(x, y, 5), 0.8207826816681233, 1e-14);
    const float up[] = {-3, 0, 0.5f, 7, 1000};
    const float down[] = {9, 8, 1, 0, -1};
    assert_close(cop_stats_spearman(x, up, 5), 1.0, 0.0);
    assert_close(cop_stats_spearman(x, down, 5), -1.0, 0.0);
    const float flat[] = {2, 2, 2, 2, 2};
    assert_true(isnan(cop_stats_spearman(x, flat, 5)));
    assert_true(isnan(cop_stats_spearman(x, y, 1)));
    assert_true(isnan(cop_stats_spearman(x, y, 0)));
    const float broken[] = {1, 2, NAN, 4, 5};
    assert_true(isnan(cop_stats_spearman(x, broken, 5)));
}

/* Ranks by counting, which needs no sorting. */
static double slow_rank(const float *x, int n, int i)
{
    double below = 0.0;
    double equal = 0.0;
    for (int j = 0; j < n; j++) {
        below += x[j] < x[i];
        equal += x[j] <= x[i] && x[j] >= x[i];
    }
    return below + 0.5 * (equal + 1.0);
}

static void spearman_matches_counted_ranks(void **state)
{
    (void)state;
    enum { N = 60 };
    struct cop_rng rng;
    cop_rng_init(&rng, 99);
    for (int round = 0; round < 20; round++) {
        float x[N];
        float y[N];
        for (int i = 0; i < N; i++) {
            x[i] = (float)cop_rng_below(&rng, 12); /* many ties */
            y[i] = x[i] * 0.25f + (float)cop_rng_below(&rng, 5);
        }
        double xx = 0.0;
        double yy = 0.0;
        double xy = 0.0;
        for (int i = 0; i < N; i++) {
            double dx = slow_rank(x, N, i) - (N + 1) / 2.0;
            double dy = slow_rank(y, N, i) - (N + 1) / 2.0;
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }
        double want = xy / sqrt(xx * yy);
        assert_true(fabs(cop_stats_spearman(x, y, N) - want) < 1e-13);
    }
}

static void spearman_tells_out_of_memory(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3};
    for (int i = 1; i <= 3; i++) {
        cop_mem_fail_from(i);
        double rho = cop_stats_spearman(x, x, 3);
        cop_mem_fail_from(0);
        assert_true(rho == -2.0);
    }
}

int run_stats_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(wilson_matches_known_values),
        cmocka_unit_test(mcnemar_matches_the_sum),
        cmocka_unit_test(spearman_matches_known_values),
        cmocka_unit_test(spearman_matches_counted_ranks),
        cmocka_unit_test(spearman_tells_out_of_memory),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
