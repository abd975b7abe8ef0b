/* tests/engine/nets.h - random networks; see nets.c. */
#ifndef COP_TESTS_ENGINE_NETS_H
#define COP_TESTS_ENGINE_NETS_H

#include "toy.h"

/** About twelve blocks; every second of the ends is a mean over the image. */
struct cop_graph *toy_random_net(struct cop_rng *rng, int32_t n_ends);

#endif
