/* wire/sse.c -- Server-Sent Events frames and Last-Event-ID.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/sse.h"

#include "wire/json_span.h"

enum rc sse_read_last_id(struct str text, uint64_t *seq) {
    return str_read_u64(text, SEQ_MAX, seq);
}

struct str sse_hello(void) {
    return STR("retry: 3000\n\n");
}

struct str sse_keep_alive(void) {
    return STR(": keep-alive\n\n");
}

/* The lines before the data of an event that moves the client's Last-Event-ID to `seq`. */
static void put_head(struct buf *out, struct str event, uint64_t seq) {
    buf_put(out, STR("event: "));
    buf_put(out, event);
    buf_put(out, STR("\nid: "));
    buf_put_u64(out, seq);
    buf_put(out, STR("\ndata: "));
}

void sse_put_ready(struct buf *out, struct str handle, uint64_t seq, uint64_t first,
                   struct str epoch) {
    put_head(out, STR("ready"), seq);
    buf_put(out, STR("{\"handle\":"));
    json_put_string(out, handle);
    buf_put(out, STR(",\"seq\":"));
    buf_put_u64(out, seq);
    buf_put(out, STR(",\"first\":"));
    buf_put_u64(out, first);
    buf_put(out, STR(",\"epoch\":"));
    json_put_string(out, epoch);
    buf_put(out, STR("}\n\n"));
}

void sse_put_resync(struct buf *out, struct str reason, uint64_t seq, uint64_t missed,
                    struct str epoch) {
    put_head(out, STR("resync"), seq);
    buf_put(out, STR("{\"reason\":"));
    json_put_string(out, reason);
    buf_put(out, STR(",\"seq\":"));
    buf_put_u64(out, seq);
    buf_put(out, STR(",\"missed\":"));
    buf_put_u64(out, missed);
    buf_put(out, STR(",\"epoch\":"));
    json_put_string(out, epoch);
    buf_put(out, STR("}\n\n"));
}

void sse_put_drain(struct buf *out, uint32_t retry_ms) {
    buf_put(out, STR("event: drain\nretry: "));
    buf_put_u64(out, retry_ms);
    buf_put(out, STR("\ndata: {\"retry_ms\":"));
    buf_put_u64(out, retry_ms);
    buf_put(out, STR("}\n\n"));
}
