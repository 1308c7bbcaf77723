/* tests/sim/faults.c -- what befalls a world, and how often; all of it drawn from the seed.
 *
 * Each kind of fault is there in some worlds and not in others, so that each is also seen without
 * the noise of the rest.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stddef.h>

#include "sim/clients.h"
#include "sim/fake_bus.h"
#include "sim/fake_store.h"
#include "sim/history.h"
#include "sim/talk_oracle.h"
#include "sim/world.h"

/* A figure sometimes, and else nothing. */
static uint64_t perhaps(struct world *w, uint32_t permille, uint64_t low, uint64_t high) {
    bool there = rng_permille(&w->rng, permille);
    uint64_t value = rng_between(&w->rng, low, high);
    return there ? value : 0;
}

/* ---- what can happen ---- */

/* More than that the slowest stream could not catch up with in quiet times. */
enum { POSTS_MAX = 2000, MEETING_MS = 200, LEAVE_ALL_MS = 1000 };

static bool has_room(const struct world *w) {
    return w->totals.posts + w->totals.talk_rows < POSTS_MAX || w->is_quiet;
}

static void post(struct world *w, int inbox) {
    struct node *n = has_room(w) ? node_any(w) : NULL;
    struct frame *f = n ? store_post(w, inbox) : NULL;
    if (f)
        bus_publish(w, n, inbox, f);
}

static void happen_post(struct world *w) {
    int inbox = (int)rng_below(&w->rng, w->knobs.inboxes);
    uint64_t n = rng_permille(&w->rng, w->knobs.burst) ? rng_between(&w->rng, 2, 20) : 1;
    for (; n > 0; n--)
        post(w, inbox);
}

static void happen_talk(struct world *w) {
    if (has_room(w))
        talkers_begin_some(w);
}

static void happen_leave(struct world *w) { clients_leave_one(w, false); }

static void on_post(struct world *w, struct event *e) { post(w, (int)e->a); }

/* Somebody comes just when rows do. */
static void happen_meeting(struct world *w) {
    int inbox = clients_leave_one(w, true);
    for (uint64_t n = rng_between(&w->rng, 1, 3); inbox >= 0 && n > 0; n--)
        world_later(w, rng_below(&w->rng, MEETING_MS),
                    (struct event){.run = on_post, .a = (uint64_t)inbox});
}

static void happen_trim(struct world *w) {
    int inbox = (int)rng_below(&w->rng, w->knobs.inboxes);
    uint64_t head = store_present(w, inbox)->n;
    if (head > 0)
        store_trim(w, inbox, rng_between(&w->rng, head > 12 ? head - 12 : 1, head));
}

static void on_link_up(struct world *w, struct event *e) { bus_link(w, &w->nodes[e->a], true); }

static void happen_outage(struct world *w) {
    bool all = rng_permille(&w->rng, 300); /* the server itself */
    unsigned one = (unsigned)rng_below(&w->rng, w->knobs.nodes);
    uint64_t ms = rng_between(&w->rng, 100, 4000);
    for (unsigned i = 0; i < w->knobs.nodes; i++)
        if (all || i == one) {
            bus_link(w, &w->nodes[i], false);
            world_later(w, ms, (struct event){.run = on_link_up, .a = i});
        }
}

static void happen_slow_consumer(struct world *w) {
    struct node *n = node_any(w);
    if (n)
        bus_slow_consumer(w, n);
}

static void happen_store_outage(struct world *w) {
    store_outage(w, rng_between(&w->rng, 100, 3000));
}

static void on_restored(struct world *w, struct event *e) {
    (void)e;
    talk_oracle_compare(w);
    store_restore(w);
}

static void happen_restore(struct world *w) {
    if (rng_permille(&w->rng, 500)) {
        store_backup(w);
        return;
    }
    uint64_t ms = perhaps(w, 500, 0, 1500); /* a standby may be promoted in no time */
    store_outage(w, ms);
    world_later(w, ms / 2, (struct event){.run = on_restored});
}

static void on_anew(struct world *w, struct event *e) {
    if (!w->is_quiet)
        store_anew(w, (int)e->a);
}

