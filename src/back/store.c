/* back/store.c -- the store's start and stop, which worker gets a job, and whether it is up.
 *
 * The work is in store_post.c (the group commit of posts; store_route.c chooses the writer of the
 * direct ones) and store_run.c (everything else), and without being asked in store_keep.c; the SQL
 * in store_sql.c and store_tables.c. This file holds what ties them to the pools.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "back/conversations.h"
#include "base/hash.h"
#include "base/table.h"
#include "core/history.h"
#include "core/stats.h"
#include "store_parts.h"

enum { JOB_BYTES = 256 }; /* what a job counts against queue_bytes beside its texts */

/* ---- answering ---- */

void store_finish(struct store *s, struct store_job *job, enum rc rc) {
    if (job->kind == STORE_POST)
        store_route_leave(s, container_of(job, struct store_post, job)->to.inbox);
    job->rc = rc;
    stats_observe_us(STATS_store_round_trip_seconds, clock_mono_us(s->clock) - job->queued_us);
    job->done(job);
}

static bool is_one_of(const char *sqlstate, size_t n, const char *const classes[]) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(sqlstate, classes[i], strlen(classes[i])) == 0)
            return true;
    return false;
}

bool store_must_reopen(struct link *l) {
    /* No such statement, no such table or column, a plan that does not fit any more, a server that
     * only reads. */
    static const char *const stale[] = {"26", "42", "3F", "0A000", "25006"};
    if (!is_one_of(link_sqlstate(l), sizeof stale / sizeof *stale, stale))
        return false;
    link_refuse(l, "what was prepared does not fit the database any more");
    return true;
}

enum rc store_refusal(const struct link *l) {
    /* Data exception, integrity constraint, program limit: it will never go in. */
    static const char *const hopeless[] = {"22", "23", "54"};
    bool is_hopeless = is_one_of(link_sqlstate(l), sizeof hopeless / sizeof *hopeless, hopeless);
    return is_hopeless ? RC_MALFORMED : RC_UNAVAILABLE;
}

/* ---- jobs ---- */

/* What jobs run with. */
enum lane { LANE_POSTS, LANE_MAKES, LANE_CHANGES, LANE_TALK_POSTS, LANE_OTHERS, LANES };

static enum lane lane_of(const struct queue_item *item) {
    switch (container_of(item, struct store_job, item)->kind) {
    case STORE_POST:
        return LANE_POSTS;
    case STORE_CONVERSATION_MAKE:
        return LANE_MAKES;
    case STORE_CONVERSATION_CHANGE:
        return LANE_CHANGES;
    case STORE_CONVERSATION_POST:
        return LANE_TALK_POSTS;
    case STORE_FIND:
    case STORE_REGISTER:
    case STORE_RECORD:
    case STORE_PROOFS:
    case STORE_READ:
    case STORE_HEADS:
    case STORE_TRIM:
    case STORE_CLOSE:
    case STORE_DELETE:
    case STORE_BLOCK:
    case STORE_CONVERSATION_SHOW:
    case STORE_CONVERSATION_LIST:
        break;
    }
    return LANE_OTHERS;
}

/* Splits a list into the lanes, each in order. */
static void split(struct queue_item *jobs, struct queue_item *lanes[LANES]) {
    struct queue_item **ends[LANES];
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = NULL;
        ends[i] = &lanes[i];
    }
    while (jobs) {
        struct queue_item *next = jobs->next;
        enum lane lane = lane_of(jobs);
        jobs->next = NULL;
        *ends[lane] = jobs;
        ends[lane] = &jobs->next;
        jobs = next;
    }
}

static void run(void *arg, struct pool_worker *w, struct queue_item *jobs) {
    static const struct batch_kind *const kinds[LANE_OTHERS] = {[LANE_POSTS] = &store_posts,
                                                                [LANE_MAKES] = &store_makes,
                                                                [LANE_CHANGES] = &store_changes,
                                                                [LANE_TALK_POSTS] =
                                                                    &store_talk_posts};
    const struct store_side *side = arg;
    struct queue_item *lanes[LANES];
    split(jobs, lanes);
    for (size_t i = 0; i < LANE_OTHERS; i++)
        if (lanes[i])
            store_run_batches(side->store, w, kinds[i], lanes[i]);
    if (lanes[LANE_OTHERS])
        store_run_others(side->store, w, lanes[LANE_OTHERS]);
}

