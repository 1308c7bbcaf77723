/* tests/back/test_conversations_changes.c -- conversations in the store, on a real PostgreSQL:
 * changed by one right or another, full, and at their end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/conversations.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/hall.h"

static int setup(void **state) {
    (void)state;
    hall_open("talk", 1);
    return 0;
}

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
    hall_assert_json(json, number, "\"new\"", u[0].handle.text, after, 3, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hall_head(&u[i]), i == 3 ? 1 : 2);
        hall_assert_updated(&u[i], number, json);
    }
    assert_int_equal(hall_head(&u[4]), 0);
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
    assert_int_equal(hall_head(&u[0]), 1);
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
    assert_int_equal(hall_head(&u[2]), 3);
    assert_int_equal(talker_post(hall.asker, &u[2], number, "two", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(hall.asker, &u[2], number, "one", "{}", NULL), RC_NOT_FOUND);
    assert_int_equal(talker_post(hall.asker, &u[1], number, "two", "{}", NULL), RC_OK);
    assert_null(talker_show(hall.asker, &u[2], number));
    assert_int_equal(talker_list(hall.asker, &u[2], 0, 10, &list), RC_OK);
    assert_string_equal(list, "[]");
    free(list);
    struct talker_change back = {.number = number, .version = 2, .add = &u[2], .n_add = 1};
    assert_int_equal(talker_change(hall.asker, &u[2], &back, NULL, NULL), RC_NOT_FOUND);
    assert_int_equal(hall_head(&u[2]), 3);
    assert_int_equal(hall_head(&u[1]), 4);

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
    hall_assert_json(json, number, "\"\"", u[0].handle.text, NULL, 0, 3);
    hall_assert_updated(&u[1], number, json);
    assert_int_equal(hall_head(&u[0]), 2);
    assert_int_equal(hall_head(&u[1]), 3);
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
    hall_assert_json(json, number, "\"all\"", u[0].handle.text, u, PARTICIPANTS_MAX, 1);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_reaches_all_the_removed_and_the_added_too),
        cmocka_unit_test(each_refusal_of_a_change_has_its_place_in_the_order),
        cmocka_unit_test(who_is_removed_sees_and_says_nothing_more),
        cmocka_unit_test(it_ends_when_the_last_one_leaves),
        cmocka_unit_test(the_creators_role_does_not_pass_on),
        cmocka_unit_test(it_has_256_participants_and_not_one_more),
    };
    return cmocka_run_group_tests(tests, setup, hall_close);
}
