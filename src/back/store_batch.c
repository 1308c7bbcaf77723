/* back/store_batch.c -- one transaction of many jobs: which ones, out as one pipeline, and back;
 * and the direct posts, which are most of them.
 *
 * The pipeline goes from BEGIN to COMMIT and never waits for this node. The results and the
 * transaction's number are asked for ahead of COMMIT's answer (store_post.c says what for).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/hash.h"
#include "base/table.h"
#include "core/history.h"
#include "core/stats.h"
#include "store_parts.h"

struct store_desk *store_desk_new(const struct store *s) {
    struct store_desk *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    size_t slots = 4;
    while (slots < 2 * (size_t)s->config.batch_items)
        slots *= 2;
    d->max = s->config.batch_items;
    d->history = s->history;
    d->slot_mask = slots - 1;
    d->entries = calloc(d->max, sizeof *d->entries);
    d->slots = calloc(slots, sizeof *d->slots);
    if (d->entries && d->slots)
        return d;
    store_desk_free(d);
    return NULL;
}

void store_desk_free(struct store_desk *d) {
    if (!d)
        return;
    PQclear(d->result);
    free(d->entries);
    free(d->slots);
    free(d);
}

/* ---- choosing the batch ---- */

static bool same_id(const struct entry *a, const struct entry *b) {
    return a->scope == b->scope && str_eq(a->id, b->id) && str_eq(a->sender, b->sender);
}

/* Notes the id of entry number i. False: an earlier one of the batch has the same. */
static bool note_id(struct store_desk *d, size_t i) {
    const struct entry *e = &d->entries[i];
    size_t at = (size_t)(hash_str(e->id) ^ e->scope) & d->slot_mask;
    for (; d->slots[at]; at = (at + 1) & d->slot_mask)
        if (same_id(&d->entries[d->slots[at] - 1], e))
            return false;
    d->slots[at] = (uint32_t)i + 1;
    return true;
}

/* A post whose id is in the batch already waits for the next one, and finds it there. It will not
 * be a new row then, so no order is lost. */
size_t batch_gather(struct store_desk *d, const struct batch_kind *kind, struct queue_item *list,
                    struct queue_item **rest) {
    size_t n = 0, max = kind->alone ? 1 : d->max;
    memset(d->slots, 0, (d->slot_mask + 1) * sizeof *d->slots);
    for (struct queue_item *next; list && n < max; list = next) {
        struct entry *e = &d->entries[n];
        next = list->next;
        *e = (struct entry){.job = container_of(list, struct store_job, item)};
        kind->describe(e, e->job);
        if (e->id.n == 0 || note_id(d, n)) {
            n++;
        } else {
            *rest = list;
            rest = &list->next;
        }
    }
    *rest = list;
    return n;
}

/* ---- one attempt ---- */

/* After an error: up to the sync, then out of the failed transaction. */
static enum rc roll_back(struct link *l) {
    PGresult *r;
    ExecStatusType status;
    do {
        enum rc rc = link_result(l, &r);
        if (rc != RC_OK)
            return rc;
        status = PQresultStatus(r);
        PQclear(r);
    } while (status != PGRES_PIPELINE_SYNC);
    link_send(l, store_sql_names[SQL_rollback], 0, NULL);
    link_sync(l);
    enum rc rc = link_collect(l, 1, &r);
    if (rc == RC_OK)
        PQclear(r);
    return rc;
}

/* Reads one answer that must not be an error. RC_IO: it was. */
static enum rc expect(struct link *l, PGresult **out) {
    enum rc rc = link_result(l, out);
    if (rc != RC_OK)
        return rc;
    ExecStatusType status = PQresultStatus(*out);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return RC_OK;
    if (status == PGRES_FATAL_ERROR)
        link_note_error(l, *out);
    PQclear(*out);
    return RC_IO;
}

void batch_forget(struct store_desk *d, struct entry *e, size_t n) {
    PQclear(d->result);
    d->result = NULL;
    for (size_t i = 0; i < n; i++) {
        frame_unref(e[i].frame);
        e[i].frame = NULL;
    }
}

/* The results that were asked for ahead of COMMIT's. */
static enum rc read_results(struct store_desk *d, const struct batch_kind *kind, struct link *l,
                            struct entry *e, size_t n, bool may_be_ours) {
    PGresult *r = NULL;
    for (size_t i = 0; i < 1 + kind->statements; i++) {
        PQclear(r);
        enum rc rc = expect(l, &r);
        if (rc != RC_OK)
            return rc;
    }
    if (!kind->read(e, n, may_be_ours, r)) {
        PQclear(r);
        link_refuse(l, "other rows came than were asked for");
        return RC_UNAVAILABLE;
    }
    memcpy(d->xact, PQgetvalue(r, 0, 0), sizeof d->xact);
    d->result = r;
    return RC_OK;
}

static enum rc read_commit(struct link *l) {
    PGresult *r;
    enum rc rc = expect(l, &r);
    if (rc != RC_OK)
        return rc;
    /* COMMIT of a transaction that has failed is a ROLLBACK. */
    bool is_committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
    PQclear(r);
    return is_committed ? RC_OK : RC_IO;
}

/* COMMIT is answered: how what follows it fares is no matter any more. */
static void note_flushed(struct store_desk *d, struct link *l) {
    PGresult *r;
    if (link_collect(l, 1, &r) != RC_OK)
        return;
    history_reached(d->history, link_number(l), (uint64_t)value_get_i64(r, 0, 0));
    PQclear(r);
}

