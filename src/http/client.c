/* http/client.c -- whose request it is.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/client.h"

#include <netinet/in.h>

bool client_peer(const struct sockaddr *from, struct address *out) {
    if (from && from->sa_family == AF_INET)
        *out = address_of_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr);
    else if (from && from->sa_family == AF_INET6)
        *out = address_of_v6(&((const struct sockaddr_in6 *)(const void *)from)->sin6_addr);
    else
        return false;
    return true;
}

bool client_is_limited(const struct networks *trusted, const struct address *peer) {
    return !address_is_loopback(peer) && !networks_have(trusted, peer);
}

void client_say_for(struct client_said *said, struct str field) {
    said->has_for = true;
    forwarded_add_for(&said->by_for, field);
}

void client_say_rfc(struct client_said *said, struct str field) {
    said->has_rfc = true;
    if (forwarded_add(&said->by_rfc, field) != RC_OK)
        said->is_unsound = true;
}

struct address client_address(const struct client_said *said, const struct networks *trusted,
                              const struct address *peer) {
    struct address by_for = forwarded_client(&said->by_for, trusted, peer);
    if (!said->has_rfc)
        return by_for;
    if (said->is_unsound)
        return *peer;
    struct address by_rfc = forwarded_client(&said->by_rfc, trusted, peer);
    return said->has_for && !address_eq(&by_for, &by_rfc) ? *peer : by_rfc;
}
