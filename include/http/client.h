/* http/client.h -- whose request it is: the address at the other end, or the one that a trusted
 * proxy speaks for.
 *
 * A proxy is believed about X-Forwarded-For and Forwarded (RFC 7239). It writes one of the two, and
 * may pass on the other as the client sent it; so where both are there and name two clients,
 * neither is believed, and the client is the proxy.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <sys/socket.h>

#include "wire/forwarded.h"

/* False: it came by no network (a Unix socket), or nobody knows. */
bool client_peer(const struct sockaddr *from, struct address *out);

/* Whether the peer stands for itself, and is limited by its address: neither loopback nor a trusted
 * proxy. */
bool client_is_limited(const struct networks *trusted, const struct address *peer);

/* What the header fields of one request say about it. Starts as all zero. */
struct client_said {
    struct hops by_for, by_rfc; /* X-Forwarded-For, Forwarded */
    bool has_for, has_rfc;
    bool is_unsound; /* a line of Forwarded is malformed */
};
void client_say_for(struct client_said *said, struct str field);
void client_say_rfc(struct client_said *said, struct str field);

struct address client_address(const struct client_said *said, const struct networks *trusted,
                              const struct address *peer);

#endif
