/* wire/time.h -- times on the wire: RFC 3339.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef WIRE_TIME_H
#define WIRE_TIME_H

#include <stdint.h>

#include "base/buf.h"

/* Appends `2026-05-26T23:06:17.123Z` for milliseconds since 1970 (years 0 to 9999; times
 * beyond are printed as the first or last of these). */
void time_put(struct buf *out, int64_t wall_ms);
/* Any RFC 3339 date-time: fraction of any length (cut to milliseconds), Z or numeric offset, lower
 * case t and z, a leap second (60) at the end of a month in UTC, read as the second after it.
 * RC_MALFORMED otherwise (days are checked against the month). */
MUST_CHECK enum rc time_read(struct str text, int64_t *wall_ms);

#endif
