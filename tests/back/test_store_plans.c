/* tests/back/test_store_plans.c -- no statement of the store walks a whole table, even when it was
 * planned while the tables were small.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/postgres.h"
#include "support/proc.h"
#include "support/talker.h"

static struct postgres *pg;

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    postgres_stop(pg);
    return 0;
}

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
    assert_true(proc_poll(all_have_left, text, 60000));
}

static struct asker *start_growing(void) {
    struct store_config config = asker_config(postgres_url(pg, "grow"));
    config.writers = 1;
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, 60000);
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
        cmocka_unit_test(plans_made_for_small_tables_are_right_for_large_ones),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
