/* wire/record.h -- what a server tells about a handle: the handle record and the WebFinger JRD.
 *
 * Source: protocol, section 3; RFC 7033.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/handle.h"
#include "wire/key.h"
#include "wire/target.h"

struct record {
    struct handle handle;
    struct key primary;
    int64_t registered_at_ms;
    struct str proofs; /* a JSON array as text */
};

/* {"handle","server","primary","registered_at","sigchain_url","proofs"} */
void record_put(struct buf *out, const struct record *r, struct str server, struct str sig_server);

/* What a WebFinger query asks for: acct:<handle>@<server> or a primary. */
struct webfinger {
    bool by_primary;
    struct handle handle;
    struct key primary;
};

/* RC_MALFORMED: no resource, there twice, not a URI, or a primary that is none. RC_NOT_FOUND:
 * another server's name, another scheme, or a handle that cannot exist. Scheme and host are
 * compared without case (RFC 3986, 3.1 and 3.2.2), but a primary has one form only. */
MUST_CHECK enum rc webfinger_read(const struct target *t, struct str server, struct webfinger *out);
/* The JRD: subject, aliases, links filtered by the `rel` parameters of the query (RFC 7033, 4.3).
 */
void webfinger_put(struct buf *out, const struct target *t, const struct record *r,
                   struct str server);

#endif
