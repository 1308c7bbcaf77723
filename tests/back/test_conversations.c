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
#include "support/hall.h"
#include "support/proc.h"

enum { TEXT_BYTES = 128 * 1024 };

static int setup(void **state) {
    (void)state;
    hall_open("talk", 1);
    return 0;
}

/* ---- rows ---- */

static uint64_t head_of(const struct user *user) {
    return asker_head(hall.asker, user->inbox).head;
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
    char *got = talker_row_without_time(hall.asker, user, head),
         *whole = talker_row(hall.asker, user, head);
    char *told = asker_last_row(hall.asker, &user->handle);
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
    hall_users(u, 4);
    unsigned number = hall.next_sid++;
    /* The caller is not listed. */
    assert_int_equal(talker_make(hall.asker, &u[0], number, "caf\xc3\xa9 \"\\/", &u[1], 2, &json),
                     RC_OK);
    assert_json(json, number, "\"caf\xc3\xa9 \\\"\\\\/\"", u[0].handle.text, u, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(head_of(&u[i]), 1);
        assert_updated(&u[i], number, json);
    }
    assert_int_equal(head_of(&u[3]), 0);
    char *shown = talker_show(hall.asker, &u[2], number);
    assert_string_equal(shown, json);
    assert_null(talker_show(hall.asker, &u[3], number));
    hall_assert_sql_of(number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'", "1");
    free(shown);
    free(json);
}

static void participants_stand_in_the_order_of_joining_the_creator_first(void **state) {
    struct user u[5];
    char *json;
    (void)state;
    hall_users(u, 5);
    struct user listed[] = {u[3], u[1], u[0], u[2]};
    unsigned number = hall.next_sid++;
    assert_int_equal(talker_make(hall.asker, &u[0], number, NULL, listed, 4, &json), RC_OK);
    struct user order[] = {u[0], u[3], u[1], u[2], u[4]};
    assert_json(json, number, "\"\"", u[0].handle.text, order, 4, 1);
    free(json);
    struct talker_change change = {
        .number = number, .version = 1, .add = &u[4], .n_add = 1, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, NULL, NULL), RC_OK);
    change = (struct talker_change){.number = number, .version = 2, .add = &u[1], .n_add = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, &json, NULL), RC_OK);
    struct user after[] = {u[0], u[3], u[2], u[4], u[1]};
    assert_json(json, number, "\"\"", u[0].handle.text, after, 5, 3);
    free(json);
}

static void making_twice_is_a_repeat_by_the_same_a_conflict_by_another(void **state) {
    struct user u[3];
    char *first, *again;
    (void)state;
    hall_users(u, 3);
    unsigned number = hall.next_sid++;
    assert_int_equal(talker_make(hall.asker, &u[0], number, "a", u, 2, &first), RC_OK);
    unsigned told = asker_rows_told(hall.asker);
    assert_int_equal(talker_make(hall.asker, &u[0], number, "b", u, 3, &again), RC_REPEAT);
    assert_string_equal(again, first);
    free(again);
    assert_int_equal(talker_make(hall.asker, &u[1], number, "a", u, 2, &again), RC_CONFLICT);
    assert_string_equal(again, "");
    free(again);
    free(first);
    assert_int_equal(asker_rows_told(hall.asker), told);
    assert_int_equal(head_of(&u[0]), 1);

    /* What has become of it is no business of a creator who left. */
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &leave, NULL, NULL), RC_OK);
    assert_int_equal(talker_make(hall.asker, &u[0], number, "a", u, 2, NULL), RC_CONFLICT);
}

