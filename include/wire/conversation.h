/* wire/conversation.h -- the bodies of requests about conversations.
 *
 * Source: protocol, section 6; ULID: https://github.com/ulid/spec (26 digits of Crockford's base32,
 * upper case, at most 7ZZZZZZZZZZZZZZZZZZZZZZZZZ).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_CONVERSATION_H
#define WIRE_CONVERSATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/handle.h"
#include "wire/message.h"

enum {
    SID_LEN = 26,
    TITLE_MAX = 256,        /* bytes of UTF-8 */
    PARTICIPANTS_MAX = 256, /* of one conversation */
    CONVERSATION_ENVELOPE_MAX = 64 * 1024,
};

/* A conversation's name, NUL-terminated. */
struct sid {
    char text[SID_LEN + 1];
};

/* RC_MALFORMED unless a ULID in its canonical, upper-case form. */
MUST_CHECK enum rc sid_read(struct str text, struct sid *out);

/* Distinct handles, in the order in which they were named. */
struct handles {
    struct handle *at;
    size_t n;
};
void handles_done(struct handles *h);
bool handles_have(const struct handles *h, const struct handle *one);

/* A body that makes a conversation, or changes one. */
struct conversation_draft {
    struct sid sid;   /* when made */
    uint64_t version; /* when changed: the one that the caller saw; may be none that was */
    bool has_title;
    char title[TITLE_MAX + 1]; /* UTF-8 without control characters; may be empty */
    struct handles add;        /* when made: the participants */
    struct handles remove;     /* when changed */
};
void conversation_draft_done(struct conversation_draft *d);

/* {"sid","title"?,"participants":[handle…]}: 1 to PARTICIPANTS_MAX distinct handles.
 * RC_MALFORMED, RC_NO_MEMORY; *advice is a sentence for a person then, static, and *out holds
 * nothing. */
MUST_CHECK enum rc conversation_read_made(struct str body, struct conversation_draft *out,
                                          const char **advice);
/* {"version","title"?,"add"?:[…],"remove"?:[…]}: each list at most PARTICIPANTS_MAX distinct
 * handles, none in both. The same results. */
MUST_CHECK enum rc conversation_read_change(struct str body, struct conversation_draft *out,
                                            const char **advice);
/* {"envelope","id"}, both required. RC_MALFORMED, RC_OVERSIZE (the envelope is over
 * CONVERSATION_ENVELOPE_MAX), RC_NO_MEMORY. out->to is empty. */
MUST_CHECK enum rc conversation_read_post(struct str body, struct message *out,
                                          const char **advice);

#endif
