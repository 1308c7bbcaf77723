/* tests/integration/test_messages.c -- posting, polling and trimming, by the wire alone.
 *
 * Source: protocol, sections 2, 4 and 8.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/ear.h"
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

static void post_signed(const struct signer *s, const char *what, const char *body, int status,
                        const char *code, struct http_reply *out) {
    struct buf headers;
    buf_init(&headers, BODY_MAX);
    signer_put_request(s, &headers, "POST", NODE_SERVER, STR("/v1/messages"), str_of(body));
    http_expect(
        client,
        &(struct http_case){what, "POST", "/v1/messages", buf_cstr(&headers), body, status, code},
        out);
    buf_done(&headers);
}

static bool has(struct str text, const char *what) {
    return memmem(text.p, text.n, what, strlen(what)) != NULL;
}

/* ---- posting ---- */

static void rows_are_numbered_from_one_without_a_hole(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "numbers", 0);
    for (uint64_t seq = 1; seq <= 5; seq++)
        assert_int_equal(node_post(node, "numbers", NULL, "{\"a\":1}"), seq);
    struct http_reply r;
    post("the answer", STR("{\"to\":\"numbers\",\"envelope\":{}}"), 201, NULL, &r);
    char want[160];
    int64_t at_ms;
    assert_int_equal(time_read(str_of(http_text(&r, "created_at")), &at_ms), RC_OK);
    (void)snprintf(want, sizeof want, "{\"to\":\"numbers\",\"seq\":6,\"created_at\":\"%s\"}",
                   http_text(&r, "created_at"));
    assert_true(str_eq(r.body, str_of(want)));
    char at[64];
    (void)snprintf(at, sizeof at, "%s", http_text(&r, "created_at"));
    http_reply_done(&r);
    http_expect(client,
                &(struct http_case){"content types are not checked", "POST", "/v1/messages",
                                    "Content-Type: image/png\r\n",
                                    "{\"to\":\"alice\",\"envelope\":{}}", 201, NULL},
                NULL);

    /* The row's time is the one that the sender was told. */
    node_poll(node, &s, "?since=5", 5, &r);
    (void)snprintf(
        want, sizeof want,
        "[{\"seq\":6,\"type\":\"chatmessage.new\",\"envelope\":{},\"created_at\":\"%s\"}]", at);
    assert_true(str_eq(http_member(&r, "messages"), str_of(want)));
    assert_int_equal(http_number(&r, "seq"), 6);
    assert_int_equal(http_number(&r, "first"), 1);
    assert_true(http_text(&r, "epoch")[0] != '\0');
    assert_true(str_is_absent(http_member(&r, "reset")));
    http_reply_done(&r);
}

static void an_id_stores_once(void **state) {
    (void)state;
    struct http_reply r, again;
    (void)node_newcomer(node, "onceonly", 0);
#define POST(id, envelope) STR("{\"to\":\"onceonly\",\"id\":\"" id "\",\"envelope\":" envelope "}")
    post("first", POST("a-1", "{\"x\":1}"), 201, NULL, &r);
    assert_string_equal(http_text(&r, "id"), "a-1");
    post("a retry", POST("a-1", "{\"x\":1}"), 200, NULL, &again);
    assert_true(str_eq(r.body, again.body));
    http_reply_done(&again);
    post("other white space", POST("a-1", " { \"x\" :\n1 } "), 200, NULL, &again);
    assert_true(str_eq(r.body, again.body));
    http_reply_done(&again);
    http_reply_done(&r);
    post("another envelope", POST("a-1", "{\"x\":1.0}"), 409, "conflict", &r);
    http_reply_done(&r);
    post("another id", POST("A-1", "{\"x\":1}"), 201, NULL, &r);
    assert_int_equal(http_number(&r, "seq"), 2);
    http_reply_done(&r);
#undef POST
    /* A sender's ids are the sender's own. */
    post_signed(&bobby, "signed", "{\"to\":\"onceonly\",\"id\":\"a-1\",\"envelope\":{\"x\":1}}",
                201, NULL, &r);
    assert_int_equal(http_number(&r, "seq"), 3);
    http_reply_done(&r);
    post_signed(&alice, "another's", "{\"to\":\"onceonly\",\"id\":\"a-1\",\"envelope\":{\"x\":1}}",
                201, NULL, &r);
    assert_int_equal(http_number(&r, "seq"), 4);
    http_reply_done(&r);
    post_signed(&bobby, "a signed retry",
                "{\"to\":\"onceonly\",\"id\":\"a-1\",\"envelope\":{\"x\":1}}", 200, NULL, &r);
    assert_int_equal(http_number(&r, "seq"), 3);
    http_reply_done(&r);
}

