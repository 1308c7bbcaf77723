/* tests/sim/fake_sockets.c -- sockets that stall, take partial bytes, and break.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/fake_sockets.h"

#include <stdlib.h>
#include <string.h>

#include "sim/clients.h"
#include "sim/history.h"

struct fake_sockets {
    struct sock *at;
    int n, cap;
};

struct fake_sockets *sockets_new(struct world *w) {
    w->sockets = calloc(1, sizeof *w->sockets);
    if (!w->sockets)
        abort();
    return w->sockets;
}

void sockets_free(struct fake_sockets *s) {
    for (int i = 0; i < s->n; i++)
        free(s->at[i].data);
    free(s->at);
    free(s);
}

int sockets_open(struct world *w, struct seat *seat, int client) {
    struct fake_sockets *s = w->sockets;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->at = realloc(s->at, (size_t)s->cap * sizeof *s->at);
        if (!s->at)
            abort();
    }
    size_t cap = rng_between(&w->rng, w->knobs.is_prompt ? 4096 : 16, w->knobs.socket_bytes);
    s->at[s->n] = (struct sock){.seat = seat,
                                .boot = seat->node->boot,
                                .client = client,
                                .data = malloc(cap),
                                .cap = cap,
                                .taken_ms = w->now_ms,
                                .sent_ms = w->now_ms};
    if (!s->at[s->n].data)
        abort();
    return s->n++;
}

struct sock *sockets_at(struct world *w, int fd) {
    return &w->sockets->at[fd];
}

/* ---- the server's side ---- */

/* A descriptor that is used after its close, or by another than its owner, is a fault. */
static struct sock *owned(struct seat *seat, int fd) {
    struct sock *s = sockets_at(seat->w, fd);
    if (s->is_closed || s->seat != seat || s->boot != seat->node->boot)
        world_fail(seat->w, -1, "node %u used descriptor %d, which is not its own any more",
                   seat->node->index, fd);
    return s;
}

static bool is_row(struct iovec part) {
    return part.iov_len > 4 && memcmp(part.iov_base, "id: ", 4) == 0;
}

/* The planted fault: `at` holds the parts of iov, whole; the first two change places. */
static void swap_first_two(char *at, const struct iovec *iov) {
    memcpy(at, iov[1].iov_base, iov[1].iov_len);
    memcpy(at + iov[1].iov_len, iov[0].iov_base, iov[0].iov_len);
}

ssize_t sockets_send(struct seat *seat, int fd, const struct iovec *iov, int n) {
    struct world *w = seat->w;
    struct sock *s = owned(seat, fd);
    size_t room = s->cap - s->n, taken = 0, whole = 0;
    if (s->client < 0)
        return -1;
    if (s->is_finished)
        world_fail(w, -1, "node %u sent on descriptor %d after its end", seat->node->index, fd);
    if (room > 1 && world_mishap(w, w->knobs.partial))
        room = rng_between(&w->rng, 1, room - 1);
    for (int i = 0; i < n; i++)
        whole += iov[i].iov_len;
    for (int i = 0; i < n && room > 0; i++) {
        size_t some = iov[i].iov_len < room ? iov[i].iov_len : room;
        memcpy(s->data + s->n, iov[i].iov_base, some);
        s->n += some;
        room -= some;
        taken += some;
    }
    if (plant_is(PLANT_ROWS_SWAPPED) && taken == whole && n > 1 && is_row(iov[0]) && is_row(iov[1]))
        swap_first_two(s->data + s->n - taken, iov);
    if (taken > 0) {
        if (s->n == taken)
            s->taken_ms = w->now_ms;
        s->sent_ms = w->now_ms;
        client_has_bytes(w, s->client);
    }
    return (ssize_t)taken;
}

int sockets_add(struct seat *seat, int fd, uint64_t id) {
    struct sock *s = owned(seat, fd);
    s->id = id;
    s->was_refused = world_mishap(seat->w, seat->w->knobs.add_fails);
    return s->was_refused ? -1 : 0;
}

static void on_writable(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    struct sock *s = sockets_at(w, e->fd);
    s->event_due = false;
    if (s->is_closed || !s->wants_write)
        return;
    seat_enter(e->seat);
    shard_writable(e->seat->shard, s->id);
    seat_leave(e->seat);
}

static void on_hangup(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    struct sock *s = sockets_at(w, e->fd);
    if (s->is_closed)
        return;
    if (s->id == 0) { /* not with its shard yet, which then sees it at once */
        seat_later(w, s->seat, 1, (struct event){.run = on_hangup, .fd = e->fd});
        return;
    }
    seat_enter(e->seat);
    shard_hangup(e->seat->shard, s->id);
    seat_leave(e->seat);
}

/* Level-triggered, like epoll: while half of the buffer is free and somebody asked. */
static void look_writable(struct world *w, int fd) {
    struct sock *s = sockets_at(w, fd);
    if (!s->wants_write || s->event_due || s->is_closed || s->cap - s->n < (s->cap + 1) / 2)
        return;
    s->event_due = true;
    seat_later(w, s->seat, rng_below(&w->rng, 2), (struct event){.run = on_writable, .fd = fd});
}

void sockets_want_write(struct seat *seat, int fd, uint64_t id, bool on) {
    struct sock *s = owned(seat, fd);
    if (s->id != id)
        world_fail(seat->w, -1, "descriptor %d is asked for by another stream", fd);
    s->wants_write = on;
    look_writable(seat->w, fd);
}

int64_t sockets_untaken(struct seat *seat, int fd) { return (int64_t)owned(seat, fd)->n; }

void sockets_finish(struct seat *seat, int fd) {
    struct sock *s = owned(seat, fd);
    s->is_finished = true;
    if (s->client >= 0)
        client_has_bytes(seat->w, s->client);
}

/* With the node's death, what was on its way may be lost. */
static void shut(struct world *w, struct sock *s) {
    s->is_closed = true;
    s->is_reset = !s->seat->node->is_up;
    s->was_draining = s->seat->node->is_draining;
    s->closed_ms = w->now_ms;
    if (s->is_reset && rng_permille(&w->rng, 500))
        s->n = 0;
    if (s->client >= 0)
        client_has_bytes(w, s->client);
}

void sockets_close(struct seat *seat, int fd) {
    struct sock *s = owned(seat, fd);
    shut(seat->w, s);
}

void sockets_crash(struct world *w, struct node *n) {
    for (int fd = 0; fd < w->sockets->n; fd++) {
        struct sock *s = sockets_at(w, fd);
        if (s->seat->node == n && s->boot == n->boot && !s->is_closed)
            shut(w, s);
    }
}

/* ---- the client's side ---- */

size_t sockets_take(struct world *w, int fd, char *to, size_t n) {
    struct sock *s = sockets_at(w, fd);
    if (n > s->n)
        n = s->n;
    memcpy(to, s->data, n);
    memmove(s->data, s->data + n, s->n - n);
    s->n -= n;
    if (!s->is_closed) /* from then on nobody looks */
        s->taken_ms = w->now_ms;
    look_writable(w, fd);
    return n;
}

void sockets_leave(struct world *w, int fd) {
    struct sock *s = sockets_at(w, fd);
    s->client = -1;
    if (!s->is_closed)
        seat_later(w, s->seat, rng_below(&w->rng, 40), (struct event){.run = on_hangup, .fd = fd});
}
