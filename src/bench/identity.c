/* bench/identity.c -- the bench's users.
 *
 * The seed of a key is four SipHash words of (word number, handle) under the hash of the seed text.
 * The handle is in it, because a primary belongs to one handle only.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum rc identity_check_prefix(struct str prefix) {
    char text[HANDLE_MAX + 1];
    struct handle handle;
    if (prefix.n > IDENTITY_PREFIX_MAX)
        return RC_TOO_LARGE;
    int n = snprintf(text, sizeof text, "%.*s%0*d", STR_ARG(prefix), IDENTITY_DIGITS, 1);
    return handle_read((struct str){text, (size_t)n}, &handle);
}

void identity_make(struct str seed_text, struct str prefix, uint32_t index, struct identity *out) {
    static const uint64_t of_text[2][2] = {{1, 2}, {3, 4}};
    uint64_t key[2] = {hash_bytes(of_text[0], seed_text.p, seed_text.n),
                       hash_bytes(of_text[1], seed_text.p, seed_text.n)};
    *out = (struct identity){0};
    int n = snprintf(out->handle.text, sizeof out->handle.text, "%.*s%0*u", STR_ARG(prefix),
                     IDENTITY_DIGITS, index + 1);
    for (uint8_t word = 0; word < 4; word++) {
        char named[HANDLE_MAX + 2] = {(char)word};
        memcpy(named + 1, out->handle.text, (size_t)n);
        uint64_t value = hash_bytes(key, named, (size_t)n + 1);
        for (unsigned byte = 0; byte < 8; byte++)
            out->seed[8 * word + byte] = (uint8_t)(value >> (8 * byte));
    }
}
