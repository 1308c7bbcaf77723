/* flow/converse.c -- conversations of many: made, listed, shown, changed, and posted to.
 *
 * Who is not in a conversation cannot tell it from one that does not exist: both are 404.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/caller.h"
#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/json_span.h"
#include "wire/time.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 100 };

static const char json_type[] = "application/json";

static enum step no_such(struct exchange *ex) {
    return exchange_fail(ex, RC_NOT_FOUND, "You are in no conversation of this sid.");
}

static enum step store_failed(struct exchange *ex, enum rc rc) {
    if (rc == RC_UNKNOWN_OUTCOME)
        return exchange_fail(ex, rc, "It may or may not have been done; look, or send it again.");
    return exchange_fail(ex, rc, "The store did not do it; try again soon.");
}

static enum step unknown_participant(struct exchange *ex, const struct handle *missing) {
    return exchange_failf(ex, RC_NOT_FOUND, "Nobody has registered the handle \"%s\" here.",
                          missing->text);
}

static enum step too_many(struct exchange *ex) {
    return exchange_fail(ex, RC_MALFORMED, "A conversation has at most 256 participants.");
}

/* Reads the sid of the path; false: answered. */
static bool path_sid(struct exchange *ex, enum step *answer) {
    if (sid_read(ex->arg, &ex->sid) == RC_OK)
        return true;
    *answer = exchange_fail(ex, RC_MALFORMED, "A sid is a ULID: 26 upper-case digits of base32.");
    return false;
}

/* ---- making one ---- */

static void drop_make(struct exchange *ex) { buf_done(&ex->job.make.json); }

static enum step made(struct flow *flow, struct exchange *ex) {
    struct conversation_make *make = &ex->job.make;
    enum rc rc = make->job.rc;
    (void)flow;
    if (rc == RC_OK || rc == RC_REPEAT) {
        buf_put(&ex->out, buf_str(&make->json));
        return exchange_answer(ex, rc == RC_OK ? 201 : 200, json_type);
    }
    if (rc == RC_CONFLICT)
        return exchange_fail(ex, rc, "This sid is another's; choose a new one.");
    if (rc == RC_NOT_FOUND)
        return unknown_participant(ex, &make->missing);
    return rc == RC_TOO_LARGE ? too_many(ex) : store_failed(ex, rc);
}

static enum step make(struct flow *flow, struct exchange *ex) {
    const char *advice;
    enum step answer;
    if (!limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    enum rc rc = conversation_read_made(ex->body, &ex->draft, &advice);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, advice);
    ex->job.make = (struct conversation_make){.caller = ex->caller, .draft = &ex->draft};
    buf_init(&ex->job.make.json, CONVERSATION_JSON_MAX);
    ex->drop = drop_make;
    return exchange_submit(flow, ex, STORE_CONVERSATION_MAKE, made);
}

enum step flow_conversation_make(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, make);
}

/* ---- listing them ---- */

static void drop_list(struct exchange *ex) { buf_done(&ex->job.list.json); }

static enum step listed(struct flow *flow, struct exchange *ex) {
    struct conversation_list *list = &ex->job.list;
    (void)flow;
    if (list->job.rc == RC_NOT_FOUND)
        return exchange_fail(ex, RC_NOT_FOUND, "`before` is no conversation of yours.");
    if (list->job.rc != RC_OK)
        return store_failed(ex, list->job.rc);
    buf_put(&ex->out, STR("{\"conversations\":"));
    buf_put(&ex->out, buf_str(&list->json));
    buf_put_byte(&ex->out, '}');
    return exchange_answer(ex, 200, json_type);
}

static enum step list(struct flow *flow, struct exchange *ex) {
    uint64_t limit = LIST_DEFAULT;
    struct str before;
    struct conversation_list *job = &ex->job.list;
    if (target_param_u64(ex->target, STR("limit"), LIST_MAX, &limit) != RC_OK || limit == 0)
        return exchange_fail(ex, RC_MALFORMED, "`limit` must be a number from 1 to 100, once.");
    *job = (struct conversation_list){.caller = ex->caller, .limit = (uint32_t)limit};
    enum rc rc = target_param(ex->target, STR("before"), &before);
    job->has_before = rc == RC_OK;
    if (rc == RC_MALFORMED || (rc == RC_OK && sid_read(before, &job->before) != RC_OK))
        return exchange_fail(ex, RC_MALFORMED, "`before` must be the sid of a conversation, once.");
    buf_init(&job->json, ANSWER_MAX_BYTES);
    ex->drop = drop_list;
    return exchange_submit(flow, ex, STORE_CONVERSATION_LIST, listed);
}

enum step flow_conversation_list(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, list);
}

/* ---- showing one ---- */

static void drop_show(struct exchange *ex) { buf_done(&ex->job.show.json); }

