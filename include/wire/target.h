/* wire/target.h -- the request target as received: path segments and query parameters.
 *
 * Source: RFC 3986 (3.3, 3.4), RFC 9112 (3.2), protocol, section 1: `%00` anywhere, `%2F` and `.`
 * or `..` segments (encoded or not) in paths, and bytes outside RFC 3986 are malformed. Absolute
 * form is reduced to its path and query.
 * Memory: borrows the target; decoded values that need room live in `room`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_TARGET_H
#define WIRE_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum {
    TARGET_MAX_BYTES = 2048,
    TARGET_MAX_SEGMENTS = 8,
    TARGET_MAX_PARAMS = 32,
};

struct target_param {
    struct str name, value; /* percent-decoded; "+" is a plus */
};

struct target {
    struct str raw;   /* path and query, as received; what is signed */
    struct str path;  /* raw path, as received */
    struct str query; /* without "?"; absent when there was none */
    size_t segment_count;
    struct str segments[TARGET_MAX_SEGMENTS]; /* percent-decoded; "/" is none, "/a/" is "a","" */
    bool is_deep;                             /* there are more, which have been checked only */
    size_t param_count;
    struct target_param params[TARGET_MAX_PARAMS];
    char room[TARGET_MAX_BYTES];
};

/* RC_MALFORMED, or RC_TOO_LARGE for more bytes or parameters than the limits above.
 * `raw` must outlive *out, and *out must not be moved. */
MUST_CHECK enum rc target_read(struct str raw, struct target *out);

/* RC_NOT_FOUND: absent. RC_MALFORMED: there twice. */
MUST_CHECK enum rc target_param(const struct target *t, struct str name, struct str *value);

/* A parameter of digits (protocol: no sign, no leading zero). *out stays as it was when the
 * parameter is absent (RC_OK then). RC_MALFORMED: not digits, there twice. RC_TOO_LARGE: > max. */
MUST_CHECK enum rc target_param_u64(const struct target *t, struct str name, uint64_t max,
                                    uint64_t *out);

#endif
