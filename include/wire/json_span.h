/* wire/json_span.h -- JSON as it stands in the bytes: checked, split and compacted, converted only
 * where the caller asks for one value.
 *
 * An envelope must pass untouched (numbers, escapes, order, duplicates), and ordinary JSON
 * libraries refuse or change some of what it may hold; so bodies are split here into raw values.
 *
 * Source: RFC 8259; UTF-8 of RFC 3629 (no surrogates, no overlong forms). No BOM.
 * Threads: any; no state.
 * Memory: borrows; raw values point into the text. json_split() allocates for texts with many names
 * and frees before it returns. No recursion; time is linear in the text, whatever it holds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_JSON_SPAN_H
#define WIRE_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/json_scan.h"

/* A member that the caller knows: it sets `name`, json_split() sets `value` to the raw text of the
 * value without white space around it, or to the absent str when there is no such member. */
struct json_member {
    struct str name; /* decoded */
    struct str value;
};

/* Checks the whole text against the grammar, UTF-8, and a depth of at most JSON_MAX_DEPTH.
 * RC_MALFORMED otherwise. Duplicates and lone surrogates in escapes pass. */
MUST_CHECK enum rc json_check(struct str text);

/* Finds the n members that the caller knows in a JSON object; others are passed over, however many
 * there are. Checks all of the text like json_check(), and further that no object holds a member
 * twice (names compared decoded), but inside the value of the outermost member named `opaque`
 * (absent: nowhere exempt).
 * RC_MALFORMED: not so, or not an object. RC_NO_MEMORY. All values are absent unless RC_OK. */
MUST_CHECK enum rc json_split(struct str text, struct str opaque, struct json_member *members,
                              size_t n);

/* Appends `text`, a valid JSON text, without insignificant white space. */
void json_compact(struct str text, struct buf *out);

/* '{', '[', '"', 't', 'f', 'n' or '0' (any number): the kind of a raw value; 0 when absent. */
char json_kind(struct str value);

/* What json_decode() met on the way. */
enum { JSON_HAS_LONE_SURROGATE = 1, JSON_HAS_NUL = 2 };

/* Appends the text of a raw string or name in UTF-8; a lone surrogate is written as if it were a
 * character (three bytes), so that two names are equal exactly when their code units are. Never
 * longer than `raw`. Returns which of the above it holds. */
unsigned json_decode(struct str raw, struct buf *out);

/* Decodes a raw string value into UTF-8. RC_MALFORMED: not a string, a lone surrogate, or U+0000.
 * RC_TOO_LARGE: over the limit of `out`. RC_NO_MEMORY. */
MUST_CHECK enum rc json_utf8(struct str value, struct buf *out);

/* Reads a raw number value that is an integer from 0 to max without sign, fraction or exponent.
 * RC_MALFORMED: not such a number. RC_TOO_LARGE: over max. */
MUST_CHECK enum rc json_u64(struct str value, uint64_t max, uint64_t *out);

/* Reads a raw number value as an IEEE 754 double, nearest, ties to even.
 * RC_MALFORMED: not a number, or beyond a double (too near to zero is zero). RC_NO_MEMORY. */
MUST_CHECK enum rc json_number(struct str value, double *out);

/* Appends `text` (UTF-8) as a JSON string with quotes, escaping only what RFC 8259 demands, in the
 * form that RFC 8785 (3.2.2.2) prescribes. */
void json_put_string(struct buf *out, struct str text);
/* The same without the quotes, for a string that is put together from parts. */
void json_put_text(struct buf *out, struct str text);

#endif
