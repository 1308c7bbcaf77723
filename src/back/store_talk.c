/* back/store_talk.c -- the jobs that write about conversations: posts, which share transactions,
 * and making and changing, each in one of its own.
 *
 * All of them are batches (store_batch.c) whose results have one shape: for each entry a row with
 * the verdict, and others with what is to be told of. Making and changing tell of one inbox row in
 * each. Posts come to the same inboxes again and again, so there a row has all that one inbox got:
 * what a stream is to be sent then lies together all the way. There may be many rows with a large
 * envelope each, so their frames are made one by one after COMMIT and, but for the first of each
 * post, not kept.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/hash.h"
#include "base/table.h"
#include "core/stats.h"
#include "store_parts.h"

/* Posts to a few large conversations, or to many small ones, share a transaction up to this many
 * inbox rows; what is over waits for the next. */
enum { TALK_ROWS_MAX = 2048 };
static_assert(TALK_ROWS_MAX >= (int)PARTICIPANTS_MAX, "a post must fit");

enum column { XACT, NUMBER, VERDICT, CREATED_AT, HANDLE, SEQ, BODY, EPOCH };

uint64_t store_scope_of(const struct sid *sid) { return hash_str(str_of(sid->text)); }

/* ---- results ---- */

static bool is_number(const PGresult *r, int row, size_t i) {
    return row < PQntuples(r) && value_get_i64(r, row, NUMBER) == (int64_t)i + 1;
}

static bool read_told(struct entry *e, size_t n, bool may_be_ours, const PGresult *r) {
    int row = 0;
    (void)may_be_ours;
    for (size_t i = 0; i < n; i++) {
        if (!is_number(r, row, i) || PQgetisnull(r, row, VERDICT))
            return false;
        e[i].row = row;
        e[i].verdict = value_get_char(r, row, VERDICT);
        e[i].seq = (uint64_t)value_get_i64(r, row, SEQ);
        e[i].created_at_ms = value_get_ms(r, row, CREATED_AT);
        for (row++; is_number(r, row, i) && PQgetisnull(r, row, VERDICT);)
            row++;
        e[i].end_row = row;
    }
    return row == PQntuples(r);
}

static void put_handle(struct handle *out, struct str text) {
    size_t n = text.n < sizeof out->text ? text.n : sizeof out->text - 1;
    memcpy(out->text, text.p, n);
    memset(out->text + n, 0, sizeof out->text - n);
}

/* Tells of one inbox row; `what` has all but its seq. The rows of one letter are made after the
 * first of them, *like, which the caller has set to NULL and lets go of at the end. */
static void tell_row(struct store *s, const PGresult *r, int row, const struct row *what,
                     struct frame **like) {
    struct handle to;
    struct row one = *what;
    put_handle(&to, value_get_str(r, row, HANDLE));
    one.seq = (uint64_t)value_get_i64(r, row, SEQ);
    struct frame *f = *like ? frame_with_seq(*like, one.seq) : frame_new(&one);
    if (!f)
        return;
    f->epoch_tag = value_get_epoch_tag(r, row, EPOCH);
    s->events.row(s->events.arg, &to, f);
    if (*like)
        frame_unref(f);
    else
        *like = f;
}

static bool witness_of_talk(const struct entry *e, const PGresult *r, struct str *handle,
                            uint64_t *seq) {
    if (e->verdict != IS_NEW || e->row + 1 >= e->end_row)
        return false;
    *handle = value_get_str(r, e->row + 1, HANDLE);
    *seq = (uint64_t)value_get_i64(r, e->row + 1, SEQ);
    return true;
}

static void count_rows(const struct entry *e) {
    if (e->verdict == IS_NEW)
        stats_add(rows_committed, e->end_row - e->row - 1);
}

/* ---- lists of handles ---- */

/* An array of `first`, unless NULL, and the others; absent when there are none. */
static struct str put_handles(struct buf *out, const struct handle *first,
                              const struct handles *others) {
    size_t n = (first ? 1 : 0) + others->n;
    if (first && handles_have(others, first))
        n--;
    if (n == 0)
        return str_of(NULL);
    array_begin(out, ELEMENT_TEXT, n);
    if (first)
        array_add(out, handle_str(first));
    for (size_t i = 0; i < others->n; i++)
        if (!first || !handle_eq(first, &others->at[i]))
            array_add(out, handle_str(&others->at[i]));
    return buf_str(out);
}

