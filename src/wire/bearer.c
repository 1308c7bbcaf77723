/* wire/bearer.c -- bearer tokens.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/bearer.h"

#include <sodium.h>
#include <string.h>

static bool is_token_byte(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("-._~+/", c) != NULL;
}

bool bearer_is_token(struct str text) {
    size_t n = text.n;
    if (n > BEARER_TOKEN_MAX)
        return false;
    while (n && text.p[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        if (!is_token_byte(text.p[i]))
            return false;
    return n > 0;
}

enum rc bearer_read(struct str field, struct str *token) {
    static const struct str scheme = STR_INIT("Bearer ");
    if (field.n == 0)
        return RC_MISSING_AUTH;
    if (field.n < scheme.n || !str_eq_nocase((struct str){field.p, scheme.n}, scheme))
        return RC_UNAUTHORIZED;
    struct str rest = str_from(field, scheme.n);
    while (rest.n && rest.p[0] == ' ')
        rest = str_from(rest, 1);
    if (!bearer_is_token(rest))
        return RC_UNAUTHORIZED;
    *token = rest;
    return RC_OK;
}

static void digest(struct str text, unsigned char out[crypto_hash_sha256_BYTES]) {
    (void)crypto_hash_sha256(out, (const unsigned char *)(text.p ? text.p : ""), text.n);
}

bool bearer_is(struct str token, struct str wanted) {
    unsigned char a[crypto_hash_sha256_BYTES], b[crypto_hash_sha256_BYTES];
    digest(token, a);
    digest(wanted, b);
    return sodium_memcmp(a, b, sizeof a) == 0;
}
