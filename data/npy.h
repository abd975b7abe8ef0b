/* data/npy.h - NumPy .npy files (format 1 to 3), float32 out, float32/float64/int/uint8 in. */
#ifndef COP_DATA_NPY_H
#define COP_DATA_NPY_H

#include "base/err.h"
#include "graph/tensor.h"

/** The array as float32, C order; the caller frees *elements with cop_mem_free.
 *  COP_ENOTFOUND, COP_EIO, COP_EFORMAT, COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_npy_read(
    const char *path, struct cop_shape *shape, float **elements, struct cop_err *err);
/** Writes beside @p path and renames.  COP_EIO. */
COP_NODISCARD enum cop_status cop_npy_write(
    const char *path,
    const struct cop_shape *shape,
    const float *elements,
    struct cop_err *err);

#endif
