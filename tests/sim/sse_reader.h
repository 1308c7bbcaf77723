/* tests/sim/sse_reader.h -- reads a stream byte by byte and takes only what the protocol says.
 *
 * Source: protocol, section 5; WHATWG HTML, 9.2.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SIM_SSE_READER_H
#define SIM_SSE_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/page.h"

enum { SSE_READER_BYTES = 8192 };

struct sse_reader {
    char bytes[SSE_READER_BYTES];
    size_t n;
    bool tagged; /* rows are events for other hosts (protocol, section 7) */
};

enum sse_kind { SSE_COMMENT, SSE_ROW, SSE_READY, SSE_RESYNC, SSE_DRAIN, SSE_KINDS };
enum resync_reason { RESYNC_TRIMMED, RESYNC_AHEAD, RESYNC_EPOCH, RESYNC_REASONS };
extern const char *const resync_names[RESYNC_REASONS];

struct sse_event {
    enum sse_kind kind;
    uint64_t id;     /* of a row, ready, resync */
    struct str data; /* of a row; valid until the next read */
    struct str handle;
    struct epoch epoch;
    uint64_t first, missed;
    enum resync_reason reason;
};

/* Another stream begins. */
void sse_reader_reset(struct sse_reader *r, bool tagged);
/* More bytes; false when they are too many. */
bool sse_reader_feed(struct sse_reader *r, const char *bytes, size_t n);
/* 1: the next event, 0: it is not whole yet, -1: it is none of ours. `used` bytes are to be taken
 * off with sse_reader_take() when the event has been dealt with. */
int sse_reader_next(struct sse_reader *r, struct sse_event *out, size_t *used);
void sse_reader_take(struct sse_reader *r, size_t used);

#endif
