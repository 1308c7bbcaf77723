/* core/outbox.h -- frames waiting for one stream.
 *
 * Rows have limits; the few events that are not rows (at most one `resync`, one `ready`, one
 * `drain` and a keep-alive at a time) pass them, because they cannot be read again from the store.
 *
 * Threads: only the loop thread that owns the stream.
 * Memory: at most `max_frames` references of rows and OUTBOX_EVENTS of events; bytes are never
 * copied.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_OUTBOX_H
#define CORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/frame.h"

enum { OUTBOX_EVENTS = 4 };

struct outbox;

struct outbox *outbox_new(uint32_t max_frames, uint32_t max_bytes);
/* Drops what is left. NULL-safe. */
void outbox_free(struct outbox *ob);

/* Appends `frame`. Borrows it: the outbox takes a reference of its own.
 * RC_FULL: nothing was added; the stream must read on from the store. One row always fits into an
 * outbox without rows, however large. */
MUST_CHECK enum rc outbox_push(struct outbox *ob, struct frame *frame);
/* Fills up to `max` entries with what is to be sent next, in order; how many. */
int outbox_peek(const struct outbox *ob, struct iovec *out, int max);
/* `n` bytes of what outbox_peek() gave are sent. Returns how many row frames are now sent whole. */
uint32_t outbox_sent(struct outbox *ob, size_t n);
/* Drops the rows at the end that have not been begun, back to the last event or begun frame.
 * Returns the seq of the first one dropped, 0 when none was. */
uint64_t outbox_drop_rows(struct outbox *ob);
bool outbox_is_empty(const struct outbox *ob);

#endif
