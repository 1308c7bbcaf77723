/* push/topic.c -- the rules of one handle on this node: its subscription, its cursor, its streams.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/hash.h"
#include "core/stats.h"
#include "push/state.h"

static bool same_handle(const struct table_node *node, const void *key) {
    return handle_eq(&container_of(node, struct topic, node)->handle, key);
}

struct topic *topic_find(struct shard *sh, const struct handle *h) {
    struct table_node *node =
        table_find(&sh->topics_by_handle, hash_str(handle_str(h)), same_handle, h);
    return node ? container_of(node, struct topic, node) : NULL;
}

static struct stream *stream_of(struct list *link) {
    return container_of(link, struct stream, of_topic);
}

static void kick_all(struct shard *sh, struct topic *t) {
    for (struct list *l = t->streams.next; l != &t->streams; l = l->next)
        stream_kick(sh, stream_of(l));
}

/* The handle was given up and made anew, perhaps by another: who streams by the old right must
 * show the new one. The topic goes with its last stream. */
static void evict(struct shard *sh, struct topic *t) {
    for (bool last = false; !last;) {
        struct stream *s = stream_of(t->streams.next);
        last = s->of_topic.next == &t->streams;
        stream_end(sh, s, END_DRAINED);
    }
}

static struct topic *topic_new(struct shard *sh, const struct user *user) {
    uint64_t id;
    struct topic *t = slots_add(&sh->topics, &id);
    if (!t)
        return NULL;
    t->id = id;
    t->handle = user->handle;
    t->inbox = user->inbox;
    t->epoch_no = 1;
    t->active_ms = sh->now_ms;
    t->want.of_topic = true;
    list_init(&t->want.link);
    list_init(&t->streams);
    list_init(&t->joining);
    cursor_init(&t->cursor, 0);
    recent_init(&t->recent);
    if (sh->ops.subscribe(sh->ops.arg, &t->handle) != RC_OK) {
        slots_remove(&sh->topics, id);
        return NULL;
    }
    return t;
}

struct topic *topic_enter(struct shard *sh, const struct user *user) {
    struct topic *t = topic_find(sh, &user->handle);
    if (t && t->inbox == user->inbox)
        return t;
    if (t)
        evict(sh, t);
    t = topic_new(sh, user);
    if (!t)
        return NULL;
    table_add(&sh->topics_by_handle, hash_str(handle_str(&t->handle)), &t->node);
    t->ticket = sh->ticket;
    sh->ticket_used = true;
    list_add(&sh->joining, &t->joining);
    stats_add(handles_subscribed, 1);
    return t;
}

void topic_leave(struct shard *sh, struct topic *t) {
    if (!list_is_empty(&t->streams))
        return;
    sh->ops.unsubscribe(sh->ops.arg, &t->handle);
    table_remove(&sh->topics_by_handle, &t->node);
    list_remove(&t->joining);
    reads_forget(sh, &t->want);
    cursor_done(&t->cursor);
    recent_clear(&t->recent);
    slots_remove(&sh->topics, t->id);
    stats_add(handles_subscribed, -1);
}

static void observe_lag(struct shard *sh, const struct frame *frame) {
    int64_t lag_ms = clock_wall_ms(sh->clock) - frame->created_at_ms;
    stats_observe_us(STATS_commit_to_delivery_seconds, lag_ms > 0 ? (uint64_t)lag_ms * 1000 : 0);
}

/* For the streams whose page is on its way. */
static void remember(struct shard *sh, struct topic *t, struct frame *frame) {
    if (t->reading > 0)
        recent_add(&t->recent, frame, sh->config.early_frames, sh->config.outbox_bytes);
}

bool topic_leads_on(const struct topic *t, uint64_t position) {
    return position >= t->cursor.at ||
           (recent_get(&t->recent, position + 1) && recent_get(&t->recent, t->cursor.at));
}

/* The cursor has just moved to this row. */
static void deliver(struct shard *sh, struct topic *t, struct frame *frame) {
    observe_lag(sh, frame);
    remember(sh, t, frame);
    for (struct list *l = t->streams.next; l != &t->streams; l = l->next) {
        struct stream *s = stream_of(l);
        if (s->state != STREAM_LIVE)
            continue;
        if (s->position + 1 == frame->seq)
            stream_row(sh, s, frame);
        else if (s->position < frame->seq)
            stream_kick(sh, s);
    }
}

static void arm_hole(struct shard *sh, struct topic *t) {
    if (t->hole_armed || t->want.state != WANT_NONE)
        return;
    struct timer hole = {sh->now_ms + sh->config.hole_wait_ms, t->id, TIMER_HOLE};
    if (timers_add(&sh->timers, hole) == RC_OK)
        t->hole_armed = true;
    else
        reads_want(sh, &t->want);
}

void topic_hole_due(struct shard *sh, struct topic *t) {
    t->hole_armed = false;
    if (t->live > 0 && cursor_is_behind(&t->cursor))
        reads_want(sh, &t->want);
}

/* A row of another history than the topic knows: a late one of before a restore, or the first that
 * this node hears of it. */
