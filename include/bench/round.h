/* bench/round.h -- one round: register, measure memory, open streams, idle, post, wait, count.
 *
 * Threads: one; everything happens in the poller's turns.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_ROUND_H
#define BENCH_ROUND_H

#include "bench/audience.h"
#include "bench/options.h"
#include "bench/peer.h"
#include "bench/poller.h"
#include "bench/progress.h"
#include "bench/report.h"

/* What every round of a scenario works with; all borrowed. */
struct setup {
    const struct options *options;
    struct poller *poller;
    struct progress *progress;
    const struct peer *post_nodes, *stream_nodes; /* as many as the options list */
};

/* Fills what it found into *r, which the caller has zeroed; what went wrong in the world is in
 * there, too. RC_NO_MEMORY. */
MUST_CHECK enum rc round_run(const struct setup *setup, struct result *r);
/* The bare send() loop over as many streams: deliveries/s. Its troubles are added to the result's,
 * and what it lost, to what was lost. RC_IO: it could not be started. RC_NO_MEMORY. */
MUST_CHECK enum rc round_sendloop(const struct setup *setup, struct result *r,
                                  double *deliveries_per_s);

#endif