static void refuse(void *arg, struct queue_item *jobs) {
    const struct store_side *side = arg;
    for (struct queue_item *next; jobs; jobs = next) {
        next = jobs->next;
        store_finish(side->store, container_of(jobs, struct store_job, item), RC_UNAVAILABLE);
    }
}

static size_t draft_bytes(const struct conversation_draft *d) {
    return sizeof *d + (d->add.n + d->remove.n) * sizeof(struct handle);
}

static size_t bytes_of(const struct store_job *job) {
    switch (job->kind) {
    case STORE_POST:
        return JOB_BYTES + container_of(job, struct store_post, job)->envelope.n;
    case STORE_PROOFS:
        return JOB_BYTES + container_of(job, struct store_proofs, job)->proofs.n;
    case STORE_FIND:
    case STORE_REGISTER:
    case STORE_RECORD:
    case STORE_READ:
    case STORE_HEADS:
    case STORE_TRIM:
    case STORE_CLOSE:
    case STORE_DELETE:
    case STORE_BLOCK:
    case STORE_CONVERSATION_SHOW:
    case STORE_CONVERSATION_LIST:
        break;
    case STORE_CONVERSATION_MAKE:
        return JOB_BYTES + draft_bytes(container_of(job, struct conversation_make, job)->draft);
    case STORE_CONVERSATION_CHANGE:
        return JOB_BYTES + draft_bytes(container_of(job, struct conversation_change, job)->draft);
    case STORE_CONVERSATION_POST:
        return JOB_BYTES + container_of(job, struct conversation_post, job)->envelope.n;
    }
    return JOB_BYTES;
}

static enum rc push_post(struct store *s, struct store_post *post) {
    unsigned writer = store_route_enter(s, post->to.inbox);
    enum rc rc = pool_push_to(s->writers.pool, writer, &post->job.item);
    if (rc != RC_OK)
        store_route_leave(s, post->to.inbox);
    return rc;
}

/* What is written about a conversation goes to its writer. */
static enum rc push_of(struct store *s, const struct sid *sid, struct store_job *job) {
    return pool_push(s->writers.pool, store_scope_of(sid), &job->item);
}

static enum rc push(struct store *s, struct store_job *job) {
    struct pool *writers = s->writers.pool;
    switch (job->kind) {
    case STORE_POST:
        return push_post(s, container_of(job, struct store_post, job));
    case STORE_REGISTER: {
        const struct store_register *r = container_of(job, struct store_register, job);
        return pool_push(writers, hash_str(handle_str(&r->handle)), &job->item);
    }
    case STORE_PROOFS: {
        const struct store_proofs *p = container_of(job, struct store_proofs, job);
        return pool_push(writers, hash_u64(p->inbox), &job->item);
    }
    case STORE_TRIM: {
        const struct store_trim *t = container_of(job, struct store_trim, job);
        return pool_push(writers, hash_u64(t->inbox), &job->item);
    }
    case STORE_CLOSE:
    case STORE_DELETE:
    case STORE_BLOCK: {
        const struct store_account *a = container_of(job, struct store_account, job);
        return pool_push(writers, hash_u64(a->inbox), &job->item);
    }
    case STORE_FIND:
    case STORE_RECORD:
    case STORE_READ:
    case STORE_HEADS:
    case STORE_CONVERSATION_SHOW:
    case STORE_CONVERSATION_LIST:
        break;
    case STORE_CONVERSATION_MAKE:
        return push_of(s, &container_of(job, struct conversation_make, job)->draft->sid, job);
    case STORE_CONVERSATION_CHANGE:
        return push_of(s, &container_of(job, struct conversation_change, job)->sid, job);
    case STORE_CONVERSATION_POST:
        return push_of(s, &container_of(job, struct conversation_post, job)->sid, job);
    }
    return pool_push_any(s->readers.pool, &job->item);
}

