/* bench/round.c -- one round against the nodes.
 *
 * Every wait is a loop of poller turns with a deadline, and Ctrl-C ends them all: then the round
 * counts what it has.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/round.h"

#include <stdlib.h>

#include "bench/callers.h"
#include "bench/enrol.h"
#include "bench/footprint.h"
#include "bench/gathering.h"
#include "bench/poster.h"

#define TICK_NS UINT64_C(50000000)
/* After the last row that is due: what comes in this time is a repeat. */
#define AFTER_NS UINT64_C(300000000)

struct round {
    const struct setup *setup;
    const struct options *o;
    struct result *result;
    struct ask ask;
    struct identity *who;
    struct inbox *inboxes;
    struct callers *callers;
    struct audience *audience;
    struct enrol enrol;
    struct gathering gathering;
    bool gathers; /* posts go into the gathering */
    struct poster poster;
    const char *phase;
    bool is_posting;
    uint64_t tick_ns;
    uint64_t rows_seen, rows_seen_ns; /* the last time that rows came, while draining */
};

static bool is_interrupted(const struct round *r) { return r->setup->poller->is_interrupted; }

static const struct audience_tally *tally(const struct round *r) {
    return audience_tally(r->audience);
}

static void tell(struct round *r, uint64_t now_ns) {
    struct progress_figures f = {.phase = r->phase,
                                 .handles = r->enrol.made + r->enrol.there,
                                 .streams = tally(r)->ready,
                                 .posts = r->poster.answered,
                                 .rows = tally(r)->rows};
    progress_tell(r->setup->progress, now_ns, &f);
}

static void turn(struct round *r) {
    uint64_t now = poller_now_ns(), until = r->tick_ns;
    if (r->is_posting && callers_are_free(r->callers) && poster_due_ns(&r->poster) < until)
        until = poster_due_ns(&r->poster);
    poller_turn(r->setup->poller, until);
    callers_feed(r->callers);
    now = poller_now_ns();
    if (now < r->tick_ns)
        return;
    r->tick_ns = now + TICK_NS;
    callers_tick(r->callers, now);
    audience_tick(r->audience, now);
    tell(r, now);
}

/* Turns until is_done() or the deadline; false when Ctrl-C ended it. */
static bool run_until(struct round *r, const char *phase, bool (*is_done)(struct round *r),
                      uint64_t deadline_ns) {
    r->phase = phase;
    tell(r, poller_now_ns());
    while (!is_interrupted(r) && !is_done(r) && poller_now_ns() < deadline_ns)
        turn(r);
    return !is_interrupted(r);
}

static bool never(struct round *r) {
    (void)r;
    return false;
}

static bool no_next(void *arg, const struct peer *to, struct buf *out, uint32_t *tag) {
    (void)arg, (void)to, (void)out, (void)tag;
    return false;
}

static void no_end(void *arg, const struct call *call) { (void)arg, (void)call; }

static void make_users(struct round *r) {
    const struct options *o = r->o;
    for (uint32_t i = 0; i < o->handles; i++)
        identity_make(str_of(o->seed), str_of(o->prefix), i, &r->who[i]);
}

static enum rc init(struct round *r, const struct setup *setup, struct result *result) {
    const struct options *o = setup->options;
    uint64_t timeout_ns = o->timeout_s * SECOND_NS;
    *r = (struct round){.setup = setup, .o = o, .result = result};
    r->tick_ns = poller_now_ns() + TICK_NS;
    ask_init(&r->ask, o->dialect, str_of(o->server), (size_t)o->body_bytes, clock_system());
    r->who = calloc((size_t)o->handles, sizeof *r->who);
    r->inboxes = calloc((size_t)o->handles, sizeof *r->inboxes);
    if (!r->who || !r->inboxes)
        return RC_NO_MEMORY;
    make_users(r);
    r->gathers = o->scenario == SCENARIO_CONVERSATION;
    enum rc rc = RC_OK;
    if (r->gathers)
        rc =
            gathering_init(&r->gathering, &r->ask, &result->troubles, r->who, (uint32_t)o->handles);
    r->gathering.posts.streams = (uint32_t)o->streams;
    if (rc == RC_OK)
        rc = callers_new(setup->poller, setup->post_nodes, o->post_nodes.n,
                         (uint32_t)o->connections, timeout_ns, &r->callers);
    if (rc != RC_OK)
        return rc;
    callers_serve(r->callers, (struct callers_work){.next = no_next, .ended = no_end});
    struct audience_config config = {.poller = setup->poller,
                                     .troubles = &result->troubles,
                                     .ask = &r->ask,
                                     .nodes = setup->stream_nodes,
                                     .n_nodes = o->stream_nodes.n,
                                     .who = r->who,
                                     .inboxes = r->inboxes,
                                     .gathering = r->gathers ? &r->gathering : NULL,
                                     .streams = (uint32_t)o->streams,
                                     .handles = (uint32_t)o->handles,
                                     .opening_max = (uint32_t)o->opening,
                                     .timeout_ns = timeout_ns,
                                     .has_ready = o->dialect == DIALECT_KEZ};
    return audience_new(&config, &r->audience);
}

