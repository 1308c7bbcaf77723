/* tests/back/test_store_keep.c -- what retention drops and what it keeps, on a real PostgreSQL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/keeping.h"

enum { SQL_BYTES = 2048 };

/* Prints SQL as printf() does. */
static const char *print(const char *form, ...) __attribute__((format(printf, 1, 2)));
static const char *print(const char *form, ...) {
    static char sql[SQL_BYTES];
    va_list args;
    va_start(args, form);
    int n = vsnprintf(sql, sizeof sql, form, args);
    va_end(args);
    assert_true(n > 0 && n < (int)sizeof sql);
    return sql;
}

static struct asker *start_keeper(const struct store_retention *by) {
    struct store_config config = asker_config(hall.url);
    config.writers = 1;
    config.retention = *by;
    return asker_start_with(&config);
}

/* From the next one that begins on. */
static void await_pass(void) { keeping_await_passes(2); }

/* One whole pass, from its beginning. */
static void make_pass(uint32_t days, uint32_t rows) {
    int64_t before = atomic_load(&stats.retention_passes);
    struct asker *keeper = start_keeper(&(struct store_retention){days, rows, 1});
    keeping_await_more_than(before);
    asker_stop(keeper);
}

/* Rows of the ages in hours that the text has, from the first on. */
static void put_rows(uint64_t inbox, const char *hours) {
    hall_exec(
        print("WITH row AS ("
              " INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
              " SELECT %llu, n, now() - make_interval(hours => age::int), 0, '', '{}'"
              " FROM unnest(string_to_array('%s', ' ')) WITH ORDINALITY AS u (age, n)"
              " RETURNING seq) UPDATE kez.inbox SET head = (SELECT coalesce(max(seq), 0) FROM row)"
              " WHERE id = %llu",
              (unsigned long long)inbox, hours, (unsigned long long)inbox));
}

/* ---- rows ---- */

static void a_prefix_goes_that_is_old_or_too_much_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        uint32_t days, rows;
        const char *hours; /* ages of the rows */
        uint64_t first;    /* afterwards */
    } rows[] = {
        {0, 0, "9999 9999 1", 1},
        {30, 0, "721 721 719", 3},
        {30, 0, "721 721 721", 4},
        {30, 0, "719 719", 1},
        {30, 0, "", 1},
        {30, 0, "721 719 721 721 0", 2}, /* a clock went back: no hole for it */
        {1, 0, "25 23", 2},
        {36500, 0, "9999 1", 1},
        {0, 1, "1 1 1 1", 4},
        {0, 3, "1 1 1 1", 2},
        {0, 4, "1 1 1 1", 1},
        {0, 5, "1 1 1 1", 1},
        {0, 4294967295, "1 1", 1},
        {30, 2, "721 1 1 1", 3},
        {30, 2, "721 721 721 721", 5}, /* old ones go, though they are the newest two */
        {30, 3, "1 721 1 1", 3},       /* one for its age, one for its place */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)keeping_empty(NULL);
        struct user user = asker_user(hall.asker, 1), other = asker_user(hall.asker, 2);
        put_rows(user.inbox, rows[i].hours);
        struct inbox_head before = asker_head(hall.asker, user.inbox);
        make_pass(rows[i].days, rows[i].rows);
        struct inbox_head after = asker_head(hall.asker, user.inbox);
        if (after.first != rows[i].first)
            fail_msg("days %u, rows %u of \"%s\": first is %llu", rows[i].days, rows[i].rows,
                     rows[i].hours, (unsigned long long)after.first);
        assert_int_equal(after.head, before.head);
        assert_string_equal(after.epoch.text, before.epoch.text);
        assert_int_equal(asker_head(hall.asker, other.inbox).first, 1);
        keeping_assert_dense();
    }
}

static void the_next_post_goes_on_from_the_head(void **state) {
    (void)state;
    struct user user = asker_user(hall.asker, 1);
    uint64_t seq;
    put_rows(user.inbox, "99 99 99");
    make_pass(1, 0);
    assert_int_equal(asker_post(hall.asker, &user, NULL, "", "{}", &seq), RC_OK);
    assert_int_equal(seq, 4);
    keeping_assert_dense();
}

