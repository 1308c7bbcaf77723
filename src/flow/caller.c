/* flow/caller.c -- who is asking, and whom is it about.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/caller.h"

#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/message.h"

static enum step fail_proof(struct flow *flow, struct exchange *ex, enum rc rc,
                            const char *detail) {
    limits_count_failure(flow, ex);
    return exchange_fail(ex, rc, detail);
}

static enum step user_found(struct flow *flow, struct exchange *ex) {
    const struct store_find *find = &ex->job.find;
    if (find->job.rc == RC_NOT_FOUND && ex->hides_unknown)
        return fail_proof(flow, ex, RC_UNAUTHORIZED, "No handle is registered for this primary.");
    if (find->job.rc == RC_NOT_FOUND)
        return exchange_fail(ex, RC_NOT_FOUND,
                             find->by_primary ? "No handle is registered for this primary."
                                              : "Nobody has registered this handle here.");
    if (find->job.rc != RC_OK)
        return exchange_fail(ex, find->job.rc, "The store cannot be asked; try again soon.");
    directory_put(flow->directory, &find->user, clock_mono_ms(flow->clock));
    ex->user = find->user;
    return ex->then(flow, ex);
}

enum step caller_find_user(struct flow *flow, struct exchange *ex, const struct handle *h,
                           step_fn *then) {
    ex->then = then;
    if (directory_by_handle(flow->directory, h, clock_mono_ms(flow->clock), &ex->user))
        return then(flow, ex);
    ex->job.find = (struct store_find){.by_primary = false, .handle = *h};
    return exchange_submit(flow, ex, STORE_FIND, user_found);
}

enum step caller_find_primary(struct flow *flow, struct exchange *ex, const struct key *k,
                              step_fn *then) {
    ex->then = then;
    if (directory_by_primary(flow->directory, k, clock_mono_ms(flow->clock), &ex->user))
        return then(flow, ex);
    ex->job.find = (struct store_find){.by_primary = true, .primary = *k};
    return exchange_submit(flow, ex, STORE_FIND, user_found);
}

bool caller_path_handle(struct exchange *ex, struct handle *h, enum step *answer) {
    enum rc rc = handle_read(ex->arg, h);
    if (rc != RC_OK)
        *answer = exchange_fail(ex, rc, handle_advice(rc));
    return rc == RC_OK;
}

/* Reads the credential into ex->auth_read and checks its time. False: answered. */
static bool read_credential(struct flow *flow, struct exchange *ex, struct str credential,
                            enum step *answer) {
    enum rc rc = auth_read(credential, &ex->auth_read);
    if (rc == RC_MISSING_AUTH) {
        *answer = exchange_fail(ex, rc,
                                "Sign the request and send X-KEZ-Auth: <unix "
                                "seconds>:<128 hex digits>.");
        return false;
    }
    if (!limits_allow_proof(flow, ex, answer))
        return false;
    if (rc != RC_OK) {
        *answer = fail_proof(flow, ex, rc,
                             "The signature must be <unix seconds>:<128 lower-case hex digits>.");
        return false;
    }
    rc = auth_check_time(ex->auth_read.at_s, ex->now_ms / 1000, AUTH_WINDOW_S);
    if (rc != RC_OK)
        *answer = fail_proof(flow, ex, rc,
                             "The signature's time is more than 60 seconds away from this "
                             "server's clock; set the clock and sign again.");
    return rc == RC_OK;
}

/* ex->user is who asks. */
static enum step let_in(struct flow *flow, struct exchange *ex, step_fn *then) {
    if (ex->user.is_blocked)
        return exchange_fail(ex, RC_FORBIDDEN, "This handle is blocked; ask who runs this server.");
    ex->caller = ex->user;
    return then(flow, ex);
}

/* ex->user has been found, ex->work holds the signed text. */
static enum step verify(struct exchange *ex, struct flow *flow, step_fn *then) {
    enum rc rc = buf_rc(&ex->work);
    if (rc != RC_OK)
        return exchange_fail(ex, RC_NO_MEMORY, "The server is short of memory; try again soon.");
    rc = auth_verify(&ex->user.primary, buf_str(&ex->work), ex->auth_read.sig);
    if (rc != RC_OK)
        return fail_proof(flow, ex, rc,
                          "The signature does not hold for this request and this "
                          "handle's primary; sign exactly the text of this endpoint.");
    ex->is_signed = true;
    return let_in(flow, ex, then);
}

