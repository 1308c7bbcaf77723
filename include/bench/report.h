/* bench/report.h -- what a scenario found: as a table for people, or as one flat JSON object.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/ledger.h"
#include "bench/options.h"
#include "bench/troubles.h"

struct spread {
    uint64_t n;
    double p50_us, p95_us, p99_us, max_us;
};

/* Deliveries/s of something else in the same run; 0: not run. */
struct beside {
    double before, after, ratio; /* ratio: of what was measured to the mean of both */
};

struct result {
    enum scenario scenario;
    bool is_interrupted;
    uint64_t handles, handles_made;
    uint64_t streams, streams_ready, streams_ended;
    double open_s; /* until the last stream was ready */
    uint64_t posts, posts_refused, posts_unknown;
    uint64_t seqs_unanswered; /* not named by any answer, beyond posts_unknown */
    uint64_t seqs_doubled;    /* named by two */
    double posts_per_s;
    struct spread post; /* request to answer */
    double late_max_us; /* behind --rate */
    struct ledger rows; /* delivered, lost, repeated, out of order */
    uint64_t stray, resyncs, drains;
    uint64_t disagreed; /* rows of a conversation that others saw in another place */
    double deliveries_per_s, bytes_per_frame;
    struct spread delivery; /* post to byte on the stream */
    bool has_memory;
    uint64_t memory_start, memory_registered, memory_idle; /* private bytes of the nodes */
    double memory_per_stream;                              /* from registered to idle */
    double memory_per_stream_start;                        /* from the start to idle */
    double sendloop_before, sendloop_after;                /* deliveries/s; 0: not run */
    double sendloop_ratio;
    struct beside fanout;     /* beside a conversation: of as many deliveries a post... */
    struct beside fanout_few; /* ...and to as many streams in all, which is one handle */
    double pgbench_per_s;     /* rows/s; 0: not run */
    double pgbench_ratio;
    double cpu_s, wall_s; /* of the bench itself */
    struct troubles troubles;
};

/* Nothing lost, repeated or out of order, every stream ready, nothing unexpected. */
bool result_is_good(const struct result *r);

/* Each appends. */
void report_put_table(struct buf *out, const struct result *r);
void report_put_json(struct buf *out, const struct result *r);

#endif
