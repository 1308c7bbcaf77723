/* tests/sim/writers.c -- queue, transaction, settling, telling, answer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/writers.h"

#include <stdlib.h>
#include <string.h>

#include "sim/fake_bus.h"
#include "sim/history.h"
#include "sim/talkers.h"

enum { QUEUE_MAX = 64, BATCH_MAX = 16, TRIES = 4, WAY_MS = 4, RENEW_MS = 20 };

struct writer {
    bool is_busy;
    size_t queue[QUEUE_MAX]; /* errands */
    unsigned n;
};

struct writers {
    struct writer at[NODES_MAX];
};

/* A transaction under way. It is an event's, and outlives its node. */
struct batch {
    struct node *node;
    uint32_t boot;
    unsigned n, tries;
    size_t errands[BATCH_MAX];
    struct ask asks[BATCH_MAX];
    struct result results[BATCH_MAX];
    bool may_be_ours; /* an attempt may have been committed */
    struct outcome {  /* of the last attempt */
        bool was_sent, is_committed;
        bool is_broken;    /* the connection, before COMMIT was answered */
        bool results_came; /* and the transaction's number */
        uint64_t restores; /* so many there had been */
    } last;
};

struct writers *writers_new(struct world *w) {
    w->writers = calloc(1, sizeof *w->writers);
    if (!w->writers)
        abort();
    return w->writers;
}

void writers_free(struct writers *all) { free(all); }

static struct writer *writer_of(struct world *w, const struct node *n) {
    return &w->writers->at[n->index];
}

static void drop_results(struct batch *b) {
    for (unsigned i = 0; i < b->n; i++)
        result_done(&b->results[i]);
}

static void batch_free(struct batch *b) {
    drop_results(b);
    free(b);
}

static void drop_batch(struct event *e) { batch_free(e->p); }

static bool is_alive(const struct batch *b) { return b->node->is_up && b->node->boot == b->boot; }

/* ---- the answer ---- */

struct answer {
    size_t errand;
    struct result result;
};

static void drop_answer(struct event *e) {
    struct answer *a = e->p;
    result_done(&a->result);
    free(a);
}

static void on_answer(struct world *w, struct event *e) {
    struct answer *a = e->p;
    talkers_answered(w, a->errand, &a->result);
    drop_answer(e);
}

/* Moves the result to the client, unless it is lost on the way. */
static void answer_take(struct world *w, size_t errand, struct result *r) {
    struct answer *a = calloc(1, sizeof *a);
    struct event e = {.run = on_answer, .drop = drop_answer, .p = a};
    if (!a)
        abort();
    *a = (struct answer){errand, *r};
    *r = (struct result){.rc = r->rc};
    if (world_mishap(w, w->knobs.answers_lost))
        drop_answer(&e);
    else
        world_later(w, rng_below(&w->rng, WAY_MS), e);
}

static void answer_all(struct world *w, struct batch *b, enum rc rc) {
    for (unsigned i = 0; i < b->n; i++) {
        result_done(&b->results[i]);
        b->results[i].rc = rc;
        answer_take(w, b->errands[i], &b->results[i]);
    }
    b->n = 0;
}

/* Each row to the streams, then the answer; the node may die over it. */
static void tell(struct world *w, struct batch *b) {
    for (unsigned i = 0; i < b->n; i++) {
        struct result *r = &b->results[i];
        for (unsigned k = 0; k < r->told_n; k++) {
            if (world_mishap(w, w->knobs.dies_telling)) {
                faults_crash(w, b->node);
                return;
            }
            bus_publish(w, b->node, r->told[k].inbox, r->told[k].frame);
        }
        answer_take(w, b->errands[i], r);
    }
}

/* ---- one attempt ---- */

static void on_result(struct world *w, struct event *e);
static void next_batch(struct world *w, struct node *n);

static void run(struct world *w, struct batch *b) {
    const struct ask *a = &b->asks[0];
    if (a->kind == ASK_POST)
        talks_post(w, b->asks, b->n, b->may_be_ours, b->results);
    else if (a->kind == ASK_MAKE)
        talks_make(w, a, b->may_be_ours, &b->results[0]);
    else
        talks_change(w, a, &b->results[0]);
}

