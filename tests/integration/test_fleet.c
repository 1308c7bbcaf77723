/* tests/integration/test_fleet.c -- nodes, NATS and PostgreSQL die; what was acknowledged arrives.
 *
 * Each test says what broke, and holds the fleet to the promise of protocol, section 5: on one
 * stream each row once, in order; between streams, Last-Event-ID continues without gap or repeat.
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
#include "wire/json_span.h"

enum { END_MS = 60000 };

static struct site site;
static struct node *a, *b;

/* Short times, so that what has to wait for a sweep or a ping waits less. */
static const char *const flags[] = {"--sweep-up",
                                    "1000",
                                    "--sweep-down",
                                    "200",
                                    "--drain-time",
                                    "2",
                                    "--nats-ping-interval",
                                    "200",
                                    "--store-reconnect-max",
                                    "200",
                                    NULL};

static int start(void **state) {
    (void)state;
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

static uint64_t head_of(struct node *n, const struct signer *s) {
    struct http_reply r;
    node_poll(n, s, "", 0, &r);
    uint64_t head = http_number(&r, "seq");
    http_reply_done(&r);
    return head;
}

/* Every id <name>-1 … <name>-<rows> stands in the inbox exactly once. */
static void check_ids(const struct signer *s, const char *name, unsigned rows) {
    uint64_t head = head_of(a, s);
    unsigned char *seen = calloc(rows + 1, 1);
    char key[64];
    int length = snprintf(key, sizeof key, "\"id\":\"%s-", name);
    unsigned found = 0;
    assert_non_null(seen);
    for (uint64_t since = 0; since < head; since += 500) {
        struct http_reply r;
        char query[64];
        (void)snprintf(query, sizeof query, "?limit=500&since=%ju", (uintmax_t)since);
        node_poll(a, s, query, since, &r);
        const char *at = r.body.p, *end = r.body.p + r.body.n;
        while ((at = memmem(at, (size_t)(end - at), key, (size_t)length)) != NULL) {
            at += length;
            unsigned long i = strtoul(at, NULL, 10);
            if (i == 0 || i > rows || seen[i])
                fail_msg("%s-%lu is there twice, or was never sent", name, i);
            seen[i] = 1;
            found++;
        }
        http_reply_done(&r);
    }
    free(seen);
    if (found != rows)
        fail_msg("%u of %u rows of %s are there", found, rows, name);
}

static struct poster poster_of(const char *name, struct node *first, struct node *second,
                               const char *const *handles, unsigned rows) {
    return (struct poster){.name = name,
                           .ports = {node_port(first), node_port(second)},
                           .handles = handles,
                           .rows = rows};
}

/* ---- joining ---- */

/* Posters are static: a test that fails leaves their threads behind. */

enum { JOIN_HANDLES = 20, JOINS = 300 };

static void those_who_join_while_posts_run_miss_none(void **state) {
    (void)state;
    static struct signer users[JOIN_HANDLES];
    static struct follower followers[JOINS];
    static const char *handles[JOIN_HANDLES + 1];
    for (unsigned i = 0; i < JOIN_HANDLES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "joins%u", i);
        users[i] = node_newcomer(a, name, 0);
        handles[i] = users[i].handle.text;
    }
    static struct poster on_a, on_b;
    on_a = poster_of("ja", a, a, handles, 0);
    on_b = poster_of("jb", b, b, handles, 0);
    poster_start(&on_a);
    poster_start(&on_b);
    poster_await(&on_a, JOIN_HANDLES);
    for (unsigned i = 0; i < JOINS; i++)
        follower_open(&followers[i], i / JOIN_HANDLES % 2 ? a : b, &users[i % JOIN_HANDLES]);
    poster_await(&on_b, atomic_load(&on_b.acked) + 2 * JOIN_HANDLES);
    poster_stop(&on_a);
    poster_stop(&on_b);
    assert_int_equal(on_a.retries + on_b.retries, 0);
    for (unsigned i = 0; i < JOINS; i++) {
        follower_await(&followers[i], head_of(a, followers[i].user));
        follower_close(&followers[i]);
    }
}

