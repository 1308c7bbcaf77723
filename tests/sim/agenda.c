/* tests/sim/agenda.c -- a binary heap of events.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/agenda.h"

#include <stdlib.h>

static bool is_before(const struct event *a, const struct event *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->tie < b->tie;
}

void agenda_add(struct agenda *a, const struct event *e) {
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 1024;
        a->heap = realloc(a->heap, a->cap * sizeof *a->heap);
        if (!a->heap)
            abort();
    }
    size_t i = a->n++;
    for (; i > 0 && is_before(e, &a->heap[(i - 1) / 2]); i = (i - 1) / 2)
        a->heap[i] = a->heap[(i - 1) / 2];
    a->heap[i] = *e;
}

bool agenda_pop(struct agenda *a, struct event *out) {
    if (a->n == 0)
        return false;
    *out = a->heap[0];
    struct event last = a->heap[--a->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= a->n)
            break;
        if (child + 1 < a->n && is_before(&a->heap[child + 1], &a->heap[child]))
            child++;
        if (!is_before(&a->heap[child], &last))
            break;
        a->heap[i] = a->heap[child];
        i = child;
    }
    a->heap[i] = last;
    return true;
}

uint64_t agenda_next_ms(const struct agenda *a) { return a->n ? a->heap[0].at_ms : UINT64_MAX; }

void agenda_done(struct agenda *a) {
    for (size_t i = 0; i < a->n; i++)
        if (a->heap[i].drop)
            a->heap[i].drop(&a->heap[i]);
    free(a->heap);
    *a = (struct agenda){0};
}
