/* tests/sim/fake_bus.c -- who hears what, and when.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/fake_bus.h"

#include <stdlib.h>

#include "sim/fake_store.h"
#include "sim/history.h"
#include "sim/lateness.h"

enum { KEPT_MAX = 32, FLUSH_MIN_MS = 12, FLUSH_MAX_MS = 40, FLUSH_FAILS_MS = 2000 };

struct interest {
    bool is_on;
    uint64_t known_ms[NODES_MAX]; /* to each publishing node; UINT64_MAX: not before a reconnect */
};

struct kept {
    int inbox;
    struct frame *frame;
};

struct fake_bus {
    struct interest interests[NODES_MAX][INBOXES_MAX];
    struct kept kept[NODES_MAX][KEPT_MAX];
    unsigned kept_n[NODES_MAX];
    uint64_t deaf_until_ms[NODES_MAX];
};

struct fake_bus *bus_new(struct world *w) {
    w->bus = calloc(1, sizeof *w->bus);
    if (!w->bus)
        abort();
    return w->bus;
}

void bus_free(struct fake_bus *b) { free(b); }

static int inbox_of(struct world *w, const struct handle *h) {
    for (unsigned i = 0; i < w->knobs.inboxes; i++)
        if (handle_eq(&store_inbox(w, (int)i)->handle, h))
            return (int)i;
    abort();
}

/* ---- interest ---- */

static void spread(struct world *w, struct node *n, struct interest *i) {
    for (unsigned k = 0; k < w->knobs.nodes; k++) {
        uint64_t ms = rng_between(&w->rng, 1, FLUSH_MIN_MS - 2);
        if (world_mishap(w, w->knobs.bus_late))
            ms = rng_below(&w->rng, w->knobs.bus_late_ms + 1);
        i->known_ms[k] = n->link_is_up ? w->now_ms + ms : UINT64_MAX;
    }
}

enum rc bus_subscribe(struct seat *seat, const struct handle *h) {
    struct world *w = seat->w;
    int inbox = inbox_of(w, h);
    struct interest *i = &w->bus->interests[seat->node->index][inbox];
    if (world_mishap(w, w->knobs.subscribe_fails))
        return RC_IO;
    if (i->is_on)
        world_fail(w, inbox, "node %u subscribed twice", seat->node->index);
    i->is_on = true;
    spread(w, seat->node, i);
    note(w, inbox, "node %u: subscribes", seat->node->index);
    return RC_OK;
}

void bus_unsubscribe(struct seat *seat, const struct handle *h) {
    struct world *w = seat->w;
    int inbox = inbox_of(w, h);
    struct interest *i = &w->bus->interests[seat->node->index][inbox];
    if (!i->is_on)
        world_fail(w, inbox, "node %u unsubscribed what it was not", seat->node->index);
    i->is_on = false;
    note(w, inbox, "node %u: unsubscribes", seat->node->index);
}

static void on_barrier(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    seat_enter(e->seat);
    shard_barrier_done(e->seat->shard, e->a);
    seat_leave(e->seat);
}

void bus_barrier(struct seat *seat, uint64_t ticket) {
    struct world *w = seat->w;
    uint64_t ms =
        seat->node->link_is_up ? rng_between(&w->rng, FLUSH_MIN_MS, FLUSH_MAX_MS) : FLUSH_FAILS_MS;
    seat_later(w, seat, ms, (struct event){.run = on_barrier, .a = ticket});
}

/* ---- rows ---- */

static void drop_row(struct event *e) { frame_unref(e->p); }

static void hand_over(struct world *w, struct event *e) {
    int inbox = (int)e->a;
    struct frame *f = e->p;
    note(w, inbox, "node %u: hears row %llu%s", e->seat->node->index, (unsigned long long)f->seq,
         e->b ? " without its body" : "");
    lateness_heard(w, e->seat->node, inbox, f);
    seat_enter(e->seat);
    shard_row(e->seat->shard, &store_inbox(w, inbox)->handle, f->seq, e->b ? NULL : f);
    seat_leave(e->seat);
    frame_unref(f);
}

static void on_local_row(struct world *w, struct event *e) {
    if (seat_takes(w, e))
        hand_over(w, e);
}

static void on_bus_row(struct world *w, struct event *e) {
    struct node *n = e->seat->node;
    bool lost = !n->link_is_up || w->now_ms < w->bus->deaf_until_ms[n->index] ||
                !w->bus->interests[n->index][e->a].is_on;
    if (!lost && !seat_takes(w, e))
        return;
    if (lost)
        drop_row(e);
    else
        hand_over(w, e);
}

