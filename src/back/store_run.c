/* back/store_run.c -- runs the jobs that are no batches: many transactions in one pipeline.
 *
 * Jobs that wait together are sent together, each ended by a sync of its own, so that it is a
 * transaction of its own and fails alone; one round trip serves them all. Each kind of job is safe
 * to run twice: when the connection breaks, what was not answered is run again, once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <libpq-fe.h>

#include "base/log.h"
#include "base/table.h"
#include "core/stats.h"
#include "store_parts.h"

enum { CHUNK = 64, TRIES = 2 };

struct plan {
    struct store_job *jobs[CHUNK];
    struct unit units[CHUNK];
    size_t n; /* units */
};

/* ---- making units ---- */

static const struct unit_kind *kind_of(const struct store_job *job) {
    switch (job->kind) {
    case STORE_FIND:
        return container_of(job, struct store_find, job)->by_primary ? &store_find_primaries
                                                                     : &store_find_handles;
    case STORE_REGISTER:
        return &store_add_account;
    case STORE_RECORD:
        return &store_read_record;
    case STORE_PROOFS:
        return &store_set_proofs;
    case STORE_READ:
        return &store_read_rows;
    case STORE_HEADS:
        return &store_read_heads;
    case STORE_TRIM:
        return &store_trim_rows;
    case STORE_CLOSE:
        return &store_close_inbox;
    case STORE_DELETE:
        return &store_delete_account;
    case STORE_BLOCK:
        return &store_block_inbox;
    case STORE_CONVERSATION_SHOW:
        return &store_show_conversation;
    case STORE_CONVERSATION_LIST:
        return &store_list_conversations;
    case STORE_POST:
    case STORE_CONVERSATION_MAKE:
    case STORE_CONVERSATION_CHANGE:
    case STORE_CONVERSATION_POST:
        break;
    }
    return NULL;
}

static bool is_grouped(const struct unit_kind *kind) {
    return kind == &store_find_handles || kind == &store_find_primaries;
}

/* One unit of all jobs of a kind that is answered in one statement. */
static size_t group(struct plan *p, size_t used, const struct unit_kind *kind,
                    struct store_job *const jobs[], size_t n) {
    size_t first = used;
    for (size_t i = 0; i < n; i++)
        if (kind_of(jobs[i]) == kind)
            p->jobs[used++] = jobs[i];
    if (used > first)
        p->units[p->n++] = (struct unit){.kind = kind, .jobs = &p->jobs[first], .n = used - first};
    return used;
}

/* Plans the first jobs of the list, look-ups first; returns the rest of it. */
static struct queue_item *make_plan(struct plan *p, struct queue_item *list) {
    struct store_job *jobs[CHUNK];
    size_t n = 0, used = 0;
    p->n = 0;
    for (; list && n < CHUNK; list = list->next)
        jobs[n++] = container_of(list, struct store_job, item);
    used = group(p, used, &store_find_handles, jobs, n);
    used = group(p, used, &store_find_primaries, jobs, n);
    for (size_t i = 0; i < n; i++)
        if (!is_grouped(kind_of(jobs[i]))) {
            p->jobs[used] = jobs[i];
            p->units[p->n++] =
                (struct unit){.kind = kind_of(jobs[i]), .jobs = &p->jobs[used], .n = 1};
            used++;
        }
    return list;
}

/* ---- running them ---- */

/* An answered unit has no jobs any more. */
static void finish(struct store *s, struct unit *u, enum rc rc) {
    for (size_t i = 0; i < u->n; i++)
        store_finish(s, u->jobs[i], rc);
    u->n = 0;
}

static void send_units(struct store *s, struct link *l, struct plan *p) {
    for (size_t i = 0; i < p->n; i++) {
        struct unit *u = &p->units[i];
        if (u->n == 0)
            continue;
        enum rc rc = u->kind->send(s, l, u);
        if (rc == RC_OK)
            link_sync(l);
        else
            finish(s, u, rc);
    }
}

/* RC_TIMEOUT, RC_UNAVAILABLE: the connection is gone, some units have no answer yet. */
static enum rc take_answers(struct store *s, struct pool_worker *w, struct plan *p) {
    struct link *l = pool_link(w);
    for (size_t i = 0; i < p->n; i++) {
        struct unit *u = &p->units[i];
        PGresult *results[UNIT_STATEMENTS_MAX];
        if (u->n == 0)
            continue;
        enum rc rc = link_collect(l, u->kind->statements, results);
        if (rc == RC_OK) {
            stats_add(store_batches, u->kind->writes);
            u->kind->take(s, w, u, results);
            u->n = 0;
            link_clear(u->kind->statements, results);
        } else if (rc != RC_IO) {
            return rc;
        } else if (store_must_reopen(l)) {
            return RC_UNAVAILABLE;
        } else {
            log_warn("store refused job=%d sqlstate=%s", (int)u->jobs[0]->kind, link_sqlstate(l));
            finish(s, u, store_refusal(l));
        }
    }
    return RC_OK;
}

static void run_plan(struct store *s, struct pool_worker *w, struct plan *p) {
    enum rc rc = RC_UNAVAILABLE;
    bool was_sent = false;
    for (unsigned tries = 0; tries < TRIES && rc == RC_UNAVAILABLE; tries++) {
        if (pool_renew(w, s->config.timeout_ms) != RC_OK)
            break;
        send_units(s, pool_link(w), p);
        was_sent = true;
        rc = take_answers(s, w, p);
    }
    for (size_t i = 0; i < p->n; i++)
        finish(s, &p->units[i],
               was_sent && p->units[i].kind->writes ? RC_UNKNOWN_OUTCOME : RC_UNAVAILABLE);
}

void store_run_others(struct store *s, struct pool_worker *w, struct queue_item *jobs) {
    struct plan p;
    while (jobs) {
        jobs = make_plan(&p, jobs);
        run_plan(s, w, &p);
    }
}
