/* http/guard.c -- the connections of a listener, and until when each must have got further.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/guard.h"

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/table.h"

void guard_init(struct guard *g) {
    pthread_mutex_init(&g->lock, NULL);
    list_init(&g->connections);
}

void guard_done(struct guard *g) { pthread_mutex_destroy(&g->lock); }

void guard_add(struct guard *g, struct guarded *c, int fd, uint64_t until_ms) {
    list_init(&c->link);
    c->fd = fd;
    atomic_init(&c->until_ms, until_ms);
    atomic_init(&c->yields_ms, 0);
    atomic_init(&c->has_asked, false);
    pthread_mutex_lock(&g->lock);
    list_add(&g->connections, &c->link);
    pthread_mutex_unlock(&g->lock);
}

void guard_remove(struct guard *g, struct guarded *c) {
    pthread_mutex_lock(&g->lock);
    list_remove(&c->link);
    pthread_mutex_unlock(&g->lock);
}

void guard_set_deadline(struct guarded *c, uint64_t until_ms) {
    atomic_store_explicit(&c->until_ms, until_ms, memory_order_relaxed);
}

void guard_waits(struct guarded *c, uint64_t now_ms, bool has_asked) {
    uint64_t patience_ms = has_asked ? GUARD_IDLE_MS : GUARD_NEW_MS;
    atomic_store_explicit(&c->has_asked, has_asked, memory_order_relaxed);
    atomic_store_explicit(&c->yields_ms, now_ms + patience_ms, memory_order_relaxed);
}

void guard_works(struct guarded *c) {
    atomic_store_explicit(&c->yields_ms, 0, memory_order_relaxed);
}

unsigned guard_sweep(struct guard *g, uint64_t now_ms) {
    unsigned late = 0;
    pthread_mutex_lock(&g->lock);
    for (struct list *i = g->connections.next; i != &g->connections; i = i->next) {
        struct guarded *c = container_of(i, struct guarded, link);
        uint64_t until_ms = atomic_load_explicit(&c->until_ms, memory_order_relaxed);
        if (until_ms == 0 || now_ms < until_ms)
            continue;
        /* Once is enough; and a deadline that was set this moment holds. */
        if (!atomic_compare_exchange_strong(&c->until_ms, &until_ms, 0))
            continue;
        (void)shutdown(c->fd, SHUT_RDWR);
        late++;
    }
    pthread_mutex_unlock(&g->lock);
    return late;
}

/* Holds g->lock. */
static unsigned yield(struct guard *g, bool has_asked, uint64_t now_ms, unsigned at_most) {
    unsigned n = 0;
    for (struct list *i = g->connections.next; i != &g->connections && n < at_most; i = i->next) {
        struct guarded *c = container_of(i, struct guarded, link);
        uint64_t yields_ms = atomic_load_explicit(&c->yields_ms, memory_order_relaxed);
        if (yields_ms == 0 || now_ms < yields_ms ||
            atomic_load_explicit(&c->has_asked, memory_order_relaxed) != has_asked)
            continue;
        /* Once is enough; and one that has asked this moment stays. */
        if (!atomic_compare_exchange_strong(&c->yields_ms, &yields_ms, 0))
            continue;
        (void)shutdown(c->fd, SHUT_RDWR);
        n++;
    }
    return n;
}

unsigned guard_make_room(struct guard *g, uint64_t now_ms, unsigned at_most) {
    pthread_mutex_lock(&g->lock);
    unsigned n = yield(g, false, now_ms, at_most);
    n += yield(g, true, now_ms, at_most - n);
    pthread_mutex_unlock(&g->lock);
    return n;
}
