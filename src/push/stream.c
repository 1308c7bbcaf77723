/* push/stream.c -- one stream: its position, what waits for its socket, and the one door out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/stats.h"
#include "push/state.h"
#include "wire/sse.h"

enum { EVENT_MAX_BYTES = 512 };

static void count_end(enum stream_end why) {
    switch (why) {
    case END_HANGUP:
        stats_add(streams_closed_hangup, 1);
        break;
    case END_STALLED:
        stats_add(streams_closed_stalled, 1);
        break;
    case END_DRAINED:
        stats_add(streams_closed_drained, 1);
        break;
    case END_ERROR:
        stats_add(streams_closed_error, 1);
        break;
    }
    stats_add(streams, -1);
}

static void stream_leave_live(struct stream *s) {
    if (s->state == STREAM_LIVE)
        s->topic->live--;
}

void stream_end(struct shard *sh, struct stream *s, enum stream_end why) {
    struct topic *t = s->topic;
    stream_leave_live(s);
    list_remove(&s->of_topic);
    reads_forget(sh, &s->want);
    sh->io.close(sh->io.arg, s->fd);
    sh->owner.released(sh->owner.arg, &t->handle, s->client);
    count_end(why);
    outbox_free(s->outbox);
    free(s->client_epoch);
    slots_remove(&sh->streams, s->id);
    topic_leave(sh, t);
}

/* Wants a read as soon as all that waits is out. */
static void read_on(struct shard *sh, struct stream *s) {
    if (s->state == STREAM_READING && !s->outbox && !s->is_dirty && !s->is_blocked)
        reads_want(sh, &s->want);
}

/* Sends in the turn's last step, so that the rows of one turn leave in one call. */
static enum rc mark_dirty(struct shard *sh, struct stream *s) {
    if (s->is_dirty || s->is_blocked)
        return RC_OK;
    if (sh->dirty_n == sh->dirty_cap) {
        size_t cap = sh->dirty_cap ? sh->dirty_cap * 2 : 256;
        uint64_t *dirty = realloc(sh->dirty, cap * sizeof *dirty);
        if (!dirty)
            return RC_NO_MEMORY;
        sh->dirty = dirty;
        sh->dirty_cap = cap;
    }
    sh->dirty[sh->dirty_n++] = s->id;
    s->is_dirty = true;
    return RC_OK;
}

static enum rc put(struct shard *sh, struct stream *s, struct frame *frame) {
    /* In this order: an outbox that nobody will flush would hold the stream up for ever. */
    if (mark_dirty(sh, s) != RC_OK)
        return RC_NO_MEMORY;
    if (!s->outbox)
        s->outbox = outbox_new(sh->config.outbox_frames, sh->config.outbox_bytes);
    return s->outbox ? outbox_push(s->outbox, frame) : RC_NO_MEMORY;
}

/* A row in the form that this stream speaks. */
static enum rc put_row(struct shard *sh, struct stream *s, struct frame *row) {
    struct frame *form = s->is_tagged ? frame_tagged(row) : row;
    return form ? put(sh, s, form) : RC_NO_MEMORY;
}

/* An event that is not a row. False: no memory; the stream cannot go on truthfully. */
static bool put_event(struct shard *sh, struct stream *s, uint64_t seq, const struct buf *text) {
    struct frame *f = buf_rc(text) == RC_OK ? frame_of_event(seq, buf_str(text)) : NULL;
    bool done = f && put(sh, s, f) == RC_OK;
    frame_unref(f);
    return done;
}

static bool say_ready(struct shard *sh, struct stream *s, const struct inbox_head *at) {
    struct buf text;
    buf_init(&text, EVENT_MAX_BYTES);
    sse_put_ready(&text, handle_str(&s->topic->handle), s->position, at->first,
                  str_of(at->epoch.text));
    s->is_ready = put_event(sh, s, s->position, &text);
    buf_done(&text);
    return s->is_ready;
}

/* Continuity cannot be shown: says so, and goes on after first - 1. */
static bool say_resync(struct shard *sh, struct stream *s, struct str reason, uint64_t missed,
                       const struct inbox_head *at) {
    struct buf text;
    buf_init(&text, EVENT_MAX_BYTES);
    s->position = at->first - 1;
    sse_put_resync(&text, reason, s->position, missed, str_of(at->epoch.text));
    bool done = put_event(sh, s, s->position, &text);
    buf_done(&text);
    stats_add(stream_resyncs, 1);
    return done;
}

static struct stream *stream_new(struct shard *sh, struct topic *t, const struct push_open *open,
                                 int fd) {
    uint64_t id;
    struct stream *s = slots_add(&sh->streams, &id);
    if (!s)
        return NULL;
    *s = (struct stream){
        .id = id,
        .topic = t,
        .fd = fd,
        .sent_ms = sh->now_ms,
        .state = STREAM_JOINING,
        .from_now = !open->has_after,
        .is_tagged = open->tagged,
        .client = open->client,
        .position = open->has_after ? open->after : 0,
    };
    list_init(&s->of_topic);
    list_init(&s->want.link);
    if (open->has_epoch) {
        s->client_epoch = malloc(sizeof *s->client_epoch);
        if (s->client_epoch)
            *s->client_epoch = open->epoch;
    }
    bool whole = !open->has_epoch || s->client_epoch;
    if (!whole || sh->io.add(sh->io.arg, fd, id) < 0) {
        free(s->client_epoch);
        slots_remove(&sh->streams, id);
        return NULL;
    }
    return s;
}

