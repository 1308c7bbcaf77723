/* tests/integration/test_inbox.c -- polling and trimming an inbox, by the wire alone.
 *
 * Source: protocol, sections 2 and 4.
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
#include "wire/time.h"

enum { BODY_MAX = 1 << 21, KIB = 1024 };

static struct site site;
static struct node *node;
static struct http_client *client;
static struct signer alice, bobby;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, NULL);
    node = site.nodes[0];
    client = http_client_new(node_port(node));
    signer_init(&alice, "alice");
    signer_init(&bobby, "bobby");
    node_register(node, &alice);
    node_register(node, &bobby);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(client);
    site_stop(&site);
    return 0;
}

/* ---- asking ---- */

static void post(const char *what, struct str body, int status, const char *code,
                 struct http_reply *out) {
    http_ask(client, "POST", STR("/v1/messages"), STR(""), body, out);
    if (out->status != status || (code && strcmp(http_text(out, "code"), code) != 0))
        fail_msg("%s: %d %.*s", what, out->status, STR_ARG(out->body));
}

/* GET of the inbox, signed for `since`; query begins with "?" or is "". */
static void poll_inbox(const struct signer *s, const char *query, uint64_t since, int status,
                       struct http_reply *out) {
    struct buf headers, target;
    buf_init(&headers, BODY_MAX);
    buf_init(&target, BODY_MAX);
    signer_put_poll(s, &headers, s->handle.text, since);
    buf_putf(&target, "/v1/inbox/%s%s", s->handle.text, query);
    http_expect(client,
                &(struct http_case){query, "GET", buf_cstr(&target), buf_cstr(&headers), NULL,
                                    status, status == 200 ? NULL : "bad_request"},
                out);
    buf_done(&headers);
    buf_done(&target);
}

static void trim(const struct signer *s, const char *handle, const char *query, int status,
                 const char *code) {
    struct buf headers;
    char target[128];
    buf_init(&headers, BODY_MAX);
    (void)snprintf(target, sizeof target, "/v1/inbox/%s%s", handle, query);
    signer_put_request(s, &headers, "DELETE", NODE_SERVER, str_of(target), STR(""));
    http_expect(
        client,
        &(struct http_case){target, "DELETE", target, buf_cstr(&headers), NULL, status, code},
        NULL);
    buf_done(&headers);
}

/* The seqs of the rows of a page, as "1,2,3". */
static const char *seqs_of(const struct http_reply *r) {
    static char text[4096];
    struct str rows = http_member(r, "messages");
    size_t n = 0;
    text[0] = '\0';
    for (const char *at = rows.p, *end = rows.p + rows.n;
         (at = memmem(at, (size_t)(end - at), "{\"seq\":", 7)) != NULL; at += 7)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%ju", n ? "," : "",
                              (uintmax_t)strtoull(at + 7, NULL, 10));
    return text;
}

/* ---- who may poll ---- */

