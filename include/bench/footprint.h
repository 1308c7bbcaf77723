/* bench/footprint.h -- how much memory processes have to themselves.
 *
 * Source: proc(5), /proc/<pid>/smaps_rollup: Private_Clean and Private_Dirty.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_FOOTPRINT_H
#define BENCH_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* The sum over n processes, in bytes. RC_NOT_FOUND: no such process. RC_FORBIDDEN: not ours to
 * read. RC_MALFORMED: no such figures. */
MUST_CHECK enum rc footprint_private(const uint32_t *pids, size_t n, uint64_t *bytes);
/* The text of one smaps_rollup. RC_MALFORMED: a figure is missing. */
MUST_CHECK enum rc footprint_read(struct str text, uint64_t *bytes);

#endif