void stream_open(struct shard *sh, const struct push_open *open, int fd) {
    struct topic *t = topic_enter(sh, &open->user);
    struct stream *s = t ? stream_new(sh, t, open, fd) : NULL;
    if (!s) {
        sh->io.close(sh->io.arg, fd);
        sh->owner.released(sh->owner.arg, &open->user.handle, open->client);
        stats_add(streams_closed_error, 1);
        if (t)
            topic_leave(sh, t);
        return;
    }
    list_add(&t->streams, &s->of_topic);
    stats_add(streams, 1);
    stats_add(streams_opened, 1);
    if (sh->draining)
        stream_drain(sh, s);
    else if (t->ticket == 0)
        stream_join(sh, s);
}

void stream_join(struct shard *sh, struct stream *s) {
    if (s->state != STREAM_JOINING)
        return;
    s->state = STREAM_READING;
    read_on(sh, s);
}

void stream_row(struct shard *sh, struct stream *s, struct frame *frame) {
    if (put_row(sh, s, frame) == RC_OK)
        s->position = frame->seq;
    else
        stream_kick(sh, s);
}

/* Rows that have not been begun are forgotten; the position goes back to before them. */
static void drop_rows(struct stream *s) {
    uint64_t dropped = s->outbox ? outbox_drop_rows(s->outbox) : 0;
    if (dropped)
        s->position = dropped - 1;
    if (s->outbox && outbox_is_empty(s->outbox)) {
        outbox_free(s->outbox);
        s->outbox = NULL;
    }
}

void stream_kick(struct shard *sh, struct stream *s) {
    if (s->state != STREAM_LIVE)
        return;
    stream_leave_live(s);
    s->state = STREAM_READING;
    drop_rows(s);
    stats_add(stream_fallbacks, 1);
    read_on(sh, s);
}

/* Tells the client when what it holds does not lead to what the store holds. False: no memory. */
static bool check_continuity(struct shard *sh, struct stream *s, const struct inbox_head *at) {
    const struct epoch *held = s->client_epoch;
    bool first_read = s->epoch_no == 0;
    bool other_epoch = first_read ? held && strcmp(held->text, at->epoch.text) != 0
                                  : s->epoch_no != s->topic->epoch_no;
    if (first_read && s->from_now)
        s->position = at->head;
    s->epoch_no = s->topic->epoch_no;
    s->from_now = false;
    free(s->client_epoch);
    s->client_epoch = NULL;

    if (other_epoch)
        return say_resync(sh, s, STR("epoch"), 0, at);
    if (s->position > at->head)
        return say_resync(sh, s, STR("ahead"), 0, at);
    if (s->position + 1 < at->first)
        return say_resync(sh, s, STR("trimmed"), at->first - 1 - s->position, at);
    return true;
}

/* Takes the rows that follow its position, as many as fit; the topic hears of all of them. */
static enum rc take_rows(struct shard *sh, struct stream *s, const struct page *page) {
    enum rc rc = RC_OK;
    for (size_t i = 0; i < page->n; i++) {
        struct frame *row = page->rows[i];
        if (rc == RC_OK && row->seq == s->position + 1) {
            rc = put_row(sh, s, row);
            if (rc == RC_OK)
                s->position = row->seq;
        }
        topic_row(sh, s->topic, row->seq, row);
    }
    return rc == RC_FULL ? RC_OK : rc;
}

/* At the head of its page: the rows that passed by while the page was on its way follow from
 * memory, and the stream is live. If not all of them are there, it reads on. */
static void catch_up(struct shard *sh, struct stream *s, const struct inbox_head *at) {
    struct topic *t = s->topic;
    struct frame *row;
    if (!topic_leads_on(t, s->position)) {
        read_on(sh, s);
        return;
    }
    if (!s->is_ready && !say_ready(sh, s, at)) {
        stream_end(sh, s, END_ERROR);
        return;
    }
    while ((row = recent_get(&t->recent, s->position + 1)) && put_row(sh, s, row) == RC_OK)
        s->position = row->seq;
    if (s->position < t->cursor.at) {
        read_on(sh, s);
        return;
    }
    s->state = STREAM_LIVE;
    topic_went_live(sh, t, s->position);
}

void stream_page(struct shard *sh, struct stream *s, struct read_job *job) {
    const struct page *page = &job->read.page;
    if (s->state != STREAM_READING)
        return;
    if (job->read.rc == RC_NOT_FOUND) { /* the handle was given up */
        stream_end(sh, s, END_DRAINED);
        return;
    }
    if (!topic_observe(sh, s->topic, &page->at, &job->note)) {
        read_on(sh, s);
        return;
    }
    bool starts_here = s->from_now;
    if (!check_continuity(sh, s, &page->at) || take_rows(sh, s, page) != RC_OK) {
        stream_end(sh, s, END_ERROR);
        return;
    }
    /* A stream without a cursor has nothing to catch up with, and must name its start before any
     * row. */
    if (starts_here && s->position == page->at.head && !say_ready(sh, s, &page->at)) {
        stream_end(sh, s, END_ERROR);
        return;
    }
    if (s->position >= page->at.head)
        catch_up(sh, s, &page->at);
    else
        read_on(sh, s);
}

