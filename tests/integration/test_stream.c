/* tests/integration/test_stream.c -- event streams of two nodes, by the wire alone.
 *
 * Source: protocol, section 5.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/site.h"
#include "wire/json_span.h"

enum { BODY_MAX = 1 << 20, EVENT_MS = 60000 };

static struct site site;
static struct node *a, *b;
static struct signer bobby;

static int start(void **state) {
    (void)state;
    static const char *const flags[] = {"--limit-streams-per-handle", "5", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, flags);
    a = site.nodes[0];
    b = site.nodes[1];
    signer_init(&bobby, "bobby");
    node_register(a, &bobby);
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static bool has(struct str text, const char *what) {
    return memmem(text.p, text.n, what, strlen(what)) != NULL;
}

/* ---- the beginning ---- */

static void a_stream_begins_with_its_head_and_ready(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "begins", 2);
    struct sse_reader r;
    struct http_reply inbox;
    node_open(a, &s, "", &r);
    struct str head = buf_str(&r.head);
    assert_true(has(head, "Content-Type: text/event-stream\r\n"));
    assert_true(has(head, "Cache-Control: no-store\r\n"));
    assert_true(has(head, "X-Accel-Buffering: no\r\n"));
    assert_true(has(head, "Access-Control-Allow-Origin: *\r\n"));
    struct sse_event *e = sse_next(&r, EVENT_MS);
    assert_non_null(e);
    assert_int_equal(r.retry_ms, 3000);
    node_poll(a, &s, "", 0, &inbox);
    char want[256];
    (void)snprintf(want, sizeof want,
                   "{\"handle\":\"begins\",\"seq\":2,\"first\":1,\"epoch\":\"%s\"}",
                   http_text(&inbox, "epoch"));
    assert_string_equal(e->type, "ready");
    assert_string_equal(e->id, "2");
    assert_string_equal(e->data, want);
    sse_event_free(e);
    http_reply_done(&inbox);
    node_finish(&r);
}

static void a_live_row_comes_on_both_nodes_as_it_is_read(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "liverow", 0);
    struct sse_reader on_a, on_b;
    struct http_reply inbox;
    node_open(a, &s, "", &on_a);
    node_open(b, &s, "", &on_b);
    assert_int_equal(node_expect_ready(&on_a), 0);
    assert_int_equal(node_expect_ready(&on_b), 0);
    assert_int_equal(node_post(a, "liverow", "l1", "{\"a\":[1e400,\"\\ud800\"]}"), 1);
    struct sse_event *one = sse_next(&on_a, EVENT_MS), *two = sse_next(&on_b, EVENT_MS);
    assert_non_null(one);
    assert_non_null(two);
    node_poll(a, &s, "", 0, &inbox);
    struct str rows = http_member(&inbox, "messages");
    assert_true(str_eq(str_of(one->data), (struct str){rows.p + 1, rows.n - 2}));
    assert_string_equal(two->data, one->data);
    assert_string_equal(two->type, "message");
    assert_string_equal(two->id, "1");
    sse_event_free(one);
    sse_event_free(two);
    http_reply_done(&inbox);
    assert_int_equal(node_post(b, "liverow", NULL, "{}"), 2);
    node_expect_row(&on_a, 2);
    node_expect_row(&on_b, 2);
    node_finish(&on_a);
    node_finish(&on_b);
}

static void a_stream_starts_where_it_is_told(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "startat", 5);
    static const struct {
        const char *query;
        int last_id;    /* < 0: no header */
        uint64_t first; /* row that comes first; 6: none */
    } rows[] = {
        {"", -1, 6},         {"?since=0", -1, 1}, {"?since=3", -1, 4},
        {"?since=5", -1, 6}, {"", 2, 3},          {"?since=0", 4, 5},
        {"", 0, 1},          {"?since=x", 1, 2},  {"?other=1", -1, 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sse_reader r;
        char header[32] = "";
        struct buf headers, target;
        buf_init(&headers, BODY_MAX);
        buf_init(&target, BODY_MAX);
        if (rows[i].last_id >= 0)
            (void)snprintf(header, sizeof header, "Last-Event-ID: %d\r\n", rows[i].last_id);
        buf_putf(&headers, "%s", header);
        signer_put_stream(&s, &headers, "startat");
        buf_putf(&target, "/v1/inbox/startat/stream%s", rows[i].query);
        sse_init(&r);
        sse_open(&r, node_port(i % 2 ? a : b), buf_str(&target), buf_str(&headers));
        node_expect_rows(&r, rows[i].first, 5);
        assert_int_equal(node_expect_ready(&r), 5);
        node_finish(&r);
        buf_done(&headers);
        buf_done(&target);
    }
}

static void a_stream_is_opened_by_its_owner_only(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "opening", 1), nobody, stale;
    struct buf good, others, nobodys, old, poll, both, query, empty;
    struct buf *const all[] = {&good, &others, &nobodys, &old, &poll, &both, &query, &empty};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_init(all[i], BODY_MAX);
    signer_init(&nobody, "nobody1");
    stale = s;
    stale.skew_s = -70;
    signer_put_stream(&s, &good, "opening");
    signer_put_stream(&bobby, &others, "opening");
    signer_put_stream(&nobody, &nobodys, "nobody1");
    signer_put_stream(&stale, &old, "opening");
    signer_put_poll(&s, &poll, "opening", 0);
    buf_put(&query, STR("/v1/inbox/opening/stream?auth="));
    signer_put_stream_value(&s, &query, "opening");
    const char *path = "/v1/inbox/opening/stream";
    char twice[512];
    (void)snprintf(twice, sizeof twice, "%s&auth=1:2", buf_cstr(&query));
