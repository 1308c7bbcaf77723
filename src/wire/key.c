/* wire/key.c -- Ed25519 public keys: their text form, and which of them are sound.
 *
 * Soundness is asked of libsodium's point addition, which takes any point of the curve and refuses
 * all else, and always writes the canonical encoding. libsodium's own is_valid_point would refuse
 * keys of mixed order too, which the protocol allows. These functions are arithmetic alone and need
 * no sodium_init().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/key.h"

#include <sodium.h>
#include <string.h>

static const struct str prefix = STR_INIT("ed25519:");
/* The encoding of the neutral element (0, 1); RFC 8032, 5.1.2. */
static const uint8_t neutral[KEY_BYTES] = {1};

enum rc key_read(struct str text, struct key *out) {
    if (!str_starts_with(text, prefix))
        return RC_MALFORMED;
    return str_read_hex(str_from(text, prefix.n), out->bytes, KEY_BYTES);
}

void key_print(const struct key *key, char out[KEY_TEXT_LEN + 1]) {
    memcpy(out, prefix.p, prefix.n);
    str_put_hex(key->bytes, KEY_BYTES, out + prefix.n);
    out[KEY_TEXT_LEN] = '\0';
}

bool key_is_sound(const struct key *key) {
    uint8_t point[KEY_BYTES];
    if (crypto_core_ed25519_add(point, key->bytes, neutral) != 0)
        return false;
    if (memcmp(point, key->bytes, KEY_BYTES) != 0)
        return false; /* y not below p, or a sign where x is 0: RFC 8032, 5.1.3 */
    /* The cofactor is 8: three doublings send exactly the points of small order to neutral. */
    for (int i = 0; i < 3; i++)
        if (crypto_core_ed25519_add(point, point, point) != 0)
            return false;
    return memcmp(point, neutral, KEY_BYTES) != 0;
}

bool key_eq(const struct key *a, const struct key *b) {
    return memcmp(a->bytes, b->bytes, KEY_BYTES) == 0;
}
