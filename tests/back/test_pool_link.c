/* tests/back/test_pool_link.c -- one connection: opening, pipelines, errors, deadlines.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/pool_link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/postgres.h"
#include "support/proc.h"

enum { TIMEOUT_MS = 60000, LATE_MS = 2000 };

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

static struct link *new_link(const char *url, uint32_t timeout_ms, uint32_t connect_timeout_ms) {
    struct link_config c = {.url = url,
                            .name = "a test",
                            .timeout_ms = timeout_ms,
                            .connect_timeout_ms = connect_timeout_ms};
    struct link *l = NULL;
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    return l;
}

static struct link *opened(uint32_t timeout_ms) {
    struct link *l = new_link(postgres_url(pg, "link"), timeout_ms, TIMEOUT_MS);
    assert_int_equal(link_open(l), RC_OK);
    return l;
}

static uint16_t port_of(const char *url) {
    return (uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
}

/* ---- opening ---- */

static void a_url_that_is_none_is_malformed(void **state) {
    (void)state;
    static const char *const urls[] = {"nonsense", "postgresql://[::1", "host='", "no=such"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct link_config c = {.url = urls[i], .name = "x"};
        struct link *l = NULL;
        assert_int_equal(link_new(&c, clock_system(), &l), RC_MALFORMED);
        assert_null(l);
    }
}

static void every_form_of_url_opens(void **state) {
    (void)state;
    const char *uri = postgres_url(pg, "link");
    char *local = postgres_socket_url(pg, "link"), pairs[128];
    (void)snprintf(pairs, sizeof pairs, "host=127.0.0.1 port=%u user=kez dbname=link",
                   port_of(uri));
    const char *const urls[] = {uri, local, pairs};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct link *l = new_link(urls[i], TIMEOUT_MS, TIMEOUT_MS);
        assert_int_equal(link_open(l), RC_OK);
        assert_true(link_server_version(l) >= 150000);
        assert_int_equal(link_ping(l), RC_OK);
        link_free(l);
    }
    free(local);
}

static void what_keeps_it_from_opening_is_said_without_the_password(void **state) {
    (void)state;
    char url[128];
    (void)snprintf(url, sizeof url, "postgresql://kez:sesame@127.0.0.1:%u/none",
                   port_of(postgres_url(pg, "link")));
    struct link *l = new_link(url, TIMEOUT_MS, TIMEOUT_MS);
    assert_int_equal(link_open(l), RC_UNAVAILABLE);
    assert_false(link_is_open(l));
    assert_non_null(strstr(link_why(l), "\"none\" does not exist"));
    assert_null(strstr(link_why(l), "sesame"));
    link_free(l);
}

/* A socket where connections are made and nobody answers. */
static int deaf_port(uint16_t *port) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void a_host_that_never_answers_is_given_up_and_the_next_one_tried(void **state) {
    (void)state;
    uint16_t deaf;
    int fd = deaf_port(&deaf);
    char url[128];
    (void)snprintf(url, sizeof url, "postgresql://kez@127.0.0.1:%u,127.0.0.1:%u/link", deaf,
                   port_of(postgres_url(pg, "link")));
    struct link *l = new_link(url, TIMEOUT_MS, LATE_MS);
    assert_int_equal(link_open(l), RC_UNAVAILABLE);
    assert_true(link_timed_out(l));
    assert_int_equal(link_open(l), RC_OK);
    /* Where it ends, the list begins again. */
    assert_int_equal(link_open(l), RC_UNAVAILABLE);
    assert_int_equal(link_open(l), RC_OK);
    link_free(l);
    (void)close(fd);
}

/* ---- asking ---- */

static void statements_of_one_pipeline_answer_in_order(void **state) {
    (void)state;
    struct link *l = opened(TIMEOUT_MS);
    struct pg_result *r[3];
    const char *const params[] = {"41"};
    link_send_sql(l, "CREATE TEMP TABLE t (n int)", 0, NULL);
    link_send_sql(l, "INSERT INTO t VALUES ($1::int + 1)", 1, params);
    link_send_sql(l, "SELECT n FROM t", 0, NULL);
    link_sync(l);
    link_send_sql(l, "SELECT n * 2 FROM t", 0, NULL);
    link_sync(l);
    assert_int_equal(link_collect(l, 3, r), RC_OK);
    link_clear(3, r);
    assert_int_equal(link_collect(l, 1, r), RC_OK);
    link_clear(1, r);
    assert_int_equal(link_ping(l), RC_OK);
    link_free(l);
}

static void a_failed_statement_fails_its_transaction_and_not_the_next(void **state) {
    (void)state;
    struct link *l = opened(TIMEOUT_MS);
    struct pg_result *r[3];
    assert_int_equal(link_script(l, "CREATE TEMP TABLE t (n int); SELECT 1", TIMEOUT_MS), RC_OK);
    link_send_sql(l, "INSERT INTO t VALUES (1)", 0, NULL);
    link_send_sql(l, "SELECT 1 / (n - 1) FROM t", 0, NULL);
    link_send_sql(l, "SELECT 1", 0, NULL);
    link_sync(l);
    link_send_sql(l, "SELECT 1 / (1 - count(*)) FROM t", 0, NULL);
    link_sync(l);
    assert_int_equal(link_collect(l, 3, r), RC_IO);
    assert_string_equal(link_sqlstate(l), "22012");
    /* Were the row there, this would divide by zero too. */
    assert_int_equal(link_collect(l, 1, r), RC_OK);
    link_clear(1, r);
    assert_int_equal(link_script(l, "SELECT 1; SELECT no_such_thing; SELECT 2", TIMEOUT_MS), RC_IO);
    assert_string_equal(link_sqlstate(l), "42703");
    assert_int_equal(link_ping(l), RC_OK);
    link_free(l);
}