static void bodies_that_are_no_message_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct str body;
        int status;
        const char *code;
    } rows[] = {
        {"nothing", STR_INIT(""), 400, "bad_request"},
        {"no object", STR_INIT("[]"), 400, "bad_request"},
        {"cut", STR_INIT("{\"to\":\"alice\",\"envelope\":{}"), 400, "bad_request"},
        {"more after it", STR_INIT("{\"to\":\"alice\",\"envelope\":{}}{}"), 400, "bad_request"},
        {"no recipient", STR_INIT("{\"envelope\":{}}"), 400, "bad_request"},
        {"a number", STR_INIT("{\"to\":1,\"envelope\":{}}"), 400, "bad_request"},
        {"a bad handle", STR_INIT("{\"to\":\"Al\",\"envelope\":{}}"), 400, "bad_request"},
        {"unknown", STR_INIT("{\"to\":\"nobody1\",\"envelope\":{}}"), 404, "not_found"},
        {"no envelope", STR_INIT("{\"to\":\"alice\"}"), 400, "bad_request"},
        {"an array", STR_INIT("{\"to\":\"alice\",\"envelope\":[]}"), 400, "bad_request"},
        {"a text", STR_INIT("{\"to\":\"alice\",\"envelope\":\"{}\"}"), 400, "bad_request"},
        {"null", STR_INIT("{\"to\":\"alice\",\"envelope\":null}"), 400, "bad_request"},
        {"a recipient twice", STR_INIT("{\"to\":\"alice\",\"to\":\"alice\",\"envelope\":{}}"), 400,
         "bad_request"},
        {"an envelope twice", STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"envelope\":{}}"), 400,
         "bad_request"},
        {"an unknown member twice", STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"a\":1,\"a\":1}"),
         400, "bad_request"},
        {"an empty id", STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"id\":\"\"}"), 400,
         "bad_request"},
        {"a long id",
         STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"id\":\"0123456789012345678901234567890123456"
                  "7890123456789012345678901234\"}"),
         400, "bad_request"},
        {"a bad byte in the id", STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"id\":\"a.b\"}"), 400,
         "bad_request"},
        {"a number as id", STR_INIT("{\"to\":\"alice\",\"envelope\":{},\"id\":1}"), 400,
         "bad_request"},
        {"not UTF-8", STR_INIT("{\"to\":\"alice\",\"envelope\":{\"a\":\"\xff\"}}"), 400,
         "bad_request"},
        {"a surrogate in UTF-8",
         STR_INIT("{\"to\":\"alice\",\"envelope\":{\"a\":\"\xed\xa0\x80\"}}"), 400, "bad_request"},
        {"a control byte", STR_INIT("{\"to\":\"alice\",\"envelope\":{\"a\":\"\x01\"}}"), 400,
         "bad_request"},
        {"a byte order mark", STR_INIT("\xef\xbb\xbf{\"to\":\"alice\",\"envelope\":{}}"), 400,
         "bad_request"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_reply r;
        post(rows[i].what, rows[i].body, rows[i].status, rows[i].code, &r);
        http_reply_done(&r);
    }
}

static void an_envelope_passes_untouched(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "verbatim", 0);
    static const struct {
        const char *sent, *kept;
    } rows[] = {
        {"{\"n\":[0.10,1.0,1e400,-0,18446744073709551616,123456789012345678901234567890,1E+2]}",
         NULL},
        {"{\"b\":1,\"a\":2,\"b\":3}", NULL},
        {"{\"s\":\"\\u0000\\ud800\\/\\u00e9\\\"\\n\"}", NULL},
        {"{\"\xc3\xa9\":\"\xf0\x9f\x98\x80 \xe2\x80\xa8\"}", NULL},
        {"\t{ \"a\" :\r\n[ ] , \"b\" : { } }\n", "{\"a\":[],\"b\":{}}"},
        {"{\"seq\":99,\"type\":\"x\",\"to\":\"bobby\"}", NULL},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct http_reply r;
    for (size_t i = 0; i < ROWS; i++) {
        struct buf body;
        buf_init(&body, BODY_MAX);
        buf_putf(&body, "{\"more\":[{}],\"envelope\":%s,\"to\":\"verbatim\"}", rows[i].sent);
        post(rows[i].sent, buf_str(&body), 201, NULL, &r);
        http_reply_done(&r);
        buf_done(&body);
    }
    node_poll(node, &s, "", 0, &r);
    for (size_t i = 0; i < ROWS; i++) {
        char want[256];
        (void)snprintf(want, sizeof want,
                       "{\"seq\":%zu,\"type\":\"chatmessage.new\",\"envelope\":%s,\"created_at\":",
                       i + 1, rows[i].kept ? rows[i].kept : rows[i].sent);
        if (!has(r.body, want))
            fail_msg("%s is not in %.*s", want, STR_ARG(r.body));
    }
    http_reply_done(&r);
}