/* The moment of COMMIT. When the node is dead by then, it may still have come so far. */
static void on_commit(struct world *w, struct event *e) {
    struct batch *b = e->p;
    struct outcome *last = &b->last;
    *last = (struct outcome){.restores = w->totals.restores, .is_broken = true};
    if (store_is_up(w) && (is_alive(b) || rng_permille(&w->rng, 500))) {
        last->was_sent = true;
        last->is_broken = world_mishap(w, w->knobs.store_fails);
        last->is_committed = !last->is_broken || rng_permille(&w->rng, 500);
        last->results_came = !last->is_broken || rng_permille(&w->rng, 500);
    }
    if (last->is_committed)
        run(w, b);
    if (is_alive(b) && world_mishap(w, w->knobs.dies_telling))
        faults_crash(w, b->node);
    if (is_alive(b))
        seat_later(w, &b->node->seats[0], store_latency(w),
                   (struct event){.run = on_result, .drop = drop_batch, .p = b});
    else
        batch_free(b);
}

static void attempt(struct world *w, struct batch *b, uint64_t delay_ms) {
    drop_results(b);
    world_later(w, delay_ms + store_latency(w),
                (struct event){.run = on_commit, .drop = drop_batch, .p = b});
}

/* False: it was answered instead. */
static bool run_again(struct world *w, struct batch *b) {
    if (++b->tries == TRIES) {
        answer_all(w, b, b->may_be_ours ? RC_UNKNOWN_OUTCOME : RC_UNAVAILABLE);
        return false;
    }
    attempt(w, b, RENEW_MS);
    return true;
}

/* Nobody knows whether it was committed; a change that was would find that the version has moved
 * on. */
static bool run_again_if_safe(struct world *w, struct batch *b) {
    b->may_be_ours = true;
    if (b->asks[0].kind != ASK_CHANGE)
        return run_again(w, b);
    answer_all(w, b, RC_UNKNOWN_OUTCOME);
    return false;
}

/* As pg_xact_status() knows it, while it is the same history of the same server. */
static bool is_settled(struct world *w, const struct outcome *last) {
    return !last->was_sent || (last->results_came && last->restores == w->totals.restores);
}

static void on_result(struct world *w, struct event *e) {
    struct batch *b = e->p;
    struct node *n = b->node;
    bool is_under_way = false;
    if (!seat_takes(w, e))
        return;
    if (!b->last.is_broken || (is_settled(w, &b->last) && b->last.is_committed))
        tell(w, b);
    else if (is_settled(w, &b->last))
        is_under_way = run_again(w, b);
    else
        is_under_way = run_again_if_safe(w, b);
    if (is_under_way)
        return;
    bool alive = is_alive(b);
    batch_free(b);
    if (alive)
        next_batch(w, n);
}

/* ---- the queue ---- */

static bool has_number(const struct batch *b, uint64_t number) {
    for (unsigned i = 0; i < b->n; i++)
        if (b->asks[i].number == number)
            return true;
    return false;
}

/* Posts share a transaction; one whose id is in it already waits for the next. */
static bool joins(const struct batch *b, const struct ask *a) {
    return b->n == 0 || (b->asks[0].kind == ASK_POST && a->kind == ASK_POST && b->n < BATCH_MAX &&
                         !has_number(b, a->number));
}

static void next_batch(struct world *w, struct node *n) {
    struct writer *writer = writer_of(w, n);
    unsigned left = 0;
    writer->is_busy = writer->n > 0;
    if (!writer->is_busy)
        return;
    struct batch *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    b->node = n;
    b->boot = n->boot;
    for (unsigned i = 0; i < writer->n; i++) {
        size_t errand = writer->queue[i];
        const struct ask *a = &talkers_at(w, errand)->ask;
        if (joins(b, a)) {
            b->errands[b->n] = errand;
            b->asks[b->n++] = *a;
        } else {
            writer->queue[left++] = errand;
        }
    }
    writer->n = left;
    attempt(w, b, 0);
}

static void on_arrive(struct world *w, struct event *e) {
    struct node *n = e->seat->node;
    struct writer *writer = writer_of(w, n);
    struct result full = {.rc = RC_UNAVAILABLE};
    if (!seat_takes(w, e))
        return;
    if (writer->n == QUEUE_MAX) {
        answer_take(w, e->a, &full);
        return;
    }
    writer->queue[writer->n++] = e->a;
    if (!writer->is_busy)
        next_batch(w, n);
}

void writers_send(struct world *w, struct node *n, size_t errand) {
    seat_later(w, &n->seats[0], rng_below(&w->rng, WAY_MS),
               (struct event){.run = on_arrive, .a = errand});
}

void writers_forget(struct world *w, struct node *n) { *writer_of(w, n) = (struct writer){0}; }
