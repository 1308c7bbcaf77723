/* tests/back/test_store_keep_faults.c -- retention when sessions end, PostgreSQL crashes, locks are
 * held, several stores want the role, and posts come meanwhile.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "back/pool_link.h"
#include "core/stats.h"
#include "support/keeping.h"

enum { UP_MS = 60000, SOON_MS = 60000, SQL_BYTES = 1024 };

static char *value(const char *sql) { return postgres_value(hall.pg, hall.database, sql); }

static void wait_for(const char *sql) { postgres_await(hall.pg, hall.database, sql); }

/* A store whose sessions all have this name. */
static struct asker *start_keeper(const char *name, uint32_t rows) {
    char named[256];
    (void)snprintf(named, sizeof named, "%s?application_name=%s", hall.url, name);
    struct store_config config = asker_config(named);
    config.retention = (struct store_retention){.rows = rows, .period_s = 1};
    struct asker *a = asker_start_with(&config);
    asker_wait_up(a, true, UP_MS);
    return a;
}

/* Names of those that have the role. */
#define KEEPERS                                                                                    \
    "(SELECT coalesce(string_agg(a.application_name, ' '), '') FROM pg_locks AS l"                 \
    " JOIN pg_stat_activity AS a ON a.pid = l.pid"                                                 \
    " WHERE l.locktype = 'advisory' AND l.granted AND a.datname = 'keep')"

/* Inboxes of `each` rows, dense, made by SQL. */
static void make_inboxes(unsigned inboxes, unsigned each) {
    char sql[SQL_BYTES];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO kez.account (handle, primary_key, registered_at)"
                   " SELECT 'made' || n, sha256(n::text::bytea), now()"
                   " FROM generate_series(1, %u) AS n;"
                   "INSERT INTO kez.inbox (id, head) SELECT inbox, %u FROM kez.account;"
                   "INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
                   " SELECT id, n, now(), 0, '', '{}' FROM kez.inbox, generate_series(1, %u) AS n",
                   inboxes, each, each);
    postgres_exec(hall.pg, hall.database, sql);
}

/* ---- the role ---- */

static void one_has_the_role_until_it_ends_and_then_another(void **state) {
    (void)state;
    struct asker *one = start_keeper("one", 0);
    wait_for("SELECT " KEEPERS " = 'one'");
    struct asker *two = start_keeper("two", 0);
    /* The other asks for it at each look, once a period. */
    keeping_await_passes(4);
    hall_assert_sql("SELECT " KEEPERS, "one");
    asker_stop(one);
    wait_for("SELECT " KEEPERS " = 'two'");
    one = start_keeper("one", 0);
    /* The session alone ends: somebody goes on, and only one. */
    free(value("SELECT pg_terminate_backend(pid, 60000) FROM pg_locks"
               " WHERE locktype = 'advisory'"));
    wait_for("SELECT " KEEPERS " IN ('one', 'two')");
    keeping_await_passes(2);
    asker_stop(one);
    asker_stop(two);
}

static void a_keeper_that_finds_no_server_waits_for_it(void **state) {
    (void)state;
    postgres_halt(hall.pg, "fast");
    struct store_config config = asker_config(hall.url);
    config.retention = (struct store_retention){.period_s = 1};
    struct asker *keeper = asker_start_with(&config);
    assert_false(asker_gets_up(keeper, 300));
    postgres_resume(hall.pg);
    keeping_await_passes(1);
    asker_stop(keeper);
    asker_wait_up(hall.asker, true, UP_MS);
}

/* ---- in the middle of a pass ---- */

/* A pass that stands still in its middle, at an inbox whose trigger waits while `gate` has a row;
 * not for a lock, which a step would not wait for so long, and also after a restart. */
struct held_pass {
    struct asker *keeper;
    char *left; /* rows to drop */
};

#define LEFT "SELECT sum(head - first) FROM kez.inbox"

