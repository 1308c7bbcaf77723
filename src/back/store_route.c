/* back/store_route.c -- which writer gets a post.
 *
 * Few large transactions cost less than many small ones, so what comes while a writer runs its
 * batch gathers at one that runs nothing, which begins when it has as many (back/pool.h). Only when
 * all run, or hang (in a lock, in a slow commit), posts wait behind what is under way. Posts of one
 * inbox must keep their order, so while one is under way, its inbox stays with its writer. Inboxes
 * share routes by hash: one of them may stay a little longer than it must.
 *
 * Measured with 32 connections on two nodes and two cores (kez-bench posts): 7 % more than with a
 * first writer that gets all until a batch waits there, as long as the scheduler leaves the
 * processes alone (all at real-time priority); at normal priority no difference was seen.
 *
 * Threads: any. A route is one atomic word: the writer above, the posts under way below.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/hash.h"
#include "store_parts.h"

enum { WRITER_SHIFT = 32 };

static const uint64_t POSTS_MASK = UINT32_MAX;

static _Atomic uint64_t *route_of(struct store *s, uint64_t inbox) {
    return &s->routes[hash_u64(inbox) % STORE_ROUTES];
}

static bool has_room(const struct store *s, const struct pool_state *now) {
    return now->accepts && now->queued < s->config.batch_items && now->busy_ms < POOL_HANGS_MS;
}

static bool gathers(const struct store *s, const struct pool_state *now) {
    return has_room(s, now) && now->running == 0;
}

static bool accepts(const struct store *s, const struct pool_state *now) {
    (void)s;
    return now->accepts;
}

/* The first that fits, from `from` on. False: none does. */
static bool find(const struct store *s, unsigned from,
                 bool (*fits)(const struct store *s, const struct pool_state *now),
                 unsigned *writer) {
    for (unsigned i = 0; i < s->config.writers; i++) {
        *writer = (from + i) % s->config.writers;
        struct pool_state now = pool_look(s->writers.pool, *writer);
        if (fits(s, &now))
            return true;
    }
    return false;
}

/* When no writer has room, one that accepts jobs, and not always the same. */
static unsigned choose(const struct store *s, uint64_t inbox) {
    unsigned writer, any = (unsigned)(hash_u64(inbox) % s->config.writers);
    if (find(s, 0, gathers, &writer) || find(s, 0, has_room, &writer) ||
        find(s, any, accepts, &writer))
        return writer;
    return any;
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
