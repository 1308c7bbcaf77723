/* wire/problem.h -- errors on the wire: application/problem+json.
 *
 * Source: RFC 9457; protocol, section 1: {"type","title","status","detail","code"}.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_PROBLEM_H
#define WIRE_PROBLEM_H

#include "base/buf.h"

/* The HTTP status of a result; the one place that knows. RC_OK and RC_REPEAT are 200. RC_STALE is
 * of a request signature, 401; a stale payload is RC_MALFORMED, 400. */
int problem_status(enum rc rc);
/* Appends the body for a result that is no success. detail: a sentence about what to change. */
void problem_put(struct buf *out, enum rc rc, struct str detail);

#endif
