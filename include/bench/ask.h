/* bench/ask.h -- the HTTP requests that the bench makes, signed where the protocol says so.
 *
 * Source: protocol, sections 2 to 5.
 * Memory: owns two buffers that it reuses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "bench/identity.h"
#include "bench/scan.h"
#include "wire/conversation.h"

/* kez: this protocol. nchan: nginx's Nchan, POST /pub/<handle> and GET /sub/<handle>, for
 * comparison. */
enum dialect { DIALECT_KEZ, DIALECT_NCHAN };

enum { ASK_BODY_MIN = 80, ASK_BODY_MAX = 256 * 1024 };

struct ask {
    enum dialect dialect;
    struct str server; /* borrowed */
    size_t body_bytes; /* of an envelope's compact text */
    const struct clock *clock;
    uint64_t run;  /* makes message ids new in every run */
    uint64_t sids; /* made */
    struct buf body, text;
};

/* Borrows server and clock. */
void ask_init(struct ask *a, enum dialect dialect, struct str server, size_t body_bytes,
              const struct clock *clock);
void ask_done(struct ask *a);

/* Each appends a whole request for the Host `host`. RC_NO_MEMORY, RC_TOO_LARGE (out's limit). */
MUST_CHECK enum rc ask_register(struct ask *a, struct buf *out, struct str host,
                                const struct identity *who);
MUST_CHECK enum rc ask_stream(struct ask *a, struct buf *out, struct str host,
                              const struct identity *who);

/* Makes the conversation of these users; the first of them asks. */
MUST_CHECK enum rc ask_conversation(struct ask *a, struct buf *out, struct str host,
                                    const struct sid *sid, const struct identity *who, size_t n);

struct ask_post {
    struct str to;          /* or... */
    const struct sid *into; /* ...the conversation, unless NULL; `from` is in it */
    struct mark mark;
    bool has_id;                 /* always, when signed */
    const struct identity *from; /* NULL: unsigned */
};
MUST_CHECK enum rc ask_post(struct ask *a, struct buf *out, struct str host,
                            const struct ask_post *post);

/* A sid that no other run has, nor another call of this one. */
void ask_make_sid(struct ask *a, struct sid *out);

/* Appends an envelope of exactly `bytes` (ASK_BODY_MIN or more) with the mark in it. */
void ask_put_envelope(struct buf *out, const struct mark *mark, size_t bytes);

#endif
