/* back/bus_courier.c -- the thread that alone uses the link to NATS.
 *
 * It works in rounds: SUB and UNSUB for every interest that changed, then the rows that wait, then
 * one flush. The flush answers all barriers asked for before the round began, and acknowledges the
 * rows; those of a round that failed are published again after a reconnect. A lone row costs one
 * wake and one write; rows that come while a flush is under way share the next round.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "bus_parts.h"
#include "core/stats.h"

enum { AGAIN_MS = 20 }; /* pause after a round that failed */

/* ---- rounds ---- */

/* What a round has to settle, taken when it begins. */
struct round {
    uint64_t connection;
    uint64_t barriers;
    uint64_t tickets[BUS_SHARDS_MAX];
};

/* Holds b->lock. */
static void take_barriers(struct bus *b, struct round *r) {
    r->barriers = b->barriers;
    memcpy(r->tickets, b->tickets, sizeof r->tickets);
    b->barriers = 0;
}

static void answer_barriers(struct bus *b, const struct round *r, bool ok) {
    for (unsigned shard = 0; shard < BUS_SHARDS_MAX; shard++)
        if (r->barriers >> shard & 1)
            b->events.barrier(b->events.arg, shard, r->tickets[shard], ok);
}

/* Not connected: whoever asked must not wait for the network. */
static void refuse_barriers(struct bus *b) {
    struct round r;
    pthread_mutex_lock(&b->lock);
    take_barriers(b, &r);
    pthread_mutex_unlock(&b->lock);
    answer_barriers(b, &r, false);
}

/* Sends what waits and flushes. True: the server has read all of it. */
static bool send_and_flush(struct bus *b, const struct round *r) {
    if (!bus_interests_send(&b->interests, b->link) ||
        bus_letters_send(&b->letters, b->link, r->connection) != RC_OK)
        return false;
    uint64_t began_us = clock_mono_us(b->clock);
    if (bus_link_flush(b->link, b->flush_timeout_ms) != RC_OK)
        return false;
    stats_observe_us(STATS_bus_flush_seconds, clock_mono_us(b->clock) - began_us);
    return true;
}

static void run_round(struct bus *b) {
    struct round r;
    pthread_mutex_lock(&b->lock);
    r.connection = b->connection;
    take_barriers(b, &r);
    pthread_mutex_unlock(&b->lock);

    bool ok = send_and_flush(b, &r);

    pthread_mutex_lock(&b->lock);
    ok = ok && b->state == LINK_UP && b->connection == r.connection;
    if (ok)
        bus_news_set_up(&b->news, true);
    pthread_mutex_unlock(&b->lock);
    if (ok)
        bus_letters_sent(&b->letters);
    else
        b->again_us = clock_mono_us(b->clock) + (uint64_t)AGAIN_MS * 1000;
    bus_news_tell(&b->news);
    answer_barriers(b, &r, ok);
}

/* ---- opening the link ---- */

static uint64_t pause_us(const struct bus *b) {
    uint32_t drawn = 0;
    if (b->reconnect_jitter_ms == 0 ||
        getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn)
        return (uint64_t)b->reconnect_wait_ms * 1000;
    return ((uint64_t)b->reconnect_wait_ms + drawn % b->reconnect_jitter_ms) * 1000;
}

static void *open_link(void *arg) {
    struct bus *b = arg;
    bool is_connected = bus_link_connect(b->link);
    pthread_mutex_lock(&b->lock);
    b->is_opening = false;
    /* Otherwise the link has told of a loss already. */
    if (b->state == LINK_OPENING) {
        b->state = is_connected ? LINK_UP : LINK_CLOSED;
        b->connection += is_connected;
    }
    b->open_us = clock_mono_us(b->clock) + pause_us(b);
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static void join_opener(struct bus *b) {
    if (b->has_opener)
        (void)pthread_join(b->opener, NULL);
    b->has_opener = false;
}

/* The first time, or again when it could not be had, or nats.c has given it up. */
static void renew_link(struct bus *b) {
    join_opener(b);
    bus_link_close(b->link);
    bus_interests_renew(&b->interests);
    pthread_mutex_lock(&b->lock);
    b->state = LINK_OPENING;
    b->is_opening = true;
    pthread_mutex_unlock(&b->lock);
    b->has_opener = pthread_create(&b->opener, NULL, open_link, b) == 0;
    if (!b->has_opener)
        (void)open_link(b);
}

/* ---- the courier ---- */

enum task { TASK_WAIT, TASK_ROUND, TASK_REFUSE, TASK_RENEW, TASK_TELL, TASK_STOP };

static void sooner(uint64_t *until_us, uint64_t us) {
    if (us < *until_us)
        *until_us = us;
}

/* Holds b->lock. What is to be done now; TASK_WAIT: nothing before *until_us. */
static enum task next_task(struct bus *b, uint64_t now_us, uint64_t *until_us) {
    bool is_usable = b->state == LINK_UP && !b->is_opening;
    *until_us = UINT64_MAX;
    if (b->is_stopping)
        return TASK_STOP;
    if (b->barriers && !is_usable)
        return TASK_REFUSE;
    if (b->state == LINK_CLOSED && !b->is_opening) {
        if (now_us >= b->open_us)
            return TASK_RENEW;
        sooner(until_us, b->open_us);
    }
    bool has_work = b->barriers || !bus_news_is_up(&b->news) ||
                    !bus_letters_is_empty(&b->letters) || bus_interests_has_work(&b->interests);
    if (is_usable && has_work) {
        if (now_us >= b->again_us)
            return TASK_ROUND;
        sooner(until_us, b->again_us);
    }
    uint64_t news_us = bus_news_due_us(&b->news);
    if (now_us >= news_us)
        return TASK_TELL;
    sooner(until_us, news_us);
    return TASK_WAIT;
}

/* Holds b->lock. */
static void wait_until(struct bus *b, uint64_t now_us, uint64_t until_us) {
    if (until_us == UINT64_MAX) {
        pthread_cond_wait(&b->wake, &b->lock);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ns = (uint64_t)t.tv_nsec + (until_us - now_us) * 1000;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&b->wake, &b->lock, &t);
}

static enum task await_task(struct bus *b) {
    enum task task;
    uint64_t until_us;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        uint64_t now_us = clock_mono_us(b->clock);
        task = next_task(b, now_us, &until_us);
        if (task != TASK_WAIT)
            break;
        wait_until(b, now_us, until_us);
    }
    pthread_mutex_unlock(&b->lock);
    return task;
}

/* What was published is still rung out, if the server takes it in time. */
static void wind_up(struct bus *b) {
    uint64_t until_us = clock_mono_us(b->clock) + (uint64_t)b->flush_timeout_ms * 1000;
    join_opener(b);
    for (;;) {
        pthread_mutex_lock(&b->lock);
        bool is_useful = b->state == LINK_UP && !bus_letters_is_empty(&b->letters);
        pthread_mutex_unlock(&b->lock);
        if (!is_useful || clock_mono_us(b->clock) >= until_us)
            break;
        run_round(b);
    }
    bus_news_end(&b->news);
    refuse_barriers(b);
    bus_link_close(b->link);
}

void *bus_courier_run(void *arg) {
    struct bus *b = arg;
    for (;;)
        switch (await_task(b)) {
        case TASK_WAIT:
            break;
        case TASK_ROUND:
            run_round(b);
            break;
        case TASK_REFUSE:
            refuse_barriers(b);
            break;
        case TASK_RENEW:
            renew_link(b);
            break;
        case TASK_TELL:
            bus_news_tell(&b->news);
            break;
        case TASK_STOP:
            wind_up(b);
            return NULL;
        }
}
