/* tests/sim/nodes.c -- nodes: real shards in made-up processes.
 *
 * Threads of the real thing are events here: each call of a shard is one, and the turn that follows
 * comes in the same millisecond or a little later, so that several calls may share it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include "sim/fake_bus.h"
#include "sim/fake_sockets.h"
#include "sim/fake_store.h"
#include "sim/history.h"
#include "sim/inside.h"
#include "sim/memory.h"
#include "sim/world.h"
#include "sim/writers.h"

enum { SPINS_MAX = 50 };

/* ---- what shards call: the fakes, whose own memory does not fail ---- */

/* *w: where the shard's memory fails again when the fake is done. */
static struct seat *leave_shard(void *arg) {
    memory_fails_for(NULL, NULL);
    return arg;
}

static void back_to_shard(struct seat *seat) { memory_fails_for(seat->w, seat->node); }

static enum rc op_read(void *arg, struct push_read *read) {
    struct seat *seat = leave_shard(arg);
    enum rc rc = store_read(seat, read);
    back_to_shard(seat);
    return rc;
}

static enum rc op_heads(void *arg, struct push_heads *heads) {
    struct seat *seat = leave_shard(arg);
    enum rc rc = store_heads(seat, heads, inside_is_of_sweep(heads));
    back_to_shard(seat);
    return rc;
}

static enum rc op_subscribe(void *arg, const struct handle *h) {
    struct seat *seat = leave_shard(arg);
    enum rc rc = bus_subscribe(seat, h);
    back_to_shard(seat);
    return rc;
}

static void op_unsubscribe(void *arg, const struct handle *h) {
    struct seat *seat = leave_shard(arg);
    bus_unsubscribe(seat, h);
    back_to_shard(seat);
}

static void op_barrier(void *arg, unsigned shard, uint64_t ticket) {
    struct seat *seat = leave_shard(arg);
    if (shard != seat->index)
        world_fail(seat->w, -1, "shard %u asks for a barrier of shard %u", seat->index, shard);
    bus_barrier(seat, ticket);
    back_to_shard(seat);
}

static ssize_t io_send(void *arg, int fd, struct iovec *iov, int n) {
    struct seat *seat = leave_shard(arg);
    ssize_t sent = sockets_send(seat, fd, iov, n);
    back_to_shard(seat);
    return sent;
}

static int io_add(void *arg, int fd, uint64_t id) {
    struct seat *seat = leave_shard(arg);
    int rc = sockets_add(seat, fd, id);
    back_to_shard(seat);
    return rc;
}

static void io_want_write(void *arg, int fd, uint64_t id, bool on) {
    struct seat *seat = leave_shard(arg);
    sockets_want_write(seat, fd, id, on);
    back_to_shard(seat);
}

static int64_t io_untaken(void *arg, int fd) { return sockets_untaken(arg, fd); }

static void io_finish(void *arg, int fd) {
    struct seat *seat = leave_shard(arg);
    sockets_finish(seat, fd);
    back_to_shard(seat);
}

static void io_close(void *arg, int fd) {
    struct seat *seat = leave_shard(arg);
    sockets_close(seat, fd);
    back_to_shard(seat);
}

static void owner_released(void *arg, const struct handle *h, uint64_t client) {
    (void)arg, (void)h, (void)client;
}

/* ---- turns ---- */

void seat_later(struct world *w, struct seat *seat, uint64_t delay_ms, struct event e) {
    e.seat = seat;
    e.boot = seat->node->boot;
    world_later(w, delay_ms, e);
}

bool seat_takes(struct world *w, struct event *e) {
    struct node *n = e->seat->node;
    if (!n->is_up || n->boot != e->boot) {
        if (e->drop)
            e->drop(e);
        return false;
    }
    if (n->paused_until_ms > w->now_ms) {
        world_later(w, n->paused_until_ms - w->now_ms, *e);
        return false;
    }
    return true;
}

static void on_wake(struct world *w, struct event *e);

/* Like the time-out of epoll_wait(). */
static void see_to_wake(struct seat *seat) {
    struct world *w = seat->w;
    uint64_t due_ms = shard_due_ms(seat->shard);
    if (due_ms >= seat->wake_ms || due_ms == UINT64_MAX)
        return;
    seat->wake_ms = due_ms > w->now_ms ? due_ms : w->now_ms;
    seat_later(w, seat, seat->wake_ms - w->now_ms,
               (struct event){.run = on_wake, .a = ++seat->wakes});
}

