/* tests/integration/test_drain.c -- a node that is told to end, once or twice, or to read its
 * settings again.
 *
 * Source: protocol, section 9; app/reload.h.
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
#include <unistd.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/site.h"

enum { END_MS = 60000, EVENT_MS = 60000, TEXT_MAX = 1 << 16 };

static struct site site;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* A test that failed may have left it frozen. */
static int thaw(void **state) {
    (void)state;
    postgres_thaw(site.pg);
    return 0;
}

static struct signer fresh(struct node *n, const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(n, &s);
    return s;
}

static void expect_orderly_end(struct node *n) {
    int status = node_wait(n, END_MS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    char *log = node_log(n);
    print_error("%s", log);
    free(log);
    fail_msg("the node ended with wait status %d", status);
}

static int admin_status(struct node *n, const char *path) {
    struct http_client *c = http_client_new(node_admin_port(n));
    struct http_reply r;
    http_ask(c, "GET", str_of(path), STR(""), STR(""), &r);
    int status = r.status;
    http_reply_done(&r);
    http_client_free(c);
    return status;
}

/* ---- SIGTERM ---- */

enum { STREAMS = 48 };

static struct signer drained[STREAMS];
static struct sse_reader streams[STREAMS];

static struct node *start_with_streams(const char *drain_time, unsigned count) {
    const char *const flags[] = {"--drain-time", drain_time, "--drain-retry", "1000", NULL};
    struct node *n = site_node(&site, flags);
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "spread%u", i);
        drained[i] = fresh(n, name);
        node_open(n, &drained[i], "", &streams[i]);
        (void)node_expect_ready(&streams[i]);
    }
    return n;
}

/* When each ends, to the millisecond, is looked at in push/test_shard.c, where time stands still.
 */
static void drains_are_spread_over_the_drain_time(void **state) {
    (void)state;
    enum { FEW = 8 };
    struct node *n = start_with_streams("3600", FEW);
    node_signal(n, SIGTERM);
    assert_true(node_gets_ready(n, false));
    /* The first goes after four fifths of an hour divided by eight: all are alive. */
    for (unsigned i = 0; i < FEW; i++)
        (void)node_post(n, drained[i].handle.text, NULL, "{}");
    for (unsigned i = 0; i < FEW; i++) {
        struct sse_event *e = sse_next(&streams[i], EVENT_MS);
        if (!e || strcmp(e->type, "message") != 0)
            fail_msg("stream %u: %s", i, e ? e->type : "nothing");
        sse_event_free(e);
        sse_done(&streams[i]);
    }
    expect_orderly_end(n); /* as soon as nobody is left */
    node_stop(n);
}

static void each_stream_is_told_when_to_come_again_and_ends(void **state) {
    (void)state;
    struct node *n = start_with_streams("2", STREAMS);
    uint64_t least = UINT64_MAX, most = 0;
    node_signal(n, SIGTERM);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct sse_event *e = sse_next(&streams[i], EVENT_MS);
        assert_non_null(e);
        assert_string_equal(e->type, "drain");
        uint64_t retry_ms = sse_number(e, "retry_ms");
        assert_int_equal(retry_ms, streams[i].retry_ms);
        sse_event_free(e);
        assert_true(sse_await_end(&streams[i]));
        assert_true(streams[i].has_ended);
        assert_null(sse_next(&streams[i], 0));
        least = retry_ms < least ? retry_ms : least;
        most = retry_ms > most ? retry_ms : most;
        sse_done(&streams[i]);
    }
    assert_true(least >= 500 && most <= 1500 && most - least >= 200);
    expect_orderly_end(n);
    node_stop(n);
}

