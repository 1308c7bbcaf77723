/* back/bus_parts.h -- what a bus is made of; for bus.c, which is asked and told, and bus_courier.c,
 * which does the work.
 *
 * Threads: one lock guards all but what is marked as the courier's; it is not held while the link
 * or an event is called. A link is opened on a thread of its own, so that the courier can refuse
 * barriers meanwhile. Order of locks: the bus's, then that of one of its parts.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BACK_BUS_PARTS_H
#define BACK_BUS_PARTS_H

#include <pthread.h>

#include "back/bus.h"
#include "back/bus_interests.h"
#include "back/bus_letters.h"
#include "back/bus_link.h"
#include "back/bus_news.h"

enum link_state { LINK_CLOSED, LINK_OPENING, LINK_DOWN, LINK_UP };

struct bus {
    struct bus_events events;
    const struct clock *clock;
    struct bus_link *link;
    struct bus_news news;
    struct bus_interests interests;
    struct bus_letters letters;
    uint32_t flush_timeout_ms, reconnect_wait_ms, reconnect_jitter_ms;
    size_t down_bytes, up_bytes; /* limits of the letters */
    pthread_t courier;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the courier */
    bool is_stopping;
    bool is_opening; /* a thread is in bus_link_connect() */
    enum link_state state;
    uint64_t connection; /* counts: how often the link came up */
    uint64_t open_us;    /* no new link before this time */
    uint64_t barriers;   /* a bit for each shard whose ticket waits */
    uint64_t tickets[BUS_SHARDS_MAX];

    /* The courier's. */
    uint64_t again_us; /* no round before this time */
    pthread_t opener;
    bool has_opener;
};

/* The courier's thread; arg is the bus. Returns once it is told to stop: the link is closed then.
 */
void *bus_courier_run(void *arg);

#endif
