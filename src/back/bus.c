/* back/bus.c -- the doorbell: rows published to and received from NATS.
 *
 * nats.c may make its callers wait (back/bus_link.h), and shards and store writers must not wait.
 * So all that is asked of the bus goes to one thread, the courier (bus_courier.c), which alone uses
 * the link. Here is what is asked, and what the link tells.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus.h"

#include <assert.h>
#include <stdlib.h>

#include "bus_parts.h"
#include "core/stats.h"
#include "wire/row.h"

enum { UP_BYTES_LEAST = 4 * 1024 * 1024 }; /* rows may wait up to this while connected */

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
    if (rc == RC_OK && pthread_create(&b->courier, NULL, bus_courier_run, b) != 0) {
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
