/* wire/address.c -- addresses of clients and networks of trusted proxies.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/hash.h"

enum { V4_OFFSET = 12, V4_BITS = 32, ALL_BITS = 128, LIMIT_BYTES_V6 = 8 };

static const uint8_t mapped_prefix[V4_OFFSET] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct address address_of_v4(const void *bytes) {
    struct address a;
    memcpy(a.bytes, mapped_prefix, V4_OFFSET);
    memcpy(a.bytes + V4_OFFSET, bytes, ADDRESS_BYTES - V4_OFFSET);
    return a;
}

struct address address_of_v6(const void *bytes) {
    struct address a;
    memcpy(a.bytes, bytes, ADDRESS_BYTES);
    return a;
}

enum rc address_read(struct str text, struct address *out) {
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, 0, text.n))
        return RC_MALFORMED;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        *out = address_of_v4(bytes);
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        *out = address_of_v6(bytes);
    else
        return RC_MALFORMED;
    return RC_OK;
}

bool address_eq(const struct address *a, const struct address *b) {
    return memcmp(a->bytes, b->bytes, ADDRESS_BYTES) == 0;
}

static bool is_v4(const struct address *a) {
    return memcmp(a->bytes, mapped_prefix, V4_OFFSET) == 0;
}

bool address_is_loopback(const struct address *a) {
    static const struct address one = {{[ADDRESS_BYTES - 1] = 1}};
    return is_v4(a) ? a->bytes[V4_OFFSET] == 127 : address_eq(a, &one);
}

uint64_t address_key(const struct address *a) {
    size_t n = is_v4(a) ? ADDRESS_BYTES : LIMIT_BYTES_V6;
    uint64_t key = hash_str((struct str){(const char *)a->bytes, n});
    return key ? key : 1;
}

/* Whether the first `bits` bits are the same. */
static bool share(const struct address *a, const struct address *b, unsigned bits) {
    size_t whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

/* Whether there is no bit after the first `bits`. */
static bool ends_there(const struct address *a, unsigned bits) {
    for (unsigned i = bits; i < ALL_BITS; i++)
        if (a->bytes[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

static enum rc read_network(struct str text, struct network *out) {
    struct str address, length;
    bool has_length = str_cut(text, '/', &address, &length);
    if (address_read(address, &out->first) != RC_OK)
        return RC_MALFORMED;
    out->bits = ALL_BITS;
    if (!has_length)
        return RC_OK;
    bool is_short = !memchr(address.p, ':', address.n); /* written as IPv4 */
    uint64_t bits;
    if (str_read_u64(length, is_short ? V4_BITS : ALL_BITS, &bits) != RC_OK)
        return RC_MALFORMED;
    out->bits = (unsigned)bits + (is_short ? ALL_BITS - V4_BITS : 0);
    return ends_there(&out->first, out->bits) ? RC_OK : RC_MALFORMED;
}

enum rc networks_read(struct str text, struct networks *out) {
    bool more;
    out->n = 0;
    do {
        struct str one;
        more = str_cut(text, ',', &one, &text);
        if (out->n == NETWORKS_MAX || read_network(one, &out->at[out->n]) != RC_OK) {
            out->n = 0;
            return RC_MALFORMED;
        }
        out->n++;
    } while (more);
    return RC_OK;
}

bool networks_have(const struct networks *n, const struct address *a) {
    for (size_t i = 0; i < n->n; i++)
        if (share(&n->at[i].first, a, n->at[i].bits))
            return true;
    return false;
}
