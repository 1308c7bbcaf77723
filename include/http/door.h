/* http/door.h -- accepts connections and hands each to the daemon that has the fewest.
 *
 * Each http thread is a daemon of libmicrohttpd of its own, without a listening socket.
 * (MHD_quiesce_daemon() of a daemon with a thread pool races with its workers over the listening
 * socket, and the loser aborts the process: about one time in 2,500 under load, in 0.9.75 and in
 * 1.0.1.) The same thread sweeps the guard and reads the leftovers.
 *
 * At the limit of connections nothing is accepted: the rest waits in the kernel's backlog, until
 * connections that the server waits for have given way (http/guard.h). One too
 * many from the same address is accepted and told so, and does not keep others waiting.
 *
 * Threads: start, close and stop by main; the door has one of its own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_DOOR_H
#define HTTP_DOOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/rc.h"
#include "http/guard.h"
#include "http/leftover.h"
#include "http/local.h"
#include "http/routes.h"

struct MHD_Daemon;
struct http_server;
struct networks;
struct tally;

/* One http thread. */
struct worker {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    enum listener listener;
    _Atomic uint32_t open;    /* connections handed over and not closed yet */
    _Atomic uint32_t waiting; /* of these, those that the daemon has not begun with */
};

/* A listening socket and the workers behind it. */
struct gate {
    int fd;                 /* -1: closed */
    struct local_file file; /* of a Unix socket */
    struct worker *workers;
    unsigned worker_count;
    uint32_t max_open;
    struct tally *by_address;       /* connections of each client's address; NULL: not counted */
    const struct networks *trusted; /* proxies that may have any number */
    struct str refusal;             /* the answer for one too many */
    uint64_t held_until_ms;         /* out of descriptors or memory: not asked before */
};

struct door {
    struct gate gates[LISTENER_COUNT]; /* the door thread's, once it runs */
    struct guard *guard;
    struct leftovers *leftovers;
    const struct clock *clock;
    int wake_fd;
    bool runs;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stops, closes, is_closed; /* under lock */
};

/* The key under which a connection from there is counted; 0: it is not. */
uint64_t gate_key(const struct gate *g, const struct sockaddr *from);

/* All gates closed. RC_IO. */
MUST_CHECK enum rc door_init(struct door *d, struct guard *guard, struct leftovers *leftovers,
                             const struct clock *clock);
/* The caller has set the gates; their descriptors are the door's from here on, also when it fails.
 * RC_IO. */
MUST_CHECK enum rc door_start(struct door *d);
/* Accepts what is in the backlogs of all gates but the admin's and closes them; returns when that
 * is done. */
void door_close_public(struct door *d);
/* There is a new leftover. Any thread, until door_done(). */
void door_wake(struct door *d);
/* Joins the thread, if it runs, closes the gates, and waits until the daemons have begun with all
 * that they were handed (libmicrohttpd throws the rest away at its end, under no lock). */
void door_stop(struct door *d);
void door_done(struct door *d);

#endif
