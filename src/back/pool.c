/* back/pool.c -- worker threads, each with one connection to PostgreSQL and one queue of jobs.
 *
 * A worker is in one of two states, and only its own thread changes it: it accepts jobs, or it
 * refuses them. A job that slipped into the queue while it turned is refused from there. Every wait
 * of a worker watches its queue too, but for those inside run() and prepare(), which the time-out
 * of the link bounds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/pool.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

enum { DOUBLINGS_MAX = 16 };

struct pool_worker {
    struct pool *pool;
    struct queue queue;
    struct link *link;
    pthread_t thread;
    atomic_bool accepts;
    _Atomic uint64_t busy_since_us; /* when it took its jobs; 0: it has none */
    atomic_size_t running;          /* how many */
    /* The rest is the thread's own. */
    bool had_link;         /* since the last connect(): the link has closed */
    unsigned failures;     /* attempts to connect in a row that led to nothing lasting */
    uint64_t opened_us;    /* when the link was last opened */
    uint64_t told;         /* hash of the reason that was logged last */
    uint64_t keep_jobs_us; /* while there is no link: jobs are kept until then */
    uint64_t look_us;      /* when the link is to be looked at */
};

struct pool {
    struct pool_config config; /* but for its strings, which the links copied */
    struct pool_events events;
    const struct clock *clock;
    unsigned n;         /* workers made, before any of them is started: they look at each other */
    unsigned started;   /* of these, to be joined */
    atomic_uint turn;   /* of pool_push_any() */
    atomic_uint usable; /* workers that accept */
    struct pool_worker workers[];
};

static uint64_t now_us(const struct pool_worker *w) { return clock_mono_us(w->pool->clock); }

