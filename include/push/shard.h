/* push/shard.h -- one shard: topics, streams and the rules that keep the promise of a stream.
 *
 * The rules, each of which a model showed to be needed:
 * - A topic (one handle on this node) has a cursor: what this node knows. A stream has a position:
 *   what it was sent. A live row goes to a stream only if seq = position + 1.
 * - A stream becomes live only when its position has reached the topic's cursor, compared and done
 * in the same turn. Rows that any stream reads advance the topic, too.
 * - What cannot be handed on in order is read from the store: start, resume, hole, slow reader and
 *   lost notice are all "bring this position up to the head".
 * - A stream that must be told of a break (trimmed, ahead, epoch) leaves the live path and finds
 * out by its own read; nobody else decides for it.
 *
 * A shard has no thread, no socket and no clock of its own: loop.c drives it with real ones, a
 * simulation with others. Work is done in turns: any of the functions below, then shard_turn().
 *
 * Threads: one at a time; everything about a handle lives in one shard, so there are no locks.
 * Memory: a few hundred bytes a topic and a stream; frames are shared by reference.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_SHARD_H
#define PUSH_SHARD_H

#include <sys/types.h>
#include <sys/uio.h>

#include "push/push.h"

struct shard;

/* What a shard does to sockets. */
struct shard_io {
    void *arg;
    /* Bytes taken, 0 when the socket is full, -1 when it is broken. */
    ssize_t (*send)(void *arg, int fd, struct iovec *iov, int n);
    /* Watches for hang-up from now on, with this id in its events; -1: it cannot. */
    int (*add)(void *arg, int fd, uint64_t id);
    /* Asks for shard_writable(), or no longer. */
    void (*want_write)(void *arg, int fd, uint64_t id, bool on);
    /* Bytes sent that the client has not taken yet; -1: unknown. */
    int64_t (*untaken)(void *arg, int fd);
    /* No more bytes will be sent: the client sees the end. */
    void (*finish)(void *arg, int fd);
    void (*close)(void *arg, int fd);
};

/* What a shard tells its owner. */
struct shard_owner {
    void *arg;
    /* A stream is gone; its reservation is free. */
    void (*released)(void *arg, const struct handle *h, uint64_t client);
};

/* All are copied or borrowed for the shard's life. NULL: no memory. */
struct shard *shard_new(unsigned index, const struct push_config *config,
                        const struct push_ops *ops, const struct shard_io *io,
                        const struct shard_owner *owner, const struct clock *clock);
/* Closes what is open. */
void shard_free(struct shard *sh);
/* Closes all of them; subscriptions are given up. */
void shard_end_streams(struct shard *sh);

/* What happens to it; see push.h for the meanings. */
void shard_open(struct shard *sh, const struct push_open *open, int fd);
void shard_row(struct shard *sh, const struct handle *to, uint64_t seq, struct frame *frame);
void shard_bus_up(struct shard *sh, bool up);
/* Rows may have been missed for any handle: look at all heads now. */
void shard_look_at_all(struct shard *sh);
void shard_barrier_done(struct shard *sh, uint64_t ticket);
/* Takes over the request. */
void shard_read_done(struct shard *sh, struct push_read *read);
void shard_heads_done(struct shard *sh, struct push_heads *heads);
void shard_writable(struct shard *sh, uint64_t id);
void shard_hangup(struct shard *sh, uint64_t id);
void shard_drain(struct shard *sh, uint32_t drain_ms);

/* Reads the clock: what follows happens at this time. */
void shard_begin(struct shard *sh);
/* Ends a turn: what is due, reads that may start, and the frames of this turn go out. */
void shard_turn(struct shard *sh);
/* When the next turn is due at the latest, on the monotonic clock. */
uint64_t shard_due_ms(const struct shard *sh);

uint32_t shard_streams(const struct shard *sh);
uint32_t shard_topics(const struct shard *sh);

#endif
