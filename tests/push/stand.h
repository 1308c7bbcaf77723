/* tests/push/stand.h -- a shard on a test stand: a clock that is set, a store that answers when
 * told to, and sockets that take what they are allowed to.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_STAND_H
#define PUSH_STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "push/shard.h"

enum { STAND_SOCKETS = 1100, STAND_ASKED = 80, STAND_TEXT = 8192 };

struct stand_socket {
    char text[STAND_TEXT]; /* what was sent */
    size_t n, room;
    uint64_t id;
    int64_t untaken;
    unsigned sends;
    bool wants_write, is_finished, is_closed, is_broken;
};

struct stand {
    uint64_t now_ms;
    struct clock clock;
    struct push_config config;
    struct shard *sh;
    struct push_read *reads[STAND_ASKED]; /* in order, until answered */
    struct push_heads *heads[STAND_ASKED];
    size_t reads_n, heads_n;
    enum rc refusal; /* what the store says to questions */
    unsigned subscribed, unsubscribed, released;
    uint64_t ticket; /* of the last barrier asked for */
    struct stand_socket sockets[STAND_SOCKETS];
};

static inline uint64_t stand_mono_us(void *arg) { return ((struct stand *)arg)->now_ms * 1000; }

static inline int64_t stand_wall_ms(void *arg) { return (int64_t)((struct stand *)arg)->now_ms; }

static inline enum rc stand_read(void *arg, struct push_read *read) {
    struct stand *st = arg;
    if (st->refusal != RC_OK)
        return st->refusal;
    assert_true(st->reads_n < STAND_ASKED);
    st->reads[st->reads_n++] = read;
    return RC_OK;
}

static inline enum rc stand_ask_heads(void *arg, struct push_heads *heads) {
    struct stand *st = arg;
    if (st->refusal != RC_OK)
        return st->refusal;
    assert_true(st->heads_n < STAND_ASKED);
    st->heads[st->heads_n++] = heads;
    return RC_OK;
}

static inline enum rc stand_subscribe(void *arg, const struct handle *h) {
    (void)h;
    ((struct stand *)arg)->subscribed++;
    return RC_OK;
}

static inline void stand_unsubscribe(void *arg, const struct handle *h) {
    (void)h;
    ((struct stand *)arg)->unsubscribed++;
}

static inline void stand_barrier(void *arg, unsigned shard, uint64_t ticket) {
    struct stand *st = arg;
    assert_int_equal(shard, 0);
    assert_true(ticket > st->ticket);
    st->ticket = ticket;
}

static inline ssize_t stand_send(void *arg, int fd, struct iovec *iov, int n) {
    struct stand_socket *s = &((struct stand *)arg)->sockets[fd];
    size_t before = s->n;
    assert_false(s->is_closed || s->is_finished);
    s->sends++;
    for (int i = 0; i < n && !s->is_broken; i++) {
        size_t some = iov[i].iov_len < s->room ? iov[i].iov_len : s->room;
        assert_true(s->n + some < STAND_TEXT);
        memcpy(s->text + s->n, iov[i].iov_base, some);
        s->n += some;
        s->room -= some;
    }
    return s->is_broken ? -1 : (ssize_t)(s->n - before);
}

static inline int stand_add(void *arg, int fd, uint64_t id) {
    ((struct stand *)arg)->sockets[fd].id = id;
    return 0;
}

static inline void stand_want_write(void *arg, int fd, uint64_t id, bool on) {
    struct stand_socket *s = &((struct stand *)arg)->sockets[fd];
    assert_int_equal(id, s->id);
    s->wants_write = on;
}

static inline int64_t stand_untaken(void *arg, int fd) {
    return ((struct stand *)arg)->sockets[fd].untaken;
}

static inline void stand_finish(void *arg, int fd) {
    ((struct stand *)arg)->sockets[fd].is_finished = true;
}

