/* http/leftover.h -- sockets that were answered before their request was read: read to their end,
 * so that the answer arrives.
 *
 * Closing a socket with unread bytes sends a reset, and the reset can overtake the answer (RFC
 * 9112, 9.6). So what is left is read and thrown away, for a while and up to a size.
 *
 * Threads: leftover_take() from any; fill and step by the one thread that polls.
 * Memory: at most LEFTOVER_MAX descriptors; one more is closed at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_LEFTOVER_H
#define HTTP_LEFTOVER_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LEFTOVER_MAX = 64,                    /* sockets at a time */
    LEFTOVER_MS = 5000,                   /* each for this long */
    LEFTOVER_MAX_BYTES = 8 * 1024 * 1024, /* and up to so many bytes */
};

struct leftover {
    int fd;
    uint64_t until_ms;
    size_t left_bytes;
};

struct leftovers {
    pthread_mutex_t lock; /* guards both below */
    size_t n;
    struct leftover at[LEFTOVER_MAX];
};

void leftover_init(struct leftovers *l);
/* Closes what is left. */
void leftover_done(struct leftovers *l);

/* Takes over a non-blocking socket to which all has been written. */
void leftover_take(struct leftovers *l, int fd, uint64_t now_ms);

/* Fills polls[0..n) with what is there and returns n, at most LEFTOVER_MAX. */
size_t leftover_fill(struct leftovers *l, struct pollfd *polls);
/* Reads what poll() found in those n, and closes what is at its end. */
void leftover_step(struct leftovers *l, const struct pollfd *polls, size_t n, uint64_t now_ms);

#endif
