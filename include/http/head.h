/* http/head.h -- what the head of a request says besides its target: framing, the header fields of
 * the protocol, and who sent it.
 *
 * Source: RFC 9112, 2.2, 3.2, 5 and 6.3. libmicrohttpd 0.9.75 takes the first of two lengths, reads
 * a body with an unknown coding until the connection ends, and loses fields that are folded or have
 * white space before the colon; so all of these are refused here, and lines that end in a lone LF,
 * for a proxy may have seen others.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "flow/exchange.h"
#include "wire/address.h"

struct MHD_Connection;

struct head {
    bool is_unframed;      /* where the body ends cannot be known: the connection must end, too */
    bool is_chunked;       /* a body of unknown length comes */
    uint64_t length;       /* or one of this many bytes */
    bool expects_continue; /* the client waits for 100 before it sends the body */
};

/* Fills *out and ex->auth, auth_handle, public_key, last_event_id, authorization, host, client,
 * client_exempt; the strs live as long as the request. method, version: where libmicrohttpd has
 * them, which is in the request line. trusted: proxies that are believed about the client.
 * RC_MALFORMED: two of what must be there once, no Host, an unsound framing; *advice is a static
 * sentence then, and *out is filled all the same. */
MUST_CHECK enum rc head_read(struct MHD_Connection *c, const char *method, const char *version,
                             const struct networks *trusted, struct exchange *ex, struct head *out,
                             const char **advice);

/* Whether the request already knows the file with this ETag. */
bool head_has_etag(struct MHD_Connection *c, const char *etag);

#endif