/* RC_NOT_FOUND comes before RC_TOO_LARGE, and what is there before both. */
static void a_refused_making_leaves_nothing(void **state) {
    static struct user many[PARTICIPANTS_MAX + 1], ghosts[PARTICIPANTS_MAX + 1];
    (void)state;
    hall_users(many, 3);
    struct conversation_draft draft = {.sid = talker_sid(hall.next_sid),
                                       .add = talker_handles(many, 3)};
    struct conversation_make m = {
        .job.kind = STORE_CONVERSATION_MAKE, .caller = many[0], .draft = &draft};
    draft.add.at[1] = asker_handle("nobody-a");
    draft.add.at[2] = asker_handle("nobody-b");
    buf_init(&m.json, CONVERSATION_JSON_MAX);
    assert_int_equal(asker_ask(hall.asker, &m.job), RC_NOT_FOUND);
    assert_string_equal(m.missing.text, "nobody-a");
    conversation_draft_done(&draft);

    for (size_t i = 0; i < sizeof ghosts / sizeof *ghosts; i++)
        ghosts[i].handle = asker_handle("nobody");
    draft = (struct conversation_draft){.sid = talker_sid(hall.next_sid),
                                        .add = talker_handles(ghosts, PARTICIPANTS_MAX)};
    assert_int_equal(asker_ask(hall.asker, &m.job), RC_NOT_FOUND);
    conversation_draft_done(&draft);
    buf_done(&m.json);
    assert_null(talker_show(hall.asker, &many[0], hall.next_sid));
    assert_int_equal(head_of(&many[0]), 0);
    hall_assert_sql_of(hall.next_sid, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'",
                       "0");
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
    struct asker *other = asker_start(hall.url);
    struct user u[3];
    (void)state;
    hall_users(u, 3);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_t start;
        struct racer racers[2];
        pthread_t threads[2];
        pthread_barrier_init(&start, NULL, 2);
        for (unsigned k = 0; k < 2; k++) {
            racers[k] = (struct racer){.asker = k ? other : hall.asker,
                                       .start = &start,
                                       .caller = &u[k && i % 2],
                                       .users = u,
                                       .number = hall.next_sid};
            assert_int_equal(pthread_create(&threads[k], NULL, make_at_once, &racers[k]), 0);
        }
        for (unsigned k = 0; k < 2; k++)
            pthread_join(threads[k], NULL);
        const struct racer *loser = racers[0].rc == RC_OK ? &racers[1] : &racers[0];
        assert_int_equal((loser == racers ? &racers[1] : racers)->rc, RC_OK);
        assert_int_equal(loser->rc, i % 2 ? RC_CONFLICT : RC_REPEAT);
        hall.next_sid++;
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
    hall_users(u, 5);
    unsigned number = hall_talk(u, 3);
    struct talker_change change = {.number = number,
                                   .version = 1,
                                   .title = "new",
                                   .add = &u[3],
                                   .n_add = 1,
                                   .remove = &u[2],
                                   .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, &json, NULL), RC_OK);
    struct user after[] = {u[0], u[1], u[3]};
    assert_json(json, number, "\"new\"", u[0].handle.text, after, 3, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(head_of(&u[i]), i == 3 ? 1 : 2);
        assert_updated(&u[i], number, json);
    }
    assert_int_equal(head_of(&u[4]), 0);
    hall_assert_sql_of(number, "SELECT count(*) FROM kez.letter WHERE conversation = '%s'", "2");
    free(json);
}

static void each_refusal_of_a_change_has_its_place_in_the_order(void **state) {
    struct user u[4], ghost = {.handle = asker_handle("nobody-at-all")};
    struct handle missing;
    (void)state;
    hall_users(u, 4);
    unsigned number = hall_talk(u, 3); /* of u[0], who made it, u[1] and u[2] */
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
    char *before = talker_show(hall.asker, &u[0], number);
    unsigned told = asker_rows_told(hall.asker);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *json;
        enum rc rc = talker_change(hall.asker, rows[i].caller, &rows[i].change, &json, &missing);
        if (rc != rows[i].want)
            fail_msg("row %zu: %s instead of %s", i, rc_name(rc), rc_name(rows[i].want));
        assert_string_equal(missing.text, rows[i].missing);
        assert_string_equal(json, rc == RC_OK ? before : "");
        free(json);
    }
    char *after = talker_show(hall.asker, &u[0], number);
    assert_string_equal(after, before);
    assert_int_equal(asker_rows_told(hall.asker), told);
    assert_int_equal(head_of(&u[0]), 1);
    free(before);
    free(after);
}

