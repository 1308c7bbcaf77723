/* flow/account.c -- an account as a whole: exported and deleted by its owner, shown, blocked and
 * deleted by who runs the server.
 *
 * Deleting is a row of small transactions, each of which leaves everything in order: the inbox is
 * closed, so that others cannot keep the deletion from its end; the user leaves conversation after
 * conversation, which tells the others; the rows are dropped in pieces; then the account goes. When
 * it breaks off in between, the next attempt goes on from there.
 *
 * Other nodes remember who is who for a few seconds (core/directory.h): so long it takes until a
 * deleted or blocked handle is unknown everywhere. Its streams end with the sweep.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "flow/caller.h"
#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/address.h"
#include "wire/json_span.h"
#include "wire/record.h"
#include "wire/sse.h"
#include "wire/time.h"

enum {
    EXPORT_ROWS = 100, /* of one page, unless the caller says */
    EXPORT_ROWS_MAX = 500,
    EXPORT_CONVERSATIONS = 100, /* of the first page */
    LEAVES_AT_ONCE = 16,        /* conversations of a page that are left one after the other */
    LEAVES_MAX = 100 * 1000,    /* attempts to leave conversations */
};

static const char json_type[] = "application/json";

/* What the last job owned. */
static void release(struct exchange *ex) {
    if (ex->drop)
        ex->drop(ex);
    ex->drop = NULL;
}

static enum step store_failed(struct flow *flow, struct exchange *ex, enum rc rc) {
    if (rc == RC_NOT_FOUND) {
        directory_forget(flow->directory, &ex->user.handle);
        return exchange_fail(ex, rc, "Nobody has registered this handle here.");
    }
    return exchange_fail(ex, rc, "The store did not do all of it; try again soon, it goes on.");
}

static void drop_page(struct exchange *ex) { page_done(&ex->job.read.page); }
static void drop_list(struct exchange *ex) { buf_done(&ex->job.list.json); }
static void drop_record(struct exchange *ex) { buf_done(&ex->job.record.proofs); }
static void drop_change(struct exchange *ex) { buf_done(&ex->job.change.json); }

/* ---- exporting ---- */

static enum step export_rows_read(struct flow *flow, struct exchange *ex) {
    if (ex->job.read.job.rc != RC_OK)
        return store_failed(flow, ex, ex->job.read.job.rc);
    page_put(&ex->out, &ex->job.read.page);
    buf_put_byte(&ex->out, '}');
    return exchange_answer(ex, 200, json_type);
}

static enum step export_rows(struct flow *flow, struct exchange *ex) {
    release(ex);
    ex->job.read = (struct store_read){.inbox = ex->user.inbox,
                                       .after = ex->since,
                                       .limit = ex->limit,
                                       .max_bytes = PAGE_MAX_BYTES};
    ex->drop = drop_page;
    return exchange_submit(flow, ex, STORE_READ, export_rows_read);
}

static enum step export_conversations_read(struct flow *flow, struct exchange *ex) {
    if (ex->job.list.job.rc != RC_OK)
        return store_failed(flow, ex, ex->job.list.job.rc);
    buf_put(&ex->out, STR("\"conversations\":"));
    buf_put(&ex->out, buf_str(&ex->job.list.json));
    buf_put_byte(&ex->out, ',');
    return export_rows(flow, ex);
}

static enum step export_record_read(struct flow *flow, struct exchange *ex) {
    const struct store_record *r = &ex->job.record;
    if (r->job.rc != RC_OK)
        return store_failed(flow, ex, r->job.rc);
    struct record record = {ex->user.handle, ex->user.primary, r->registered_at_ms,
                            buf_str(&r->proofs)};
    buf_put(&ex->out, STR("{\"exported_at\":\""));
    time_put(&ex->out, ex->now_ms);
    buf_put(&ex->out, STR("\",\"record\":"));
    record_put(&ex->out, &record, flow->server, flow->sig_server);
    buf_put_byte(&ex->out, ',');
    if (ex->since > 0)
        return export_rows(flow, ex);
    release(ex);
    ex->job.list = (struct conversation_list){.caller = ex->user, .limit = EXPORT_CONVERSATIONS};
    buf_init(&ex->job.list.json, ANSWER_MAX_BYTES);
    ex->drop = drop_list;
    return exchange_submit(flow, ex, STORE_CONVERSATION_LIST, export_conversations_read);
}

