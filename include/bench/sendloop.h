/* bench/sendloop.h -- the yardstick: a process that does nothing but send() frames to streams.
 *
 * Source: the frames are those that a node would send (protocol, section 5).
 *
 * Threads: one; start it before any other thread runs, since it forks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BENCH_SENDLOOP_H
#define BENCH_SENDLOOP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/rc.h"

struct sendloop {
    pid_t pid;
    int fd; /* to talk to it */
    unsigned short port;
};

/* Forks a process that takes `streams` connections on a loopback port, answers each with a head and
 * `ready` of seq 0, and waits. RC_IO. */
MUST_CHECK enum rc sendloop_start(uint32_t streams, size_t body_bytes, struct sendloop *out);
/* Rounds from now on for so long: seq 1, 2, ... to every stream, each by one send(). RC_IO. */
MUST_CHECK enum rc sendloop_go(struct sendloop *s, uint32_t seconds);
/* How many rounds there were. RC_UNAVAILABLE: it is still at it. RC_IO: it ended early. */
MUST_CHECK enum rc sendloop_rounds(struct sendloop *s, uint64_t *rounds);
/* Ends the process and reaps it; once. */
void sendloop_stop(struct sendloop *s);

#endif
