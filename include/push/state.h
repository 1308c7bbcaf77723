/* push/state.h -- what a shard is made of; for the files of push/ alone.
 *
 * shard.c ties, topic.c holds the rules of a handle, stream.c those of a stream, reads.c and
 * sweep.c what is asked of the store.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PUSH_STATE_H
#define PUSH_STATE_H

#include "base/list.h"
#include "base/table.h"
#include "core/cursor.h"
#include "core/outbox.h"
#include "core/recent.h"
#include "core/timers.h"
#include "push/shard.h"
#include "push/slots.h"

/* Somebody who wants to read from the store: a topic (its hole) or a stream (its backlog). */
enum want_state { WANT_NONE, WANT_QUEUED, WANT_READING };
struct want {
    struct list link; /* in shard.holes or shard.wants while WANT_QUEUED */
    enum want_state state;
    bool of_topic;
};

/* One handle with at least one stream here. */
struct topic {
    struct table_node node; /* in shard.topics_by_handle */
    uint64_t id;            /* in shard.topics */
    struct handle handle;
    uint64_t epoch_tag; /* 0 until the first read */
    uint32_t epoch_no;  /* rises when the epoch changes; a stream notes that of its position */
    uint32_t live;      /* streams on the live path */
    uint32_t reading;   /* streams that wait for a page */
    uint64_t inbox;
    struct cursor cursor;
    struct recent recent; /* rows that passed by while a stream waits for a page */
    struct list streams;
    struct list joining; /* in shard.joining until the barrier */
    struct want want;
    uint64_t ticket; /* of the barrier it waits for; 0 when subscribed */
    uint64_t active_ms;
    bool hole_armed;  /* a HOLE timer is under way */
    bool look_wanted; /* in shard.looks */
};

/* What a topic knew when a question about it was sent to the store. */
struct topic_note {
    uint64_t cursor_at, heard;
    uint32_t epoch_no;
};

enum stream_state {
    STREAM_JOINING, /* waits for the barrier of its topic */
    STREAM_READING, /* is brought up to the head from the store */
    STREAM_LIVE,    /* gets rows as they come */
    STREAM_ENDING,  /* only what is in the outbox goes out, then the end */
};

enum stream_end { END_HANGUP, END_STALLED, END_DRAINED, END_ERROR };

struct stream {
    uint64_t id; /* in shard.streams */
    struct topic *topic;
    struct list of_topic;
    struct want want;
    struct outbox *outbox; /* NULL while nothing waits */
    uint64_t client;       /* whose reservation it holds */
    uint64_t position;     /* the last seq sent, or in the outbox */
    uint64_t sent_ms;      /* when the socket last took a byte */
    uint32_t epoch_no;     /* the topic's, when the position was taken; 0 before the first read */
    int64_t untaken;       /* bytes that the client had not taken when last looked at, if blocked */
    int fd;
    enum stream_state state;
    bool is_ready : 1;          /* `ready` was said */
    bool is_blocked : 1;        /* the socket is full */
    bool is_dirty : 1;          /* in shard.dirty */
    bool from_now : 1;          /* no cursor was given: starts at the head of the first read */
    bool is_tagged : 1;         /* rows go out as tagged events */
    bool is_finished : 1;       /* ENDING: the end was sent */
    struct epoch *client_epoch; /* what the client holds, until the first read; NULL: not said */
};

/* A read under way. */
struct read_job {
    struct push_read read;
    uint64_t owner; /* id of the topic or stream */
    bool of_topic;
    uint64_t topic;
    struct topic_note note;
};

/* Heads under way. */
struct heads_job {
    struct push_heads heads;
    bool of_sweep;
    uint64_t *topics; /* heads.n of each */
    struct topic_note *notes;
};

enum sweep_phase { SWEEP_ACTIVE, SWEEP_REST, SWEEP_IDLE };
struct sweep {
    enum sweep_phase phase;
    uint32_t place;      /* next in shard.topics */
    uint64_t started_ms; /* this pass */
    uint64_t next_ms;    /* the next chunk, or the next pass when idle */
    bool is_out;         /* a chunk is under way */
    bool again;          /* start over when this pass is through */
};

enum timer_kind { TIMER_HOLE, TIMER_LOOK, TIMER_LOOK_AT_ALL };

