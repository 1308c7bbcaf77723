/* flow/flow.h -- the stories of the requests: what each endpoint does, from question to answer.
 *
 * Source: protocol, sections 2 to 7. The order of answers of section 2 holds for signed requests:
 * malformed handle 400, not signed 400, malformed or stale 401, unknown 404, wrong 401,
 * another's 403.
 * Threads: any number of http threads at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdatomic.h>

#include "core/quota.h"
#include "flow/exchange.h"

/* Who may register a handle. */
enum registration_mode {
    REGISTRATION_OPEN,
    REGISTRATION_TOKEN, /* who has the operator's token */
    REGISTRATION_CLOSED,
};

/* What the stories work with; filled by node.c, borrowed. */
struct flow {
    struct str server;     /* this server's name */
    struct str sig_server; /* base URL of the sigchain server, without a trailing slash */
    atomic_bool require_signed_posts; /* the one that may change meanwhile */
    enum registration_mode registration;
    struct str registration_token; /* of REGISTRATION_TOKEN */
    struct store *store;
    struct directory *directory;
    struct push *push;
    struct quota *register_quota, *unsigned_quota; /* by client's address */
    struct quota *opens_quota, *failures_quota;    /* likewise: streams opened, 401s */
    struct quota *signed_quota;                    /* by sender */
    struct quota *stream_quota;                    /* by handle: streams opened */
    const struct clock *clock;
};

/* The first step of each. GET steps serve HEAD, too. */
step_fn flow_register;     /* POST   /v1/register */
step_fn flow_user;         /* GET    /v1/u/<arg> */
step_fn flow_by_primary;   /* GET    /v1/by-primary/<arg> */
step_fn flow_proofs;       /* PUT    /v1/profile/<arg>/proofs */
step_fn flow_webfinger;    /* GET    /.well-known/webfinger */
step_fn flow_send;         /* POST   /v1/messages */
step_fn flow_inbox;        /* GET    /v1/inbox/<arg> */
step_fn flow_inbox_trim;   /* DELETE /v1/inbox/<arg> */
step_fn flow_inbox_stream; /* GET    /v1/inbox/<arg>/stream */
step_fn flow_events;       /* GET    /v1/events, and / on the events socket */

step_fn flow_account_export; /* GET    /v1/account/export */
step_fn flow_account_delete; /* DELETE /v1/account */

/* On the admin listener. */
step_fn flow_admin_show;   /* GET    /v1/handles/<arg> */
step_fn flow_admin_delete; /* DELETE /v1/handles/<arg> */
step_fn flow_admin_block;  /* PUT, DELETE /v1/handles/<arg>/block */

step_fn flow_conversation_make;   /* POST   /v1/conversations */
step_fn flow_conversation_list;   /* GET    /v1/conversations */
step_fn flow_conversation_show;   /* GET    /v1/conversations/<arg> */
step_fn flow_conversation_change; /* PATCH  /v1/conversations/<arg> */
step_fn flow_conversation_post;   /* POST   /v1/conversations/<arg>/messages */

#endif