static void done(struct round *r) {
    callers_free(r->callers);
    audience_free(r->audience);
    gathering_done(&r->gathering);
    ask_done(&r->ask);
    free(r->who);
    free(r->inboxes);
}

static void weigh(struct round *r, uint64_t *bytes) {
    if (r->o->n_pids == 0)
        return;
    enum rc rc = footprint_private(r->o->pids, r->o->n_pids, bytes);
    r->result->has_memory = rc == RC_OK;
    if (rc != RC_OK)
        troubles_add(&r->result->troubles, "--pid: memory cannot be read: %s", rc_text(rc));
}

static bool is_registered(struct round *r) { return enrol_is_done(&r->enrol); }

static bool register_users(struct round *r) {
    if (r->o->no_register)
        return true;
    r->enrol = (struct enrol){.ask = &r->ask,
                              .troubles = &r->result->troubles,
                              .who = r->who,
                              .n = (uint32_t)r->o->handles};
    callers_serve(r->callers, enrol_work(&r->enrol));
    bool goes_on = run_until(r, "registering", is_registered, UINT64_MAX);
    r->result->handles_made = r->enrol.made;
    return goes_on && r->enrol.failed == 0;
}

static bool is_gathered(struct round *r) { return gathering_is_done(&r->gathering); }

static bool gather(struct round *r) {
    if (!r->gathers)
        return true;
    callers_serve(r->callers, gathering_work(&r->gathering));
    return run_until(r, "gathering", is_gathered, UINT64_MAX) && r->gathering.is_made;
}

static bool is_open(struct round *r) { return audience_is_settled(r->audience); }

/* False when there is no sense in going on. */
static bool open_streams(struct round *r) {
    uint64_t began = poller_now_ns();
    audience_open(r->audience);
    bool goes_on = run_until(r, "opening", is_open, UINT64_MAX);
    r->result->open_s = (double)(poller_now_ns() - began) / 1e9;
    bool has_streams = r->o->streams == 0 || tally(r)->ready > 0;
    return goes_on && has_streams &&
           run_until(r, "idle", never, poller_now_ns() + r->o->hold_s * SECOND_NS);
}

static bool is_posted(struct round *r) { return poster_is_done(&r->poster, poller_now_ns()); }

static bool is_answered(struct round *r) { return callers_busy(r->callers) == 0; }

/* All has come, or nothing more came for the timeout. */
static bool is_drained(struct round *r) {
    uint64_t now = poller_now_ns(), rows = tally(r)->rows;
    if (rows != r->rows_seen) {
        r->rows_seen = rows;
        r->rows_seen_ns = now;
    }
    if (now - r->rows_seen_ns > r->o->timeout_s * SECOND_NS)
        return true;
    return rows >= r->poster.frames_expected &&
           (r->o->dialect != DIALECT_KEZ || audience_is_caught_up(r->audience));
}

static void post(struct round *r) {
    const struct options *o = r->o;
    uint64_t begin = poller_now_ns(), measure = begin + o->warmup_s * SECOND_NS;
    struct poster_config config = {.ask = &r->ask,
                                   .troubles = &r->result->troubles,
                                   .who = r->who,
                                   .inboxes = r->inboxes,
                                   .gathering = r->gathers ? &r->gathering : NULL,
                                   .handles = (uint32_t)o->handles,
                                   .max_posts = (uint32_t)o->posts,
                                   .rate = o->rate,
                                   .window_frames = o->window * o->streams,
                                   .frames_come = &tally(r)->rows,
                                   .begin_ns = begin,
                                   .end_ns = o->seconds > 0 ? measure + o->seconds * SECOND_NS
                                                            : UINT64_MAX,
                                   .measure_from_ns = measure,
                                   .is_signed = o->signed_posts,
                                   .has_ids = o->ids};
    poster_init(&r->poster, &config);
    audience_measure_from(r->audience, measure);
    callers_serve(r->callers, poster_work(&r->poster));
    r->is_posting = true;
    bool goes_on = run_until(r, "posting", is_posted, UINT64_MAX);
    r->is_posting = false;
    r->poster.config.end_ns = 0; /* from here on it only takes answers */
    goes_on = goes_on && run_until(r, "answers", is_answered, UINT64_MAX);
    r->rows_seen_ns = poller_now_ns();
    if (goes_on && run_until(r, "deliveries", is_drained, UINT64_MAX))
        (void)run_until(r, "deliveries", never, poller_now_ns() + AFTER_NS);
}

