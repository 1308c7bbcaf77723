/* back/store_keep.c -- the keeper: drops what nobody needs any more, pass after pass.
 *
 * Each node has one, a thread with a connection of its own, and one of them has the role: the one
 * whose session holds an advisory lock. It keeps it as long as its connection lives, so nobody else
 * has to know when the last pass ended; when it dies, PostgreSQL gives the lock back, and the next
 * one that asks begins a pass. A node that hangs without dying stops speaking, and PostgreSQL ends
 * its session after IDLE_MS. Should two of them make a pass at once (the lock is gone, a statement
 * still under way), nothing is done twice: what a step does depends on what is there alone.
 *
 * Between two steps it rests three times as long as the step took: it takes a quarter of one
 * connection at most, less where the machine is busy, and posts go on between.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/hash.h"
#include "base/log.h"
#include "core/stats.h"
#include "store_keep.h"

enum {
    LOOK_MS = 10000, /* who has no role asks for it this often; who has it gives a sign of life */
    REST_TIMES = 3,  /* of the length of a step */
    REST_MIN_MS = 10,
    REST_MAX_MS = 2000
};
/* In the session: a lock is waited for, and silence is borne, no longer than this. */
#define LOCK_MS "1000"
#define IDLE_MS "60000"

struct store_keeper {
    struct store *store;
    struct store_side side; /* for store_prepare() */
    struct link *link;
    pthread_t thread;
    int stop_fd; /* readable when it is to end */
    _Atomic uint32_t days, rows, period_s;
    /* The rest is the thread's own. */
    bool has_role, is_in_pass, has_told; /* ...why it has no connection */
    struct pass pass;
    uint64_t began_us;
    uint64_t ended_us; /* the last pass of this node; 0: none */
};

static uint64_t now_us(const struct store_keeper *k) { return clock_mono_us(k->store->clock); }

/* As it is to be now; each of the two may be older than the other, and each was wanted. */
static struct store_retention retention(const struct store_keeper *k) {
    return (struct store_retention){.days = atomic_load(&k->days), .rows = atomic_load(&k->rows)};
}

/* False: told to stop. */
static bool rest(const struct store_keeper *k, uint32_t ms) {
    struct pollfd p = {.fd = k->stop_fd, .events = POLLIN};
    return poll(&p, 1, (int)ms) <= 0;
}

/* ---- connection and role ---- */

static void set_role(struct store_keeper *k, bool has_role) {
    if (has_role && !k->has_role)
        log_info("this node makes the retention passes now");
    k->has_role = has_role;
    stats_set(retention_keeper, has_role);
}

static enum rc limit_session(struct link *l) {
    PGresult *r;
    link_send_sql(l,
                  "SELECT set_config('lock_timeout', '" LOCK_MS "', false),"
                  " set_config('idle_session_timeout', '" IDLE_MS "', false)",
                  0, NULL);
    link_sync(l);
    enum rc rc = link_collect(l, 1, &r);
    if (rc == RC_OK)
        PQclear(r);
    return rc;
}

static enum rc connect_link(struct store_keeper *k) {
    enum rc rc = link_open(k->link);
    if (rc == RC_OK)
        rc = store_prepare(&k->side, k->link);
    if (rc == RC_OK)
        rc = limit_session(k->link);
    if (rc != RC_OK && !k->has_told && rest(k, 0))
        log_warn("%s cannot use the store why=\"%s\"", link_name(k->link), link_why(k->link));
    if (rc != RC_OK)
        link_close(k->link);
    k->has_told = rc != RC_OK;
    return rc;
}

static void ask_for_role(struct store_keeper *k) {
    PGresult *r;
    link_send(k->link, store_sql_names[SQL_take_keeper_role], 0, NULL);
    link_sync(k->link);
    if (link_collect(k->link, 1, &r) != RC_OK)
        return;
    set_role(k, value_get_i64(r, 0, 0) == 1);
    PQclear(r);
}

/* ---- the thread; each function says in how many ms to go on ---- */

static uint32_t look_ms(const struct store_keeper *k) {
    uint64_t period_ms = (uint64_t)atomic_load(&k->period_s) * 1000;
    return period_ms < LOOK_MS ? (uint32_t)period_ms : LOOK_MS;
}

/* The nodes do not come all at once. */
static uint32_t retry_ms(const struct store_keeper *k) {
    uint32_t most = k->store->config.reconnect_max_ms;
    return most - (uint32_t)(hash_u64(now_us(k) ^ (uintptr_t)k) % (most / 2 + 1));
}

