/* wire/handle.h -- handles: their grammar and the reserved names.
 *
 * Source: protocol, section 1: 3 to 32 bytes, first [a-z0-9], rest [a-z0-9_-].
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_HANDLE_H
#define WIRE_HANDLE_H

#include <stdbool.h>

#include "base/str.h"

enum { HANDLE_MIN = 3, HANDLE_MAX = 32 };

/* A checked handle, NUL-terminated, zero-padded. */
struct handle {
    char text[HANDLE_MAX + 1];
};

/* Checks in this order: RC_TOO_SHORT, RC_TOO_LARGE, RC_BAD_FIRST, RC_MALFORMED (another byte).
 * *out is set on RC_OK only. Reserved names pass. */
MUST_CHECK enum rc handle_read(struct str text, struct handle *out);
/* What a person must change, for a result of handle_read(): a static sentence. */
const char *handle_advice(enum rc rc);
/* A name that nobody may register. */
bool handle_is_reserved(const struct handle *h);
struct str handle_str(const struct handle *h);
bool handle_eq(const struct handle *a, const struct handle *b);

#endif
