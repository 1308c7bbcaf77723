/* tests/back/test_conversations.c -- conversations in the store, on a real PostgreSQL: what each
 * job answers, what it puts into which inbox, and what is left when it refuses.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/conversations.h"

#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/postgres.h"
#include "support/proc.h"
#include "support/talker.h"

enum { TEXT_BYTES = 128 * 1024 };

static struct postgres *pg;
static struct asker *asker;
static const char *url;
static unsigned next_user = 1, next_sid = 1;

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    url = postgres_url(pg, "talk");
    asker = asker_start(url);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    postgres_stop(pg);
    return 0;
}

static void new_users(struct user *users, size_t n) {
    for (size_t i = 0; i < n; i++)
        users[i] = asker_user(asker, next_user++);
}

/* A conversation of all of these, made by the first. */
static unsigned new_talk(const struct user *users, size_t n) {
    assert_int_equal(talker_make(asker, &users[0], next_sid, NULL, users, n, NULL), RC_OK);
    return next_sid++;
}

static void assert_sql(const char *sql, const char *want) {
    char *got = postgres_value(pg, "talk", sql);
    assert_string_equal(got, want);
    free(got);
}

/* `sql` has one %s, where the sid goes. */
static void assert_sql_of(unsigned number, const char *sql, const char *want) {
    char text[1024];
    const char *at = strstr(sql, "%s");
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - sql), sql, talker_sid(number).text,
                   at + 2);
    assert_sql(text, want);
}

/* ---- rows ---- */

static uint64_t head_of(const struct user *user) { return asker_head(asker, user->inbox).head; }

/* The JSON of a row; the caller frees. */
static char *row_of(const struct user *user, uint64_t seq) {
    struct page page;
    assert_int_equal(asker_read(asker, user->inbox, seq - 1, 1, &page), RC_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0]->seq, seq);
    struct str json = frame_json(page.rows[0]);
    char *copy = strndup(json.p, json.n);
    page_done(&page);
    return copy;
}

/* Cuts the row's `created_at`, which is the last member, off: with its time as the tests of the
 * other members cannot know it. */
static char *row_without_time(const struct user *user, uint64_t seq) {
    char *row = row_of(user, seq), *at = strstr(row, ",\"created_at\":\"2");
    for (char *next; at && (next = strstr(at + 1, ",\"created_at\":\"2"));)
        at = next;
    assert_non_null(at);
    *at = '\0';
    return row;
}

/* The last row of the inbox, as stored and as last told of, is of this conversation and has this as
 * its data. */
static void assert_updated(const struct user *user, unsigned number, const char *data) {
    char want[TEXT_BYTES];
    uint64_t head = head_of(user);
    (void)snprintf(want, sizeof want,
                   "{\"seq\":%llu,\"type\":\"conversation.updated\",\"conversation\":\"%s\","
                   "\"data\":%s",
                   (unsigned long long)head, talker_sid(number).text, data);
    char *got = row_without_time(user, head), *whole = row_of(user, head);
    char *told = asker_last_row(asker, &user->handle);
    assert_string_equal(got, want);
    assert_string_equal(told, whole);
    free(got);
    free(whole);
    free(told);
}

/* ---- the conversation as JSON ---- */

static void put_participant(struct buf *out, const struct user *user) {
    buf_putf(out, "{\"handle\":\"%s\",\"primary\":\"ed25519:", user->handle.text);
    buf_put_hex(out, user->primary.bytes, KEY_BYTES);
    buf_put(out, STR("\"}"));
}

/* Compares all of it; the two times by their form. */
static void assert_json(const char *got, unsigned number, const char *title, const char *creator,
                        const struct user *users, size_t n, unsigned version) {
    static const char time_form[] = "\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                    "\\.[0-9]{3}Z\"";
    char form[256], text[TEXT_BYTES];
    struct buf want;
    regex_t regex;
    regmatch_t m;
    buf_init(&want, TEXT_BYTES);
    buf_putf(&want, "{\"sid\":\"%s\",\"title\":%s,\"creator\":\"%s\",\"participants\":[",
             talker_sid(number).text, title, creator);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_byte(&want, ',');
        put_participant(&want, &users[i]);
    }
    buf_putf(&want, "],,\"version\":%u}", version);
    (void)snprintf(form, sizeof form, "\"created_at\":%s,\"updated_at\":%s", time_form, time_form);
    assert_int_equal(regcomp(&regex, form, REG_EXTENDED), 0);
    assert_int_equal(regexec(&regex, got, 1, &m, 0), 0);
    (void)snprintf(text, sizeof text, "%.*s%s", (int)m.rm_so, got, got + m.rm_eo);
    assert_string_equal(text, buf_cstr(&want));
    regfree(&regex);
    buf_done(&want);
}

/* ---- making ---- */

