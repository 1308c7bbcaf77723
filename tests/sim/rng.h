/* tests/sim/rng.h -- the one source of chance: everything a run does follows from its seed.
 *
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014): SplitMix64.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to n - 1; n > 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n) { return rng_next(r) % n; }

/* Both ends included. */
static inline uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high) {
    return low + rng_below(r, high - low + 1);
}

static inline bool rng_permille(struct rng *r, uint32_t p) { return rng_below(r, 1000) < p; }

#endif
