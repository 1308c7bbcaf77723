/* tests/sim/clients.c -- clients and their ways.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/history.h"

enum { STALL_MAX_MS = 14000, COME_BACK_MS = 800, MOMENT_MS = 5 };

static void connect_later(struct world *w, struct client *c, uint64_t delay_ms);

static struct client *client_at(struct world *w, int client) { return &w->clients->at[client]; }

struct clients *clients_new(struct world *w) {
    w->clients = calloc(1, sizeof *w->clients);
    if (!w->clients)
        abort();
    for (unsigned i = 0; i < w->knobs.clients; i++) {
        struct client *c = client_at(w, (int)i);
        c->index = (int)i;
        c->inbox = (int)rng_below(&w->rng, w->knobs.inboxes);
        c->kind = (enum client_kind)rng_below(&w->rng, CLIENT_KINDS);
        connect_later(w, c, rng_below(&w->rng, 2000));
    }
    return w->clients;
}

void clients_free(struct clients *c) { free(c); }

/* ---- coming ---- */

/* Any cursor around the head, any epoch that ever was, or none. */
static void choose_oddly(struct world *w, struct client *c, struct push_open *open) {
    struct inbox *box = store_inbox(w, c->inbox);
    open->has_after = rng_permille(&w->rng, 800);
    open->after = rng_below(&w->rng, store_present(w, c->inbox)->n + 6);
    open->has_epoch = rng_permille(&w->rng, 500);
    if (rng_permille(&w->rng, 200))
        open->epoch = (struct epoch){""};
    else if (rng_permille(&w->rng, 200))
        open->epoch = (struct epoch){"no-such"};
    else
        open->epoch = box->all[rng_below(&w->rng, box->n)]->epoch;
}

static void choose_start(struct world *w, struct client *c, struct push_open *open) {
    switch (c->kind) {
    case CLIENT_KEEPER:
    case CLIENT_BEGINNER:
        open->has_after = c->has_last_id || c->kind == CLIENT_BEGINNER;
        open->after = c->last_id;
        open->has_epoch = c->epoch.text[0] != '\0';
        open->epoch = c->epoch;
        break;
    case CLIENT_FORGETFUL:
        open->has_after = c->has_last_id;
        open->after = c->last_id;
        break;
    case CLIENT_ODD:
        choose_oddly(w, c, open);
        break;
    case CLIENT_NEWCOMER:
    case CLIENT_KINDS:
        break;
    }
}

static void drop_open(struct event *e) { free(e->p); }

static void on_open(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    seat_enter(e->seat);
    shard_open(e->seat->shard, e->p, e->fd);
    seat_leave(e->seat);
    free(e->p);
}

static void on_connect(struct world *w, struct event *e) {
    struct client *c = client_at(w, (int)e->a);
    struct node *n = node_any(w);
    struct push_open *open = calloc(1, sizeof *open);
    if (!n || !open) {
        free(open);
        connect_later(w, c, 100);
        return;
    }
    open->user.handle = store_inbox(w, c->inbox)->handle;
    open->user.inbox = store_present(w, c->inbox)->inbox_id;
    choose_start(w, c, open);
    struct seat *seat = node_seat(n, c->inbox);
    c->is_connected = true;
    c->fd = sockets_open(w, seat, c->index);
    open->tagged = rng_permille(&w->rng, w->knobs.tagged);
    sse_reader_reset(&c->reader, open->tagged);
    oracle_open(w, &c->watch, c->index, c->inbox, n->index, open);
    note(w, c->inbox, "client %d: connects to node %u after %s%" PRIu64 ", epoch %s", c->index,
         n->index, open->has_after ? "" : "now/", open->after,
         open->has_epoch ? open->epoch.text : "-");
    seat_later(w, seat, rng_below(&w->rng, 4),
               (struct event){.run = on_open, .drop = drop_open, .fd = c->fd, .p = open});
}

static void connect_later(struct world *w, struct client *c, uint64_t delay_ms) {
    world_later(w, delay_ms, (struct event){.run = on_connect, .a = (uint64_t)c->index});
}

/* ---- going ---- */

static void disconnect(struct world *w, struct client *c, uint64_t back_ms) {
    c->is_connected = false;
    c->stalled_until_ms = 0;
    sockets_leave(w, c->fd);
    connect_later(w, c, rng_between(&w->rng, 1, back_ms));
}