#define LAST(id) "Last-Event-ID: " id "\r\n"
    const struct http_case cases[] = {
        {"unsigned", "GET", path, NULL, NULL, 400, "missing_auth"},
        {"a malformed handle", "GET", "/v1/inbox/Op/stream", buf_cstr(&good), NULL, 400,
         "bad_request"},
        {"malformed", "GET", path, "X-KEZ-Auth: x\r\n", NULL, 401, "unauthorized"},
        {"stale", "GET", path, buf_cstr(&old), NULL, 401, "unauthorized"},
        {"unknown", "GET", "/v1/inbox/nobody1/stream", buf_cstr(&nobodys), NULL, 404, "not_found"},
        {"another's key", "GET", path, buf_cstr(&others), NULL, 401, "unauthorized"},
        {"a poll's signature", "GET", path, buf_cstr(&poll), NULL, 401, "unauthorized"},
        {"a bad header decides alone", "GET", buf_cstr(&query), buf_cstr(&others), NULL, 401,
         "unauthorized"},
        {"an empty header, too", "GET", buf_cstr(&query), "X-KEZ-Auth:\r\n", NULL, 400,
         "missing_auth"},
        {"an empty parameter", "GET", "/v1/inbox/opening/stream?auth=", NULL, NULL, 400,
         "missing_auth"},
        {"the parameter twice", "GET", twice, NULL, NULL, 400, "bad_request"},
        {"HEAD", "HEAD", path, buf_cstr(&good), NULL, 405, "method_not_allowed"},
    };
    struct http_client *c = http_client_new(node_port(a));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        http_expect(c, &cases[i], NULL);

    static const char *const starts[] = {LAST("x"),   LAST("-1"),  LAST("+1"),
                                         LAST("01"),  LAST("1.0"), LAST("9007199254740992"),
                                         LAST("1 2"), LAST(""),    LAST("99999999999999999999")};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        buf_clear(&both);
        buf_putf(&both, "%s%s", starts[i], buf_cstr(&good));
        http_expect(c,
                    &(struct http_case){starts[i], "GET", "/v1/inbox/opening/stream?since=0",
                                        buf_cstr(&both), NULL, 400, "bad_request"},
                    NULL);
    }
    static const char *const queries[] = {
        "since=",          "since=x",        "since=-1", "since=01", "since=9007199254740992",
        "since=1&since=1", "epoch=a&epoch=a"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char target[128];
        (void)snprintf(target, sizeof target, "%s?%s", path, queries[i]);
        http_expect(
            c,
            &(struct http_case){target, "GET", target, buf_cstr(&good), NULL, 400, "bad_request"},
            NULL);
    }
    http_client_free(c);

    struct sse_reader r;
    sse_init(&r);
    sse_open(&r, node_port(a), buf_str(&query), STR(""));
    assert_int_equal(node_expect_ready(&r), 1);
    node_finish(&r);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_done(all[i]);
#undef LAST
}

static void a_handle_has_room_for_so_many_streams(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "manyopen", 0);
    struct sse_reader open[5], more;
    assert_true(node_metric_becomes(a, "kez_streams", 0)); /* those of before have gone */
    for (size_t i = 0; i < 5; i++) {
        node_open(a, &s, "", &open[i]);
        (void)node_expect_ready(&open[i]);
    }
    struct buf headers;
    struct http_reply r;
    struct http_client *c = http_client_new(node_port(a));
    buf_init(&headers, BODY_MAX);
    signer_put_stream(&s, &headers, "manyopen");
    http_expect(c,
                &(struct http_case){"one more", "GET", "/v1/inbox/manyopen/stream",
                                    buf_cstr(&headers), NULL, 503, "unavailable"},
                &r);
    assert_false(str_is_absent(http_header(&r, "Retry-After")));
    http_reply_done(&r);
    http_client_free(c);
    buf_done(&headers);
    assert_true(node_metric_becomes(a, "kez_streams", 5));
    node_finish(&open[0]);
    assert_true(node_metric_becomes(a, "kez_streams", 4));
    node_open(a, &s, "", &more);
    (void)node_expect_ready(&more);
    node_finish(&more);
    for (size_t i = 1; i < 5; i++)
        node_finish(&open[i]);
}

static void a_node_listens_exactly_while_it_serves(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "listens", 0);
    struct sse_reader one, two;
    assert_true(node_metric_becomes(b, "kez_handles_subscribed", 0)); /* of before */
    node_open(b, &s, "", &one);
    (void)node_expect_ready(&one);
    node_open(b, &s, "", &two);
    (void)node_expect_ready(&two);
    assert_true(node_metric_becomes(b, "kez_handles_subscribed", 1));
    node_finish(&one);
    assert_int_equal(node_post(a, "listens", NULL, "{}"), 1);
    node_expect_row(&two, 1);
    assert_true(node_metric_becomes(b, "kez_handles_subscribed", 1));
    node_finish(&two);
    assert_true(node_metric_becomes(b, "kez_handles_subscribed", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_begins_with_its_head_and_ready),
        cmocka_unit_test(a_live_row_comes_on_both_nodes_as_it_is_read),
        cmocka_unit_test(a_stream_starts_where_it_is_told),
        cmocka_unit_test(a_stream_is_opened_by_its_owner_only),
        cmocka_unit_test(a_handle_has_room_for_so_many_streams),
        cmocka_unit_test(a_node_listens_exactly_while_it_serves),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
