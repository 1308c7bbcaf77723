/* core/quota.c -- token buckets in a table of small sets.
 *
 * A bucket is kept as its debt: what it lacks to be full, in units of which a token has
 * UNITS_PER_TOKEN and `per_minute` come back each millisecond; so nothing is ever rounded, and a
 * debt means the same at any rate. A bucket without debt is full, which is what an unknown key has,
 * and so its place is free. A key may stand only in its set of SET_SIZE places: they are the few
 * that are looked at. There are few sets at first, and twice as many whenever one is full of debts:
 * most buckets are full again soon, and need no place.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SET_SIZE = 16, FIRST_SETS = 64, MS_PER_MINUTE = 60000, UNITS_PER_TOKEN = MS_PER_MINUTE };

struct bucket {
    uint64_t key, debt; /* as of at_ms; debt 0: a free place */
    uint64_t at_ms;
};

struct quota {
    size_t max_sets, set_size;
    pthread_mutex_t lock;        /* guards what follows */
    _Atomic uint64_t per_minute; /* read without it where it is no limit */
    size_t sets;
    struct bucket *buckets; /* NULL as long as there was no limit */
};

static struct bucket *new_buckets(const struct quota *q, size_t sets) {
    return calloc(sets, q->set_size * sizeof(struct bucket));
}

static struct bucket *set_of(const struct quota *q, uint64_t key) {
    return &q->buckets[key % q->sets * q->set_size];
}

struct quota *quota_new(uint32_t per_minute, size_t max_keys) {
    struct quota *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    pthread_mutex_init(&q->lock, NULL);
    if (max_keys == 0)
        max_keys = 1;
    q->set_size = max_keys < SET_SIZE ? max_keys : SET_SIZE;
    q->max_sets = max_keys / q->set_size;
    q->sets = q->max_sets < FIRST_SETS ? q->max_sets : FIRST_SETS;
    if (quota_set_rate(q, per_minute) != RC_OK) {
        quota_free(q);
        return NULL;
    }
    return q;
}

enum rc quota_set_rate(struct quota *q, uint32_t per_minute) {
    pthread_mutex_lock(&q->lock);
    if (per_minute > 0 && !q->buckets)
        q->buckets = new_buckets(q, q->sets);
    bool can = per_minute == 0 || q->buckets;
    if (can)
        q->per_minute = per_minute;
    pthread_mutex_unlock(&q->lock);
    return can ? RC_OK : RC_NO_MEMORY;
}

void quota_free(struct quota *q) {
    if (!q)
        return;
    free(q->buckets);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

uint32_t quota_per_minute(const struct quota *q) { return (uint32_t)q->per_minute; }

/* Lets come back what came back since. A clock read before at_ms (by another thread) counts as
 * at_ms. */
static void refill(const struct quota *q, struct bucket *b, uint64_t now_ms) {
    if (b->debt == 0 || now_ms <= b->at_ms)
        return;
    uint64_t elapsed_ms = now_ms - b->at_ms;
    b->at_ms = now_ms;
    if (elapsed_ms >= MS_PER_MINUTE || elapsed_ms * q->per_minute >= b->debt)
        b->debt = 0;
    else
        b->debt -= elapsed_ms * q->per_minute;
}

/* Holds q->lock. The key's bucket, refilled; else the place of its set with the least debt. */
static struct bucket *look(struct quota *q, uint64_t key, uint64_t now_ms) {
    struct bucket *set = set_of(q, key), *least = set;
    for (size_t i = 0; i < q->set_size; i++) {
        refill(q, &set[i], now_ms);
        if (set[i].debt > 0 && set[i].key == key)
            return &set[i];
        if (set[i].debt < least->debt)
            least = &set[i];
    }
    return least;
}

/* Holds q->lock. Puts a debt into its set, which may be full: the least one is forgotten then. */
static void put(struct quota *q, const struct bucket *b) {
    struct bucket *set = set_of(q, b->key), *least = set;
    for (size_t i = 0; i < q->set_size; i++)
        if (set[i].debt < least->debt)
            least = &set[i];
    if (least->debt < b->debt)
        *least = *b;
}

/* Holds q->lock. False: there are as many sets as may be, or no memory for more. */
static bool grow(struct quota *q) {
    size_t sets = q->sets * 2 <= q->max_sets ? q->sets * 2 : q->max_sets, places;
    struct bucket *old = q->buckets, *buckets = sets > q->sets ? new_buckets(q, sets) : NULL;
    if (!buckets)
        return false;
    places = q->sets * q->set_size;
    q->buckets = buckets;
    q->sets = sets;
    for (size_t i = 0; i < places; i++)
        put(q, &old[i]);
    free(old);
    return true;
}

/* Holds q->lock. 0 when a token was taken, else the units that are lacking. */
static uint64_t take(struct quota *q, uint64_t key, uint64_t now_ms) {
    uint64_t most = q->per_minute * UNITS_PER_TOKEN;
    struct bucket *b = look(q, key, now_ms);
    while (b->debt > 0 && b->key != key && grow(q))
        b = look(q, key, now_ms);
    if (b->debt == 0 || b->key != key)
        *b = (struct bucket){.key = key, .at_ms = now_ms};
    if (b->debt + UNITS_PER_TOKEN > most)
        return b->debt + UNITS_PER_TOKEN - most;
    b->debt += UNITS_PER_TOKEN;
    return 0;
}

enum rc quota_take(struct quota *q, uint64_t key, uint64_t now_ms, uint32_t *retry_s) {
    if (q->per_minute == 0)
        return RC_OK;
    pthread_mutex_lock(&q->lock);
    uint64_t units_per_s = q->per_minute * 1000;
    uint64_t lacking = units_per_s > 0 ? take(q, key, now_ms) : 0;
    pthread_mutex_unlock(&q->lock);
    if (lacking == 0)
        return RC_OK;
    *retry_s = (uint32_t)((lacking + units_per_s - 1) / units_per_s);
    return RC_RATE_LIMITED;
}

uint32_t quota_left(struct quota *q, uint64_t key, uint64_t now_ms) {
    uint32_t left = UINT32_MAX;
    pthread_mutex_lock(&q->lock);
    if (q->per_minute > 0) {
        const struct bucket *b = look(q, key, now_ms);
        uint64_t debt = b->key == key ? b->debt : 0;
        uint64_t tokens = (debt + UNITS_PER_TOKEN - 1) / UNITS_PER_TOKEN;
        /* A rate that was lowered may leave more debt than a bucket has now. */
        left = tokens < q->per_minute ? (uint32_t)(q->per_minute - tokens) : 0;
    }
    pthread_mutex_unlock(&q->lock);
    return left;
}
