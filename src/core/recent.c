/* core/recent.c -- the last rows of an inbox that passed by: a ring of references.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/recent.h"

#include <stdlib.h>

void recent_init(struct recent *r) { *r = (struct recent){0}; }

static void drop_oldest(struct recent *r) {
    struct frame *f = r->ring[r->at];
    r->at = (r->at + 1) % r->max_rows;
    r->n--;
    r->first++;
    r->bytes -= f->n;
    frame_unref(f);
}

void recent_clear(struct recent *r) {
    while (r->n > 0)
        drop_oldest(r);
    free(r->ring);
    recent_init(r);
}

void recent_add(struct recent *r, struct frame *frame, uint32_t max_rows, uint32_t max_bytes) {
    if (r->n > 0 && frame->seq < r->first + r->n)
        return;
    if (r->n > 0 && frame->seq > r->first + r->n)
        recent_clear(r);
    if (!r->ring) {
        r->ring = calloc(max_rows, sizeof(struct frame *));
        if (!r->ring)
            return;
        r->max_rows = max_rows;
    }
    while (r->n > 0 && (r->n == r->max_rows || r->bytes + frame->n > max_bytes))
        drop_oldest(r);
    if (r->n == 0)
        r->first = frame->seq;
    r->ring[(r->at + r->n) % r->max_rows] = frame_ref(frame);
    r->n++;
    r->bytes += frame->n;
}

struct frame *recent_get(const struct recent *r, uint64_t seq) {
    if (r->n == 0 || seq < r->first || seq - r->first >= r->n)
        return NULL;
    return r->ring[(r->at + (uint32_t)(seq - r->first)) % r->max_rows];
}
