/* bench/troubles.h -- what went wrong, each kind once, with how often.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_TROUBLES_H
#define BENCH_TROUBLES_H

#include <stdint.h>

enum { TROUBLES_KINDS = 12, TROUBLES_TEXT_MAX = 160 };

/* All zero: none. */
struct troubles {
    uint64_t all;
    unsigned kinds;
    struct trouble {
        uint64_t times;
        char text[TROUBLES_TEXT_MAX];
    } at[TROUBLES_KINDS];
};

/* Counts one. A kind beyond TROUBLES_KINDS is counted in `all` alone. */
void troubles_add(struct troubles *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
