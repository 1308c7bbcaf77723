/* back/store_route.c -- which writer gets a post.
 *
 * Few large transactions cost less than many small ones, so the first writer gets everything until
 * a whole batch waits there (or it hangs: in a lock, in a slow commit); then the next one, and so
 * on. Posts of one inbox must keep their order, so while one is under way, its inbox stays with its
 * writer. Inboxes share routes by hash: one of them may stay a little longer than it must.
 *
 * Threads: any. A route is one atomic word: the writer above, the posts under way below.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/hash.h"
#include "store_parts.h"

enum { HANGS_MS = 50, WRITER_SHIFT = 32 };

static const uint64_t POSTS_MASK = UINT32_MAX;

static _Atomic uint64_t *route_of(struct store *s, uint64_t inbox) {
    return &s->routes[hash_u64(inbox) % STORE_ROUTES];
}

static bool has_room(const struct store *s, unsigned writer) {
    struct pool_state now = pool_look(s->writers.pool, writer);
    return now.accepts && now.queued < s->config.batch_items && now.busy_ms < HANGS_MS;
}

/* The first with room; if none has any, one that accepts jobs, and not always the same. */
static unsigned choose(const struct store *s, uint64_t inbox) {
    unsigned n = s->config.writers, first = (unsigned)(hash_u64(inbox) % n);
    for (unsigned i = 0; i < n; i++)
        if (has_room(s, i))
            return i;
    for (unsigned i = 0; i < n; i++)
        if (pool_look(s->writers.pool, (first + i) % n).accepts)
            return (first + i) % n;
    return first;
}

unsigned store_route_enter(struct store *s, uint64_t inbox) {
    _Atomic uint64_t *route = route_of(s, inbox);
    uint64_t now = atomic_load(route), then;
    unsigned writer;
    do {
        uint64_t posts = now & POSTS_MASK;
        writer = posts ? (unsigned)(now >> WRITER_SHIFT) : choose(s, inbox);
        then = (uint64_t)writer << WRITER_SHIFT | (posts + 1);
    } while (!atomic_compare_exchange_weak(route, &now, then));
    return writer;
}

void store_route_leave(struct store *s, uint64_t inbox) { atomic_fetch_sub(route_of(s, inbox), 1); }
