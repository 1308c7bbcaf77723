/* flow/inbox.c -- an inbox by request: read in pages, and trimmed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/caller.h"
#include "flow/flow.h"
#include "wire/sse.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 500 };

/* Only the base case of an owner that is gone meanwhile. */
static enum step inbox_failed(struct flow *flow, struct exchange *ex, enum rc rc) {
    if (rc != RC_NOT_FOUND)
        return exchange_fail(ex, rc, "The store cannot be asked; try again soon.");
    directory_forget(flow->directory, &ex->caller.handle);
    return exchange_fail(ex, rc, "Nobody has registered this handle here.");
}

static void drop_page(struct exchange *ex) { page_done(&ex->job.read.page); }

static enum step page_read(struct flow *flow, struct exchange *ex) {
    const struct store_read *read = &ex->job.read;
    if (read->job.rc != RC_OK)
        return inbox_failed(flow, ex, read->job.rc);
    const struct page *page = &read->page;
    struct str held;
    buf_put_byte(&ex->out, '{');
    page_put(&ex->out, page);
    if (target_param(ex->target, STR("epoch"), &held) == RC_OK &&
        !str_eq(held, str_of(page->at.epoch.text)))
        buf_put(&ex->out, STR(",\"reset\":true"));
    buf_put_byte(&ex->out, '}');
    return exchange_answer(ex, 200, "application/json");
}

static enum step read_page(struct flow *flow, struct exchange *ex) {
    uint64_t limit = LIMIT_DEFAULT;
    struct str held;
    enum rc rc = target_param_u64(ex->target, STR("limit"), LIMIT_MAX, &limit);
    if (rc != RC_OK || limit == 0)
        return exchange_fail(ex, RC_MALFORMED, "`limit` must be a number from 1 to 500, once.");
    if (target_param(ex->target, STR("epoch"), &held) == RC_MALFORMED)
        return exchange_fail(ex, RC_MALFORMED, "Give `epoch` once.");
    ex->job.read = (struct store_read){
        .inbox = ex->caller.inbox,
        .after = ex->since,
        .limit = (uint32_t)limit,
        .max_bytes = PAGE_MAX_BYTES,
    };
    ex->drop = drop_page;
    return exchange_submit(flow, ex, STORE_READ, page_read);
}

static bool put_poll_text(struct exchange *ex, struct str handle, struct buf *out,
                          enum step *answer) {
    if (target_param_u64(ex->target, STR("since"), SEQ_MAX, &ex->since) != RC_OK) {
        *answer = exchange_fail(ex, RC_MALFORMED,
                                "`since` must be a number below 2^53 without leading zeros, once.");
        return false;
    }
    auth_put_poll(out, handle, ex->since, ex->auth_read.at_text);
    return true;
}

enum step flow_inbox(struct flow *flow, struct exchange *ex) {
    return caller_is_owner(flow, ex, ex->auth, put_poll_text, read_page);
}

static enum step trimmed(struct flow *flow, struct exchange *ex) {
    enum rc rc = ex->job.trim.job.rc;
    if (rc == RC_OK)
        return exchange_answer(ex, 204, NULL);
    if (rc == RC_TOO_LARGE)
        return exchange_fail(ex, RC_MALFORMED, "`upto` is above the head of the inbox.");
    return inbox_failed(flow, ex, rc);
}

static enum step trim(struct flow *flow, struct exchange *ex) {
    struct handle h;
    struct str text;
    uint64_t upto;
    if (handle_read(ex->arg, &h) != RC_OK || !handle_eq(&h, &ex->caller.handle))
        return exchange_fail(ex, RC_FORBIDDEN, "Only the owner may trim an inbox.");
    if (target_param(ex->target, STR("upto"), &text) != RC_OK ||
        str_read_u64(text, SEQ_MAX, &upto) != RC_OK)
        return exchange_fail(ex, RC_MALFORMED,
                             "Say how far: ?upto=<seq>, a number below 2^53, once.");
    ex->job.trim = (struct store_trim){.inbox = ex->caller.inbox, .upto = upto};
    return exchange_submit(flow, ex, STORE_TRIM, trimmed);
}

enum step flow_inbox_trim(struct flow *flow, struct exchange *ex) {
    struct handle h;
    enum step answer;
    return caller_path_handle(ex, &h, &answer) ? caller_is_signer(flow, ex, trim) : answer;
}
