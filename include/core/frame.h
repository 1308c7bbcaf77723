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

/* Far above the largest row that the protocol allows; a length then fits 32 bits anywhere. */
enum { FRAME_MAX_BYTES = 2 * 1024 * 1024 };

struct frame {
    _Atomic uint32_t refs;
    uint32_t n;               /* bytes of the Server-Sent Events frame */
    uint32_t json_at, json_n; /* where the row's JSON stands in it */
    enum row_type type;
    uint64_t seq;
    int64_t created_at_ms;
    /* epoch_tag() of the history that the row stands in, 0: not known. Whoever makes the frame sets
     * it before sharing. */
    uint64_t epoch_tag;
    struct frame *_Atomic tagged; /* the same row as a tagged event, once somebody wanted it */
    char bytes[];                 /* `id: <seq>\ndata: <json>\n\n` */
};

/* NULL: no memory, or over FRAME_MAX_BYTES. The caller holds one reference. */
struct frame *frame_new(const struct row *row);
/* The same row in another inbox: as `f`, which is of frame_new(), but for its seq and epoch_tag. */
struct frame *frame_with_seq(const struct frame *f, uint64_t seq);
/* The same as frame_new() for JSON that came over NATS and was read by row_read_head(). */
struct frame *frame_of_json(const struct row_head *head, struct str json);
/* An event that is not a row (ready, resync, drain, keep-alive): `bytes` as they are, json_n = 0.
 */
struct frame *frame_of_event(uint64_t seq, struct str bytes);
/* The row as a tagged event (protocol, section 7), made once and shared: lives as long as `f`,
 * which the caller goes on holding. NULL: no memory. */
struct frame *frame_tagged(struct frame *f);
struct frame *frame_ref(struct frame *f);
/* NULL-safe. */
void frame_unref(struct frame *f);
struct str frame_json(const struct frame *f);

#endif
