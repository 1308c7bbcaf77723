/* bench/scan.h -- reads Server-Sent Events as they come, split anywhere, in a few bytes of state.
 *
 * Nothing is kept of a frame but what the bench judges by: which event it is, its id, and the mark
 * that the poster put into the body: `@<nanoseconds>;<handle>;<post>;`, wherever it stands in the
 * data.
 *
 * Source: WHATWG HTML, 9.2.6 (LF and CRLF line ends; a lone CR is not one here, and no server we
 * know sends it).
 * Memory: none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_SCAN_H
#define BENCH_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum scan_event { SCAN_ROW, SCAN_READY, SCAN_RESYNC, SCAN_DRAIN, SCAN_OTHER };

/* What the poster wrote into a body. */
struct mark {
    uint64_t sent_ns; /* monotonic */
    uint32_t handle;
    uint32_t post;
};

struct scan_frame {
    enum scan_event event;
    bool has_id; /* digits alone */
    bool has_mark;
    uint64_t id;
    struct mark mark;
};

/* All zero at the start of a stream. */
struct scan {
    uint64_t word; /* the field or event name so far, or the number */
    uint64_t id;
    struct mark mark;
    uint8_t state;
    uint8_t count; /* bytes in word, or digits */
    uint8_t event;
    uint8_t flags;
};

/* Reads on in *in, which moves past what was read. True: a frame ended, and *out says what it was;
 * call again. False: *in is used up. */
bool scan_next(struct scan *s, struct str *in, struct scan_frame *out);

#endif
