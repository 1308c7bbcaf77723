/* base/queue.c -- a bounded queue of jobs from many threads to one.
 *
 * The eventfd is written when something waits and it is not readable yet, and read when the last
 * item is taken, so that a burst costs one wake.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum rc queue_init(struct queue *q, size_t max_items, size_t max_bytes) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return RC_IO;
    *q = (struct queue){.max_items = max_items, .max_bytes = max_bytes, .fd = fd};
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    return RC_OK;
}

void queue_done(struct queue *q) {
    close(q->fd);
    pthread_mutex_destroy(&q->lock);
}

/* Holds q->lock. */
static void ring(struct queue *q) {
    uint64_t one = 1;
    q->is_rung = write(q->fd, &one, sizeof one) == sizeof one || errno == EAGAIN;
}

/* Holds q->lock. */
static void hush(struct queue *q) {
    uint64_t rung;
    if (!q->closed && q->is_rung)
        q->is_rung = read(q->fd, &rung, sizeof rung) < 0 && errno != EAGAIN;
}

enum { ALWAYS = 1, QUIETLY = 2 };

static enum rc push(struct queue *q, struct queue_item *item, int how) {
    enum rc rc = RC_OK;
    pthread_mutex_lock(&q->lock);
    if (q->closed) {
        rc = RC_CLOSED;
    } else if (!(how & ALWAYS) && q->items > 0 &&
               (q->items >= q->max_items || item->bytes > q->max_bytes ||
                q->bytes > q->max_bytes - item->bytes)) {
        rc = RC_FULL;
    } else {
        item->next = NULL;
        *q->last = item;
        q->last = &item->next;
        q->bytes += item->bytes;
        q->items++;
        if (!(how & QUIETLY) && !q->is_rung)
            ring(q);
    }
    pthread_mutex_unlock(&q->lock);
    return rc;
}

enum rc queue_push(struct queue *q, struct queue_item *item) { return push(q, item, 0); }

enum rc queue_push_quietly(struct queue *q, struct queue_item *item) {
    return push(q, item, QUIETLY);
}

enum rc queue_push_always(struct queue *q, struct queue_item *item) {
    return push(q, item, ALWAYS);
}

void queue_wake(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    if (q->items > 0 && !q->is_rung)
        ring(q);
    pthread_mutex_unlock(&q->lock);
}

struct queue_item *queue_take(struct queue *q, size_t max_items, size_t max_bytes) {
    pthread_mutex_lock(&q->lock);
    struct queue_item *first = q->first, *end = NULL;
    size_t items = 0, bytes = 0;
    for (struct queue_item *i = first; i && items < max_items; i = i->next) {
        if (items > 0 && (i->bytes > max_bytes || bytes > max_bytes - i->bytes))
            break;
        items++;
        bytes += i->bytes;
        end = i;
    }
    if (end) {
        q->first = end->next;
        end->next = NULL;
        q->items -= items;
        q->bytes -= bytes;
        if (!q->first)
            q->last = &q->first;
    } else {
        first = NULL;
    }
    if (!q->first)
        hush(q);
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_hush(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    hush(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_wait(struct queue *q, int timeout_ms) {
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    (void)poll(&p, 1, timeout_ms);
}

int queue_fd(const struct queue *q) { return q->fd; }

void queue_ring(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    ring(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    ring(q);
    pthread_mutex_unlock(&q->lock);
}

bool queue_is_closed(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
}

size_t queue_items(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    size_t items = q->items;
    pthread_mutex_unlock(&q->lock);
    return items;
}