/* {"to":"alice","envelope":<envelope>} with an envelope of just so many bytes. */
static void put_sized(struct buf *body, size_t envelope_bytes, size_t space) {
    buf_clear(body);
    buf_put(body, STR("{\"to\":\"largebox\",\"envelope\":{\"a\":\""));
    for (size_t i = strlen("{\"a\":\"\"}"); i < envelope_bytes; i++)
        buf_put_byte(body, 'x');
    buf_put(body, STR("\"}"));
    for (size_t i = 0; i < space; i++)
        buf_put_byte(body, ' ');
    buf_put_byte(body, '}');
}

static void sizes_and_depths_have_limits(void **state) {
    (void)state;
    struct buf body;
    struct http_reply r;
    (void)node_newcomer(node, "largebox", 0);
    (void)node_newcomer(node, "deepbox", 0);
    buf_init(&body, BODY_MAX);
    put_sized(&body, 256 * KIB, 0);
    post("256 KiB", buf_str(&body), 201, NULL, &r);
    http_reply_done(&r);
    put_sized(&body, 256 * KIB, 512 * KIB - body.n);
    assert_int_equal(body.n, 512 * KIB);
    post("256 KiB in 512 KiB", buf_str(&body), 201, NULL, &r);
    http_reply_done(&r);
    put_sized(&body, 256 * KIB + 1, 0);
    post("a byte more", buf_str(&body), 413, "payload_too_large", &r);
    http_reply_done(&r);
    put_sized(&body, 100, 512 * KIB);
    post("a body over 512 KiB", buf_str(&body), 413, "payload_too_large", &r);
    http_reply_done(&r);

    for (int depth = 64; depth <= 65; depth++) {
        buf_clear(&body);
        buf_put(&body, STR("{\"to\":\"deepbox\",\"envelope\":{\"a\":"));
        for (int i = 2; i < depth; i++)
            buf_put_byte(&body, '[');
        for (int i = 2; i < depth; i++)
            buf_put_byte(&body, ']');
        buf_put(&body, STR("}}"));
        post("depth", buf_str(&body), depth == 64 ? 201 : 400, NULL, &r);
        http_reply_done(&r);
    }
    buf_done(&body);
}

/* ---- signed requests ---- */

static void a_signed_post_names_its_sender(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "signedto", 0), nobody, wrong = alice, old = alice;
    struct http_reply r;
    signer_init(&nobody, "nobody1");
    wrong.seed[0] ^= 1;
    old.skew_s = -70;
#define BODY "{\"to\":\"signedto\",\"id\":\"i1\",\"envelope\":{}}"
    post_signed(&alice, "signed", BODY, 201, NULL, &r);
    http_reply_done(&r);
    node_poll(node, &s, "", 0, &r);
    assert_true(has(r.body, "\"id\":\"i1\",\"from\":\"alice\",\"envelope\":{}"));
    http_reply_done(&r);
    post_signed(&alice, "no id", "{\"to\":\"signedto\",\"envelope\":{}}", 400, "bad_request", NULL);
    post_signed(&nobody, "an unknown sender", BODY, 404, "not_found", NULL);
    post_signed(&wrong, "another key", BODY, 401, "unauthorized", NULL);
    post_signed(&old, "stale", BODY, 401, "unauthorized", NULL);

    struct buf headers;
    buf_init(&headers, BODY_MAX);
    signer_put_request(&alice, &headers, "POST", NODE_SERVER, STR("/v1/messages"), STR(BODY));
    const char *auth = strstr(buf_cstr(&headers), "X-KEZ-Auth");
    const struct http_case halves[] = {
        {"a signature without a handle", "POST", "/v1/messages", auth, BODY, 400, "missing_auth"},
        {"a handle without a signature", "POST", "/v1/messages", "X-KEZ-Handle: alice\r\n", BODY,
         400, "missing_auth"},
        {"an empty signature", "POST", "/v1/messages", "X-KEZ-Handle: alice\r\nX-KEZ-Auth: \r\n",
         BODY, 400, "missing_auth"},
        {"a malformed signature", "POST", "/v1/messages",
         "X-KEZ-Handle: alice\r\nX-KEZ-Auth: 1:2\r\n", BODY, 401, "unauthorized"},
        {"a malformed handle", "POST", "/v1/messages", "X-KEZ-Handle: Al\r\nX-KEZ-Auth: 1:2\r\n",
         BODY, 400, "bad_request"},
        {"another body", "POST", "/v1/messages", buf_cstr(&headers), BODY " ", 401, "unauthorized"},
        {"another target", "POST", "/v1/messages?a", buf_cstr(&headers), BODY, 401, "unauthorized"},
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        http_expect(client, &halves[i], NULL);
    buf_clear(&headers);
    signer_put_request(&alice, &headers, "POST", "other.example", STR("/v1/messages"), STR(BODY));
    http_expect(client,
                &(struct http_case){"another server's name", "POST", "/v1/messages",
                                    buf_cstr(&headers), BODY, 401, "unauthorized"},
                NULL);
    buf_done(&headers);
#undef BODY
}

