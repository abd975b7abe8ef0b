/* tests/support/random_net.h - random networks with every topology that cuts run through. */
#ifndef COP_TESTS_RANDOM_NET_H
#define COP_TESTS_RANDOM_NET_H

#include "support/net.h"

/** A random network with one input and one output; its shape depends on @p seed only. */
struct test_net random_net_make(uint64_t seed);

#endif
