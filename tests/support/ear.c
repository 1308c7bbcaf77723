/* tests/support/ear.c -- listens to a bus for a test: what came, in order, and waits for it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/ear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proc.h"

enum { SHARD = 3 };

struct handle ear_handle(const char *text) {
    struct handle h = {0};
    (void)snprintf(h.text, sizeof h.text, "%s", text);
    return h;
}

static void on_row(void *arg, const struct handle *to, uint64_t seq, struct frame *frame) {
    struct ear *e = arg;
    pthread_mutex_lock(&e->lock);
    while (e->is_held)
        pthread_cond_wait(&e->opened, &e->lock);
    e->rows++;
    e->last_to = *to;
    e->last_seq = seq;
    e->last_has_frame = frame != NULL;
    struct str json = frame ? frame_json(frame) : STR("");
    (void)snprintf(e->last_json, sizeof e->last_json, "%.*s", STR_ARG(json));
    pthread_mutex_unlock(&e->lock);
}

static void on_state(void *arg, enum bus_state state) {
    struct ear *e = arg;
    pthread_mutex_lock(&e->lock);
    size_t n = strlen(e->states);
    if (n + 1 < sizeof e->states)
        e->states[n] = "UDS"[state];
    pthread_mutex_unlock(&e->lock);
}

static void on_barrier(void *arg, unsigned shard, uint64_t ticket, bool ok) {
    struct ear *e = arg;
    pthread_mutex_lock(&e->lock);
    if (shard == SHARD && ticket > e->answered) {
        e->answered = ticket;
        if (ok)
            e->good = ticket;
    }
    void (*call)(struct ear * e, void *arg) = ok ? e->on_good : NULL;
    void *call_arg = e->on_good_arg;
    pthread_mutex_unlock(&e->lock);
    if (call)
        call(e, call_arg);
}

void ear_start(struct ear *e, const char *url, void (*change)(struct bus_config *config)) {
    struct bus_config config = {.urls = url,
                                .name = "ear",
                                .reconnect_wait_ms = 20,
                                .reconnect_jitter_ms = 20,
                                .ping_interval_ms = 60000,
                                .flush_timeout_ms = 60000,
                                .pending_messages = 65536,
                                .pending_bytes = 64 * 1024 * 1024,
                                .reconnect_bytes = 8 * 1024 * 1024};
    *e = (struct ear){0};
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->opened, NULL);
    if (change)
        change(&config);
    const struct bus_events events = {
        .arg = e, .row = on_row, .state = on_state, .barrier = on_barrier};
    const char *why = "";
    if (bus_start(&config, &events, clock_system(), &e->bus, &why) != RC_OK)
        fail_msg("the bus does not start: %s", why);
}

void ear_stop(struct ear *e) {
    ear_release(e);
    bus_stop(e->bus);
    pthread_cond_destroy(&e->opened);
    pthread_mutex_destroy(&e->lock);
}

static void set_held(struct ear *e, bool is_held) {
    pthread_mutex_lock(&e->lock);
    e->is_held = is_held;
    pthread_cond_broadcast(&e->opened);
    pthread_mutex_unlock(&e->lock);
}

void ear_hold(struct ear *e) { set_held(e, true); }

void ear_release(struct ear *e) { set_held(e, false); }

void ear_impatient(struct bus_config *config) {
    config->ping_interval_ms = 100;
    config->flush_timeout_ms = EAR_FLUSH_MS;
}

static bool is_up(void *arg) { return bus_is_up(((struct ear *)arg)->bus); }

static bool is_down(void *arg) { return !is_up(arg); }

void ear_wait_up(struct ear *e) {
    if (!proc_poll(is_up, e, EAR_WAIT_MS))
        fail_msg("the bus does not come up");
}

void ear_wait_down(struct ear *e) {
    if (!proc_poll(is_down, e, EAR_WAIT_MS))
        fail_msg("the bus does not go down");
}

struct wanted {
    struct ear *ear;
    const char *states;
    uint64_t number;
};

static bool has_states(void *arg) {
    const struct wanted *w = arg;
    pthread_mutex_lock(&w->ear->lock);
    bool has = strncmp(w->ear->states, w->states, strlen(w->states)) == 0;
    pthread_mutex_unlock(&w->ear->lock);
    return has;
}

void ear_wait_states(struct ear *e, const char *states) {
    if (!proc_poll(has_states, &(struct wanted){.ear = e, .states = states}, EAR_WAIT_MS))
        fail_msg("states are %s and not %s", e->states, states);
}

static bool has_rows(void *arg) {
    const struct wanted *w = arg;
    return ear_rows(w->ear) >= w->number;
}

void ear_wait_rows(struct ear *e, uint64_t rows) {
    if (!proc_poll(has_rows, &(struct wanted){.ear = e, .number = rows}, EAR_WAIT_MS))
        fail_msg("only %ju of %ju rows came", (uintmax_t)ear_rows(e), (uintmax_t)rows);
}

static bool is_answered(void *arg) {
    const struct wanted *w = arg;
    pthread_mutex_lock(&w->ear->lock);
    bool is = w->ear->answered >= w->number;
    pthread_mutex_unlock(&w->ear->lock);
    return is;
}

bool ear_barrier(struct ear *e, uint64_t ticket) {
    bus_barrier(e->bus, SHARD, ticket);
    if (!proc_poll(is_answered, &(struct wanted){.ear = e, .number = ticket}, EAR_WAIT_MS))
        fail_msg("barrier %ju is not answered", (uintmax_t)ticket);
    pthread_mutex_lock(&e->lock);
    bool ok = e->good >= ticket;
    pthread_mutex_unlock(&e->lock);
    return ok;
}

void ear_listen(struct ear *e, const char *handle) {
    struct handle h = ear_handle(handle);
    assert_int_equal(bus_subscribe(e->bus, &h), RC_OK);
    pthread_mutex_lock(&e->lock);
    uint64_t ticket = e->answered + 1;
    pthread_mutex_unlock(&e->lock);
    assert_true(ear_barrier(e, ticket));
}

struct frame *ear_frame(uint64_t seq, size_t bytes) {
    struct buf envelope;
    buf_init(&envelope, bytes + 16);
    buf_put(&envelope, STR("{\"a\":\""));
    for (size_t i = 0; i < bytes; i++)
        buf_put_byte(&envelope, 'x');
    buf_put(&envelope, STR("\"}"));
    assert_int_equal(buf_rc(&envelope), RC_OK);
    struct frame *frame = frame_new(&(struct row){.seq = seq,
                                                  .type = ROW_MESSAGE,
                                                  .from = STR("carol"),
                                                  .envelope = buf_str(&envelope),
                                                  .created_at_ms = 1779836777123});
    assert_non_null(frame);
    buf_done(&envelope);
    return frame;
}

void ear_say_bytes(struct ear *e, const char *handle, uint64_t seq, size_t bytes) {
    struct handle h = ear_handle(handle);
    struct frame *frame = ear_frame(seq, bytes);
    bus_publish(e->bus, &h, frame);
    bus_wake(e->bus);
    frame_unref(frame);
}

void ear_say(struct ear *e, const char *handle, uint64_t seq) { ear_say_bytes(e, handle, seq, 1); }

uint64_t ear_rows(struct ear *e) {
    pthread_mutex_lock(&e->lock);
    uint64_t rows = e->rows;
    pthread_mutex_unlock(&e->lock);
    return rows;
}

uint64_t ear_last_seq(struct ear *e) {
    pthread_mutex_lock(&e->lock);
    uint64_t seq = e->last_seq;
    pthread_mutex_unlock(&e->lock);
    return seq;
}