static void polls_are_answered_in_their_order(void **state) {
    (void)state;
    struct signer early = alice, late = alice, nobody;
    struct buf good, other, nobodys, stale, soon, stream;
    struct buf *const all[] = {&good, &other, &nobodys, &stale, &soon, &stream};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_init(all[i], BODY_MAX);
    signer_init(&nobody, "nobody1");
    early.skew_s = -70;
    late.skew_s = 50;
    signer_put_poll(&alice, &good, "alice", 0);
    signer_put_poll(&bobby, &other, "alice", 0);
    signer_put_poll(&nobody, &nobodys, "nobody1", 0);
    signer_put_poll(&early, &stale, "alice", 0);
    signer_put_poll(&late, &soon, "alice", 0);
    signer_put_stream(&alice, &stream, "alice");
    char upper[256];
    (void)snprintf(upper, sizeof upper, "%s", buf_cstr(&good));
    for (char *at = strrchr(upper, ':'); *at; at++)
        if (*at >= 'a' && *at <= 'f')
            *at = (char)(*at - 'a' + 'A');
    const struct http_case cases[] = {
        {"right", "GET", "/v1/inbox/alice", buf_cstr(&good), NULL, 200, NULL},
        {"right, as HEAD", "HEAD", "/v1/inbox/alice", buf_cstr(&good), NULL, 200, NULL},
        {"since=0 is signed alike", "GET", "/v1/inbox/alice?since=0", buf_cstr(&good), NULL, 200,
         NULL},
        {"another since", "GET", "/v1/inbox/alice?since=1", buf_cstr(&good), NULL, 401,
         "unauthorized"},
        {"50 s off", "GET", "/v1/inbox/alice", buf_cstr(&soon), NULL, 200, NULL},
        {"a malformed handle, unsigned", "GET", "/v1/inbox/Al", NULL, NULL, 400, "bad_request"},
        {"a malformed handle, signed", "GET", "/v1/inbox/Al", buf_cstr(&good), NULL, 400,
         "bad_request"},
        {"unsigned", "GET", "/v1/inbox/alice", NULL, NULL, 400, "missing_auth"},
        {"an empty signature", "GET", "/v1/inbox/alice", "X-KEZ-Auth:\r\n", NULL, 400,
         "missing_auth"},
        {"unsigned and unknown", "GET", "/v1/inbox/nobody1", NULL, NULL, 400, "missing_auth"},
        {"upper case", "GET", "/v1/inbox/alice", upper, NULL, 401, "unauthorized"},
        {"malformed", "GET", "/v1/inbox/alice", "X-KEZ-Auth: abc\r\n", NULL, 401, "unauthorized"},
        {"malformed and unknown", "GET", "/v1/inbox/nobody1", "X-KEZ-Auth: abc\r\n", NULL, 401,
         "unauthorized"},
        {"stale", "GET", "/v1/inbox/alice", buf_cstr(&stale), NULL, 401, "unauthorized"},
        {"stale and unknown", "GET", "/v1/inbox/nobody1", buf_cstr(&stale), NULL, 401,
         "unauthorized"},
        {"unknown", "GET", "/v1/inbox/nobody1", buf_cstr(&nobodys), NULL, 404, "not_found"},
        {"another's key", "GET", "/v1/inbox/alice", buf_cstr(&other), NULL, 401, "unauthorized"},
        {"a stream's signature", "GET", "/v1/inbox/alice", buf_cstr(&stream), NULL, 401,
         "unauthorized"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        http_expect(client, &cases[i], NULL);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_done(all[i]);
}

/* ---- pages and trimming ---- */

static void an_inbox_is_read_in_pages(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "pages", 0);
    struct http_reply r;
    poll_inbox(&s, "", 0, 200, &r);
    assert_string_equal(seqs_of(&r), "");
    assert_int_equal(http_number(&r, "seq"), 0);
    assert_int_equal(http_number(&r, "first"), 1);
    http_reply_done(&r);
    for (int i = 0; i < 105; i++)
        (void)node_post(node, "pages", NULL, "{}");
    static const struct {
        const char *query;
        uint64_t since;
        const char *seqs; /* NULL: many */
    } rows[] = {
        {"?limit=3", 0, "1,2,3"},
        {"?since=3&limit=2", 3, "4,5"},
        {"?limit=2&since=103", 103, "104,105"},
        {"?since=103&limit=500", 103, "104,105"},
        {"?since=105", 105, ""},
        {"?since=9007199254740991", 9007199254740991, ""},
        {"?other=x&limit=1", 0, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        poll_inbox(&s, rows[i].query, rows[i].since, 200, &r);
        assert_string_equal(seqs_of(&r), rows[i].seqs);
        assert_int_equal(http_number(&r, "seq"), 105);
        http_reply_done(&r);
    }
    /* 100 rows when no limit is given. */
    poll_inbox(&s, "", 0, 200, &r);
    assert_string_equal(strrchr(seqs_of(&r), ','), ",100");
    http_reply_done(&r);
    static const char *const bad[] = {
        "?since=",
        "?since=-1",
        "?since=+1",
        "?since=01",
        "?since=1.0",
        "?since=x",
        "?since=9007199254740992",
        "?since=99999999999999999999999",
        "?since=0&since=0",
        "?limit=0",
        "?limit=501",
        "?limit=",
        "?limit=-1",
        "?limit=01",
        "?limit=2&limit=2",
        "?epoch=a&epoch=a",
        "?since=%201",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        poll_inbox(&s, bad[i], 0, 400, &r);
        http_reply_done(&r);
    }
}

static void another_epoch_is_said(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "epochs", 0);
    struct http_reply r;
    char same[128];
    (void)node_post(node, "epochs", NULL, "{}");
    poll_inbox(&s, "", 0, 200, &r);
    (void)snprintf(same, sizeof same, "?epoch=%s", http_text(&r, "epoch"));
    http_reply_done(&r);
    poll_inbox(&s, same, 0, 200, &r);
    assert_true(str_is_absent(http_member(&r, "reset")));
    http_reply_done(&r);
    static const char *const others[] = {"?epoch=another", "?epoch="};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        poll_inbox(&s, others[i], 0, 200, &r);
        assert_true(str_eq(http_member(&r, "reset"), STR("true")));
        assert_string_equal(seqs_of(&r), "1");
        http_reply_done(&r);
    }
}

