/* base/clock.c -- the machine's clocks behind the interface.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t system_mono_us(void *arg) {
    (void)arg;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t system_wall_ms(void *arg) {
    (void)arg;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct clock *clock_system(void) {
    static const struct clock system = {system_mono_us, system_wall_ms, NULL};
    return &system;
}

uint64_t clock_mono_us(const struct clock *c) { return c->mono_us(c->arg); }

uint64_t clock_mono_ms(const struct clock *c) { return c->mono_us(c->arg) / 1000; }

int64_t clock_wall_ms(const struct clock *c) { return c->wall_ms(c->arg); }
