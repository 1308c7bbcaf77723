/* tests/sim/talkers.c -- errands: chosen, sent, sent again, answered.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "sim/talkers.h"

#include <stdlib.h>

#include "sim/history.h"
#include "sim/talk_oracle.h"
#include "sim/writers.h"

enum { BURST_MAX = 8, PATIENCE_MS = 800, PAD_MAX = 40, LARGE_PAD = 400, TITLES = 5 };

struct talkers {
    struct errand *at;
    size_t n, cap;
};

static void send(struct world *w, size_t errand);

struct talkers *talkers_new(struct world *w) {
    w->talkers = calloc(1, sizeof *w->talkers);
    if (!w->talkers)
        abort();
    return w->talkers;
}

void talkers_free(struct talkers *all) {
    free(all->at);
    free(all);
}

struct errand *talkers_at(struct world *w, size_t errand) {
    return &w->talkers->at[errand];
}

size_t talkers_count(const struct world *w) { return w->talkers->n; }

struct errand *talkers_of(struct world *w, uint64_t number) {
    return number >= 1 && number <= w->talkers->n ? talkers_at(w, number - 1) : NULL;
}

/* ---- what is wanted ---- */

static void begin(struct world *w, struct ask a) {
    struct talkers *all = w->talkers;
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->at = realloc(all->at, all->cap * sizeof *all->at);
        if (!all->at)
            abort();
    }
    if (!a.is_other)
        a.number = all->n + 1;
    a.inbox_id = store_present(w, a.who)->inbox_id;
    all->at[all->n] = (struct errand){.ask = a};
    send(w, all->n++);
}

/* Any of the inboxes. */
static unsigned some(struct world *w) {
    return (unsigned)rng_below(&w->rng, 1u << w->knobs.inboxes);
}

static int title(struct world *w) { return (int)rng_below(&w->rng, TITLES); }

static struct ask post_to(struct world *w, unsigned talk, int who) {
    return (struct ask){.kind = ASK_POST,
                        .who = who,
                        .talk = talk,
                        .pad = rng_permille(&w->rng, w->knobs.large)
                                   ? LARGE_PAD
                                   : (unsigned)rng_below(&w->rng, PAD_MAX)};
}

/* By what the talker sees of it now, which others may have changed when the request is there. */
static struct ask change_of(struct world *w, const struct talk *t, unsigned talk, int who) {
    struct ask a = {.kind = ASK_CHANGE, .who = who, .talk = talk, .title = -1};
    a.version = t->version + (rng_permille(&w->rng, 50) ? rng_below(&w->rng, 3) - 1 : 0);
    if (rng_permille(&w->rng, 400))
        a.title = title(w);
    if (rng_permille(&w->rng, 500))
        a.add = some(w);
    if (who == t->creator || rng_permille(&w->rng, 100))
        a.remove = rng_permille(&w->rng, 400) ? some(w) & some(w) : 0;
    else if (rng_permille(&w->rng, 400))
        a.remove = 1u << who;
    a.add &= ~a.remove;
    return a;
}

/* One of those in it; seldom a stranger, who must not get in. */
static int any_of(struct world *w, const struct talk *t) {
    if (t->n == 0 || rng_permille(&w->rng, 30))
        return (int)rng_below(&w->rng, w->knobs.inboxes);
    return t->in[rng_below(&w->rng, t->n)].inbox;
}

/* An id that somebody used, with another envelope. */
static bool dispute(struct world *w) {
    if (w->talkers->n == 0)
        return false;
    struct errand *e = talkers_at(w, rng_below(&w->rng, w->talkers->n));
    struct ask a = e->ask;
    if (a.kind != ASK_POST || a.is_other || store_present(w, a.who)->inbox_id != a.inbox_id)
        return false;
    e->is_disputed = true;
    a.is_other = true;
    begin(w, a);
    return true;
}

void talkers_begin_some(struct world *w) {
    unsigned talk = (unsigned)rng_below(&w->rng, w->knobs.talks);
    const struct talk *t = talks_at(w, talk);
    uint64_t n =
        rng_permille(&w->rng, w->knobs.talk_bursts) ? rng_between(&w->rng, 2, BURST_MAX) : 1;
    int who = any_of(w, t);
    if (!t->is_there || rng_permille(&w->rng, 10)) {
        begin(w, (struct ask){.kind = ASK_MAKE,
                              .who = who,
                              .talk = talk,
                              .title = title(w),
                              .add = some(w) | some(w)});
        return;
    }
    if (rng_permille(&w->rng, 20) && dispute(w))
        return;
    for (; n > 0; n--, who = any_of(w, t))
        begin(w, rng_permille(&w->rng, w->knobs.talk_changes) ? change_of(w, t, talk, who)
                                                              : post_to(w, talk, who));
}

void talkers_leave_all(struct world *w, int inbox) {
    for (unsigned i = 0; i < w->knobs.talks; i++) {
        const struct talk *t = talks_at(w, i);
        if (talk_has(t, store_present(w, inbox)->inbox_id))
            begin(w, (struct ask){.kind = ASK_CHANGE,
                                  .who = inbox,
                                  .talk = i,
                                  .title = -1,
                                  .version = t->version,
                                  .remove = 1u << inbox});
    }
}

void talkers_post_everywhere(struct world *w) {
    for (unsigned i = 0; i < w->knobs.talks; i++) {
        const struct talk *t = talks_at(w, i);
        if (t->is_there && t->n > 0)
            begin(w, post_to(w, i, t->in[0].inbox));
    }
}

/* ---- until it is answered ---- */

/* Deleted accounts ask for nothing. */
static bool is_gone(struct world *w, const struct ask *a) {
    return store_present(w, a->who)->inbox_id != a->inbox_id;
}

static void on_patience_lost(struct world *w, struct event *e) {
    struct errand *it = talkers_at(w, e->a);
    it->is_over |= is_gone(w, &it->ask);
    if (!it->is_over)
        send(w, e->a);
}

static void send(struct world *w, size_t errand) {
    struct node *n = node_any(w);
    unsigned tries = talkers_at(w, errand)->tries++;
    uint64_t patience_ms = (uint64_t)PATIENCE_MS << (tries < 4 ? tries : 4);
    if (n)
        writers_send(w, n, errand);
    world_later(w, rng_between(&w->rng, 10, patience_ms),
                (struct event){.run = on_patience_lost, .a = errand});
}

void talkers_answered(struct world *w, size_t errand, const struct result *r) {
    note(w, talkers_at(w, errand)->ask.who, "talker: errand %zu is answered %s, seq %llu", errand,
         rc_name(r->rc), (unsigned long long)r->seq);
    talk_oracle_answer(w, talkers_at(w, errand), r);
    if (r->rc != RC_UNAVAILABLE && r->rc != RC_UNKNOWN_OUTCOME)
        talkers_at(w, errand)->is_over = true;
}

void talkers_settled(struct world *w) {
    for (size_t i = 0; i < w->talkers->n; i++) {
        const struct errand *it = talkers_at(w, i);
        if (!it->is_over && !is_gone(w, &it->ask))
            world_fail(w, it->ask.who, "errand %zu has no answer in quiet times", i);
    }
}
