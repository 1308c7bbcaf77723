/* tests/support/signed.h -- requests signed with the general text (protocol, section 2).
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

/* Where a conversation is. */
struct place {
    char sid[27], itself[64], messages[80];
};
/* Of a number of the test's own. */
struct place signed_place(unsigned number);

#endif