static void a_page_ends_at_four_mebibytes(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "largebox", 0);
    struct buf envelope;
    struct http_reply r;
    buf_init(&envelope, BODY_MAX);
    poll_inbox(&s, "", 0, 200, &r);
    uint64_t first = http_number(&r, "seq");
    http_reply_done(&r);
    buf_put(&envelope, STR("{\"a\":\""));
    for (int i = 0; i < 250 * KIB; i++)
        buf_put_byte(&envelope, 'x');
    buf_put(&envelope, STR("\"}"));
    for (int i = 0; i < 20; i++)
        (void)node_post(node, "largebox", NULL, buf_cstr(&envelope));
    buf_done(&envelope);
    char query[64];
    (void)snprintf(query, sizeof query, "?limit=500&since=%ju", (uintmax_t)first);
    poll_inbox(&s, query, first, 200, &r);
    assert_true(r.body.n <= 4 * KIB * KIB + 4 * KIB);
    uint64_t last = strtoull(strrchr(seqs_of(&r), ',') + 1, NULL, 10);
    assert_true(last >= first + 15 && last < first + 20);
    assert_int_equal(http_number(&r, "seq"), first + 20);
    http_reply_done(&r);
    (void)snprintf(query, sizeof query, "?limit=500&since=%ju", (uintmax_t)last);
    poll_inbox(&s, query, last, 200, &r);
    assert_int_equal(strtoull(seqs_of(&r), NULL, 10), last + 1);
    http_reply_done(&r);
}

static void rows_are_dropped_by_their_owner(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "trimmed", 0);
    struct http_reply r;
    (void)node_post(node, "trimmed", "kept-id", "{}");
    for (int i = 0; i < 4; i++)
        (void)node_post(node, "trimmed", NULL, "{}");
    trim(&s, "trimmed", "?upto=0", 204, NULL);
    trim(&s, "trimmed", "?upto=6", 400, "bad_request");
    trim(&s, "trimmed", "?upto=9007199254740992", 400, "bad_request");
    trim(&s, "trimmed", "?upto=01", 400, "bad_request");
    trim(&s, "trimmed", "?upto=1&upto=1", 400, "bad_request");
    trim(&s, "trimmed", "", 400, "bad_request");
    trim(&bobby, "trimmed", "?upto=1", 403, "forbidden");
    trim(&s, "nobody1", "?upto=1", 403, "forbidden");
    poll_inbox(&s, "", 0, 200, &r);
    assert_string_equal(seqs_of(&r), "1,2,3,4,5");
    http_reply_done(&r);

    trim(&s, "trimmed", "?upto=3", 204, NULL);
    trim(&s, "trimmed", "?upto=2", 204, NULL);
    poll_inbox(&s, "", 0, 200, &r);
    assert_string_equal(seqs_of(&r), "4,5");
    assert_int_equal(http_number(&r, "first"), 4);
    http_reply_done(&r);
    trim(&s, "trimmed", "?upto=5", 204, NULL);
    poll_inbox(&s, "", 0, 200, &r);
    assert_string_equal(seqs_of(&r), "");
    assert_int_equal(http_number(&r, "first"), 6);
    assert_int_equal(http_number(&r, "seq"), 5);
    http_reply_done(&r);

    /* The id outlives its row, and the head never goes back. */
    post("a late retry", STR("{\"to\":\"trimmed\",\"id\":\"kept-id\",\"envelope\":{}}"), 200, NULL,
         &r);
    assert_int_equal(http_number(&r, "seq"), 1);
    http_reply_done(&r);
    post("a late conflict", STR("{\"to\":\"trimmed\",\"id\":\"kept-id\",\"envelope\":{\"a\":1}}"),
         409, "conflict", &r);
    http_reply_done(&r);
    assert_int_equal(node_post(node, "trimmed", NULL, "{}"), 6);
    http_expect(client,
                &(struct http_case){"unsigned", "DELETE", "/v1/inbox/trimmed?upto=6", NULL, NULL,
                                    400, "missing_auth"},
                NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polls_are_answered_in_their_order),
        cmocka_unit_test(an_inbox_is_read_in_pages),
        cmocka_unit_test(another_epoch_is_said),
        cmocka_unit_test(a_page_ends_at_four_mebibytes),
        cmocka_unit_test(rows_are_dropped_by_their_owner),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