/* ---- NATS ---- */

static void nats_may_die_while_posts_run(void **state) {
    (void)state;
    static const char *const handles[] = {"natsdies", NULL};
    struct signer s = node_newcomer(a, "natsdies", 0);
    struct follower f[2];
    follower_open(&f[0], a, &s);
    follower_open(&f[1], b, &s);
    static struct poster p;
    p = poster_of("nd", a, b, handles, 0);
    poster_start(&p);
    poster_await(&p, 50);
    natsd_kill(site.nats);
    poster_await(&p, atomic_load(&p.acked) + 200);
    poster_stop(&p);
    assert_int_equal(p.retries, 0);
    /* NATS is still away: the sweep brings them. */
    uint64_t head = head_of(a, &s);
    follower_await(&f[0], head);
    follower_await(&f[1], head);
    assert_true(node_gets_ready(a, true)); /* NATS down is no reason to take a node out */

    natsd_resume(site.nats);
    assert_true(node_metric_becomes(a, "kez_bus_up", 1));
    assert_true(node_metric_becomes(b, "kez_bus_up", 1));
    for (int i = 0; i < 20; i++)
        assert_int_equal(node_post(i % 2 ? a : b, "natsdies", NULL, "{}"), ++head);
    for (int i = 0; i < 2; i++) {
        follower_await(&f[i], head);
        follower_close(&f[i]);
    }
    check_ids(&s, "nd", p.acked);
}

static void nats_may_freeze_while_posts_run(void **state) {
    (void)state;
    static const char *const handles[] = {"natsfreezes", NULL};
    struct signer s = node_newcomer(a, "natsfreezes", 0);
    struct follower f[2];
    follower_open(&f[0], a, &s);
    follower_open(&f[1], b, &s);
    static struct poster p;
    p = poster_of("nf", a, b, handles, 0);
    poster_start(&p);
    poster_await(&p, 50);
    natsd_freeze(site.nats);
    poster_await(&p, atomic_load(&p.acked) + 200);
    /* A stream that is opened now must not wait for it. */
    struct follower late;
    follower_open(&late, b, &s);
    poster_stop(&p);
    assert_int_equal(p.retries, 0);
    uint64_t head = head_of(b, &s);
    for (int i = 0; i < 2; i++)
        follower_await(&f[i], head);
    follower_await(&late, head);
    natsd_thaw(site.nats);
    assert_true(node_metric_becomes(a, "kez_bus_up", 1));
    assert_true(node_metric_becomes(b, "kez_bus_up", 1));
    assert_int_equal(node_post(a, "natsfreezes", NULL, "{}"), ++head);
    follower_await(&late, head);
    follower_close(&late);
    for (int i = 0; i < 2; i++) {
        follower_await(&f[i], head);
        follower_close(&f[i]);
    }
}

static void a_single_node_needs_no_nats(void **state) {
    (void)state;
    const struct node_setup setup = {.program = site.program,
                                     .database_url = postgres_url(site.pg, "alone")};
    struct node *alone = node_start(&setup);
    struct signer s;
    struct follower f;
    signer_init(&s, "alone");
    node_register(alone, &s);
    follower_open(&f, alone, &s);
    for (uint64_t seq = 1; seq <= 10; seq++)
        assert_int_equal(node_post(alone, "alone", NULL, "{}"), seq);
    follower_await(&f, 10);
    follower_close(&f);
    node_stop(alone);
}

/* ---- PostgreSQL ---- */

static bool is_refused(void *arg) {
    struct http_client *c = http_client_new(node_port(arg));
    struct http_reply r;
    bool is = false;
    if (http_try(c, "POST", STR("/v1/messages"), STR(""),
                 STR("{\"to\":\"pgstops\",\"id\":\"probe\",\"envelope\":{}}"), &r)) {
        is = r.status == 503 && !str_is_absent(http_header(&r, "Retry-After")) &&
             strcmp(http_text(&r, "code"), "unavailable") == 0;
        http_reply_done(&r);
    }
    http_client_free(c);
    return is;
}

