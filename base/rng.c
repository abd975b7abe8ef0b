/* base/rng.c - xoshiro256** 1.0 and splitmix64 (Blackman and Vigna 2018); see rng.h. */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void cop_rng_init(struct cop_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix64(&seed);
}

/* For one seed the mixing is one to one in the stream, so streams never coincide. */
void cop_rng_init_stream(struct cop_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t mixed = splitmix64(&seed) + stream;
    cop_rng_init(rng, splitmix64(&mixed));
}

static uint64_t rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

uint64_t cop_rng_u64(struct cop_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

int64_t cop_rng_below(struct cop_rng *rng, int64_t n)
{
    assert(n >= 1);
    uint64_t range = (uint64_t)n;
    uint64_t reject = -range % range; /* 2^64 mod n values would be drawn too often */
    uint64_t x;
    do {
        x = cop_rng_u64(rng);
    } while (x < reject);
    return (int64_t)(x % range);
}

double cop_rng_unit(struct cop_rng *rng)
{
    return (double)(cop_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Rounding may carry low + width * unit up to high: draw again. */
double cop_rng_range(struct cop_rng *rng, double low, double high)
{
    if (!(low < high)) return low;
    double x;
    do {
        x = low + (high - low) * cop_rng_unit(rng);
    } while (x >= high);
    return x;
}

double cop_rng_normal(struct cop_rng *rng)
{
    const double two_pi = 6.283185307179586476925;
    double radius = sqrt(-2.0 * log(1.0 - cop_rng_unit(rng))); /* of (0, 1] */
    return radius * cos(two_pi * cop_rng_unit(rng));
}
