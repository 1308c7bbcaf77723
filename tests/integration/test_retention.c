/* tests/integration/test_retention.c -- rows that are dropped by the servers themselves: what
 * readers see of it, and which node does it.
 *
 * Source: protocol, sections 4 and 5.
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

enum { KEPT = 5, EVENT_MS = 60000, SOON_MS = 60000, END_MS = 60000, TEXT_MAX = 1024 };

static struct site site;
static struct node *a, *b;

static int start(void **state) {
    (void)state;
    static const char *const flags[] = {
        "--inbox-retention-rows", "5", "--inbox-retention-period", "1", "--drain-time", "1", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, flags);
    a = site.nodes[0];
    b = site.nodes[1];
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static struct signer fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(a, &s);
    return s;
}

static void wait_for(const char *sql) { postgres_await(site.pg, "chat", sql); }

/* ---- what a page says ---- */

static uint64_t first_of(struct node *n, const struct signer *s) {
    struct http_reply r;
    node_poll(n, s, "", 0, &r);
    uint64_t first = http_number(&r, "first");
    http_reply_done(&r);
    return first;
}

struct aim {
    struct node *node;
    const struct signer *user;
    uint64_t first;
};

static bool is_kept_from(void *arg) {
    const struct aim *aim = arg;
    return first_of(aim->node, aim->user) >= aim->first;
}

static void await_first(struct node *n, const struct signer *s, uint64_t first) {
    if (!proc_poll(is_kept_from, &(struct aim){n, s, first}, SOON_MS))
        fail_msg("%s: first never gets %ju", s->handle.text, (uintmax_t)first);
}

/* ---- readers ---- */

/* Reads now and then; every row was either delivered or said to be missing. */
struct reader {
    const struct signer *user;
    struct sse_reader stream;
    uint64_t last;
    uint64_t rows, missed, resyncs;
};

static void take(struct reader *r, struct sse_event *e) {
    uint64_t seq = sse_number(e, "seq");
    if (strcmp(e->type, "message") == 0) {
        if (seq != r->last + 1)
            fail_msg("%s: row %ju after %ju", r->user->handle.text, (uintmax_t)seq,
                     (uintmax_t)r->last);
        r->rows++;
    } else if (strcmp(e->type, "resync") == 0) {
        if (strcmp(sse_text(e, "reason"), "trimmed") != 0 || seq <= r->last ||
            sse_number(e, "missed") != seq - r->last)
            fail_msg("%s: after %ju: %s", r->user->handle.text, (uintmax_t)r->last, e->data);
        r->missed += seq - r->last;
        r->resyncs++;
    } else if (strcmp(e->type, "ready") != 0 || seq != r->last) {
        fail_msg("%s: after %ju: %s: %s", r->user->handle.text, (uintmax_t)r->last, e->type,
                 e->data);
    }
    r->last = seq;
    sse_event_free(e);
}

static void take_what_is_there(struct reader *r) {
    for (struct sse_event *e; (e = sse_next(&r->stream, 0)) != NULL;)
        take(r, e);
}

/* Up to this row at least. */
static void take_until(struct reader *r, uint64_t seq) {
    while (r->last < seq) {
        struct sse_event *e = sse_next(&r->stream, EVENT_MS);
        if (!e)
            fail_msg("%s: stands at %ju", r->user->handle.text, (uintmax_t)r->last);
        else
            take(r, e);
    }
}

static void resume(struct reader *r, struct node *n) {
    node_resume(n, r->user, r->last, &r->stream);
}

static void who_was_away_is_told_how_many_rows_are_missing(void **state) {
    (void)state;
    struct signer s = fresh("away");
    struct http_reply page;
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(node_post(a, "away", NULL, "{}"), i);
    for (unsigned i = 4; i <= 23; i++)
        assert_int_equal(node_post(i % 2 ? a : b, "away", NULL, "{}"), i);
    await_first(a, &s, 24 - KEPT);
    struct node *const nodes[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        struct reader r = {.user = &s, .last = 3};
        node_poll(nodes[i], &s, "", 0, &page);
        assert_int_equal(http_number(&page, "first"), 24 - KEPT);
        assert_int_equal(http_number(&page, "seq"), 23);
        http_reply_done(&page);
        resume(&r, nodes[i]);
        take_until(&r, 23);
        assert_int_equal(node_expect_ready(&r.stream), 23);
        assert_int_equal(r.resyncs, 1);
        assert_int_equal(r.missed, 24 - KEPT - 1 - 3);
        assert_int_equal(r.rows, KEPT);
        sse_done(&r.stream);
        /* Who has the row before the first one misses nothing. */
        r = (struct reader){.user = &s, .last = 24 - KEPT - 1};
        resume(&r, nodes[i]);
        take_until(&r, 23);
        assert_int_equal(r.resyncs, 0);
        sse_done(&r.stream);
    }
}