/* More inboxes than a step looks at or locks, among them some with nothing to drop. */
static void all_inboxes_have_their_turn(void **state) {
    enum { MANY = 450 };
    (void)state;
    hall_exec(
        print("INSERT INTO kez.account (handle, primary_key, registered_at)"
              " SELECT 'many' || n, sha256(n::text::bytea), now() FROM generate_series(1, %d) AS n;"
              "INSERT INTO kez.inbox (id, head)"
              " SELECT inbox, 12 FROM kez.account;"
              "INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
              " SELECT id, n, now() - interval '25 hours' * (id %% 3), 0, '', '{}'"
              " FROM kez.inbox, generate_series(1, 12) AS n",
              MANY));
    int64_t rows = atomic_load(&stats.retention_rows_dropped);
    make_pass(1, 0);
    hall_assert_sql("SELECT count(*) FROM kez.inbox WHERE (first = 13) <> (id % 3 > 0)", "0");
    hall_assert_sql("SELECT count(*) FROM kez.inbox WHERE first = 1", print("%d", MANY / 3));
    assert_int_equal(atomic_load(&stats.retention_rows_dropped), rows + MANY / 3 * 2 * 12);
    keeping_assert_dense();
}

/* More rows than a step drops, and more bytes. */
static void long_and_heavy_inboxes_go_in_pieces(void **state) {
    (void)state;
    struct user user[3] = {asker_user(hall.asker, 1), asker_user(hall.asker, 2),
                           asker_user(hall.asker, 3)};
    hall_exec(print("INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
                    " SELECT %llu, n, now(), 0, '', '{}' FROM generate_series(1, 3000) AS n;"
                    "INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
                    " SELECT %llu, n, now(), 0, '', repeat('x', 262144)"
                    " FROM generate_series(1, 100) AS n;"
                    "UPDATE kez.inbox SET head = 3000 WHERE id = %llu;"
                    "UPDATE kez.inbox SET head = 100 WHERE id = %llu",
                    (unsigned long long)user[0].inbox, (unsigned long long)user[1].inbox,
                    (unsigned long long)user[0].inbox, (unsigned long long)user[1].inbox));
    put_rows(user[2].inbox, "1 1");
    make_pass(0, 1);
    assert_int_equal(asker_head(hall.asker, user[0].inbox).first, 3000);
    assert_int_equal(asker_head(hall.asker, user[1].inbox).first, 100);
    assert_int_equal(asker_head(hall.asker, user[2].inbox).first, 2);
    keeping_assert_dense();
}

static void what_is_asked_for_while_it_runs_holds(void **state) {
    (void)state;
    struct user user = asker_user(hall.asker, 1);
    put_rows(user.inbox, "99 1 1");
    struct asker *keeper = start_keeper(&(struct store_retention){0, 0, 1});
    await_pass();
    assert_int_equal(asker_head(hall.asker, user.inbox).first, 1);
    store_set_retention(asker_store(keeper), &(struct store_retention){1, 0, 1});
    await_pass();
    assert_int_equal(asker_head(hall.asker, user.inbox).first, 2);
    store_set_retention(asker_store(keeper), &(struct store_retention){0, 1, 1});
    await_pass();
    assert_int_equal(asker_head(hall.asker, user.inbox).first, 3);
    asker_stop(keeper);
}

/* ---- ids ---- */

static void ids_of_dropped_rows_are_remembered_for_a_day(void **state) {
    (void)state;
    struct user user = asker_user(hall.asker, 1);
    uint64_t seq;
    assert_int_equal(asker_post(hall.asker, &user, NULL, "old", "{}", NULL), RC_OK);
    assert_int_equal(asker_post(hall.asker, &user, NULL, "young", "{}", NULL), RC_OK);
    assert_int_equal(asker_post(hall.asker, &user, "name9", "young", "{\"n\":1}", NULL), RC_OK);
    assert_int_equal(asker_post(hall.asker, &user, NULL, "", "{}", NULL), RC_OK);
    hall_exec("UPDATE kez.inbox_row SET created_at = now() - interval '25 hours' WHERE id = 'old'");
    make_pass(0, 1);
    assert_int_equal(asker_head(hall.asker, user.inbox).first, 4);
    hall_assert_sql("SELECT count(*) FROM kez.kept_id", "2");
    assert_int_equal(asker_post(hall.asker, &user, NULL, "young", "{}", &seq), RC_REPEAT);
    assert_int_equal(seq, 2);
    assert_int_equal(asker_post(hall.asker, &user, "name9", "young", "{\"n\":1}", &seq), RC_REPEAT);
    assert_int_equal(seq, 3);
    assert_int_equal(asker_post(hall.asker, &user, NULL, "young", "{\"n\":2}", NULL), RC_CONFLICT);
    assert_int_equal(asker_post(hall.asker, &user, NULL, "old", "{}", &seq), RC_OK);
    assert_int_equal(seq, 5);
}

