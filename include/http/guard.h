/* http/guard.h -- the connections of a listener, and until when each must have got further.
 *
 * libmicrohttpd's time-out is idle time: a client that sends a byte now and then is never idle. So
 * every connection has a deadline besides, and the sweep shuts down those that are late.
 *
 * A connection for which the server waits holds a place that another may need sooner than its
 * deadline. So each has a time, too, from which on it gives way when there is no place left: soon
 * for one that has never asked anything, later for one that has, also while it reads its answer.
 *
 * Threads: add, remove and the deadline by the http thread that owns the connection; the sweep by
 * any one. A descriptor in the list is open: it must be removed before it is closed or given away.
 * Memory: intrusive; allocates nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct guard {
    pthread_mutex_t lock; /* guards the list, and that its descriptors stay open */
    struct list connections;
};

struct guarded {
    struct list link;
    int fd;
    _Atomic uint64_t until_ms;  /* monotonic; 0: no deadline */
    _Atomic uint64_t yields_ms; /* gives way from then on; 0: it does not */
    _Atomic bool has_asked;     /* a whole head has come */
};

enum {
    GUARD_NEW_MS = 250, /* a connection that has asked nothing gives way after this */
    /* One that has: when its client is silent, sends a body or reads an answer for so long. */
    GUARD_IDLE_MS = 5000,
};

void guard_init(struct guard *g);
/* The list is empty again. */
void guard_done(struct guard *g);

void guard_add(struct guard *g, struct guarded *c, int fd, uint64_t until_ms);
/* Fine for one that was removed already. */
void guard_remove(struct guard *g, struct guarded *c);
/* 0: none. */
void guard_set_deadline(struct guarded *c, uint64_t until_ms);
/* The server waits for its client from now on; or it works for it. A new one is neither. */
void guard_waits(struct guarded *c, uint64_t now_ms, bool has_asked);
void guard_works(struct guarded *c);

/* Shuts down what is late; its owner then sees the end of the connection. How many there were. */
unsigned guard_sweep(struct guard *g, uint64_t now_ms);
/* There is no place left: shuts down up to `at_most` of those that give way, first of those that
 * never asked anything, the oldest first. How many there were. */
unsigned guard_make_room(struct guard *g, uint64_t now_ms, unsigned at_most);

#endif
