/* back/store_keep.h -- one pass of the keeper, step by step.
 *
 * Rows first, then ids, then letters. Each step is a transaction of its own, small enough that a
 * post which waits for it hardly notices; between steps a pass is nothing but its place, so it can
 * be left at any time, for ever or for a new connection.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_STORE_KEEP_H
#define BACK_STORE_KEEP_H

#include "store_parts.h"

enum {
    PASS_LOOK = 200,         /* inboxes or letters that a step looks at */
    PASS_INBOXES = 50,       /* that a step locks and drops rows of */
    PASS_ROWS = 500,         /* that it drops of them all */
    PASS_BYTES = 8 << 20,    /* of envelopes, likewise, and one row more of each inbox */
    PASS_IDS = 1000,         /* that a step forgets */
    PASS_LETTER_STEPS = 5000 /* of one pass; the next one goes on from there */
};

enum pass_part { PASS_AT_ROWS, PASS_AT_IDS, PASS_AT_LETTERS, PASS_AT_END };

struct pass {
    enum pass_part part;
    uint64_t inbox;          /* the last one looked at */
    bool has_seen_all;       /* inboxes */
    bool one_by_one;         /* PostgreSQL refused some of `old` together */
    size_t n_old;            /* inboxes that were seen to have rows to drop */
    uint64_t old[PASS_LOOK]; /* and not done with yet */
    uint64_t letter; /* the last one looked at, in this pass or one before; 0: from the first */
    unsigned letter_steps;
    uint64_t rows, ids, letters; /* that went */
};

/* To its beginning. */
void pass_begin(struct pass *p);
/* One step; p->part is PASS_AT_END after the last. `by` need not be the same in all of them.
 * RC_NO_MEMORY: nothing was done. RC_TIMEOUT,
 * RC_UNAVAILABLE: the link has closed; the step may be done or not, and it is all the same. */
MUST_CHECK enum rc pass_step(struct pass *p, const struct store_retention *by,
                             const struct store_config *c, struct link *l);

#endif
