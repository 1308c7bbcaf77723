/* back/bus.c -- the doorbell: rows published to and received from NATS.
 *
 * nats.c may make its callers wait (back/bus_link.h), and shards and store writers must not wait.
 * So all that is asked of the bus goes to one thread, the courier, which alone uses the link. It
 * works in rounds: SUB and UNSUB for every interest that changed, then the rows that wait, then one
 * flush. The flush answers all barriers asked for before the round began, and acknowledges the
 * rows; those of a round that failed are published again after a reconnect. A lone row costs one
 * wake and one write; rows that come while a flush is under way share the next round.
 *
 * Threads: one lock guards all but what is marked as the courier's; it is not held while the link
 * or an event is called. A link is opened on a thread of its own, so that the courier can refuse
 * barriers meanwhile. Order of locks: the bus's, then that of one of its parts.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "back/bus_interests.h"
#include "back/bus_letters.h"
#include "back/bus_link.h"
#include "back/bus_news.h"
#include "core/stats.h"
#include "wire/row.h"

enum {
    UP_BYTES_LEAST = 4 * 1024 * 1024, /* rows may wait up to this while connected */
    AGAIN_MS = 20,                    /* pause after a round that failed */
};

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

/* ---- what is asked ---- */

void bus_wake(struct bus *b) {
    pthread_mutex_lock(&b->lock);
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

enum rc bus_subscribe(struct bus *b, const struct handle *h) {
    enum rc rc = bus_interests_want(&b->interests, h);
    if (rc == RC_OK)
        bus_wake(b);
    return rc;
}

void bus_unsubscribe(struct bus *b, const struct handle *h) {
    bus_interests_drop(&b->interests, h);
    bus_wake(b);
}

void bus_barrier(struct bus *b, unsigned shard, uint64_t ticket) {
    assert(shard < BUS_SHARDS_MAX);
    pthread_mutex_lock(&b->lock);
    b->barriers |= (uint64_t)1 << shard;
    b->tickets[shard] = ticket;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void bus_publish(struct bus *b, const struct handle *to, const struct frame *frame) {
    pthread_mutex_lock(&b->lock);
    size_t limit = b->state == LINK_UP ? b->up_bytes : b->down_bytes;
    pthread_mutex_unlock(&b->lock);
    if (bus_letters_put(&b->letters, to, frame, limit) != RC_OK)
        stats_add(bus_publish_failed, 1);
}

bool bus_is_up(const struct bus *b) { return bus_news_is_up(&b->news); }

/* ---- what the link tells ---- */

static void on_state(void *arg, enum bus_link_state state) {
    struct bus *b = arg;
    pthread_mutex_lock(&b->lock);
    switch (state) {
    case BUS_LINK_UP:
        /* News of it must wait until the courier has sent what waits. */
        b->state = LINK_UP;
        b->connection++;
        break;
    case BUS_LINK_DOWN:
        b->state = LINK_DOWN;
        bus_news_set_up(&b->news, false);
        break;
    case BUS_LINK_CLOSED:
        b->state = LINK_CLOSED;
        bus_news_set_up(&b->news, false);
        break;
    }
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    bus_news_tell(&b->news);
}

static void on_slow(void *arg) {
    struct bus *b = arg;
    bus_news_set_slow(&b->news);
    bus_news_tell(&b->news);
    bus_wake(b); /* when it was too early to tell, it keeps the time */
}

static void on_trouble(void *arg, const char *reason) {
    struct bus *b = arg;
    bus_news_trouble(&b->news, reason);
}

/* Reads `kez.chat.inbox.<handle>` and the row. False: junk. */
static bool read_letter(const char *subject, struct str payload, struct handle *to,
                        struct row_head *head) {
    struct str s = str_of(subject), prefix = STR(BUS_SUBJECT_PREFIX);
    return str_starts_with(s, prefix) && handle_read(str_from(s, prefix.n), to) == RC_OK &&
           row_read_head(payload, head) == RC_OK;
}

static void on_message(void *arg, const char *subject, struct str payload, uint64_t epoch_tag) {
    struct bus *b = arg;
    struct handle to;
    struct row_head head;
    if (!read_letter(subject, payload, &to, &head)) {
        stats_add(bus_junk, 1);
        return;
    }
    stats_add(bus_received, 1);
    /* No memory for the frame: told without it, and read from the store like a stored one. */
    struct frame *frame = head.stored ? NULL : frame_of_json(&head, payload);
    if (frame)
        frame->epoch_tag = epoch_tag;
    b->events.row(b->events.arg, &to, head.seq, frame);
    frame_unref(frame);
}

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

static void *run_courier(void *arg) {
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

/* ---- start and stop ---- */

static void init_wake(pthread_cond_t *wake) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &attr);
    pthread_condattr_destroy(&attr);
}

static void bus_free(struct bus *b) {
    bus_interests_done(&b->interests);
    bus_letters_done(&b->letters);
    bus_link_free(b->link);
    bus_news_done(&b->news);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static struct bus *bus_new(const struct bus_config *config, const struct bus_events *events,
                           const struct clock *clock) {
    struct bus *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->events = *events;
    b->clock = clock;
    b->flush_timeout_ms = config->flush_timeout_ms;
    b->reconnect_wait_ms = config->reconnect_wait_ms;
    b->reconnect_jitter_ms = config->reconnect_jitter_ms;
    b->down_bytes = config->reconnect_bytes;
    b->up_bytes = b->down_bytes > UP_BYTES_LEAST ? b->down_bytes : UP_BYTES_LEAST;
    bus_news_init(&b->news, events, clock);
    pthread_mutex_init(&b->lock, NULL);
    init_wake(&b->wake);
    bus_letters_init(&b->letters);
    return b;
}

enum rc bus_start(const struct bus_config *config, const struct bus_events *events,
                  const struct clock *clock, struct bus **out, const char **why) {
    *why = rc_text(RC_NO_MEMORY);
    struct bus *b = bus_new(config, events, clock);
    if (!b)
        return RC_NO_MEMORY;
    const struct bus_link_events told = {
        .arg = b, .state = on_state, .slow = on_slow, .trouble = on_trouble, .message = on_message};
    enum rc rc = bus_interests_init(&b->interests);
    if (rc == RC_OK)
        rc = bus_link_new(config, &told, &b->link, why);
    if (rc == RC_OK && pthread_create(&b->courier, NULL, run_courier, b) != 0) {
        *why = "no thread could be started";
        rc = RC_NO_MEMORY;
    }
    if (rc == RC_OK)
        *out = b;
    else
        bus_free(b);
    return rc;
}

void bus_stop(struct bus *b) {
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->is_stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    (void)pthread_join(b->courier, NULL);
    bus_free(b);
}