static struct spread spread_of(const struct histogram *h) {
    return (struct spread){.n = h->n,
                           .p50_us = (double)histogram_at(h, 50) / 1e3,
                           .p95_us = (double)histogram_at(h, 95) / 1e3,
                           .p99_us = (double)histogram_at(h, 99) / 1e3,
                           .max_us = (double)h->max / 1e3};
}

static double per_second(uint64_t n, uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)n * 1e9 / (double)(to_ns - from_ns) : 0;
}

static void count_posts(struct round *r) {
    const struct poster *p = &r->poster;
    struct result *out = r->result;
    uint32_t n = r->gathers ? 1 : (uint32_t)r->o->handles;
    const struct inbox *inboxes = r->gathers ? &r->gathering.posts : r->inboxes;
    uint64_t unanswered = 0;
    for (uint32_t i = 0; i < n; i++) {
        unanswered += ledger_unanswered(&inboxes[i]);
        out->seqs_doubled += ledger_doubled(&inboxes[i]);
    }
    out->seqs_unanswered = unanswered > p->unknown ? unanswered - p->unknown : 0;
    out->posts = p->answered;
    out->posts_refused = p->refused;
    out->posts_unknown = p->unknown;
    out->posts_per_s = per_second(p->measured, p->config.measure_from_ns, p->last_ns);
    out->post = spread_of(&p->latency_ns);
    out->late_max_us = (double)p->late_max_ns / 1e3;
}

/* Without ids that are dense, more than was posted is repeated, and less is lost. */
static void count_rows(struct round *r) {
    const struct audience_tally *t = tally(r);
    struct result *out = r->result;
    audience_close_books(r->audience);
    out->rows = t->ledger;
    if (r->o->dialect != DIALECT_KEZ) {
        uint64_t expected = r->poster.frames_expected;
        out->rows.lost = expected > t->rows ? expected - t->rows : 0;
        out->rows.repeated = t->rows > expected ? t->rows - expected : 0;
    }
    out->stray = t->stray;
    out->disagreed = t->disagreed;
    out->resyncs = t->resyncs;
    out->drains = t->drains;
    out->bytes_per_frame = t->rows > 0 ? (double)t->bytes / (double)t->rows : 0;
    out->deliveries_per_s = per_second(t->measured, r->poster.config.measure_from_ns, t->last_ns);
    out->delivery = spread_of(&t->latency_ns);
}

static void count(struct round *r) {
    struct result *out = r->result;
    out->handles = r->o->handles;
    out->streams = r->o->streams;
    out->streams_ready = tally(r)->ready;
    out->streams_ended = tally(r)->ended;
    out->is_interrupted = is_interrupted(r);
    if (r->poster.asked > 0)
        count_posts(r);
    count_rows(r);
    if (!out->has_memory || out->streams_ready == 0)
        return;
    double streams = (double)out->streams_ready;
    out->memory_per_stream = ((double)out->memory_idle - (double)out->memory_registered) / streams;
    out->memory_per_stream_start = ((double)out->memory_idle - (double)out->memory_start) / streams;
}

static void go(struct round *r) {
    struct result *out = r->result;
    weigh(r, &out->memory_start);
    if (!register_users(r))
        return;
    weigh(r, &out->memory_registered);
    if (!gather(r) || !open_streams(r))
        return;
    weigh(r, &out->memory_idle);
    if (r->o->posts > 0 || r->o->seconds > 0)
        post(r);
}

enum rc round_run(const struct setup *setup, struct result *result) {
    struct round r;
    enum rc rc = init(&r, setup, result);
    if (rc == RC_OK) {
        go(&r);
        count(&r);
        progress_end(setup->progress);
    }
    done(&r);
    return rc;
}
