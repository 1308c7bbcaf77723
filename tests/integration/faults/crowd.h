/* tests/integration/faults/crowd.h -- posters that insist and readers that resume, on threads.
 *
 * Eight inboxes. Posters 0 to 3 post unsigned and 4 and 5 signed, to each inbox in turn; 6 are two
 * threads that send the same rows at once to two nodes; 7 speaks in a conversation of all. Each
 * sends a row with its id again and again, to one node after another, until it is answered with 200
 * or 201. Three readers follow each inbox, and when a stream ends, fails or is silent they go on at
 * another node with Last-Event-ID.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FAULTS_CROWD_H
#define FAULTS_CROWD_H

#include "integration/faults/ledger.h"
#include "support/node.h"

enum {
    CROWD_NODES = 3,
    CROWD_READERS = 3 * LEDGER_INBOXES, /* each third one may be stalled */
    CROWD_POSTERS = LEDGER_POSTERS,     /* threads: 6 has two */
    CROWD_SPEAKER = 7,
    CROWD_KEEP_ALIVE_MS = 400, /* what the nodes must be told */
    CROWD_SILENCE_MS = 2000    /* a reader gives a stream up after this */
};

struct crowd;

/* Registers the users of this round, makes their conversation, starts all threads. */
struct crowd *crowd_start(struct node *const nodes[CROWD_NODES], struct ledger *l, uint64_t seed);
/* How the posters go: normally; without a pause; or with large rows that fill sockets. */
enum crowd_pace { CROWD_NORMAL, CROWD_BURST, CROWD_LARGE };
void crowd_set_pace(struct crowd *c, enum crowd_pace pace);
/* One reader of each inbox reads nothing, or reads again. */
void crowd_stall(struct crowd *c, bool stalled);
/* All readers hang up and come back at once. */
void crowd_reconnect(struct crowd *c);

/* True when since crowd_mark() every poster had two rows acknowledged, and then every reader has
 * come to what was acknowledged by then; false when not in time. */
struct crowd_mark {
    unsigned acked[CROWD_POSTERS];
    uint64_t heads[LEDGER_INBOXES];
};
void crowd_mark(struct crowd *c, struct crowd_mark *m);
bool crowd_has_healed(struct crowd *c, struct crowd_mark *m, unsigned timeout_ms);

/* Posters end, readers come to the end, and one more reader for each inbox reads all of it from the
 * beginning. False: somebody did not come to the end. Frees. */
bool crowd_finish(struct crowd *c);

#endif