static void end_pass(struct store_keeper *k) {
    const struct pass *p = &k->pass;
    k->is_in_pass = false;
    k->ended_us = now_us(k);
    stats_add(retention_passes, 1);
    log_line(p->rows + p->ids + p->letters > 0 ? LOG_INFO : LOG_DEBUG,
             "retention pass rows=%llu ids=%llu letters=%llu ms=%llu", (unsigned long long)p->rows,
             (unsigned long long)p->ids, (unsigned long long)p->letters,
             (unsigned long long)((k->ended_us - k->began_us) / 1000));
}

static uint32_t make_step(struct store_keeper *k) {
    uint64_t began = now_us(k);
    struct store_retention by = retention(k);
    enum rc rc = pass_step(&k->pass, &by, &k->store->config, k->link);
    uint64_t rest_ms = (now_us(k) - began) / 1000 * REST_TIMES;
    if (rc == RC_NO_MEMORY)
        return REST_MAX_MS;
    if (rc == RC_OK && k->pass.part == PASS_AT_END)
        end_pass(k);
    return rest_ms < REST_MIN_MS   ? REST_MIN_MS
           : rest_ms > REST_MAX_MS ? REST_MAX_MS
                                   : (uint32_t)rest_ms;
}

static uint32_t wait_for_next(struct store_keeper *k) {
    uint64_t since_ms = (now_us(k) - k->ended_us) / 1000;
    uint64_t period_ms = (uint64_t)atomic_load(&k->period_s) * 1000;
    if (k->ended_us > 0 && since_ms < period_ms) {
        enum rc ignored = link_ping(k->link); /* a closed link is seen when it is looked at next */
        (void)ignored;
        return period_ms - since_ms < LOOK_MS ? (uint32_t)(period_ms - since_ms) : LOOK_MS;
    }
    pass_begin(&k->pass);
    k->is_in_pass = true;
    k->began_us = now_us(k);
    return 0;
}

static uint32_t go_on(struct store_keeper *k) {
    if (!link_is_alive(k->link)) {
        set_role(k, false);
        if (connect_link(k) != RC_OK)
            return retry_ms(k);
    }
    if (!k->has_role)
        ask_for_role(k);
    if (!k->has_role)
        return look_ms(k);
    return k->is_in_pass ? make_step(k) : wait_for_next(k);
}

static void *work(void *arg) {
    struct store_keeper *k = arg;
    for (uint32_t ms = 0; rest(k, ms);)
        ms = go_on(k);
    link_close(k->link);
    return NULL;
}

/* ---- start and stop ---- */

void store_set_retention(struct store *s, const struct store_retention *by) {
    assert(by->period_s > 0);
    if (!s->keeper)
        return;
    atomic_store(&s->keeper->days, by->days);
    atomic_store(&s->keeper->rows, by->rows);
    atomic_store(&s->keeper->period_s, by->period_s);
}

static void free_keeper(struct store_keeper *k) {
    link_free(k->link);
    if (k->stop_fd > 0)
        (void)close(k->stop_fd);
    free(k);
}

void store_keeper_stop(struct store_keeper *k) {
    uint64_t one = 1;
    if (!k)
        return;
    while (write(k->stop_fd, &one, sizeof one) < 0)
        continue; /* EINTR: the counter is far from full */
    pthread_join(k->thread, NULL);
    stats_set(retention_keeper, 0);
    free_keeper(k);
}

static enum rc make_link(struct store_keeper *k) {
    const struct store_config *c = &k->store->config;
    const struct link_config config = {.url = c->url,
                                       .name = "kez-chat keeper",
                                       .timeout_ms = c->timeout_ms,
                                       .connect_timeout_ms = c->connect_timeout_ms,
                                       .stop_fd = k->stop_fd};
    return link_new(&config, k->store->clock, &k->link);
}

enum rc store_keeper_start(struct store *s, struct store_keeper **out) {
    struct store_keeper *k = calloc(1, sizeof *k);
    if (!k)
        return RC_NO_MEMORY;
    k->store = k->side.store = s;
    atomic_init(&k->days, s->config.retention.days);
    atomic_init(&k->rows, s->config.retention.rows);
    atomic_init(&k->period_s, s->config.retention.period_s);
    k->stop_fd = eventfd(0, EFD_CLOEXEC);
    enum rc rc = k->stop_fd > 0 ? make_link(k) : RC_IO;
    if (rc == RC_OK && pthread_create(&k->thread, NULL, work, k) != 0)
        rc = RC_IO;
    if (rc == RC_OK)
        *out = k;
    else
        free_keeper(k);
    return rc;
}
