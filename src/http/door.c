/* http/door.c -- accepts connections and hands each to the daemon that has the fewest.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/door.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "core/stats.h"
#include "core/tally.h"
#include "http/client.h"

enum {
    TICK_MS = 250,     /* between two sweeps */
    HELD_TICK_MS = 20, /* while a gate is at its limit */
    ROOM_TICK_MS = 1,  /* while connections that shall make room end */
    ROOM_BURST = 64,   /* so many at a time */
    HOLD_MS = 100,     /* after the machine ran out of descriptors or memory */
    WARN_MS = 10000,   /* and that is said again only after so much time without it */
    SETTLE_MS = 1000,  /* at the end, for the daemons to begin with what they were handed */
    ACCEPT_BURST = 64, /* connections of one gate in one turn */
    LAST_BURST = 4096, /* before the gate is closed: what is in its backlog */
};

static uint32_t gate_open(const struct gate *g) {
    uint32_t open = 0;
    for (unsigned i = 0; i < g->worker_count; i++)
        open += atomic_load_explicit(&g->workers[i].open, memory_order_relaxed);
    return open;
}

static struct worker *gate_idlest(const struct gate *g) {
    struct worker *best = &g->workers[0];
    for (unsigned i = 1; i < g->worker_count; i++)
        if (atomic_load_explicit(&g->workers[i].open, memory_order_relaxed) <
            atomic_load_explicit(&best->open, memory_order_relaxed))
            best = &g->workers[i];
    return best;
}

uint64_t gate_key(const struct gate *g, const struct sockaddr *from) {
    struct address peer;
    if (!g->by_address || !client_peer(from, &peer) || !client_is_limited(g->trusted, &peer))
        return 0;
    return address_key(&peer);
}

/* One too many from its address: it is told, and what it sends is read for a while. */
static void turn_away(struct door *d, const struct gate *g, int fd, uint64_t now_ms) {
    ssize_t sent = send(fd, g->refusal.p, g->refusal.n, MSG_NOSIGNAL);
    (void)sent; /* it is the first on this socket, so there is room; or the client has left */
    stats_add(connections_refused, 1);
    leftover_take(d->leftovers, fd, now_ms);
}

static void hand_over(struct gate *g, int fd, const struct sockaddr *from, socklen_t size,
                      uint64_t key) {
    struct worker *w = gate_idlest(g);
    atomic_fetch_add_explicit(&w->open, 1, memory_order_relaxed);
    atomic_fetch_add(&w->waiting, 1);
    if (MHD_add_connection(w->daemon, fd, from, size) == MHD_YES)
        return;
    atomic_fetch_sub_explicit(&w->open, 1, memory_order_relaxed);
    atomic_fetch_sub(&w->waiting, 1);
    if (key)
        tally_give(g->by_address, key);
}

/* False: nothing more to accept now. */
static bool gate_accept_one(struct door *d, struct gate *g, uint64_t now_ms) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(g->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (g->held_until_ms == 0 || now_ms > g->held_until_ms + WARN_MS)
                log_warn("http accept failed: %s", strerror(errno));
            g->held_until_ms = now_ms + HOLD_MS;
            return false;
        }
        /* The client went away again, or the network failed on the way: the next one is fine. */
        return errno != EAGAIN && errno != EINVAL && errno != EBADF;
    }
    uint64_t key = gate_key(g, (struct sockaddr *)&from);
    if (key && tally_take(g->by_address, key) != RC_OK)
        turn_away(d, g, fd, now_ms);
    else
        hand_over(g, fd, (struct sockaddr *)&from, size, key);
    return true;
}

static void gate_accept(struct door *d, struct gate *g, int at_most, uint64_t now_ms) {
    for (int i = 0; i < at_most && gate_open(g) < g->max_open; i++)
        if (!gate_accept_one(d, g, now_ms))
            return;
}

static bool gate_is_held(const struct gate *g, uint64_t now_ms) {
    return now_ms < g->held_until_ms || gate_open(g) >= g->max_open;
}

/* A connection for which the daemon found no memory never begins: so there is an end to it. */
static void gate_settle(const struct gate *g, const struct clock *clock) {
    uint64_t until_ms = clock_mono_ms(clock) + SETTLE_MS;
    for (unsigned i = 0; i < g->worker_count; i++)
        while (atomic_load(&g->workers[i].waiting) && clock_mono_ms(clock) < until_ms)
            (void)poll(NULL, 0, 1);
}

static void gate_close(struct gate *g) {
    local_remove(&g->file);
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
}

