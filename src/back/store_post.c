/* back/store_post.c -- the group commit: all jobs that wait in one transaction, and what becomes of
 * them when it fails. Most are posts, and are called so here.
 *
 * When the connection breaks before COMMIT is answered, the outcome is settled on a new one. If the
 * results and the transaction's number had come, pg_xact_status() knows:
 *
 *   committed              the results hold, if a row of them stands and standbys have it
 *   aborted                the posts are run again
 *   neither, or no number  those that may be are run again (a post with an id, which keeps it from
 *                          being stored twice); the others get RC_UNKNOWN_OUTCOME
 *
 * A transaction that PostgreSQL refuses is run again post by post, so that a poisoned one fails
 * alone.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <poll.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/log.h"
#include "core/stats.h"
#include "store_parts.h"

enum { TRIES = 4, SETTLE_LOOK_MS = 20 };

/* What one run of a batch needs to know. */
struct run {
    struct store *store;
    struct pool_worker *worker;
    struct store_desk *desk;
    const struct batch_kind *kind;
    uint64_t until_us; /* after a failure: no more attempts from then on; 0 before */
    bool may_be_ours;  /* an attempt may have been committed */
};

/* ---- answering ---- */

static void finish_all(struct run *run, struct entry *e, size_t n, enum rc rc) {
    batch_forget(run->desk, e, n);
    for (size_t i = 0; i < n; i++)
        store_finish(run->store, e[i].job, rc);
}

static enum rc rc_of(char verdict) {
    switch ((enum verdict)verdict) {
    case IS_NEW:
    case IS_UNCHANGED:
        return RC_OK;
    case IS_REPEAT:
        return RC_REPEAT;
    case IS_CONFLICT:
        return RC_CONFLICT;
    case IS_FORBIDDEN:
        return RC_FORBIDDEN;
    case IS_TOO_LARGE:
        return RC_TOO_LARGE;
    case IS_GONE:
    case IS_MISSING:
    case IS_LATER: /* not answered */
        break;
    }
    return RC_NOT_FOUND;
}

/* In the order of the batch, which is the order of the seqs of each inbox. Returns how many are
 * left to be run. */
static size_t answer(struct run *run, struct entry *e, size_t n) {
    struct store *s = run->store;
    size_t left = 0;
    stats_add(store_batches, 1);
    if (run->kind->tell_rows)
        run->kind->tell_rows(s, e, n, run->desk->result);
    for (size_t i = 0; i < n; i++)
        if (e[i].verdict != IS_LATER)
            e[i].rc = run->kind->tell(s, &e[i], run->desk->result, rc_of(e[i].verdict));
    if (s->events.rows_end)
        s->events.rows_end(s->events.arg);
    for (size_t i = 0; i < n; i++)
        if (e[i].verdict == IS_LATER)
            e[left++] = e[i];
        else
            store_finish(s, e[i].job, e[i].rc);
    batch_forget(run->desk, e, n);
    return left;
}

/* ---- settling ---- */

static uint32_t left_ms(const struct run *run) {
    uint64_t now = clock_mono_us(run->store->clock);
    return run->until_us <= now ? 0 : (uint32_t)((run->until_us - now) / 1000);
}

/* A connection for the next attempt. From the first failure on there is one time-out for all. */
static enum rc renew(struct run *run) {
    if (run->until_us == 0)
        run->until_us =
            clock_mono_us(run->store->clock) + (uint64_t)run->store->config.timeout_ms * 1000;
    return pool_renew(run->worker, left_ms(run));
}

enum outcome { COMMITTED, ABORTED, UNDECIDED, UNKNOWN };

static enum outcome ask_status(struct link *l, const char xact[XACT_BYTES]) {
    struct str param = {xact, XACT_BYTES};
    PGresult *r;
    link_send(l, store_sql_names[SQL_xact_status], 1, &param);
    link_sync(l);
    if (link_collect(l, 1, &r) != RC_OK)
        return link_is_open(l) ? UNKNOWN : UNDECIDED;
    struct str status = value_get_str(r, 0, 0);
    enum outcome outcome = str_eq(status, STR("committed"))     ? COMMITTED
                           : str_eq(status, STR("aborted"))     ? ABORTED
                           : str_eq(status, STR("in progress")) ? UNDECIDED
                                                                : UNKNOWN;
    PQclear(r);
    return outcome;
}

/* After a crash PostgreSQL gives numbers again that had not reached its log, so that "committed"
 * may be said of another's transaction: one row of ours must stand. Without any new row there is
 * nothing to lose. */
static bool is_ours(const struct run *run, struct link *l, const struct entry *e, size_t n) {
    const struct store_desk *d = run->desk;
    struct str handle;
    uint64_t number;
    size_t i = 0;
    while (i < n && !run->kind->witness(&e[i], d->result, &handle, &number))
        i++;
    if (i == n)
        return true;
    struct value seq, at;
    const struct str params[] = {handle,
                                 value_i64(&seq, (int64_t)number),
                                 {d->xact, XACT_BYTES},
                                 value_i64(&at, e[i].created_at_ms)};
    PGresult *r;
    link_send(l, store_sql_names[SQL_row_stands], 4, params);
    link_sync(l);
    if (link_collect(l, 1, &r) != RC_OK)
        return false;
    bool stands = value_get_char(r, 0, 0) != '\0';
    PQclear(r);
    return stands;
}

/* A COMMIT that was broken off while it waited for a synchronous standby is done here, and perhaps
 * nowhere else. A later one, if it has left a record in the log, waits for that one too. */