/* More than the kernel and the node hold for it. */
static void a_stream_that_falls_behind_is_told_on_the_way(void **state) {
    (void)state;
    enum { ROWS = 240, EACH = 60 * 1024 };
    struct signer s = fresh("sleepy");
    struct reader r = {.user = &s};
    char *envelope = malloc(EACH + 1);
    assert_non_null(envelope);
    memset(envelope, 'x', EACH);
    memcpy(envelope, "{\"x\":\"", 6);
    memcpy(envelope + EACH - 2, "\"}", 3);
    node_open_narrow(a, &s, &r.stream);
    assert_int_equal(node_expect_ready(&r.stream), 0);
    for (unsigned i = 1; i <= ROWS; i++)
        assert_int_equal(node_post(i % 2 ? a : b, "sleepy", NULL, envelope), i);
    free(envelope);
    await_first(a, &s, ROWS + 1 - KEPT);
    take_until(&r, ROWS);
    assert_true(r.resyncs > 0);
    assert_int_equal(r.rows + r.missed, ROWS);
    sse_done(&r.stream);
}

/* A follower fails at any resync. */
static void a_stream_that_is_up_to_date_sees_nothing_of_it(void **state) {
    (void)state;
    struct signer s = fresh("attentive");
    struct follower f[2];
    follower_open(&f[0], a, &s);
    follower_open(&f[1], b, &s);
    for (uint64_t seq = 1; seq <= 30; seq++) {
        assert_int_equal(node_post(seq % 2 ? a : b, "attentive", NULL, "{}"), seq);
        follower_await(&f[0], seq);
        follower_await(&f[1], seq);
        if (seq % 10 == 0)
            await_first(b, &s, seq + 1 - KEPT);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(follower_pump(&f[i]));
        assert_int_equal(f[i].last, 30);
        follower_close(&f[i]);
    }
}

static void every_row_is_delivered_or_said_to_be_missing(void **state) {
    (void)state;
    enum { ROUNDS = 6 };
    static const char *const handles[] = {"busybox", NULL};
    struct signer s = fresh("busybox");
    struct poster posters[2] = {{.name = "p", .ports = {node_port(a), node_port(b)}},
                                {.name = "q", .ports = {node_port(b), node_port(a)}}};
    struct reader steady = {.user = &s}, guest = {.user = &s};
    resume(&steady, b);
    for (size_t i = 0; i < 2; i++) {
        posters[i].handles = handles;
        poster_start(&posters[i]);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        resume(&guest, round % 2 ? a : b);
        take_until(&guest, guest.last + 20);
        take_what_is_there(&guest);
        sse_done(&guest.stream);
        await_first(a, &s, guest.last + 2);
        take_what_is_there(&steady);
    }
    unsigned acked = 0;
    for (size_t i = 0; i < 2; i++) {
        poster_stop(&posters[i]);
        acked += atomic_load(&posters[i].acked);
    }
    resume(&guest, a);
    take_until(&guest, acked);
    take_until(&steady, acked);
    await_first(b, &s, acked + 1 - KEPT);
    sse_done(&guest.stream);
    sse_done(&steady.stream);
    assert_int_equal(guest.rows + guest.missed, acked);
    assert_int_equal(steady.rows + steady.missed, acked);
    assert_true(guest.resyncs >= ROUNDS - 1);
    print_message("posts %u; guest: rows %ju, missed %ju in %ju resyncs; steady: rows %ju, missed "
                  "%ju\n",
                  acked, (uintmax_t)guest.rows, (uintmax_t)guest.missed, (uintmax_t)guest.resyncs,
                  (uintmax_t)steady.rows, (uintmax_t)steady.missed);
    char *log = postgres_log(site.pg);
    assert_null(strstr(log, "deadlock"));
    free(log);
}

