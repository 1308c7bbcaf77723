/* wire/json_scan.h -- a JSON text as a row of tokens: grammar, UTF-8 and depth are checked on the
 * way, and nothing is converted.
 *
 * Source: RFC 8259; UTF-8 of RFC 3629 (no surrogates, no overlong forms). A BOM is malformed.
 * Memory: borrows the text; allocates nothing. No recursion.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_JSON_SCAN_H
#define WIRE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Arrays and objects, the outermost being the first. */
enum { JSON_MAX_DEPTH = 64 };

enum json_token {
    SCAN_BAD, /* not JSON, not UTF-8, or too deep; the scan is over */
    SCAN_OBJECT,
    SCAN_OBJECT_END,
    SCAN_ARRAY,
    SCAN_ARRAY_END,
    SCAN_NAME,
    SCAN_STRING,
    SCAN_NUMBER,
    SCAN_LITERAL, /* true, false, null */
    SCAN_DONE,    /* the whole text was one value */
};

struct json_scan {
    const char *p, *end;
    struct str raw;     /* the last token as it stands in the text: names and strings with quotes */
    bool escaped;       /* the last name or string holds a backslash */
    size_t depth;       /* containers open after the last token */
    uint64_t in_object; /* bit d - 1: the container at depth d is an object */
    int expect;         /* the scanner's own */
};

/* The text must outlive the scan. */
void json_scan_init(struct json_scan *s, struct str text);
enum json_token json_scan_next(struct json_scan *s);

#endif
