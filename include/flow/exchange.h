/* flow/exchange.h -- one request and its answer, as the stories see them: no MHD, no SQL, no NATS.
 *
 * A story is a row of steps. A step runs on an http thread, and either answers, or starts one job
 * elsewhere, names the step that follows, and says that it waits; the job's completion calls
 * exchange_wake(), and http runs the next step on its own thread.
 *
 * Threads: one at a time; exchange_wake() from any.
 * Memory: http owns the exchange; the strs of the question live as long as it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FLOW_EXCHANGE_H
#define FLOW_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "back/conversations.h"
#include "back/store.h"
#include "base/buf.h"
#include "push/push.h"
#include "wire/auth.h"
#include "wire/message.h"
#include "wire/target.h"

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER,
};

enum step { STEP_ANSWERED, STEP_WAIT };

struct exchange;
struct flow;
typedef enum step step_fn(struct flow *flow, struct exchange *ex);

enum { ANSWER_MAX_BYTES = 12 * 1024 * 1024 };

/* The jobs a story may have under way; one at a time. */
union exchange_job {
    struct store_job job;
    struct store_find find;
    struct store_register reg;
    struct store_record record;
    struct store_proofs proofs;
    struct store_post post;
    struct store_read read;
    struct store_trim trim;
    struct conversation_make make;
    struct conversation_change change;
    struct conversation_show show;
    struct conversation_list list;
    struct conversation_post utter;
    struct store_account account;
};

/* A rate limit as its caller finds it. */
struct rate {
    uint32_t per_minute; /* 0: none was asked */
    uint32_t left;       /* of that many */
    uint32_t reset_s;    /* until there is one more */
};

struct exchange {
    /* The question; http fills it before the first step. */
    enum method method;
    const struct target *target;
    struct str arg; /* the variable segment of the route, decoded; absent when it has none */
    struct str auth, auth_handle, public_key, last_event_id, authorization,
        host; /* header values; absent if not there */
    struct str body;
    uint64_t client;     /* key of the client's address (IPv6: its /64); 0: none */
    bool client_trusted; /* a router on the events socket that vouches for whom it names */
    bool client_exempt;  /* loopback, or a Unix socket: no limits by address */
    int64_t now_ms;      /* wall clock when the head was read */

    /* The story's memory between steps; the story that sets it knows what is in it. */
    step_fn *next; /* after the job that it waits for */
    step_fn *then; /* after a user has been found, or a record read */
    union exchange_job job;
    step_fn *after_verify;
    void (*drop)(struct exchange *ex); /* frees what the job owns; NULL: nothing */
    struct auth auth_read;
    struct user caller, user;
    struct buf work; /* the signed text */
    struct message message;
    struct conversation_draft draft;
    struct sid sid;
    uint64_t since;
    uint32_t limit;
    bool is_signed;
    bool hides_unknown; /* an unknown user is 401, not 404 */
    bool is_recalled;   /* `user` is who it was once, for the store to refuse */

    /* The answer. http frees it. */
    int status;
    const char *content_type; /* static */
    struct buf out;
    uint32_t retry_after_s; /* 0: no such header */
    struct rate rate;       /* the tightest limit that was asked */
    const char *challenge;  /* static; WWW-Authenticate of a 401; NULL: a signature */
    const char *allow;      /* static; for 405 and OPTIONS */
    bool is_stream;         /* 200 and text/event-stream: a place is reserved for `open` */
    struct push_open open;

    void (*wake)(struct exchange *ex); /* http's */
};

/* Before the question is filled in: all zero, empty buffers. */
void exchange_init(struct exchange *ex);
/* Frees what the exchange still owns: its buffers, its message, and what its job owns (drop). Not
 * while a job is under way. */
void exchange_done(struct exchange *ex);

/* Any thread: the job that the exchange waits for is done. */
void exchange_wake(struct exchange *ex);

/* Submits ex->job (its kind and members are set) and arranges for `next`; a refused job is answered
 * with 503. */
enum step exchange_submit(struct flow *flow, struct exchange *ex, enum store_kind kind,
                          step_fn *next);

/* The body in ex->out is the answer. */
enum step exchange_answer(struct exchange *ex, int status, const char *content_type);
/* Answers with a problem; detail is a sentence that says what to change. */
enum step exchange_fail(struct exchange *ex, enum rc rc, const char *detail);
enum step exchange_failf(struct exchange *ex, enum rc rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
