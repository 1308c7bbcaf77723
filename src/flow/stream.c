/* flow/stream.c -- GET /v1/inbox/<handle>/stream and GET /v1/events: where a stream begins, and
 * whether it may.
 *
 * The stream itself is push's; here it gets its place, its owner and its starting point.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <string.h>

#include "flow/caller.h"
#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/sse.h"

/* Last-Event-ID decides, then ?since=, else the stream starts now. */
static enum rc read_start(struct exchange *ex) {
    struct push_open *open = &ex->open;
    struct str since;
    if (!str_is_absent(ex->last_event_id)) {
        open->has_after = true;
        return sse_read_last_id(ex->last_event_id, &open->after);
    }
    enum rc rc = target_param(ex->target, STR("since"), &since);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    open->has_after = true;
    return rc == RC_OK ? str_read_u64(since, SEQ_MAX, &open->after) : rc;
}

static enum rc read_epoch(struct exchange *ex) {
    struct str held;
    enum rc rc = target_param(ex->target, STR("epoch"), &held);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    ex->open.has_epoch = true;
    /* One that is too long is not ours; cut, it still differs from all of ours. */
    size_t n = held.n < EPOCH_MAX ? held.n : EPOCH_MAX;
    memcpy(ex->open.epoch.text, held.p, n);
    ex->open.epoch.text[n] = '\0';
    return RC_OK;
}

/* False: answered. */
static bool read_beginning(struct exchange *ex, enum step *answer) {
    if (read_start(ex) != RC_OK)
        *answer = exchange_fail(ex, RC_MALFORMED,
                                "Last-Event-ID and `since` must be a seq: digits, below 2^53.");
    else if (read_epoch(ex) != RC_OK)
        *answer = exchange_fail(ex, RC_MALFORMED, "Give `epoch` once.");
    else
        return true;
    return false;
}

static enum step open_stream(struct flow *flow, struct exchange *ex) {
    enum step answer;
    if (!read_beginning(ex, &answer) ||
        !limits_allow_client(flow->opens_quota, flow, ex, &answer) ||
        !limits_allow_caller(flow->stream_quota, flow, ex, &answer))
        return answer;
    ex->open.user = ex->caller;
    ex->open.client = ex->client_exempt ? 0 : ex->client;
    enum rc rc = push_reserve(flow->push, &ex->caller, ex->open.client);
    if (rc == RC_FULL)
        return exchange_fail(ex, RC_FULL,
                             "There is no room for another stream; close one, or try "
                             "again soon.");
    if (rc != RC_OK)
        return exchange_fail(ex, rc, "This node takes no new streams; connect again.");
    ex->is_stream = true;
    return exchange_answer(ex, 200, "text/event-stream");
}

/* The header, also an empty one, else the query. False: answered. */
static bool header_or_query(struct exchange *ex, struct str header, struct str name,
                            struct str *value, enum step *answer) {
    *value = header;
    if (!str_is_absent(header) || target_param(ex->target, name, value) != RC_MALFORMED)
        return true;
    *answer = exchange_failf(ex, RC_MALFORMED, "Give `%.*s` once.", STR_ARG(name));
    return false;
}

static bool put_stream_text(struct exchange *ex, struct str handle, struct buf *out,
                            enum step *answer) {
    (void)answer;
    auth_put_stream(out, handle, ex->auth_read.at_text);
    return true;
}

enum step flow_inbox_stream(struct flow *flow, struct exchange *ex) {
    struct handle h;
    enum step answer;
    struct str credential;
    if (!caller_path_handle(ex, &h, &answer) ||
        !header_or_query(ex, ex->auth, STR("auth"), &credential, &answer))
        return answer;
    return caller_is_owner(flow, ex, credential, put_stream_text, open_stream);
}

static enum step open_events(struct flow *flow, struct exchange *ex) {
    ex->open.tagged = true;
    return open_stream(flow, ex);
}

enum step flow_events(struct flow *flow, struct exchange *ex) {
    enum step answer;
    struct str primary, credential;
    if (!header_or_query(ex, ex->public_key, STR("public_key"), &primary, &answer) ||
        !header_or_query(ex, ex->auth, STR("auth"), &credential, &answer))
        return answer;
    return caller_is_primary(flow, ex, primary, credential, open_events);
}
