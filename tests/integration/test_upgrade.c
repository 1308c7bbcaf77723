/* tests/integration/test_upgrade.c -- nodes of today on a database that a newer version has
 * changed.
 *
 * What a newer version does to it is done here by hand, as back/store_schema.c would: in one
 * transaction under its advisory lock, tables locked in the order in which posts lock them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/crowd.h"
#include "support/proc.h"
#include "support/site.h"

#define TOO_NEW "the database was made for a newer version of this program"

enum { TEXT_MAX = 1 << 16, END_MS = 60000 };

static struct site site;
static struct node *a, *b;

static int set_up(void **state) {
    (void)state;
    static const char *const flags[] = {"--drain-time", "1", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, flags);
    a = site.nodes[0];
    b = site.nodes[1];
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static void exec(const char *sql) { postgres_exec(site.pg, "chat", sql); }

static void assert_sql(const char *sql, const char *want) {
    postgres_expect(site.pg, "chat", sql, want);
}

/* The next version: a column of each kind, a table, an index, a function, a trigger. */
static const char migration[] =
    "BEGIN;"
    "SELECT pg_advisory_xact_lock(7738725870065967476);"
    "LOCK kez.conversation, kez.inbox, kez.inbox_row, kez.letter IN ACCESS EXCLUSIVE MODE;"
    "ALTER TABLE kez.account ADD later text;"
    "ALTER TABLE kez.inbox ADD later bigint NOT NULL DEFAULT 7;"
    "ALTER TABLE kez.inbox_row ADD later timestamptz NOT NULL DEFAULT now();"
    "ALTER TABLE kez.letter ADD later text NOT NULL DEFAULT 'x';"
    "ALTER TABLE kez.conversation ADD later smallint;"
    "CREATE TABLE kez.later (inbox bigint PRIMARY KEY, seen bigint NOT NULL);"
    "CREATE INDEX inbox_row_later ON kez.inbox_row (inbox, later);"
    "CREATE FUNCTION kez.note_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO kez.later VALUES (NEW.inbox, NEW.seq)"
    " ON CONFLICT (inbox) DO UPDATE SET seen = EXCLUDED.seen; RETURN NULL; END $$;"
    "CREATE TRIGGER later AFTER INSERT ON kez.inbox_row"
    " FOR EACH ROW EXECUTE FUNCTION kez.note_later();"
    "INSERT INTO kez.schema_version (version, least)"
    " SELECT max(version) + 1, max(least) FROM kez.schema_version;"
    "COMMIT";

static void restart_as_operators_do(struct node *n) {
    node_signal(n, SIGTERM);
    int status = node_wait(n, END_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    node_restart(n);
}

/* Makes a conversation of its own with this user. */
static void make_conversation(struct node *n, const struct signer *s, const char *sid) {
    struct http_client *c = http_client_new(node_port(n));
    struct buf headers;
    char body[128];
    buf_init(&headers, TEXT_MAX);
    (void)snprintf(body, sizeof body, "{\"sid\":\"%s\",\"participants\":[\"%s\"]}", sid,
                   s->handle.text);
    signer_put_request(s, &headers, "POST", NODE_SERVER, STR("/v1/conversations"), str_of(body));
    http_expect(c,
                &(struct http_case){"a conversation", "POST", "/v1/conversations",
                                    buf_cstr(&headers), body, 201, NULL},
                NULL);
    buf_done(&headers);
    http_client_free(c);
}

static uint64_t head_of(struct node *n, const struct signer *s) {
    struct http_reply r;
    node_poll(n, s, "?limit=1", 0, &r);
    uint64_t head = http_number(&r, "seq");
    http_reply_done(&r);
    return head;
}

static void a_node_goes_on_while_a_newer_one_changes_the_schema(void **state) {
    (void)state;
    enum { USERS = 2, FOLLOWERS = 4, POSTERS = 3, ROWS = 60 };
    static struct follower followers[FOLLOWERS]; /* outlive a test that fails */
    static struct poster posters[POSTERS];
    static const char *const handles[] = {"alice", "bob", NULL}, *const names[] = {"x", "y", "z"};
    struct signer users[USERS];
    for (size_t i = 0; i < USERS; i++) {
        signer_init(&users[i], handles[i]);
        node_register(a, &users[i]);
    }
    for (size_t i = 0; i < FOLLOWERS; i++) {
        follower_open(&followers[i], i < 2 ? a : b, &users[i % USERS]);
        follower_await(&followers[i], 0);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){
            .name = names[i], .ports = {node_port(a), node_port(b)}, .handles = handles};
        poster_start(&posters[i]);
    }
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], ROWS);
    exec(migration);
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], atomic_load(&posters[i].acked) + ROWS);
    restart_as_operators_do(b);
    for (size_t i = 2; i < FOLLOWERS; i++)
        follower_resume(&followers[i], b);
    for (size_t i = 0; i < POSTERS; i++)
        poster_await(&posters[i], atomic_load(&posters[i].acked) + ROWS);
    uint64_t acked = 0, heads = 0;
    for (size_t i = 0; i < POSTERS; i++) {
        poster_stop(&posters[i]);
        acked += atomic_load(&posters[i].acked);
    }
    make_conversation(a, &users[0], "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    make_conversation(b, &users[1], "01ARZ3NDEKTSV4RRFFQ69G5FBV");
    for (size_t i = 0; i < FOLLOWERS; i++) {
        uint64_t head = head_of(i % 2 ? a : b, &users[i % USERS]);
        follower_await(&followers[i], head);
        follower_close(&followers[i]);
        heads += i < USERS ? head : 0;
    }
    assert_true(heads >= acked + USERS && heads <= acked + USERS + POSTERS);
    assert_sql("SELECT count(*) = count(DISTINCT id) FROM kez.inbox_row WHERE id IS NOT NULL", "t");
    assert_sql("SELECT count(*) FROM kez.later JOIN kez.inbox ON id = inbox WHERE seen = head",
               "2");
}

