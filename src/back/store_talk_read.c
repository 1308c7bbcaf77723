/* back/store_talk_read.c -- the jobs that only read conversations: one, or the list of a user.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <libpq-fe.h>

#include "base/table.h"
#include "store_parts.h"

/* The only value of the result, if it is there. */
static enum rc take_json(const PGresult *r, struct buf *out) {
    if (PQntuples(r) == 0 || PQgetisnull(r, 0, 0))
        return RC_NOT_FOUND;
    buf_put(out, value_get_str(r, 0, 0));
    return buf_rc(out) == RC_OK ? RC_OK : RC_NO_MEMORY;
}

static enum rc send_show(const struct store *s, struct link *l, const struct unit *u) {
    const struct conversation_show *job = container_of(u->jobs[0], struct conversation_show, job);
    struct value inbox;
    const struct str params[] = {value_i64(&inbox, (int64_t)job->caller.inbox),
                                 str_of(job->sid.text)};
    (void)s;
    link_send(l, store_sql_names[SQL_show_conversation], 2, params);
    return RC_OK;
}

static void take_show(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    struct conversation_show *job = container_of(u->jobs[0], struct conversation_show, job);
    (void)w;
    store_finish(s, &job->job, take_json(results[0], &job->json));
}

const struct unit_kind store_show_conversation = {
    .statements = 1, .send = send_show, .take = take_show};

static enum rc send_list(const struct store *s, struct link *l, const struct unit *u) {
    const struct conversation_list *job = container_of(u->jobs[0], struct conversation_list, job);
    struct value inbox, limit;
    const struct str params[] = {value_i64(&inbox, (int64_t)job->caller.inbox),
                                 str_of(job->has_before ? job->before.text : NULL),
                                 value_i64(&limit, job->limit)};
    (void)s;
    link_send(l, store_sql_names[SQL_list_conversations], 3, params);
    return RC_OK;
}

static void take_list(struct store *s, struct pool_worker *w, const struct unit *u,
                      PGresult *const results[]) {
    struct conversation_list *job = container_of(u->jobs[0], struct conversation_list, job);
    (void)w;
    store_finish(s, &job->job, take_json(results[0], &job->json));
}

const struct unit_kind store_list_conversations = {
    .statements = 1, .send = send_list, .take = take_list};