static void see_end(struct world *w, struct client *c) {
    struct sock *s = sockets_at(w, c->fd);
    note(w, c->inbox, "client %d: the stream has ended%s", c->index, s->is_reset ? " (reset)" : "");
    if (s->is_finished && !s->is_reset && c->reader.n > 0)
        world_fail(w, c->inbox, "client %d: the stream ended within a frame", c->index);
    oracle_ended(w, &c->watch, s);
    disconnect(w, c, COME_BACK_MS);
}

static struct client *any_connected(struct world *w) {
    unsigned from = (unsigned)rng_below(&w->rng, w->knobs.clients);
    for (unsigned i = 0; i < w->knobs.clients; i++) {
        struct client *c = client_at(w, (int)((from + i) % w->knobs.clients));
        if (c->is_connected)
            return c;
    }
    return NULL;
}

void clients_stall_one(struct world *w) {
    struct client *c = any_connected(w);
    if (!c)
        return;
    uint64_t ms = rng_between(&w->rng, 1, STALL_MAX_MS);
    c->stalled_until_ms = w->now_ms + ms;
    note(w, c->inbox, "client %d: stalls for %" PRIu64 " ms", c->index, ms);
}

int clients_leave_one(struct world *w, bool for_a_moment) {
    struct client *c = any_connected(w);
    if (!c)
        return -1;
    note(w, c->inbox, "client %d: leaves", c->index);
    disconnect(w, c, for_a_moment ? MOMENT_MS : COME_BACK_MS);
    return c->inbox;
}

void clients_wake(struct world *w) {
    for (unsigned i = 0; i < w->knobs.clients; i++) {
        struct client *c = client_at(w, (int)i);
        c->stalled_until_ms = 0;
        if (c->is_connected)
            client_has_bytes(w, (int)i);
    }
}

/* ---- reading ---- */

static void see(struct world *w, struct client *c, const struct sse_event *e) {
    oracle_event(w, &c->watch, e);
    if (e->kind == SSE_ROW || e->kind == SSE_READY || e->kind == SSE_RESYNC) {
        c->has_last_id = true;
        c->last_id = e->id;
    }
    if (e->kind == SSE_READY || e->kind == SSE_RESYNC)
        c->epoch = e->epoch;
}

static void see_all(struct world *w, struct client *c) {
    struct sse_event e;
    size_t used = 0;
    int whole = 0;
    while (!w->has_failed && (whole = sse_reader_next(&c->reader, &e, &used)) > 0) {
        see(w, c, &e);
        sse_reader_take(&c->reader, used);
    }
    if (whole < 0)
        world_fail(w, c->inbox, "client %d: not a frame of the protocol: %.*s", c->index, 200,
                   c->reader.bytes);
}

static void read_later(struct world *w, struct client *c, uint64_t delay_ms);

static void on_read(struct world *w, struct event *e) {
    struct client *c = client_at(w, (int)e->a);
    char bytes[4096];
    c->read_due = false;
    if (!c->is_connected)
        return;
    if (c->stalled_until_ms > w->now_ms && !sockets_at(w, c->fd)->is_reset) {
        read_later(w, c, c->stalled_until_ms - w->now_ms);
        return;
    }
    size_t bite = w->is_quiet ? sizeof bytes : rng_between(&w->rng, 1, w->knobs.client_bite);
    size_t n = sockets_take(w, c->fd, bytes, bite < sizeof bytes ? bite : sizeof bytes);
    if (!sse_reader_feed(&c->reader, bytes, n))
        world_fail(w, c->inbox, "client %d: a frame of more than %d bytes", c->index,
                   SSE_READER_BYTES);
    see_all(w, c);
    const struct sock *s = sockets_at(w, c->fd);
    if (s->n > 0)
        client_has_bytes(w, c->index);
    else if (s->is_finished || s->is_closed)
        see_end(w, c);
}

static void read_later(struct world *w, struct client *c, uint64_t delay_ms) {
    c->read_due = true;
    world_later(w, delay_ms, (struct event){.run = on_read, .a = (uint64_t)c->index});
}

void client_has_bytes(struct world *w, int client) {
    struct client *c = client_at(w, client);
    uint64_t pace_ms = w->is_quiet ? 1 : w->knobs.client_pace_ms;
    if (!c->read_due)
        read_later(w, c, rng_below(&w->rng, pace_ms + 1));
}
