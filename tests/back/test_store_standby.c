/* tests/back/test_store_standby.c -- the store on a primary whose synchronous standby is not there.
 *
 * Source: postgresql.org/docs/15/warm-standby.html, section 27.2.8.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asker.h"
#include "support/postgres.h"
#include "support/proc.h"

enum { TIMEOUT_MS = 3000, UP_MS = 60000, SOON_MS = 60000 };

static struct postgres *pg;
static struct asker *asker;

static void exec(const char *sql) { postgres_exec(pg, "standby", sql); }

static bool is_true(const char *sql) { return postgres_says(pg, "standby", sql); }

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    struct store_config config = asker_config(postgres_url(pg, "standby"));
    config.timeout_ms = TIMEOUT_MS;
    config.writers = 1;
    asker = asker_start_with(&config);
    asker_wait_up(asker, true, UP_MS);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(asker);
    postgres_stop(pg);
    return 0;
}

static void await_standby(bool await) {
    exec(await ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
               : "ALTER SYSTEM RESET synchronous_standby_names");
    exec("SELECT pg_reload_conf()");
}

static bool waits_or_is_answered(void *arg) {
    struct store_post *p = arg;
    int answers;
    char waits[] = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    assert_int_equal(sem_getvalue(p->job.arg, &answers), 0);
    return answers > 0 || is_true(waits);
}

/* A post whose COMMIT waits, or has waited until it was given up. The server heeds its settings a
 * little after it was told. */
static struct store_post *post_that_waits(const struct user *user, bool is_named) {
    for (unsigned i = 0;; i++) {
        char id[24] = "";
        int answers;
        if (is_named)
            (void)snprintf(id, sizeof id, "id-%u", i);
        struct store_post *p = asker_post_new(user, NULL, id, "{\"n\":1}");
        assert_int_equal(asker_begin(asker, &p->job), RC_OK);
        assert_true(proc_poll(waits_or_is_answered, p, SOON_MS));
        assert_int_equal(sem_getvalue(p->job.arg, &answers), 0);
        if (answers == 0 || p->job.rc != RC_OK)
            return p;
        assert_int_equal(asker_wait(&p->job), RC_OK);
        asker_post_free(p);
    }
}

/* The session is ended while it waits: PostgreSQL has committed the row then, and shows it. But the
 * standby may become the primary without it. */
static void a_row_that_only_the_primary_has_is_not_acknowledged(void **state) {
    (void)state;
    for (unsigned named = 0; named < 2; named++) {
        char sql[160];
        struct user user = asker_user(asker, named + 1);
        await_standby(true);
        struct store_post *p = post_that_waits(&user, named);
        exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
             " WHERE wait_event = 'SyncRep'");
        assert_int_equal(asker_wait(&p->job), RC_UNKNOWN_OUTCOME);
        (void)snprintf(sql, sizeof sql,
                       "SELECT head = (SELECT count(*) FROM kez.inbox_row WHERE inbox = i.id)"
                       " FROM kez.inbox AS i WHERE id = %ju",
                       (uintmax_t)user.inbox);
        assert_true(is_true(sql));
        uint64_t head = asker_head(asker, user.inbox).head;
        assert_true(head > 0);
        await_standby(false);
        enum rc rc = RC_UNKNOWN_OUTCOME;
        while (named && rc == RC_UNKNOWN_OUTCOME)
            rc = asker_insist(asker, &p->job);
        if (named) {
            assert_int_equal(rc, RC_REPEAT);
            assert_int_equal(p->seq, head);
        }
        assert_int_equal(asker_head(asker, user.inbox).head, head);
        asker_post_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_only_the_primary_has_is_not_acknowledged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
