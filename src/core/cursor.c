/* core/cursor.c -- what a node knows of one inbox.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/cursor.h"

#include <stdlib.h>
#include <string.h>

void cursor_init(struct cursor *c, uint64_t at) { *c = (struct cursor){.at = at, .heard = at}; }

/* Forgets the first n of the held rows. */
static void release(struct cursor *c, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        frame_unref(c->held[i]);
    if (n > 0)
        memmove(c->held, c->held + n, (c->held_n - n) * sizeof(struct frame *));
    c->held_n -= n;
    if (c->held_n == 0) {
        free(c->held);
        c->held = NULL;
    }
}

void cursor_done(struct cursor *c) { release(c, c->held_n); }

enum cursor_verdict cursor_offer(struct cursor *c, uint64_t seq) {
    if (seq <= c->at)
        return CURSOR_OLD;
    cursor_hear(c, seq);
    if (seq > c->at + 1)
        return CURSOR_EARLY;
    c->at = seq;
    return CURSOR_NEXT;
}

enum rc cursor_hold(struct cursor *c, struct frame *frame, uint32_t max_held) {
    cursor_hear(c, frame->seq);
    uint32_t i = c->held_n;
    while (i > 0 && c->held[i - 1]->seq > frame->seq)
        i--;
    if (i > 0 && c->held[i - 1]->seq == frame->seq)
        return RC_REPEAT;
    if (c->held_n >= max_held)
        return RC_FULL;
    if (!c->held)
        c->held = calloc(max_held, sizeof(struct frame *));
    if (!c->held)
        return RC_NO_MEMORY;
    memmove(c->held + i + 1, c->held + i, (c->held_n - i) * sizeof(struct frame *));
    c->held[i] = frame_ref(frame);
    c->held_n++;
    return RC_OK;
}

struct frame *cursor_pop(struct cursor *c) {
    uint32_t old = 0;
    while (old < c->held_n && c->held[old]->seq <= c->at)
        old++;
    release(c, old);
    if (c->held_n == 0 || c->held[0]->seq != c->at + 1)
        return NULL;
    struct frame *next = frame_ref(c->held[0]);
    release(c, 1);
    c->at = next->seq;
    return next;
}

void cursor_jump(struct cursor *c, uint64_t at) {
    if (at <= c->at)
        return;
    c->at = at;
    cursor_hear(c, at);
    uint32_t old = 0;
    while (old < c->held_n && c->held[old]->seq <= at)
        old++;
    release(c, old);
}

void cursor_reset(struct cursor *c, uint64_t at) {
    release(c, c->held_n);
    c->at = c->heard = at;
}

void cursor_hear(struct cursor *c, uint64_t seq) {
    if (seq > c->heard)
        c->heard = seq;
}

void cursor_unhear(struct cursor *c, uint64_t head) {
    uint64_t known = head > c->at ? head : c->at;
    if (c->heard > known)
        c->heard = known;
    while (c->held_n > 0 && c->held[c->held_n - 1]->seq > known) {
        frame_unref(c->held[--c->held_n]);
        if (c->held_n == 0)
            release(c, 0);
    }
}

bool cursor_is_behind(const struct cursor *c) { return c->heard > c->at; }
