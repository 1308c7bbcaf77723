/* tests/sim/oracle.c -- what a client may be shown, and when.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/oracle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/history.h"

static_assert(HISTORIES_MAX <= 32, "one bit for each in watch.histories");

/* A request for the old inbox may reach its shard this late, and then ends those of the new one. */
enum { OLD_RIGHT_MS = 15000 };

#define fail_stream(w, o, format, ...)                                                             \
    world_fail((w), (o)->inbox, "client %d on node %u, inbox %d: " format, (o)->client, (o)->node, \
               (o)->inbox, __VA_ARGS__)

static const struct history *at(struct world *w, const struct watch *o, unsigned k) {
    return store_inbox(w, o->inbox)->all[k];
}

static unsigned count(struct world *w, const struct watch *o) {
    return store_inbox(w, o->inbox)->n;
}

static bool may_be(const struct watch *o, unsigned k) { return o->histories >> k & 1; }

/* When the stream can first have read history k. */
static uint64_t since(const struct watch *o, const struct history *h) {
    return h->begin_step > o->open_step ? h->begin_step : o->open_step;
}

void oracle_open(struct world *w, struct watch *o, int client, int inbox, unsigned node,
                 const struct push_open *open) {
    *o = (struct watch){.client = client,
                        .inbox = inbox,
                        .node = node,
                        .open_ms = w->now_ms,
                        .open_step = w->step,
                        .open = *open,
                        .has_position = open->has_after,
                        .position = open->after,
                        .histories = UINT32_MAX};
    /* Not an older one; and if the client said which one it holds, that one alone. */
    for (unsigned k = 0; k < count(w, o); k++)
        if (at(w, o, k)->end_step < w->step ||
            (open->has_epoch && strcmp(open->epoch.text, at(w, o, k)->epoch.text) != 0))
            o->histories &= ~(1u << k);
    if (open->has_epoch)
        o->histories &= (1u << count(w, o)) - 1;
    w->totals.streams++;
}

/* The place where a stream from now began: the head as read after it was opened. */
static bool began_at(const struct watch *o, const struct history *h, uint64_t position) {
    return position >= history_head_at(h, since(o, h)) && position <= h->n;
}

/* Which histories have this row. */
static uint32_t with_row(struct world *w, const struct watch *o, uint64_t seq, struct str json) {
    uint32_t found = 0;
    for (unsigned k = 0; k < count(w, o); k++)
        if (may_be(o, k) && history_has_row(at(w, o, k), seq, json, o->open.tagged) &&
            (o->has_position || began_at(o, at(w, o, k), seq - 1)))
            found |= 1u << k;
    return found;
}

static void see_row(struct world *w, struct watch *o, const struct sse_event *e) {
    if (o->has_position && e->id <= o->position) {
        fail_stream(w, o, "row %" PRIu64 " repeated (or out of order) after %" PRIu64, e->id,
                    o->position);
        return;
    }
    if (o->has_position && e->id != o->position + 1) {
        fail_stream(w, o, "row %" PRIu64 " lost (or out of order): %" PRIu64 " came after %" PRIu64,
                    o->position + 1, e->id, o->position);
        return;
    }
    o->histories = with_row(w, o, e->id, e->data);
    if (o->histories == 0)
        fail_stream(w, o, "row %" PRIu64 " is not what the store has in the epoch told: %.*s",
                    e->id, STR_ARG(e->data));
    o->has_position = true;
    o->position = e->id;
    w->totals.rows++;
}

/* The history of this epoch that the event can be about; count() when there is none. */
static unsigned history_told(struct world *w, const struct watch *o, const struct sse_event *e,
                             uint32_t among) {
    for (unsigned k = 0; k < count(w, o); k++)
        if ((among >> k & 1) && strcmp(at(w, o, k)->epoch.text, e->epoch.text) == 0 &&
            at(w, o, k)->end_step >= o->open_step)
            return k;
    return count(w, o);
}

static void see_ready(struct world *w, struct watch *o, const struct sse_event *e) {
    unsigned k = history_told(w, o, e, o->histories);
    char handle[HANDLE_MAX + 3];
    (void)snprintf(handle, sizeof handle, "\"%s\"", o->open.user.handle.text);
    if (o->is_ready)
        fail_stream(w, o, "ready said twice (%" PRIu64 ")", e->id);
    if (!str_eq(e->handle, str_of(handle)))
        fail_stream(w, o, "ready of another handle: %.*s", STR_ARG(e->handle));
    if (o->has_position && e->id != o->position)
        fail_stream(w, o, "ready at %" PRIu64 ", but sent was up to %" PRIu64, e->id, o->position);
    if (k == count(w, o)) {
        fail_stream(w, o, "ready in epoch %s, which is not that of its rows or of the client",
                    e->epoch.text);
        return;
    }
    if (!began_at(o, at(w, o, k), e->id))
        fail_stream(w, o, "ready at %" PRIu64 ", but the head was %" PRIu64 " and is %zu", e->id,
                    history_head_at(at(w, o, k), since(o, at(w, o, k))), at(w, o, k)->n);
    if (!history_first_was(at(w, o, k), e->first, o->open_ms, w->now_ms))
        fail_stream(w, o, "ready with first %" PRIu64 ", which it never was", e->first);
    o->is_ready = true;
    o->ready_ms = w->now_ms;
    o->has_position = true;
    o->position = e->id;
    o->histories = 1u << k;
    w->totals.readies++;
}

