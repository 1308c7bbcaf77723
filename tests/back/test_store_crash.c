/* tests/back/test_store_crash.c -- the store when PostgreSQL dies with a post in hand, and gives
 * the number of its transaction to another.
 *
 * A transaction's number is not in PostgreSQL's log before a record of it is; what was not written
 * there when the server dies is lost, and the number with it. Here the log is held, so that it gets
 * nothing but commits, and the post's COMMIT waits in a deferred trigger for a lock of the test's:
 * its results and its number have come, and nothing of it is in the log.
 *
 * Source: postgresql.org/docs/15/functions-info.html, pg_xact_status().
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "back/pool_link.h"
#include "support/relay.h"
#include "support/talker.h"

enum { UP_MS = 60000, SOON_MS = 60000, PATIENT_MS = 200000, NUMBERS_MAX = 1000 };

static struct postgres *pg;
static const char *url;
static struct relay *relay;
static struct asker *far;  /* by the relay, and held up there; one writer */
static struct asker *near; /* without it */
static unsigned next_user = 1;

static void exec(const char *sql) { postgres_exec(pg, "crash", sql); }

static uint64_t number_of(const char *sql) {
    char *text = postgres_value(pg, "crash", sql);
    uint64_t number = strtoull(text, NULL, 10);
    free(text);
    return number;
}

static bool is_true(const char *sql) { return postgres_says(pg, "crash", sql); }

static void wait_for(const char *sql) { postgres_await(pg, "crash", sql); }

static void start_askers(void) {
    char text[128];
    const char *port = strrchr(url, ':') + 1;
    relay = relay_start((uint16_t)strtoul(port, NULL, 10));
    (void)snprintf(text, sizeof text, "postgresql://kez@127.0.0.1:%u%s",
                   (unsigned)relay_port(relay), strchr(port, '/'));
    struct store_config config = asker_config(text);
    config.writers = 1;
    config.timeout_ms = config.connect_timeout_ms = PATIENT_MS; /* it waits for a restart */
    far = asker_start_with(&config);
    near = asker_start(url);
    asker_wait_up(far, true, UP_MS);
}

static int setup(void **state) {
    (void)state;
    pg = postgres_start();
    url = postgres_url(pg, "crash");
    exec("ALTER SYSTEM SET autovacuum = off");      /* which takes numbers of its own */
    exec("ALTER SYSTEM SET log_statement = 'all'"); /* to see what the store asks */
    postgres_halt(pg, "fast");
    postgres_resume(pg);
    start_askers();
    exec("CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$"
         " BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END $$");
    exec("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON kez.inbox_row"
         " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_stop(far);
    asker_stop(near);
    relay_stop(relay);
    postgres_stop(pg);
    return 0;
}

/* Another session, of the test's own. */
static struct link *session(const char *sql) {
    struct link_config c = {
        .url = url, .name = "test", .timeout_ms = SOON_MS, .connect_timeout_ms = SOON_MS};
    struct link *l;
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    assert_int_equal(link_open(l), RC_OK);
    assert_int_equal(link_script(l, sql, SOON_MS), RC_OK);
    return l;
}

/* ---- the fact ---- */

/* Others take numbers until the next one is this. */
static void pass_numbers_before(uint64_t number) {
    for (unsigned i = 0; i < NUMBERS_MAX; i++) {
        uint64_t next = number_of("SELECT pg_snapshot_xmax(pg_current_snapshot())");
        if (next > number)
            fail_msg("%ju was not given again: the next is %ju", (uintmax_t)number,
                     (uintmax_t)next);
        if (next == number)
            return;
        (void)number_of("SELECT pg_current_xact_id()");
    }
    fail_msg("%ju is far", (uintmax_t)number);
}

static void a_number_that_was_lost_is_given_again_and_is_said_to_be_committed(void **state) {
    (void)state;
    char sql[96];
    exec("CREATE TABLE fact (n int)");
    postgres_hold_log(pg);
    struct link *l = session("BEGIN; INSERT INTO fact VALUES (1)");
    uint64_t lost = number_of("SELECT backend_xid FROM pg_stat_activity"
                              " WHERE application_name = 'test' AND backend_xid IS NOT NULL");
    assert_true(lost > 0);
    postgres_crash(pg);
    link_free(l);
    postgres_resume(pg);
    pass_numbers_before(lost);
    assert_int_equal(number_of("SELECT pg_current_xact_id()"), lost);
    (void)snprintf(sql, sizeof sql, "SELECT pg_xact_status('%ju') = 'committed'", (uintmax_t)lost);
    assert_true(is_true(sql));
    assert_true(is_true("SELECT count(*) = 0 FROM fact"));
}

/* ---- the store ---- */

static unsigned times_in_log(const char *what) {
    char *log = postgres_log(pg);
    unsigned n = 0;
    for (const char *at = log; (at = strstr(at, what)) != NULL; at++)
        n++;
    free(log);
    return n;
}

/* What the others do with the number when it is theirs. */
typedef void taking(uint64_t number, const struct user *user);

/* Submits a job that writes; the server dies when its COMMIT has begun, others go on until its
 * number is theirs, and then the store may ask what became of it. The job's rc. */
static enum rc lose(struct store_job *job, const struct user *user, taking *take) {
    unsigned asked = times_in_log("execute xact_status:");
    struct link *l = session("SELECT pg_advisory_lock(42)");
    asker_wait_up(far, true, UP_MS);
    postgres_hold_log(pg);
    assert_int_equal(asker_begin(far, job), RC_OK);
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'");
    uint64_t number = number_of("SELECT backend_xid FROM pg_stat_activity"
                                " WHERE wait_event = 'advisory'");
    relay_lose_answers(relay);
    postgres_crash(pg);
    link_free(l);
    postgres_resume(pg);
    pass_numbers_before(number);
    take(number, user);
    relay_cut(relay);
    enum rc rc = asker_wait(job);
    /* It had the number, and did ask: else nothing was shown. */
    assert_int_equal(times_in_log("execute xact_status:"), asked + 1);
    return rc;
}

/* The rows of an inbox that begin so; and the head is as many. */
static uint64_t rows_of(const struct user *user, const char *envelope) {
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "SELECT head = (SELECT count(*) FROM kez.inbox_row WHERE inbox = i.id)"
                   " FROM kez.inbox AS i WHERE i.id = %ju",
                   (uintmax_t)user->inbox);
    assert_true(is_true(sql));
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM kez.inbox_row AS r LEFT JOIN kez.letter AS l"
                   " ON l.number = r.letter WHERE inbox = %ju"
                   " AND coalesce(body, envelope) = '%s'",
                   (uintmax_t)user->inbox, envelope);
    return number_of(sql);
}