enum rc batch_attempt(struct store_desk *d, const struct batch_kind *kind, struct link *l,
                      struct entry *e, size_t n, bool may_be_ours) {
    batch_forget(d, e, n);
    strcpy(d->server, link_note(l));
    enum rc rc = kind->send(l, e, n, may_be_ours);
    if (rc != RC_OK)
        return rc;
    link_send_flush(l);
    link_send(l, store_sql_names[SQL_commit], 0, NULL);
    link_send(l, store_sql_names[SQL_flushed], 0, NULL);
    link_sync(l);
    rc = read_results(d, kind, l, e, n, may_be_ours);
    if (rc == RC_OK)
        rc = read_commit(l);
    if (rc == RC_OK) {
        note_flushed(d, l);
    } else if (rc == RC_IO) {
        /* Nothing was done, whether the connection outlives this or not. */
        enum rc ignored = roll_back(l);
        (void)ignored;
    }
    return rc;
}

/* ---- direct posts ---- */

static struct store_post *post_of(const struct entry *e) {
    return container_of(e->job, struct store_post, job);
}

static void describe_post(struct entry *e, struct store_job *job) {
    const struct store_post *p = container_of(job, struct store_post, job);
    e->sender = p->is_signed ? handle_str(&p->from) : STR("");
    e->id = str_of(p->id);
    e->scope = p->to.inbox;
    e->may_rerun = p->id[0] != '\0';
}

struct arrays {
    struct buf inboxes, senders, ids, envelopes;
};

static enum rc fill(struct arrays *a, const struct entry *e, size_t n) {
    struct buf *all[] = {&a->inboxes, &a->senders, &a->ids, &a->envelopes};
    for (size_t i = 0; i < 4; i++) {
        buf_init(all[i], STORE_PARAM_MAX);
        array_begin(all[i], i == 0 ? ELEMENT_BIGINT : ELEMENT_TEXT, n);
    }
    for (size_t i = 0; i < n; i++) {
        array_add_i64(&a->inboxes, (int64_t)e[i].scope);
        array_add(&a->senders, e[i].sender);
        array_add(&a->ids, e[i].id.n ? e[i].id : str_of(NULL));
        array_add(&a->envelopes, buf_str(&post_of(&e[i])->envelope));
    }
    for (size_t i = 0; i < 4; i++)
        if (buf_rc(all[i]) != RC_OK)
            return RC_NO_MEMORY;
    return RC_OK;
}

static void arrays_done(struct arrays *a) {
    buf_done(&a->inboxes);
    buf_done(&a->senders);
    buf_done(&a->ids);
    buf_done(&a->envelopes);
}

static enum rc send_posts(struct link *l, const struct entry *e, size_t n, bool may_be_ours) {
    struct arrays a;
    enum rc rc = fill(&a, e, n);
    (void)may_be_ours;
    if (rc == RC_OK) {
        const struct str params[] = {buf_str(&a.inboxes), buf_str(&a.senders), buf_str(&a.ids),
                                     buf_str(&a.envelopes)};
        link_send(l, store_sql_names[SQL_begin], 0, NULL);
        link_send(l, store_sql_names[SQL_lock_inboxes], 1, params);
        link_send(l, store_sql_names[SQL_append_rows], 4, params);
    }
    arrays_done(&a);
    return rc;
}

static struct frame *make_frame(const struct entry *e, uint64_t epoch_tag) {
    struct str none = {NULL, 0};
    struct row of = {.seq = e->seq,
                     .type = ROW_MESSAGE,
                     .created_at_ms = e->created_at_ms,
                     .from = e->sender.n ? e->sender : none,
                     .id = e->id.n ? e->id : none,
                     .envelope = buf_str(&post_of(e)->envelope)};
    struct frame *f = frame_new(&of);
    if (f)
        f->epoch_tag = epoch_tag;
    return f;
}

/* (transaction, number, verdict, seq, created_at, epoch), and the frames, while the server writes
 * its log to the disk. */
static bool read_posts(struct entry *e, size_t n, bool may_be_ours, const PGresult *r) {
    if (PQntuples(r) != (int)n)
        return false;
    for (int row = 0; row < (int)n; row++) {
        size_t i = (size_t)value_get_i64(r, row, 1) - 1;
        if (i >= n)
            return false;
        e[i].verdict = value_get_char(r, row, 2);
        e[i].seq = (uint64_t)value_get_i64(r, row, 3);
        e[i].created_at_ms = value_get_ms(r, row, 4);
        if (e[i].verdict == IS_NEW || (e[i].verdict == IS_REPEAT && may_be_ours))
            e[i].frame = make_frame(&e[i], value_get_epoch_tag(r, row, 5));
    }
    return true;
}

static bool witness_of_post(const struct entry *e, const PGresult *r, struct str *handle,
                            uint64_t *seq) {
    (void)r;
    *handle = handle_str(&post_of(e)->to.handle);
    *seq = e->seq;
    return e->verdict == IS_NEW;
}

static enum rc tell_post(struct store *s, struct entry *e, const PGresult *r, enum rc rc) {
    struct store_post *p = post_of(e);
    (void)r;
    stats_add(rows_committed, rc == RC_OK);
    stats_add(posts_repeated, rc == RC_REPEAT);
    if (e->frame)
        s->events.row(s->events.arg, &p->to.handle, e->frame);
    frame_unref(e->frame);
    e->frame = NULL;
    if (rc == RC_OK || rc == RC_REPEAT) {
        p->seq = e->seq;
        p->created_at_ms = e->created_at_ms;
    }
    return rc;
}

const struct batch_kind store_posts = {.statements = 2,
                                       .describe = describe_post,
                                       .send = send_posts,
                                       .read = read_posts,
                                       .witness = witness_of_post,
                                       .tell = tell_post};