static void one_that_is_made_has_its_shape_and_a_row_in_every_inbox(void **state) {
    struct user u[4];
    char *json;
    (void)state;
    new_users(u, 4);
    unsigned number = next_sid++;
    /* The caller is not listed. */
    assert_int_equal(talker_make(asker, &u[0], number, "caf\xc3\xa9 \"\\/", &u[1], 2, &json),
                     RC_OK);
    assert_json(json, number, "\"caf\xc3\xa9 \\\"\\\\/\"", u[0].handle.text, u, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(head_of(&u[i]), 1);
        assert_updated(&u[i], number, json);
    }
    assert_int_equal(head_of(&u[3]), 0);
    char *shown = talker_show(asker, &u[2], number);
    assert_string_equal(shown, json);
    assert_null(talker_show(asker, &u[3], number));
    assert_sql_of(number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'", "1");
    free(shown);
    free(json);
}

static void participants_stand_in_the_order_of_joining_the_creator_first(void **state) {
    struct user u[5];
    char *json;
    (void)state;
    new_users(u, 5);
    struct user listed[] = {u[3], u[1], u[0], u[2]};
    unsigned number = next_sid++;
    assert_int_equal(talker_make(asker, &u[0], number, NULL, listed, 4, &json), RC_OK);
    struct user order[] = {u[0], u[3], u[1], u[2], u[4]};
    assert_json(json, number, "\"\"", u[0].handle.text, order, 4, 1);
    free(json);
    struct talker_change change = {
        .number = number, .version = 1, .add = &u[4], .n_add = 1, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &change, NULL, NULL), RC_OK);
    change = (struct talker_change){.number = number, .version = 2, .add = &u[1], .n_add = 1};
    assert_int_equal(talker_change(asker, &u[0], &change, &json, NULL), RC_OK);
    struct user after[] = {u[0], u[3], u[2], u[4], u[1]};
    assert_json(json, number, "\"\"", u[0].handle.text, after, 5, 3);
    free(json);
}

static void making_twice_is_a_repeat_by_the_same_a_conflict_by_another(void **state) {
    struct user u[3];
    char *first, *again;
    (void)state;
    new_users(u, 3);
    unsigned number = next_sid++;
    assert_int_equal(talker_make(asker, &u[0], number, "a", u, 2, &first), RC_OK);
    unsigned told = asker_rows_told(asker);
    assert_int_equal(talker_make(asker, &u[0], number, "b", u, 3, &again), RC_REPEAT);
    assert_string_equal(again, first);
    free(again);
    assert_int_equal(talker_make(asker, &u[1], number, "a", u, 2, &again), RC_CONFLICT);
    assert_string_equal(again, "");
    free(again);
    free(first);
    assert_int_equal(asker_rows_told(asker), told);
    assert_int_equal(head_of(&u[0]), 1);

    /* What has become of it is no business of a creator who left. */
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &leave, NULL, NULL), RC_OK);
    assert_int_equal(talker_make(asker, &u[0], number, "a", u, 2, NULL), RC_CONFLICT);
}

