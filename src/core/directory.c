/* core/directory.c -- a bounded cache of users with two indexes and one clock hand.
 *
 * All entries stand in one array that is made at the start. When it is full, the hand goes round:
 * an entry that was used since its last visit is spared once, the first other one makes room.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/directory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/table.h"

struct entry {
    struct table_node by_handle, by_primary;
    uint64_t inbox; /* 0: a free entry, in no index */
    struct handle handle;
    struct key primary;
    bool was_used, is_blocked;
    uint32_t put_at; /* in ticks */
};
enum { TICK_MS = 100 }; /* a tick of 32 bits lasts 13 years */
static_assert(sizeof(struct entry) <= 112, "what directory.h says an entry costs");

struct directory {
    pthread_mutex_t lock; /* guards all below */
    struct table by_handle, by_primary;
    uint64_t max_age;          /* in ticks; 0: none */
    size_t max_entries, begun; /* entries from `begun` on were never used */
    size_t hand;
    struct entry *entries;
};

struct directory *directory_new(size_t max_entries, uint64_t max_age_ms) {
    struct directory *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    pthread_mutex_init(&d->lock, NULL);
    d->max_age = (max_age_ms + TICK_MS - 1) / TICK_MS;
    d->max_entries = max_entries ? max_entries : 1;
    d->entries = calloc(d->max_entries, sizeof *d->entries);
    if (!d->entries || table_init(&d->by_handle, 0) != RC_OK ||
        table_init(&d->by_primary, 0) != RC_OK) {
        directory_free(d);
        return NULL;
    }
    return d;
}

void directory_free(struct directory *d) {
    if (!d)
        return;
    table_done(&d->by_handle);
    table_done(&d->by_primary);
    free(d->entries);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static uint64_t hash_handle(const struct handle *h) { return hash_str(handle_str(h)); }

static uint64_t hash_primary(const struct key *k) {
    return hash_str((struct str){(const char *)k->bytes, KEY_BYTES});
}

static bool is_of_handle(const struct table_node *node, const void *h) {
    return handle_eq(&container_of(node, struct entry, by_handle)->handle, h);
}

static bool is_of_primary(const struct table_node *node, const void *k) {
    return key_eq(&container_of(node, struct entry, by_primary)->primary, k);
}

/* The finders hold d->lock. */
static struct entry *find_handle(struct directory *d, uint64_t hash, const struct handle *h) {
    struct table_node *node = table_find(&d->by_handle, hash, is_of_handle, h);
    return node ? container_of(node, struct entry, by_handle) : NULL;
}

static struct entry *find_primary(struct directory *d, uint64_t hash, const struct key *k) {
    struct table_node *node = table_find(&d->by_primary, hash, is_of_primary, k);
    return node ? container_of(node, struct entry, by_primary) : NULL;
}

/* Holds d->lock. NULL-safe in `e`. */
static void drop(struct directory *d, struct entry *e) {
    if (!e)
        return;
    table_remove(&d->by_handle, &e->by_handle);
    table_remove(&d->by_primary, &e->by_primary);
    e->inbox = 0;
}

static uint32_t tick(uint64_t now_ms) { return (uint32_t)(now_ms / TICK_MS); }

/* An old entry stands there until the store has said who that is now. */
static bool holds(const struct directory *d, const struct entry *e, uint64_t now_ms) {
    /* Below zero when the clock was read before the entry was put, by another thread. */
    int32_t age = (int32_t)(tick(now_ms) - e->put_at);
    return !d->max_age || age <= 0 || (uint64_t)age <= d->max_age;
}

/* Holds d->lock. */
static bool copy_out(struct entry *e, struct user *out) {
    e->was_used = true;
    *out = (struct user){
        .handle = e->handle, .primary = e->primary, .inbox = e->inbox, .is_blocked = e->is_blocked};
    return true;
}

bool directory_by_handle(struct directory *d, const struct handle *h, uint64_t now_ms,
                         struct user *out) {
    uint64_t hash = hash_handle(h);
    pthread_mutex_lock(&d->lock);
    struct entry *e = find_handle(d, hash, h);
    bool is_known = e && holds(d, e, now_ms) && copy_out(e, out);
    pthread_mutex_unlock(&d->lock);
    return is_known;
}

bool directory_recall(struct directory *d, const struct handle *h, struct user *out) {
    uint64_t hash = hash_handle(h);
    pthread_mutex_lock(&d->lock);
    struct entry *e = find_handle(d, hash, h);
    bool is_known = e && copy_out(e, out);
    pthread_mutex_unlock(&d->lock);
    return is_known;
}

bool directory_by_primary(struct directory *d, const struct key *k, uint64_t now_ms,
                          struct user *out) {
    uint64_t hash = hash_primary(k);
    pthread_mutex_lock(&d->lock);
    struct entry *e = find_primary(d, hash, k);
    bool is_known = e && holds(d, e, now_ms) && copy_out(e, out);
    pthread_mutex_unlock(&d->lock);
    return is_known;
}

/* Holds d->lock. A free entry: a new one, else one left free, else the one that makes room. */
static struct entry *make_room(struct directory *d) {
    if (d->begun < d->max_entries)
        return &d->entries[d->begun++];
    for (;;) {
        struct entry *e = &d->entries[d->hand];
        d->hand = (d->hand + 1) % d->max_entries;
        if (e->inbox == 0)
            return e;
        if (!e->was_used) {
            drop(d, e);
            return e;
        }
        e->was_used = false;
    }
}

void directory_put(struct directory *d, const struct user *u, uint64_t now_ms) {
    uint64_t of_handle = hash_handle(&u->handle), of_primary = hash_primary(&u->primary);
    pthread_mutex_lock(&d->lock);
    struct entry *e = find_handle(d, of_handle, &u->handle);
    drop(d, e);
    struct entry *other = find_primary(d, of_primary, &u->primary);
    drop(d, other);
    if (!e)
        e = other ? other : make_room(d);
    /* Not used yet: an entry that nobody asks for again goes at the hand's first visit. */
    *e = (struct entry){.inbox = u->inbox,
                        .handle = u->handle,
                        .primary = u->primary,
                        .is_blocked = u->is_blocked,
                        .put_at = tick(now_ms)};
    table_add(&d->by_handle, of_handle, &e->by_handle);
    table_add(&d->by_primary, of_primary, &e->by_primary);
    pthread_mutex_unlock(&d->lock);
}

void directory_forget(struct directory *d, const struct handle *h) {
    uint64_t hash = hash_handle(h);
    pthread_mutex_lock(&d->lock);
    drop(d, find_handle(d, hash, h));
    pthread_mutex_unlock(&d->lock);
}
