/* back/bus_news.h -- what the bus tells about itself: up, down and slow, one at a time, in order.
 *
 * Several threads learn what there is to tell. Whoever calls bus_news_tell() first gives out all of
 * it; who comes meanwhile leaves it to the first. A loss between two looks is told as DOWN and UP,
 * since messages may have been lost with it. SLOW comes at most every BUS_SLOW_EVERY_MS, and once
 * more after the last drop.
 *
 * Threads: any; one lock inside, not held while an event is given out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_NEWS_H
#define BACK_BUS_NEWS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "back/bus.h"

enum { BUS_SLOW_EVERY_MS = 100, BUS_TROUBLES_MAX = 8 };

struct bus_news {
    void (*state)(void *arg, enum bus_state state);
    void *arg;
    const struct clock *clock;
    _Atomic bool is_up;
    pthread_mutex_t lock; /* guards what follows */
    bool is_telling, is_ended;
    bool up, told_up, was_up, has_slow;
    uint64_t losses, told_losses, slow_told_us;
    const char *troubles[BUS_TROUBLES_MAX]; /* logged since the bus was up */
    unsigned trouble_count;
};

void bus_news_init(struct bus_news *n, const struct bus_events *events, const struct clock *clock);
void bus_news_done(struct bus_news *n);

/* These three note something; bus_news_tell() is wanted afterwards, with no lock held. */
void bus_news_set_up(struct bus_news *n, bool up);
void bus_news_set_slow(struct bus_news *n);
/* Nothing is told any more. */
void bus_news_end(struct bus_news *n);

/* Gives out what is due, and counts and logs it. */
void bus_news_tell(struct bus_news *n);
/* When bus_news_tell() is wanted for a SLOW that was too early; UINT64_MAX: never. */
uint64_t bus_news_due_us(struct bus_news *n);
bool bus_news_is_up(const struct bus_news *n);

/* Logs a static text, each once until the bus is up again, and no more than BUS_TROUBLES_MAX. */
void bus_news_trouble(struct bus_news *n, const char *reason);

#endif
