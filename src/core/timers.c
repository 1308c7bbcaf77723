/* core/timers.c -- a binary heap of small notes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/timers.h"

#include <stdlib.h>

enum { KEPT_MAX = 1024 }; /* notes that an empty heap may have room for */

void timers_init(struct timers *t) { *t = (struct timers){0}; }

void timers_done(struct timers *t) {
    free(t->heap);
    timers_init(t);
}

enum rc timers_add(struct timers *t, struct timer timer) {
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct timer *heap = realloc(t->heap, cap * sizeof *heap);
        if (!heap)
            return RC_NO_MEMORY;
        t->heap = heap;
        t->cap = cap;
    }
    size_t i = t->n++;
    while (i > 0 && t->heap[(i - 1) / 2].due_ms > timer.due_ms) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = timer;
    return RC_OK;
}

bool timers_pop(struct timers *t, uint64_t now_ms, struct timer *out) {
    if (t->n == 0 || t->heap[0].due_ms > now_ms)
        return false;
    *out = t->heap[0];
    struct timer last = t->heap[--t->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->n)
            break;
        if (child + 1 < t->n && t->heap[child + 1].due_ms < t->heap[child].due_ms)
            child++;
        if (last.due_ms <= t->heap[child].due_ms)
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    if (t->n > 0)
        t->heap[i] = last;
    else if (t->cap > KEPT_MAX) /* a burst is over: its memory goes back */
        timers_done(t);
    return true;
}

uint64_t timers_next_ms(const struct timers *t) { return t->n ? t->heap[0].due_ms : UINT64_MAX; }
