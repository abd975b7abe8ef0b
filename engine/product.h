/* engine/product.h - products of plain matrices at the speed of the engine's kernels.
 *
 * A BLAS that does not know the processor falls back to its oldest kernels; oneDNN's are
 * chosen by what the processor can do.  Inside a parallel loop a product takes one thread,
 * and its rounding depends on the shapes alone. */
#ifndef COP_ENGINE_PRODUCT_H
#define COP_ENGINE_PRODUCT_H

#include "base/err.h"

#include <stdint.h>

/** c [m][n] = a [m][k] b [n][k]', row-major and dense.  COP_EENGINE. */
COP_NODISCARD enum cop_status cop_product_nt(
    int64_t m,
    int64_t n,
    int64_t k,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err);
/** c [m][n] = a [m][k] b [k][n]. */
COP_NODISCARD enum cop_status cop_product_nn(
    int64_t m,
    int64_t n,
    int64_t k,
    const float *a,
    const float *b,
    float *c,
    struct cop_err *err);

#endif
