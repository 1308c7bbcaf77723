/* push/push.c -- the engine's front: reservations, and the way to the shard of a handle.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/push.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "core/stats.h"
#include "core/tally.h"
#include "push/loop.h"

struct push {
    struct push_config config;
    struct tally *seats;   /* by hash of the handle */
    struct tally *clients; /* by the key of the client's address */
    atomic_bool draining;
    unsigned shards;
    struct loop *loops[];
};

static uint64_t seat_key(const struct handle *h) { return hash_str(handle_str(h)); }

static struct loop *loop_of(struct push *p, const struct handle *h) {
    return p->loops[(seat_key(h) >> 32) % p->shards];
}

static void released(void *arg, const struct handle *h, uint64_t client) {
    struct push *p = arg;
    if (client)
        tally_give(p->clients, client);
    tally_give(p->seats, seat_key(h));
}

enum rc push_start(const struct push_config *config, const struct push_ops *ops,
                   const struct clock *clock, struct push **out) {
    struct push *p = calloc(1, sizeof *p + config->shards * sizeof(struct loop *));
    if (!p)
        return RC_NO_MEMORY;
    p->config = *config;
    uint32_t each = config->max_streams_client ? config->max_streams_client : UINT32_MAX;
    p->seats = tally_new(config->max_streams, config->max_streams_handle);
    p->clients = tally_new(UINT32_MAX, each);
    enum rc rc = p->seats && p->clients ? RC_OK : RC_NO_MEMORY;
    struct shard_owner owner = {p, released};
    for (; rc == RC_OK && p->shards < config->shards; p->shards += rc == RC_OK)
        rc = loop_start(p->shards, config, ops, &owner, clock, &p->loops[p->shards]);
    if (rc != RC_OK) {
        push_stop(p);
        return rc;
    }
    *out = p;
    return RC_OK;
}

void push_quiet(struct push *p) {
    for (unsigned i = 0; p && i < p->shards; i++)
        loop_quiet(p->loops[i]);
}

void push_stop(struct push *p) {
    if (!p)
        return;
    for (unsigned i = 0; i < p->shards; i++)
        loop_stop(p->loops[i]);
    tally_free(p->seats);
    tally_free(p->clients);
    free(p);
}

void push_drain(struct push *p, uint32_t drain_ms) {
    atomic_store(&p->draining, true);
    for (unsigned i = 0; i < p->shards; i++)
        loop_drain(p->loops[i], drain_ms);
}

uint32_t push_streams(struct push *p) { return tally_all(p->seats); }

enum rc push_reserve(struct push *p, const struct user *user, uint64_t client) {
    if (atomic_load(&p->draining))
        return RC_UNAVAILABLE;
    enum rc rc = tally_take(p->seats, seat_key(&user->handle));
    if (rc == RC_OK && client) {
        rc = tally_take(p->clients, client);
        if (rc != RC_OK)
            tally_give(p->seats, seat_key(&user->handle));
    }
    if (rc != RC_OK)
        stats_add(streams_refused, 1);
    return rc;
}

void push_release(struct push *p, const struct user *user, uint64_t client) {
    released(p, &user->handle, client);
}

void push_open(struct push *p, const struct push_open *open, int fd) {
    if (loop_open(loop_of(p, &open->user.handle), open, fd) == RC_OK)
        return;
    close(fd);
    push_release(p, &open->user, open->client);
}

static void hand_row(struct push *p, const struct handle *to, uint64_t seq, struct frame *frame,
                     bool quietly) {
    /* Whoever reserves from now on reads the store later than this row's commit. */
    if (tally_of(p->seats, seat_key(to)) == 0)
        return;
    if (loop_row(loop_of(p, to), to, seq, frame, quietly) != RC_OK)
        stats_add(shard_queue_full, 1);
}

void push_row(struct push *p, const struct handle *to, uint64_t seq, struct frame *frame) {
    hand_row(p, to, seq, frame, false);
}

void push_row_quietly(struct push *p, const struct handle *to, uint64_t seq, struct frame *frame) {
    hand_row(p, to, seq, frame, true);
}

void push_wake(struct push *p) {
    for (unsigned i = 0; i < p->shards; i++)
        loop_wake(p->loops[i]);
}

void push_bus_up(struct push *p, bool up) {
    for (unsigned i = 0; i < p->shards; i++)
        loop_bus_up(p->loops[i], up);
}

void push_bus_slow(struct push *p) {
    for (unsigned i = 0; i < p->shards; i++)
        loop_look_at_all(p->loops[i]);
}

void push_barrier_done(struct push *p, unsigned shard, uint64_t ticket, bool ok) {
    (void)ok; /* without the bus the sweep carries the stream: slower, not wrong */
    if (shard < p->shards)
        loop_barrier_done(p->loops[shard], ticket);
}

void push_read_done(struct push *p, struct push_read *read) {
    loop_read_done(p->loops[read->shard], read);
}

void push_heads_done(struct push *p, struct push_heads *heads) {
    loop_heads_done(p->loops[heads->shard], heads);
}
