/* bench/yardstick.c -- a round of the bare send() loop, read by the same reader as the nodes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/audience.h"
#include "bench/round.h"
#include "bench/sendloop.h"

#define TICK_NS UINT64_C(50000000)
enum { SENDLOOP_SECONDS = 5 };

struct yardstick {
    const struct setup *setup;
    struct sendloop loop;
    struct audience *audience;
};

static void turn(struct yardstick *y, const char *phase) {
    uint64_t now = poller_now_ns();
    poller_turn(y->setup->poller, now + TICK_NS);
    audience_tick(y->audience, now);
    const struct audience_tally *t = audience_tally(y->audience);
    struct progress_figures f = {.phase = phase, .streams = t->ready, .rows = t->rows};
    progress_tell(y->setup->progress, now, &f);
}

static bool goes_on(const struct yardstick *y) { return !y->setup->poller->is_interrupted; }

/* Reads until all rounds have come, the sender fails, or nothing comes any more. */
static enum rc read_rounds(struct yardstick *y, uint64_t *rounds) {
    const struct options *o = y->setup->options;
    const struct audience_tally *t = audience_tally(y->audience);
    uint64_t seen = 0, seen_ns = poller_now_ns();
    enum rc rc = RC_UNAVAILABLE;
    while (goes_on(y)) {
        turn(y, "send() loop");
        if (t->rows != seen) {
            seen = t->rows;
            seen_ns = poller_now_ns();
        }
        if (rc == RC_UNAVAILABLE)
            rc = sendloop_rounds(&y->loop, rounds);
        bool has_all = rc == RC_OK && t->rows >= *rounds * o->streams;
        if (has_all || rc == RC_IO || poller_now_ns() - seen_ns > o->timeout_s * SECOND_NS)
            break;
    }
    return rc;
}

static enum rc measure(struct yardstick *y, struct result *r, double *per_s) {
    const struct options *o = y->setup->options;
    const struct audience_tally *t = audience_tally(y->audience);
    audience_open(y->audience);
    while (goes_on(y) && !audience_is_settled(y->audience))
        turn(y, "send() loop");
    if (!goes_on(y) || t->ready < o->streams)
        return RC_UNAVAILABLE;
    uint64_t rounds = 0, began = poller_now_ns();
    bool is_alone = o->scenario == SCENARIO_SENDLOOP;
    audience_measure_from(y->audience, began);
    enum rc rc = sendloop_go(&y->loop, is_alone ? (uint32_t)o->seconds : SENDLOOP_SECONDS);
    if (rc == RC_OK)
        rc = read_rounds(y, &rounds);
    if (rc == RC_OK && t->rows < rounds * o->streams)
        r->rows.lost += rounds * o->streams - t->rows;
    if (t->last_ns > began)
        *per_s = (double)t->measured * 1e9 / (double)(t->last_ns - began);
    return rc;
}

enum rc round_sendloop(const struct setup *setup, struct result *r, double *per_s) {
    const struct options *o = setup->options;
    struct yardstick y = {.setup = setup};
    struct peer peer;
    struct inbox inbox = {0};
    struct identity who;
    struct ask ask;
    enum rc rc = sendloop_start((uint32_t)o->streams, (size_t)o->body_bytes, &y.loop);
    if (rc != RC_OK)
        return rc;
    peer_loopback(y.loop.port, &peer);
    identity_make(str_of(o->seed), str_of(o->prefix), 0, &who);
    /* The other dialect's requests are unsigned: there is nobody to check them. */
    ask_init(&ask, DIALECT_NCHAN, str_of(o->server), (size_t)o->body_bytes, clock_system());
    struct audience_config config = {.poller = setup->poller,
                                     .troubles = &r->troubles,
                                     .ask = &ask,
                                     .nodes = &peer,
                                     .n_nodes = 1,
                                     .who = &who,
                                     .inboxes = &inbox,
                                     .streams = (uint32_t)o->streams,
                                     .handles = 1,
                                     .opening_max = (uint32_t)o->opening,
                                     .timeout_ns = o->timeout_s * SECOND_NS,
                                     .has_ready = true};
    rc = audience_new(&config, &y.audience);
    if (rc == RC_OK) {
        if (measure(&y, r, per_s) != RC_OK)
            troubles_add(&r->troubles, "the send() loop did not come to its end");
        const struct ledger *rows = &audience_tally(y.audience)->ledger;
        r->rows.repeated += rows->repeated;
        r->rows.out_of_order += rows->out_of_order;
        r->is_interrupted |= setup->poller->is_interrupted;
        progress_end(setup->progress);
    }
    audience_free(y.audience);
    ask_done(&ask);
    sendloop_stop(&y.loop);
    return rc;
}
