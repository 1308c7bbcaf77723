/* bench/histogram.c -- counts of values in log-linear buckets.
 *
 * Bucket of a value v >= 64 with its highest bit at e: ((e - 5) << 6) + the 6 bits below that bit.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/histogram.h"

#include <stddef.h>

#define PER_OCTAVE (UINT64_C(1) << HISTOGRAM_BITS)

static size_t bucket_of(uint64_t value) {
    if (value < PER_OCTAVE)
        return (size_t)value;
    unsigned top = 63 - (unsigned)__builtin_clzll(value);
    if (top >= HISTOGRAM_TOP)
        return HISTOGRAM_BUCKETS - 1;
    unsigned shift = top - HISTOGRAM_BITS;
    return (((size_t)shift + 1) << HISTOGRAM_BITS) + (size_t)((value >> shift) - PER_OCTAVE);
}

/* The largest value of a bucket. */
static uint64_t bucket_top(size_t bucket) {
    if (bucket < PER_OCTAVE)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_BITS) - 1;
    uint64_t low = (bucket & (PER_OCTAVE - 1)) + PER_OCTAVE;
    return ((low + 1) << shift) - 1;
}

void histogram_init(struct histogram *h) { *h = (struct histogram){0}; }

void histogram_add(struct histogram *h, uint64_t value) {
    h->counts[bucket_of(value)]++;
    h->n++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_at(const struct histogram *h, double percent) {
    if (h->n == 0)
        return 0;
    double share = (double)h->n * percent / 100.0;
    uint64_t wanted = (uint64_t)share, seen = 0;
    if ((double)wanted < share)
        wanted++;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->counts[i];
        if (seen > 0 && seen >= wanted)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max;
}