/* Who gives a handle up leaves all conversations first, if there is time. */
static void happen_anew(struct world *w) {
    int inbox = (int)rng_below(&w->rng, w->knobs.inboxes);
    talkers_leave_all(w, inbox);
    world_later(w, rng_below(&w->rng, LEAVE_ALL_MS),
                (struct event){.run = on_anew, .a = (uint64_t)inbox});
}

static void on_start(struct world *w, struct event *e) {
    if (!w->nodes[e->a].is_up)
        node_start(w, &w->nodes[e->a]);
}

static void start_later(struct world *w, const struct node *n) {
    world_later(w, rng_between(&w->rng, 10, 2000), (struct event){.run = on_start, .a = n->index});
}

void faults_crash(struct world *w, struct node *n) {
    node_crash(w, n);
    start_later(w, n);
}

static void happen_crash(struct world *w) {
    struct node *n = node_any(w);
    if (n)
        faults_crash(w, n);
}

static void happen_pause(struct world *w) {
    struct node *n = node_any(w);
    if (!n)
        return;
    n->paused_until_ms = w->now_ms + rng_between(&w->rng, 10, 6000);
    note(w, -1, "node %u: stops until %llu ms", n->index, (unsigned long long)n->paused_until_ms);
}

static void on_drained(struct world *w, struct event *e) {
    struct node *n = &w->nodes[e->a];
    if (!n->is_up || n->boot != e->b)
        return;
    /* A slow client may take longer than that for the last bytes. */
    bool quick = w->knobs.client_pace_ms <= 10 && w->knobs.client_bite >= 1000 &&
                 w->knobs.stall_gap_ms == 0 && n->paused_until_ms + 5000 < w->now_ms;
    for (unsigned i = 0; quick && i < w->knobs.shards; i++)
        if (shard_streams(n->seats[i].shard) > 0)
            world_fail(w, -1, "node %u has %u streams left when the drain is over", n->index,
                       shard_streams(n->seats[i].shard));
    faults_crash(w, n);
}

static void on_drain(struct world *w, struct event *e) {
    if (!seat_takes(w, e))
        return;
    seat_enter(e->seat);
    shard_drain(e->seat->shard, (uint32_t)e->a);
    seat_leave(e->seat);
}

static void happen_drain(struct world *w) {
    struct node *n = node_any(w);
    uint64_t ms = rng_below(&w->rng, 3000);
    if (!n)
        return;
    note(w, -1, "node %u: drains in %llu ms", n->index, (unsigned long long)ms);
    n->is_draining = true;
    for (unsigned i = 0; i < w->knobs.shards; i++)
        seat_later(w, &n->seats[i], 0, (struct event){.run = on_drain, .a = ms});
    /* Ends are sent until four fifths of it; a client may take a second for its own. */
    world_later(w, ms + 2500, (struct event){.run = on_drained, .a = n->index, .b = n->boot});
}

/* ---- how often ---- */

static const struct {
    size_t gap; /* which knob says how often */
    void (*happen)(struct world *w);
} mishaps[] = {
    {offsetof(struct knobs, post_gap_ms), happen_post},
    {offsetof(struct knobs, talk_gap_ms), happen_talk},
    {offsetof(struct knobs, trim_gap_ms), happen_trim},
    {offsetof(struct knobs, outage_gap_ms), happen_outage},
    {offsetof(struct knobs, slow_consumer_gap_ms), happen_slow_consumer},
    {offsetof(struct knobs, store_outage_gap_ms), happen_store_outage},
    {offsetof(struct knobs, restore_gap_ms), happen_restore},
    {offsetof(struct knobs, anew_gap_ms), happen_anew},
    {offsetof(struct knobs, stall_gap_ms), clients_stall_one},
    {offsetof(struct knobs, leave_gap_ms), happen_leave},
    {offsetof(struct knobs, meeting_gap_ms), happen_meeting},
    {offsetof(struct knobs, crash_gap_ms), happen_crash},
    {offsetof(struct knobs, pause_gap_ms), happen_pause},
    {offsetof(struct knobs, drain_gap_ms), happen_drain},
};

static uint64_t gap_of(const struct world *w, uint64_t kind) {
    const char *knobs = (const char *)&w->knobs;
    return *(const uint64_t *)(const void *)(knobs + mishaps[kind].gap);
}

