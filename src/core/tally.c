/* core/tally.c -- counts by key in an open-addressed table.
 *
 * Linear probing; a key whose count falls to 0 leaves, and those after it that stand too far from
 * their home move up (backward shift), so there are no tombstones. Homes are drawn by a keyed hash,
 * so that no choice of keys makes long runs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/tally.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 64 }; /* a power of two */

struct slot {
    uint64_t key;
    uint32_t count; /* 0: free */
};

struct tally {
    pthread_mutex_t lock; /* guards all below but the limits */
    uint32_t max_all, max_each;
    uint32_t all;      /* of all keys together */
    size_t keys, mask; /* slots - 1; at most three quarters of the slots are taken */
    struct slot *slots;
};

struct tally *tally_new(uint32_t max_all, uint32_t max_each) {
    struct tally *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->max_all = max_all;
    t->max_each = max_each;
    t->mask = FIRST_SLOTS - 1;
    t->slots = calloc(FIRST_SLOTS, sizeof *t->slots);
    if (!t->slots) {
        tally_free(t);
        return NULL;
    }
    return t;
}

void tally_free(struct tally *t) {
    if (!t)
        return;
    free(t->slots);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static size_t home_of(const struct tally *t, uint64_t key) {
    return (size_t)hash_u64(key) & t->mask;
}

/* Holds t->lock. The key's slot, or the free one where it would go. */
static struct slot *look(struct tally *t, uint64_t key) {
    size_t i = home_of(t, key);
    while (t->slots[i].count && t->slots[i].key != key)
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

/* Holds t->lock. */
static enum rc grow(struct tally *t) {
    struct slot *old = t->slots;
    size_t old_mask = t->mask;
    struct slot *slots = calloc((old_mask + 1) * 2, sizeof *slots);
    if (!slots)
        return RC_NO_MEMORY;
    t->slots = slots;
    t->mask = old_mask * 2 + 1;
    for (size_t i = 0; i <= old_mask; i++)
        if (old[i].count)
            *look(t, old[i].key) = old[i];
    free(old);
    return RC_OK;
}

/* Holds t->lock. */
static enum rc take(struct tally *t, uint64_t key, uint32_t n) {
    struct slot *s = look(t, key);
    if (n > t->max_all - t->all || n > t->max_each - s->count)
        return RC_FULL;
    if (s->count == 0) {
        if (t->keys + 1 > (t->mask + 1) / 4 * 3) {
            if (grow(t) != RC_OK)
                return RC_NO_MEMORY;
            s = look(t, key);
        }
        t->keys++;
        s->key = key;
    }
    s->count += n;
    t->all += n;
    return RC_OK;
}

enum rc tally_take_many(struct tally *t, uint64_t key, uint32_t n) {
    assert(n > 0);
    pthread_mutex_lock(&t->lock);
    enum rc rc = take(t, key, n);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

enum rc tally_take(struct tally *t, uint64_t key) { return tally_take_many(t, key, 1); }

/* Holds t->lock. Frees slot `hole`: each slot of the run after it moves up unless that would put it
 * before its home. */
static void vacate(struct tally *t, size_t hole) {
    for (size_t i = (hole + 1) & t->mask; t->slots[i].count; i = (i + 1) & t->mask) {
        size_t from_home = (i - home_of(t, t->slots[i].key)) & t->mask;
        size_t from_hole = (i - hole) & t->mask;
        if (from_home >= from_hole) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (struct slot){0};
    t->keys--;
}

void tally_give_many(struct tally *t, uint64_t key, uint32_t n) {
    pthread_mutex_lock(&t->lock);
    struct slot *s = look(t, key);
    assert(n > 0 && s->count >= n); /* given back more than was taken */
    if (n > 0 && s->count >= n) {
        t->all -= n;
        s->count -= n;
        if (s->count == 0)
            vacate(t, (size_t)(s - t->slots));
    }
    pthread_mutex_unlock(&t->lock);
}

void tally_give(struct tally *t, uint64_t key) { tally_give_many(t, key, 1); }

uint32_t tally_of(struct tally *t, uint64_t key) {
    pthread_mutex_lock(&t->lock);
    uint32_t count = look(t, key)->count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

uint32_t tally_all(struct tally *t) {
    pthread_mutex_lock(&t->lock);
    uint32_t all = t->all;
    pthread_mutex_unlock(&t->lock);
    return all;
}
