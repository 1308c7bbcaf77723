/* base/str.h -- a borrowed run of bytes: pointer and length, not terminated.
 *
 * Memory: owns nothing; valid as long as what it points into.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct str {
    const char *p;
    size_t n;
};

/* A literal as a str; usable in initialisers. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                                          \
    { "" literal, sizeof(literal) - 1 }
/* For printf: `"%.*s", STR_ARG(s)`. */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

/* NULL gives the absent str. */
struct str str_of(const char *text);
/* Absent is not the same as empty: p is NULL. */
bool str_is_absent(struct str s);
bool str_eq(struct str a, struct str b);
/* ASCII case ignored (RFC 9110, 5.1: field names). */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
/* From byte `from` to the end; empty when from > n. */
struct str str_from(struct str s, size_t from);
/* Splits at the first `sep`: *head before it, *tail after it. False (head = s, tail absent) when
 * there is none. */
bool str_cut(struct str s, char sep, struct str *head, struct str *tail);

/* Reads decimal digits: no sign, no space, no leading zero but for "0" itself.
 * RC_MALFORMED: another byte, or none. RC_TOO_LARGE: more than `max`. *out is set on RC_OK only. */
MUST_CHECK enum rc str_read_u64(struct str s, uint64_t max, uint64_t *out);

/* Lower-case hex of n bytes into out[2n], not terminated. */
void str_put_hex(const void *bytes, size_t n, char *out);
/* Reads exactly 2n lower-case hex digits. RC_MALFORMED otherwise. */
MUST_CHECK enum rc str_read_hex(struct str s, void *out, size_t n);

#endif