static void on_mishap(struct world *w, struct event *e) {
    if (w->is_quiet)
        return;
    mishaps[e->a].happen(w);
    world_later(w, world_gap(w, gap_of(w, e->a)), *e);
}

static void on_last_posts(struct world *w, struct event *e) {
    (void)e;
    for (unsigned i = 0; i < w->knobs.inboxes; i++)
        post(w, (int)i);
    talkers_post_everywhere(w);
}

void faults_begin(struct world *w) {
    for (uint64_t i = 0; i < sizeof mishaps / sizeof *mishaps; i++)
        if (gap_of(w, i) > 0)
            world_later(w, world_gap(w, gap_of(w, i)), (struct event){.run = on_mishap, .a = i});
    world_later(w, w->knobs.busy_ms + w->knobs.quiet_ms * 3 / 4,
                (struct event){.run = on_last_posts});
}

/* ---- the knobs ---- */

static void draw_harsh(struct world *w) {
    struct knobs *k = &w->knobs;
    k->bus_drop = (uint32_t)perhaps(w, 700, 1, 500);
    k->bus_slow_ms = rng_between(&w->rng, 10, 3000);
    k->bus_late_ms = rng_between(&w->rng, 10, 1500);
    k->bus_keeps = (uint32_t)perhaps(w, 500, 100, 1000);
    k->subscribe_fails = (uint32_t)perhaps(w, 100, 1, 200);
    k->local_full = (uint32_t)perhaps(w, 300, 1, 300);
    k->outage_gap_ms = perhaps(w, 400, 2000, 15000);
    k->slow_consumer_gap_ms = perhaps(w, 300, 1000, 10000);
    k->store_fails = (uint32_t)perhaps(w, 400, 1, 300);
    k->store_refuses = (uint32_t)perhaps(w, 300, 1, 300);
    k->store_ms = rng_between(&w->rng, 1, 100);
    k->store_slow = (uint32_t)perhaps(w, 400, 1, 300);
    k->store_slow_ms = rng_between(&w->rng, 100, 3000);
    k->store_outage_gap_ms = perhaps(w, 300, 3000, 15000);
    k->restore_gap_ms = perhaps(w, 500, 1000, 10000);
    k->anew_gap_ms = perhaps(w, 100, 4000, 15000);
    k->add_fails = (uint32_t)perhaps(w, 100, 1, 200);
    k->alloc_fails = (uint32_t)perhaps(w, 250, 10, 3000);
    k->client_pace_ms = rng_between(&w->rng, 0, rng_permille(&w->rng, 300) ? 400 : 10);
    k->client_bite = rng_between(&w->rng, 1, rng_permille(&w->rng, 300) ? 60 : 4000);
    k->stall_gap_ms = perhaps(w, 500, 500, 10000);
    k->crash_gap_ms = perhaps(w, 400, 2000, 15000);
    k->dies_telling = (uint32_t)perhaps(w, 300, 1, 10);
    k->pause_gap_ms = perhaps(w, 300, 2000, 15000);
    k->drain_gap_ms = perhaps(w, 300, 4000, 15000);
}

static void draw_prompt(struct world *w) {
    struct knobs *k = &w->knobs;
    k->bus_drop = k->is_gentle ? 0 : (uint32_t)perhaps(w, 800, 1, 500);
    k->bus_slow_ms = rng_between(&w->rng, 1, 30);
    k->bus_late_ms = rng_between(&w->rng, 10, 200);
    k->store_ms = rng_between(&w->rng, 1, 20);
    k->client_pace_ms = rng_below(&w->rng, 4);
    k->client_bite = k->socket_bytes = 4096;
    if (rng_permille(&w->rng, 200)) { /* an inbox that never rests, and a store that is no faster */
        k->is_hot = true;
        k->inboxes = 1;
        k->post_gap_ms = 3;
        k->burst = k->large = 0;
        k->store_ms = 80;
        k->leave_gap_ms = 100;
    } else if (k->is_gentle && rng_permille(&w->rng, 500)) { /* rows that no later one gives away */
        k->nodes = NODES_MAX;
        k->clients = (unsigned)rng_between(&w->rng, 1, 4);
        k->inboxes = INBOXES_MAX;
        k->post_gap_ms = rng_between(&w->rng, 100, 400);
        k->bus_late = 1000;
        k->bus_late_ms = 200;
        k->meeting_gap_ms = rng_between(&w->rng, 300, 1000);
    }
}