/* ---- too new ---- */

/* Says so, and ends as a failure. */
static void expect_end(struct node *n) {
    int status = node_wait(n, END_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    node_expect_log(n, "node ends: " TOO_NEW, 1);
}

static void make_too_new(void) {
    exec("INSERT INTO kez.schema_version (version, least)"
         " SELECT max(version) + 1, max(version) + 1 FROM kez.schema_version");
}

/* Of the program that is to do one thing and exit. */
static void expect_exit(const char *flag, int status) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/log", proc_temp_dir(NULL));
    const char *const argv[] = {site.program,
                                flag,
                                "--server",
                                NODE_SERVER,
                                "--database-url",
                                postgres_url(site.pg, "chat"),
                                NULL};
    assert_int_equal(proc_run(argv, path, NULL, END_MS), status);
    char *said = proc_read_file(path);
    assert_non_null(strstr(said, TOO_NEW));
    free(said);
}

static void a_node_that_is_too_old_says_so_and_touches_nothing(void **state) {
    (void)state;
    struct signer s;
    signer_init(&s, "alice");
    node_register(a, &s);
    assert_int_equal(node_post(a, "alice", NULL, "{}"), 1);
    exec("ALTER SYSTEM SET autovacuum = off"); /* which writes on its own */
    exec("SELECT pg_reload_conf()");
    node_kill(a);
    node_kill(b);
    make_too_new();
    /* Whoever writes takes a transaction's number. */
    char *before =
        postgres_value(site.pg, "chat", "SELECT pg_snapshot_xmax(pg_current_snapshot())");
    struct node *n = node_launch(&(struct node_setup){.program = site.program,
                                                      .database_url = postgres_url(site.pg, "chat"),
                                                      .nats_url = natsd_url(site.nats)});
    expect_end(n);
    expect_exit("--new-epoch", EXIT_FAILURE);
    assert_sql("SELECT pg_snapshot_xmax(pg_current_snapshot())", before);
    free(before);
    /* The database is older again, or the row was a mistake. */
    exec("DELETE FROM kez.schema_version WHERE version = (SELECT max(version)"
         " FROM kez.schema_version)");
    node_restart(n);
    node_wait_ready(n);
    assert_int_equal(node_post(n, "alice", NULL, "{}"), 2);
    node_stop(n);
}

/* Its clients are sent to the nodes that may go on. */
static void a_node_that_becomes_too_old_while_it_runs_drains_and_ends(void **state) {
    (void)state;
    static struct follower f; /* outlives a test that fails */
    struct signer s;
    signer_init(&s, "alice");
    node_register(a, &s);
    follower_open(&f, a, &s);
    assert_int_equal(node_post(b, "alice", NULL, "{}"), 1);
    follower_await(&f, 1);
    make_too_new();
    expect_end(a);
    expect_end(b);
    while (follower_pump(&f))
        continue;
    assert_int_equal(f.drains, 1);
    follower_close(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_node_goes_on_while_a_newer_one_changes_the_schema),
        TEST(a_node_that_is_too_old_says_so_and_touches_nothing),
        TEST(a_node_that_becomes_too_old_while_it_runs_drains_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
