/* bench/peer.h -- a node as the bench reaches it: an http:// URL, its address, new connections.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <sys/socket.h>

#include "base/str.h"

enum { PEER_HOST_MAX = 255 };

struct peer {
    char host[PEER_HOST_MAX + 1]; /* as the Host field says it, with the port */
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

/* `http://host[:port][/]`, looked up now. RC_MALFORMED: another form. RC_NOT_FOUND: no such host.
 * *why is a static sentence on failure. */
MUST_CHECK enum rc peer_read(struct str url, struct peer *out, const char **why);
/* A peer on loopback. */
void peer_loopback(unsigned short port, struct peer *out);
/* Starts a non-blocking connection, TCP_NODELAY set; the descriptor, or -errno. */
int peer_connect(const struct peer *p);

#endif