enum rc store_submit(struct store *s, struct store_job *job) {
    job->queued_us = clock_mono_us(s->clock);
    job->item.bytes = bytes_of(job);
    enum rc rc = push(s, job);
    if (rc == RC_FULL)
        stats_add(store_queue_full, 1);
    return rc == RC_CLOSED ? RC_UNAVAILABLE : rc;
}

/* ---- up and down ---- */

bool store_is_up(const struct store *s) {
    return pool_is_up(s->writers.pool) && pool_is_up(s->readers.pool);
}

/* Tells how it is until it is as it was told. Only one worker is in here at a time, so that the
 * last word is the right one. Holds s->lock but for the call. */
static void tell(struct store *s) {
    if (s->telling)
        return;
    s->telling = true;
    while (s->told_up != s->is_up && !s->stopping) {
        bool up = s->told_up = s->is_up;
        pthread_mutex_unlock(&s->lock);
        s->events.up(s->events.arg, up);
        pthread_mutex_lock(&s->lock);
    }
    s->telling = false;
}

static void changed(void *arg, bool one_more) {
    struct store_side *side = arg;
    struct store *s = side->store;
    pthread_mutex_lock(&s->lock);
    side->usable = one_more ? side->usable + 1 : side->usable - 1;
    s->is_up = s->writers.usable > 0 && s->readers.usable > 0;
    stats_set(store_up, s->is_up);
    tell(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- start and stop ---- */

static void free_store(struct store *s) {
    for (unsigned i = 0; s->desks && i < s->config.writers; i++)
        store_desk_free(s->desks[i]);
    free(s->desks);
    history_free(s->history);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void store_stop(struct store *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true; /* a planned end is no news */
    pthread_mutex_unlock(&s->lock);
    store_keeper_stop(s->keeper);
    pool_stop(s->writers.pool);
    pool_stop(s->readers.pool);
    stats_set(store_up, 0);
    free_store(s);
}

static enum rc make_desks(struct store *s) {
    s->desks = calloc(s->config.writers, sizeof(struct store_desk *));
    if (!s->desks)
        return RC_NO_MEMORY;
    for (unsigned i = 0; i < s->config.writers; i++)
        if (!(s->desks[i] = store_desk_new(s)))
            return RC_NO_MEMORY;
    return RC_OK;
}

static enum rc start_side(struct store_side *side, unsigned workers, const char *name) {
    const struct store_config *c = &side->store->config;
    struct pool_config config = {.link = {.url = c->url,
                                          .name = name,
                                          .timeout_ms = c->timeout_ms,
                                          .connect_timeout_ms = c->connect_timeout_ms},
                                 .workers = workers,
                                 .takes_turns = side == &side->store->writers,
                                 .queue_items = c->queue_items,
                                 .queue_bytes = c->queue_bytes,
                                 .take_items = c->batch_items,
                                 .take_bytes = c->batch_bytes,
                                 .reconnect_max_ms = c->reconnect_max_ms};
    struct pool_events events = {.arg = side,
                                 .prepare = store_prepare,
                                 .look = store_look_again,
                                 .run = run,
                                 .refuse = refuse,
                                 .changed = changed};
    return pool_start(&config, &events, side->store->clock, &side->pool);
}

enum rc store_start(const struct store_config *config, const struct store_events *events,
                    const struct clock *clock, struct store **out) {
    assert(config->writers > 0 && config->readers > 0 && config->batch_items > 0);
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return RC_NO_MEMORY;
    s->config = *config;

    s->events = *events;
    s->clock = clock;
    s->writers.store = s->readers.store = s;
    pthread_mutex_init(&s->lock, NULL);
    s->history = history_new();
    enum rc rc = s->history ? make_desks(s) : RC_NO_MEMORY;
    if (rc == RC_OK)
        rc = start_side(&s->writers, config->writers, "kez-chat writer");
    if (rc == RC_OK)
        rc = start_side(&s->readers, config->readers, "kez-chat reader");
    if (rc == RC_OK && config->retention.period_s > 0)
        rc = store_keeper_start(s, &s->keeper);
    if (rc != RC_OK) {
        store_stop(s);
        return rc;
    }
    s->config.url = NULL; /* the caller's; the links have their copies */
    *out = s;
    return RC_OK;
}