static struct held_pass hold_pass(void) {
    struct held_pass held;
    make_inboxes(150, 200);
    hall_exec("CREATE TABLE kez.gate AS SELECT 1");
    hall_exec("CREATE FUNCTION kez.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
              " WHILE EXISTS (SELECT FROM kez.gate) LOOP PERFORM pg_sleep(0.01); END LOOP;"
              " RETURN NEW; END $$");
    hall_exec(
        "DO $$ BEGIN EXECUTE format('CREATE TRIGGER slow BEFORE UPDATE ON kez.inbox FOR EACH ROW"
        " WHEN (NEW.id = %s) EXECUTE FUNCTION kez.wait_for_test()',"
        " (SELECT min(id) + 75 FROM kez.inbox)); END $$");
    held.keeper = start_keeper("keeper", 1);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
             " AND application_name = 'keeper'");
    held.left = value(LEFT);
    hall_assert_sql(LEFT " HAVING sum(head - first) BETWEEN 1 AND 149 * 199", held.left);
    return held;
}

static void let_pass(struct held_pass *held) {
    hall_assert_sql(LEFT, held->left); /* nobody has gone on */
    free(held->left);
    hall_exec("DELETE FROM kez.gate");
    hall_exec("DROP TRIGGER slow ON kez.inbox");
    hall_exec("DROP FUNCTION kez.wait_for_test");
    hall_exec("DROP TABLE kez.gate");
}

static void a_server_that_crashes_in_the_middle_of_a_pass_costs_nothing(void **state) {
    (void)state;
    struct held_pass held = hold_pass();
    postgres_halt(hall.pg, "immediate");
    postgres_resume(hall.pg);
    keeping_assert_dense();
    let_pass(&held);
    wait_for("SELECT sum(head - first) = 0 FROM kez.inbox");
    keeping_assert_dense();
    asker_stop(held.keeper);
    asker_wait_up(hall.asker, true, UP_MS);
}

