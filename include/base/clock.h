/* base/clock.h -- time as a parameter: a monotonic clock for waits, a wall clock for people.
 *
 * Threads: the system clock may be read from any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*mono_us)(void *arg); /* microseconds since some start; never goes back */
    int64_t (*wall_ms)(void *arg);  /* milliseconds since 1970-01-01T00:00:00Z */
    void *arg;
};

/* The machine's clocks. Never freed. */
const struct clock *clock_system(void);

uint64_t clock_mono_us(const struct clock *c);
uint64_t clock_mono_ms(const struct clock *c);
int64_t clock_wall_ms(const struct clock *c);

#endif
