/* bench/histogram.h -- counts of values in log-linear buckets: percentiles within 1.6 %.
 *
 * Every power of two is cut into 64 equal buckets, as HdrHistogram does; values below 64 are exact.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

/* Values up to 2^42 - 1 keep their precision (73 minutes in nanoseconds); larger ones share the
 * last bucket. */
enum { HISTOGRAM_BITS = 6, HISTOGRAM_TOP = 42 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
    uint64_t n, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
/* The smallest bucket top that at least `percent` (0 to 100) of the values do not exceed, never
 * above the largest value seen; 0 when empty. */
uint64_t histogram_at(const struct histogram *h, double percent);

#endif
