/* core/frame.h -- a row made ready for streams: immutable bytes, shared by reference.
 *
 * One frame is made per row and node, and shared by the streams, the outboxes and the bus.
 *
 * Threads: any; the count is atomic, the bytes never change.
 * Memory: counted; the last frame_unref() frees.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdint.h>

#include "base/str.h"
#include "wire/row.h"

struct frame {
    _Atomic uint32_t refs;
    uint32_t n;               /* bytes of the Server-Sent Events frame */
    uint32_t json_at, json_n; /* where the row's JSON stands in it */
    enum row_type type;
    uint64_t seq;
    int64_t created_at_ms;
    char bytes[]; /* `id: <seq>\ndata: <json>\n\n` */
};

/* NULL: no memory. The caller holds one reference. */
struct frame *frame_new(const struct row *row);
/* The same for JSON that came over NATS and was read by row_read_head(). */
struct frame *frame_of_json(const struct row_head *head, struct str json);
struct frame *frame_ref(struct frame *f);
/* NULL-safe. */
void frame_unref(struct frame *f);
struct str frame_json(const struct frame *f);

#endif
