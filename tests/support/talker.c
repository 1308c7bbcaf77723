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
