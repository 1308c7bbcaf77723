/* core/outbox.c -- frames waiting for one stream: a ring of references.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/outbox.h"

#include <stdlib.h>

struct outbox {
    uint32_t max_frames, max_bytes;
    uint32_t first, n; /* of the ring */
    uint32_t rows;
    uint32_t sent_of_first; /* bytes */
    uint64_t bytes;         /* of rows */
    struct frame *ring[];   /* max_frames + OUTBOX_EVENTS */
};

static uint32_t ring_size(const struct outbox *ob) { return ob->max_frames + OUTBOX_EVENTS; }

static struct frame **at(struct outbox *ob, uint32_t i) {
    return &ob->ring[(ob->first + i) % ring_size(ob)];
}

static bool is_row(const struct frame *f) { return f->json_n > 0; }

struct outbox *outbox_new(uint32_t max_frames, uint32_t max_bytes) {
    struct outbox *ob =
        calloc(1, sizeof *ob + ((size_t)max_frames + OUTBOX_EVENTS) * sizeof(struct frame *));
    if (ob) {
        ob->max_frames = max_frames;
        ob->max_bytes = max_bytes;
    }
    return ob;
}

void outbox_free(struct outbox *ob) {
    if (!ob)
        return;
    for (uint32_t i = 0; i < ob->n; i++)
        frame_unref(*at(ob, i));
    free(ob);
}

enum rc outbox_push(struct outbox *ob, struct frame *frame) {
    if (ob->n == ring_size(ob))
        return RC_FULL;
    if (is_row(frame)) {
        if (ob->rows == ob->max_frames || (ob->rows > 0 && ob->bytes + frame->n > ob->max_bytes))
            return RC_FULL;
        ob->rows++;
        ob->bytes += frame->n;
    }
    *at(ob, ob->n++) = frame_ref(frame);
    return RC_OK;
}

int outbox_peek(const struct outbox *ob, struct iovec *out, int max) {
    int filled = 0;
    uint32_t skip = ob->sent_of_first;
    for (uint32_t i = 0; i < ob->n && filled < max; i++) {
        struct frame *f = ob->ring[(ob->first + i) % ring_size(ob)];
        out[filled++] = (struct iovec){f->bytes + skip, f->n - skip};
        skip = 0;
    }
    return filled;
}

/* The oldest, or the newest, leaves. */
static void forget(struct outbox *ob, struct frame *f) {
    if (is_row(f)) {
        ob->rows--;
        ob->bytes -= f->n;
    }
    ob->n--;
    frame_unref(f);
}

uint32_t outbox_sent(struct outbox *ob, size_t n) {
    uint32_t whole = 0;
    n += ob->sent_of_first;
    while (ob->n > 0 && n >= (*at(ob, 0))->n) {
        struct frame *f = *at(ob, 0);
        n -= f->n;
        whole += is_row(f);
        ob->first = (ob->first + 1) % ring_size(ob);
        forget(ob, f);
    }
    ob->sent_of_first = (uint32_t)n;
    return whole;
}

uint64_t outbox_drop_rows(struct outbox *ob) {
    uint64_t first_dropped = 0;
    while (ob->n > 0) {
        struct frame *f = *at(ob, ob->n - 1);
        bool begun = ob->n == 1 && ob->sent_of_first > 0;
        if (!is_row(f) || begun)
            break;
        first_dropped = f->seq;
        forget(ob, f);
    }
    return first_dropped;
}

bool outbox_is_empty(const struct outbox *ob) { return ob->n == 0; }
