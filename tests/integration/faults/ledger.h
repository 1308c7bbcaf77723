/* tests/integration/faults/ledger.h -- the oracle: what was acknowledged against what streams told.
 *
 * A row is known by its inbox, its poster and the poster's count of it, which its `id` carries. The
 * first stream that tells of a seq says what stands there; all others, and the answer that the
 * poster got, must agree. A poster sends row n+1 after n was acknowledged, so they stand in order.
 *
 * Threads: any; one lock inside.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FAULTS_LEDGER_H
#define FAULTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LEDGER_INBOXES = 8,
    LEDGER_POSTERS = 9, /* the last one stands for the conversation's own rows */
    LEDGER_UPDATES = LEDGER_POSTERS - 1,
    LEDGER_BLAMES_SHOWN = 20
};

struct ledger;

struct verdict {
    uint64_t posts, rows; /* acknowledged, and compared: each row of each stream */
    uint64_t lost, repeated, disordered;
    uint64_t others; /* anything else that must not be: wrong answers, resyncs, odd lines */
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);
/* Blames are counted and not printed. */
void ledger_set_quiet(struct ledger *l);

/* Row n (from 1) was answered with this seq; 0: the answer named none for this inbox. Said twice
 * when two posters sent the same row at once. */
void ledger_acked(struct ledger *l, unsigned inbox, unsigned poster, unsigned n, uint64_t seq);
/* A stream that had come to `last` told of this row at `seq`. */
void ledger_told(struct ledger *l, unsigned inbox, uint64_t last, uint64_t seq, unsigned poster,
                 unsigned n);
/* Highest seq that was acknowledged. */
uint64_t ledger_head(struct ledger *l, unsigned inbox);
/* Something that must not be; the first few are printed. */
void ledger_blame(struct ledger *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* When all is told: what was acknowledged stands in the inbox once and in order, and nothing else
 * stands there. */
struct verdict ledger_close(struct ledger *l);
/* The oracle itself: true when it finds each of a row of planted faults. */
bool ledger_finds_faults(void);
bool verdict_is_clean(const struct verdict *v);

#endif
