/* tests/integration/faults/readers.h -- threads that follow a stream wherever it goes on.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef FAULTS_READERS_H
#define FAULTS_READERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "integration/faults/crowd.h"

struct reader {
    unsigned inbox, at; /* node */
    struct ledger *ledger;
    uint16_t ports[CROWD_NODES];
    const struct signer *user;
    const atomic_bool *stops;
    atomic_bool is_stalled;      /* reads nothing */
    atomic_uint hangups_wanted;  /* counts up to make it reconnect */
    atomic_uint_least64_t last;  /* seq of the last row */
    atomic_uint_least64_t ready; /* seq of the last `ready` */
    unsigned hangups;
    struct sse_reader stream;
    bool is_open;
    uint64_t heard_ms, heard_comments; /* when anything came, and keep-alives by then */
    pthread_t thread;
};

/* From the beginning of the inbox. Fails the test when there is no thread. */
void reader_start(struct reader *r);
/* After *stops. */
void reader_join(struct reader *r);

#endif