static enum step verify_found(struct flow *flow, struct exchange *ex) {
    return verify(ex, flow, ex->after_verify);
}

enum step caller_is_owner(struct flow *flow, struct exchange *ex, struct str credential,
                          put_text_fn *put_text, step_fn *then) {
    struct handle h;
    enum step answer;
    if (!caller_path_handle(ex, &h, &answer) || !read_credential(flow, ex, credential, &answer))
        return answer;
    if (!put_text(ex, handle_str(&h), &ex->work, &answer))
        return answer;
    ex->after_verify = then;
    return caller_find_user(flow, ex, &h, verify_found);
}

/* The router has made sure who it is. */
static enum step vouched_found(struct flow *flow, struct exchange *ex) {
    return let_in(flow, ex, ex->after_verify);
}

enum step caller_is_primary(struct flow *flow, struct exchange *ex, struct str primary,
                            struct str credential, step_fn *then) {
    struct key key;
    enum step answer;
    bool vouched = ex->client_trusted && credential.n == 0;
    ex->hides_unknown = true;
    if (key_read(primary, &key) != RC_OK)
        return exchange_fail(ex, RC_UNAUTHORIZED,
                             "Name yourself: X-Public-Key: ed25519:<64 lower-case hex digits>.");
    if (!vouched && credential.n == 0)
        return exchange_fail(ex, RC_UNAUTHORIZED, "Sign the request and send X-KEZ-Auth.");
    if (!vouched && !read_credential(flow, ex, credential, &answer))
        return answer;
    auth_put_events(&ex->work, flow->server, primary, ex->auth_read.at_text);
    ex->after_verify = then;
    return caller_find_primary(flow, ex, &key, vouched ? vouched_found : verify_found);
}

static struct str method_name(enum method m) {
    switch (m) {
    case METHOD_POST:
        return STR("POST");
    case METHOD_PUT:
        return STR("PUT");
    case METHOD_PATCH:
        return STR("PATCH");
    case METHOD_DELETE:
        return STR("DELETE");
    case METHOD_GET:
    case METHOD_HEAD: /* signed as GET */
    case METHOD_OPTIONS:
    case METHOD_OTHER:
        break;
    }
    return STR("GET");
}

enum step caller_is_signer(struct flow *flow, struct exchange *ex, step_fn *then) {
    struct handle h;
    enum step answer;
    bool is_named = ex->auth_handle.n > 0;
    enum rc rc = is_named ? handle_read(ex->auth_handle, &h) : RC_OK;
    if (rc != RC_OK)
        return exchange_fail(ex, rc, handle_advice(rc));
    if (!is_named || str_is_absent(ex->auth))
        return exchange_fail(ex, RC_MISSING_AUTH,
                             "Sign the request and send both X-KEZ-Handle and X-KEZ-Auth.");
    if (!read_credential(flow, ex, ex->auth, &answer))
        return answer;
    auth_put_request(&ex->work, method_name(ex->method), flow->server, ex->target->raw, ex->body,
                     ex->auth_read.at_text);
    ex->after_verify = then;
    return caller_find_user(flow, ex, &h, verify_found);
}

static void drop_record(struct exchange *ex) { buf_done(&ex->job.record.proofs); }

static enum step compare_times(struct flow *flow, struct exchange *ex) {
    enum { MS_PER_S = 1000 };
    enum rc rc = ex->job.record.job.rc;
    int64_t registered_at_s = ex->job.record.registered_at_ms / MS_PER_S;
    ex->drop(ex);
    ex->drop = NULL;
    if (rc == RC_NOT_FOUND) {
        directory_forget(flow->directory, &ex->user.handle);
        return exchange_fail(ex, rc, "Nobody has registered this handle here.");
    }
    if (rc != RC_OK)
        return exchange_fail(ex, rc, "The store cannot be asked; try again soon.");
    if (ex->auth_read.at_s < registered_at_s)
        return fail_proof(flow, ex, RC_UNAUTHORIZED,
                          "This was signed before the account was registered; sign it again.");
    return ex->then(flow, ex);
}

enum step caller_signed_since_registration(struct flow *flow, struct exchange *ex, step_fn *then) {
    ex->then = then;
    ex->job.record = (struct store_record){.inbox = ex->caller.inbox};
    buf_init(&ex->job.record.proofs, PROOFS_ARRAY_MAX);
    ex->drop = drop_record;
    return exchange_submit(flow, ex, STORE_RECORD, compare_times);
}
