/* http/guard.h -- the connections of a listener, and until when each must have got further.
 *
 * libmicrohttpd's time-out is idle time: a client that sends a byte now and then is never idle. So
 * every connection has a deadline besides, and the sweep shuts down those that are late.
 *
 * Threads: add, remove and the deadline by the http thread that owns the connection; the sweep by
 * any one. A descriptor in the list is open: it must be removed before it is closed or given away.
 * Memory: intrusive; allocates nothing.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <pthread.h>
#include <stdint.h>

#include "base/list.h"

struct guard {
    pthread_mutex_t lock; /* guards the list, and that its descriptors stay open */
    struct list connections;
};

struct guarded {
    struct list link;
    int fd;
    _Atomic uint64_t until_ms; /* monotonic; 0: no deadline */
};

void guard_init(struct guard *g);
/* The list is empty again. */
void guard_done(struct guard *g);

void guard_add(struct guard *g, struct guarded *c, int fd, uint64_t until_ms);
/* Fine for one that was removed already. */
void guard_remove(struct guard *g, struct guarded *c);
/* 0: none. */
void guard_set_deadline(struct guarded *c, uint64_t until_ms);

/* Shuts down what is late; its owner then sees the end of the connection. How many there were. */
unsigned guard_sweep(struct guard *g, uint64_t now_ms);

#endif
