/* wire/json_span.h -- JSON as it stands in the bytes: checked, split and compacted, never
 * converted.
 *
 * An envelope must pass untouched (numbers, escapes, order, duplicates), and jansson refuses or
 * changes some of what it may hold; so bodies are split here, and jansson decodes small members.
 *
 * Source: RFC 8259; UTF-8 of RFC 3629 (no surrogates, no overlong forms). No BOM.
 * Memory: borrows; allocates nothing but what the caller's buf does. No recursion.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_JSON_SPAN_H
#define WIRE_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { JSON_MAX_DEPTH = 64, JSON_MAX_MEMBERS = 64 };

/* One member of an object: the name decoded is compared by json_members_find(); value is the raw
 * text of the value, without white space around it. */
struct json_member {
    struct str name; /* raw, between the quotes */
    struct str value;
};

struct json_members {
    size_t n;
    struct json_member at[JSON_MAX_MEMBERS];
};

/* Checks the whole text against the grammar, UTF-8, and a depth of at most JSON_MAX_DEPTH.
 * RC_MALFORMED otherwise. Duplicates and lone surrogates in escapes pass. */
MUST_CHECK enum rc json_check(struct str text);

/* Splits a JSON object into its members. Checks all of it like json_check(), and further that no
 * object holds a member twice (names compared decoded), but inside the value of the top-level
 * member named `opaque` (absent: nowhere exempt).
 * RC_MALFORMED: not so, not an object. RC_TOO_LARGE: more than JSON_MAX_MEMBERS members. */
MUST_CHECK enum rc json_split(struct str text, struct str opaque, struct json_members *out);

/* The raw value of the member with this (plain ASCII) name; absent str when there is none. */
struct str json_members_find(const struct json_members *m, struct str name);

/* Appends `text`, a valid JSON text, without insignificant white space. */
void json_compact(struct str text, struct buf *out);

/* '{', '[', '"', 't', 'f', 'n' or '0' (any number): the kind of a raw value; 0 when absent. */
char json_kind(struct str value);

/* Decodes a raw string value into UTF-8. RC_MALFORMED: not a string, a lone surrogate, or U+0000.
 */
MUST_CHECK enum rc json_string(struct str value, struct buf *out);

/* Reads a raw number value that is an integer from 0 to max without fraction or exponent. */
MUST_CHECK enum rc json_u64(struct str value, uint64_t max, uint64_t *out);

/* Appends `text` (UTF-8) as a JSON string with quotes, escaping only what RFC 8259 demands. */
void json_put_string(struct buf *out, struct str text);

#endif
