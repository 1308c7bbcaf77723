/* tests/support/crowd.h -- clients of a fleet: posters that insist, and followers that count.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SUPPORT_CROWD_H
#define SUPPORT_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "support/node.h"

/* Posts row after row on a thread of its own, each with an id, again and again until it is answered
 * with 200 or 201, at the next port when one does not answer. */
struct poster {
    const char *name; /* the ids are <name>-1, <name>-2, … */
    uint16_t ports[2];
    const char *const *handles; /* in turn; ends with NULL */
    unsigned rows;              /* then it ends; 0: never by itself */
    /* Results. */
    atomic_uint acked;   /* rows answered with 200 or 201 */
    atomic_uint retries; /* attempts that were not */
    atomic_uint refused; /* answers other than 200, 201 and 503: always wrong */
    atomic_bool stops;
    pthread_t thread;
};

void poster_start(struct poster *p);
/* Waits for its end; fails the test when an answer was wrong. */
void poster_join(struct poster *p);
/* Ends it after the row under way. */
void poster_stop(struct poster *p);
/* Waits until so many rows were acknowledged; fails the test when they are not in time. */
void poster_await(struct poster *p, unsigned acked);
/* The same for attempts that came to nothing. */
void poster_await_retries(struct poster *p, unsigned retries);

/* Reads a stream and holds it to the promise: each row once, in order, and no resync. */
struct follower {
    struct sse_reader stream;
    const struct signer *user;
    uint64_t last;  /* seq of the last row, or of ready */
    bool has_start; /* `last` counts: it was told to start there, or something came */
    bool is_ready;
    uint64_t drains; /* drain events */
};

/* From now on (the seq of ready), or after `last`. */
void follower_open(struct follower *f, struct node *n, const struct signer *user);
void follower_resume(struct follower *f, struct node *n);
/* Takes what is there without waiting; false when the stream is at its end. */
bool follower_pump(struct follower *f);
/* Waits until the row `seq` came. */
void follower_await(struct follower *f, uint64_t seq);
void follower_close(struct follower *f);

#endif