static void a_commit_that_fails_is_a_failure(void **state) {
    (void)state;
    struct link *l = opened(TIMEOUT_MS);
    struct pg_result *r[1];
    assert_int_equal(link_script(l,
                                 "CREATE TEMP TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
                                 "INSERT INTO t VALUES (1)",
                                 TIMEOUT_MS),
                     RC_OK);
    link_send_sql(l, "INSERT INTO t VALUES (1)", 0, NULL);
    link_sync(l);
    assert_int_equal(link_collect(l, 1, r), RC_IO);
    assert_string_equal(link_sqlstate(l), "23505");
    assert_int_equal(link_ping(l), RC_OK);
    link_free(l);
}

/* More than the sockets hold, in both directions at once. */
static void large_pipelines_do_not_get_stuck(void **state) {
    enum { N = 6, BYTES = 4 * 1024 * 1024 };
    struct link *l = opened(TIMEOUT_MS);
    struct pg_result *r[N];
    char *text = malloc(BYTES + 1);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    const char *const params[] = {text};
    for (size_t i = 0; i < N; i++)
        link_send_sql(l, "SELECT $1::text", 1, params);
    link_sync(l);
    assert_int_equal(link_collect(l, N, r), RC_OK);
    link_clear(N, r);
    free(text);
    link_free(l);
}

static void an_answer_that_is_late_ends_the_connection(void **state) {
    (void)state;
    struct link *l = opened(LATE_MS);
    struct pg_result *r[1];
    link_send_sql(l, "SELECT pg_sleep(600)", 0, NULL);
    link_sync(l);
    assert_int_equal(link_collect(l, 1, r), RC_TIMEOUT);
    assert_false(link_is_open(l));
    assert_true(link_timed_out(l));
    /* What is asked of a closed link is answered by that. */
    link_send_sql(l, "SELECT 1", 0, NULL);
    link_sync(l);
    assert_int_equal(link_collect(l, 1, r), RC_TIMEOUT);
    assert_int_equal(link_open(l), RC_OK);
    assert_int_equal(link_ping(l), RC_OK);
    link_free(l);
}

/* The answers would come after ten minutes. */
static void whoever_is_told_to_stop_waits_for_no_answer(void **state) {
    (void)state;
    struct link_config c = {.url = postgres_url(pg, "link"),
                            .name = "a test",
                            .timeout_ms = 600000,
                            .connect_timeout_ms = 600000,
                            .stop_fd = eventfd(0, EFD_CLOEXEC)};
    struct link *l;
    struct pg_result *r[1];
    assert_true(c.stop_fd > 0);
    assert_int_equal(link_new(&c, clock_system(), &l), RC_OK);
    assert_int_equal(link_open(l), RC_OK);
    assert_int_equal(link_ping(l), RC_OK);
    link_send_sql(l, "SELECT pg_sleep(600)", 0, NULL);
    link_sync(l);
    assert_int_equal(eventfd_write(c.stop_fd, 1), 0);
    assert_int_equal(link_collect(l, 1, r), RC_UNAVAILABLE);
    assert_false(link_is_open(l));
    assert_false(link_timed_out(l));
    assert_int_equal(link_open(l), RC_UNAVAILABLE);
    (void)close(c.stop_fd);
    link_free(l);
}

static bool is_dead(void *l) { return !link_is_alive(l); }

static void a_server_that_hangs_up_is_noticed(void **state) {
    (void)state;
    struct link *idle = opened(TIMEOUT_MS), *busy = opened(TIMEOUT_MS);
    struct pg_result *r[1];
    assert_true(link_is_alive(idle));
    link_set_note(idle, "a note");
    link_set_number(idle, 7);
    assert_int_equal(link_number(idle), 7);
    link_send_sql(busy, "SELECT pg_sleep(600)", 0, NULL);
    link_sync(busy);
    postgres_exec(pg, "link",
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'a test'");
    assert_true(proc_poll(is_dead, idle, TIMEOUT_MS));
    assert_string_equal(link_note(idle), "");
    assert_int_equal(link_number(idle), 0);
    assert_int_equal(link_collect(busy, 1, r), RC_UNAVAILABLE);
    assert_false(link_timed_out(busy));
    assert_non_null(strstr(link_why(busy), "terminating connection"));
    link_free(idle);
    link_free(busy);
}

static void what_the_server_said_about_a_statement_is_not_kept(void **state) {
    (void)state;
    struct link *l = opened(TIMEOUT_MS);
    assert_int_equal(link_script(l, "SELECT sesame", TIMEOUT_MS), RC_IO);
    postgres_exec(pg, "link",
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'a test'");
    assert_true(proc_poll(is_dead, l, TIMEOUT_MS));
    assert_true(strlen(link_why(l)) > 0);
    assert_null(strstr(link_why(l), "sesame"));
    link_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_that_is_none_is_malformed),
        cmocka_unit_test(every_form_of_url_opens),
        cmocka_unit_test(what_keeps_it_from_opening_is_said_without_the_password),
        cmocka_unit_test(a_host_that_never_answers_is_given_up_and_the_next_one_tried),
        cmocka_unit_test(statements_of_one_pipeline_answer_in_order),
        cmocka_unit_test(a_failed_statement_fails_its_transaction_and_not_the_next),
        cmocka_unit_test(a_commit_that_fails_is_a_failure),
        cmocka_unit_test(large_pipelines_do_not_get_stuck),
        cmocka_unit_test(an_answer_that_is_late_ends_the_connection),
        cmocka_unit_test(whoever_is_told_to_stop_waits_for_no_answer),
        cmocka_unit_test(a_server_that_hangs_up_is_noticed),
        cmocka_unit_test(what_the_server_said_about_a_statement_is_not_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