/* Nobody trims here, and retention is off. */
static void ids_are_forgotten_in_time_by_themselves(void **state) {
    (void)state;
    struct user user = asker_user(hall.asker, 1);
    hall_exec(print("INSERT INTO kez.kept_id SELECT %llu, '', 'old' || n, n,"
                    " now() - interval '25 hours', 'x' FROM generate_series(1, 2500) AS n;"
                    "INSERT INTO kez.kept_id SELECT %llu, '', 'young' || n, n,"
                    " now() - interval '23 hours', 'x' FROM generate_series(1, 3) AS n",
                    (unsigned long long)user.inbox, (unsigned long long)user.inbox));
    make_pass(0, 0);
    hall_assert_sql("SELECT count(*) || min(id) FROM kez.kept_id", "3young1");
}

/* ---- letters ---- */

/* Everything about letters is made older by so many hours. */
static void age_letters(unsigned hours) {
    hall_exec(print("UPDATE kez.letter SET created_at = created_at - interval '%u hours'", hours));
}

/* Of those of messages, as their ids in order. */
static void assert_letters(const char *want) {
    hall_assert_sql("SELECT coalesce(string_agg(id, ' ' ORDER BY number), '') FROM kez.letter"
                    " WHERE type = 0",
                    want);
}

/* A conversation of the users with the messages a, b, c, d of the first one; rows 2 to 5. */
static void make_talk(struct user *users, size_t n) {
    for (unsigned i = 0; i < n; i++)
        users[i] = asker_user(hall.asker, 1 + i);
    assert_int_equal(talker_make(hall.asker, &users[0], 1, NULL, users, n, NULL), RC_OK);
    for (const char *id = "a\0b\0c\0d\0"; *id; id += 2)
        assert_int_equal(talker_post(hall.asker, &users[0], 1, id, "{\"n\":1}", NULL), RC_OK);
}

static void a_letter_goes_when_its_last_row_has_gone(void **state) {
    (void)state;
    struct user u[2];
    make_talk(u, 2);
    age_letters(25);
    assert_int_equal(asker_trim(hall.asker, u[0].inbox, 5), RC_OK);
    make_pass(0, 0);
    assert_letters("a b c d"); /* all are needed by the other one */
    assert_int_equal(asker_trim(hall.asker, u[1].inbox, 3), RC_OK);
    int64_t letters = atomic_load(&stats.retention_letters_dropped);
    make_pass(0, 0);
    assert_letters("c d");
    assert_int_equal(atomic_load(&stats.retention_letters_dropped), letters + 3);
    keeping_assert_dense();
}

static void a_letter_stays_as_long_as_its_id_is_remembered(void **state) {
    (void)state;
    struct user u[2];
    uint64_t seq;
    make_talk(u, 2);
    age_letters(23);
    assert_int_equal(asker_trim(hall.asker, u[0].inbox, 5), RC_OK);
    assert_int_equal(asker_trim(hall.asker, u[1].inbox, 5), RC_OK);
    make_pass(0, 0);
    assert_letters("a b c d");
    assert_int_equal(talker_post(hall.asker, &u[0], 1, "b", "{\"n\":1}", &seq), RC_REPEAT);
    assert_int_equal(seq, 3);
    assert_int_equal(talker_post(hall.asker, &u[0], 1, "b", "{\"n\":2}", NULL), RC_CONFLICT);
    age_letters(2);
    make_pass(0, 0);
    assert_letters("d");
    assert_int_equal(talker_post(hall.asker, &u[0], 1, "b", "{\"n\":2}", &seq), RC_OK);
    assert_int_equal(seq, 6);
    keeping_assert_dense();
}

