/* tests/sim/inside.c -- no stream is forgotten, none is live behind its topic, memory is bounded.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/inside.h"

#include <inttypes.h>

#include "push/state.h"

enum { PARTS_MAX = 512, EVENT_BYTES = 512 };

bool inside_is_of_sweep(const struct push_heads *heads) {
    uintptr_t job = (uintptr_t)heads - offsetof(struct heads_job, heads);
    return ((const struct heads_job *)job)->of_sweep;
}

#define fail_inside(seat, ...) world_fail((seat)->w, -1, "inside: " __VA_ARGS__)

/* Somebody will come back to this stream. */
static bool is_looked_after(const struct stream *s) {
    switch (s->state) {
    case STREAM_JOINING:
        return s->topic->ticket != 0;
    case STREAM_READING:
        return s->want.state != WANT_NONE || s->is_blocked;
    case STREAM_LIVE:
        return s->want.state == WANT_NONE && (!s->outbox || s->is_blocked);
    case STREAM_ENDING:
        return true;
    }
    return false;
}

static void check_outbox(struct seat *seat, const struct stream *s) {
    struct iovec parts[PARTS_MAX];
    const struct push_config *config = &seat->w->config;
    size_t bytes = 0, largest = 0;
    int n = s->outbox ? outbox_peek(s->outbox, parts, PARTS_MAX) : 0;
    for (int i = 0; i < n; i++) {
        bytes += parts[i].iov_len;
        if (parts[i].iov_len > largest)
            largest = parts[i].iov_len;
    }
    if (n > (int)config->outbox_frames + OUTBOX_EVENTS ||
        bytes > config->outbox_bytes + largest + OUTBOX_EVENTS * EVENT_BYTES)
        fail_inside(seat, "an outbox of %d frames and %zu bytes", n, bytes);
}

static void check_stream(struct seat *seat, const struct stream *s) {
    const struct topic *t = s->topic;
    if (!is_looked_after(s))
        fail_inside(seat, "nobody looks after the stream of descriptor %d in state %d", s->fd,
                    (int)s->state);
    if (s->state == STREAM_LIVE && s->position < t->cursor.at)
        fail_inside(seat, "a stream is live at %" PRIu64 ", its topic at %" PRIu64, s->position,
                    t->cursor.at);
    check_outbox(seat, s);
}

static void check_topic(struct seat *seat, const struct topic *t) {
    const struct push_config *config = &seat->w->config;
    uint32_t live = 0, reading = 0;
    for (const struct list *l = t->streams.next; l != &t->streams; l = l->next) {
        uintptr_t link = (uintptr_t)l - offsetof(struct stream, of_topic);
        const struct stream *s = (const struct stream *)link;
        live += s->state == STREAM_LIVE;
        reading += s->want.state != WANT_NONE;
    }
    if (live != t->live || reading != t->reading)
        fail_inside(seat, "a topic counts %u live and %u reading, it has %u and %u", t->live,
                    t->reading, live, reading);
    if (list_is_empty(&t->streams))
        fail_inside(seat, "a topic without streams is still there (%s)", t->handle.text);
    if (t->cursor.held_n > config->early_frames ||
        recent_count(&t->recent) > config->early_frames ||
        recent_bytes(&t->recent) > config->outbox_bytes + 4096)
        fail_inside(seat, "a topic holds %u early and %u recent rows", t->cursor.held_n,
                    recent_count(&t->recent));
    if (t->reading == 0 && t->recent.rows)
        fail_inside(seat, "a topic keeps recent rows for nobody (%s)", t->handle.text);
    if (t->live > 0 && cursor_is_behind(&t->cursor) && !t->hole_armed &&
        t->want.state == WANT_NONE && !seat->w->knobs.alloc_fails)
        fail_inside(seat, "a topic is at %" PRIu64 ", heard of %" PRIu64 " and does nothing",
                    t->cursor.at, t->cursor.heard);
}

void inside_check(struct seat *seat) {
    const struct shard *sh = seat->shard;
    for (uint32_t i = 0; i < sh->streams.size; i++) {
        const struct stream *s = slots_at(&sh->streams, i);
        if (s)
            check_stream(seat, s);
    }
    for (uint32_t i = 0; i < sh->topics.size; i++) {
        const struct topic *t = slots_at(&sh->topics, i);
        if (t)
            check_topic(seat, t);
    }
}