static void a_draining_node_refuses_streams_and_takes_posts(void **state) {
    (void)state;
    static const char *const flags[] = {"--drain-time", "3600", NULL};
    struct node *n = site_node(&site, flags);
    struct signer s = fresh(n, "draining");
    struct sse_reader open[2];
    struct http_reply r;
    struct buf headers;
    struct http_client *c = http_client_new(node_port(n));
    buf_init(&headers, TEXT_MAX);
    signer_put_stream(&s, &headers, s.handle.text);
    for (int i = 0; i < 2; i++) { /* which keep it from ending */
        node_open(n, &s, "", &open[i]);
        (void)node_expect_ready(&open[i]);
    }
    assert_int_equal(admin_status(n, "/readyz"), 200);
    node_signal(n, SIGTERM);
    assert_true(node_gets_ready(n, false));
    assert_int_equal(admin_status(n, "/readyz"), 503);
    assert_int_equal(admin_status(n, "/livez"), 200);
    http_expect(c,
                &(struct http_case){"a stream", "GET", "/v1/inbox/draining/stream",
                                    buf_cstr(&headers), NULL, 503, "unavailable"},
                &r);
    assert_false(str_is_absent(http_header(&r, "Retry-After")));
    http_reply_done(&r);
    assert_int_equal(node_post(n, "draining", NULL, "{}"), 1);
    for (int i = 0; i < 2; i++)
        sse_done(&open[i]);
    expect_orderly_end(n);
    http_client_free(c);
    buf_done(&headers);
    node_stop(n);
}

static void a_post_in_flight_is_answered(void **state) {
    (void)state;
    static const char *const flags[] = {"--drain-time", "1", "--store-timeout", "60000", NULL};
    struct node *n = site_node(&site, flags);
    struct signer s = fresh(n, "inflight");
    struct http_client *c = http_client_new(node_port(n));
    struct http_reply r;
    assert_int_equal(node_post(n, "inflight", NULL, "{}"), 1); /* the handle is known now */
    assert_true(node_metric_becomes(n, "kez_connections", 0));
    postgres_freeze(site.pg);
    assert_true(
        http_send_raw(c, STR("POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 45\r\n\r\n"
                             "{\"to\":\"inflight\",\"id\":\"late\",\"envelope\":{}}  ")));
    assert_true(node_metric_becomes(n, "kez_connections", 1));
    node_signal(n, SIGTERM);
    assert_true(node_gets_ready(n, false));
    postgres_thaw(site.pg);
    assert_true(http_receive(c, false, &r));
    assert_int_equal(r.status, 201);
    assert_int_equal(http_number(&r, "seq"), 2);
    http_reply_done(&r);
    expect_orderly_end(n);
    http_client_free(c);
    node_stop(n);
    (void)s;
}

static void a_second_signal_ends_it_at_once(void **state) {
    (void)state;
    static const char *const flags[] = {"--drain-time", "3600", NULL};
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct node *n = site_node(&site, flags);
        struct signer s = fresh(n, "impatient");
        struct sse_reader r[8];
        for (size_t k = 0; k < 8; k++) {
            node_open(n, &s, "", &r[k]);
            (void)node_expect_ready(&r[k]);
        }
        node_signal(n, SIGTERM);
        assert_true(node_gets_ready(n, false));
        node_signal(n, SIGHUP); /* too late to read settings, and no reason to end */
        assert_int_equal(admin_status(n, "/livez"), 200);
        node_signal(n, signals[i]);
        int status = node_wait(n, END_MS);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
        for (size_t k = 0; k < 8; k++)
            sse_done(&r[k]);
        node_stop(n);
    }
}

/* ---- SIGHUP ---- */

struct reloading {
    struct node *node;
    char path[300];
};

static void write_settings(const struct reloading *r, const char *more) {
    FILE *file = fopen(r->path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "server = " NODE_SERVER "\ndatabase-url = %s\nlimit-register = 0\n%s",
                        postgres_url(site.pg, "reloads"), more) > 0);
    assert_int_equal(fclose(file), 0);
}

static void start_with(struct reloading *r, const char *more, const char *const *flags) {
    (void)snprintf(r->path, sizeof r->path, "%s/kez.conf", proc_temp_dir(NULL));
    write_settings(r, more);
    r->node = node_start(
        &(struct node_setup){.program = site.program, .config = r->path, .flags = flags});
}

static void hang_up(const struct reloading *r, const char *more, unsigned times) {
    write_settings(r, more);
    node_signal(r->node, SIGHUP);
    node_expect_log(r->node, "node has read its settings again", times);
}