static void on_look_at_all(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    seat_enter(e->seat);
    shard_look_at_all(e->seat->shard);
    seat_leave(e->seat);
}

static uint64_t delay(struct world *w) {
    if (world_mishap(w, w->knobs.bus_slow))
        return rng_below(&w->rng, w->knobs.bus_slow_ms + 1);
    return rng_below(&w->rng, 4);
}

static void send_to(struct world *w, struct node *to, int inbox, struct frame *f) {
    bool bare = rng_permille(&w->rng, w->knobs.stored);
    unsigned copies = world_mishap(w, w->knobs.bus_repeat) ? 2 : 1;
    if (world_mishap(w, w->knobs.bus_drop)) {
        note(w, inbox, "bus: loses row %llu to node %u", (unsigned long long)f->seq, to->index);
        return;
    }
    for (; copies > 0; copies--)
        seat_later(w, node_seat(to, inbox), delay(w),
                   (struct event){.run = on_bus_row,
                                  .drop = drop_row,
                                  .a = (uint64_t)inbox,
                                  .b = bare,
                                  .p = frame_ref(f)});
}

static void send_to_all(struct world *w, struct node *from, int inbox, struct frame *f) {
    for (unsigned i = 0; i < w->knobs.nodes; i++) {
        struct node *to = &w->nodes[i];
        const struct interest *in = &w->bus->interests[i][inbox];
        if (to == from || !to->is_up || !to->link_is_up || !in->is_on)
            continue;
        if (in->known_ms[from->index] <= w->now_ms)
            send_to(w, to, inbox, f);
        else
            note(w, inbox, "bus: does not know yet that node %u wants row %llu", i,
                 (unsigned long long)f->seq);
    }
}

static void keep(struct world *w, struct node *n, int inbox, struct frame *f) {
    unsigned *count = &w->bus->kept_n[n->index];
    if (*count < KEPT_MAX && world_mishap(w, w->knobs.bus_keeps))
        w->bus->kept[n->index][(*count)++] = (struct kept){inbox, frame_ref(f)};
}

void bus_publish(struct world *w, struct node *from, int inbox, struct frame *frame) {
    struct seat *own = node_seat(from, inbox);
    if (world_mishap(w, w->knobs.local_full))
        seat_later(w, own, 0, (struct event){.run = on_look_at_all});
    else
        seat_later(w, own, rng_below(&w->rng, 3),
                   (struct event){.run = on_local_row,
                                  .drop = drop_row,
                                  .a = (uint64_t)inbox,
                                  .p = frame_ref(frame)});
    if (from->link_is_up)
        send_to_all(w, from, inbox, frame);
    else
        keep(w, from, inbox, frame);
}

/* ---- links ---- */

static void on_bus_state(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    seat_enter(e->seat);
    shard_bus_up(e->seat->shard, e->seat->node->link_is_up);
    seat_leave(e->seat);
}

void bus_link(struct world *w, struct node *n, bool up) {
    struct fake_bus *b = w->bus;
    if (!n->is_up || n->link_is_up == up)
        return;
    n->link_is_up = up;
    note(w, -1, "bus: link of node %u %s", n->index, up ? "up" : "down");
    for (unsigned i = 0; i < w->knobs.inboxes; i++)
        if (up && b->interests[n->index][i].is_on)
            spread(w, n, &b->interests[n->index][i]);
    for (unsigned i = 0; i < w->knobs.shards; i++)
        seat_later(w, &n->seats[i], up ? rng_below(&w->rng, 20) : rng_below(&w->rng, 1500),
                   (struct event){.run = on_bus_state});
    for (unsigned i = 0; up && i < b->kept_n[n->index]; i++) {
        struct kept *k = &b->kept[n->index][i];
        send_to_all(w, n, k->inbox, k->frame);
        frame_unref(k->frame);
    }
    if (up)
        b->kept_n[n->index] = 0;
}

void bus_slow_consumer(struct world *w, struct node *n) {
    uint64_t ms = rng_between(&w->rng, 1, 300);
    w->bus->deaf_until_ms[n->index] = w->now_ms + ms;
    note(w, -1, "bus: node %u is deaf for %llu ms", n->index, (unsigned long long)ms);
    for (unsigned i = 0; i < w->knobs.shards; i++)
        seat_later(w, &n->seats[i], ms, (struct event){.run = on_look_at_all});
}

void bus_forget(struct world *w, struct node *n) {
    struct fake_bus *b = w->bus;
    for (unsigned i = 0; i < INBOXES_MAX; i++)
        b->interests[n->index][i].is_on = false;
    while (b->kept_n[n->index] > 0)
        frame_unref(b->kept[n->index][--b->kept_n[n->index]].frame);
}