/* RC_NOT_FOUND comes before RC_TOO_LARGE, and what is there before both. */
static void a_refused_making_leaves_nothing(void **state) {
    static struct user many[PARTICIPANTS_MAX + 1], ghosts[PARTICIPANTS_MAX + 1];
    (void)state;
    new_users(many, 3);
    struct conversation_draft draft = {.sid = talker_sid(next_sid), .add = talker_handles(many, 3)};
    struct conversation_make m = {
        .job.kind = STORE_CONVERSATION_MAKE, .caller = many[0], .draft = &draft};
    draft.add.at[1] = asker_handle("nobody-a");
    draft.add.at[2] = asker_handle("nobody-b");
    buf_init(&m.json, CONVERSATION_JSON_MAX);
    assert_int_equal(asker_ask(asker, &m.job), RC_NOT_FOUND);
    assert_string_equal(m.missing.text, "nobody-a");
    conversation_draft_done(&draft);

    for (size_t i = 0; i < sizeof ghosts / sizeof *ghosts; i++)
        ghosts[i].handle = asker_handle("nobody");
    draft = (struct conversation_draft){.sid = talker_sid(next_sid),
                                        .add = talker_handles(ghosts, PARTICIPANTS_MAX)};
    assert_int_equal(asker_ask(asker, &m.job), RC_NOT_FOUND);
    conversation_draft_done(&draft);
    buf_done(&m.json);
    assert_null(talker_show(asker, &many[0], next_sid));
    assert_int_equal(head_of(&many[0]), 0);
    assert_sql_of(next_sid, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'", "0");
}

struct racer {
    struct asker *asker;
    pthread_barrier_t *start;
    const struct user *caller, *users;
    unsigned number;
    enum rc rc;
};

static void *make_at_once(void *arg) {
    struct racer *r = arg;
    pthread_barrier_wait(r->start);
    r->rc = talker_make(r->asker, r->caller, r->number, "race", r->users, 3, NULL);
    return NULL;
}

static void of_makings_at_once_one_wins(void **state) {
    enum { ROUNDS = 20 };
    struct asker *other = asker_start(url);
    struct user u[3];
    (void)state;
    new_users(u, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_t start;
        struct racer racers[2];
        pthread_t threads[2];
        pthread_barrier_init(&start, NULL, 2);
        for (unsigned k = 0; k < 2; k++) {
            racers[k] = (struct racer){.asker = k ? other : asker,
                                       .start = &start,
                                       .caller = &u[k && i % 2],
                                       .users = u,
                                       .number = next_sid};
            assert_int_equal(pthread_create(&threads[k], NULL, make_at_once, &racers[k]), 0);
        }
        for (unsigned k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        const struct racer *loser = racers[0].rc == RC_OK ? &racers[1] : &racers[0];
        assert_int_equal((loser == racers ? &racers[1] : racers)->rc, RC_OK);
        assert_int_equal(loser->rc, i % 2 ? RC_CONFLICT : RC_REPEAT);
        next_sid++;
        pthread_barrier_destroy(&start);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(head_of(&u[i]), ROUNDS);
    asker_stop(other);
}

/* ---- changing ---- */

static void a_change_reaches_all_the_removed_and_the_added_too(void **state) {
    struct user u[5];
    char *json;
    (void)state;
    new_users(u, 5);
    unsigned number = new_talk(u, 3);
    struct talker_change change = {.number = number,
                                   .version = 1,
                                   .title = "new",
                                   .add = &u[3],
                                   .n_add = 1,
                                   .remove = &u[2],
                                   .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &change, &json, NULL), RC_OK);
    struct user after[] = {u[0], u[1], u[3]};
    assert_json(json, number, "\"new\"", u[0].handle.text, after, 3, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(head_of(&u[i]), i == 3 ? 1 : 2);
        assert_updated(&u[i], number, json);
    }
    assert_int_equal(head_of(&u[4]), 0);
    assert_sql_of(number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'", "2");
    free(json);
}

static void each_refusal_of_a_change_has_its_place_in_the_order(void **state) {
    struct user u[4], ghost = {.handle = asker_handle("nobody-at-all")};
    struct handle missing;
    (void)state;
    new_users(u, 4);
    unsigned number = new_talk(u, 3); /* of u[0], who made it, u[1] and u[2] */
    struct user two[] = {u[3], ghost};
    const struct {
        const struct user *caller;
        struct talker_change change;
        enum rc want;
        const char *missing;
    } rows[] = {
        /* Not in it, or no such one: everything else is wrong, too. */
        {&u[3], {number, 9, "x", two, &u[2], 2, 1}, RC_NOT_FOUND, ""},
        {&u[0], {999999, 9, "x", two, &u[2], 2, 1}, RC_NOT_FOUND, ""},
        /* Removes another; the version is wrong and one is missing, too. */
        {&u[1], {number, 9, "x", two, &u[2], 2, 1}, RC_FORBIDDEN, ""},
        {&u[1], {number, 1, "x", NULL, &u[0], 0, 1}, RC_FORBIDDEN, ""},
        {&u[1], {number, 1, "x", NULL, &u[3], 0, 1}, RC_FORBIDDEN, ""},
        /* Stale, or ahead; one is missing, too. */
        {&u[0], {number, 2, "x", two, NULL, 2, 0}, RC_CONFLICT, ""},
        {&u[1], {number, 2, NULL, NULL, NULL, 0, 0}, RC_CONFLICT, ""},
        {&u[0], {number, 1, "x", two, NULL, 2, 0}, RC_NOT_FOUND, "nobody-at-all"},
        /* Nothing to change. */
        {&u[1], {number, 1, NULL, NULL, NULL, 0, 0}, RC_OK, ""},
        {&u[1], {number, 1, "", &u[2], NULL, 1, 0}, RC_OK, ""},
        {&u[0], {number, 1, NULL, NULL, &u[3], 0, 1}, RC_OK, ""},
        {&u[0], {number, 1, NULL, NULL, &ghost, 0, 1}, RC_OK, ""},
    };
    char *before = talker_show(asker, &u[0], number);
    unsigned told = asker_rows_told(asker);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *json;
        enum rc rc = talker_change(asker, rows[i].caller, &rows[i].change, &json, &missing);
        if (rc != rows[i].want)
            fail_msg("row %zu: %s instead of %s", i, rc_name(rc), rc_name(rows[i].want));
        assert_string_equal(missing.text, rows[i].missing);
        assert_string_equal(json, rc == RC_OK ? before : "");
        free(json);
    }
    char *after = talker_show(asker, &u[0], number);
    assert_string_equal(after, before);
    assert_int_equal(asker_rows_told(asker), told);
    assert_int_equal(head_of(&u[0]), 1);
    free(before);
    free(after);
}

static void who_is_removed_sees_and_says_nothing_more(void **state) {
    struct user u[3];
    char *list;
    (void)state;
    new_users(u, 3);
    unsigned number = new_talk(u, 3);
    assert_int_equal(talker_post(asker, &u[2], number, "one", "{}", NULL), RC_OK);
    struct talker_change remove = {.number = number, .version = 1, .remove = &u[2], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &remove, NULL, NULL), RC_OK);
    assert_int_equal(head_of(&u[2]), 3);
    assert_int_equal(talker_post(asker, &u[2], number, "two", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(asker, &u[2], number, "one", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(asker, &u[1], number, "two", "{}", NULL), RC_OK);
    assert_null(talker_show(asker, &u[2], number));
    assert_int_equal(talker_list(asker, &u[2], 0, 10, &list), RC_OK);
    assert_string_equal(list, "[]");
    free(list);
    struct talker_change back = {.number = number, .version = 2, .add = &u[2], .n_add = 1};
    assert_int_equal(talker_change(asker, &u[2], &back, NULL, NULL), RC_NOT_FOUND);
    assert_int_equal(head_of(&u[2]), 3);
    assert_int_equal(head_of(&u[1]), 4);

    /* Back again, the ids that were used are used. */
    assert_int_equal(talker_change(asker, &u[1], &back, NULL, NULL), RC_OK);
    uint64_t seq;
    assert_int_equal(talker_post(asker, &u[2], number, "one", "{}", &seq), RC_REPEAT);
    assert_int_equal(seq, 2);
}

static void it_ends_when_the_last_one_leaves(void **state) {
    struct user u[2];
    char *json;
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &leave, NULL, NULL), RC_OK);
    leave = (struct talker_change){.number = number, .version = 2, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[1], &leave, &json, NULL), RC_OK);
    assert_json(json, number, "\"\"", u[0].handle.text, NULL, 0, 3);
    assert_updated(&u[1], number, json);
    assert_int_equal(head_of(&u[0]), 2);
    assert_int_equal(head_of(&u[1]), 3);
    free(json);
    assert_sql_of(number, "SELECT count(*) FROM kez.conversation WHERE sid = '%s'", "0");
    assert_sql_of(number, "SELECT count(*) FROM kez.participant WHERE sid = '%s'", "0");
    assert_null(talker_show(asker, &u[1], number));
    assert_int_equal(talker_post(asker, &u[1], number, "id", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_make(asker, &u[1], number, NULL, &u[1], 1, NULL), RC_OK);
}

static void the_creators_role_does_not_pass_on(void **state) {
    struct user u[3];
    (void)state;
    new_users(u, 3);
    unsigned number = new_talk(u, 3);
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[0], &leave, NULL, NULL), RC_OK);
    struct talker_change remove = {.number = number, .version = 2, .remove = &u[2], .n_remove = 1};
    assert_int_equal(talker_change(asker, &u[1], &remove, NULL, NULL), RC_FORBIDDEN);
    struct talker_change back = {.number = number, .version = 2, .add = &u[0], .n_add = 1};
    assert_int_equal(talker_change(asker, &u[1], &back, NULL, NULL), RC_OK);
    remove.version = 3;
    assert_int_equal(talker_change(asker, &u[0], &remove, NULL, NULL), RC_OK);
}