static void an_id_of_a_dropped_row_is_still_known(void **state) {
    (void)state;
    struct signer s = fresh("retried");
    assert_int_equal(node_post(a, "retried", "the-id", "{\"a\":1}"), 1);
    for (unsigned i = 2; i <= 10; i++)
        assert_int_equal(node_post(a, "retried", NULL, "{}"), i);
    await_first(a, &s, 11 - KEPT);
    struct http_client *c = http_client_new(node_port(b));
    const struct http_case again = {"again",
                                    "POST",
                                    "/v1/messages",
                                    NULL,
                                    "{\"to\":\"retried\",\"id\":\"the-id\",\"envelope\":{\"a\":1}}",
                                    200,
                                    NULL};
    const struct http_case other = {"other",
                                    "POST",
                                    "/v1/messages",
                                    NULL,
                                    "{\"to\":\"retried\",\"id\":\"the-id\",\"envelope\":{\"a\":2}}",
                                    409,
                                    "conflict"};
    struct http_reply r;
    http_expect(c, &again, &r);
    assert_int_equal(http_number(&r, "seq"), 1);
    http_reply_done(&r);
    http_expect(c, &other, NULL);
    http_client_free(c);
    assert_int_equal(node_post(b, "retried", NULL, "{}"), 11);
}

/* ---- which node does it ---- */

static const char *const keeper = "kez_retention_keeper";
static const char *const passes = "kez_retention_passes_total";

struct count {
    struct node *node;
    double most;
};

static bool has_made_more(void *arg) {
    const struct count *c = arg;
    return node_metric(c->node, passes) > c->most;
}

/* One that began after this was called. */
static void await_pass(struct node *n) {
    if (!proc_poll(has_made_more, &(struct count){n, node_metric(n, passes) + 1}, SOON_MS))
        fail_msg("no pass is made");
}

static bool one_keeps(void *arg) {
    (void)arg;
    return node_metric(a, keeper) + node_metric(b, keeper) == 1.0;
}

static void one_node_makes_the_passes_and_another_goes_on_when_it_dies(void **state) {
    (void)state;
    struct signer s = fresh("handover");
    assert_true(proc_poll(one_keeps, NULL, SOON_MS));
    bool is_a = node_metric(a, keeper) == 1.0;
    struct node *first = is_a ? a : b, *second = is_a ? b : a;
    assert_true(node_metric(first, passes) > 0);
    assert_true(node_metric(first, "kez_retention_rows_dropped_total") > 0);
    assert_true(node_metric(second, passes) == 0.0);
    node_kill(first);
    assert_true(node_metric_becomes(second, keeper, 1));
    for (unsigned i = 1; i <= 20; i++)
        assert_int_equal(node_post(second, "handover", NULL, "{}"), i);
    await_first(second, &s, 21 - KEPT);
    /* The one that comes back finds the place taken. */
    node_restart(first);
    node_wait_ready(first);
    assert_int_equal(node_post(first, "handover", NULL, "{}"), 21);
    await_first(first, &s, 22 - KEPT);
    assert_true(node_metric(second, keeper) == 1.0);
    assert_true(node_metric(first, passes) == 0.0);
}

/* ---- in the middle of a pass ---- */

#define LEFT "(SELECT coalesce(sum(head - first + 1 - 5), 0) FROM kez.inbox WHERE head >= 1000)"

/* Inboxes that have not lost a row yet, and one in their middle with a trigger that waits while
 * `gate` has a row: a pass stands still there. */
static void make_work(const char *name) {
    char sql[4 * TEXT_MAX];
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE IF NOT EXISTS kez.gate (closed bool);"
                   "INSERT INTO kez.gate VALUES (true);"
                   "CREATE OR REPLACE FUNCTION kez.wait_for_test() RETURNS trigger"
                   " LANGUAGE plpgsql AS $$ BEGIN WHILE EXISTS (SELECT FROM kez.gate) LOOP"
                   " PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$;"
                   "WITH made AS ("
                   " INSERT INTO kez.account (handle, primary_key, registered_at)"
                   " SELECT '%s' || n, sha256(('%s' || n)::bytea), now()"
                   " FROM generate_series(1, 50) AS n RETURNING inbox"
                   "), box AS (INSERT INTO kez.inbox (id, head) SELECT inbox, 1000 FROM made)"
                   " INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
                   " SELECT inbox, n, now(), 0, '', '{}' FROM made, generate_series(1, 1000) AS n;"
                   "DO $$ BEGIN EXECUTE format('CREATE TRIGGER slow BEFORE UPDATE ON kez.inbox"
                   " FOR EACH ROW WHEN (NEW.id = %%s) EXECUTE FUNCTION kez.wait_for_test()',"
                   " (SELECT inbox FROM kez.account WHERE handle = '%s25')); END $$",
                   name, name, name);
    postgres_exec(site.pg, "chat", sql);
}

/* Until a pass stands there; how many rows it has left to drop. */
static char *await_middle(void) {
    wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
             " AND application_name = 'kez-chat keeper'");
    char *left = postgres_value(site.pg, "chat", "SELECT " LEFT);
    assert_in_range(strtoull(left, NULL, 10), 995, 99 * 995);
    return left;
}

