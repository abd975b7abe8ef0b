/* base/rng.h - random numbers that repeat: xoshiro256** seeded by splitmix64. */
#ifndef COP_BASE_RNG_H
#define COP_BASE_RNG_H

#include <stdint.h>

struct cop_rng {
    uint64_t state[4];
};

void cop_rng_init(struct cop_rng *rng, uint64_t seed);
/** An independent generator for (seed, stream), e.g. (run, candidate). */
void cop_rng_init_stream(struct cop_rng *rng, uint64_t seed, uint64_t stream);
uint64_t cop_rng_u64(struct cop_rng *rng);
/** Uniform in [0, n), unbiased; n >= 1. */
int64_t cop_rng_below(struct cop_rng *rng, int64_t n);
/** Uniform in [0, 1) and in [low, high); low if that range is empty. */
double cop_rng_unit(struct cop_rng *rng);
double cop_rng_range(struct cop_rng *rng, double low, double high);
/** Standard normal (Box-Muller). */
double cop_rng_normal(struct cop_rng *rng);

#endif
