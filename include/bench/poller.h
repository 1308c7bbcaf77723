/* bench/poller.h -- the bench's one epoll loop: sockets, a timer of nanoseconds, and Ctrl-C.
 *
 * SIGINT and SIGTERM are blocked from init to done and only set `is_interrupted`.
 *
 * Threads: one.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_POLLER_H
#define BENCH_POLLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"

#define SECOND_NS UINT64_C(1000000000)

enum poller_kind { POLLER_TIMER, POLLER_SIGNAL, POLLER_STREAM, POLLER_CALLER, POLLER_KINDS };

struct poller_client {
    void *arg;
    /* `index` as poller_add() was told; events of epoll(7). */
    void (*ready)(void *arg, uint32_t index, uint32_t events);
};

struct poller {
    int epoll_fd, timer_fd, signal_fd;
    bool is_interrupted;
    sigset_t mask_before;
    struct poller_client clients[POLLER_KINDS];
};

/* CLOCK_MONOTONIC. */
uint64_t poller_now_ns(void);

/* RC_IO: no descriptors. */
MUST_CHECK enum rc poller_init(struct poller *p);
void poller_done(struct poller *p);
/* Who hears of descriptors of this kind; POLLER_STREAM or POLLER_CALLER. */
void poller_serve(struct poller *p, enum poller_kind kind, struct poller_client client);
/* close() ends the watch. RC_IO. */
MUST_CHECK enum rc poller_add(struct poller *p, int fd, enum poller_kind kind, uint32_t index,
                              uint32_t events);
MUST_CHECK enum rc poller_change(struct poller *p, int fd, enum poller_kind kind, uint32_t index,
                                 uint32_t events);
/* Waits for events, at most until `until_ns`, and hands them out. */
void poller_turn(struct poller *p, uint64_t until_ns);

#endif
