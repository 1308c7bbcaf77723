/* flow/send.c -- POST /v1/messages: one message into one inbox.
 *
 * 201 is said only after COMMIT: the answer is made from what the store gave back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/caller.h"
#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/json_span.h"
#include "wire/message.h"
#include "wire/time.h"

static enum step answer_sent(struct exchange *ex, int status) {
    const struct store_post *post = &ex->job.post;
    buf_put(&ex->out, STR("{\"to\":"));
    json_put_string(&ex->out, handle_str(&post->to.handle));
    buf_put(&ex->out, STR(",\"seq\":"));
    buf_put_u64(&ex->out, post->seq);
    if (post->id[0] != '\0') {
        buf_put(&ex->out, STR(",\"id\":"));
        json_put_string(&ex->out, str_of(post->id));
    }
    buf_put(&ex->out, STR(",\"created_at\":\""));
    time_put(&ex->out, post->created_at_ms);
    buf_put(&ex->out, STR("\"}"));
    return exchange_answer(ex, status, "application/json");
}

static step_fn post_to_user;

/* Why nothing is stored for this recipient. */
static enum step refuse(struct exchange *ex, enum rc rc) {
    return exchange_fail(ex, rc,
                         rc == RC_FORBIDDEN ? "The handle in `to` is blocked: it gets nothing."
                                            : "Nobody has registered the handle in `to` here.");
}

/* Whom the directory recalled is gone or blocked; the handle may be somebody else's by now. */
static enum step find_and_post(struct flow *flow, struct exchange *ex) {
    ex->message.envelope = ex->job.post.envelope; /* moves back */
    ex->drop = NULL;
    ex->is_recalled = false;
    return caller_find_user(flow, ex, &ex->message.to, post_to_user);
}

static enum step stored(struct flow *flow, struct exchange *ex) {
    const struct store_post *post = &ex->job.post;
    enum rc rc = post->job.rc;
    if (rc == RC_OK || rc == RC_REPEAT)
        return answer_sent(ex, rc == RC_OK ? 201 : 200);
    if (rc == RC_CONFLICT)
        return exchange_fail(ex, rc,
                             "This id was used for another envelope; choose a new random id.");
    if (rc == RC_NOT_FOUND || rc == RC_FORBIDDEN) {
        directory_forget(flow->directory, &post->to.handle);
        return ex->is_recalled ? find_and_post(flow, ex) : refuse(ex, rc);
    }
    if (rc == RC_UNKNOWN_OUTCOME)
        return exchange_fail(ex, rc,
                             "The message may or may not be stored; send it again with the same "
                             "id, or look into the inbox.");
    return exchange_fail(ex, rc, "The message was not stored; send it again soon.");
}

static void drop_post(struct exchange *ex) { buf_done(&ex->job.post.envelope); }

static enum step post_to_user(struct flow *flow, struct exchange *ex) {
    struct store_post *post = &ex->job.post;
    if (ex->user.is_blocked)
        return refuse(ex, RC_FORBIDDEN);
    *post = (struct store_post){.to = ex->user, .is_signed = ex->is_signed};
    if (ex->is_signed)
        post->from = ex->caller.handle;
    for (size_t i = 0; i < sizeof post->id; i++)
        post->id[i] = ex->message.id[i];
    post->envelope = ex->message.envelope; /* moves to the job */
    buf_init(&ex->message.envelope, MESSAGE_ENVELOPE_MAX);
    ex->drop = drop_post;
    return exchange_submit(flow, ex, STORE_POST, stored);
}

static enum step read_message(struct flow *flow, struct exchange *ex) {
    const char *advice;
    enum rc rc = message_read(ex->body, &ex->message, &advice);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, advice);
    if (ex->is_signed && ex->message.id[0] == '\0')
        return exchange_fail(ex, RC_MALFORMED,
                             "A signed message needs an `id`, so that a replay stores nothing.");
    /* One whom the directory has known for long costs no look-up: the store knows who is gone. */
    ex->is_recalled =
        directory_recall(flow->directory, &ex->message.to, &ex->user) && !ex->user.is_blocked;
    if (ex->is_recalled)
        return post_to_user(flow, ex);
    return caller_find_user(flow, ex, &ex->message.to, post_to_user);
}

static enum step send_signed(struct flow *flow, struct exchange *ex) {
    enum step answer;
    if (!limits_allow_caller(flow->signed_quota, flow, ex, &answer))
        return answer;
    return read_message(flow, ex);
}

enum step flow_send(struct flow *flow, struct exchange *ex) {
    enum step answer;
    bool wants_signature =
        flow->require_signed_posts || !str_is_absent(ex->auth) || !str_is_absent(ex->auth_handle);
    if (wants_signature)
        return caller_is_signer(flow, ex, send_signed);
    if (!limits_allow_client(flow->unsigned_quota, flow, ex, &answer))
        return answer;
    return read_message(flow, ex);
}
