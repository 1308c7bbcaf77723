/* bench/gathering.h -- the conversation that a round posts into, and what tells its rows' places.
 *
 * Each post is one row of each participant's inbox. Nothing else comes there meanwhile, so the
 * place of a post (1, 2, 3, ...) is its seq less the one that the inbox had before, and must be the
 * same for all participants.
 *
 * Source: protocol, section 6; ULID: https://github.com/ulid/spec.
 * Threads: one.
 * Memory: GATHERING_PLACES of 8 bytes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_GATHERING_H
#define BENCH_GATHERING_H

#include <stdbool.h>

#include "bench/ask.h"
#include "bench/callers.h"
#include "bench/ledger.h"
#include "bench/troubles.h"

/* So far may one stream be behind another before their orders are no longer compared. */
enum { GATHERING_PLACES = 64 * 1024 };

struct gathering {
    struct ask *ask;
    struct troubles *troubles;
    const struct identity *who; /* the participants; the first makes it */
    uint32_t n;
    struct sid sid;
    struct inbox posts; /* as if it were an inbox: its seqs are the places */
    bool is_asked, is_made, has_failed;
    struct gathering_place *places;
};

/* Borrows all. RC_NO_MEMORY. */
MUST_CHECK enum rc gathering_init(struct gathering *g, struct ask *ask, struct troubles *troubles,
                                  const struct identity *who, uint32_t n);
void gathering_done(struct gathering *g);
/* To callers_serve(): makes the conversation. */
struct callers_work gathering_work(struct gathering *g);
bool gathering_is_done(const struct gathering *g);

/* A stream shows this post at this place. False: another one showed another post there. */
bool gathering_agrees(struct gathering *g, uint64_t place, uint32_t post);

#endif
