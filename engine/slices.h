/* engine/slices.h - running a batch in slices, so that activations stay near the core. */
#ifndef COP_ENGINE_SLICES_H
#define COP_ENGINE_SLICES_H

#include "engine/program.h"

/** Into how many equal slices a batch of program->mb is best cut; 1 where samples meet or
 *  where nothing is gained.  @param cache_bytes what caches hold */
int64_t cop_program_slices(const struct cop_program *program, double cache_bytes);

#endif
