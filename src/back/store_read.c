/* back/store_read.c -- the jobs that only read: look-ups, records, pages and heads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/table.h"
#include "store_parts.h"

/* The n-th answer belongs to the n-th job of the array that was sent (from 1). */
static size_t index_of(const PGresult *r, int row) { return (size_t)value_get_i64(r, row, 0) - 1; }

/* ---- look-ups ---- */

static struct store_find *find_of(const struct unit *u, size_t i) {
    return container_of(u->jobs[i], struct store_find, job);
}

static enum rc send_find(struct link *l, const struct unit *u, enum store_statement statement) {
    struct buf names;
    bool by_primary = statement == SQL_find_primaries;
    buf_init(&names, STORE_PARAM_MAX);
    array_begin(&names, by_primary ? ELEMENT_BYTEA : ELEMENT_TEXT, u->n);
    for (size_t i = 0; i < u->n; i++) {
        const struct store_find *f = find_of(u, i);
        array_add(&names, by_primary ? (struct str){(const char *)f->primary.bytes, KEY_BYTES}
                                     : handle_str(&f->handle));
    }
    enum rc rc = buf_rc(&names);
    struct str param = buf_str(&names);
    if (rc == RC_OK)
        link_send(l, store_sql_names[statement], 1, &param);
    buf_done(&names);
    return rc;
}

static enum rc send_find_handles(const struct store *s, struct link *l, const struct unit *u) {
    (void)s;
    return send_find(l, u, SQL_find_handles);
}

static enum rc send_find_primaries(const struct store *s, struct link *l, const struct unit *u) {
    (void)s;
    return send_find(l, u, SQL_find_primaries);
}

/* (number, inbox, handle, primary, 1 when it is blocked) */
static void take_user(const PGresult *r, int row, struct user *out) {
    struct str handle = value_get_str(r, row, 2), primary = value_get_str(r, row, 3);
    *out = (struct user){.inbox = (uint64_t)value_get_i64(r, row, 1),
                         .is_blocked = value_get_i64(r, row, 4) == 1};
    memcpy(out->handle.text, handle.p, handle.n < HANDLE_MAX ? handle.n : HANDLE_MAX);
    memcpy(out->primary.bytes, primary.p, primary.n < KEY_BYTES ? primary.n : KEY_BYTES);
}

static void take_find(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    (void)w;
    for (size_t i = 0; i < u->n; i++)
        find_of(u, i)->user.inbox = 0;
    for (int row = 0; row < PQntuples(results[0]); row++)
        take_user(results[0], row, &find_of(u, index_of(results[0], row))->user);
    for (size_t i = 0; i < u->n; i++)
        store_finish(s, u->jobs[i], find_of(u, i)->user.inbox ? RC_OK : RC_NOT_FOUND);
}

const struct unit_kind store_find_handles = {
    .statements = 1, .send = send_find_handles, .take = take_find};
const struct unit_kind store_find_primaries = {
    .statements = 1, .send = send_find_primaries, .take = take_find};

/* ---- records ---- */

static enum rc send_record(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_record *job = container_of(u->jobs[0], struct store_record, job);
    struct value inbox;
    struct str param = value_i64(&inbox, (int64_t)job->inbox);
    (void)s;
    link_send(l, store_sql_names[SQL_read_record], 1, &param);
    return RC_OK;
}

static void take_record(struct store *s, struct pool_worker *w, const struct unit *u,
                        PGresult *const results[]) {
    struct store_record *job = container_of(u->jobs[0], struct store_record, job);
    enum rc rc = RC_NOT_FOUND;
    (void)w;
    if (PQntuples(results[0]) > 0) {
        job->registered_at_ms = value_get_ms(results[0], 0, 0);
        buf_put(&job->proofs, value_get_str(results[0], 0, 1));
        rc = buf_rc(&job->proofs);
    }
    store_finish(s, &job->job, rc);
}

const struct unit_kind store_read_record = {
    .statements = 1, .send = send_record, .take = take_record};

/* ---- heads ---- */