static inline void stand_close(void *arg, int fd) {
    struct stand_socket *s = &((struct stand *)arg)->sockets[fd];
    assert_false(s->is_closed);
    s->is_closed = true;
}

static inline void stand_released(void *arg, const struct handle *h, uint64_t client) {
    (void)h, (void)client;
    ((struct stand *)arg)->released++;
}

static inline void stand_init(struct stand *st) {
    memset(st, 0, sizeof *st); /* too large for a literal */
    st->now_ms = 100000;
    st->refusal = RC_OK;
    st->clock = (struct clock){stand_mono_us, stand_wall_ms, st};
    st->config = (struct push_config){.shards = 1,
                                      .outbox_frames = 4,
                                      .outbox_bytes = 4096,
                                      .early_frames = 4,
                                      .page_rows = 4,
                                      .page_bytes = 4096,
                                      .hole_wait_ms = 20,
                                      .look_again_ms = {250, 2000},
                                      .sweep_up_ms = 5000,
                                      .sweep_down_ms = 500,
                                      .sweep_heads_per_s = 20000,
                                      .keep_alive_ms = 15000,
                                      .keep_alive_spread_ms = 2000,
                                      .stall_ms = 60000,
                                      .drain_retry_ms = 3000};
    const struct push_ops ops = {
        st, stand_read, stand_ask_heads, stand_subscribe, stand_unsubscribe, stand_barrier};
    const struct shard_io io = {
        st, stand_send, stand_add, stand_want_write, stand_untaken, stand_finish, stand_close};
    const struct shard_owner owner = {st, stand_released};
    for (int fd = 0; fd < STAND_SOCKETS; fd++)
        st->sockets[fd].room = STAND_TEXT;
    st->sh = shard_new(0, &st->config, &ops, &io, &owner, &st->clock);
    assert_non_null(st->sh);
}

/* A turn after `ms`. */
static inline void stand_pass(struct stand *st, uint64_t ms) {
    st->now_ms += ms;
    shard_begin(st->sh);
    shard_turn(st->sh);
}

/* Turns whenever the shard asks for one, for `ms`. Questions about heads are not answered. */
static inline void stand_wait(struct stand *st, uint64_t ms) {
    uint64_t end_ms = st->now_ms + ms, due_ms;
    while ((due_ms = shard_due_ms(st->sh)) <= end_ms)
        stand_pass(st, due_ms > st->now_ms ? due_ms - st->now_ms : 0);
    stand_pass(st, end_ms - st->now_ms);
}

static inline struct frame *stand_row(uint64_t seq, const char *epoch) {
    char envelope[32];
    struct epoch of = {""};
    int n = snprintf(envelope, sizeof envelope, "{\"n\":%d}", (int)seq);
    struct row row = {.seq = seq, .envelope = {envelope, (size_t)n}, .created_at_ms = 0};
    struct frame *f = frame_new(&row);
    assert_non_null(f);
    (void)snprintf(of.text, sizeof of.text, "%s", epoch);
    f->epoch_tag = epoch_tag(&of);
    return f;
}

/* What a stream sends for this row. */
static inline const char *stand_text_of(uint64_t seq) {
    static char text[200];
    struct frame *f = stand_row(seq, "");
    (void)snprintf(text, sizeof text, "%.*s", (int)f->n, f->bytes);
    frame_unref(f);
    return text;
}

/* A live row of alice comes by. */
static inline void stand_hear(struct stand *st, uint64_t seq, const char *epoch) {
    struct frame *f = stand_row(seq, epoch);
    shard_begin(st->sh);
    shard_row(st->sh, &(struct handle){"alice"}, seq, f);
    frame_unref(f);
    shard_turn(st->sh);
}