/* ---- posts ---- */

static struct conversation_post *post_of(const struct entry *e) {
    return container_of(e->job, struct conversation_post, job);
}

static void describe_post(struct entry *e, struct store_job *job) {
    const struct conversation_post *p = container_of(job, struct conversation_post, job);
    e->sender = handle_str(&p->sender.handle);
    e->id = str_of(p->id);
    e->scope = store_scope_of(&p->sid);
    e->may_rerun = true;
}

enum { SIDS, INBOXES, SENDERS, IDS, ENVELOPES, ARRAYS };

static enum rc fill(struct buf arrays[ARRAYS], const struct entry *e, size_t n) {
    for (size_t i = 0; i < ARRAYS; i++) {
        buf_init(&arrays[i], STORE_PARAM_MAX);
        array_begin(&arrays[i], i == INBOXES ? ELEMENT_BIGINT : ELEMENT_TEXT, n);
    }
    for (size_t i = 0; i < n; i++) {
        const struct conversation_post *p = post_of(&e[i]);
        array_add(&arrays[SIDS], str_of(p->sid.text));
        array_add_i64(&arrays[INBOXES], (int64_t)p->sender.inbox);
        array_add(&arrays[SENDERS], e[i].sender);
        array_add(&arrays[IDS], e[i].id);
        array_add(&arrays[ENVELOPES], buf_str(&p->envelope));
    }
    for (size_t i = 0; i < ARRAYS; i++)
        if (buf_rc(&arrays[i]) != RC_OK)
            return RC_NO_MEMORY;
    return RC_OK;
}

static enum rc send_posts(struct link *l, const struct entry *e, size_t n, bool may_be_ours) {
    struct buf arrays[ARRAYS];
    struct value rows, ours;
    enum rc rc = fill(arrays, e, n);
    if (rc == RC_OK) {
        const struct str at_most = value_i64(&rows, TALK_ROWS_MAX);
        const struct str locks[] = {buf_str(&arrays[SIDS]), at_most};
        const struct str params[] = {buf_str(&arrays[SIDS]),       buf_str(&arrays[INBOXES]),
                                     buf_str(&arrays[SENDERS]),    buf_str(&arrays[IDS]),
                                     buf_str(&arrays[ENVELOPES]),  at_most,
                                     value_i64(&ours, may_be_ours)};
        link_send(l, store_sql_names[SQL_begin], 0, NULL);
        link_send(l, store_sql_names[SQL_lock_conversations], 1, locks);
        link_send(l, store_sql_names[SQL_lock_participants], 2, locks);
        link_send(l, store_sql_names[SQL_append_letters], 7, params);
    }
    for (size_t i = 0; i < ARRAYS; i++)
        buf_done(&arrays[i]);
    return rc;
}

/* The verdicts come first, in order. */
static bool read_posts(struct entry *e, size_t n, bool may_be_ours, const PGresult *r) {
    (void)may_be_ours;
    for (size_t i = 0; i < n; i++) {
        int row = (int)i;
        if (!is_number(r, row, i) || PQgetisnull(r, row, VERDICT))
            return false;
        e[i].row = row;
        e[i].end_row = row + 1;
        e[i].verdict = value_get_char(r, row, VERDICT);
        e[i].seq = (uint64_t)value_get_i64(r, row, SEQ);
        e[i].created_at_ms = value_get_ms(r, row, CREATED_AT);
    }
    return true;
}

/* The last row of the answer is of an inbox, if anything is new at all. The first new row there is
 * one of this transaction's, and all of them have its time. */
static bool witness_of_posts(const struct entry *e, const PGresult *r, struct str *handle,
                             uint64_t *seq) {
    int row = PQntuples(r) - 1;
    if (e->verdict != IS_NEW || PQgetisnull(r, row, BODY))
        return false;
    *handle = value_get_str(r, row, HANDLE);
    *seq = (uint64_t)value_get_i64(r, row, SEQ);
    return true;
}