static void the_latest_letter_stays_while_somebody_lists_its_conversation(void **state) {
    (void)state;
    struct user u[2];
    char *before, *after;
    make_talk(u, 2);
    assert_int_equal(talker_make(hall.asker, &u[0], 2, NULL, u, 2, NULL), RC_OK);
    assert_int_equal(talker_make(hall.asker, &u[0], 3, NULL, u, 2, NULL), RC_OK);
    assert_int_equal(talker_post(hall.asker, &u[0], 1, "last", "{}", NULL), RC_OK);
    assert_int_equal(talker_list(hall.asker, &u[0], 0, 10, &before), RC_OK);
    age_letters(25);
    make_pass(0, 1);
    assert_int_equal(asker_trim(hall.asker, u[0].inbox, 8), RC_OK);
    assert_int_equal(asker_trim(hall.asker, u[1].inbox, 8), RC_OK);
    make_pass(0, 0);
    assert_letters("last");
    hall_assert_sql("SELECT count(*) FROM kez.letter", "3");
    assert_int_equal(talker_list(hall.asker, &u[0], 0, 10, &after), RC_OK);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void nothing_stays_of_a_conversation_that_nobody_is_in(void **state) {
    (void)state;
    struct user u[2];
    make_talk(u, 2);
    /* One leaves, and the other's account is deleted. */
    const struct talker_change leave = {.number = 1, .version = 1, .remove = &u[1], .n_remove = 1};
    assert_int_equal(talker_change(hall.asker, &u[1], &leave, NULL, NULL), RC_OK);
    struct store_account gone = {.job.kind = STORE_DELETE, .inbox = u[0].inbox};
    assert_int_equal(asker_ask(hall.asker, &gone.job), RC_OK);
    age_letters(25);
    assert_int_equal(asker_trim(hall.asker, u[1].inbox, 6), RC_OK);
    make_pass(0, 0);
    hall_assert_sql("SELECT count(*) FROM kez.letter", "0");
}

/* More than a step looks at; one in three is needed. */
static void all_letters_have_their_turn(void **state) {
    (void)state;
    struct user user = asker_user(hall.asker, 1);
    hall_exec(print("INSERT INTO kez.letter (created_at, type, conversation, sender, id, body)"
                    " SELECT now() - interval '25 hours', 0, 'S', 'x', n::text, '{}'"
                    " FROM generate_series(1, 900) AS n;"
                    "INSERT INTO kez.inbox_row (inbox, seq, created_at, letter, type, sender)"
                    " SELECT %llu, row_number() OVER (ORDER BY number), created_at, number, 0, ''"
                    " FROM kez.letter WHERE number %% 3 = 0;"
                    "UPDATE kez.inbox SET head = 300 WHERE id = %llu",
                    (unsigned long long)user.inbox, (unsigned long long)user.inbox));
    make_pass(0, 0);
    hall_assert_sql("SELECT count(*) FROM kez.letter", "300");
    keeping_assert_dense();
    /* Rows go first: their letters go in the same pass. */
    make_pass(1, 0);
    hall_assert_sql("SELECT count(*) FROM kez.letter", "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_prefix_goes_that_is_old_or_too_much_and_nothing_else,
                               keeping_empty),
        cmocka_unit_test_setup(the_next_post_goes_on_from_the_head, keeping_empty),
        cmocka_unit_test_setup(all_inboxes_have_their_turn, keeping_empty),
        cmocka_unit_test_setup(long_and_heavy_inboxes_go_in_pieces, keeping_empty),
        cmocka_unit_test_setup(what_is_asked_for_while_it_runs_holds, keeping_empty),
        cmocka_unit_test_setup(ids_of_dropped_rows_are_remembered_for_a_day, keeping_empty),
        cmocka_unit_test_setup(ids_are_forgotten_in_time_by_themselves, keeping_empty),
        cmocka_unit_test_setup(a_letter_goes_when_its_last_row_has_gone, keeping_empty),
        cmocka_unit_test_setup(a_letter_stays_as_long_as_its_id_is_remembered, keeping_empty),
        cmocka_unit_test_setup(the_latest_letter_stays_while_somebody_lists_its_conversation,
                               keeping_empty),
        cmocka_unit_test_setup(nothing_stays_of_a_conversation_that_nobody_is_in, keeping_empty),
        cmocka_unit_test_setup(all_letters_have_their_turn, keeping_empty),
    };
    return cmocka_run_group_tests(tests, keeping_open, hall_close);
}
