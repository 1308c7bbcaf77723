/* wire/forwarded.h -- whom a proxy says that it speaks for.
 *
 * Each proxy adds the address that it got the request from, at the right end. What a client wrote
 * itself stands further left; so the list is read from the right, for as long as who wrote an entry
 * is trusted. The client is the rightmost address that is not a trusted proxy.
 *
 * Source: RFC 7239 (Forwarded); X-Forwarded-For has no standard: addresses, comma separated.
 * Threads: any; no state.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_FORWARDED_H
#define WIRE_FORWARDED_H

#include "wire/address.h"

/* More than any chain of proxies; of a longer list the right end counts. */
enum { FORWARDED_HOPS_MAX = 32 };

struct hop {
    bool is_known; /* false: hidden, or no address */
    struct address address;
};

/* What a request's field lines say, in the order of the lines. Starts as all zero. */
struct hops {
    size_t n;
    struct hop at[FORWARDED_HOPS_MAX];
};

/* Adds one line of X-Forwarded-For: addresses, perhaps with a port ("192.0.2.1:80",
 * "[2001:db8::1]:80"). What is none is an unknown hop. */
void forwarded_add_for(struct hops *hops, struct str field);
/* Adds one line of Forwarded. RC_MALFORMED: it is not of the grammar of RFC 7239, 4 (blanks around
 * ';' and unquoted ports and brackets pass), and where a quoted text ends cannot be known: no line
 * of this request can be believed. */
MUST_CHECK enum rc forwarded_add(struct hops *hops, struct str field);

/* The client as the hops have it, for a request that came from `peer`. */
struct address forwarded_client(const struct hops *hops, const struct networks *trusted,
                                const struct address *peer);

#endif
