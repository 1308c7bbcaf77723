/* wire/bearer.h -- bearer tokens: `Authorization: Bearer <token>`.
 *
 * Source: RFC 6750, 2.1.
 * Threads: any; no state.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_BEARER_H
#define WIRE_BEARER_H

#include <stdbool.h>

#include "base/str.h"

enum { BEARER_TOKEN_MAX = 1024 }; /* bytes */

/* 1 to BEARER_TOKEN_MAX bytes of the grammar's b64token: letters, digits, "-._~+/", and '=' at the
 * end. */
bool bearer_is_token(struct str text);
/* Reads the value of an Authorization field. RC_MISSING_AUTH: absent or empty. RC_UNAUTHORIZED:
 * another scheme, or no token. The token is borrowed. */
MUST_CHECK enum rc bearer_read(struct str field, struct str *token);
/* Compares in a time that tells nothing of where they differ, nor of the length of either. */
bool bearer_is(struct str token, struct str wanted);

#endif