static enum step shown(struct flow *flow, struct exchange *ex) {
    struct conversation_show *show = &ex->job.show;
    (void)flow;
    if (show->job.rc == RC_NOT_FOUND)
        return no_such(ex);
    if (show->job.rc != RC_OK)
        return store_failed(ex, show->job.rc);
    buf_put(&ex->out, buf_str(&show->json));
    return exchange_answer(ex, 200, json_type);
}

static enum step show(struct flow *flow, struct exchange *ex) {
    enum step answer;
    if (!path_sid(ex, &answer))
        return answer;
    ex->job.show = (struct conversation_show){.caller = ex->caller, .sid = ex->sid};
    buf_init(&ex->job.show.json, CONVERSATION_JSON_MAX);
    ex->drop = drop_show;
    return exchange_submit(flow, ex, STORE_CONVERSATION_SHOW, shown);
}

enum step flow_conversation_show(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, show);
}

/* ---- changing one ---- */

static void drop_change(struct exchange *ex) { buf_done(&ex->job.change.json); }

static enum step changed(struct flow *flow, struct exchange *ex) {
    struct conversation_change *change = &ex->job.change;
    enum rc rc = change->job.rc;
    (void)flow;
    if (rc == RC_OK) {
        buf_put(&ex->out, buf_str(&change->json));
        return exchange_answer(ex, 200, json_type);
    }
    if (rc == RC_NOT_FOUND)
        return change->missing.text[0] ? unknown_participant(ex, &change->missing) : no_such(ex);
    if (rc == RC_FORBIDDEN)
        return exchange_fail(ex, rc, "Only who made a conversation may remove others.");
    if (rc == RC_CONFLICT)
        return exchange_fail(ex, rc,
                             "The conversation has another version by now; read it and try again.");
    return rc == RC_TOO_LARGE ? too_many(ex) : store_failed(ex, rc);
}

static enum step change(struct flow *flow, struct exchange *ex) {
    const char *advice;
    enum step answer;
    if (!path_sid(ex, &answer) || !limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    enum rc rc = conversation_read_change(ex->body, &ex->draft, &advice);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, advice);
    ex->job.change =
        (struct conversation_change){.caller = ex->caller, .sid = ex->sid, .draft = &ex->draft};
    buf_init(&ex->job.change.json, CONVERSATION_JSON_MAX);
    ex->drop = drop_change;
    return exchange_submit(flow, ex, STORE_CONVERSATION_CHANGE, changed);
}

enum step flow_conversation_change(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, change);
}

/* ---- posting to one ---- */

static void drop_post(struct exchange *ex) { buf_done(&ex->job.utter.envelope); }

static enum step answer_posted(struct exchange *ex, int status) {
    const struct conversation_post *post = &ex->job.utter;
    buf_put(&ex->out, STR("{\"conversation\":"));
    json_put_string(&ex->out, str_of(post->sid.text));
    buf_put(&ex->out, STR(",\"id\":"));
    json_put_string(&ex->out, str_of(post->id));
    buf_put(&ex->out, STR(",\"created_at\":\""));
    time_put(&ex->out, post->created_at_ms);
    buf_put(&ex->out, STR("\",\"seq\":"));
    buf_put_u64(&ex->out, post->seq);
    buf_put_byte(&ex->out, '}');
    return exchange_answer(ex, status, json_type);
}

static enum step posted(struct flow *flow, struct exchange *ex) {
    enum rc rc = ex->job.utter.job.rc;
    (void)flow;
    if (rc == RC_OK || rc == RC_REPEAT)
        return answer_posted(ex, rc == RC_OK ? 201 : 200);
    if (rc == RC_CONFLICT)
        return exchange_fail(ex, rc,
                             "This id was used for another envelope; choose a new random id.");
    return rc == RC_NOT_FOUND ? no_such(ex) : store_failed(ex, rc);
}

static enum step post(struct flow *flow, struct exchange *ex) {
    const char *advice;
    enum step answer;
    struct conversation_post *job = &ex->job.utter;
    if (!path_sid(ex, &answer) || !limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    enum rc rc = conversation_read_post(ex->body, &ex->message, &advice);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, advice);
    *job = (struct conversation_post){.sender = ex->caller, .sid = ex->sid};
    for (size_t i = 0; i < sizeof job->id; i++)
        job->id[i] = ex->message.id[i];
    job->envelope = ex->message.envelope; /* moves to the job */
    buf_init(&ex->message.envelope, CONVERSATION_ENVELOPE_MAX);
    ex->drop = drop_post;
    return exchange_submit(flow, ex, STORE_CONVERSATION_POST, posted);
}

enum step flow_conversation_post(struct flow *flow, struct exchange *ex) {
    return caller_is_signer(flow, ex, post);
}
