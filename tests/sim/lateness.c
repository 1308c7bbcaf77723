/* tests/sim/lateness.c -- looks at all streams every 50 ms.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/lateness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/clients.h"

enum {
    TICK_MS = 50,
    HEARD_TICKS = 8,  /* what was heard 400 ms ago is on the streams */
    GENTLE_MS = 700,  /* what was committed then, too */
    READY_MS = 500,   /* after the request, */
    READY_ROW_MS = 5, /* and for each row that may have to be read first */
    KEEP_ALIVE_MORE_MS = 400,
    STALL_MORE_MS = 2500, /* looks are a second apart, and see first that nothing was taken */
    NO_MEMORY_MS = 4000,
};

struct lateness {
    uint64_t heard[NODES_MAX][INBOXES_MAX][HEARD_TICKS];
    unsigned now; /* the slot of this tick */
};

void lateness_heard(struct world *w, const struct node *n, int inbox, const struct frame *frame) {
    struct history *h = store_present(w, inbox);
    uint64_t *heard = &w->lateness->heard[n->index][inbox][w->lateness->now];
    if (frame->seq > *heard && history_has_row(h, frame->seq, frame_json(frame), false))
        *heard = frame->seq;
}

/* Rows that the stream had to read before it could be ready. */
static uint64_t backlog(struct world *w, const struct watch *o) {
    const struct history *h = store_present(w, o->inbox);
    uint64_t head = history_head_at_ms(h, o->open_ms);
    bool resync = o->open.has_epoch && strcmp(o->open.epoch.text, h->epoch.text) != 0;
    if (resync || (o->open.has_after && o->open.after > head))
        return head;
    return o->open.has_after ? head - o->open.after : 0;
}

static void check_prompt(struct world *w, const struct client *c) {
    const struct watch *o = &c->watch;
    unsigned oldest = (w->lateness->now + 1) % HEARD_TICKS;
    uint64_t heard = w->lateness->heard[o->node][o->inbox][oldest];
    if (!o->is_ready && w->now_ms > o->open_ms + READY_MS + READY_ROW_MS * backlog(w, o))
        world_fail(w, c->inbox, "late: client %d is not ready %" PRIu64 " ms after its request",
                   c->index, w->now_ms - o->open_ms);
    if (o->is_ready && w->now_ms > o->ready_ms + TICK_MS * HEARD_TICKS && heard > o->position)
        world_fail(w, c->inbox,
                   "late: client %d is at %" PRIu64 ", node %u heard of %" PRIu64 " long ago",
                   c->index, o->position, o->node, heard);
}

static void check_gentle(struct world *w, const struct client *c) {
    const struct watch *o = &c->watch;
    if (!o->is_ready || w->now_ms < o->ready_ms + GENTLE_MS)
        return;
    uint64_t old = history_head_at_ms(store_present(w, c->inbox), w->now_ms - GENTLE_MS);
    if (old > o->position)
        world_fail(w, c->inbox,
                   "late: client %d on node %u is at %" PRIu64 ", row %" PRIu64 " was committed "
                   "%d ms ago",
                   c->index, o->node, o->position, old, GENTLE_MS);
}

static void check_silence(struct world *w, const struct client *c) {
    const struct sock *s = sockets_at(w, c->fd);
    const struct node *n = s->seat->node;
    const struct push_config *config = &w->config;
    uint64_t allowed = config->keep_alive_ms + config->keep_alive_spread_ms + KEEP_ALIVE_MORE_MS +
                       (w->knobs.alloc_fails ? NO_MEMORY_MS : 0);
    if (s->is_closed || s->is_finished || s->id == 0 || n->is_draining || c->watch.is_drained ||
        n->paused_until_ms > w->now_ms)
        return;
    uint64_t from = s->sent_ms > n->paused_until_ms ? s->sent_ms : n->paused_until_ms;
    if (!s->wants_write && w->now_ms > from + allowed)
        world_fail(w, c->inbox, "client %d: no keep-alive for %" PRIu64 " ms", c->index,
                   w->now_ms - from);
    /* What the socket took before it was full counts as taken. */
    from = s->taken_ms > from ? s->taken_ms : from;
    if (s->wants_write && w->now_ms > from + config->stall_ms + STALL_MORE_MS)
        world_fail(w, c->inbox, "client %d took nothing for %" PRIu64 " ms and is still served",
                   c->index, w->now_ms - from);
}

static void on_tick(struct world *w, struct event *e) {
    struct lateness *l = w->lateness;
    for (unsigned i = 0; i < w->knobs.clients; i++) {
        const struct client *c = &w->clients->at[i];
        if (!c->is_connected)
            continue;
        check_silence(w, c);
        if (w->knobs.is_prompt)
            check_prompt(w, c);
        if (w->knobs.is_gentle)
            check_gentle(w, c);
    }
    unsigned before = l->now;
    l->now = (l->now + 1) % HEARD_TICKS;
    for (unsigned n = 0; n < NODES_MAX; n++)
        for (unsigned i = 0; i < INBOXES_MAX; i++)
            l->heard[n][i][l->now] = l->heard[n][i][before];
    world_later(w, TICK_MS, *e);
}

struct lateness *lateness_new(struct world *w) {
    w->lateness = calloc(1, sizeof *w->lateness);
    if (!w->lateness)
        abort();
    world_later(w, TICK_MS, (struct event){.run = on_tick});
    return w->lateness;
}

void lateness_free(struct lateness *l) { free(l); }