/* Tells of one row of a post. The first frame of it stays with the entry, and the others are made
 * after it. */
static void tell_copy(struct store *s, struct entry *e, const struct handle *to, uint64_t seq,
                      uint64_t epoch_tag) {
    const struct conversation_post *p = post_of(e);
    struct row what = {.seq = seq,
                       .type = ROW_MESSAGE,
                       .created_at_ms = e->created_at_ms,
                       .id = e->id,
                       .from = e->sender,
                       .conversation = str_of(p->sid.text),
                       .envelope = buf_str(&p->envelope)};
    struct frame *f = e->frame ? frame_with_seq(e->frame, seq) : frame_new(&what);
    if (str_eq(handle_str(to), e->sender))
        e->seq = seq;
    if (!f)
        return;
    f->epoch_tag = epoch_tag;
    s->events.row(s->events.arg, to, f);
    if (e->frame)
        frame_unref(f);
    else
        e->frame = f;
}

/* 1,2,5: the posts whose rows an inbox has from `seq` on. */
static void tell_seat(struct store *s, struct entry *e, size_t n, struct str posts,
                      const struct handle *to, uint64_t seq, uint64_t epoch_tag) {
    struct str number;
    for (bool more = true; more; seq++) {
        uint64_t at;
        more = str_cut(posts, ',', &number, &posts);
        if (str_read_u64(number, n, &at) == RC_OK && at > 0)
            tell_copy(s, &e[at - 1], to, seq, epoch_tag);
        stats_add(rows_committed, 1);
    }
}

static void tell_posts(struct store *s, struct entry *e, size_t n, const PGresult *r) {
    for (int row = (int)n; row < PQntuples(r); row++) {
        struct handle to;
        uint64_t seq = (uint64_t)value_get_i64(r, row, SEQ);
        uint64_t epoch_tag = value_get_epoch_tag(r, row, EPOCH);
        size_t at = (size_t)value_get_i64(r, row, NUMBER); /* of a repeat */
        put_handle(&to, value_get_str(r, row, HANDLE));
        if (!PQgetisnull(r, row, BODY))
            tell_seat(s, e, n, value_get_str(r, row, BODY), &to, seq, epoch_tag);
        else if (at > 0 && at <= n)
            tell_copy(s, &e[at - 1], &to, seq, epoch_tag);
    }
}

static enum rc tell_post(struct store *s, struct entry *e, const PGresult *r, enum rc rc) {
    struct conversation_post *p = post_of(e);
    (void)s;
    (void)r;
    frame_unref(e->frame);
    e->frame = NULL;
    stats_add(posts_repeated, rc == RC_REPEAT);
    if (rc == RC_OK || rc == RC_REPEAT) {
        p->seq = e->seq;
        p->created_at_ms = e->created_at_ms;
    }
    return rc;
}

const struct batch_kind store_talk_posts = {.statements = 3,
                                            .describe = describe_post,
                                            .send = send_posts,
                                            .read = read_posts,
                                            .witness = witness_of_posts,
                                            .tell_rows = tell_posts,
                                            .tell = tell_post};

/* ---- making and changing ---- */

/* Tells of what a conversation has become, and gives it, or who is missing, to the job. */
static enum rc tell_of(struct store *s, struct entry *e, const PGresult *r, const struct sid *sid,
                       struct buf *json, struct handle *missing, enum rc rc) {
    struct str body = value_get_str(r, e->row, BODY);
    struct frame *like = NULL;
    count_rows(e);
    for (int row = e->row + 1; row < e->end_row; row++) {
        bool is_older = !PQgetisnull(r, row, BODY); /* it has become something else since */
        struct row what = {.type = ROW_CONVERSATION,
                           .created_at_ms =
                               is_older ? value_get_ms(r, row, CREATED_AT) : e->created_at_ms,
                           .conversation = str_of(sid->text),
                           .data = is_older ? value_get_str(r, row, BODY) : body};
        tell_row(s, r, row, &what, &like);
    }
    frame_unref(like);
    *missing = (struct handle){{0}};
    if (e->verdict == IS_MISSING) {
        put_handle(missing, body);
    } else if (rc == RC_OK || rc == RC_REPEAT) {
        buf_put(json, body);
        rc = buf_rc(json) == RC_OK ? rc : RC_NO_MEMORY;
    }
    return rc;
}

