/* flow/register.c -- handles: registered, looked up, and given proofs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/caller.h"
#include "flow/flow.h"
#include "flow/limits.h"
#include "wire/bearer.h"
#include "wire/record.h"
#include "wire/registration.h"

static const char json_type[] = "application/json";

/* The handle record of ex->user, with ex->status. */
static enum step answer_record(struct flow *flow, struct exchange *ex, int64_t registered_at_ms,
                               struct str proofs) {
    struct record record = {ex->user.handle, ex->user.primary, registered_at_ms, proofs};
    record_put(&ex->out, &record, flow->server, flow->sig_server);
    return exchange_answer(ex, ex->status, json_type);
}

static void drop_record(struct exchange *ex) { buf_done(&ex->job.record.proofs); }

static enum step record_read(struct flow *flow, struct exchange *ex) {
    const struct store_record *r = &ex->job.record;
    if (r->job.rc == RC_NOT_FOUND) {
        directory_forget(flow->directory, &ex->user.handle);
        return exchange_fail(ex, RC_NOT_FOUND, "Nobody has registered this handle here.");
    }
    if (r->job.rc != RC_OK)
        return exchange_fail(ex, r->job.rc, "The store cannot be asked; try again soon.");
    return ex->then(flow, ex);
}

/* Reads the record of ex->user into ex->job.record, then `then`. */
static enum step read_record(struct flow *flow, struct exchange *ex, step_fn *then) {
    ex->then = then;
    ex->job.record = (struct store_record){.inbox = ex->user.inbox};
    buf_init(&ex->job.record.proofs, PROOFS_ARRAY_MAX);
    ex->drop = drop_record;
    return exchange_submit(flow, ex, STORE_RECORD, record_read);
}

static enum step answer_read_record(struct flow *flow, struct exchange *ex) {
    return answer_record(flow, ex, ex->job.record.registered_at_ms,
                         buf_str(&ex->job.record.proofs));
}

static enum step registered(struct flow *flow, struct exchange *ex) {
    const struct store_register *reg = &ex->job.reg;
    if (reg->job.rc == RC_CONFLICT)
        return exchange_fail(ex, RC_CONFLICT,
                             "This handle, or this primary, is registered already; choose another "
                             "handle, or use the one that the primary has. If it is being deleted, "
                             "repeat the DELETE and register then.");
    if (reg->job.rc != RC_OK && reg->job.rc != RC_REPEAT)
        return exchange_fail(ex, reg->job.rc, "The store cannot be asked; try again soon.");
    ex->status = reg->job.rc == RC_OK ? 201 : 200;
    ex->user = reg->user;
    directory_put(flow->directory, &ex->user, clock_mono_ms(flow->clock));
    return read_record(flow, ex, answer_read_record);
}

/* Whether the caller may register at all. False: answered. */
static bool may_register(struct flow *flow, struct exchange *ex, enum step *answer) {
    struct str token;
    if (flow->registration == REGISTRATION_OPEN)
        return true;
    if (flow->registration == REGISTRATION_CLOSED) {
        *answer = exchange_fail(ex, RC_FORBIDDEN,
                                "Registration is closed; ask who runs this server for a handle.");
        return false;
    }
    if (!limits_allow_proof(flow, ex, answer))
        return false;
    enum rc rc = bearer_read(ex->authorization, &token);
    if (rc == RC_OK && bearer_is(token, flow->registration_token))
        return true;
    if (rc != RC_MISSING_AUTH)
        limits_count_failure(flow, ex);
    ex->challenge = rc == RC_MISSING_AUTH
                        ? "Bearer realm=\"registration\""
                        : "Bearer realm=\"registration\", error=\"invalid_token\"";
    *answer = exchange_fail(ex, RC_UNAUTHORIZED,
                            rc == RC_MISSING_AUTH
                                ? "Registration needs a token: send Authorization: Bearer <token>; "
                                  "who runs this server has one."
                                : "This is not the registration token; ask who runs this server.");
    return false;
}

static enum step refuse_registration(struct flow *flow, struct exchange *ex, enum rc rc,
                                     const char *advice) {
    if (rc == RC_UNAUTHORIZED)
        limits_count_failure(flow, ex);
    return exchange_fail(ex, rc == RC_STALE ? RC_MALFORMED : rc, advice);
}