static void the_database_may_stop_and_start(void **state) {
    (void)state;
    static const char *const handles[] = {"pgstops", NULL};
    struct signer s = node_newcomer(a, "pgstops", 0);
    struct follower f[2];
    follower_open(&f[0], a, &s);
    follower_open(&f[1], b, &s);
    static struct poster p;
    p = poster_of("pg", a, b, handles, 0);
    poster_start(&p);
    poster_await(&p, 50);
    postgres_halt(site.pg, "fast");
    assert_true(proc_poll(is_refused, a, END_MS));
    assert_true(proc_poll(is_refused, b, END_MS));
    assert_true(node_gets_ready(a, false));
    assert_true(follower_pump(&f[0]) && follower_pump(&f[1]));

    postgres_resume(site.pg);
    assert_true(node_gets_ready(a, true));
    assert_true(node_gets_ready(b, true));
    poster_await(&p, atomic_load(&p.acked) + 100);
    poster_stop(&p);
    uint64_t head = head_of(a, &s);
    for (int i = 0; i < 2; i++) {
        follower_await(&f[i], head);
        follower_close(&f[i]);
    }
    assert_int_equal(node_post(b, "pgstops", NULL, "{}"), head + 1);
}

/* ---- nodes ---- */

static void a_killed_node_loses_and_doubles_nothing(void **state) {
    (void)state;
    static const char *const handles[] = {"nodedies", NULL};
    struct signer s = node_newcomer(a, "nodedies", 0);
    struct node *victim = site_node(&site, flags);
    struct follower moved[3], stayed;
    for (int i = 0; i < 3; i++)
        follower_open(&moved[i], victim, &s);
    follower_open(&stayed, b, &s);
    static struct poster p;
    p = poster_of("kx", victim, b, handles, 0);
    poster_start(&p);
    poster_await(&p, 500);
    node_signal(victim, SIGKILL);
    poster_await_retries(&p, 1);
    for (int i = 0; i < 3; i++) {
        while (follower_pump(&moved[i]))
            continue;
        follower_resume(&moved[i], i % 2 ? a : b);
    }
    poster_await(&p, atomic_load(&p.acked) + 500);
    poster_stop(&p);
    uint64_t head = head_of(a, &s);
    assert_int_equal(head, p.acked);
    follower_await(&stayed, head);
    follower_close(&stayed);
    for (int i = 0; i < 3; i++) {
        follower_await(&moved[i], head);
        follower_close(&moved[i]);
    }
    check_ids(&s, "kx", p.acked);
    node_stop(victim);
}

static void a_terminated_node_drains_and_ends_well(void **state) {
    (void)state;
    enum { STREAMS = 20 };
    static const char *const handles[] = {"nodeends", NULL};
    struct signer s = node_newcomer(a, "nodeends", 0);
    struct node *ending = site_node(&site, flags);
    static struct follower f[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        follower_open(&f[i], ending, &s);
        follower_await(&f[i], 0);
    }
    static struct poster p;
    p = poster_of("dr", ending, b, handles, 0);
    poster_start(&p);
    poster_await(&p, 100);
    node_signal(ending, SIGTERM);
    assert_true(node_gets_ready(ending, false));
    for (int i = 0; i < STREAMS; i++) {
        while (follower_pump(&f[i]))
            continue;
        assert_true(f[i].stream.has_ended);
        assert_int_equal(f[i].drains, 1);
        assert_true(f[i].stream.retry_ms >= 1);
    }
    int status = node_wait(ending, END_MS);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    poster_await(&p, atomic_load(&p.acked) + 100);
    poster_stop(&p);
    uint64_t head = head_of(a, &s);
    for (int i = 0; i < STREAMS; i++) {
        follower_resume(&f[i], i % 2 ? a : b);
        follower_await(&f[i], head);
        follower_close(&f[i]);
    }
    node_stop(ending);
}

