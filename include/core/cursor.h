/* core/cursor.h -- what a node knows of one inbox: up to where, and which rows came too early.
 *
 * The cursor is at the seq up to which every row has been handed on. A row with the next seq moves
 * it; an older one is dropped; an early one is held until the hole before it is filled.
 *
 * Threads: only the loop thread that owns the inbox.
 * Memory: references of the held rows; nothing while no row is early.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_CURSOR_H
#define CORE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/frame.h"

struct cursor {
    uint64_t at;    /* handed on up to here */
    uint64_t heard; /* the highest seq heard of; >= at */
    uint32_t held_n;
    struct frame **held; /* ascending, all > at + 1, NULL when none was ever early */
};

enum cursor_verdict {
    CURSOR_NEXT,  /* the cursor has moved to it: deliver, then ask cursor_pop() */
    CURSOR_OLD,   /* drop it */
    CURSOR_EARLY, /* there is a hole before it: cursor_hold() */
};

void cursor_init(struct cursor *c, uint64_t at);
void cursor_done(struct cursor *c);

enum cursor_verdict cursor_offer(struct cursor *c, uint64_t seq);
/* Keeps an early row (a reference of its own). RC_REPEAT: it is held already. RC_FULL: max_held
 * are. RC_NO_MEMORY. In all cases the cursor has heard of it. */
MUST_CHECK enum rc cursor_hold(struct cursor *c, struct frame *frame, uint32_t max_held);
/* The held row that is next now; the cursor has moved to it and the caller owns the reference.
 * NULL when there is none. */
struct frame *cursor_pop(struct cursor *c);

/* Moves forward to `at` (never back), forgetting held rows up to there. */
void cursor_jump(struct cursor *c, uint64_t at);
/* Another history: to `at`, wherever that is, forgetting all held rows and what was heard. */
void cursor_reset(struct cursor *c, uint64_t at);
/* The head was seen to be at least `seq`. */
void cursor_hear(struct cursor *c, uint64_t seq);
/* The store said that nothing follows `head`: what was heard beyond was never a row. */
void cursor_unhear(struct cursor *c, uint64_t head);
/* Rows are known to exist that have not been handed on. */
bool cursor_is_behind(const struct cursor *c);

#endif