/* The status of one post, unsigned or signed by `s`. */
static int post_status(struct node *n, const struct signer *s, const char *id) {
    struct http_client *c = http_client_new(node_port(n));
    struct http_reply r;
    struct buf headers;
    char body[128];
    (void)snprintf(body, sizeof body, "{\"to\":\"reloaded\",\"id\":\"%s\",\"envelope\":{}}", id);
    buf_init(&headers, TEXT_MAX);
    if (s)
        signer_put_request(s, &headers, "POST", NODE_SERVER, STR("/v1/messages"), str_of(body));
    http_ask(c, "POST", STR("/v1/messages"), buf_str(&headers), str_of(body), &r);
    int status = r.status;
    http_reply_done(&r);
    buf_done(&headers);
    http_client_free(c);
    return status;
}

static void the_settings_are_read_again(void **state) {
    (void)state;
    struct reloading r;
    start_with(&r, "drain-time = 3600\n", NULL);
    struct signer s = fresh(r.node, "reloaded");
    struct sse_reader stream;
    assert_int_equal(post_status(r.node, NULL, "u1"), 201);
    hang_up(&r, "drain-time = 3600\nrequire-signed-posts = yes\n", 1);
    assert_int_equal(post_status(r.node, NULL, "u2"), 400);
    assert_int_equal(post_status(r.node, &s, "s1"), 201);
    hang_up(&r, "drain-time = 0\n", 2);
    assert_int_equal(post_status(r.node, NULL, "u3"), 201);
    node_open(r.node, &s, "", &stream);
    (void)node_expect_ready(&stream);
    node_signal(r.node, SIGTERM);
    expect_orderly_end(r.node); /* not after an hour */
    sse_done(&stream);
    node_stop(r.node);
}

static bool refuses_unsigned(void *arg) { return post_status(arg, NULL, "probe") == 400; }

static void the_log_level_is_read_again(void **state) {
    (void)state;
    struct reloading r;
    start_with(&r, "drain-time = 0\n", NULL);
    (void)fresh(r.node, "reloaded");
    write_settings(&r, "require-signed-posts = yes\nlog-level = error\ndrain-time = 0\n");
    node_signal(r.node, SIGHUP);
    assert_true(proc_poll(refuses_unsigned, r.node, EVENT_MS));
    node_signal(r.node, SIGTERM);
    expect_orderly_end(r.node);
    char *log = node_log(r.node);
    bool is_quiet = !strstr(log, "node has read") && !strstr(log, "node drains");
    free(log);
    assert_true(is_quiet); /* which is said at info */
    node_stop(r.node);
}

static void what_is_wrong_or_set_nearer_changes_nothing(void **state) {
    (void)state;
    static const char *const flags[] = {"--require-signed-posts", "no", NULL};
    struct reloading r;
    start_with(&r, "drain-time = 7\n", flags);
    (void)fresh(r.node, "reloaded");
    hang_up(&r, "require-signed-posts = yes\nkeep-alive = 7000\nstore-batch = 7\n", 1);
    node_expect_log(r.node,
                    "keeps some settings until it is restarted settings=store-batch,keep-alive", 1);
    assert_int_equal(post_status(r.node, NULL, "w1"), 201); /* the flag wins, as at the start */

    write_settings(&r, "drain-time = nonsense\n");
    node_signal(r.node, SIGHUP);
    node_expect_log(r.node, "node keeps its settings: ", 1);
    node_expect_log(r.node, "kez.conf, line 4: drain-time", 1);
    assert_int_equal(unlink(r.path), 0);
    node_signal(r.node, SIGHUP);
    node_expect_log(r.node, "node keeps its settings: ", 2);
    assert_int_equal(post_status(r.node, NULL, "w2"), 201);
    assert_int_equal(admin_status(r.node, "/readyz"), 200);
    node_stop(r.node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drains_are_spread_over_the_drain_time),
        cmocka_unit_test(each_stream_is_told_when_to_come_again_and_ends),
        cmocka_unit_test(a_draining_node_refuses_streams_and_takes_posts),
        cmocka_unit_test_teardown(a_post_in_flight_is_answered, thaw),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
        cmocka_unit_test(the_settings_are_read_again),
        cmocka_unit_test(the_log_level_is_read_again),
        cmocka_unit_test(what_is_wrong_or_set_nearer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