struct shard {
    unsigned index;
    struct push_config config;
    struct push_ops ops;
    struct shard_io io;
    struct shard_owner owner;
    const struct clock *clock;
    uint64_t now_ms;

    struct table topics_by_handle;
    struct slots topics, streams;
    struct timers timers;

    struct list joining; /* topics that wait for a barrier, tickets rising */
    uint64_t ticket;     /* of the subscriptions of this turn */
    bool ticket_used;

    struct list holes, wants; /* of topics, of streams: a hole keeps many waiting, and goes first */
    uint32_t reads_out;
    uint64_t reads_paused_until_ms;

    uint64_t *dirty; /* ids of streams with frames to send */
    size_t dirty_n, dirty_cap;

    uint64_t *looks; /* ids of topics whose head is to be looked at */
    size_t looks_n, looks_cap;
    struct sweep sweep;
    bool bus_is_up;

    uint32_t walk_place;
    uint64_t walk_ms;

    bool draining;
    uint64_t drain_started_ms;
    uint32_t drain_ms, drain_total, drain_begun;
    uint32_t drain_place;
};

enum {
    READS_OUT_MAX = 64,  /* reads of one shard under way */
    READ_RETRY_MS = 200, /* after the store refused one */
    WALK_STEP_MS = 100,  /* a tenth of the streams is looked at */
    WALK_STEPS = 10,
    ENDING_MS = 1000,     /* an ended stream waits this long for the client to hang up */
    SEND_FRAMES_MAX = 64, /* frames in one send */
    ACTIVE_MS = 60000,    /* a topic with a row in this time is swept first */
};

/* topic.c */
struct topic *topic_find(struct shard *sh, const struct handle *h);
/* Finds or makes the topic of this user; subscribes. NULL: no memory, or the bus refused. */
struct topic *topic_enter(struct shard *sh, const struct user *user);
/* Drops the topic when its last stream is gone. */
void topic_leave(struct shard *sh, struct topic *t);
void topic_row(struct shard *sh, struct topic *t, uint64_t seq, struct frame *frame);
struct topic_note topic_note(const struct topic *t);
/* A head was read that was asked for when the topic knew what `note` says. False: the epoch has
 * changed since, and the answer may be of before; nothing was done, the question is open. */
bool topic_observe(struct shard *sh, struct topic *t, const struct inbox_head *at,
                   const struct topic_note *note);
void topic_page(struct shard *sh, struct topic *t, const struct read_job *job);
/* The inbox is not there any more: every stream finds out by its own read. */
void topic_gone(struct shard *sh, struct topic *t);
/* A live stream is needed to hear of every row: the cursor waits for it from here on. */
void topic_went_live(struct shard *sh, struct topic *t, uint64_t position);
/* Whether a stream at `position` can be brought up to the cursor without the store. */
bool topic_leads_on(const struct topic *t, uint64_t position);
void topic_hole_due(struct shard *sh, struct topic *t);

/* stream.c */
void stream_open(struct shard *sh, const struct push_open *open, int fd);
void stream_end(struct shard *sh, struct stream *s, enum stream_end why);
/* A live stream gets the next row; may leave the live path. */
void stream_row(struct shard *sh, struct stream *s, struct frame *frame);
/* Leaves the live path: drops the rows that wait, reads on when the rest is out. */
void stream_kick(struct shard *sh, struct stream *s);
/* Its topic is subscribed. */
void stream_join(struct shard *sh, struct stream *s);
void stream_page(struct shard *sh, struct stream *s, struct read_job *job);
/* Sends what waits; may end the stream. */
void stream_flush(struct shard *sh, struct stream *s);
void stream_drain(struct shard *sh, struct stream *s);
/* Looks whether it must be kept awake, or has stalled. */
void stream_visit(struct shard *sh, struct stream *s);

/* reads.c */
void reads_want(struct shard *sh, struct want *w);
void reads_forget(struct shard *sh, struct want *w);
void reads_pump(struct shard *sh);
/* UINT64_MAX: nobody waits, or an answer must come first. */
uint64_t reads_due_ms(const struct shard *sh);

/* sweep.c */
void sweep_start_now(struct shard *sh);
void sweep_look(struct shard *sh, struct topic *t);
void sweep_turn(struct shard *sh);
uint64_t sweep_due_ms(const struct shard *sh);
void sweep_heads_done(struct shard *sh, struct heads_job *job);

#endif
