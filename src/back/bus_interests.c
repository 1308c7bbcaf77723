/* back/bus_interests.c -- the handles whose rows this node wants, and what the link knows of it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus_interests.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { FIRST_SIZE = 1024 };

/* A handle whose rows are wanted, or were until the courier has seen to it. */
struct interest {
    struct table_node node;
    struct list work;         /* in bus_interests.work while something is to be done */
    struct bus_link_sub *sub; /* set by the courier under the lock */
    bool is_wanted;
    char handle[]; /* NUL-terminated */
};

void bus_subject_print(const char *handle, char out[BUS_SUBJECT_MAX + 1]) {
    enum { PREFIX_LEN = sizeof BUS_SUBJECT_PREFIX - 1 };
    memcpy(out, BUS_SUBJECT_PREFIX, PREFIX_LEN);
    memcpy(out + PREFIX_LEN, handle, strlen(handle) + 1);
}

enum rc bus_interests_init(struct bus_interests *s) {
    *s = (struct bus_interests){0};
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->work);
    return table_init(&s->all, FIRST_SIZE);
}

static bool is_interest_in(const struct table_node *node, const void *handle) {
    const struct interest *i = container_of(node, const struct interest, node);
    return strcmp(i->handle, handle) == 0;
}

/* Holds s->lock. NULL when there is none. */
static struct interest *find(struct bus_interests *s, const struct handle *h, uint64_t hash) {
    struct table_node *node = table_find(&s->all, hash, is_interest_in, h->text);
    return node ? container_of(node, struct interest, node) : NULL;
}

/* Holds s->lock. NULL: no memory. */
static struct interest *add(struct bus_interests *s, const struct handle *h, uint64_t hash) {
    size_t text = strlen(h->text) + 1;
    struct interest *i = calloc(1, sizeof *i + text);
    if (!i)
        return NULL;
    memcpy(i->handle, h->text, text);
    list_init(&i->work);
    table_add(&s->all, hash, &i->node);
    return i;
}

/* Holds s->lock. */
static void forget(struct bus_interests *s, struct interest *i) {
    list_remove(&i->work);
    table_remove(&s->all, &i->node);
    free(i);
}

/* Holds s->lock. */
static void put_to_work(struct bus_interests *s, struct interest *i) {
    list_remove(&i->work);
    list_add(&s->work, &i->work);
}

enum rc bus_interests_want(struct bus_interests *s, const struct handle *h) {
    uint64_t hash = hash_str(handle_str(h));
    pthread_mutex_lock(&s->lock);
    struct interest *i = find(s, h, hash);
    if (!i)
        i = add(s, h, hash);
    if (i) {
        assert(!i->is_wanted);
        i->is_wanted = true;
        put_to_work(s, i);
    }
    pthread_mutex_unlock(&s->lock);
    return i ? RC_OK : RC_NO_MEMORY;
}

void bus_interests_drop(struct bus_interests *s, const struct handle *h) {
    pthread_mutex_lock(&s->lock);
    struct interest *i = find(s, h, hash_str(handle_str(h)));
    if (i) {
        i->is_wanted = false;
        /* What never reached the link need not wait for it, which may be away for long. */
        if (!i->sub && i != s->in_hand)
            forget(s, i);
        else
            put_to_work(s, i);
    }
    pthread_mutex_unlock(&s->lock);
}

bool bus_interests_has_work(struct bus_interests *s) {
    pthread_mutex_lock(&s->lock);
    bool has = !list_is_empty(&s->work);
    pthread_mutex_unlock(&s->lock);
    return has;
}

/* The next interest that waits is in hand then; NULL when none does. */
static struct interest *take(struct bus_interests *s, bool *is_wanted) {
    pthread_mutex_lock(&s->lock);
    struct list *first = list_pop(&s->work);
    struct interest *i = first ? container_of(first, struct interest, work) : NULL;
    s->in_hand = i;
    *is_wanted = i && i->is_wanted;
    pthread_mutex_unlock(&s->lock);
    return i;
}

/* Puts the interest in hand down with what it has now. */
static void put_down(struct bus_interests *s, struct interest *i, struct bus_link_sub *sub) {
    pthread_mutex_lock(&s->lock);
    s->in_hand = NULL;
    i->sub = sub;
    if (!i->is_wanted && !i->sub)
        forget(s, i);
    else if (i->is_wanted != (i->sub != NULL))
        put_to_work(s, i);
    pthread_mutex_unlock(&s->lock);
}

/* False: it could not be done. */
static bool send_one(struct bus_link *link, const char *handle, bool is_wanted,
                     struct bus_link_sub **sub) {
    if (is_wanted && !*sub) {
        char subject[BUS_SUBJECT_MAX + 1];
        bus_subject_print(handle, subject);
        return bus_link_subscribe(link, subject, sub) == RC_OK;
    }
    if (!is_wanted) {
        bus_link_unsubscribe(*sub);
        *sub = NULL;
    }
    return true;
}

bool bus_interests_send(struct bus_interests *s, struct bus_link *link) {
    pthread_mutex_lock(&s->lock);
    size_t count = s->all.n; /* no fewer than wait now; and an end, if they never stop coming */
    pthread_mutex_unlock(&s->lock);
    bool is_wanted, is_done = true;
    struct interest *i;
    while (is_done && count-- > 0 && (i = take(s, &is_wanted)) != NULL) {
        struct bus_link_sub *sub = i->sub;
        is_done = send_one(link, i->handle, is_wanted, &sub);
        put_down(s, i, sub);
    }
    return is_done;
}

void bus_interests_renew(struct bus_interests *s) {
    pthread_mutex_lock(&s->lock);
    for (size_t at = 0; at <= s->all.mask; at++)
        for (struct table_node *node = s->all.buckets[at], *next; node; node = next) {
            next = node->next;
            struct interest *i = container_of(node, struct interest, node);
            bus_link_unsubscribe(i->sub);
            i->sub = NULL;
            if (i->is_wanted)
                put_to_work(s, i);
            else
                forget(s, i);
        }
    pthread_mutex_unlock(&s->lock);
}

void bus_interests_done(struct bus_interests *s) {
    for (size_t at = 0; s->all.buckets && at <= s->all.mask; at++)
        while (s->all.buckets[at]) {
            struct interest *i = container_of(s->all.buckets[at], struct interest, node);
            bus_link_unsubscribe(i->sub);
            forget(s, i);
        }
    table_done(&s->all);
    pthread_mutex_destroy(&s->lock);
}
