/* bench/audience.h -- the event streams that the bench holds open, and what comes over them.
 *
 * Stream i is of handle i % handles, and the streams of one handle go round the nodes.
 *
 * Threads: one.
 * Memory: 80 bytes a stream, one receive buffer for all, and head buffers for those that are
 * opening; nothing is allocated once a stream is open.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_AUDIENCE_H
#define BENCH_AUDIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/ask.h"
#include "bench/gathering.h"
#include "bench/histogram.h"
#include "bench/ledger.h"
#include "bench/peer.h"
#include "bench/poller.h"
#include "bench/troubles.h"

struct audience_config {
    struct poller *poller;
    struct troubles *troubles;
    struct ask *ask;
    const struct peer *nodes;
    size_t n_nodes;
    const struct identity *who;  /* one for each handle */
    struct inbox *inboxes;       /* the same; `streams` is counted here */
    struct gathering *gathering; /* NULL: each handle gets posts of its own */
    uint32_t streams, handles, opening_max;
    uint64_t timeout_ns;
    bool has_ready; /* `ready` and dense seqs come; else the head is all, and rows are counted */
};

/* What has come so far. */
struct audience_tally {
    uint32_t opened, ready, ended;
    struct ledger ledger;
    uint64_t bytes, rows; /* of all streams, without heads */
    uint64_t resyncs, drains;
    uint64_t stray;     /* rows that were marked for another handle */
    uint64_t disagreed; /* rows of a conversation that stand elsewhere for others */
    uint64_t measured;  /* rows sent since measuring began */
    uint64_t last_ns;   /* when the last of them came */
    struct histogram latency_ns;
};

struct audience;

/* The config is copied, what it points to borrowed. RC_NO_MEMORY. */
MUST_CHECK enum rc audience_new(const struct audience_config *config, struct audience **out);
/* Closes the streams. NULL-safe. */
void audience_free(struct audience *a);
/* Begins to open the streams; goes on by itself. */
void audience_open(struct audience *a);
/* Ends openings that take too long. */
void audience_tick(struct audience *a, uint64_t now_ns);
/* No stream is opening or waits to be. */
bool audience_is_settled(const struct audience *a);
/* Rows posted from now on count for latency and rate. */
void audience_measure_from(struct audience *a, uint64_t now_ns);
/* Every stream that lives has come to its inbox's last answered seq. */
bool audience_is_caught_up(const struct audience *a);
/* Nothing more will come: what is missing is lost. Once. */
void audience_close_books(struct audience *a);
/* Valid until audience_free(). */
const struct audience_tally *audience_tally(const struct audience *a);

#endif
