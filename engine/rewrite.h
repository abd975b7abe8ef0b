/* engine/rewrite.h - rewrites of a primitive program that make fusion find more. */
#ifndef COP_ENGINE_REWRITE_H
#define COP_ENGINE_REWRITE_H

#include "engine/program.h"

/** Computes equal things once, crops instead of padding and slicing, and normalises the
 *  sources of a concat instead of its result where a convolution can take that over.
 *  @param channels_last tensors lie so: depthwise convolutions take over the activation of
 *  their sources, as loops of ours can and no kernel of oneDNN.  Kept tensors stay.
 *  COP_ENOMEM. */
COP_NODISCARD enum cop_status cop_program_rewrite(
    struct cop_program *program, bool channels_last, struct cop_err *err);

#endif
