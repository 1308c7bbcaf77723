/* bench/identity.h -- the bench's users: the same names and keys in every run.
 *
 * Keys come from a public seed text, so that a second run finds its users again. They guard
 * nothing: whoever knows the text can sign as them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_IDENTITY_H
#define BENCH_IDENTITY_H

#include <stdint.h>

#include "base/str.h"
#include "wire/handle.h"
#include "wire/key.h"

enum { IDENTITY_DIGITS = 6, IDENTITY_PREFIX_MAX = HANDLE_MAX - IDENTITY_DIGITS };
enum { IDENTITY_MAX = 999999 };

struct identity {
    struct handle handle; /* prefix and index + 1, six digits: bench-000001 */
    uint8_t seed[32];     /* of the Ed25519 key (RFC 8032, 5.1.5) */
};

/* RC_BAD_FIRST, RC_MALFORMED, RC_TOO_LARGE: handles may not begin so. */
MUST_CHECK enum rc identity_check_prefix(struct str prefix);
/* `index` < IDENTITY_MAX; the prefix has been checked. */
void identity_make(struct str seed_text, struct str prefix, uint32_t index, struct identity *out);

#endif
