/* wire/nkey.h -- NATS user keys: an Ed25519 seed or public key in its text form.
 *
 * Source: NATS nkeys: prefix, 32 bytes and their CRC-16 (XMODEM, low byte first), in base32 of
 * RFC 4648 without padding.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_NKEY_H
#define WIRE_NKEY_H

#include <stdint.h>

#include "base/str.h"
#include "wire/key.h"

enum { NKEY_SEED_BYTES = 32, NKEY_SEED_TEXT_LEN = 58, NKEY_USER_TEXT_LEN = 56 };

/* Reads a user's seed ("SU…"), whole. RC_MALFORMED: another kind or length, another byte than
 * base32's, a wrong checksum. */
MUST_CHECK enum rc nkey_read_seed(struct str text, uint8_t seed[NKEY_SEED_BYTES]);
/* The text of a user's public key ("U…") and a NUL. */
void nkey_print_user(const struct key *key, char out[NKEY_USER_TEXT_LEN + 1]);

#endif