static void it_has_256_participants_and_not_one_more(void **state) {
    static struct user u[PARTICIPANTS_MAX + 1];
    struct asker *a = asker_start(url); /* watches as many handles as that */
    char *json;
    (void)state;
    new_users(u, PARTICIPANTS_MAX + 1);
    unsigned number = next_sid++;
    assert_int_equal(talker_make(a, &u[0], number, "all", &u[1], PARTICIPANTS_MAX, NULL),
                     RC_TOO_LARGE);
    assert_null(talker_show(a, &u[0], number));
    assert_int_equal(talker_make(a, &u[0], number, "all", u, PARTICIPANTS_MAX, &json), RC_OK);
    assert_json(json, number, "\"all\"", u[0].handle.text, u, PARTICIPANTS_MAX, 1);
    free(json);
    assert_int_equal(asker_rows_told(a), PARTICIPANTS_MAX);
    struct talker_change change = {
        .number = number, .version = 1, .add = &u[PARTICIPANTS_MAX], .n_add = 1};
    assert_int_equal(talker_change(a, &u[0], &change, NULL, NULL), RC_TOO_LARGE);
    change.remove = &u[7];
    change.n_remove = 1;
    assert_int_equal(talker_change(a, &u[0], &change, NULL, NULL), RC_OK);
    assert_int_equal(asker_rows_told(a), PARTICIPANTS_MAX + PARTICIPANTS_MAX + 1);
    assert_sql_of(number, "SELECT count(*) FROM kez.participant WHERE sid = '%s'", "256");

    /* Of posts that wait together as many share a transaction as rows fit. */
    enum { POSTS = 20 };
    struct conversation_post *posts[POSTS];
    int64_t batches = atomic_load(&stats.store_batches), rows = atomic_load(&stats.rows_committed);
    for (unsigned i = 0; i < POSTS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        posts[i] = talker_post_new(&u[i < 7 ? i : i + 1], number, id, "{\"n\":1}");
        assert_int_equal(asker_begin(a, &posts[i]->job), RC_OK);
    }
    for (unsigned i = 0; i < POSTS; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), RC_OK);
        assert_int_equal(posts[i]->seq, 3 + i);
        talker_post_free(posts[i]);
    }
    assert_int_equal(atomic_load(&stats.rows_committed) - rows, POSTS * PARTICIPANTS_MAX);
    assert_true(atomic_load(&stats.store_batches) - batches >= 3);
    assert_sql("SELECT max(n) <= 2048 FROM (SELECT count(*) AS n FROM kez.inbox_row"
               " GROUP BY xmin::text) AS of",
               "t");
    assert_int_equal(asker_rows_out_of_order(a), 0);
    asker_stop(a);
}

/* ---- posting ---- */

static void a_post_is_one_row_in_every_inbox_and_its_envelope_is_stored_once(void **state) {
    struct user u[4];
    const char *envelope = "{\"x\":\"\\u0000\\ud800 \xf0\x9f\x98\x80 \\\\ \\\"{,}\",\"x\":1e400}";
    (void)state;
    new_users(u, 4);
    unsigned number = new_talk(u, 3);
    assert_int_equal(asker_post(asker, &u[1], NULL, "", "{}", NULL), RC_OK);
    struct conversation_post *p = talker_post_new(&u[1], number, "the-id", envelope);
    assert_int_equal(asker_ask(asker, &p->job), RC_OK);
    assert_int_equal(p->seq, 3);
    for (size_t i = 0; i < 3; i++) {
        char want[512];
        uint64_t seq = i == 1 ? 3 : 2;
        (void)snprintf(want, sizeof want,
                       "{\"seq\":%llu,\"type\":\"chatmessage.new\",\"id\":\"the-id\","
                       "\"from\":\"%s\",\"conversation\":\"%s\",\"envelope\":%s",
                       (unsigned long long)seq, u[1].handle.text, talker_sid(number).text,
                       envelope);
        char *got = row_without_time(&u[i], seq), *whole = row_of(&u[i], seq);
        char *told = asker_last_row(asker, &u[i].handle);
        assert_string_equal(got, want);
        assert_string_equal(told, whole);
        assert_int_equal(head_of(&u[i]), seq);
        free(got);
        free(whole);
        free(told);
    }
    assert_int_equal(head_of(&u[3]), 0);
    /* The time that the sender was told is that of all rows. */
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM kez.letter AS l JOIN kez.inbox_row AS r"
                   " ON r.letter = l.number WHERE l.conversation = '%s' AND l.type = 0"
                   " AND r.envelope IS NULL AND r.id IS NULL"
                   " AND r.created_at = l.created_at AND extract(epoch FROM l.created_at)"
                   " * 1000 = %lld",
                   talker_sid(number).text, (long long)p->created_at_ms);
    assert_sql(sql, "3");
    assert_sql_of(number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s' AND type = 0",
                  "1");
    talker_post_free(p);
}

