/* bench/scenario.h -- runs what the options ask for, with the comparisons that belong to it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "bench/options.h"
#include "bench/report.h"

/* Raises the descriptor limit as far as it goes. RC_MALFORMED: the options cannot be met here
 * (`say` has a line on it). RC_NO_MEMORY, RC_IO: so does it. */
MUST_CHECK enum rc scenario_run(const struct options *o, struct result *out, struct buf *say);

#endif