/* Rounded up; UINT64_MAX is never reached. */
static int ms_until(const struct pool_worker *w, uint64_t until_us) {
    uint64_t now = now_us(w), ms = until_us <= now ? 0 : (until_us - now - 1) / 1000 + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int lesser(int a, int b) { return a < b ? a : b; }

/* ---- accepting and refusing ---- */

static void accept_jobs(struct pool_worker *w, bool accepts) {
    if (atomic_load(&w->accepts) == accepts)
        return;
    atomic_store(&w->accepts, accepts);
    if (accepts)
        atomic_fetch_add(&w->pool->usable, 1);
    else
        atomic_fetch_sub(&w->pool->usable, 1);
    w->pool->events.changed(w->pool->events.arg, accepts);
}

static struct queue_item *take(struct pool_worker *w) {
    return queue_take(&w->queue, w->pool->config.take_items, w->pool->config.take_bytes);
}

static void refuse_queued(struct pool_worker *w) {
    for (struct queue_item *jobs; (jobs = take(w));)
        w->pool->events.refuse(w->pool->events.arg, jobs);
}

/* ---- connecting ---- */

/* How long before the next attempt: none before the first, then doubling, with jitter, so that the
 * workers of many nodes do not come all at once. */
static uint32_t backoff_ms(const struct pool_worker *w) {
    if (w->failures == 0)
        return 0;
    unsigned doublings = w->failures - 1 < DOUBLINGS_MAX ? w->failures - 1 : DOUBLINGS_MAX;
    uint64_t most = (uint64_t)POOL_FIRST_WAIT_MS << doublings;
    if (most > w->pool->config.reconnect_max_ms)
        most = w->pool->config.reconnect_max_ms;
    return (uint32_t)(most - hash_u64(now_us(w) ^ (uintptr_t)w) % (most / 2 + 1));
}

/* Waits for the socket (fd < 0: for nothing), not past until_us. Meanwhile jobs are kept until
 * keep_jobs_us and refused from then on. True when the socket is ready. */
static bool wait_refusing(struct pool_worker *w, int fd, short events, uint64_t until_us) {
    for (;;) {
        bool keeps = atomic_load(&w->accepts) && ms_until(w, w->keep_jobs_us) > 0;
        if (!keeps) {
            accept_jobs(w, false);
            refuse_queued(w);
        }
        int wait_ms = ms_until(w, until_us);
        if (wait_ms == 0 || queue_is_closed(&w->queue))
            return false;
        if (keeps)
            wait_ms = lesser(wait_ms, ms_until(w, w->keep_jobs_us));
        struct pollfd p[] = {{.fd = fd, .events = events},
                             {.fd = keeps ? -1 : queue_fd(&w->queue), .events = POLLIN}};
        if (poll(p, 2, wait_ms) > 0 && p[0].revents)
            return true;
    }
}

/* One attempt, given up at until_us. */
static bool attempt(struct pool_worker *w, uint64_t until_us) {
    enum link_step step;
    link_begin(w->link);
    while ((step = link_go_on(w->link)) == LINK_READS || step == LINK_WRITES) {
        uint64_t late_us = now_us(w) + (uint64_t)link_patience_ms(w->link) * 1000;
        if (!wait_refusing(w, link_fd(w->link), step == LINK_READS ? POLLIN : POLLOUT,
                           late_us < until_us ? late_us : until_us) &&
            (ms_until(w, until_us) == 0 || queue_is_closed(&w->queue))) {
            link_refuse(w->link, "given up while connecting");
            return false;
        }
    }
    if (step != LINK_OPEN)
        return false;
    if (w->pool->events.prepare(w->pool->events.arg, w->link) == RC_OK)
        return true;
    link_close(w->link);
    return false;
}

static void note_failure(struct pool_worker *w) {
    /* The operator is told once what is wrong, and again when something else is. */
    uint64_t why = hash_str(str_of(link_why(w->link)));
    log_line(why != w->told ? LOG_WARN : LOG_DEBUG, "%s %u cannot use the store why=\"%s\"",
             link_name(w->link), pool_index(w), link_why(w->link));
    w->told = why;
    w->failures++;
    w->keep_jobs_us = 0;
}

/* The link has closed: says so, and decides what becomes of the jobs meanwhile. */
static void note_loss(struct pool_worker *w) {
    uint64_t now = now_us(w);
    bool lasted = now - w->opened_us >= (uint64_t)POOL_STEADY_MS * 1000;
    log_warn("%s %u lost the store why=\"%s\"", link_name(w->link), pool_index(w),
             link_why(w->link));
    w->had_link = false;
    w->failures = lasted ? 0 : w->failures + 1;
    /* A server that was silent will be silent to the next attempt too. */
    w->keep_jobs_us = link_timed_out(w->link) ? 0 : now + (uint64_t)POOL_GRACE_MS * 1000;
}

/* Connects again and again until it works, until_us, or the pool stops. */
static bool connect_until(struct pool_worker *w, uint64_t until_us) {
    if (w->had_link)
        note_loss(w);
    while (!queue_is_closed(&w->queue)) {
        uint64_t next_us = now_us(w) + (uint64_t)backoff_ms(w) * 1000;
        (void)wait_refusing(w, -1, 0, next_us < until_us ? next_us : until_us);
        if (ms_until(w, until_us) == 0)
            break;
        if (!queue_is_closed(&w->queue) && attempt(w, until_us)) {
            log_info("%s %u connected version=%d", link_name(w->link), pool_index(w),
                     link_server_version(w->link));
            w->had_link = true;
            w->told = 0;
            w->opened_us = now_us(w);
            w->look_us = w->opened_us + (uint64_t)POOL_LOOK_MS * 1000;
            accept_jobs(w, true);
            return true;
        }
        note_failure(w);
    }
    return false;
}

/* ---- taking turns ---- */

/* Jobs that another one runs; 0 also when it hangs. */
static size_t running(const struct pool_worker *w) {
    uint64_t since = atomic_load(&w->busy_since_us), now = now_us(w);
    bool hangs = since && now > since && now - since >= (uint64_t)POOL_HANGS_MS * 1000;
    return hangs ? 0 : atomic_load(&w->running);
}

static bool has_turn(struct pool_worker *w) {
    struct pool *p = w->pool;
    if (!p->config.takes_turns)
        return true;
    size_t queued = queue_items(&w->queue);
    for (unsigned i = 0; i < p->config.workers; i++)
        if (&p->workers[i] != w && running(&p->workers[i]) > queued)
            return false;
    return true;
}

static void wake_others(struct pool_worker *w) {
    struct pool *p = w->pool;
    for (unsigned i = 0; p->config.takes_turns && i < p->config.workers; i++)
        if (&p->workers[i] != w)
            queue_wake(&p->workers[i].queue);
}

/* ---- the thread ---- */

/* Notices a server that has fallen silent, or is not what it was. */
static void look_if_due(struct pool_worker *w) {
    if (ms_until(w, w->look_us) > 0)
        return;
    w->look_us = now_us(w) + (uint64_t)POOL_LOOK_MS * 1000;
    if (w->pool->events.look)
        w->pool->events.look(w->pool->events.arg, w->link);
    else if (link_ping(w->link) == RC_IO)
        link_refuse(w->link, "a ping failed");
}

/* Waits for jobs, or for the turn; meanwhile notices a server that hangs up. */
static void wait_for_jobs(struct pool_worker *w, bool has_turn_now) {
    struct pollfd p[] = {{.fd = queue_fd(&w->queue), .events = POLLIN},
                         {.fd = link_fd(w->link), .events = POLLIN}};
    int look_ms = ms_until(w, w->look_us);
    (void)poll(p, 2, has_turn_now ? look_ms : lesser(look_ms, POOL_HANGS_MS));
}

static void run(struct pool_worker *w, struct queue_item *jobs) {
    size_t n = 0;
    for (const struct queue_item *i = jobs; i; i = i->next)
        n++;
    atomic_store(&w->running, n);
    atomic_store(&w->busy_since_us, now_us(w));
    w->pool->events.run(w->pool->events.arg, w, jobs);
    atomic_store(&w->running, 0);
    atomic_store(&w->busy_since_us, 0);
    wake_others(w);
}

static void *work(void *arg) {
    struct pool_worker *w = arg;
    for (;;) {
        bool closed = queue_is_closed(&w->queue);
        /* Looked at before each batch: what is sent to a server that has hung up may be lost. */
        if (!link_is_alive(w->link) && !connect_until(w, UINT64_MAX))
            break;
        look_if_due(w);
        if (!link_is_open(w->link))
            continue;
        queue_hush(&w->queue);
        bool may_take = closed || has_turn(w);
        struct queue_item *jobs = may_take ? take(w) : NULL;
        if (jobs)
            run(w, jobs);
        else if (closed)
            break;
        else
            wait_for_jobs(w, may_take);
    }
    refuse_queued(w);
    link_close(w->link);
    return NULL;
}

/* ---- for run() ---- */

struct link *pool_link(struct pool_worker *w) {
    return w->link;
}

unsigned pool_index(const struct pool_worker *w) { return (unsigned)(w - w->pool->workers); }

enum rc pool_renew(struct pool_worker *w, uint32_t within_ms) {
    if (link_is_open(w->link))
        return RC_OK;
    return connect_until(w, now_us(w) + (uint64_t)within_ms * 1000) ? RC_OK : RC_UNAVAILABLE;
}

enum rc pool_push_again(struct pool_worker *w, struct queue_item *item) {
    return queue_push_always(&w->queue, item);
}

/* ---- from outside ---- */

bool pool_is_up(const struct pool *p) { return atomic_load(&p->usable) > 0; }

static enum rc push(struct pool_worker *w, struct queue_item *item) {
    if (!atomic_load(&w->accepts))
        return RC_UNAVAILABLE;
    enum rc rc = queue_push_quietly(&w->queue, item);
    if (rc == RC_OK && has_turn(w))
        queue_wake(&w->queue);
    return rc;
}

/* To the first from `index` on that accepts jobs. */
static enum rc push_from(struct pool *p, unsigned index, struct queue_item *item) {
    enum rc rc = RC_UNAVAILABLE;
    for (unsigned i = 0; i < p->n && rc == RC_UNAVAILABLE; i++)
        rc = push(&p->workers[(index + i) % p->n], item);
    return rc;
}

enum rc pool_push(struct pool *p, uint64_t hash, struct queue_item *item) {
    return push_from(p, (unsigned)(hash % p->n), item);
}

enum rc pool_push_any(struct pool *p, struct queue_item *item) {
    return push_from(p, atomic_fetch_add(&p->turn, 1) % p->n, item);
}

enum rc pool_push_to(struct pool *p, unsigned worker, struct queue_item *item) {
    return push(&p->workers[worker], item);
}

struct pool_state pool_look(struct pool *p, unsigned worker) {
    struct pool_worker *w = &p->workers[worker];
    uint64_t since = atomic_load(&w->busy_since_us), now = now_us(w);
    return (struct pool_state){.accepts = atomic_load(&w->accepts),
                               .queued = queue_items(&w->queue),
                               .running = atomic_load(&w->running),
                               .busy_ms = since && now > since ? (now - since) / 1000 : 0};
}

static void join(struct pool *p) {
    for (unsigned i = 0; i < p->n; i++)
        queue_close(&p->workers[i].queue);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
}

void pool_stop(struct pool *p) {
    if (!p)
        return;
    join(p);
    for (unsigned i = 0; i < p->n; i++) {
        queue_done(&p->workers[i].queue);
        link_free(p->workers[i].link);
    }
    free(p);
}

static enum rc make_worker(struct pool *p, struct pool_worker *w) {
    w->pool = p;
    enum rc rc = queue_init(&w->queue, p->config.queue_items, p->config.queue_bytes);
    if (rc != RC_OK)
        return rc;
    rc = link_new(&p->config.link, p->clock, &w->link);
    if (rc != RC_OK)
        queue_done(&w->queue);
    return rc;
}

enum rc pool_start(const struct pool_config *config, const struct pool_events *events,
                   const struct clock *clock, struct pool **out) {
    struct pool *p = calloc(1, sizeof *p + config->workers * sizeof p->workers[0]);
    if (!p)
        return RC_NO_MEMORY;
    p->config = *config;
    p->events = *events;
    p->clock = clock;
    enum rc rc = RC_OK;
    while (rc == RC_OK && p->n < config->workers) {
        rc = make_worker(p, &p->workers[p->n]);
        if (rc == RC_OK)
            p->n++;
    }
    for (unsigned i = 0; rc == RC_OK && i < p->n; i++) {
        if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) == 0)
            p->started++;
        else
            rc = RC_IO;
    }
    if (rc == RC_OK)
        *out = p;
    else
        pool_stop(p);
    return rc;
}