static void turn(struct seat *seat) {
    struct world *w = seat->w;
    seat->turn_due = false;
    memory_fails_for(w, seat->node);
    shard_begin(seat->shard);
    shard_turn(seat->shard);
    memory_fails_for(NULL, NULL);
    w->totals.turns++;
    if (plant_is(PLANT_NONE))
        inside_check(seat);
    see_to_wake(seat);
}

static void on_turn(struct world *w, struct event *e) {
    if (seat_takes(w, e))
        turn(e->seat);
}

static void on_wake(struct world *w, struct event *e) {
    struct seat *seat = e->seat;
    if (!seat_takes(w, e) || e->a != seat->wakes)
        return;
    seat->wake_ms = UINT64_MAX;
    seat->spins = seat->spin_ms == w->now_ms ? seat->spins + 1 : 0;
    seat->spin_ms = w->now_ms;
    if (seat->spins > SPINS_MAX)
        world_fail(w, -1, "a shard of node %u turns without end", seat->node->index);
    turn(seat);
}

void seat_enter(struct seat *seat) {
    memory_fails_for(seat->w, seat->node);
    shard_begin(seat->shard);
}

void seat_leave(struct seat *seat) {
    struct world *w = seat->w;
    memory_fails_for(NULL, NULL);
    if (seat->turn_due)
        return;
    seat->turn_due = true;
    seat_later(w, seat, rng_permille(&w->rng, 700) ? 0 : rng_below(&w->rng, 4),
               (struct event){.run = on_turn});
}

/* ---- nodes ---- */

static struct shard *make_shard(struct seat *seat) {
    const struct push_ops ops = {.arg = seat,
                                 .read = op_read,
                                 .heads = op_heads,
                                 .subscribe = op_subscribe,
                                 .unsubscribe = op_unsubscribe,
                                 .barrier = op_barrier};
    const struct shard_io io = {.arg = seat,
                                .send = io_send,
                                .add = io_add,
                                .want_write = io_want_write,
                                .untaken = io_untaken,
                                .finish = io_finish,
                                .close = io_close};
    const struct shard_owner owner = {.released = owner_released};
    struct shard *sh = shard_new(seat->index, &seat->w->config, &ops, &io, &owner, &seat->w->clock);
    if (!sh)
        abort();
    return sh;
}

void node_start(struct world *w, struct node *n) {
    n->is_up = n->link_is_up = true;
    n->is_draining = false;
    n->paused_until_ms = 0;
    n->boot++;
    for (unsigned i = 0; i < w->knobs.shards; i++) {
        n->seats[i] = (struct seat){.w = w, .node = n, .index = i, .wake_ms = UINT64_MAX};
        n->seats[i].shard = make_shard(&n->seats[i]);
    }
    note(w, -1, "node %u: starts", n->index);
}

void node_crash(struct world *w, struct node *n) {
    if (!n->is_up)
        return;
    note(w, -1, "node %u: dies", n->index);
    n->is_up = false;
    store_give_back(w, n);
    writers_forget(w, n);
    for (unsigned i = 0; i < w->knobs.shards; i++) {
        shard_free(n->seats[i].shard);
        n->seats[i].shard = NULL;
    }
    memory_fails_for(NULL, NULL);
    sockets_crash(w, n);
    bus_forget(w, n);
    w->totals.crashes++;
}

void nodes_begin(struct world *w) {
    for (unsigned i = 0; i < w->knobs.nodes; i++) {
        w->nodes[i].index = i;
        node_start(w, &w->nodes[i]);
    }
}

struct node *node_any(struct world *w) {
    unsigned from = (unsigned)rng_below(&w->rng, w->knobs.nodes);
    for (unsigned i = 0; i < w->knobs.nodes; i++) {
        struct node *n = &w->nodes[(from + i) % w->knobs.nodes];
        if (n->is_up && !n->is_draining)
            return n;
    }
    return NULL;
}

struct seat *node_seat(struct node *n, int inbox) {
    const struct knobs *knobs = &n->seats[0].w->knobs;
    return &n->seats[(unsigned)inbox % knobs->shards];
}
