/* tests/integration/test_complaints.c -- a deadlock would be seen by the tests that look for none.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "back/pool_link.h"
#include "support/complaints.h"

static struct postgres *pg;

static int start(void **state) {
    (void)state;
    pg = postgres_start();
    (void)postgres_url(pg, "chat");
    postgres_exec(pg, "chat",
                  "CREATE TABLE two (name text PRIMARY KEY, n int);"
                  "INSERT INTO two VALUES ('one', 0), ('other', 0)");
    return 0;
}

static int stop(void **state) {
    (void)state;
    postgres_stop(pg);
    return 0;
}

static struct link *session(const char *sql) {
    struct link_config c = {.url = postgres_url(pg, "chat"),
                            .name = "test",
                            .timeout_ms = 60000,
                            .connect_timeout_ms = 60000};
    struct link *l;
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    assert_int_equal(link_open(l), RC_OK);
    assert_int_equal(link_script(l, sql, 60000), RC_OK);
    return l;
}

static bool is_refused(struct link *l) {
    struct pg_result *r;
    enum rc rc = link_collect(l, 1, &r);
    if (rc == RC_OK)
        link_clear(1, &r);
    bool is_deadlock = rc == RC_IO && strcmp(link_sqlstate(l), "40P01") == 0;
    assert_true(rc == RC_OK || is_deadlock);
    return is_deadlock;
}

static void a_deadlock_would_have_been_seen(void **state) {
    (void)state;
    static const char *const update = "UPDATE two SET n = n + 1 WHERE name = $1::text";
    const char *const names[] = {"one", "other"};
    struct link *l[2];
    for (int i = 0; i < 2; i++) {
        struct pg_result *r;
        l[i] = session("BEGIN");
        link_send_sql(l[i], update, 1, &names[i]);
        link_sync(l[i]);
        assert_int_equal(link_collect(l[i], 1, &r), RC_OK);
        link_clear(1, &r);
    }
    for (int i = 0; i < 2; i++) {
        link_send_sql(l[i], update, 1, &names[1 - i]);
        link_sync(l[i]);
    }
    complaints_expect_none(pg, "chat");
    assert_int_equal(is_refused(l[0]) + is_refused(l[1]), 1);
    assert_int_equal(complaints_logged(pg, "deadlock detected"), 1);
    link_free(l[0]);
    link_free(l[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadlock_would_have_been_seen),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