static void who_is_removed_sees_and_says_nothing_more(void **state) {
    struct user u[3];
    char *list;
    (void)state;
    hall_users(u, 3);
    unsigned number = hall_talk(u, 3);
    assert_int_equal(talker_post(hall.asker, &u[2], number, "one", "{}", NULL), RC_OK);
    struct talker_change remove = {.number = number, .version = 1, .remove = &u[2], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &remove, NULL, NULL), RC_OK);
    assert_int_equal(head_of(&u[2]), 3);
    assert_int_equal(talker_post(hall.asker, &u[2], number, "two", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(hall.asker, &u[2], number, "one", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(hall.asker, &u[1], number, "two", "{}", NULL), RC_OK);
    assert_null(talker_show(hall.asker, &u[2], number));
    assert_int_equal(talker_list(hall.asker, &u[2], 0, 10, &list), RC_OK);
    assert_string_equal(list, "[]");
    free(list);
    struct talker_change back = {.number = number, .version = 2, .add = &u[2], .n_add = 1};
    assert_int_equal(talker_change(hall.asker, &u[2], &back, NULL, NULL), RC_NOT_FOUND);
    assert_int_equal(head_of(&u[2]), 3);
    assert_int_equal(head_of(&u[1]), 4);

    /* Back again, the ids that were used are used. */
    assert_int_equal(talker_change(hall.asker, &u[1], &back, NULL, NULL), RC_OK);
    uint64_t seq;
    assert_int_equal(talker_post(hall.asker, &u[2], number, "one", "{}", &seq), RC_REPEAT);
    assert_int_equal(seq, 2);
}

static void it_ends_when_the_last_one_leaves(void **state) {
    struct user u[2];
    char *json;
    (void)state;
    hall_users(u, 2);
    unsigned number = hall_talk(u, 2);
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &leave, NULL, NULL), RC_OK);
    leave = (struct talker_change){.number = number, .version = 2, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[1], &leave, &json, NULL), RC_OK);
    assert_json(json, number, "\"\"", u[0].handle.text, NULL, 0, 3);
    assert_updated(&u[1], number, json);
    assert_int_equal(head_of(&u[0]), 2);
    assert_int_equal(head_of(&u[1]), 3);
    free(json);
    hall_assert_sql_of(number, "SELECT count(*) FROM kez.conversation WHERE sid = '%s'", "0");
    hall_assert_sql_of(number, "SELECT count(*) FROM kez.participant WHERE sid = '%s'", "0");
    assert_null(talker_show(hall.asker, &u[1], number));
    assert_int_equal(talker_post(hall.asker, &u[1], number, "id", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_make(hall.asker, &u[1], number, NULL, &u[1], 1, NULL), RC_OK);
}

static void the_creators_role_does_not_pass_on(void **state) {
    struct user u[3];
    (void)state;
    hall_users(u, 3);
    unsigned number = hall_talk(u, 3);
    struct talker_change leave = {.number = number, .version = 1, .remove = &u[0], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &leave, NULL, NULL), RC_OK);
    struct talker_change remove = {.number = number, .version = 2, .remove = &u[2], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[1], &remove, NULL, NULL), RC_FORBIDDEN);
    struct talker_change back = {.number = number, .version = 2, .add = &u[0], .n_add = 1};
    assert_int_equal(talker_change(hall.asker, &u[1], &back, NULL, NULL), RC_OK);
    remove.version = 3;
    assert_int_equal(talker_change(hall.asker, &u[0], &remove, NULL, NULL), RC_OK);
}

