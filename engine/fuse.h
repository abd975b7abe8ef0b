/* engine/fuse.h - makes a primitive program shorter without changing what it computes. */
#ifndef COP_ENGINE_FUSE_H
#define COP_ENGINE_FUSE_H

#include "engine/program.h"

/** Drops primitives whose result nobody reads.  Keeps the order of the others. */
void cop_program_remove_dead(struct cop_program *program);

/** For inference: padding, normalisation, per-channel arithmetic, activations and residual
 *  sums go into the convolution or product before or behind them, unless the tensor between
 *  is kept or read elsewhere.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_program_fuse(
    struct cop_program *program, struct cop_err *err);

/** How many primitives read each tensor, sums included.  @param n_readers [n_tensors] */
void cop_program_count_readers(const struct cop_program *program, int32_t *n_readers);

#endif
