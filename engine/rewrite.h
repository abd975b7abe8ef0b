/* engine/rewrite.h - rewrites of a primitive program that make fusion find more. */
#ifndef COP_ENGINE_REWRITE_H
#define COP_ENGINE_REWRITE_H

#include "engine/program.h"

/** Computes equal things once, crops instead of padding and slicing, and normalises the
 *  sources of a concat instead of its result where a convolution can take that over.
 *  Kept tensors stay.  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_program_rewrite(
    struct cop_program *program, struct cop_err *err);

#endif