static void it_has_256_participants_and_not_one_more(void **state) {
    static struct user u[PARTICIPANTS_MAX + 1];
    struct asker *a = asker_start(hall.url); /* watches as many handles as that */
    char *json;
    (void)state;
    hall_users(u, PARTICIPANTS_MAX + 1);
    unsigned number = hall.next_sid++;
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
    hall_assert_sql_of(number, "SELECT count(*) FROM kez.participant WHERE sid = '%s'", "256");

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
    hall_assert_sql("SELECT max(n) <= 2048 FROM (SELECT count(*) AS n FROM kez.inbox_row"
                    " GROUP BY xmin::text) AS of",
                    "t");
    assert_int_equal(asker_rows_out_of_order(a), 0);
    asker_stop(a);
}

/* ---- listing ---- */

/* Numbers of the conversations of a list in its order, each as a letter from `first` on. */
static void assert_listed(const struct user *caller, unsigned first, unsigned before,
                          uint32_t limit, const char *want) {
    char *json, got[64] = "";
    size_t n = 0;
    assert_int_equal(talker_list(hall.asker, caller, before, limit, &json), RC_OK);
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
    hall_users(u, 3);
    assert_listed(&u[0], 0, 0, 50, "");
    unsigned a = hall_talk(u, 2), b = hall_talk(u, 3), c = hall_talk(u, 2);
    assert_listed(&u[0], a, 0, 50, "cba");
    assert_listed(&u[2], a, 0, 50, "b");
    assert_int_equal(talker_post(hall.asker, &u[1], a, "id", "{}", NULL), RC_OK);
    assert_listed(&u[0], a, 0, 50, "acb");
    struct talker_change retitle = {.number = b, .version = 1, .title = "new"};
    assert_int_equal(talker_change(hall.asker, &u[2], &retitle, NULL, NULL), RC_OK);
    assert_listed(&u[0], a, 0, 50, "bac");
    assert_listed(&u[0], a, 0, 2, "ba");
    assert_listed(&u[0], a, a, 2, "c");
    assert_listed(&u[0], a, b, 1, "a");
    assert_listed(&u[0], a, c, 50, "");

    char *json, *shown = talker_show(hall.asker, &u[2], b);
    assert_int_equal(talker_list(hall.asker, &u[2], 0, 50, &json), RC_OK);
    assert_memory_equal(json + 1, shown, strlen(shown));
    assert_string_equal(json + 1 + strlen(shown), "]");
    free(json);
    free(shown);
    assert_int_equal(talker_list(hall.asker, &u[2], a, 50, NULL), RC_NOT_FOUND);
    assert_int_equal(talker_list(hall.asker, &u[0], 999999, 50, NULL), RC_NOT_FOUND);
}

/* ---- accounts ---- */

static void an_account_that_is_deleted_is_no_participant_any_more(void **state) {
    struct user u[3];
    char sql[128], *json;
    (void)state;
    hall_users(u, 3);
    unsigned number = hall_talk(u, 3);
    (void)snprintf(sql, sizeof sql, "DELETE FROM kez.account WHERE inbox = %llu",
                   (unsigned long long)u[1].inbox);
    postgres_exec(hall.pg, "talk", sql);
    uint64_t seq;
    assert_int_equal(talker_post(hall.asker, &u[1], number, "id", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(hall.asker, &u[0], number, "id", "{}", &seq), RC_OK);
    assert_int_equal(seq, 2);
    struct talker_change change = {.number = number, .version = 1, .title = "two left"};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, &json, NULL), RC_OK);
    struct user left[] = {u[0], u[2]};
    assert_json(json, number, "\"two left\"", u[0].handle.text, left, 2, 2);
    free(json);

    /* A new account of that name is somebody else. */
    struct user anew;
    assert_int_equal(asker_register(hall.asker, u[1].handle.text, 5000, &anew), RC_OK);
    assert_null(talker_show(hall.asker, &anew, number));
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
        cmocka_unit_test(the_list_has_the_latest_first_and_goes_on_after_before),
        cmocka_unit_test(an_account_that_is_deleted_is_no_participant_any_more),
    };
    return cmocka_run_group_tests(tests, setup, hall_close);
}
