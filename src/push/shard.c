/* push/shard.c -- ties topics, streams, reads and the sweep into turns.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/shard.h"

#include <stdlib.h>

#include "core/stats.h"
#include "push/state.h"

struct shard *shard_new(unsigned index, const struct push_config *config,
                        const struct push_ops *ops, const struct shard_io *io,
                        const struct shard_owner *owner, const struct clock *clock) {
    struct shard *sh = calloc(1, sizeof *sh);
    if (!sh)
        return NULL;
    *sh = (struct shard){
        .index = index,
        .config = *config,
        .ops = *ops,
        .io = *io,
        .owner = *owner,
        .clock = clock,
        .ticket = 1,
        .bus_is_up = true,
        .sweep = {.phase = SWEEP_IDLE},
    };
    list_init(&sh->joining);
    list_init(&sh->holes);
    list_init(&sh->wants);
    slots_init(&sh->topics, sizeof(struct topic));
    slots_init(&sh->streams, sizeof(struct stream));
    timers_init(&sh->timers);
    if (table_init(&sh->topics_by_handle, 64) != RC_OK) {
        free(sh);
        return NULL;
    }
    shard_begin(sh);
    return sh;
}

void shard_end_streams(struct shard *sh) {
    for (uint32_t i = 0; i < sh->streams.size; i++) {
        struct stream *s = slots_at(&sh->streams, i);
        if (s)
            stream_end(sh, s, END_DRAINED);
    }
}

void shard_free(struct shard *sh) {
    if (!sh)
        return;
    shard_end_streams(sh);
    table_done(&sh->topics_by_handle);
    slots_done(&sh->topics);
    slots_done(&sh->streams);
    timers_done(&sh->timers);
    free(sh->dirty);
    free(sh->looks);
    free(sh);
}

void shard_begin(struct shard *sh) { sh->now_ms = clock_mono_ms(sh->clock); }

void shard_open(struct shard *sh, const struct push_open *open, int fd) {
    stream_open(sh, open, fd);
}

void shard_row(struct shard *sh, const struct handle *to, uint64_t seq, struct frame *frame) {
    struct topic *t = topic_find(sh, to);
    if (t)
        topic_row(sh, t, seq, frame);
}

static void look_at_all_in(struct shard *sh, uint32_t delay_ms) {
    struct timer timer = {sh->now_ms + delay_ms, 0, TIMER_LOOK_AT_ALL};
    if (timers_add(&sh->timers, timer) != RC_OK)
        sweep_start_now(sh);
}

void shard_bus_up(struct shard *sh, bool up) {
    sh->bus_is_up = up;
    sweep_start_now(sh);
    for (size_t i = 0; up && i < 2; i++)
        look_at_all_in(sh, sh->config.look_again_ms[i]);
}

void shard_look_at_all(struct shard *sh) { sweep_start_now(sh); }

static void subscribed(struct shard *sh, struct topic *t) {
    list_remove(&t->joining);
    t->ticket = 0;
    for (size_t i = 0; i < 2; i++) {
        struct timer timer = {sh->now_ms + sh->config.look_again_ms[i], t->id, TIMER_LOOK};
        if (timers_add(&sh->timers, timer) != RC_OK)
            break; /* the sweep comes by */
    }
    for (struct list *l = t->streams.next, *next; l != &t->streams; l = next) {
        next = l->next;
        stream_join(sh, container_of(l, struct stream, of_topic));
    }
}

void shard_barrier_done(struct shard *sh, uint64_t ticket) {
    while (!list_is_empty(&sh->joining)) {
        struct topic *t = container_of(sh->joining.next, struct topic, joining);
        if (t->ticket > ticket)
            break;
        subscribed(sh, t);
    }
}

void shard_heads_done(struct shard *sh, struct push_heads *heads) {
    sweep_heads_done(sh, container_of(heads, struct heads_job, heads));
}

void shard_writable(struct shard *sh, uint64_t id) {
    struct stream *s = slots_get(&sh->streams, id);
    if (s)
        stream_flush(sh, s);
}

void shard_hangup(struct shard *sh, uint64_t id) {
    struct stream *s = slots_get(&sh->streams, id);
    if (s)
        stream_end(sh, s, s->state == STREAM_ENDING ? END_DRAINED : END_HANGUP);
}

void shard_drain(struct shard *sh, uint32_t drain_ms) {
    sh->draining = true;
    sh->drain_started_ms = sh->now_ms;
    sh->drain_ms = drain_ms;
    sh->drain_total = sh->streams.size;
}

/* Streams end at even distances over the first four fifths of the drain time. */
static void drain_some(struct shard *sh) {
    uint64_t passed = sh->now_ms - sh->drain_started_ms;
    uint64_t span = (uint64_t)sh->drain_ms * 4 / 5;
    uint64_t due = passed >= span ? sh->drain_total : sh->drain_total * passed / span;
    for (; sh->drain_place < due; sh->drain_place++) {
        struct stream *s = slots_at(&sh->streams, sh->drain_place);
        if (s)
            stream_drain(sh, s);
    }
}

/* Looks at a tenth of the streams. */
static void walk(struct shard *sh) {
    sh->walk_ms = sh->now_ms;
    uint32_t n = sh->streams.size / WALK_STEPS + 1;
    for (uint32_t i = 0; i < n; i++) {
        if (sh->walk_place >= sh->streams.size)
            sh->walk_place = 0;
        struct stream *s = slots_at(&sh->streams, sh->walk_place++);
        if (s)
            stream_visit(sh, s);
    }
    if (sh->draining)
        drain_some(sh);
}

static void run_timers(struct shard *sh) {
    struct timer due;
    while (timers_pop(&sh->timers, sh->now_ms, &due)) {
        struct topic *t = slots_get(&sh->topics, due.id);
        if (due.kind == TIMER_LOOK_AT_ALL)
            sweep_start_now(sh);
        else if (t && due.kind == TIMER_HOLE)
            topic_hole_due(sh, t);
        else if (t)
            sweep_look(sh, t);
    }
}

static void ask_barrier(struct shard *sh) {
    if (!sh->ticket_used)
        return;
    sh->ticket_used = false;
    sh->ops.barrier(sh->ops.arg, sh->index, sh->ticket++);
}

static void flush_dirty(struct shard *sh) {
    for (size_t i = 0; i < sh->dirty_n; i++) {
        struct stream *s = slots_get(&sh->streams, sh->dirty[i]);
        if (s)
            stream_flush(sh, s);
    }
    sh->dirty_n = 0;
}

void shard_turn(struct shard *sh) {
    ask_barrier(sh);
    run_timers(sh);
    sweep_turn(sh);
    if (sh->now_ms >= sh->walk_ms + WALK_STEP_MS)
        walk(sh);
    flush_dirty(sh);
    reads_pump(sh);
}

uint64_t shard_due_ms(const struct shard *sh) {
    uint64_t due = timers_next_ms(&sh->timers);
    uint64_t sweep = sweep_due_ms(sh);
    uint64_t step = sh->streams.used > 0 ? sh->walk_ms + WALK_STEP_MS : UINT64_MAX;
    uint64_t reads = reads_due_ms(sh);
    due = sweep < due ? sweep : due;
    due = step < due ? step : due;
    return reads < due ? reads : due;
}

uint32_t shard_streams(const struct shard *sh) { return sh->streams.used; }

uint32_t shard_topics(const struct shard *sh) { return sh->topics.used; }