static bool is_foreign(const struct topic *t, const struct frame *frame) {
    return frame && frame->epoch_tag != 0 && t->epoch_tag != 0 && frame->epoch_tag != t->epoch_tag;
}

void topic_row(struct shard *sh, struct topic *t, uint64_t seq, struct frame *frame) {
    if (is_foreign(t, frame)) {
        sweep_look(sh, t);
        return;
    }
    t->active_ms = sh->now_ms;
    if (t->live == 0) { /* nobody to hand it to: those who join will read up to here */
        cursor_jump(&t->cursor, seq);
        if (frame)
            remember(sh, t, frame);
        return;
    }
    if (!frame) { /* its body is in the store */
        cursor_hear(&t->cursor, seq);
        if (cursor_is_behind(&t->cursor))
            reads_want(sh, &t->want);
        return;
    }
    switch (cursor_offer(&t->cursor, seq)) {
    case CURSOR_OLD:
        break;
    case CURSOR_NEXT:
        deliver(sh, t, frame);
        for (struct frame *held; (held = cursor_pop(&t->cursor)); frame_unref(held))
            deliver(sh, t, held);
        break;
    case CURSOR_EARLY:
        if (cursor_hold(&t->cursor, frame, sh->config.early_frames) == RC_FULL)
            reads_want(sh, &t->want);
        else
            arm_hole(sh, t);
        break;
    }
}

/* Rows below `first` are gone: live streams that have not got them must be told. */
static void observe_trim(struct shard *sh, struct topic *t, uint64_t first) {
    if (first <= t->cursor.at + 1)
        return;
    for (struct list *l = t->streams.next; l != &t->streams; l = l->next)
        if (stream_of(l)->state == STREAM_LIVE && stream_of(l)->position + 1 < first)
            stream_kick(sh, stream_of(l));
    cursor_jump(&t->cursor, first - 1);
}

struct topic_note topic_note(const struct topic *t) {
    return (struct topic_note){t->cursor.at, t->cursor.heard, t->epoch_no};
}

/* What was known of the inbox does not hold. The head is looked at once more, because rows may have
 * passed by unheeded that a page under way is too old to hold. */
static void start_over(struct shard *sh, struct topic *t, uint64_t head) {
    kick_all(sh, t);
    cursor_reset(&t->cursor, head);
    recent_clear(&t->recent);
    sweep_look(sh, t);
}

/* In the epoch that is known. */
static void observe_head(struct shard *sh, struct topic *t, const struct inbox_head *at,
                         const struct topic_note *note) {
    bool comparable = note->epoch_no == t->epoch_no;
    if (comparable && at->head < note->cursor_at && at->head < t->cursor.at) {
        start_over(sh, t, at->head);
        return;
    }
    observe_trim(sh, t, at->first);
    if (t->live == 0)
        cursor_jump(&t->cursor, at->head);
    cursor_hear(&t->cursor, at->head);
    /* Nothing new was heard since the read was sent, and the store knows of no such rows. */
    if (comparable && note->heard == t->cursor.heard)
        cursor_unhear(&t->cursor, at->head);
    if (t->live > 0 && cursor_is_behind(&t->cursor))
        arm_hole(sh, t);
}

/* What was remembered before the epoch was known may be of another one. */
static void forget_foreign(struct topic *t) {
    const struct frame *f;
    for (uint64_t seq = recent_first(&t->recent); (f = recent_get(&t->recent, seq)); seq++)
        if (f->epoch_tag != t->epoch_tag) {
            recent_clear(&t->recent);
            return;
        }
}

bool topic_observe(struct shard *sh, struct topic *t, const struct inbox_head *at,
                   const struct topic_note *note) {
    uint64_t tag = epoch_tag(&at->epoch);
    bool known = t->epoch_tag != 0;
    if (t->epoch_tag == tag) {
        observe_head(sh, t, at, note);
        return true;
    }
    if (note->epoch_no != t->epoch_no)
        return false;
    t->epoch_tag = tag;
    t->epoch_no++;
    forget_foreign(t);
    if (known)
        start_over(sh, t, at->head);
    else
        observe_head(sh, t, at, note);
    return true;
}

void topic_page(struct shard *sh, struct topic *t, const struct read_job *job) {
    const struct page *page = &job->read.page;
    if (!topic_observe(sh, t, &page->at, &job->note)) {
        reads_want(sh, &t->want);
        return;
    }
    for (size_t i = 0; i < page->n; i++)
        topic_row(sh, t, page->rows[i]->seq, page->rows[i]);
    if (t->live == 0 || !cursor_is_behind(&t->cursor))
        return;
    if (page->n > 0)
        reads_want(sh, &t->want);
    else
        arm_hole(sh, t);
}

void topic_gone(struct shard *sh, struct topic *t) { kick_all(sh, t); }

void topic_went_live(struct shard *sh, struct topic *t, uint64_t position) {
    if (t->live++ == 0)
        cursor_jump(&t->cursor, position);
    cursor_hear(&t->cursor, position);
    if (cursor_is_behind(&t->cursor))
        arm_hole(sh, t);
}