/* Nobody has gone on meanwhile. */
static void go_on(char *left) {
    postgres_expect(site.pg, "chat", "SELECT " LEFT, left);
    free(left);
    postgres_exec(site.pg, "chat", "DELETE FROM kez.gate");
    postgres_exec(site.pg, "chat", "DROP TRIGGER slow ON kez.inbox");
}

static void assert_dense(void) {
    char *n = postgres_value(
        site.pg, "chat",
        "SELECT count(*) FROM kez.inbox AS i WHERE head - first + 1 <> (SELECT count(*)"
        " FROM kez.inbox_row WHERE inbox = i.id AND seq BETWEEN i.first AND i.head)");
    assert_string_equal(n, "0");
    free(n);
}

static void a_node_that_is_told_to_end_leaves_its_pass(void **state) {
    (void)state;
    assert_true(proc_poll(one_keeps, NULL, SOON_MS));
    struct node *ends = node_metric(a, keeper) == 1.0 ? a : b;
    make_work("left");
    char *left = await_middle();
    node_signal(ends, SIGTERM);
    int status = node_wait(ends, END_MS);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_dense();
    go_on(left);
    /* The other one goes on, and dies in the middle. */
    make_work("more");
    struct node *dies = ends == a ? b : a;
    assert_true(node_metric_becomes(dies, keeper, 1));
    left = await_middle();
    node_kill(dies);
    assert_dense();
    go_on(left);
    node_restart(ends);
    node_restart(dies);
    node_wait_ready(ends);
    node_wait_ready(dies);
    wait_for("SELECT " LEFT " = 0");
    assert_dense();
}

static void a_restart_of_postgresql_in_the_middle_of_a_pass_loses_nothing(void **state) {
    (void)state;
    struct signer s = fresh("survivor");
    struct follower f;
    make_work("shot");
    follower_open(&f, b, &s);
    assert_int_equal(node_post(a, "survivor", NULL, "{}"), 1);
    char *left = await_middle();
    postgres_halt(site.pg, "immediate");
    postgres_resume(site.pg);
    assert_dense();
    go_on(left);
    assert_true(node_gets_ready(a, true));
    assert_true(node_gets_ready(b, true));
    assert_int_equal(node_post(a, "survivor", NULL, "{}"), 2);
    follower_await(&f, 2);
    follower_close(&f);
    wait_for("SELECT " LEFT " = 0");
    assert_dense();
}

/* ---- days, and settings that are read again ---- */

static void write_settings(const char *path, const char *days) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "server = " NODE_SERVER "\ndatabase-url = %s\nlimit-register = 0\n"
                        "inbox-retention-period = 1\ninbox-retention-days = %s\n",
                        postgres_url(site.pg, "days"), days) > 0);
    assert_int_equal(fclose(file), 0);
}

static void rows_go_by_their_age_once_a_reload_says_so(void **state) {
    (void)state;
    char path[300];
    struct signer s;
    (void)snprintf(path, sizeof path, "%s/kez.conf", proc_temp_dir(NULL));
    write_settings(path, "0");
    struct node *n = node_start(&(struct node_setup){.program = site.program, .config = path});
    signer_init(&s, "aging");
    node_register(n, &s);
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(node_post(n, "aging", NULL, "{}"), i);
    postgres_exec(site.pg, "days",
                  "UPDATE kez.inbox_row SET created_at = created_at - interval '31 days'"
                  " WHERE seq <= 2");
    await_pass(n);
    assert_int_equal(first_of(n, &s), 1);
    write_settings(path, "30");
    node_signal(n, SIGHUP);
    await_first(n, &s, 3);
    struct reader r = {.user = &s};
    resume(&r, n);
    take_until(&r, 4);
    assert_int_equal(r.missed, 2);
    assert_int_equal(r.rows, 2);
    sse_done(&r.stream);
    assert_int_equal(first_of(n, &s), 3);
    node_stop(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_away_is_told_how_many_rows_are_missing),
        cmocka_unit_test(a_stream_that_falls_behind_is_told_on_the_way),
        cmocka_unit_test(a_stream_that_is_up_to_date_sees_nothing_of_it),
        cmocka_unit_test(every_row_is_delivered_or_said_to_be_missing),
        cmocka_unit_test(an_id_of_a_dropped_row_is_still_known),
        cmocka_unit_test(one_node_makes_the_passes_and_another_goes_on_when_it_dies),
        cmocka_unit_test(a_node_that_is_told_to_end_leaves_its_pass),
        cmocka_unit_test(a_restart_of_postgresql_in_the_middle_of_a_pass_loses_nothing),
        cmocka_unit_test(rows_go_by_their_age_once_a_reload_says_so),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
