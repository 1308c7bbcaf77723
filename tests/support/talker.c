/* tests/support/talker.c -- short forms of the store's jobs about conversations, on an asker.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/talker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct sid talker_sid(unsigned number) {
    struct sid sid;
    char text[SID_LEN + 1];
    (void)snprintf(text, sizeof text, "01HZZZZZZZZZZZZZ%010u", number);
    assert_int_equal(sid_read(str_of(text), &sid), RC_OK);
    return sid;
}

struct handles talker_handles(const struct user *users, size_t n) {
    struct handles h = {.at = calloc(n + 1, sizeof *h.at), .n = n};
    assert_non_null(h.at);
    for (size_t i = 0; i < n; i++)
        h.at[i] = users[i].handle;
    return h;
}

/* The text of a buffer, which is freed; of no use to a caller who gives no place for it. */
static void hand_over(struct buf *from, char **to) {
    if (to) {
        *to = strdup(buf_cstr(from));
        assert_non_null(*to);
    }
    buf_done(from);
}

static void set_title(struct conversation_draft *d, const char *title) {
    d->has_title = title != NULL;
    (void)snprintf(d->title, sizeof d->title, "%s", title ? title : "");
}

enum rc talker_make(struct asker *a, const struct user *caller, unsigned number, const char *title,
                    const struct user *users, size_t n, char **json) {
    struct conversation_draft draft = {.sid = talker_sid(number), .add = talker_handles(users, n)};
    struct conversation_make m = {
        .job.kind = STORE_CONVERSATION_MAKE, .caller = *caller, .draft = &draft};
    set_title(&draft, title);
    buf_init(&m.json, CONVERSATION_JSON_MAX);
    enum rc rc = asker_ask(a, &m.job);
    hand_over(&m.json, json);
    conversation_draft_done(&draft);
    return rc;
}

enum rc talker_change(struct asker *a, const struct user *caller,
                      const struct talker_change *change, char **json, struct handle *missing) {
    struct conversation_draft draft = {.version = change->version,
                                       .add = talker_handles(change->add, change->n_add),
                                       .remove = talker_handles(change->remove, change->n_remove)};
    struct conversation_change c = {.job.kind = STORE_CONVERSATION_CHANGE,
                                    .caller = *caller,
                                    .sid = talker_sid(change->number),
                                    .draft = &draft};
    set_title(&draft, change->title);
    buf_init(&c.json, CONVERSATION_JSON_MAX);
    enum rc rc = asker_ask(a, &c.job);
    hand_over(&c.json, json);
    conversation_draft_done(&draft);
    if (missing)
        *missing = c.missing;
    return rc;
}

char *talker_show(struct asker *a, const struct user *caller, unsigned number) {
    struct conversation_show s = {
        .job.kind = STORE_CONVERSATION_SHOW, .caller = *caller, .sid = talker_sid(number)};
    char *json = NULL;
    buf_init(&s.json, CONVERSATION_JSON_MAX);
    enum rc rc = asker_ask(a, &s.job);
    hand_over(&s.json, &json);
    if (rc == RC_OK)
        return json;
    assert_int_equal(rc, RC_NOT_FOUND);
    free(json);
    return NULL;
}

enum rc talker_list(struct asker *a, const struct user *caller, unsigned before, uint32_t limit,
                    char **json) {
    struct conversation_list l = {.job.kind = STORE_CONVERSATION_LIST,
                                  .caller = *caller,
                                  .has_before = before > 0,
                                  .before = talker_sid(before),
                                  .limit = limit};
    buf_init(&l.json, 100u * CONVERSATION_JSON_MAX);
    enum rc rc = asker_ask(a, &l.job);
    hand_over(&l.json, json);
    return rc;
}

struct conversation_post *talker_post_new(const struct user *sender, unsigned number,
                                          const char *id, const char *envelope) {
    struct conversation_post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->job.kind = STORE_CONVERSATION_POST;
    p->sender = *sender;
    p->sid = talker_sid(number);
    (void)snprintf(p->id, sizeof p->id, "%s", id);
    buf_init(&p->envelope, CONVERSATION_ENVELOPE_MAX);
    buf_put(&p->envelope, str_of(envelope));
    return p;
}

void talker_post_free(struct conversation_post *p) {
    buf_done(&p->envelope);
    free(p);
}

enum rc talker_post(struct asker *a, const struct user *sender, unsigned number, const char *id,
                    const char *envelope, uint64_t *seq) {
    struct conversation_post *p = talker_post_new(sender, number, id, envelope);
    enum rc rc = asker_ask(a, &p->job);
    if (seq)
        *seq = p->seq;
    talker_post_free(p);
    return rc;
}

/* ---- rows ---- */

char *talker_row(struct asker *a, const struct user *user, uint64_t seq) {
    struct page page;
    assert_int_equal(asker_read(a, user->inbox, seq - 1, 1, &page), RC_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0]->seq, seq);
    struct str json = frame_json(page.rows[0]);
    char *copy = strndup(json.p, json.n);
    assert_non_null(copy);
    page_done(&page);
    return copy;
}

char *talker_row_without_time(struct asker *a, const struct user *user, uint64_t seq) {
    static const char time[] = ",\"created_at\":\"2";
    char *row = talker_row(a, user, seq), *last = NULL;
    for (char *at = row; (at = strstr(at, time)); at++)
        last = at;
    assert_non_null(last);
    *last = '\0';
    return row;
}

/* ---- what must hold ---- */

void talker_assert_sound(struct postgres *pg, const char *database) {
    static const char *const wrong[] = {
        /* Heads, and rows without a hole. */
        "SELECT count(*) FROM kez.inbox AS i WHERE head <> (SELECT count(*) FROM"
        " kez.inbox_row WHERE inbox = i.id AND seq BETWEEN 1 AND head)",
        /* Letters are numbered in the order of their conversation, and so they stand everywhere. */
        "SELECT count(*) FROM (SELECT l.number < lag(l.number) OVER ("
        " PARTITION BY r.inbox, l.conversation ORDER BY r.seq) AS wrong"
        " FROM kez.inbox_row AS r JOIN kez.letter AS l ON l.number = r.letter) AS rows"
        " WHERE wrong",
        /* A message is in the inboxes of those who were in the conversation, and in no other. */
        "SELECT count(*) FROM kez.letter AS m WHERE type = 0 AND ("
        " SELECT array_agg(a.handle ORDER BY a.handle) FROM kez.inbox_row AS r"
        "  JOIN kez.account AS a ON a.inbox = r.inbox WHERE r.letter = m.number"
        ") IS DISTINCT FROM ("
        " SELECT array_agg(p->>'handle' ORDER BY p->>'handle') FROM kez.letter AS u,"
        "  jsonb_array_elements(u.body::jsonb->'participants') AS p WHERE u.number = ("
        "   SELECT max(number) FROM kez.letter"
        "   WHERE conversation = m.conversation AND type = 1 AND number < m.number))",
        /* Versions: 1, 2, 3, … */
        "SELECT count(*) FROM (SELECT (body::jsonb->>'version')::bigint AS version,"
        " row_number() OVER (PARTITION BY conversation ORDER BY number) AS n"
        " FROM kez.letter WHERE type = 1) AS updates WHERE version <> n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *got = postgres_value(pg, database, wrong[i]);
        if (strcmp(got, "0") != 0)
            fail_msg("%s are wrong: %s", got, wrong[i]);
        free(got);
    }
    char *log = postgres_log(pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
}