/* ---- NATS and flags ---- */

static void a_row_is_published_as_it_is_read(void **state) {
    (void)state;
    struct signer s = node_newcomer(node, "doorbell", 0);
    struct ear ear;
    struct http_reply r;
    ear_start(&ear, natsd_url(site.nats), NULL);
    ear_wait_up(&ear);
    ear_listen(&ear, "doorbell");
    (void)node_post(node, "doorbell", "b1", "{\"a\":[1,2]}");
    ear_wait_rows(&ear, 1);
    node_poll(node, &s, "", 0, &r);
    struct str row = http_member(&r, "messages");
    assert_true(str_eq(str_of(ear.last_json), (struct str){row.p + 1, row.n - 2}));
    http_reply_done(&r);
    /* A retry that stores nothing rings nobody, or rings the same row again. */
    post("a retry", STR("{\"to\":\"doorbell\",\"id\":\"b1\",\"envelope\":{\"a\":[1,2]}}"), 200,
         NULL, &r);
    http_reply_done(&r);
    struct buf envelope;
    buf_init(&envelope, BODY_MAX);
    buf_put(&envelope, STR("{\"a\":\""));
    for (int i = 0; i < 65 * KIB; i++)
        buf_put_byte(&envelope, 'x');
    buf_put(&envelope, STR("\"}"));
    assert_int_equal(node_post(node, "doorbell", NULL, buf_cstr(&envelope)), 2);
    buf_done(&envelope);
    while (ear_last_seq(&ear) < 2)
        ear_wait_rows(&ear, ear_rows(&ear) + 1);
    assert_false(ear.last_has_frame);
    ear_stop(&ear);
}

static void limits_and_refusals_can_be_switched(void **state) {
    (void)state;
    static const char *const flags[] = {"--limit-posts-signed", "2", "--require-signed-posts",
                                        "yes", NULL};
    struct node *strict = site_node(&site, flags);
    struct http_client *kept = client;
    struct http_reply r;
    client = http_client_new(node_port(strict));
    post("unsigned", STR("{\"to\":\"alice\",\"envelope\":{}}"), 400, "missing_auth", &r);
    http_reply_done(&r);
    post_signed(&bobby, "one", "{\"to\":\"alice\",\"id\":\"s1\",\"envelope\":{}}", 201, NULL, NULL);
    post_signed(&bobby, "two", "{\"to\":\"alice\",\"id\":\"s2\",\"envelope\":{}}", 201, NULL, NULL);
    post_signed(&bobby, "three", "{\"to\":\"alice\",\"id\":\"s3\",\"envelope\":{}}", 429,
                "rate_limited", &r);
    assert_true(strtoul(http_header(&r, "Retry-After").p, NULL, 10) >= 1);
    http_reply_done(&r);
    post_signed(&alice, "another", "{\"to\":\"alice\",\"id\":\"s3\",\"envelope\":{}}", 201, NULL,
                NULL);
    http_client_free(client);
    client = kept;
    node_stop(strict);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_numbered_from_one_without_a_hole),
        cmocka_unit_test(an_id_stores_once),
        cmocka_unit_test(bodies_that_are_no_message_are_refused),
        cmocka_unit_test(an_envelope_passes_untouched),
        cmocka_unit_test(sizes_and_depths_have_limits),
        cmocka_unit_test(a_signed_post_names_its_sender),
        cmocka_unit_test(a_row_is_published_as_it_is_read),
        cmocka_unit_test(limits_and_refusals_can_be_switched),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, start, stop);
}
