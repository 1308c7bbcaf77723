/* wire/registration.h -- the body of POST /v1/register: reading, and checking its signature.
 *
 * Source: protocol, section 3; JCS of RFC 8785, Ed25519 of RFC 8032.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_REGISTRATION_H
#define WIRE_REGISTRATION_H

#include <stdint.h>

#include "base/str.h"
#include "wire/handle.h"
#include "wire/key.h"

struct registration {
    struct handle handle;
    struct key primary;
};

/* Reads, checks and verifies a whole body for the server named `server` at now_ms.
 * RC_OK, RC_MALFORMED (400: body, payload, signature block, another alg, another server),
 * RC_STALE (400 here: created_at outside AUTH_REGISTRATION_WINDOW_S),
 * RC_TOO_SHORT, RC_TOO_LARGE, RC_BAD_FIRST (400: the handle, see handle_advice()),
 * RC_UNAUTHORIZED (401: well formed and wrong, or `key` is not the primary),
 * RC_RESERVED (403), RC_NO_MEMORY.
 * *advice is a static sentence for a person whenever the result is not RC_OK. */
MUST_CHECK enum rc registration_read(struct str body, struct str server, int64_t now_ms,
                                     struct registration *out, const char **advice);

#endif
