/* http/linger.h -- sockets that were answered before their request was read: read to their end, so
 * that the answer arrives.
 *
 * Closing a socket with unread bytes sends a reset, and the reset can overtake the answer (RFC
 * 9112, 9.6). So what is left is read and thrown away, for a while and up to a size.
 *
 * Threads: linger_take() from any; fill and step by the one thread that polls.
 * Memory: at most LINGER_MAX descriptors; one more is closed at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HTTP_LINGER_H
#define HTTP_LINGER_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LINGER_MAX = 64,                    /* sockets at a time */
    LINGER_MS = 5000,                   /* each for this long */
    LINGER_MAX_BYTES = 8 * 1024 * 1024, /* and up to so many bytes */
};

struct lingering {
    int fd;
    uint64_t until_ms;
    size_t left_bytes;
};

struct linger {
    pthread_mutex_t lock; /* guards both below */
    size_t n;
    struct lingering at[LINGER_MAX];
};

void linger_init(struct linger *l);
/* Closes what is left. */
void linger_done(struct linger *l);

/* Takes over a non-blocking socket to which all has been written. */
void linger_take(struct linger *l, int fd, uint64_t now_ms);

/* Fills polls[0..n) with what lingers and returns n, at most LINGER_MAX. */
size_t linger_fill(struct linger *l, struct pollfd *polls);
/* Reads what poll() found in those n, and closes what is at its end. */
void linger_step(struct linger *l, const struct pollfd *polls, size_t n, uint64_t now_ms);

#endif
