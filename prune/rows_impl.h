/* prune/rows_impl.h - a tall matrix in blocks of rows, and the products least squares needs;
 * only for prune/.
 *
 * Block b is stored feature by feature, [n][k] with k = block_rows (fewer in the last), so
 * that several streams may fill blocks.  Products are formed block by block in single
 * precision and added up in double, in an order that depends on nothing but the shapes. */
#ifndef COP_PRUNE_ROWS_IMPL_H
#define COP_PRUNE_ROWS_IMPL_H

#include "base/err.h"

#include <stdint.h>

struct cop_rows {
    float *elements;
    int64_t n;          /* features */
    int64_t n_rows;     /* of all blocks */
    int64_t block_rows; /* of all blocks but the last */
    int64_t stride;     /* elements from block to block */
};

int64_t cop_rows__n_blocks(const struct cop_rows *rows);
/** Rows of block @p b. */
int64_t cop_rows__in_block(const struct cop_rows *rows, int64_t b);

/** mean [n] */
COP_NODISCARD enum cop_status cop_rows__means(
    const struct cop_rows *rows, double *mean, struct cop_err *err);
COP_NODISCARD enum cop_status cop_rows__take_off(
    const struct cop_rows *rows, const double *mean, struct cop_err *err);
/** X'X / n_rows, both halves: gram [n][n]. */
COP_NODISCARD enum cop_status cop_rows__gram(
    const struct cop_rows *rows, double *gram, struct cop_err *err);
/** X'Y / n_rows: cross [x->n][y->n]. */
COP_NODISCARD enum cop_status cop_rows__cross(
    const struct cop_rows *x,
    const struct cop_rows *y,
    double *cross,
    struct cop_err *err);

#endif
