/* engine/copy.h - moving elements between layouts: one loop for all of them.
 *
 * In every layout that oneDNN gives float32 tensors, the offset of an element is a sum
 * with one term per axis.  A copy is therefore a table of source and destination offsets
 * per axis; slicing, padding, transposing, reordering and packing differ in how the tables
 * are made.  Parallel over the outermost axis, each element written once. */
#ifndef COP_ENGINE_COPY_H
#define COP_ENGINE_COPY_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/dnnl_shim.h"

#include <stdbool.h>
#include <stdint.h>

/** Offsets of one tensor along the axes of an iteration. */
struct cop_offsets {
    const int64_t *axis[COP_MAX_RANK];
};

/** Runs over rank axes; empty extents are not allowed. */
struct cop_copy {
    int32_t rank;
    int64_t dim[COP_MAX_RANK];
    struct cop_offsets src;
    struct cop_offsets dst;
    bool repeats; /* an element of src may be read more than once */
};

/** Tables of all axes of @p md, in @p arena. */
COP_NODISCARD enum cop_status cop_offsets_of(
    struct cop_arena *arena,
    const struct cop_md *md,
    struct cop_offsets *offsets,
    struct cop_err *err);

/** Between two layouts of one shape. */
COP_NODISCARD enum cop_status cop_copy_between(
    struct cop_arena *arena,
    const struct cop_md *src,
    const struct cop_md *dst,
    struct cop_copy *copy,
    struct cop_err *err);

/** dst[...] = src[...]; @p src may be unaligned. */
COP_NODISCARD enum cop_status cop_copy_run(
    const struct cop_copy *copy, const void *src, float *dst, struct cop_err *err);
/** src[...] += dst[...]: the gradient of a copy. */
COP_NODISCARD enum cop_status cop_copy_add_back(
    const struct cop_copy *copy, float *src, const float *dst, struct cop_err *err);

/** Does rows [first, last). */
typedef void cop_rows_fn(const void *context, int64_t first, int64_t last);
/** Splits n rows over threads where there is enough to do; n_elements says how much.
 *  Rows must not write to one another's elements. */
COP_NODISCARD enum cop_status cop_rows_run(
    int64_t n,
    int64_t n_elements,
    cop_rows_fn *body,
    const void *context,
    struct cop_err *err);

#endif
