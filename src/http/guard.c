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