static bool is_justly_trimmed(struct world *w, const struct watch *o, const struct sse_event *e,
                              unsigned k) {
    if (!may_be(o, k) || e->missed == 0 || e->missed > e->id)
        return false;
    if (o->has_position)
        return e->id - e->missed == o->position;
    return began_at(o, at(w, o, k), e->id - e->missed);
}

/* By a head read after the request came; a head never goes back within its history. */
static bool is_justly_ahead(struct world *w, const struct watch *o, const struct sse_event *e,
                            unsigned k) {
    return may_be(o, k) && e->missed == 0 && !o->any && o->open.has_after &&
           o->position > history_head_at(at(w, o, k), since(o, at(w, o, k)));
}

/* The client holds another epoch, or the stream was begun in an older one. */
static bool is_justly_epoch(const struct watch *o, const struct sse_event *e, unsigned k) {
    bool was_older = (o->histories & ((1u << k) - 1)) != 0;
    bool holds_other = !o->any && o->open.has_epoch && strcmp(o->open.epoch.text, e->epoch.text);
    return e->missed == 0 && (was_older || holds_other);
}

static void see_resync(struct world *w, struct watch *o, const struct sse_event *e) {
    unsigned k = history_told(w, o, e, UINT32_MAX);
    bool just = false;
    if (k == count(w, o)) {
        fail_stream(w, o, "resync with an epoch %s that is none", e->epoch.text);
        return;
    }
    if (e->reason == RESYNC_TRIMMED)
        just = is_justly_trimmed(w, o, e, k);
    else if (e->reason == RESYNC_AHEAD)
        just = is_justly_ahead(w, o, e, k);
    else
        just = is_justly_epoch(o, e, k);
    if (!just)
        fail_stream(w, o,
                    "resync %s to %" PRIu64 " (missed %" PRIu64 ", epoch %s) after %" PRIu64
                    " is not justified",
                    resync_names[e->reason], e->id, e->missed, e->epoch.text, o->position);
    if (!history_first_was(at(w, o, k), e->id + 1, o->open_ms, w->now_ms))
        fail_stream(w, o, "resync to %" PRIu64 ", but the first row kept was never the next",
                    e->id);
    o->has_position = true;
    o->position = e->id;
    o->histories = 1u << k;
    w->totals.resyncs[e->reason]++;
}

void oracle_event(struct world *w, struct watch *o, const struct sse_event *e) {
    if (o->is_drained)
        fail_stream(w, o, "something came after drain (%d)", (int)e->kind);
    switch (e->kind) {
    case SSE_ROW:
        note(w, o->inbox, "client %d: row %" PRIu64, o->client, e->id);
        see_row(w, o, e);
        break;
    case SSE_READY:
        note(w, o->inbox, "client %d: ready %" PRIu64 ", epoch %s", o->client, e->id,
             e->epoch.text);
        see_ready(w, o, e);
        break;
    case SSE_RESYNC:
        note(w, o->inbox, "client %d: resync %s %" PRIu64 ", missed %" PRIu64 ", epoch %s",
             o->client, resync_names[e->reason], e->id, e->missed, e->epoch.text);
        see_resync(w, o, e);
        break;
    case SSE_DRAIN:
        note(w, o->inbox, "client %d: drain", o->client);
        o->is_drained = true;
        w->totals.drains++;
        break;
    case SSE_COMMENT:
    case SSE_KINDS:
        return;
    }
    o->any = true;
}

void oracle_ended(struct world *w, struct watch *o, const struct sock *s) {
    const struct node *n = s->seat->node;
    bool stalled = s->closed_ms >= s->taken_ms + w->config.stall_ms;
    bool anew = store_inbox(w, o->inbox)->id_changed_ms > 0 &&
                store_inbox(w, o->inbox)->id_changed_ms + OLD_RIGHT_MS >= o->open_ms;
    bool never_begun = s->id == 0 && w->knobs.subscribe_fails > 0;
    bool no_memory = n->alloc_failed_ms > 0 && n->alloc_failed_ms >= o->open_ms;
    if (s->is_reset || o->is_drained || s->was_draining || s->was_refused || stalled || anew ||
        no_memory || never_begun)
        return;
    fail_stream(w, o, "the server ended the stream without a reason (open for %" PRIu64 " ms)",
                w->now_ms - o->open_ms);
}

void oracle_settled(struct world *w, struct watch *o) {
    const struct history *h = store_present(w, o->inbox);
    unsigned k = count(w, o) - 1;
    if (!o->is_ready)
        fail_stream(w, o, "not ready in quiet times, %" PRIu64 " ms after it was opened",
                    w->now_ms - o->open_ms);
    else if (o->histories != 1u << k)
        fail_stream(w, o, "was never told of the epoch %s", h->epoch.text);
    else if (o->position != h->n)
        fail_stream(w, o, "rows lost: in quiet times it is at %" PRIu64 " and the head is %zu",
                    o->position, h->n);
}
