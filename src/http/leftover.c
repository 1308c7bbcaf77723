/* http/leftover.c -- sockets that were answered before their request was read.
 *
 * Only the polling thread removes, so the first n places stay what they were when it filled them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/leftover.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 16 * 1024, READS_PER_STEP = 16 };

void leftover_init(struct leftovers *l) {
    pthread_mutex_init(&l->lock, NULL);
    l->n = 0;
}

void leftover_done(struct leftovers *l) {
    for (size_t i = 0; i < l->n; i++)
        close(l->at[i].fd);
    pthread_mutex_destroy(&l->lock);
}

void leftover_take(struct leftovers *l, int fd, uint64_t now_ms) {
    (void)shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&l->lock);
    bool has_room = l->n < LEFTOVER_MAX;
    if (has_room)
        l->at[l->n++] = (struct leftover){fd, now_ms + LEFTOVER_MS, LEFTOVER_MAX_BYTES};
    pthread_mutex_unlock(&l->lock);
    if (!has_room)
        close(fd);
}

size_t leftover_fill(struct leftovers *l, struct pollfd *polls) {
    pthread_mutex_lock(&l->lock);
    size_t n = l->n;
    for (size_t i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = l->at[i].fd, .events = POLLIN};
    pthread_mutex_unlock(&l->lock);
    return n;
}

/* True at the end: the client's, an error, or the limit. */
static bool read_away(struct leftover *one) {
    char scratch[SCRATCH_BYTES];
    for (int i = 0; i < READS_PER_STEP; i++) {
        ssize_t got = recv(one->fd, scratch, sizeof scratch, 0);
        if (got < 0)
            return errno != EAGAIN && errno != EINTR;
        if (got == 0 || (size_t)got >= one->left_bytes)
            return true;
        one->left_bytes -= (size_t)got;
    }
    return false;
}

void leftover_step(struct leftovers *l, const struct pollfd *polls, size_t n, uint64_t now_ms) {
    for (size_t i = n; i-- > 0;) {
        pthread_mutex_lock(&l->lock);
        struct leftover one = l->at[i];
        pthread_mutex_unlock(&l->lock);

        bool ends = now_ms >= one.until_ms || (polls[i].revents && read_away(&one));
        pthread_mutex_lock(&l->lock);
        l->at[i] = ends ? l->at[--l->n] : one;
        pthread_mutex_unlock(&l->lock);
        if (ends)
            close(one.fd);
    }
}