/* An answer that says "stored" has one row, and what was told of is there. */
static void assert_true_answer(enum rc rc, const struct user *user, const char *envelope) {
    uint64_t rows = rows_of(user, envelope);
    if ((rc == RC_OK || rc == RC_REPEAT) && rows != 1)
        fail_msg("answered \"stored\", and there are %ju rows", (uintmax_t)rows);
    if (rc != RC_OK && rc != RC_REPEAT && rc != RC_UNKNOWN_OUTCOME)
        fail_msg("answered %s", rc_text(rc));
    assert_true(rows <= 1);
    char *told = asker_last_row(far, &user->handle);
    assert_true((told != NULL) == (rows == 1));
    free(told);
}

static void take_by_nobody(uint64_t number, const struct user *user) {
    (void)user;
    assert_int_equal(number_of("SELECT pg_current_xact_id()"), number);
}

/* The row has the inbox, the seq and the transaction of the one that was lost. */
static void take_by_a_post(uint64_t number, const struct user *user) {
    char sql[160];
    uint64_t seq;
    asker_wait_up(near, true, UP_MS);
    enum rc rc = asker_post(near, user, NULL, "", "{\"n\":2}", &seq);
    assert_int_equal(rc, RC_OK);
    assert_int_equal(seq, 1);
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) = 1 FROM kez.inbox_row WHERE inbox = %ju AND xmin = '%ju'",
                   (uintmax_t)user->inbox, (uintmax_t)number);
    assert_true(is_true(sql));
}

static taking *const takings[] = {take_by_nobody, take_by_a_post};

static void a_post_without_an_id_is_not_said_to_be_stored(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        struct user user = asker_user(near, next_user++);
        struct store_post *p = asker_post_new(&user, NULL, "", "{\"n\":1}");
        enum rc rc = lose(&p->job, &user, takings[i]);
        assert_true_answer(rc, &user, "{\"n\":1}");
        assert_int_equal(rc, RC_UNKNOWN_OUTCOME);
        asker_post_free(p);
    }
}

static void a_post_with_an_id_is_stored_once(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        struct user user = asker_user(near, next_user++);
        struct store_post *p = asker_post_new(&user, NULL, "id", "{\"n\":1}");
        enum rc rc = lose(&p->job, &user, takings[i]);
        assert_true_answer(rc, &user, "{\"n\":1}");
        assert_int_equal(rc, RC_OK);
        assert_int_equal(p->seq, i + 1);
        asker_post_free(p);
    }
}

static void a_post_to_a_conversation_is_stored_once_for_each(void **state) {
    (void)state;
    struct user users[3];
    for (size_t i = 0; i < 3; i++)
        users[i] = asker_user(near, next_user++);
    assert_int_equal(talker_make(near, &users[0], 1, "t", users, 3, NULL), RC_OK);
    struct conversation_post *p = talker_post_new(&users[1], 1, "id", "{\"n\":1}");
    enum rc rc = lose(&p->job, &users[0], take_by_nobody);
    for (size_t i = 0; i < 3; i++)
        assert_true_answer(rc, &users[i], "{\"n\":1}");
    assert_int_equal(rc, RC_OK);
    assert_int_equal(p->seq, 2);
    talker_post_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_that_was_lost_is_given_again_and_is_said_to_be_committed),
        cmocka_unit_test(a_post_without_an_id_is_not_said_to_be_stored),
        cmocka_unit_test(a_post_with_an_id_is_stored_once),
        cmocka_unit_test(a_post_to_a_conversation_is_stored_once_for_each),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
