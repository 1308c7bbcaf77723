/* core/timers.h -- what is due when: a binary heap of small notes.
 *
 * A note is not cancelled: whoever gets it looks whether it still matters.
 *
 * Threads: one at a time.
 * Memory: 24 bytes a note.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_TIMERS_H
#define CORE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct timer {
    uint64_t due_ms;
    uint64_t id;   /* of what it is about */
    uint32_t kind; /* the caller's */
};

struct timers {
    struct timer *heap;
    size_t n, cap;
};

void timers_init(struct timers *t);
void timers_done(struct timers *t);
/* RC_NO_MEMORY. */
MUST_CHECK enum rc timers_add(struct timers *t, struct timer timer);
/* Takes the earliest out if it is due at now_ms. */
bool timers_pop(struct timers *t, uint64_t now_ms, struct timer *out);
/* When the earliest is due; UINT64_MAX when there is none. */
uint64_t timers_next_ms(const struct timers *t);

#endif
