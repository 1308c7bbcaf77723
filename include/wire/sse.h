/* wire/sse.h -- Server-Sent Events frames and Last-Event-ID.
 *
 * Source: WHATWG HTML, 9.2; protocol, section 5. LF line ends.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_SSE_H
#define WIRE_SSE_H

#include <stdint.h>

#include "base/buf.h"

#define SEQ_MAX (((uint64_t)1 << 53) - 1)

/* 1 to 16 digits and nothing else, no leading zero ("0" itself is fine).
 * RC_MALFORMED: another byte, or none. RC_TOO_LARGE: over SEQ_MAX. *seq is set on RC_OK only. */
MUST_CHECK enum rc sse_read_last_id(struct str text, uint64_t *seq);

/* The bytes that open every stream: `retry: 3000`. */
struct str sse_hello(void);
/* A comment that keeps proxies awake: `: keep-alive`. */
struct str sse_keep_alive(void);

/* `event: ready`, id = seq: {"handle","seq","first","epoch"}. */
void sse_put_ready(struct buf *out, struct str handle, uint64_t seq, uint64_t first,
                   struct str epoch);
/* `event: resync`, id = seq: {"reason","seq","missed","epoch"}; reason is trimmed, ahead or epoch.
 */
void sse_put_resync(struct buf *out, struct str reason, uint64_t seq, uint64_t missed,
                    struct str epoch);
/* `event: drain` with {"retry_ms"} and a `retry:` line with the same figure; no id. */
void sse_put_drain(struct buf *out, uint32_t retry_ms);

#endif
