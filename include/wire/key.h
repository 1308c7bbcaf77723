/* wire/key.h -- a user's primary: an Ed25519 public key (RFC 8032) and its text form.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_KEY_H
#define WIRE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { KEY_BYTES = 32, KEY_TEXT_LEN = 8 + 64 };

struct key {
    uint8_t bytes[KEY_BYTES];
};

/* "ed25519:" and 64 lower-case hex digits, whole. RC_MALFORMED otherwise. */
MUST_CHECK enum rc key_read(struct str text, struct key *out);
/* KEY_TEXT_LEN bytes and a NUL. */
void key_print(const struct key *key, char out[KEY_TEXT_LEN + 1]);
/* The canonical encoding of a point of the curve that is not of small order. (A point of mixed
 * order passes: the protocol refuses small order only.) */
bool key_is_sound(const struct key *key);
bool key_eq(const struct key *a, const struct key *b);

#endif
