/* back/bus_news.c -- what the bus tells about itself: up, down and slow, one at a time, in order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus_news.h"

#include <stdatomic.h>

#include "base/log.h"
#include "core/stats.h"

static const uint64_t slow_every_us = (uint64_t)BUS_SLOW_EVERY_MS * 1000;

void bus_news_init(struct bus_news *n, const struct bus_events *events, const struct clock *clock) {
    *n = (struct bus_news){.state = events->state, .arg = events->arg, .clock = clock};
    pthread_mutex_init(&n->lock, NULL);
}

void bus_news_done(struct bus_news *n) { pthread_mutex_destroy(&n->lock); }

void bus_news_set_up(struct bus_news *n, bool up) {
    pthread_mutex_lock(&n->lock);
    if (n->up && !up)
        n->losses++;
    if (up)
        n->trouble_count = 0;
    n->up = up;
    atomic_store(&n->is_up, up);
    pthread_mutex_unlock(&n->lock);
}

void bus_news_set_slow(struct bus_news *n) {
    stats_add(bus_slow, 1);
    pthread_mutex_lock(&n->lock);
    n->has_slow = true;
    pthread_mutex_unlock(&n->lock);
}

void bus_news_end(struct bus_news *n) {
    pthread_mutex_lock(&n->lock);
    n->is_ended = true;
    stats_set(bus_up, 0);
    pthread_mutex_unlock(&n->lock);
}

/* Holds n->lock. True when a SLOW was told long enough ago, or never. */
static bool is_slow_due(const struct bus_news *n, uint64_t now_us) {
    return n->has_slow && (n->slow_told_us == 0 || now_us - n->slow_told_us >= slow_every_us);
}

/* Holds n->lock. The next event to give out; false when there is none, or not yet. */
static bool next_event(struct bus_news *n, uint64_t now_us, enum bus_state *event) {
    if (n->is_ended)
        return false;
    if (n->told_up && n->told_losses != n->losses) {
        n->told_up = false;
        *event = BUS_DOWN;
        return true;
    }
    n->told_losses = n->losses;
    if (n->up != n->told_up) {
        n->told_up = n->up;
        *event = BUS_UP;
        return true;
    }
    if (is_slow_due(n, now_us)) {
        n->has_slow = false;
        n->slow_told_us = now_us;
        *event = BUS_SLOW;
        return true;
    }
    return false;
}

static void tell(struct bus_news *n, enum bus_state event, bool is_again) {
    switch (event) {
    case BUS_UP:
        stats_set(bus_up, 1);
        if (is_again)
            stats_add(bus_reconnects, 1);
        log_info("bus connected");
        break;
    case BUS_DOWN:
        stats_set(bus_up, 0);
        log_warn("bus connection lost");
        break;
    case BUS_SLOW:
        log_warn("bus slow: messages were dropped");
        break;
    }
    n->state(n->arg, event);
}

void bus_news_tell(struct bus_news *n) {
    enum bus_state event;
    pthread_mutex_lock(&n->lock);
    if (!n->is_telling) {
        n->is_telling = true;
        while (next_event(n, clock_mono_us(n->clock), &event)) {
            bool is_again = event == BUS_UP && n->was_up;
            n->was_up = n->was_up || event == BUS_UP;
            pthread_mutex_unlock(&n->lock);
            tell(n, event, is_again);
            pthread_mutex_lock(&n->lock);
        }
        n->is_telling = false;
    }
    pthread_mutex_unlock(&n->lock);
}

uint64_t bus_news_due_us(struct bus_news *n) {
    pthread_mutex_lock(&n->lock);
    uint64_t due_us = n->has_slow && !n->is_ended ? n->slow_told_us + slow_every_us : UINT64_MAX;
    pthread_mutex_unlock(&n->lock);
    return due_us;
}

bool bus_news_is_up(const struct bus_news *n) { return atomic_load(&n->is_up); }

void bus_news_trouble(struct bus_news *n, const char *reason) {
    bool is_new = true;
    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < n->trouble_count; i++)
        is_new = is_new && n->troubles[i] != reason;
    if (n->trouble_count == BUS_TROUBLES_MAX)
        is_new = false;
    else if (is_new)
        n->troubles[n->trouble_count++] = reason;
    pthread_mutex_unlock(&n->lock);
    if (is_new)
        log_warn("bus trouble reason=\"%s\"", reason);
}
