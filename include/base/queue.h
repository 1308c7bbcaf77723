/* base/queue.h -- a bounded queue of jobs from many threads to one, with two limits.
 *
 * The consumer waits on an eventfd (by poll, epoll or queue_wait) and detaches what waits under the
 * lock, then works with no lock held.
 *
 * Threads: push and close from any; take, wait and fd by the one consumer.
 * Memory: items are intrusive; the queue never allocates. A pushed item belongs to the queue until
 * taken.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/rc.h"

struct queue_item {
    struct queue_item *next;
    size_t bytes; /* what this item counts against max_bytes */
};

struct queue {
    pthread_mutex_t lock; /* guards all below but fd */
    struct queue_item *first, **last;
    size_t items, bytes, max_items, max_bytes;
    bool closed;
    bool is_rung; /* the eventfd is readable */
    int fd;
};

/* RC_IO: no eventfd could be made. */
MUST_CHECK enum rc queue_init(struct queue *q, size_t max_items, size_t max_bytes);
/* The caller has taken what was left. */
void queue_done(struct queue *q);

/* RC_FULL: one of the limits is reached (one item larger than max_bytes passes when the queue is
 * empty). RC_CLOSED: after queue_close(). In both cases the item is still the caller's. */
MUST_CHECK enum rc queue_push(struct queue *q, struct queue_item *item);
/* The same, but the consumer may sleep on until queue_wake() or another push. */
MUST_CHECK enum rc queue_push_quietly(struct queue *q, struct queue_item *item);
/* For a consumer that takes nothing yet although something may wait: its eventfd is silent until
 * the next push or wake. Look at what decides after this, not before. */
void queue_hush(struct queue *q);
/* Wakes the consumer if something waits. */
void queue_wake(struct queue *q);
/* Passes the limits: for the few jobs that must not be refused (an answer to a job of the
 * consumer's own, whose number is bounded elsewhere). RC_CLOSED only. */
MUST_CHECK enum rc queue_push_always(struct queue *q, struct queue_item *item);

/* Detaches items in order, at least one if any waits, up to max_items and max_bytes; NULL when
 * empty. The list ends with next == NULL. Rearms the eventfd. */
struct queue_item *queue_take(struct queue *q, size_t max_items, size_t max_bytes);
/* Waits until something waits, the queue is closed or was rung, a signal came, or timeout_ms (< 0:
 * for ever) have passed. */
void queue_wait(struct queue *q, int timeout_ms);
/* Readable while something waits or the queue is closed. */
int queue_fd(const struct queue *q);
/* Wakes the consumer although nothing new may wait. */
void queue_ring(struct queue *q);
/* No more pushes; the consumer is woken. */
void queue_close(struct queue *q);
bool queue_is_closed(struct queue *q);
size_t queue_items(struct queue *q);

#endif