static void draw_config(struct world *w) {
    bool wide = w->knobs.is_prompt;
    uint64_t rows = w->knobs.is_hot ? 64 : wide ? 16 : 1, rows_max = w->knobs.is_hot ? 64 : 24;
    w->config = (struct push_config){
        .shards = w->knobs.shards,
        .max_streams = CLIENTS_MAX,
        .max_streams_handle = CLIENTS_MAX,
        .outbox_frames = (uint32_t)rng_between(&w->rng, rows, rows_max),
        .outbox_bytes = (uint32_t)rng_between(&w->rng, wide ? 8192 : 100, 16384),
        .early_frames = (uint32_t)rng_between(&w->rng, rows, rows_max),
        .page_rows = (uint32_t)rng_between(&w->rng, rows, rows_max),
        .page_bytes = (uint32_t)rng_between(&w->rng, wide ? 4096 : 100, 8192),
        .hole_wait_ms = 20,
        .look_again_ms = {plant_is(PLANT_NO_LOOK) ? 2000 : 250, 2000},
        .sweep_up_ms = 5000,
        .sweep_down_ms = 500,
        .sweep_heads_per_s = rng_permille(&w->rng, 200) ? 20 : 20000,
        .keep_alive_ms = 15000,
        .keep_alive_spread_ms = 2000,
        .stall_ms = 8000,
        .drain_retry_ms = 3000,
    };
}

void faults_draw_knobs(struct world *w) {
    struct knobs *k = &w->knobs;
    k->is_gentle = rng_permille(&w->rng, 300);
    k->is_prompt = k->is_gentle || rng_permille(&w->rng, 400);
    k->nodes = (unsigned)rng_between(&w->rng, 1, NODES_MAX);
    k->shards = (unsigned)rng_between(&w->rng, 1, SHARDS_MAX);
    k->inboxes = (unsigned)rng_between(&w->rng, 1, INBOXES_MAX);
    k->clients = (unsigned)rng_between(&w->rng, 1, CLIENTS_MAX);
    k->busy_ms = rng_between(&w->rng, 3000, k->is_prompt ? 10000 : 30000);
    k->quiet_ms = 40000;
    k->post_gap_ms = rng_between(&w->rng, 3, rng_permille(&w->rng, 500) ? 30 : 500);
    k->trim_gap_ms = perhaps(w, 400, 200, 5000);
    k->talk_gap_ms =
        perhaps(w, k->inboxes > 1 ? 500 : 100, 20, rng_permille(&w->rng, 500) ? 80 : 600);
    if (k->talk_gap_ms > 0) /* of which each is several rows */
        k->post_gap_ms *= 3;
    k->talks = (unsigned)rng_between(&w->rng, 1, TALKS_MAX);
    k->talk_bursts = (uint32_t)perhaps(w, 500, 1, 400);
    k->talk_changes = (uint32_t)rng_between(&w->rng, 10, 200);
    k->answers_lost = (uint32_t)perhaps(w, 500, 1, 300);
    k->burst = (uint32_t)perhaps(w, 300, 1, 300);
    k->large = (uint32_t)perhaps(w, 300, 1, 500);
    k->stored = (uint32_t)perhaps(w, 400, 1, 1000);
    k->bus_repeat = (uint32_t)perhaps(w, 500, 1, 300);
    k->bus_slow = (uint32_t)perhaps(w, 600, 1, 500);
    k->bus_late = (uint32_t)perhaps(w, 700, 100, 1000);
    k->tagged = (uint32_t)perhaps(w, 300, 1, 1000);
    k->partial = (uint32_t)perhaps(w, 500, 1, 900);
    k->socket_bytes = rng_between(&w->rng, 200, 8192);
    k->leave_gap_ms = perhaps(w, 800, 100, 5000);
    k->meeting_gap_ms = perhaps(w, 500, 100, 2000);
    if (k->is_prompt)
        draw_prompt(w);
    else
        draw_harsh(w);
    draw_config(w);
}
