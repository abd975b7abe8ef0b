/* tests/prune/toy_data.c - see toy_data.h. */
#include "toy_data.h"

#include <math.h>
#include <string.h>

void toy_data_fill(struct toy_data *data, int64_t n, struct cop_rng *rng)
{
    double mixing[TOY_WIDTH][TOY_WIDTH];
    *data = (struct toy_data){.n = n};
    for (int64_t c = 0; c < n; c++) {
        for (int64_t d = 0; d < n; d++)
            mixing[c][d] = (c == d ? 1.0 : 0.0) + 0.6 * cop_rng_normal(rng);
    }
    for (int r = 0; r < TOY_ROWS; r++) {
        double hidden[TOY_WIDTH];
        for (int64_t d = 0; d < n; d++)
            hidden[d] = cop_rng_normal(rng);
        for (int64_t c = 0; c < n; c++) {
            data->x[r][c] = 0.5 * (double)c - 1.0;
            for (int64_t d = 0; d < n; d++)
                data->x[r][c] += mixing[c][d] * hidden[d];
        }
    }
}

void toy_data_measure(struct toy_data *data, const struct cop_value *value)
{
    int64_t n = data->n;
    memset(data->mean, 0, sizeof data->mean);
    memset(data->gram, 0, sizeof data->gram);
    for (int r = 0; r < TOY_ROWS; r++) {
        for (int64_t c = 0; c < n; c++)
            data->mean[c] += data->x[r][c] / TOY_ROWS;
    }
    for (int r = 0; r < TOY_ROWS; r++) {
        for (int64_t c = 0; c < n; c++) {
            for (int64_t d = 0; d < n; d++)
                data->gram[c * n + d] += (data->x[r][c] - data->mean[c]) *
                                         (data->x[r][d] - data->mean[d]) / TOY_ROWS;
        }
    }
    data->moments = (struct cop_moments){
        .value = value,
        .axis = 1,
        .block = 1,
        .n = n,
        .count = TOY_ROWS,
        .mean = data->mean,
        .gram = data->gram,
    };
    data->calibration =
        (struct cop_calibration){.moments = &data->moments, .n_moments = 1};
}

void toy_solve(const double *a, const double *b, int64_t n, double *x)
{
    double m[TOY_WIDTH][TOY_WIDTH + 1];
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c < n; c++)
            m[r][c] = a[r * n + c];
        m[r][n] = b[r];
    }
    for (int64_t p = 0; p < n; p++) {
        int64_t best = p;
        for (int64_t r = p + 1; r < n; r++) {
            if (fabs(m[r][p]) > fabs(m[best][p])) best = r;
        }
        for (int64_t c = 0; c <= n; c++) {
            double swap = m[p][c];
            m[p][c] = m[best][c];
            m[best][c] = swap;
        }
        for (int64_t r = 0; r < n; r++) {
            double factor = r == p ? 0.0 : m[r][p] / m[p][p];
            for (int64_t c = p; c <= n; c++)
                m[r][c] -= factor * m[p][c];
        }
    }
    for (int64_t r = 0; r < n; r++)
        x[r] = m[r][n] / m[r][r];
}
