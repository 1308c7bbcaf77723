/* core/recent.c -- the last rows of an inbox that passed by: a ring of references.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/recent.h"

#include <stdlib.h>

struct recent_rows {
    uint64_t first; /* seq of the oldest one */
    uint64_t bytes;
    uint32_t at, n; /* of the ring: its oldest, and how many; n > 0 */
    uint32_t max_rows;
    struct frame *ring[];
};

void recent_init(struct recent *r) { *r = (struct recent){0}; }

static void drop_oldest(struct recent_rows *rows) {
    struct frame *f = rows->ring[rows->at];
    rows->at = (rows->at + 1) % rows->max_rows;
    rows->n--;
    rows->first++;
    rows->bytes -= f->n;
    frame_unref(f);
}

void recent_clear(struct recent *r) {
    while (r->rows && r->rows->n > 0)
        drop_oldest(r->rows);
    free(r->rows);
    recent_init(r);
}

static struct recent_rows *rows_new(uint32_t max_rows) {
    struct recent_rows *rows = calloc(1, sizeof *rows + max_rows * sizeof(struct frame *));
    if (rows)
        rows->max_rows = max_rows;
    return rows;
}

void recent_add(struct recent *r, struct frame *frame, uint32_t max_rows, uint32_t max_bytes) {
    if (r->rows && frame->seq < r->rows->first + r->rows->n)
        return;
    if (r->rows && frame->seq > r->rows->first + r->rows->n)
        recent_clear(r);
    if (!r->rows && !(r->rows = rows_new(max_rows)))
        return;
    struct recent_rows *rows = r->rows;
    while (rows->n > 0 && (rows->n == rows->max_rows || rows->bytes + frame->n > max_bytes))
        drop_oldest(rows);
    if (rows->n == 0)
        rows->first = frame->seq;
    rows->ring[(rows->at + rows->n) % rows->max_rows] = frame_ref(frame);
    rows->n++;
    rows->bytes += frame->n;
}

struct frame *recent_get(const struct recent *r, uint64_t seq) {
    const struct recent_rows *rows = r->rows;
    if (!rows || seq < rows->first || seq - rows->first >= rows->n)
        return NULL;
    return rows->ring[(rows->at + (uint32_t)(seq - rows->first)) % rows->max_rows];
}

uint64_t recent_first(const struct recent *r) { return r->rows ? r->rows->first : 0; }

uint32_t recent_count(const struct recent *r) { return r->rows ? r->rows->n : 0; }

uint64_t recent_bytes(const struct recent *r) { return r->rows ? r->rows->bytes : 0; }
