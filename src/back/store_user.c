/* back/store_user.c -- the jobs that write and are no posts: accounts made, blocked and deleted,
 * proofs, trimming.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <libpq-fe.h>

#include "base/table.h"
#include "store_parts.h"

enum {
    TRIM_ROWS = 500,   /* dropped in one transaction: posts to the inbox wait for it */
    FORGET_IDS = 1000, /* ids that are old enough, removed with each trim */
};

/* ---- registering ---- */

static enum rc send_register(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_register *job = container_of(u->jobs[0], struct store_register, job);
    const struct str params[] = {handle_str(&job->handle),
                                 {(const char *)job->primary.bytes, KEY_BYTES}};
    (void)s;
    link_send(l, store_sql_names[SQL_add_account], 2, params);
    link_send(l, store_sql_names[SQL_same_account], 2, params);
    return RC_OK;
}

static void take_register(struct store *s, struct pool_worker *w, const struct unit *u,
                          PGresult *const results[]) {
    struct store_register *job = container_of(u->jobs[0], struct store_register, job);
    bool is_made = PQntuples(results[0]) > 0, is_there = PQntuples(results[1]) > 0;
    (void)w;
    job->user = (struct user){.handle = job->handle, .primary = job->primary};
    if (is_made || is_there)
        job->user.inbox = (uint64_t)value_get_i64(results[is_made ? 0 : 1], 0, 0);
    store_finish(s, &job->job, is_made ? RC_OK : is_there ? RC_REPEAT : RC_CONFLICT);
}

const struct unit_kind store_add_account = {
    .statements = 2, .writes = true, .send = send_register, .take = take_register};

/* ---- proofs ---- */

static enum rc send_proofs(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_proofs *job = container_of(u->jobs[0], struct store_proofs, job);
    struct value inbox;
    const struct str params[] = {value_i64(&inbox, (int64_t)job->inbox), buf_str(&job->proofs)};
    (void)s;
    link_send(l, store_sql_names[SQL_set_proofs], 2, params);
    return RC_OK;
}

static void take_proofs(struct store *s, struct pool_worker *w, const struct unit *u,
                        PGresult *const results[]) {
    struct store_proofs *job = container_of(u->jobs[0], struct store_proofs, job);
    bool is_there = PQntuples(results[0]) > 0;
    (void)w;
    if (is_there)
        job->registered_at_ms = value_get_ms(results[0], 0, 0);
    store_finish(s, &job->job, is_there ? RC_OK : RC_NOT_FOUND);
}

const struct unit_kind store_set_proofs = {
    .statements = 1, .writes = true, .send = send_proofs, .take = take_proofs};

/* ---- trimming ---- */

static enum rc send_trim(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_trim *job = container_of(u->jobs[0], struct store_trim, job);
    struct value inbox, upto, rows, hours, ids;
    const struct str params[] = {
        value_i64(&inbox, (int64_t)job->inbox),
        value_i64(&upto, job->upto > INT64_MAX ? INT64_MAX : (int64_t)job->upto),
        value_i64(&rows, TRIM_ROWS), value_i64(&hours, s->config.id_memory_hours)};
    const struct str old[] = {value_i64(&hours, s->config.id_memory_hours),
                              value_i64(&ids, FORGET_IDS)};
    link_send(l, store_sql_names[SQL_lock_inbox], 1, params);
    link_send(l, store_sql_names[SQL_trim_rows], 4, params);
    link_send(l, store_sql_names[SQL_forget_ids], 2, old);
    return RC_OK;
}

/* What is left goes behind the posts that wait; when the store stops, the client asks again. */
static void take_trim(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    struct store_trim *job = container_of(u->jobs[0], struct store_trim, job);
    const PGresult *r = results[1];
    if (PQntuples(r) == 0) {
        store_finish(s, &job->job, RC_NOT_FOUND);
        return;
    }
    uint64_t head = (uint64_t)value_get_i64(r, 0, 0), first = (uint64_t)value_get_i64(r, 0, 1);
    if (job->upto > head)
        store_finish(s, &job->job, RC_TOO_LARGE);
    else if (first > job->upto)
        store_finish(s, &job->job, RC_OK);
    else if (pool_push_again(w, &job->job.item) != RC_OK)
        store_finish(s, &job->job, RC_UNAVAILABLE);
}

const struct unit_kind store_trim_rows = {
    .statements = 3, .writes = true, .send = send_trim, .take = take_trim};

/* ---- deleting ---- */

static const struct store_account *account_of(const struct unit *u) {
    return container_of(u->jobs[0], struct store_account, job);
}

static enum rc send_delete(const struct store *s, struct link *l, const struct unit *u) {
    struct value inbox, rows;
    const struct str params[] = {value_i64(&inbox, (int64_t)account_of(u)->inbox),
                                 value_i64(&rows, TRIM_ROWS)};
    (void)s;
    link_send(l, store_sql_names[SQL_lock_inbox], 1, params);
    link_send(l, store_sql_names[SQL_empty_inbox], 2, params);
    link_send(l, store_sql_names[SQL_delete_account], 1, params);
    return RC_OK;
}

/* While rows are left the account stays, and the rest goes behind what waits. */
static void take_delete(struct store *s, struct pool_worker *w, const struct unit *u,
                        PGresult *const results[]) {
    struct store_job *job = u->jobs[0];
    if (PQntuples(results[2]) > 0)
        store_finish(s, job, RC_OK);
    else if (PQntuples(results[1]) == 0)
        store_finish(s, job, RC_NOT_FOUND);
    else if (pool_push_again(w, &job->item) != RC_OK)
        store_finish(s, job, RC_UNAVAILABLE);
}

const struct unit_kind store_delete_account = {
    .statements = 3, .writes = true, .send = send_delete, .take = take_delete};

/* ---- blocking and closing ---- */

static enum rc send_block(const struct store *s, struct link *l, const struct unit *u) {
    struct value inbox, is_blocked;
    const struct str params[] = {value_i64(&inbox, (int64_t)account_of(u)->inbox),
                                 value_i64(&is_blocked, account_of(u)->is_blocked)};
    (void)s;
    link_send(l, store_sql_names[SQL_block_inbox], 2, params);
    return RC_OK;
}

static void take_flag(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    (void)w;
    store_finish(s, u->jobs[0], PQntuples(results[0]) > 0 ? RC_OK : RC_NOT_FOUND);
}

const struct unit_kind store_block_inbox = {
    .statements = 1, .writes = true, .send = send_block, .take = take_flag};

static enum rc send_close(const struct store *s, struct link *l, const struct unit *u) {
    struct value inbox;
    const struct str params[] = {value_i64(&inbox, (int64_t)account_of(u)->inbox)};
    (void)s;
    link_send(l, store_sql_names[SQL_close_inbox], 1, params);
    return RC_OK;
}

const struct unit_kind store_close_inbox = {
    .statements = 1, .writes = true, .send = send_close, .take = take_flag};
