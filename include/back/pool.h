/* back/pool.h -- worker threads, each with one connection to PostgreSQL and one queue of jobs.
 *
 * A worker waits for jobs and for its socket, so that it notices a server that hangs up while
 * nothing is asked. It connects again by itself, after a growing wait with jitter. A worker whose
 * connection was closed by the server goes on accepting jobs for POOL_GRACE_MS, since most come
 * back at once; one whose server was silent, or cannot be reached, refuses them.
 *
 * Where they take turns, a worker leaves its jobs waiting while another runs some, until as many
 * wait as that one runs: so there is always something to do for the server, for those who wait for
 * answers and for those who send, and what is done at once is not cut into crumbs. A worker that
 * runs for longer than POOL_HANGS_MS holds nobody up.
 *
 * Threads: push from any; the events run on the workers, with no lock held.
 * Memory: jobs are the caller's.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_POOL_H
#define BACK_POOL_H

#include "back/pool_link.h"
#include "base/queue.h"

struct pool;
struct pool_worker;

enum {
    POOL_GRACE_MS = 1000,  /* jobs are kept this long for a connection that the server closed */
    POOL_LOOK_MS = 5000,   /* a connection is asked for a sign of life this often */
    POOL_STEADY_MS = 1000, /* one that lived shorter counts as another failed attempt */
    POOL_FIRST_WAIT_MS = 50,
    POOL_HANGS_MS = 50, /* a worker that runs its jobs for longer does not count */
};

struct pool_config {
    struct link_config link;
    unsigned workers;
    uint32_t queue_items, queue_bytes; /* that may wait at one worker */
    uint32_t take_items, take_bytes;   /* that it takes at once */
    uint32_t reconnect_max_ms;
    bool takes_turns; /* see above */
};

struct pool_events {
    void *arg;
    /* A connection was made: sets it up. Anything but RC_OK (link_refuse() said why): it is closed
     * and tried again later. */
    enum rc (*prepare)(void *arg, struct link *l);
    /* Asks it for a sign of life, and link_refuse()s it if there is something wrong. NULL:
     * link_ping(). */
    void (*look)(void *arg, struct link *l);
    /* Runs jobs to their end, all of them. */
    void (*run)(void *arg, struct pool_worker *w, struct queue_item *jobs);
    /* Answers jobs that nothing was done about. */
    void (*refuse)(void *arg, struct queue_item *jobs);
    /* One worker more accepts jobs, or one less. */
    void (*changed)(void *arg, bool one_more);
};

/* Starts the workers; they connect by themselves. RC_MALFORMED: the URL is not one. RC_NO_MEMORY,
 * RC_IO. */
MUST_CHECK enum rc pool_start(const struct pool_config *config, const struct pool_events *events,
                              const struct clock *clock, struct pool **out);
/* Runs what was pushed (refuses it where there is no connection), joins, frees. NULL-safe. */
void pool_stop(struct pool *p);

/* True while a worker accepts jobs. */
bool pool_is_up(const struct pool *p);

/* To the worker of this hash, or while that one has no connection, the next that has. RC_FULL.
 * RC_UNAVAILABLE: none has. RC_CLOSED: stopping. The item is the caller's then. */
MUST_CHECK enum rc pool_push(struct pool *p, uint64_t hash, struct queue_item *item);
/* To one that has a connection, in turn; the same otherwise. */
MUST_CHECK enum rc pool_push_any(struct pool *p, struct queue_item *item);
/* To this worker or none. */
MUST_CHECK enum rc pool_push_to(struct pool *p, unsigned worker, struct queue_item *item);

/* How it stands with a worker, for a caller who chooses. */
struct pool_state {
    bool accepts;
    size_t queued;    /* jobs that wait */
    size_t running;   /* jobs that it took; 0 when it has none */
    uint64_t busy_ms; /* since it took its jobs; 0 when it has none */
};
struct pool_state pool_look(struct pool *p, unsigned worker);

/* ---- for run() ---- */

struct link *pool_link(struct pool_worker *w);
unsigned pool_index(const struct pool_worker *w);
/* Connects again when the link has closed, within this time. RC_UNAVAILABLE. */
MUST_CHECK enum rc pool_renew(struct pool_worker *w, uint32_t within_ms);
/* Puts a job of run() behind those that wait. RC_CLOSED: stopping. */
MUST_CHECK enum rc pool_push_again(struct pool_worker *w, struct queue_item *item);

#endif
