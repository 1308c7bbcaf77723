/* wire/jcs.h -- the JSON Canonicalization Scheme.
 *
 * Source: RFC 8785; numbers as ECMAScript writes IEEE 754 doubles (3.2.2.3), members in UTF-16 code
 * unit order (3.2.3), I-JSON (RFC 7493): no duplicates, no lone surrogates, no number beyond a
 * double.
 * Threads: any; no state. The process keeps the "C" locale.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_JCS_H
#define WIRE_JCS_H

#include "base/buf.h"

/* The canonical form is at most so many times as long as the text (9e20 becomes 21 digits). */
enum { JCS_MAX_GROWTH = 6 };

/* Appends the canonical form of the JSON text. RC_MALFORMED: not I-JSON, or deeper than 64;
 * RC_NO_MEMORY; RC_TOO_LARGE: over the limit of `out`. What a failure leaves in `out` is no JSON.
 */
MUST_CHECK enum rc jcs_put(struct str json, struct buf *out);

/* Appends a finite double as ECMAScript's Number::toString does. */
void jcs_put_number(struct buf *out, double value);

#endif