static void sessions_that_end_in_the_middle_of_a_pass_cost_nothing(void **state) {
    (void)state;
    struct held_pass held = hold_pass();
    for (int i = 0; i < 20; i++)
        free(value("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                   " WHERE application_name = 'keeper'"));
    let_pass(&held);
    wait_for("SELECT " KEEPERS " = 'keeper'"); /* each session has to ask for the role */
    wait_for("SELECT sum(head - first) = 0 FROM kez.inbox");
    keeping_assert_dense();
    asker_stop(held.keeper);
}

static void a_store_that_stops_does_not_wait_for_its_pass(void **state) {
    (void)state;
    struct held_pass held = hold_pass();
    asker_stop(held.keeper);
    keeping_assert_dense();
    /* Another one finishes it. */
    let_pass(&held);
    struct asker *keeper = start_keeper("another", 1);
    wait_for("SELECT sum(head - first) = 0 FROM kez.inbox");
    keeping_assert_dense();
    asker_stop(keeper);
}

static struct link *session(void) {
    struct link_config c = {
        .url = hall.url, .name = "test", .timeout_ms = SOON_MS, .connect_timeout_ms = SOON_MS};
    struct link *l;
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    assert_int_equal(link_open(l), RC_OK);
    return l;
}

static void a_locked_inbox_waits_for_its_turn_and_others_do_not(void **state) {
    (void)state;
    make_inboxes(120, 3);
    struct link *other = session();
    assert_int_equal(link_script(other,
                                 "BEGIN; SELECT FROM kez.inbox WHERE id ="
                                 " (SELECT min(id) + 60 FROM kez.inbox) FOR UPDATE",
                                 SOON_MS),
                     RC_OK);
    struct asker *keeper = start_keeper("keeper", 1);
    keeping_await_passes(1);
    hall_assert_sql("SELECT count(*) || ' ' || min(id - 60 - (SELECT min(id) FROM kez.inbox))"
                    " FROM kez.inbox WHERE first = 1",
                    "1 0");
    assert_int_equal(link_script(other, "COMMIT", SOON_MS), RC_OK);
    wait_for("SELECT count(*) = 0 FROM kez.inbox WHERE first <> 3");
    keeping_assert_dense();
    link_free(other);
    asker_stop(keeper);
}

/* ---- with posts ---- */

enum { USERS = 8, POSTERS = 4, PASSES = 3 };

struct poster {
    struct asker *asker;
    const struct user *users;
    int64_t until; /* so many passes were made... */
    int64_t rows;  /* ...and more rows than these were dropped */
    unsigned number, failed, direct, talk;
    uint64_t last[USERS];
};

/* Directly and to a conversation; the seqs that it is told must grow. */
static void *post_on(void *arg) {
    struct poster *p = arg;
    for (unsigned i = 0; atomic_load(&stats.retention_passes) < p->until ||
                         atomic_load(&stats.retention_rows_dropped) <= p->rows;
         i++) {
        unsigned at = (i + p->number) % USERS;
        bool is_direct = i % 3 != 0;
        char id[32];
        uint64_t seq = 0;
        (void)snprintf(id, sizeof id, "%u-%u", p->number, i);
        enum rc rc = is_direct
                         ? asker_post(p->asker, &p->users[at], NULL, i % 2 ? id : "", "{}", &seq)
                         : talker_post(p->asker, &p->users[at], 1, id, "{}", &seq);
        p->failed += rc != RC_OK || seq <= p->last[at];
        p->last[at] = seq;
        p->direct += is_direct;
        p->talk += !is_direct;
    }
    return NULL;
}

static void posts_by_two_stores_lose_nothing_meanwhile(void **state) {
    (void)state;
    struct user users[USERS];
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (unsigned i = 0; i < USERS; i++)
        users[i] = asker_user(hall.asker, 1 + i);
    assert_int_equal(talker_make(hall.asker, &users[0], 1, NULL, users, USERS, NULL), RC_OK);
    struct asker *keeper = start_keeper("keeper", 2);
    int64_t until = atomic_load(&stats.retention_passes) + PASSES;
    int64_t rows = atomic_load(&stats.retention_rows_dropped);
    unsigned direct = 0, talk = 1; /* its making */
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.asker = i % 2 ? hall.asker : keeper,
                                     .users = users,
                                     .until = until,
                                     .rows = rows,
                                     .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_on, &posters[i]), 0);
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].failed, 0);
        direct += posters[i].direct;
        talk += posters[i].talk;
    }
    /* Every post is in the heads: direct ones once, those to the conversation in each. */
    char want[32];
    (void)snprintf(want, sizeof want, "%u", direct + USERS * talk);
    hall_assert_sql("SELECT sum(head) FROM kez.inbox", want);
    wait_for("SELECT bool_and(first = head - 1) FROM kez.inbox");
    keeping_assert_dense();
    char *log = postgres_log(hall.pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
    asker_stop(keeper);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_has_the_role_until_it_ends_and_then_another, keeping_empty),
        cmocka_unit_test_setup(a_keeper_that_finds_no_server_waits_for_it, keeping_empty),
        cmocka_unit_test_setup(a_server_that_crashes_in_the_middle_of_a_pass_costs_nothing,
                               keeping_empty),
        cmocka_unit_test_setup(sessions_that_end_in_the_middle_of_a_pass_cost_nothing,
                               keeping_empty),
        cmocka_unit_test_setup(a_store_that_stops_does_not_wait_for_its_pass, keeping_empty),
        cmocka_unit_test_setup(a_locked_inbox_waits_for_its_turn_and_others_do_not, keeping_empty),
        cmocka_unit_test_setup(posts_by_two_stores_lose_nothing_meanwhile, keeping_empty),
    };
    return cmocka_run_group_tests(tests, keeping_open, hall_close);
}
