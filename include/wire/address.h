/* wire/address.h -- addresses of clients and networks of trusted proxies.
 *
 * IPv4 is kept as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), so a client is the same one on a socket of
 * either family.
 *
 * Source: RFC 4291, RFC 4632 (CIDR).
 * Threads: any; no state.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_ADDRESS_H
#define WIRE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { ADDRESS_BYTES = 16, NETWORKS_MAX = 64 };

struct address {
    uint8_t bytes[ADDRESS_BYTES];
};

struct address address_of_v4(const void *bytes);
struct address address_of_v6(const void *bytes);
/* "192.0.2.1" or "2001:db8::1", whole, without a zone. RC_MALFORMED otherwise. */
MUST_CHECK enum rc address_read(struct str text, struct address *out);
bool address_eq(const struct address *a, const struct address *b);
/* 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *a);
/* What limits by address tell clients apart by: all of IPv4, the /64 of IPv6. Never 0; not stable
 * between runs. */
uint64_t address_key(const struct address *a);

/* Of a CIDR block, or of a single address. */
struct network {
    struct address first;
    unsigned bits; /* of all 128 */
};

struct networks {
    size_t n;
    struct network at[NETWORKS_MAX];
};

/* "192.0.2.0/24,2001:db8::/32,192.0.2.1": 1 to NETWORKS_MAX, comma separated. A block whose address
 * has bits beyond its length is most likely a slip, and RC_MALFORMED like the rest. */
MUST_CHECK enum rc networks_read(struct str text, struct networks *out);
bool networks_have(const struct networks *n, const struct address *a);

#endif
