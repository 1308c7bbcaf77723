/* tests/integration/faults/posters.h -- threads that post until each row is acknowledged.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FAULTS_POSTERS_H
#define FAULTS_POSTERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "integration/faults/crowd.h"

enum poster_kind { POSTER_UNSIGNED, POSTER_SIGNED, POSTER_TWIN, POSTER_SPEAKER };

struct poster {
    enum poster_kind kind;
    unsigned number; /* in the ledger */
    unsigned first;  /* node that is asked first */
    struct ledger *ledger;
    uint16_t ports[CROWD_NODES];
    const struct signer *inboxes; /* LEDGER_INBOXES of them */
    const struct signer *signer;  /* SIGNED and SPEAKER */
    const char *sid;              /* SPEAKER */
    struct poster *twin;
    const atomic_int *pace; /* enum crowd_pace */
    const atomic_bool *stops;
    atomic_uint acked; /* rows */
    pthread_t thread;
};

/* Fails the test when there is no thread. */
void poster_start(struct poster *p);
/* After *stops; every row that was begun is acknowledged then. */
void poster_join(struct poster *p);

#endif
