/* core/recent.h -- the last rows of an inbox that passed by, without a gap.
 *
 * A page of the store is old when it arrives. A stream that reads goes on from it with the rows
 * that came meanwhile; without them it would have to read again, and on a busy inbox for ever.
 *
 * Threads: only the loop thread that owns the inbox.
 * Memory: at most max_rows references and about max_bytes of rows; nothing when empty.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef CORE_RECENT_H
#define CORE_RECENT_H

#include <stdint.h>

#include "core/frame.h"

struct recent_rows;
struct recent {
    struct recent_rows *rows; /* NULL when empty */
};

void recent_init(struct recent *r);
/* Forgets all of them; it may be used again. */
void recent_clear(struct recent *r);
/* The row `frame` has just passed by: keeps a reference. A row that does not follow the last one
 * begins anew; one that is not newer is left out. The oldest make room. Without memory nothing is
 * kept. The limits are the same at every call. */
void recent_add(struct recent *r, struct frame *frame, uint32_t max_rows, uint32_t max_bytes);
/* Borrowed, valid until the next change; NULL when it is not kept. */
struct frame *recent_get(const struct recent *r, uint64_t seq);
/* The seq of the oldest one kept; 0 when none is. */
uint64_t recent_first(const struct recent *r);
uint32_t recent_count(const struct recent *r);
uint64_t recent_bytes(const struct recent *r);

#endif