/* (head, first, epoch) from column `col` on. */
static void take_head(const PGresult *r, int row, int col, struct inbox_head *out) {
    struct str epoch = value_get_str(r, row, col + 2);
    out->head = (uint64_t)value_get_i64(r, row, col);
    out->first = (uint64_t)value_get_i64(r, row, col + 1);
    (void)snprintf(out->epoch.text, sizeof out->epoch.text, "%.*s", STR_ARG(epoch));
}

static enum rc send_heads(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_heads *job = container_of(u->jobs[0], struct store_heads, job);
    struct buf inboxes;
    (void)s;
    buf_init(&inboxes, STORE_PARAM_MAX);
    array_begin(&inboxes, ELEMENT_BIGINT, job->n);
    for (size_t i = 0; i < job->n; i++)
        array_add_i64(&inboxes, (int64_t)job->inboxes[i]);
    enum rc rc = buf_rc(&inboxes);
    struct str param = buf_str(&inboxes);
    if (rc == RC_OK)
        link_send(l, store_sql_names[SQL_read_heads], 1, &param);
    buf_done(&inboxes);
    return rc;
}

static void take_heads(struct store *s, struct pool_worker *w, const struct unit *u,
                       PGresult *const results[]) {
    struct store_heads *job = container_of(u->jobs[0], struct store_heads, job);
    (void)w;
    memset(job->heads, 0, job->n * sizeof *job->heads);
    for (int row = 0; row < PQntuples(results[0]); row++)
        take_head(results[0], row, 1, &job->heads[index_of(results[0], row)]);
    store_finish(s, &job->job, RC_OK);
}

const struct unit_kind store_read_heads = {.statements = 1, .send = send_heads, .take = take_heads};

/* ---- pages ---- */

static enum rc send_read(const struct store *s, struct link *l, const struct unit *u) {
    const struct store_read *job = container_of(u->jobs[0], struct store_read, job);
    struct value inbox, after, limit, bytes;
    bool head_alone = job->after == STORE_NOW;
    (void)s;
    const struct str params[] = {
        value_i64(&inbox, (int64_t)job->inbox),
        value_i64(&after, job->after > INT64_MAX ? INT64_MAX : (int64_t)job->after),
        value_i64(&limit, head_alone ? 0 : job->limit),
        value_i64(&bytes, job->max_bytes > 0 ? job->max_bytes : 1),
    };
    link_send(l, store_sql_names[SQL_read_rows], 4, params);
    return RC_OK;
}

/* (…, seq, type, created_at, sender, id, body, conversation) from column 3 on. */
static struct frame *make_frame(const PGresult *r, int row) {
    struct str sender = value_get_str(r, row, 6), none = {NULL, 0};
    struct row of = {.seq = (uint64_t)value_get_i64(r, row, 3),
                     .type = (enum row_type)value_get_i16(r, row, 4),
                     .created_at_ms = value_get_ms(r, row, 5),
                     .from = sender.n ? sender : none,
                     .id = value_get_str(r, row, 7),
                     .conversation = value_get_str(r, row, 9)};
    *(of.type == ROW_MESSAGE ? &of.envelope : &of.data) = value_get_str(r, row, 8);
    return frame_new(&of);
}

/* Rows up to the limits of the job; the statement gives a few more than fit at most. */
static enum rc take_rows(struct store_read *job, const PGresult *r) {
    size_t bytes = 0;
    uint64_t tag = epoch_tag(&job->page.at.epoch);
    for (int row = 0; row < PQntuples(r) && !PQgetisnull(r, row, 3); row++) {
        struct frame *f = make_frame(r, row);
        if (!f)
            return RC_NO_MEMORY;
        f->epoch_tag = tag;
        bytes += f->json_n;
        if (bytes > job->max_bytes && row > 0) {
            frame_unref(f);
            return RC_OK;
        }
        enum rc rc = page_add_take(&job->page, f);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static void take_read(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    struct store_read *job = container_of(u->jobs[0], struct store_read, job);
    enum rc rc = RC_NOT_FOUND;
    (void)w;
    job->page = (struct page){.n = 0};
    if (PQntuples(results[0]) > 0) {
        take_head(results[0], 0, 0, &job->page.at);
        rc = take_rows(job, results[0]);
    }
    if (rc != RC_OK)
        page_done(&job->page);
    store_finish(s, &job->job, rc);
}

const struct unit_kind store_read_rows = {.statements = 1, .send = send_read, .take = take_read};