static void set_blocked(struct shard *sh, struct stream *s, bool blocked) {
    if (s->is_blocked == blocked)
        return;
    s->is_blocked = blocked;
    sh->io.want_write(sh->io.arg, s->fd, s->id, blocked);
}

/* 1: all is out, 0: the socket is full, -1: broken. */
static int send_waiting(struct shard *sh, struct stream *s) {
    struct iovec parts[SEND_FRAMES_MAX];
    while (s->outbox && !outbox_is_empty(s->outbox)) {
        int n = outbox_peek(s->outbox, parts, SEND_FRAMES_MAX);
        size_t whole = 0;
        for (int i = 0; i < n; i++)
            whole += parts[i].iov_len;
        ssize_t sent = sh->io.send(sh->io.arg, s->fd, parts, n);
        if (sent < 0)
            return -1;
        if (sent == 0)
            return 0;
        s->sent_ms = sh->now_ms;
        stats_add(frames_delivered, outbox_sent(s->outbox, (size_t)sent));
        if ((size_t)sent < whole)
            return 0;
    }
    outbox_free(s->outbox);
    s->outbox = NULL;
    return 1;
}

/* The socket is full: a live stream with rows waiting goes on when it drains. */
static void fall_back(struct shard *sh, struct stream *s) {
    set_blocked(sh, s, true);
    s->untaken = sh->io.untaken(sh->io.arg, s->fd);
    stream_kick(sh, s);
}

void stream_flush(struct shard *sh, struct stream *s) {
    s->is_dirty = false;
    int all_out = send_waiting(sh, s);
    if (all_out < 0) {
        stream_end(sh, s, END_HANGUP);
        return;
    }
    if (all_out == 0) {
        fall_back(sh, s);
        return;
    }
    set_blocked(sh, s, false);
    if (s->state == STREAM_ENDING && !s->is_finished) {
        s->is_finished = true;
        s->sent_ms = sh->now_ms;
        sh->io.finish(sh->io.arg, s->fd);
    }
    read_on(sh, s);
}

/* What a client waits before it comes back: the configured time, half to one and a half times. */
static uint32_t jittered(const struct shard *sh, const struct stream *s) {
    uint32_t base = sh->config.drain_retry_ms;
    uint64_t spread = (s->id * 2654435761u) >> 7;
    return base / 2 + (uint32_t)(spread % (base + 1));
}

void stream_drain(struct shard *sh, struct stream *s) {
    struct buf text;
    if (s->state == STREAM_ENDING)
        return;
    stream_leave_live(s);
    drop_rows(s);
    reads_forget(sh, &s->want);
    s->state = STREAM_ENDING;
    s->sent_ms = sh->now_ms;
    buf_init(&text, EVENT_MAX_BYTES);
    sse_put_drain(&text, jittered(sh, s));
    if (!put_event(sh, s, s->position, &text))
        stream_end(sh, s, END_DRAINED);
    buf_done(&text);
}

static uint32_t silence_allowed_ms(const struct shard *sh, const struct stream *s) {
    uint32_t spread = sh->config.keep_alive_spread_ms;
    if (spread > sh->config.keep_alive_ms)
        spread = sh->config.keep_alive_ms;
    /* Visits are a walk apart, so the earlier half of the spread is aimed at. */
    uint32_t step = (uint32_t)((s->id * 2654435761u) >> 7) % (spread + 1);
    return sh->config.keep_alive_ms - spread + step;
}

/* The socket is full, but its client may still be taking what is in it. */
static bool is_taking(struct shard *sh, struct stream *s) {
    int64_t before = s->untaken;
    s->untaken = sh->io.untaken(sh->io.arg, s->fd);
    return s->untaken < before || s->untaken == 0;
}

void stream_visit(struct shard *sh, struct stream *s) {
    uint64_t silence = sh->now_ms - s->sent_ms;
    if (s->state == STREAM_ENDING) {
        if (silence >= ENDING_MS)
            stream_end(sh, s, END_DRAINED);
        return;
    }
    if (s->is_blocked) {
        if (is_taking(sh, s)) {
            s->sent_ms = sh->now_ms;
            if (s->untaken == 0) /* and nobody has said that there is room */
                stream_flush(sh, s);
        } else if (silence >= sh->config.stall_ms) {
            stream_end(sh, s, END_STALLED);
        }
        return;
    }
    if (silence < silence_allowed_ms(sh, s) || s->outbox)
        return;
    struct frame *f = frame_of_event(s->position, sse_keep_alive());
    enum rc rc = f ? put(sh, s, f) : RC_NO_MEMORY;
    (void)rc; /* without memory the next visit tries again */
    frame_unref(f);
}
