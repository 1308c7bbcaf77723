/* push/loop.h -- the thread of one shard: an epoll loop, a queue, and real sockets.
 *
 * What it must never do: block on anything but epoll_wait().
 *
 * Threads: start and stop by the owner; loop_send() from any.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_LOOP_H
#define PUSH_LOOP_H

#include "base/queue.h"
#include "push/shard.h"

struct loop;

MUST_CHECK enum rc loop_start(unsigned index, const struct push_config *config,
                              const struct push_ops *ops, const struct shard_owner *owner,
                              const struct clock *clock, struct loop **out);
/* Joins the thread, runs what is queued, closes the streams. The shard asks for nothing from here
 * on; answers to what it asked may still come. */
void loop_quiet(struct loop *l);
/* The same, and takes the answers that came. NULL-safe. */
void loop_stop(struct loop *l);

/* Messages with a body. RC_NO_MEMORY, RC_CLOSED: it did not arrive, what it refers to is still the
 * caller's. loop_row() also RC_FULL; whatever it lost, the shard then looks at all heads. */
MUST_CHECK enum rc loop_open(struct loop *l, const struct push_open *open, int fd);
/* quietly: the shard need not look before loop_wake(). */
MUST_CHECK enum rc loop_row(struct loop *l, const struct handle *to, uint64_t seq,
                            struct frame *frame, bool quietly);
void loop_wake(struct loop *l);

/* Answers bring their own link, and always arrive until loop_stop(). */
void loop_read_done(struct loop *l, struct push_read *read);
void loop_heads_done(struct loop *l, struct push_heads *heads);

/* Signals hold no memory: of several of one kind the last one counts. */
void loop_bus_up(struct loop *l, bool up);
void loop_look_at_all(struct loop *l);
void loop_barrier_done(struct loop *l, uint64_t ticket);
void loop_drain(struct loop *l, uint32_t drain_ms);

#endif
