/* core/history.c -- what this node has seen of the store's histories.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/history.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct history {
    pthread_mutex_t lock; /* guards all below */
    uint64_t entered;     /* so many were: the last one's number */
    struct history_seen seen[HISTORY_MAX];
};

struct history *history_new(void) {
    struct history *h = calloc(1, sizeof *h);
    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

void history_free(struct history *h) {
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void history_view(struct history *h, struct history_view *out) {
    pthread_mutex_lock(&h->lock);
    memcpy(out->seen, h->seen, sizeof out->seen);
    pthread_mutex_unlock(&h->lock);
}

static bool is_of(const struct history_seen *seen, const struct sighting *now) {
    return seen->number > 0 && strcmp(seen->generation, now->generation) == 0;
}

bool history_went_back(const struct history_view *before, const struct sighting *now) {
    for (size_t i = 0; i < HISTORY_MAX; i++) {
        const struct history_seen *seen = &before->seen[i];
        if (!is_of(seen, now) || seen->timeline < now->timeline)
            continue;
        if (seen->timeline > now->timeline)
            return true;
        /* Since it was started it may have written more than it lost. */
        uint64_t at = seen->started_us == now->started_us ? now->flushed : now->checkpoint;
        if (at < seen->flushed)
            return true;
    }
    return false;
}

/* Holds h->lock. The entry of this history, or the one that gives way to it. */
static struct history_seen *place_for(struct history *h, const struct sighting *now) {
    struct history_seen *oldest = &h->seen[0];
    for (size_t i = 0; i < HISTORY_MAX; i++) {
        struct history_seen *seen = &h->seen[i];
        if (is_of(seen, now) && seen->timeline == now->timeline)
            return seen;
        if (seen->number < oldest->number)
            oldest = seen;
    }
    *oldest = (struct history_seen){.number = ++h->entered, .timeline = now->timeline};
    memcpy(oldest->generation, now->generation, sizeof oldest->generation);
    return oldest;
}

uint64_t history_enter(struct history *h, const struct sighting *now) {
    pthread_mutex_lock(&h->lock);
    struct history_seen *seen = place_for(h, now);
    seen->started_us = now->started_us;
    if (seen->flushed < now->flushed)
        seen->flushed = now->flushed;
    uint64_t number = seen->number;
    pthread_mutex_unlock(&h->lock);
    return number;
}

void history_reached(struct history *h, uint64_t number, uint64_t flushed) {
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < HISTORY_MAX; i++)
        if (h->seen[i].number == number && h->seen[i].flushed < flushed)
            h->seen[i].flushed = flushed;
    pthread_mutex_unlock(&h->lock);
}
