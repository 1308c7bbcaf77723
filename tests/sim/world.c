/* tests/sim/world.c -- one world from its first to its last event.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/clients.h"
#include "sim/fake_bus.h"
#include "sim/fake_sockets.h"
#include "sim/fake_store.h"
#include "sim/history.h"
#include "sim/lateness.h"
#include "sim/talk_oracle.h"
#include "sim/writers.h"

/* 2026-01-01T00:00:00Z. */
static const int64_t BEGIN_WALL_MS = 1767225600000;

static uint64_t world_mono_us(void *arg) {
    const struct world *w = arg;
    return w->now_ms * 1000;
}

static int64_t world_wall_ms(void *arg) {
    const struct world *w = arg;
    return BEGIN_WALL_MS + (int64_t)w->now_ms;
}

void world_fail(struct world *w, int inbox, const char *format, ...) {
    va_list args;
    if (w->has_failed)
        return;
    w->has_failed = true;
    w->fault_inbox = inbox;
    va_start(args, format);
    (void)vsnprintf(w->fault, sizeof w->fault, format, args);
    va_end(args);
}

void world_later(struct world *w, uint64_t delay_ms, struct event e) {
    e.at_ms = w->now_ms + delay_ms;
    e.tie = rng_next(&w->rng);
    agenda_add(&w->agenda, &e);
}

bool world_mishap(struct world *w, uint32_t permille) {
    return !w->is_quiet && rng_permille(&w->rng, permille);
}

uint64_t world_gap(struct world *w, uint64_t mean_ms) {
    return rng_between(&w->rng, 1, 2 * mean_ms);
}

/* Nothing goes wrong any more, and what is broken is mended. */
static void on_quiet(struct world *w, struct event *e) {
    (void)e;
    w->is_quiet = true;
    w->knobs.store_ms = w->knobs.store_ms < 5 ? w->knobs.store_ms : 5;
    store_outage(w, 0);
    for (unsigned i = 0; i < w->knobs.nodes; i++) {
        if (!w->nodes[i].is_up)
            node_start(w, &w->nodes[i]);
        bus_link(w, &w->nodes[i], true);
    }
    clients_wake(w);
    note(w, -1, "all is quiet from here on");
}

/* a: it is the end. */
static void on_settled(struct world *w, struct event *e) {
    for (unsigned i = 0; i < w->knobs.clients; i++) {
        struct client *c = &w->clients->at[i];
        if (!c->is_connected)
            world_fail(w, c->inbox, "client %u has no stream in quiet times", i);
        else
            oracle_settled(w, &c->watch);
    }
    talkers_settled(w);
    if (e->a)
        talk_oracle_compare(w);
}

static void begin(struct world *w) {
    faults_draw_knobs(w);
    store_new(w);
    talks_new(w);
    bus_new(w);
    sockets_new(w);
    lateness_new(w);
    writers_new(w);
    talkers_new(w);
    nodes_begin(w);
    clients_new(w);
    faults_begin(w);
    world_later(w, w->knobs.busy_ms, (struct event){.run = on_quiet});
    /* Once before the last posts, and once after. */
    world_later(w, w->knobs.busy_ms + w->knobs.quiet_ms * 3 / 4 - 1,
                (struct event){.run = on_settled});
    world_later(w, w->knobs.busy_ms + w->knobs.quiet_ms, (struct event){.run = on_settled, .a = 1});
}

static void end(struct world *w) {
    for (unsigned i = 0; i < w->knobs.nodes; i++)
        node_crash(w, &w->nodes[i]);
    agenda_done(&w->agenda);
    clients_free(w->clients);
    sockets_free(w->sockets);
    bus_free(w->bus);
    writers_free(w->writers);
    talkers_free(w->talkers);
    talks_free(w->talks);
    store_free(w->store);
    lateness_free(w->lateness);
}

static void add_totals(struct totals *to, const struct totals *of) {
    to->posts += of->posts;
    to->rows += of->rows;
    to->streams += of->streams;
    to->readies += of->readies;
    for (size_t i = 0; i < 3; i++)
        to->resyncs[i] += of->resyncs[i];
    to->drains += of->drains;
    to->crashes += of->crashes;
    to->restores += of->restores;
    to->turns += of->turns;
    to->talk_posts += of->talk_posts;
    to->talk_changes += of->talk_changes;
    to->talk_rows += of->talk_rows;
}

bool world_run(uint64_t seed, struct history_log *log, struct totals *totals, char *fault,
               size_t fault_size, int *fault_inbox) {
    struct world w = {.seed = seed, .rng = {seed}, .log = log, .fault_inbox = -1};
    struct event e;
    w.clock = (struct clock){world_mono_us, world_wall_ms, &w};
    w.now_ms = 1000; /* a monotonic clock is not at 0 when a process starts */
    begin(&w);
    uint64_t last_ms = w.now_ms + w.knobs.busy_ms + w.knobs.quiet_ms;
    while (!w.has_failed && agenda_next_ms(&w.agenda) <= last_ms && agenda_pop(&w.agenda, &e)) {
        w.now_ms = e.at_ms;
        w.step++;
        e.run(&w, &e);
    }
    (void)snprintf(fault, fault_size, "%s", w.fault);
    *fault_inbox = w.fault_inbox;
    end(&w);
    add_totals(totals, &w.totals);
    return !w.has_failed;
}