static enum step export_page(struct flow *flow, struct exchange *ex) {
    enum step answer;
    uint64_t limit = EXPORT_ROWS;
    if (!limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    if (target_param_u64(ex->target, STR("since"), SEQ_MAX, &ex->since) != RC_OK)
        return exchange_fail(ex, RC_MALFORMED,
                             "`since` must be a number below 2^53 without leading zeros, "
                             "once.");
    if (target_param_u64(ex->target, STR("limit"), EXPORT_ROWS_MAX, &limit) != RC_OK || limit == 0)
        return exchange_fail(ex, RC_MALFORMED, "`limit` must be a number from 1 to 500, once.");
    ex->limit = (uint32_t)limit;
    ex->job.record = (struct store_record){.inbox = ex->user.inbox};
    buf_init(&ex->job.record.proofs, PROOFS_ARRAY_MAX);
    ex->drop = drop_record;
    return exchange_submit(flow, ex, STORE_RECORD, export_record_read);
}

enum step flow_account_export(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, export_page);
}

/* ---- deleting ex->user ---- */

static step_fn leave_next;

static enum step deleted(struct flow *flow, struct exchange *ex) {
    enum rc rc = ex->job.account.job.rc;
    directory_forget(flow->directory, &ex->user.handle);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return store_failed(flow, ex, rc);
    return exchange_answer(ex, 204, NULL);
}

static enum step delete_now(struct flow *flow, struct exchange *ex) {
    release(ex);
    ex->job.account = (struct store_account){.inbox = ex->user.inbox};
    return exchange_submit(flow, ex, STORE_DELETE, deleted);
}

/* Whatever became of it: a later page says what is left. */
static enum step left(struct flow *flow, struct exchange *ex) {
    enum rc rc = ex->job.change.job.rc;
    if (rc != RC_OK && rc != RC_CONFLICT && rc != RC_NOT_FOUND)
        return store_failed(flow, ex, rc);
    return leave_next(flow, ex);
}

/* Reads sid and version of a conversation. */
static enum rc read_conversation(struct str json, struct exchange *ex) {
    enum { SID, SEEN, KNOWN };
    struct json_member m[KNOWN] = {[SID] = {.name = STR("sid")}, [SEEN] = {.name = STR("version")}};
    struct buf sid;
    enum rc rc = json_split(json, (struct str){NULL, 0}, m, KNOWN);
    if (rc != RC_OK)
        return rc;
    buf_init(&sid, SID_LEN);
    rc = json_utf8(m[SID].value, &sid);
    if (rc == RC_OK)
        rc = sid_read(buf_str(&sid), &ex->sid);
    if (rc == RC_OK)
        rc = json_u64(m[SEEN].value, SEQ_MAX, &ex->draft.version);
    buf_done(&sid);
    return rc;
}

/* Reads the next conversation of the page in ex->work: it comes after the byte at ex->limit, which
 * is a bracket or a comma. RC_NOT_FOUND: there is none. */
static enum rc read_next(struct exchange *ex) {
    struct str rest = str_from(buf_str(&ex->work), ex->limit);
    struct json_scan scan;
    if (rest.n < 2 || rest.p[0] == ']')
        return RC_NOT_FOUND;
    json_scan_init(&scan, str_from(rest, 1));
    if (json_scan_next(&scan) != SCAN_OBJECT)
        return RC_NOT_FOUND;
    while (scan.depth > 0)
        if (json_scan_next(&scan) == SCAN_BAD)
            return RC_MALFORMED;
    ex->limit = (uint32_t)(scan.p - ex->work.p);
    return read_conversation((struct str){rest.p + 1, (size_t)(scan.p - rest.p) - 1}, ex);
}

static enum step next_listed(struct flow *flow, struct exchange *ex) {
    const struct conversation_list *list = &ex->job.list;
    if (list->job.rc != RC_OK)
        return store_failed(flow, ex, list->job.rc);
    if (str_eq(buf_str(&list->json), STR("[]")))
        return delete_now(flow, ex);
    buf_clear(&ex->work);
    buf_put(&ex->work, buf_str(&list->json));
    ex->limit = 0;
    if (buf_rc(&ex->work) != RC_OK)
        return store_failed(flow, ex, RC_NO_MEMORY);
    return leave_next(flow, ex);
}

/* The store orders all conversations for a page, however many: so they are left by pages. */
static enum step list_next(struct flow *flow, struct exchange *ex) {
    ex->job.list = (struct conversation_list){.caller = ex->user, .limit = LEAVES_AT_ONCE};
    buf_init(&ex->job.list.json, LEAVES_AT_ONCE * CONVERSATION_JSON_MAX);
    ex->drop = drop_list;
    return exchange_submit(flow, ex, STORE_CONVERSATION_LIST, next_listed);
}