static struct conversation_make *make_of(const struct entry *e) {
    return container_of(e->job, struct conversation_make, job);
}

static void describe_make(struct entry *e, struct store_job *job) {
    e->scope = store_scope_of(&container_of(job, struct conversation_make, job)->draft->sid);
    e->may_rerun = true;
}

static enum rc send_make(struct link *l, const struct entry *e, size_t n, bool may_be_ours) {
    const struct conversation_make *m = make_of(e);
    struct value inbox, most, ours;
    struct buf names;
    (void)n;
    buf_init(&names, STORE_PARAM_MAX);
    const struct str params[] = {value_i64(&inbox, (int64_t)m->caller.inbox),
                                 str_of(m->draft->sid.text),
                                 str_of(m->draft->title),
                                 put_handles(&names, &m->caller.handle, &m->draft->add),
                                 value_i64(&most, PARTICIPANTS_MAX),
                                 value_i64(&ours, may_be_ours)};
    enum rc rc = buf_rc(&names);
    if (rc == RC_OK) {
        link_send(l, store_sql_names[SQL_begin], 0, NULL);
        link_send(l, store_sql_names[SQL_make_conversation], 6, params);
    }
    buf_done(&names);
    return rc;
}

static enum rc tell_make(struct store *s, struct entry *e, const PGresult *r, enum rc rc) {
    struct conversation_make *m = make_of(e);
    return tell_of(s, e, r, &m->draft->sid, &m->json, &m->missing, rc);
}

const struct batch_kind store_makes = {.statements = 1,
                                       .alone = true,
                                       .describe = describe_make,
                                       .send = send_make,
                                       .read = read_told,
                                       .witness = witness_of_talk,
                                       .tell = tell_make};

static struct conversation_change *change_of(const struct entry *e) {
    return container_of(e->job, struct conversation_change, job);
}

/* Not to be run twice: the version has moved on then. */
static void describe_change(struct entry *e, struct store_job *job) {
    e->scope = store_scope_of(&container_of(job, struct conversation_change, job)->sid);
}

static enum rc send_change(struct link *l, const struct entry *e, size_t n, bool may_be_ours) {
    const struct conversation_change *c = change_of(e);
    const struct conversation_draft *d = c->draft;
    struct value inbox, seen, most;
    struct buf add, remove;
    (void)n;
    (void)may_be_ours;
    buf_init(&add, STORE_PARAM_MAX);
    buf_init(&remove, STORE_PARAM_MAX);
    const struct str params[] = {value_i64(&inbox, (int64_t)c->caller.inbox),
                                 str_of(c->sid.text),
                                 value_i64(&seen, (int64_t)d->version),
                                 str_of(d->has_title ? d->title : NULL),
                                 put_handles(&add, NULL, &d->add),
                                 put_handles(&remove, NULL, &d->remove),
                                 value_i64(&most, PARTICIPANTS_MAX)};
    enum rc rc = buf_rc(&add) != RC_OK ? RC_NO_MEMORY : buf_rc(&remove);
    if (rc == RC_OK) {
        link_send(l, store_sql_names[SQL_begin], 0, NULL);
        link_send(l, store_sql_names[SQL_change_conversation], 7, params);
    }
    buf_done(&add);
    buf_done(&remove);
    return rc;
}

static enum rc tell_change(struct store *s, struct entry *e, const PGresult *r, enum rc rc) {
    struct conversation_change *c = change_of(e);
    return tell_of(s, e, r, &c->sid, &c->json, &c->missing, rc);
}

const struct batch_kind store_changes = {.statements = 1,
                                         .alone = true,
                                         .describe = describe_change,
                                         .send = send_change,
                                         .read = read_told,
                                         .witness = witness_of_talk,
                                         .tell = tell_change};
