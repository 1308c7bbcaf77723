/* back/store_keep_pass.c -- one pass of the keeper, step by step.
 *
 * A step that PostgreSQL refuses (somebody holds a lock for long, the disk is slow) is not insisted
 * upon: inboxes are tried one by one and then left to the next pass, as is whatever else.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store_keep.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/log.h"
#include "core/stats.h"

void pass_begin(struct pass *p) { *p = (struct pass){.letter = p->letter}; }

/* Sends what was queued and reads n results. RC_IO: refused. RC_UNAVAILABLE: likewise, and what was
 * prepared is of no use any more. */
static enum rc finish_step(struct link *l, size_t n, PGresult *results[]) {
    link_sync(l);
    enum rc rc = link_collect(l, n, results);
    if (rc == RC_IO && store_must_reopen(l))
        return RC_UNAVAILABLE;
    if (rc == RC_IO)
        log_warn("store refused a step of retention sqlstate=%s", link_sqlstate(l));
    return rc;
}

/* ---- rows ---- */

/* Which of the next inboxes have rows to drop? */
static enum rc find_old(struct pass *p, const struct store_retention *by, struct link *l) {
    struct value after, most, days, rows;
    const struct str params[] = {value_i64(&after, (int64_t)p->inbox), value_i64(&most, PASS_LOOK),
                                 value_i64(&days, by->days), value_i64(&rows, by->rows)};
    PGresult *r;
    link_send(l, store_sql_names[SQL_find_old_rows], 4, params);
    enum rc rc = finish_step(l, 1, &r);
    if (rc == RC_IO)
        p->has_seen_all = true;
    if (rc != RC_OK)
        return rc;
    int n = PQntuples(r);
    p->one_by_one = false;
    p->has_seen_all = n < PASS_LOOK;
    for (int row = 0; row < n && p->n_old < PASS_LOOK; row++) {
        p->inbox = (uint64_t)value_get_i64(r, row, 0);
        if (value_get_i64(r, row, 1) == 1)
            p->old[p->n_old++] = p->inbox;
    }
    PQclear(r);
    return RC_OK;
}

static enum rc send_drop(const struct pass *p, const struct store_retention *by,
                         const struct store_config *c, struct link *l, size_t n) {
    struct value rows, bytes, days, kept, hours;
    struct buf inboxes;
    buf_init(&inboxes, STORE_PARAM_MAX);
    array_begin(&inboxes, ELEMENT_BIGINT, n);
    for (size_t i = 0; i < n; i++)
        array_add_i64(&inboxes, (int64_t)p->old[i]);
    const struct str params[] = {buf_str(&inboxes),
                                 value_i64(&rows, PASS_ROWS / (int64_t)n),
                                 value_i64(&bytes, PASS_BYTES / (int64_t)n),
                                 value_i64(&days, by->days),
                                 value_i64(&kept, by->rows),
                                 value_i64(&hours, c->id_memory_hours)};
    enum rc rc = buf_rc(&inboxes);
    if (rc == RC_OK) {
        link_send(l, store_sql_names[SQL_lock_inboxes], 1, params);
        link_send(l, store_sql_names[SQL_drop_old_rows], 6, params);
    }
    buf_done(&inboxes);
    return rc;
}

/* The first n of p->old are done with, but for those that may have more. */
static void take_dropped(struct pass *p, size_t n, const PGresult *r) {
    size_t left = 0;
    for (int row = 0; row < PQntuples(r); row++) {
        int64_t dropped = value_get_i64(r, row, 1);
        p->rows += (uint64_t)dropped;
        stats_add(retention_rows_dropped, dropped);
        if (value_get_i64(r, row, 2) == 1 && left < n)
            p->old[left++] = (uint64_t)value_get_i64(r, row, 0);
    }
    memmove(&p->old[left], &p->old[n], (p->n_old - n) * sizeof p->old[0]);
    p->n_old -= n - left;
}

static enum rc drop_old(struct pass *p, const struct store_retention *by,
                        const struct store_config *c, struct link *l) {
    size_t n = p->one_by_one ? 1 : p->n_old < PASS_INBOXES ? p->n_old : PASS_INBOXES;
    PGresult *results[2];
    enum rc rc = send_drop(p, by, c, l, n);
    if (rc == RC_OK)
        rc = finish_step(l, 2, results);
    if (rc == RC_OK) {
        take_dropped(p, n, results[1]);
        link_clear(2, results);
    } else if (rc == RC_IO && n == 1) {
        memmove(&p->old[0], &p->old[1], --p->n_old * sizeof p->old[0]);
    } else if (rc == RC_IO) {
        p->one_by_one = true;
    }
    return rc;
}

/* ---- ids and letters ---- */

static enum rc forget_ids(struct pass *p, const struct store_config *c, struct link *l) {
    struct value hours, most;
    const struct str params[] = {value_i64(&hours, c->id_memory_hours), value_i64(&most, PASS_IDS)};
    PGresult *r;
    link_send(l, store_sql_names[SQL_forget_ids], 2, params);
    enum rc rc = finish_step(l, 1, &r);
    long n = 0;
    if (rc == RC_OK) {
        n = strtol(PQcmdTuples(r), NULL, 10);
        PQclear(r);
        p->ids += (uint64_t)n;
        stats_add(retention_ids_forgotten, n);
    }
    if (n < PASS_IDS && (rc == RC_OK || rc == RC_IO))
        p->part = PASS_AT_LETTERS;
    return rc;
}

static enum rc drop_letters(struct pass *p, const struct store_config *c, struct link *l) {
    struct value after, most, hours;
    const struct str params[] = {value_i64(&after, (int64_t)p->letter), value_i64(&most, PASS_LOOK),
                                 value_i64(&hours, c->id_memory_hours)};
    PGresult *r;
    link_send(l, store_sql_names[SQL_drop_letters], 3, params);
    enum rc rc = finish_step(l, 1, &r);
    if (rc == RC_IO)
        p->part = PASS_AT_END;
    if (rc != RC_OK)
        return rc;
    int64_t seen = value_get_i64(r, 0, 1), gone = value_get_i64(r, 0, 2);
    p->letter = seen < PASS_LOOK ? 0 : (uint64_t)value_get_i64(r, 0, 0);
    p->letters += (uint64_t)gone;
    stats_add(retention_letters_dropped, gone);
    PQclear(r);
    if (p->letter == 0 || ++p->letter_steps == PASS_LETTER_STEPS)
        p->part = PASS_AT_END;
    return RC_OK;
}

/* ---- all of it ---- */

static enum rc step_rows(struct pass *p, const struct store_retention *by,
                         const struct store_config *c, struct link *l) {
    bool keeps_all = by->days == 0 && by->rows == 0;
    enum rc rc = RC_OK;
    if (!keeps_all)
        rc = p->n_old > 0 ? drop_old(p, by, c, l) : find_old(p, by, l);
    if (keeps_all || (p->n_old == 0 && p->has_seen_all))
        p->part = PASS_AT_IDS;
    return rc;
}

enum rc pass_step(struct pass *p, const struct store_retention *by, const struct store_config *c,
                  struct link *l) {
    enum rc rc = RC_OK;
    switch (p->part) {
    case PASS_AT_ROWS:
        rc = step_rows(p, by, c, l);
        break;
    case PASS_AT_IDS:
        rc = forget_ids(p, c, l);
        break;
    case PASS_AT_LETTERS:
        rc = drop_letters(p, c, l);
        break;
    case PASS_AT_END:
        break;
    }
    return rc == RC_IO ? RC_OK : rc;
}
