/* wire/auth.h -- what is signed, and whether a signature holds.
 *
 * Source: protocol, section 2; Ed25519 of RFC 8032.
 * Threads: any; no state.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_AUTH_H
#define WIRE_AUTH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "wire/key.h"

enum { AUTH_SIG_BYTES = 64, AUTH_WINDOW_S = 60, AUTH_REGISTRATION_WINDOW_S = 300 };

/* `X-KEZ-Auth: <unix seconds>:<128 hex digits>`, read. */
struct auth {
    int64_t at_s;
    struct str at_text; /* the digits as sent; borrowed */
    uint8_t sig[AUTH_SIG_BYTES];
};

/* RC_MISSING_AUTH: absent or empty. RC_UNAUTHORIZED: malformed (the protocol answers 401). */
MUST_CHECK enum rc auth_read(struct str header, struct auth *out);
/* RC_STALE unless |now - at| <= window, in seconds. */
MUST_CHECK enum rc auth_check_time(int64_t at_s, int64_t now_s, int64_t window_s);

/* The signed texts. Each appends to `out`. `ts` is auth.at_text. */
void auth_put_poll(struct buf *out, struct str handle, uint64_t since, struct str ts);
void auth_put_stream(struct buf *out, struct str handle, struct str ts);
void auth_put_proofs(struct buf *out, struct str handle, struct str ts);
void auth_put_events(struct buf *out, struct str server, struct str primary, struct str ts);
/* target: path and query from /v1/ on, as received. body: hashed with SHA-256 here. */
void auth_put_request(struct buf *out, struct str method, struct str server, struct str target,
                      struct str body, struct str ts);

/* Plain Ed25519 over `text`. RC_UNAUTHORIZED when it does not hold. */
MUST_CHECK enum rc auth_verify(const struct key *key, struct str text,
                               const uint8_t sig[AUTH_SIG_BYTES]);
/* For clients: signs with a 32-byte seed (RFC 8032, 5.1.5). */
void auth_sign(const uint8_t seed[32], struct str text, uint8_t sig[AUTH_SIG_BYTES]);
/* The public key of a seed. */
void auth_key_of_seed(const uint8_t seed[32], struct key *out);

#endif
