/* base/stats.h - the few statistics that results are quoted with. */
#ifndef COP_BASE_STATS_H
#define COP_BASE_STATS_H

#include <stdint.h>

/** Sorts @p x and returns its quantile, 0 <= q <= 1, linear between order statistics;
 *  NaN for n == 0.  No NaNs among @p x. */
double cop_stats_quantile(double *x, int64_t n, double q);

/** 95 % Wilson score interval of a proportion (Wilson 1927);
 *  [0, 1] for n == 0. */
void cop_stats_wilson(int64_t successes, int64_t n, double *low, double *high);

/** Exact two-sided McNemar p of b against c discordant pairs (binomial, 1/2). */
double cop_stats_mcnemar(int64_t b, int64_t c);

/** Spearman rank correlation with mean ranks for ties; NaN if either is constant
 *  or holds a NaN.  Works on copies; -2 when out of memory. */
double cop_stats_spearman(const float *x, const float *y, int64_t n);

#endif
