/* tests/support/signed.h -- requests signed with the general text (protocol, section 2), and the
 * events of who signs (section 7).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_SIGNED_H
#define SUPPORT_SIGNED_H

#include "support/node.h"

/* As http_try(), http_ask() and http_expect(), by this user. */
bool signed_try(struct http_client *c, const struct signer *s, const char *method,
                const char *target, const char *body, struct http_reply *out);
void signed_ask(struct http_client *c, const struct signer *s, const char *method,
                const char *target, const char *body, struct http_reply *out);
/* has: a part of the body; NULL: whatever it is. */
void signed_expect(struct http_client *c, const struct signer *s, const char *method,
                   const char *target, const char *body, int status, const char *has);

/* Appends X-Public-Key of `named`, X-KEZ-Auth of `signer` for that one or, without, for itself;
 * NULL: not there. */
void signed_put_events(struct buf *out, const struct signer *named, const struct signer *signer);
/* Opens /v1/events: query "" or such as "?since=3". */
void signed_open_events(struct node *n, const struct signer *s, const char *query,
                        struct sse_reader *r);
/* The next event is a row with this seq and id, tagged, whose data begins so and has that. */
void signed_expect_tagged(struct sse_reader *r, uint64_t seq, const char *beginning,
                          const char *has);

/* Where a conversation is. */
struct place {
    char sid[27], itself[64], messages[80];
};
/* Of a number of the test's own. */
struct place signed_place(unsigned number);

#endif
