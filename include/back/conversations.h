/* back/conversations.h -- the store's jobs about conversations.
 *
 * Submitted with store_submit() like the others; the kinds are in back/store.h. What each writes is
 * one transaction: the conversation and one row in every participant's inbox, all or none; then
 * events.row is called for each of these rows, then done().
 *
 * A conversation leaves the store as the JSON of protocol, section 6, made in one place (a function
 * of the schema), because the same text is the `data` of a row that is written in the transaction
 * that makes it.
 *
 * Locks, the order of all transactions of the store: conversations by sid, then inboxes by id (all
 * FOR NO KEY UPDATE), then the rest. So participants are read in the transaction that uses them,
 * and crossing sends wait for each other but never in a ring.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_CONVERSATIONS_H
#define BACK_CONVERSATIONS_H

#include "back/store.h"
#include "wire/conversation.h"

enum { CONVERSATION_JSON_MAX = 1024 * 1024 }; /* one; a list may be 100 times that */

/* RC_OK: made. RC_REPEAT: the caller made it before, and is in it. RC_CONFLICT: the sid is taken.
 * RC_NOT_FOUND: there is no such user: `missing` (the first of those named). RC_TOO_LARGE: more
 * than PARTICIPANTS_MAX with the caller. In this order: repeat, conflict, missing, too large. */
struct conversation_make {
    struct store_job job;
    struct user caller;
    const struct conversation_draft *draft; /* the caller's */
    struct buf json;                        /* out: the conversation; the caller inits and frees */
    struct handle missing;                  /* out */
};

/* RC_OK: changed, or nothing to change. RC_NOT_FOUND: there is none of that sid with the caller in
 * it (missing is empty), or no user `missing` to add. RC_FORBIDDEN: removes another without being
 * the creator. RC_CONFLICT: the version is not the current one. RC_TOO_LARGE: more than
 * PARTICIPANTS_MAX. In this order: not found, forbidden, conflict, missing, too large. */
struct conversation_change {
    struct store_job job;
    struct user caller;
    struct sid sid;
    const struct conversation_draft *draft; /* the caller's */
    struct buf json;                        /* out: the conversation afterwards */
    struct handle missing;                  /* out */
};

/* RC_NOT_FOUND: there is none of that sid with the caller in it. */
struct conversation_show {
    struct store_job job;
    struct user caller;
    struct sid sid;
    struct buf json; /* out */
};

/* The caller's conversations, latest message or change first, at most `limit`, those after `before`
 * in that order. RC_NOT_FOUND: `before` is not one of them. */
struct conversation_list {
    struct store_job job;
    struct user caller;
    bool has_before;
    struct sid before;
    uint32_t limit;
    struct buf json; /* out: a JSON array */
};

/* One row of type ROW_MESSAGE in every participant's inbox, the sender's included.
 * RC_OK: committed. RC_REPEAT: the same id and envelope from this sender was there: seq and
 * created_at are the first one's. RC_CONFLICT: the id was there with another envelope.
 * RC_NOT_FOUND: no such conversation with the sender in it. */
struct conversation_post {
    struct store_job job;
    struct user sender;
    struct sid sid;
    char id[MESSAGE_ID_MAX + 1];
    struct buf envelope;   /* compact text; the caller's */
    uint64_t seq;          /* out: the sender's own */
    int64_t created_at_ms; /* out */
};

#endif
