/* bench/ledger.h -- the oracle: what of each inbox came to each stream, and what did not.
 *
 * Seqs are dense, so a stream that began after seq n must see n+1, n+2, ... to the head that the
 * posts were answered with, each once.
 *
 * Source: protocol, section 5.
 * Memory: 16 bytes a stream, 48 an inbox; none of its own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* Sums over all streams. */
struct ledger {
    uint64_t delivered;    /* rows seen for the first time */
    uint64_t lost;         /* seqs passed over and not seen later, or missing at the end */
    uint64_t repeated;     /* rows seen again */
    uint64_t out_of_order; /* rows seen after a later one */
};

/* One stream's place. All zero before it began. */
struct track {
    uint64_t next; /* 0: not begun */
    uint64_t seen; /* bit i: next - 1 - i has come */
};

/* How far back a late row is told from a repeated one; older ones count as repeated. */
enum { LEDGER_WINDOW = 64 };

/* `ready` came: everything up to seq has been sent. */
void ledger_ready(struct ledger *l, struct track *t, uint64_t seq);
void ledger_row(struct ledger *l, struct track *t, uint64_t seq);
/* `resync` came: the stream goes on after seq, and what lay between is lost. */
void ledger_resync(struct ledger *l, struct track *t, uint64_t seq);
/* No more is to come; the inbox's head is at least `head`. */
void ledger_end(struct ledger *l, const struct track *t, uint64_t head);
/* All rows up to head have come, or something later. */
bool ledger_is_at(const struct track *t, uint64_t head);

/* One inbox, as the answers to posts told it. */
struct inbox {
    uint64_t first, last; /* seqs answered; 0: none yet */
    uint64_t answers;
    uint64_t sum;     /* of a mix of the seqs answered: tells one twice from another never */
    uint64_t before;  /* its head when the streams had opened */
    uint32_t streams; /* that listen to it */
};

void ledger_answer(struct inbox *in, uint64_t seq);
/* Seqs between first and last that no answer named (posts of unknown outcome may hold them). */
uint64_t ledger_unanswered(const struct inbox *in);
/* At least so many answers named a seq that another one had. */
uint64_t ledger_doubled(const struct inbox *in);

#endif
