/* bench/poster.h -- posts to the inboxes in turn, or into one conversation by its participants in
 * turn, at a rate or as fast as answered.
 *
 * Threads: one.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_POSTER_H
#define BENCH_POSTER_H

#include "bench/ask.h"
#include "bench/callers.h"
#include "bench/gathering.h"
#include "bench/histogram.h"
#include "bench/ledger.h"
#include "bench/troubles.h"

struct poster_config {
    struct ask *ask;
    struct troubles *troubles;
    const struct identity *who; /* one for each handle */
    struct inbox *inboxes;
    struct gathering *gathering; /* NULL: none */
    uint32_t handles;
    uint32_t max_posts;          /* 0: no such end */
    uint64_t rate;               /* per second; 0: as fast as answered */
    uint64_t window_frames;      /* that may be under way; 0: any number */
    const uint64_t *frames_come; /* how many have come */
    uint64_t begin_ns, end_ns;   /* end_ns: UINT64_MAX when there is none */
    uint64_t measure_from_ns;    /* posts before it do not count for rate and latency */
    bool is_signed, has_ids;
};

struct poster {
    struct poster_config config;
    uint32_t asked, answered;
    uint32_t refused;         /* answered, but not stored */
    uint32_t unknown;         /* no answer: stored or not */
    uint64_t frames_expected; /* deliveries that the posts amount to */
    uint64_t measured;        /* posts since measuring began */
    uint64_t last_ns;         /* the last answer to one of them */
    uint64_t late_max_ns;     /* behind the schedule of `rate` */
    struct histogram latency_ns;
};

void poster_init(struct poster *p, const struct poster_config *config);
/* To callers_serve(). */
struct callers_work poster_work(struct poster *p);
/* When the next post is due: UINT64_MAX when that depends on answers or deliveries. */
uint64_t poster_due_ns(const struct poster *p);
/* No more posts will be made. */
bool poster_is_done(const struct poster *p, uint64_t now_ns);

#endif
