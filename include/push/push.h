/* push/push.h -- the event-stream engine: shards that own sockets, cursors and positions.
 *
 * Every handle belongs to one shard (hash of the handle), every shard to one thread with an epoll
 * loop. Shards know no store and no bus: push_ops is all they call, and what they asked for comes
 * back by the functions below, which only queue.
 *
 * Threads: every function may be called from any thread and never blocks.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_PUSH_H
#define PUSH_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/queue.h"
#include "core/directory.h"
#include "core/page.h"

struct push;

struct push_config {
    unsigned shards;             /* threads */
    uint32_t max_streams;        /* of the node */
    uint32_t max_streams_handle; /* of one handle */
    uint32_t max_streams_client; /* of one client's address; 0: no limit */
    uint32_t queue_items;        /* messages that may wait at one shard */
    uint32_t queue_bytes;
    uint32_t outbox_frames; /* frames that may wait at one stream */
    uint32_t outbox_bytes;
    uint32_t early_frames; /* rows of one handle held for a hole */
    uint32_t page_rows;    /* rows of one backlog read */
    uint32_t page_bytes;
    uint32_t hole_wait_ms;      /* an early row waits this long for the missing one */
    uint32_t look_again_ms[2];  /* after subscribing and after the bus came back */
    uint32_t sweep_up_ms;       /* period of the sweep with the bus up */
    uint32_t sweep_down_ms;     /* and down */
    uint32_t sweep_heads_per_s; /* budget of the node */
    uint32_t keep_alive_ms;     /* after this much silence, +- keep_alive_spread_ms */
    uint32_t keep_alive_spread_ms;
    uint32_t stall_ms;       /* a stream that takes no byte for this long is closed */
    uint32_t drain_retry_ms; /* what `drain` tells clients to wait, jittered */
};

/* How an answer finds its way back to its shard without an allocation; the engine's. */
struct push_note {
    struct queue_item item;
    int kind;
};

/* One read of an inbox that a shard asked for; completed by push_read_done(). */
struct push_read {
    struct push_note note;
    unsigned shard;
    uint64_t inbox, after; /* UINT64_MAX: the head alone */
    uint32_t limit, max_bytes;
    enum rc rc;       /* out */
    struct page page; /* out; moves to the shard */
};

/* Heads of several inboxes; completed by push_heads_done(). */
struct push_heads {
    struct push_note note;
    unsigned shard;
    size_t n;
    uint64_t *inboxes;
    enum rc rc;
    struct inbox_head *heads; /* out, n of them */
};

/* Called on a shard's thread; none may block. The requests stay the shard's. */
struct push_ops {
    void *arg;
    /* RC_FULL, RC_UNAVAILABLE: try later; done is not called then. */
    enum rc (*read)(void *arg, struct push_read *read);
    enum rc (*heads)(void *arg, struct push_heads *heads);
    enum rc (*subscribe)(void *arg, const struct handle *h);
    void (*unsubscribe)(void *arg, const struct handle *h);
    /* push_barrier_done() for this shard and ticket comes later. */
    void (*barrier)(void *arg, unsigned shard, uint64_t ticket);
};

MUST_CHECK enum rc push_start(const struct push_config *config, const struct push_ops *ops,
                              const struct clock *clock, struct push **out);
/* Sends `drain` to all streams and ends them, spread over drain_ms; returns at once. No new streams
 * from here on. */
void push_drain(struct push *p, uint32_t drain_ms);
/* Streams still open. */
uint32_t push_streams(struct push *p);
/* Ends the streams that are left and joins the threads: push_ops are not called from here on, so
 * whoever serves them may go; answers on their way may still come. NULL-safe. */
void push_quiet(struct push *p);
/* The same, and frees. Outstanding reads must have come back, or their makers have stopped.
 * NULL-safe. */
void push_stop(struct push *p);

/* A place for one more stream of this user, for a client that is known by a key of its address (0:
 * not counted). RC_FULL: no room (503). RC_UNAVAILABLE: draining. */
MUST_CHECK enum rc push_reserve(struct push *p, const struct user *user, uint64_t client);
/* The stream of a reservation did not come to be. */
void push_release(struct push *p, const struct user *user, uint64_t client);

/* How a stream begins (protocol, section 5). */
struct push_open {
    struct user user;
    uint64_t client; /* as reserved */
    bool has_after;  /* Last-Event-ID or since; else: now */
    uint64_t after;
    bool has_epoch; /* ?epoch was there; "" is none */
    struct epoch epoch;
    bool tagged; /* rows as tagged events (protocol, section 7) */
};
/* Hands over a reserved stream: a non-blocking socket to which the response head and sse_hello()
 * have been written. The shard owns the descriptor from here on, also when it fails. For a moment
 * http holds a descriptor of the same socket: so EPOLL_CTL_DEL comes before close(), and epoll data
 * is never a bare descriptor. */
void push_open(struct push *p, const struct push_open *open, int fd);

/* A row of the handle was committed or came over the bus: frame borrowed, NULL when only the seq is
 * known. */
void push_row(struct push *p, const struct handle *to, uint64_t seq, struct frame *frame);
/* The same for one of many that come together: nobody need look at it before push_wake(), so that
 * what a stream gets of them leaves in one call. */
void push_row_quietly(struct push *p, const struct handle *to, uint64_t seq, struct frame *frame);
void push_wake(struct push *p);
/* The bus is up (again) or down. */
void push_bus_up(struct push *p, bool up);
/* The bus dropped messages: every handle may be behind. */
void push_bus_slow(struct push *p);
void push_barrier_done(struct push *p, unsigned shard, uint64_t ticket, bool ok);
void push_read_done(struct push *p, struct push_read *read);
void push_heads_done(struct push *p, struct push_heads *heads);

#endif