enum step flow_register(struct flow *flow, struct exchange *ex) {
    struct registration registration;
    const char *advice;
    enum step answer;
    if (!limits_allow_client(flow->register_quota, flow, ex, &answer) ||
        !may_register(flow, ex, &answer))
        return answer;
    enum rc rc = registration_read(ex->body, flow->server, ex->now_ms, &registration, &advice);
    if (rc != RC_OK)
        return refuse_registration(flow, ex, rc, advice);
    ex->job.reg =
        (struct store_register){.handle = registration.handle, .primary = registration.primary};
    return exchange_submit(flow, ex, STORE_REGISTER, registered);
}

static enum step answer_user(struct flow *flow, struct exchange *ex) {
    ex->status = 200;
    return read_record(flow, ex, answer_read_record);
}

enum step flow_user(struct flow *flow, struct exchange *ex) {
    struct handle h;
    enum step answer;
    if (!caller_path_handle(ex, &h, &answer))
        return answer;
    return caller_find_user(flow, ex, &h, answer_user);
}

enum step flow_by_primary(struct flow *flow, struct exchange *ex) {
    struct key key;
    if (key_read(ex->arg, &key) != RC_OK)
        return exchange_fail(ex, RC_MALFORMED,
                             "A primary is ed25519: and 64 lower-case hex digits.");
    return caller_find_primary(flow, ex, &key, answer_user);
}

static enum step answer_jrd(struct flow *flow, struct exchange *ex) {
    struct record record = {ex->user.handle, ex->user.primary, ex->job.record.registered_at_ms,
                            buf_str(&ex->job.record.proofs)};
    webfinger_put(&ex->out, ex->target, &record, flow->server);
    return exchange_answer(ex, 200, "application/jrd+json");
}

static enum step finger_found(struct flow *flow, struct exchange *ex) {
    return read_record(flow, ex, answer_jrd);
}

enum step flow_webfinger(struct flow *flow, struct exchange *ex) {
    struct webfinger asked;
    enum rc rc = webfinger_read(ex->target, flow->server, &asked);
    if (rc == RC_NOT_FOUND)
        return exchange_fail(ex, rc,
                             "This server knows acct:<handle>@<this server> and primaries.");
    if (rc != RC_OK)
        return exchange_fail(ex, rc,
                             "Name one resource: ?resource=acct:<handle>@<server>, or a primary.");
    return asked.by_primary ? caller_find_primary(flow, ex, &asked.primary, finger_found)
                            : caller_find_user(flow, ex, &asked.handle, finger_found);
}

static void drop_proofs(struct exchange *ex) { buf_done(&ex->job.proofs.proofs); }

static enum step proofs_kept(struct flow *flow, struct exchange *ex) {
    const struct store_proofs *p = &ex->job.proofs;
    if (p->job.rc == RC_NOT_FOUND) {
        directory_forget(flow->directory, &ex->user.handle);
        return exchange_fail(ex, RC_NOT_FOUND, "Nobody has registered this handle here.");
    }
    if (p->job.rc != RC_OK)
        return exchange_fail(ex, p->job.rc, "The store cannot be asked; try again soon.");
    ex->status = 200;
    return answer_record(flow, ex, p->registered_at_ms, buf_str(&p->proofs));
}

static enum step keep_proofs(struct flow *flow, struct exchange *ex) {
    const char *advice;
    ex->job.proofs = (struct store_proofs){.inbox = ex->user.inbox};
    buf_init(&ex->job.proofs.proofs, PROOFS_ARRAY_MAX);
    ex->drop = drop_proofs;
    enum rc rc = proofs_read(ex->body, &ex->job.proofs.proofs, &advice);
    if (rc != RC_OK)
        return exchange_fail(ex, rc, advice);
    return exchange_submit(flow, ex, STORE_PROOFS, proofs_kept);
}

static bool put_proofs_text(struct exchange *ex, struct str handle, struct buf *out,
                            enum step *answer) {
    (void)answer;
    auth_put_proofs(out, handle, ex->auth_read.at_text);
    return true;
}

enum step flow_proofs(struct flow *flow, struct exchange *ex) {
    return caller_is_owner(flow, ex, ex->auth, put_proofs_text, keep_proofs);
}