static enum step leave_next(struct flow *flow, struct exchange *ex) {
    release(ex);
    if (ex->since++ == LEAVES_MAX)
        return store_failed(flow, ex, RC_UNAVAILABLE);
    enum rc rc = read_next(ex);
    if (rc == RC_NOT_FOUND)
        return list_next(flow, ex);
    if (rc != RC_OK)
        return store_failed(flow, ex, RC_NO_MEMORY);
    ex->job.change =
        (struct conversation_change){.caller = ex->user, .sid = ex->sid, .draft = &ex->draft};
    buf_init(&ex->job.change.json, CONVERSATION_JSON_MAX);
    ex->drop = drop_change;
    return exchange_submit(flow, ex, STORE_CONVERSATION_CHANGE, left);
}

static enum step closed(struct flow *flow, struct exchange *ex) {
    if (ex->job.account.job.rc != RC_OK)
        return store_failed(flow, ex, ex->job.account.job.rc);
    return leave_next(flow, ex);
}

/* Closes the inbox, leaves all conversations, then deletes. */
static enum step delete_user(struct flow *flow, struct exchange *ex) {
    ex->draft.remove.at = malloc(sizeof *ex->draft.remove.at);
    if (!ex->draft.remove.at)
        return exchange_fail(ex, RC_NO_MEMORY, "The server is short of memory; try again soon.");
    ex->draft.remove.at[0] = ex->user.handle;
    ex->draft.remove.n = 1;
    ex->since = 0; /* attempts so far */
    ex->limit = 0; /* no page yet */
    buf_clear(&ex->work);
    ex->job.account = (struct store_account){.inbox = ex->user.inbox};
    return exchange_submit(flow, ex, STORE_CLOSE, closed);
}

static enum step delete_own(struct flow *flow, struct exchange *ex) {
    enum step answer;
    if (!limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    return caller_signed_since_registration(flow, ex, delete_user);
}

enum step flow_account_delete(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, delete_own);
}

/* ---- by who runs the server, on the admin listener ---- */

/* A page from elsewhere can talk to a listener on loopback as if it were its own server, when its
 * name is made to point here. An address, or a name without a dot, is no such name. */
static bool is_local_name(struct str host) {
    struct str name = host, rest;
    struct address ignored;
    if (host.n && host.p[0] == '[')
        return str_cut(str_from(host, 1), ']', &name, &rest) &&
               address_read(name, &ignored) == RC_OK;
    (void)str_cut(host, ':', &name, &rest);
    if (address_read(name, &ignored) == RC_OK)
        return true;
    return name.n > 0 && !memchr(name.p, '.', name.n);
}

/* Finds the user of the path as the store has it now, then `then`. */
static enum step find_for_admin(struct flow *flow, struct exchange *ex, step_fn *then) {
    struct handle h;
    enum step answer;
    if (ex->method != METHOD_GET && ex->method != METHOD_HEAD && !is_local_name(ex->host))
        return exchange_fail(ex, RC_FORBIDDEN,
                             "Name the admin listener by its address, by localhost or by a name "
                             "without a dot.");
    if (!caller_path_handle(ex, &h, &answer))
        return answer;
    directory_forget(flow->directory, &h);
    return caller_find_user(flow, ex, &h, then);
}

static enum step admin_show(struct flow *flow, struct exchange *ex) {
    char primary[KEY_TEXT_LEN + 1];
    (void)flow;
    key_print(&ex->user.primary, primary);
    buf_putf(&ex->out, "{\"handle\":\"%s\",\"primary\":\"%s\",\"blocked\":%s}",
             ex->user.handle.text, primary, ex->user.is_blocked ? "true" : "false");
    return exchange_answer(ex, 200, json_type);
}

enum step flow_admin_show(struct flow *flow, struct exchange *ex) {
    return find_for_admin(flow, ex, admin_show);
}

enum step flow_admin_delete(struct flow *flow, struct exchange *ex) {
    return find_for_admin(flow, ex, delete_user);
}

static enum step blocked(struct flow *flow, struct exchange *ex) {
    directory_forget(flow->directory, &ex->user.handle);
    if (ex->job.account.job.rc != RC_OK)
        return store_failed(flow, ex, ex->job.account.job.rc);
    return exchange_answer(ex, 204, NULL);
}

static enum step admin_block(struct flow *flow, struct exchange *ex) {
    ex->job.account =
        (struct store_account){.inbox = ex->user.inbox, .is_blocked = ex->method == METHOD_PUT};
    return exchange_submit(flow, ex, STORE_BLOCK, blocked);
}

enum step flow_admin_block(struct flow *flow, struct exchange *ex) {
    return find_for_admin(flow, ex, admin_block);
}
