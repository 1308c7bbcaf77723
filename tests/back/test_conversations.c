/* tests/back/test_conversations.c -- conversations in the store, on a real PostgreSQL: made and
 * listed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/conversations.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/hall.h"

static int setup(void **state) {
    (void)state;
    hall_open("talk", 1);
    return 0;
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
    hall_assert_json(json, number, "\"caf\xc3\xa9 \\\"\\\\/\"", u[0].handle.text, u, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(hall_head(&u[i]), 1);
        hall_assert_updated(&u[i], number, json);
    }
    assert_int_equal(hall_head(&u[3]), 0);
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
    hall_assert_json(json, number, "\"\"", u[0].handle.text, order, 4, 1);
    free(json);
    struct talker_change change = {
        .number = number, .version = 1, .add = &u[4], .n_add = 1, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, NULL, NULL), RC_OK);
    change = (struct talker_change){.number = number, .version = 2, .add = &u[1], .n_add = 1};
    assert_int_equal(talker_change(hall.asker, &u[0], &change, &json, NULL), RC_OK);
    struct user after[] = {u[0], u[3], u[2], u[4], u[1]};
    hall_assert_json(json, number, "\"\"", u[0].handle.text, after, 5, 3);
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
    assert_int_equal(hall_head(&u[0]), 1);

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
    assert_int_equal(hall_head(&many[0]), 0);
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
        assert_int_equal(hall_head(&u[i]), ROUNDS);
    asker_stop(other);
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
    hall_assert_json(json, number, "\"two left\"", u[0].handle.text, left, 2, 2);
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
        cmocka_unit_test(the_list_has_the_latest_first_and_goes_on_after_before),
        cmocka_unit_test(an_account_that_is_deleted_is_no_participant_any_more),
    };
    return cmocka_run_group_tests(tests, setup, hall_close);
}
