/* tests/prune/toy_data.h - made-up channel data and the calibration it would give. */
#ifndef COP_TESTS_PRUNE_TOY_DATA_H
#define COP_TESTS_PRUNE_TOY_DATA_H

#include "base/rng.h"
#include "prune/calibrate_impl.h"

enum { TOY_ROWS = 64, TOY_WIDTH = 8 };

struct toy_data {
    int64_t n; /* channels */
    double x[TOY_ROWS][TOY_WIDTH];
    double mean[TOY_WIDTH];
    double gram[TOY_WIDTH * TOY_WIDTH];
    struct cop_moments moments;
    struct cop_calibration calibration;
};

/** Random correlated channels with means. */
void toy_data_fill(struct toy_data *data, int64_t n, struct cop_rng *rng);
/** Takes the moments of x as those of axis 1 of @p value. */
void toy_data_measure(struct toy_data *data, const struct cop_value *value);
/** x = a^-1 b for a small matrix a [n][n] and b [n], by elimination with pivoting. */
void toy_solve(const double *a, const double *b, int64_t n, double *x);

#endif