/* True: the door shall stop. */
static bool obey(struct door *d) {
    pthread_mutex_lock(&d->lock);
    bool stops = d->stops, closes = d->closes && !d->is_closed;
    pthread_mutex_unlock(&d->lock);
    if (!closes)
        return stops;

    for (int i = 0; i < LISTENER_COUNT; i++) {
        struct gate *g = &d->gates[i];
        if (i == LISTENER_ADMIN || g->fd < 0)
            continue;
        local_remove(&g->file); /* from here on nobody finds it */
        gate_accept(d, g, LAST_BURST, clock_mono_ms(d->clock));
        gate_close(g);
    }
    pthread_mutex_lock(&d->lock);
    d->is_closed = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return stops;
}

/* The public gate is at its limit: if somebody waits, makes others give way. Whether any did. */
static bool make_room(struct door *d, uint64_t now_ms) {
    struct gate *g = &d->gates[LISTENER_PUBLIC];
    struct pollfd p = {.fd = g->fd, .events = POLLIN};
    if (gate_open(g) < g->max_open || poll(&p, 1, 0) <= 0)
        return false;
    unsigned n = guard_make_room(d->guard, now_ms, ROOM_BURST);
    stats_add(connections_yielded, n);
    return n > 0;
}

static void turn(struct door *d, uint64_t *swept_ms) {
    struct pollfd polls[1 + LISTENER_COUNT + LEFTOVER_MAX];
    uint64_t now_ms = clock_mono_ms(d->clock);
    int timeout_ms = TICK_MS;
    polls[0] = (struct pollfd){.fd = d->wake_fd, .events = POLLIN};
    for (int i = 0; i < LISTENER_COUNT; i++) {
        const struct gate *g = &d->gates[i];
        bool is_held = g->fd >= 0 && gate_is_held(g, now_ms);
        polls[1 + i] = (struct pollfd){.fd = is_held ? -1 : g->fd, .events = POLLIN};
        if (is_held)
            timeout_ms = i == LISTENER_PUBLIC && make_room(d, now_ms) ? ROOM_TICK_MS : HELD_TICK_MS;
    }
    size_t leftovers = leftover_fill(d->leftovers, polls + 1 + LISTENER_COUNT);

    int ready = poll(polls, 1 + LISTENER_COUNT + leftovers, timeout_ms);
    now_ms = clock_mono_ms(d->clock);
    if (ready > 0) {
        uint64_t rung;
        if (polls[0].revents && read(d->wake_fd, &rung, sizeof rung) < 0)
            log_warn("http door: %s", strerror(errno));
        for (int i = 0; i < LISTENER_COUNT; i++)
            if (polls[1 + i].revents)
                gate_accept(d, &d->gates[i], ACCEPT_BURST, now_ms);
    }
    if (ready >= 0)
        leftover_step(d->leftovers, polls + 1 + LISTENER_COUNT, leftovers, now_ms);
    if (now_ms - *swept_ms >= TICK_MS) {
        unsigned late = guard_sweep(d->guard, now_ms);
        if (late)
            log_debug("http connections late=%u", late);
        *swept_ms = now_ms;
    }
}

static void *run(void *arg) {
    struct door *d = arg;
    uint64_t swept_ms = 0;
    while (!obey(d))
        turn(d, &swept_ms);
    return NULL;
}

enum rc door_init(struct door *d, struct guard *guard, struct leftovers *leftovers,
                  const struct clock *clock) {
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return RC_IO;
    *d = (struct door){.guard = guard, .leftovers = leftovers, .clock = clock, .wake_fd = wake_fd};
    for (int i = 0; i < LISTENER_COUNT; i++)
        d->gates[i].fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    return RC_OK;
}

enum rc door_start(struct door *d) {
    d->runs = pthread_create(&d->thread, NULL, run, d) == 0;
    return d->runs ? RC_OK : RC_IO;
}

void door_wake(struct door *d) {
    uint64_t one = 1;
    ssize_t ignored = write(d->wake_fd, &one, sizeof one);
    (void)ignored;
}

void door_close_public(struct door *d) {
    pthread_mutex_lock(&d->lock);
    d->closes = true;
    door_wake(d);
    while (!d->is_closed)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

void door_stop(struct door *d) {
    if (d->runs) {
        pthread_mutex_lock(&d->lock);
        d->stops = true;
        pthread_mutex_unlock(&d->lock);
        door_wake(d);
        pthread_join(d->thread, NULL);
        d->runs = false;
    }
    for (int i = 0; i < LISTENER_COUNT; i++) {
        gate_close(&d->gates[i]);
        gate_settle(&d->gates[i], d->clock);
    }
}

void door_done(struct door *d) {
    close(d->wake_fd);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
}