/* Answers the oldest read from an inbox that holds the rows first..head of this epoch. */
static inline void stand_answer(struct stand *st, uint64_t first, uint64_t head,
                                const char *epoch) {
    assert_true(st->reads_n > 0);
    struct push_read *read = st->reads[0];
    memmove(st->reads, st->reads + 1, --st->reads_n * sizeof *st->reads);
    read->rc = RC_OK;
    read->page.at.head = head;
    read->page.at.first = first;
    (void)snprintf(read->page.at.epoch.text, EPOCH_MAX, "%s", epoch);
    uint64_t seq = read->after == UINT64_MAX || read->after >= head ? head : read->after;
    for (seq = seq + 1 > first ? seq + 1 : first; seq <= head && read->page.n < read->limit; seq++)
        assert_int_equal(page_add_take(&read->page, stand_row(seq, epoch)), RC_OK);
    shard_begin(st->sh);
    shard_read_done(st->sh, read);
    shard_turn(st->sh);
}

static inline void stand_fail_read(struct stand *st, enum rc rc) {
    assert_true(st->reads_n > 0);
    struct push_read *read = st->reads[0];
    memmove(st->reads, st->reads + 1, --st->reads_n * sizeof *st->reads);
    read->rc = rc;
    shard_begin(st->sh);
    shard_read_done(st->sh, read);
    shard_turn(st->sh);
}

/* Answers all questions about heads: every inbox has this one. */
static inline void stand_answer_heads(struct stand *st, uint64_t first, uint64_t head,
                                      const char *epoch) {
    for (size_t n = st->heads_n; n > 0; n--) {
        struct push_heads *heads = st->heads[0];
        memmove(st->heads, st->heads + 1, --st->heads_n * sizeof *st->heads);
        heads->rc = RC_OK;
        for (size_t i = 0; i < heads->n; i++) {
            heads->heads[i] = (struct inbox_head){.head = head, .first = first};
            (void)snprintf(heads->heads[i].epoch.text, EPOCH_MAX, "%s", epoch);
        }
        shard_begin(st->sh);
        shard_heads_done(st->sh, heads);
        shard_turn(st->sh);
    }
}

static inline struct push_open stand_after(uint64_t after) {
    return (struct push_open){
        .user = {.handle = {"alice"}, .inbox = 7}, .has_after = true, .after = after};
}

static inline void stand_open(struct stand *st, const struct push_open *open, int fd) {
    shard_begin(st->sh);
    shard_open(st->sh, open, fd);
    shard_turn(st->sh);
}

/* A stream on this descriptor, of plain rows or tagged events, that is live at `head` of the inbox
 * (1..head, epoch e1). */
static inline void stand_open_live_as(struct stand *st, int fd, uint64_t head, bool tagged) {
    struct push_open open = stand_after(head);
    open.tagged = tagged;
    stand_open(st, &open, fd);
    shard_barrier_done(st->sh, st->ticket);
    stand_pass(st, 0);
    stand_answer(st, 1, head, "e1");
    assert_non_null(strstr(st->sockets[fd].text, "event: ready\n"));
    st->sockets[fd].n = 0;
    memset(st->sockets[fd].text, 0, STAND_TEXT);
}

static inline void stand_open_live(struct stand *st, int fd, uint64_t head) {
    stand_open_live_as(st, fd, head, false);
}

/* Gives outstanding questions back and frees the shard. */
static inline void stand_done(struct stand *st) {
    st->refusal = RC_UNAVAILABLE;
    while (st->reads_n > 0)
        stand_fail_read(st, RC_UNAVAILABLE);
    for (; st->heads_n > 0; st->heads_n--) {
        st->heads[st->heads_n - 1]->rc = RC_UNAVAILABLE;
        shard_heads_done(st->sh, st->heads[st->heads_n - 1]);
    }
    shard_free(st->sh);
}

/* What the stream was sent since the last look. */
static inline void stand_expect(struct stand *st, int fd, const char *text) {
    struct stand_socket *s = &st->sockets[fd];
    s->text[s->n] = '\0';
    assert_string_equal(s->text, text);
    s->room += s->n;
    s->n = 0;
}

#endif