static void an_id_is_the_senders_own_in_each_conversation(void **state) {
    struct user u[2];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2), other = new_talk(u, 2);
    struct conversation_post *first = talker_post_new(&u[0], number, "id", "{\"n\":1}");
    struct conversation_post *again = talker_post_new(&u[0], number, "id", "{\"n\":1}");
    assert_int_equal(asker_ask(asker, &first->job), RC_OK);
    assert_int_equal(talker_post(asker, &u[0], number, "next", "{}", NULL), RC_OK);
    unsigned told = asker_rows_told(asker);
    int64_t repeated = atomic_load(&stats.posts_repeated);
    assert_int_equal(asker_ask(asker, &again->job), RC_REPEAT);
    assert_int_equal(again->seq, first->seq);
    assert_int_equal(again->created_at_ms, first->created_at_ms);
    assert_int_equal(atomic_load(&stats.posts_repeated), repeated + 1);
    assert_int_equal(talker_post(asker, &u[0], number, "id", "{\"n\":2}", NULL), RC_CONFLICT);
    assert_int_equal(asker_rows_told(asker), told);

    assert_int_equal(talker_post(asker, &u[1], number, "id", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(talker_post(asker, &u[0], other, "id", "{\"n\":2}", NULL), RC_OK);
    /* Those of direct messages are others, too. */
    assert_int_equal(asker_post(asker, &u[0], u[0].handle.text, "id", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(head_of(&u[0]), 7);

    /* And remembered when the rows are gone. */
    assert_int_equal(asker_trim(asker, u[0].inbox, 7), RC_OK);
    assert_int_equal(asker_trim(asker, u[1].inbox, 6), RC_OK);
    assert_int_equal(asker_ask(asker, &again->job), RC_REPEAT);
    assert_int_equal(again->seq, first->seq);
    talker_post_free(first);
    talker_post_free(again);
}

static void posts_that_wait_together_keep_their_order_and_their_ids(void **state) {
    enum { N = 600, TALKS = 3, IDS = 60 };
    static struct conversation_post *posts[N];
    static struct store_post *direct[N / 10];
    struct user u[4];
    unsigned talks[TALKS], stored[TALKS] = {0};
    uint64_t seqs[IDS] = {0}, last = 0;
    (void)state;
    new_users(u, 4);
    for (unsigned i = 0; i < TALKS; i++)
        talks[i] = new_talk(u, 2 + i); /* all of them with u[0] and u[1] */
    for (unsigned i = 0; i < N; i++) {
        char id[16], envelope[32];
        (void)snprintf(id, sizeof id, "%u", i % IDS);
        /* The fifth round brings other envelopes. */
        (void)snprintf(envelope, sizeof envelope, "{\"n\":%d}", i / IDS == 4);
        posts[i] = talker_post_new(&u[0], talks[i % TALKS], id, envelope);
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
        if (i % 10 == 0) {
            direct[i / 10] = asker_post_new(&u[0], NULL, "", "{}");
            assert_int_equal(asker_begin(asker, &direct[i / 10]->job), RC_OK);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        enum rc rc = asker_wait(&posts[i]->job);
        if (i < IDS) {
            assert_int_equal(rc, RC_OK);
            seqs[i] = posts[i]->seq;
            stored[i % TALKS]++;
        } else {
            assert_int_equal(rc, i / IDS == 4 ? RC_CONFLICT : RC_REPEAT);
            if (rc == RC_REPEAT)
                assert_int_equal(posts[i]->seq, seqs[i % IDS]);
        }
        talker_post_free(posts[i]);
    }
    for (unsigned i = 0; i < N / 10; i++) {
        assert_int_equal(asker_wait(&direct[i]->job), RC_OK);
        assert_true(direct[i]->seq > last);
        last = direct[i]->seq;
        asker_post_free(direct[i]);
    }
    for (unsigned i = TALKS; i < IDS; i++)
        assert_true(seqs[i] > seqs[i - TALKS]); /* of the same conversation */
    assert_int_equal(head_of(&u[0]), TALKS + IDS + N / 10);
    assert_int_equal(head_of(&u[1]), TALKS + IDS);
    assert_int_equal(head_of(&u[3]), 1 + stored[TALKS - 1]);
}

static void *post_at_once(void *arg) {
    struct racer *r = arg;
    pthread_barrier_wait(r->start);
    r->rc = talker_post(r->asker, r->caller, r->number, "race",
                        r->users == r->caller ? "{\"n\":1}" : "{\"n\":2}", NULL);
    return NULL;
}

/* The same id on two stores: with the same envelope, and with another. */
static void of_posts_at_once_one_is_stored(void **state) {
    enum { ROUNDS = 20 };
    struct asker *other = asker_start(url);
    struct user u[3];
    (void)state;
    new_users(u, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_t start;
        struct racer racers[2];
        pthread_t threads[2];
        unsigned number = new_talk(u, 3);
        pthread_barrier_init(&start, NULL, 2);
        for (unsigned k = 0; k < 2; k++) {
            racers[k] = (struct racer){.asker = k ? other : asker,
                                       .start = &start,
                                       .caller = &u[1],
                                       .users = k && i % 2 ? &u[2] : &u[1],
                                       .number = number};
            assert_int_equal(pthread_create(&threads[k], NULL, post_at_once, &racers[k]), 0);
        }
        for (unsigned k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        const struct racer *loser = racers[0].rc == RC_OK ? &racers[1] : &racers[0];
        assert_int_equal((loser == racers ? &racers[1] : racers)->rc, RC_OK);
        assert_int_equal(loser->rc, i % 2 ? RC_CONFLICT : RC_REPEAT);
        pthread_barrier_destroy(&start);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(head_of(&u[i]), 2 * ROUNDS);
    asker_stop(other);
}

static void a_poisoned_post_to_a_conversation_fails_alone(void **state) {
    enum { N = 40, BAD = 17 };
    struct conversation_post *posts[N];
    struct user u[2];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    for (unsigned i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        posts[i] = talker_post_new(&u[0], number, id, i == BAD ? "{\"\xff\":1}" : "{}");
        assert_int_equal(asker_begin(asker, &posts[i]->job), RC_OK);
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(asker_wait(&posts[i]->job), i == BAD ? RC_MALFORMED : RC_OK);
        if (i != BAD)
            assert_int_equal(posts[i]->seq, 1 + (i < BAD ? i + 1 : i));
        talker_post_free(posts[i]);
    }
}

/* ---- listing ---- */

/* Numbers of the conversations of a list in its order, each as a letter from `first` on. */
static void assert_listed(const struct user *caller, unsigned first, unsigned before,
                          uint32_t limit, const char *want) {
    char *json, got[64] = "";
    size_t n = 0;
    assert_int_equal(talker_list(asker, caller, before, limit, &json), RC_OK);
    assert_int_equal(json[0], '[');
    assert_int_equal(json[strlen(json) - 1], ']');
    for (const char *at = json; (at = strstr(at, "{\"sid\":\"")); at++) {
        unsigned number = (unsigned)strtoul(at + 8 + SID_LEN - 10, NULL, 10);
        got[n++] = (char)('a' + number - first);
    }
    assert_string_equal(got, want);
    free(json);
}

static void the_list_has_the_latest_first_and_goes_on_after_before(void **state) {
    struct user u[3];
    (void)state;
    new_users(u, 3);
    assert_listed(&u[0], 0, 0, 50, "");
    unsigned a = new_talk(u, 2), b = new_talk(u, 3), c = new_talk(u, 2);
    assert_listed(&u[0], a, 0, 50, "cba");
    assert_listed(&u[2], a, 0, 50, "b");
    assert_int_equal(talker_post(asker, &u[1], a, "id", "{}", NULL), RC_OK);
    assert_listed(&u[0], a, 0, 50, "acb");
    struct talker_change retitle = {.number = b, .version = 1, .title = "new"};
    assert_int_equal(talker_change(asker, &u[2], &retitle, NULL, NULL), RC_OK);
    assert_listed(&u[0], a, 0, 50, "bac");
    assert_listed(&u[0], a, 0, 2, "ba");
    assert_listed(&u[0], a, a, 2, "c");
    assert_listed(&u[0], a, b, 1, "a");
    assert_listed(&u[0], a, c, 50, "");

    char *json, *shown = talker_show(asker, &u[2], b);
    assert_int_equal(talker_list(asker, &u[2], 0, 50, &json), RC_OK);
    assert_memory_equal(json + 1, shown, strlen(shown));
    assert_string_equal(json + 1 + strlen(shown), "]");
    free(json);
    free(shown);
    assert_int_equal(talker_list(asker, &u[2], a, 50, NULL), RC_NOT_FOUND);
    assert_int_equal(talker_list(asker, &u[0], 999999, 50, NULL), RC_NOT_FOUND);
}

/* ---- what lives on ---- */

static void rows_are_trimmed_and_their_letters_stay_for_the_others(void **state) {
    struct user u[2];
    (void)state;
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    assert_int_equal(talker_post(asker, &u[0], number, "id", "{\"n\":1}", NULL), RC_OK);
    assert_int_equal(asker_trim(asker, u[0].inbox, 2), RC_OK);
    assert_int_equal(asker_head(asker, u[0].inbox).first, 3);
    char *row = row_of(&u[1], 2);
    assert_non_null(strstr(row, "\"envelope\":{\"n\":1}"));
    free(row);
    assert_sql_of(number,
                  "SELECT count(*) FROM kez.inbox_row WHERE letter IN ("
                  "SELECT number FROM kez.letter WHERE conversation = '%s')",
                  "2");
}

static void a_page_of_rows_of_both_kinds_ends_at_its_bytes(void **state) {
    enum { ROWS = 12, EACH = 60 * 1024 };
    struct user u[2];
    char *envelope = calloc(1, EACH + 1);
    (void)state;
    assert_non_null(envelope);
    memset(envelope, 'x', EACH);
    memcpy(envelope, "{\"x\":\"", 6);
    memcpy(envelope + EACH - 2, "\"}", 2);
    new_users(u, 2);
    unsigned number = new_talk(u, 2);
    for (unsigned i = 0; i < ROWS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        enum rc rc = i % 2 ? asker_post(asker, &u[1], NULL, id, envelope, NULL)
                           : talker_post(asker, &u[0], number, id, envelope, NULL);
        assert_int_equal(rc, RC_OK);
    }
    struct store_read r = {.job.kind = STORE_READ,
                           .inbox = u[1].inbox,
                           .after = 1,
                           .limit = 100,
                           .max_bytes = 5 * EACH + EACH / 2};
    assert_int_equal(asker_ask(asker, &r.job), RC_OK);
    assert_int_equal(r.page.n, 5);
    for (size_t i = 0; i < r.page.n; i++)
        assert_true(r.page.rows[i]->json_n > EACH);
    page_done(&r.page);
    free(envelope);
}

static void an_account_that_is_deleted_is_no_participant_any_more(void **state) {
    struct user u[3];
    char sql[128], *json;
    (void)state;
    new_users(u, 3);
    unsigned number = new_talk(u, 3);
    (void)snprintf(sql, sizeof sql, "DELETE FROM kez.account WHERE inbox = %llu",
                   (unsigned long long)u[1].inbox);
    postgres_exec(pg, "talk", sql);
    uint64_t seq;
    assert_int_equal(talker_post(asker, &u[1], number, "id", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(asker, &u[0], number, "id", "{}", &seq), RC_OK);
    assert_int_equal(seq, 2);
    struct talker_change change = {.number = number, .version = 1, .title = "two left"};
    assert_int_equal(talker_change(asker, &u[0], &change, &json, NULL), RC_OK);
    struct user left[] = {u[0], u[2]};
    assert_json(json, number, "\"two left\"", u[0].handle.text, left, 2, 2);
    free(json);

    /* A new account of that name is somebody else. */
    struct user anew;
    assert_int_equal(asker_register(asker, u[1].handle.text, 5000, &anew), RC_OK);
    assert_null(talker_show(asker, &anew, number));
}

/* What an older node needs is there before this one's tables are: rows are read, posted and trimmed
 * without these. The statements were prepared before, as the older node's are. */
static void a_node_that_knows_no_conversations_reads_their_rows(void **state) {
    struct asker *old;
    struct user u[2];
    struct page page;
    (void)state;
    struct store_config config = asker_config(postgres_url(pg, "old"));
    config.writers = 1;
    old = asker_start_with(&config);
    asker_wait_up(old, true, 30000);
    u[0] = asker_user(old, 1);
    u[1] = asker_user(old, 2);
    assert_int_equal(talker_make(old, &u[0], 1, "t", u, 2, NULL), RC_OK);
    assert_int_equal(talker_post(old, &u[0], 1, "id", "{\"n\":1}", NULL), RC_OK);
    postgres_exec(pg, "old",
                  "DROP TABLE kez.participant, kez.conversation CASCADE;"
                  "DROP TYPE kez.told_2 CASCADE;"
                  "DROP FUNCTION kez.conversation_json_2;"
                  "DELETE FROM kez.schema_version WHERE version > 1");
    assert_int_equal(asker_post(old, &u[1], NULL, "", "{\"n\":2}", NULL), RC_OK);
    assert_int_equal(asker_read(old, u[1].inbox, 0, 10, &page), RC_OK);
    assert_int_equal(page.n, 3);
    static const char *const parts[] = {"\"conversation.updated\"", "\"envelope\":{\"n\":1}",
                                        "\"envelope\":{\"n\":2}"};
    for (size_t i = 0; i < 3; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "%.*s", STR_ARG(frame_json(page.rows[i])));
        assert_non_null(strstr(text, parts[i]));
        assert_int_equal(!strstr(text, talker_sid(1).text), i == 2);
    }
    page_done(&page);
    assert_int_equal(asker_trim(old, u[1].inbox, 3), RC_OK);
    asker_stop(old);
}

/* ---- plans ---- */

enum { SMALL = 60 };

/* One of each kind of job that looks something up. */
static void exercise(struct asker *a, const struct user users[SMALL], unsigned round) {
    char id[16], name[16];
    struct page page;
    struct user u[3] = {users[0], users[1], users[2]}, found;
    (void)snprintf(id, sizeof id, "round-%u", round);
    (void)snprintf(name, sizeof name, "extra%u", round);
    assert_int_equal(asker_register(a, name, 4000 + round, &found), RC_OK);
    struct store_find f = {.job.kind = STORE_FIND, .by_primary = true, .primary = u[1].primary};
    assert_int_equal(asker_ask(a, &f.job), RC_OK);
    f = (struct store_find){.job.kind = STORE_FIND, .handle = u[1].handle};
    assert_int_equal(asker_ask(a, &f.job), RC_OK);
    (void)asker_head(a, u[0].inbox);
    assert_int_equal(asker_post(a, &u[0], NULL, id, "{}", NULL), RC_OK);
    assert_int_equal(talker_make(a, &u[0], 100 + round, NULL, u, 3, NULL), RC_OK);
    struct talker_change change = {.number = 100 + round,
                                   .version = 1,
                                   .add = &users[5],
                                   .n_add = 1,
                                   .remove = &u[2],
                                   .n_remove = 1};
    assert_int_equal(talker_change(a, &u[0], &change, NULL, NULL), RC_OK);
    assert_int_equal(talker_post(a, &u[1], 100 + round, id, "{}", NULL), RC_OK);
    assert_int_equal(talker_post(a, &u[1], 100 + round, id, "{}", NULL), RC_REPEAT);
    free(talker_show(a, &u[0], 100 + round));
    assert_int_equal(talker_list(a, &u[0], 0, 1, NULL), RC_OK);
    assert_int_equal(asker_read(a, u[0].inbox, 50, 10, &page), RC_OK);
    page_done(&page);
    assert_int_equal(asker_trim(a, u[0].inbox, round), RC_OK);
}

/* The statistics of a connection are whole once it has ended. */
static bool all_have_left(void *arg) {
    const char *sessions = arg;
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = 'grow'"
                   " AND pid <> pg_backend_pid() AND application_name LIKE '%s'",
                   sessions);
    char *n = postgres_value(pg, "grow", sql);
    bool none = strcmp(n, "0") == 0;
    free(n);
    return none;
}

static void wait_until_gone(const char *sessions) {
    char text[32];
    (void)snprintf(text, sizeof text, "%s", sessions);
    assert_true(proc_poll(all_have_left, text, 30000));
}

static struct asker *start_growing(void) {
    struct store_config config = asker_config(postgres_url(pg, "grow"));
    config.writers = 1;
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, 30000);
    return a;
}

/* Small tables, analysed. */
static void make_small_tables(struct user users[SMALL]) {
    struct asker *a = start_growing();
    postgres_exec(pg, "grow",
                  "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class"
                  " WHERE relnamespace = 'kez'::regnamespace AND relkind = 'r' LOOP EXECUTE"
                  " format('ALTER TABLE %s SET (autovacuum_enabled = off)', t);"
                  " END LOOP; END $$");
    for (unsigned i = 0; i < SMALL; i++)
        users[i] = asker_user(a, i + 1);
    assert_int_equal(talker_make(a, &users[0], 1, NULL, users, SMALL, NULL), RC_OK);
    for (unsigned i = 0; i < SMALL; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        assert_int_equal(talker_post(a, &users[i], 1, id, "{}", NULL), RC_OK);
        assert_int_equal(asker_post(a, &users[i], NULL, id, "{}", NULL), RC_OK);
        assert_int_equal(talker_make(a, &users[i], 2 + i, NULL, &users[i], 1, NULL), RC_OK);
    }
    asker_stop(a);
    wait_until_gone("%");
    postgres_exec(pg, "grow", "ANALYZE");
}

static void make_tables_large(void) {
    postgres_exec(pg, "grow",
                  "INSERT INTO kez.account (handle, primary_key, registered_at)"
                  " SELECT 'grown' || n, sha256(n::text::bytea), now()"
                  " FROM generate_series(1, 50000) AS n;"
                  "INSERT INTO kez.inbox (id, head) SELECT inbox, 1 FROM kez.account"
                  " WHERE handle LIKE 'grown%';"
                  "INSERT INTO kez.conversation SELECT 'Z' || id, id, 1, now(), now(), 1, 'x', ''"
                  " FROM kez.inbox;"
                  "INSERT INTO kez.participant SELECT 'Z' || id, id, 1, 'x' FROM kez.inbox;"
                  "INSERT INTO kez.letter (created_at, type, conversation, sender, id, body)"
                  " SELECT now(), 0, 'Z' || id, 'x', 'x', '{}' FROM kez.inbox;"
                  "INSERT INTO kez.inbox_row (inbox, seq, created_at, letter, type, sender, id)"
                  " SELECT substr(conversation, 2)::bigint, 1000000, now(), number, 0, '', 'x'"
                  " FROM kez.letter WHERE conversation LIKE 'Z%';"
                  "INSERT INTO kez.kept_id SELECT id, 'x', 'x', 1, now(), 'x' FROM kez.inbox");
    wait_until_gone("psql");
    postgres_exec(pg, "grow", "SELECT pg_stat_reset()");
}

/* The statements of a connection are planned once, until somebody analyses the tables. An
 * index that is walked from end to end is seen by the number of pages that were touched. */
static void plans_made_for_small_tables_are_right_for_large_ones(void **state) {
    static struct user users[SMALL];
    (void)state;
    make_small_tables(users);
    struct asker *a = start_growing();
    exercise(a, users, 1);
    make_tables_large();
    exercise(a, users, 2);
    asker_stop(a);
    wait_until_gone("kez-chat %");
    char *walked =
        postgres_value(pg, "grow",
                       "SELECT coalesce(string_agg(indexrelname, ', '), 'none')"
                       " FROM pg_statio_user_indexes WHERE schemaname = 'kez'"
                       " AND pg_relation_size(indexrelid) >= 100 * 8192"
                       " AND idx_blks_hit + idx_blks_read >= pg_relation_size(indexrelid) / 8192");
    assert_string_equal(walked, "none");
    free(walked);
    walked = postgres_value(pg, "grow",
                            "SELECT coalesce(string_agg(relname, ', '), 'none')"
                            " FROM pg_stat_user_tables WHERE schemaname = 'kez'"
                            " AND seq_tup_read >= 10000");
    assert_string_equal(walked, "none");
    free(walked);
    /* And there was something to see. */
    walked = postgres_value(pg, "grow",
                            "SELECT count(*) > 10 FROM pg_statio_user_indexes"
                            " WHERE schemaname = 'kez' AND idx_blks_hit > 5"
                            " AND pg_relation_size(indexrelid) >= 100 * 8192");
    assert_string_equal(walked, "t");
    free(walked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_made_has_its_shape_and_a_row_in_every_inbox),
        cmocka_unit_test(participants_stand_in_the_order_of_joining_the_creator_first),
        cmocka_unit_test(making_twice_is_a_repeat_by_the_same_a_conflict_by_another),
        cmocka_unit_test(a_refused_making_leaves_nothing),
        cmocka_unit_test(of_makings_at_once_one_wins),
        cmocka_unit_test(a_change_reaches_all_the_removed_and_the_added_too),
        cmocka_unit_test(each_refusal_of_a_change_has_its_place_in_the_order),
        cmocka_unit_test(who_is_removed_sees_and_says_nothing_more),
        cmocka_unit_test(it_ends_when_the_last_one_leaves),
        cmocka_unit_test(the_creators_role_does_not_pass_on),
        cmocka_unit_test(it_has_256_participants_and_not_one_more),
        cmocka_unit_test(a_post_is_one_row_in_every_inbox_and_its_envelope_is_stored_once),
        cmocka_unit_test(an_id_is_the_senders_own_in_each_conversation),
        cmocka_unit_test(posts_that_wait_together_keep_their_order_and_their_ids),
        cmocka_unit_test(of_posts_at_once_one_is_stored),
        cmocka_unit_test(a_poisoned_post_to_a_conversation_fails_alone),
        cmocka_unit_test(the_list_has_the_latest_first_and_goes_on_after_before),
        cmocka_unit_test(rows_are_trimmed_and_their_letters_stay_for_the_others),
        cmocka_unit_test(a_page_of_rows_of_both_kinds_ends_at_its_bytes),
        cmocka_unit_test(an_account_that_is_deleted_is_no_participant_any_more),
        cmocka_unit_test(a_node_that_knows_no_conversations_reads_their_rows),
        cmocka_unit_test(plans_made_for_small_tables_are_right_for_large_ones),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
