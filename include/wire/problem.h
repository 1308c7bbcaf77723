/* wire/problem.h -- errors on the wire: application/problem+json.
 *
 * Source: RFC 9457; protocol, section 1: {"type","title","status","detail","code"}.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_PROBLEM_H
#define WIRE_PROBLEM_H

#include "base/buf.h"

/* The HTTP status of a result; the one place that knows. RC_OK is 200. */
int problem_status(enum rc rc);
/* Appends the body for a result. detail: a sentence about what to change. */
void problem_put(struct buf *out, enum rc rc, struct str detail);

#endif