static bool is_everywhere(struct link *l) {
    PGresult *r;
    link_send_sql(l, "SELECT FROM kez.store FOR KEY SHARE", 0, NULL);
    link_sync(l);
    if (link_collect(l, 1, &r) != RC_OK)
        return false;
    PQclear(r);
    return true;
}

/* What became of the last attempt. Another server, or another history of this one, may have given
 * the number to another transaction, and is not asked. */
static enum outcome settle(struct run *run, const struct entry *e, size_t n) {
    const struct store_desk *d = run->desk;
    enum outcome outcome = UNDECIDED;
    if (!d->result)
        return UNKNOWN;
    while (outcome == UNDECIDED && renew(run) == RC_OK) {
        struct link *l = pool_link(run->worker);
        if (strcmp(link_note(l), d->server) != 0)
            return UNKNOWN;
        outcome = ask_status(l, d->xact);
        if (outcome == COMMITTED && !(is_ours(run, l, e, n) && is_everywhere(l)))
            return UNKNOWN;
        if (outcome == UNDECIDED && left_ms(run) == 0)
            break;
        /* The old session has not noticed yet that nobody listens. */
        if (outcome == UNDECIDED)
            (void)poll(NULL, 0, SETTLE_LOOK_MS);
    }
    return outcome == UNDECIDED ? UNKNOWN : outcome;
}

/* Answers posts that cannot be run again safely; returns how many are left. */
static size_t keep_those_to_rerun(struct run *run, struct entry *e, size_t n) {
    size_t kept = 0;
    batch_forget(run->desk, e, n);
    for (size_t i = 0; i < n; i++)
        if (e[i].may_rerun)
            e[kept++] = e[i];
        else
            store_finish(run->store, e[i].job, RC_UNKNOWN_OUTCOME);
    return kept;
}

/* ---- running ---- */

/* What to do after an attempt. */
enum fate { ANSWERED, PARTLY, AGAIN, ONE_BY_ONE };

static enum fate committed(struct run *run, struct entry *e, size_t *n) {
    *n = answer(run, e, *n);
    return *n > 0 ? PARTLY : ANSWERED;
}

static enum fate judge(struct run *run, struct entry *e, size_t *n, enum rc rc) {
    struct link *l = pool_link(run->worker);
    if (rc == RC_OK)
        return committed(run, e, n);
    if (rc == RC_NO_MEMORY) {
        finish_all(run, e, *n, run->may_be_ours ? RC_UNKNOWN_OUTCOME : rc);
        return ANSWERED;
    }
    if (rc == RC_IO)
        return store_must_reopen(l) ? AGAIN : ONE_BY_ONE;
    switch (settle(run, e, *n)) {
    case COMMITTED:
        return committed(run, e, n);
    case ABORTED:
        return AGAIN;
    case UNDECIDED:
    case UNKNOWN:
        break;
    }
    run->may_be_ours = true;
    *n = keep_those_to_rerun(run, e, *n);
    return *n > 0 ? AGAIN : ANSWERED;
}

/* Runs *n entries until they are answered; false when the *n left were refused and are not. */
static bool run_batch(struct run *run, struct entry *e, size_t *n) {
    for (unsigned tries = 0; tries < TRIES;) {
        struct link *l = pool_link(run->worker);
        if (!link_is_open(l) && renew(run) != RC_OK)
            break;
        enum fate fate =
            judge(run, e, n, batch_attempt(run->desk, run->kind, l, e, *n, run->may_be_ours));
        if (fate == ANSWERED || fate == ONE_BY_ONE)
            return fate == ANSWERED;
        tries = fate == PARTLY ? 0 : tries + 1;
    }
    finish_all(run, e, *n, run->may_be_ours ? RC_UNKNOWN_OUTCOME : RC_UNAVAILABLE);
    return true;
}

/* PostgreSQL refused this one; true when it may be for the sake of its scope. */
static bool finish_refused(struct run *run, struct entry *e) {
    enum rc rc = store_refusal(pool_link(run->worker));
    bool is_transient = rc == RC_UNAVAILABLE;
    if (is_transient && run->may_be_ours)
        rc = RC_UNKNOWN_OUTCOME;
    finish_all(run, e, 1, rc);
    return is_transient;
}

/* PostgreSQL refused the batch as a whole. One inbox or conversation that somebody holds locked
 * costs one wait, not one for each of its posts; and all of them together one time-out. */
static void run_one_by_one(struct run *whole, struct entry *e, size_t n) {
    uint64_t stuck = 0, until_us = clock_mono_us(whole->store->clock) +
                                   (uint64_t)whole->store->config.timeout_ms * 1000;
    for (size_t i = 0; i < n; i++) {
        struct run run = *whole;
        size_t one = 1;
        run.until_us = 0;
        uint64_t scope = e[i].scope;
        if (scope == stuck || clock_mono_us(run.store->clock) >= until_us)
            finish_all(&run, &e[i], 1, run.may_be_ours ? RC_UNKNOWN_OUTCOME : RC_UNAVAILABLE);
        else if (!run_batch(&run, &e[i], &one) && finish_refused(&run, &e[i]))
            stuck = scope;
    }
}

void store_run_batches(struct store *s, struct pool_worker *w, const struct batch_kind *kind,
                       struct queue_item *jobs) {
    struct store_desk *d = s->desks[pool_index(w)];
    while (jobs) {
        struct run run = {.store = s, .worker = w, .desk = d, .kind = kind};
        size_t n = batch_gather(d, kind, jobs, &jobs);
        if (run_batch(&run, d->entries, &n))
            continue;
        log_warn("store refused jobs=%zu sqlstate=%s", n, link_sqlstate(pool_link(w)));
        if (n == 1)
            (void)finish_refused(&run, d->entries);
        else
            run_one_by_one(&run, d->entries, n);
    }
}