static void a_drain_says_when_to_come_again(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "drained", 0);
    struct node *ending = site_node(&site, flags);
    struct sse_reader r;
    node_open(ending, &s, "", &r);
    assert_int_equal(node_expect_ready(&r), 0);
    node_signal(ending, SIGTERM);
    struct sse_event *e = sse_next(&r, END_MS);
    assert_non_null(e);
    assert_string_equal(e->type, "drain");
    assert_true(sse_number(e, "retry_ms") > 0);
    assert_int_equal(sse_number(e, "retry_ms"), r.retry_ms);
    assert_string_equal(e->id, "0"); /* it has no id of its own: the cursor stays */
    sse_event_free(e);
    assert_true(sse_await_end(&r));
    assert_true(r.has_ended);
    assert_null(sse_next(&r, 0));
    sse_done(&r);
    assert_int_equal(node_wait(ending, END_MS), 0);
    node_stop(ending);
}

static void a_restarted_node_takes_its_clients_back(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "restarts", 0);
    struct node *n = site_node(&site, flags);
    struct follower f;
    follower_open(&f, n, &s);
    assert_int_equal(node_post(n, "restarts", NULL, "{}"), 1);
    follower_await(&f, 1);
    node_kill(n);
    assert_int_equal(node_post(b, "restarts", NULL, "{}"), 2);
    node_restart(n);
    follower_resume(&f, n);
    follower_await(&f, 2);
    assert_int_equal(node_post(n, "restarts", NULL, "{}"), 3);
    assert_int_equal(node_post(b, "restarts", NULL, "{}"), 4);
    follower_await(&f, 4);
    follower_close(&f);
    node_stop(n);
}

static void a_new_epoch_reaches_streams_and_polls(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "newepoch", 0);
    struct http_reply before, after;
    struct sse_reader r;
    char log[300], query[96];
    assert_int_equal(node_post(a, "newepoch", NULL, "{}"), 1);
    node_poll(a, &s, "", 0, &before);
    node_open(b, &s, "", &r);
    assert_int_equal(node_expect_ready(&r), 1);
    (void)snprintf(log, sizeof log, "%s/log", proc_temp_dir(NULL));
    const char *argv[] = {site.program, "--new-epoch",    "--server",
                          NODE_SERVER,  "--database-url", postgres_url(site.pg, "chat"),
                          NULL};
    assert_int_equal(proc_run(argv, log, NULL, END_MS), 0);
    node_poll(a, &s, "", 0, &after);
    (void)snprintf(query, sizeof query, "?since=1&epoch=%s", http_text(&before, "epoch"));
    assert_false(str_eq(http_member(&before, "epoch"), http_member(&after, "epoch")));
    /* An open stream is told within the sweep, and gets all that is kept again. */
    struct sse_event *e = sse_next(&r, END_MS);
    assert_non_null(e);
    assert_string_equal(e->type, "resync");
    assert_string_equal(sse_text(e, "reason"), "epoch");
    assert_string_equal(sse_text(e, "epoch"), http_text(&after, "epoch"));
    sse_event_free(e);
    node_expect_row(&r, 1);
    sse_done(&r);
    /* And so is one that comes back with the old one. */
    node_open(a, &s, query, &r);
    e = sse_next(&r, END_MS);
    assert_non_null(e);
    assert_string_equal(e->type, "resync");
    sse_event_free(e);
    node_expect_row(&r, 1);
    assert_int_equal(node_expect_ready(&r), 1);
    sse_done(&r);
    http_reply_done(&before);
    http_reply_done(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_join_while_posts_run_miss_none),
        cmocka_unit_test(nats_may_die_while_posts_run),
        cmocka_unit_test(nats_may_freeze_while_posts_run),
        cmocka_unit_test(a_single_node_needs_no_nats),
        cmocka_unit_test(the_database_may_stop_and_start),
        cmocka_unit_test(a_killed_node_loses_and_doubles_nothing),
        cmocka_unit_test(a_terminated_node_drains_and_ends_well),
        cmocka_unit_test(a_drain_says_when_to_come_again),
        cmocka_unit_test(a_restarted_node_takes_its_clients_back),
        cmocka_unit_test(a_new_epoch_reaches_streams_and_polls),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
