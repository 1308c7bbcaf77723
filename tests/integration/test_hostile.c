/* tests/integration/test_hostile.c -- requests that nobody sends in good faith, to a real node:
 * bytes on the wire that a library would not send.
 *
 * Source: protocol, section 1; RFC 9112.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TEXT_MAX = 8 << 20, MIB = 1 << 20 };

static struct site site;
static struct node *node;
static struct http_client *client;
static struct signer bobby;

static int start(void **state) {
    (void)state;
    /* A client that breaks off may be noticed only by its deadline. */
    static const char *const flags[] = {"--head-time", "5", "--body-time", "5", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, flags);
    node = site.nodes[0];
    client = http_client_new(node_port(node));
    signer_init(&bobby, "bobby");
    node_register(node, &bobby);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(client);
    site_stop(&site);
    return 0;
}

/* ---- requests ---- */

#define HOST "Host: x\r\n"
#define LAST HOST "Connection: close\r\n"
#define GET_OK "GET /v1/healthz HTTP/1.1\r\n" LAST "\r\n"
#define GOOD "{\"to\":\"bobby\",\"envelope\":{}}" /* 28 bytes */
#define POST "POST /v1/messages HTTP/1.1\r\n"

/* Where two statuses are given, one is this server's and one the library's, which answers itself
 * what it cannot read. 0: the connection ends without an answer. */
static const struct {
    const char *what;
    struct str bytes;
    int status, other;
    const char *code; /* in the body of `status`; NULL: not looked at */
} requests[] = {
#define ROW(what, bytes, status, other, code)                                                      \
    { what, STR_INIT(bytes), status, other, code }
    ROW("sound", GET_OK, 200, 200, NULL),
    ROW("absolute form", "GET http://x/v1/healthz HTTP/1.1\r\n" LAST "\r\n", 200, 200, NULL),
    ROW("absolute form of another scheme", "GET ftp://x/v1/healthz HTTP/1.1\r\n" LAST "\r\n", 400,
        400, "bad_request"),
    ROW("absolute form with a user", "GET http://u:p@x/v1/healthz HTTP/1.1\r\n" LAST "\r\n", 400,
        400, "bad_request"),
    ROW("authority form", "CONNECT x:443 HTTP/1.1\r\n" LAST "\r\n", 400, 405, NULL),
    ROW("no path", "GET v1/healthz HTTP/1.1\r\n" LAST "\r\n", 400, 400, "bad_request"),
    ROW("an asterisk", "GET * HTTP/1.1\r\n" LAST "\r\n", 400, 400, "bad_request"),
    ROW("an encoded NUL", "GET /v1/u/a%00 HTTP/1.1\r\n" LAST "\r\n", 400, 400, "bad_request"),
    ROW("an encoded slash", "GET /v1/u%2Falice HTTP/1.1\r\n" LAST "\r\n", 400, 400, "bad_request"),
    ROW("dots", "GET /v1/../v1/healthz HTTP/1.1\r\n" LAST "\r\n", 400, 400, "bad_request"),
    ROW("encoded dots", "GET /v1/%2e%2e/v1/healthz HTTP/1.1\r\n" LAST "\r\n", 400, 400,
        "bad_request"),
    ROW("dots of a file", "GET /../../etc/passwd HTTP/1.1\r\n" LAST "\r\n", 400, 400,
        "bad_request"),
    ROW("a NUL in the target", "GET /v1/u/a\0b HTTP/1.1\r\n" LAST "\r\n", 400, 0, NULL),
    ROW("a NUL in a field", "GET /v1/healthz HTTP/1.1\r\n" LAST "X-KEZ-Auth: a\0b\r\n\r\n", 400,
        200, NULL),
    ROW("a NUL in a field's name", "GET /v1/healthz HTTP/1.1\r\n" LAST "X-\0A: b\r\n\r\n", 400, 0,
        NULL),
    ROW("a folded field", "GET /v1/healthz HTTP/1.1\r\n" LAST "X-A: a\r\n b\r\n\r\n", 400, 200,
        NULL),
    ROW("a folded first field", "GET /v1/healthz HTTP/1.1\r\n X-A: a\r\n" LAST "\r\n", 400, 400,
        NULL),
    ROW("white space before a colon", "GET /v1/healthz HTTP/1.1\r\n" LAST "X-A : a\r\n\r\n", 400,
        400, NULL),
    ROW("no colon", "GET /v1/healthz HTTP/1.1\r\n" LAST "nothing\r\n\r\n", 400, 400, NULL),
    ROW("no host", "GET /v1/healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400, 400, NULL),
    ROW("two hosts", "GET /v1/healthz HTTP/1.1\r\nHost: y\r\n" LAST "\r\n", 400, 400,
        "bad_request"),
    ROW("no version", "GET /v1/healthz\r\n\r\n", 400, 0, NULL),
    ROW("another version", "GET /v1/healthz HTTP/3.0\r\n" LAST "\r\n", 400, 505, NULL),
    ROW("another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, 0, NULL),
    ROW("an unknown method", "BREW /v1/healthz HTTP/1.1\r\n" LAST "\r\n", 405, 405,
        "method_not_allowed"),
    ROW("TRACE", "TRACE /v1/healthz HTTP/1.1\r\n" LAST "\r\n", 405, 405, "method_not_allowed"),
    ROW("a method in lower case", "get /v1/healthz HTTP/1.1\r\n" LAST "\r\n", 405, 405,
        "method_not_allowed"),
    ROW("two signatures",
        "GET /v1/inbox/bobby HTTP/1.1\r\n" LAST "X-KEZ-Auth: 1:a\r\nX-KEZ-Auth: 1:a\r\n\r\n", 400,
        400, "bad_request"),
    ROW("a limit twice",
        "GET /.well-known/webfinger?resource=acct:a@b&resource=acct:a@b HTTP/1.1\r\n" LAST "\r\n",
        400, 400, "bad_request"),
    ROW("a limit twice, once encoded",
        "GET /.well-known/webfinger?resource=acct:a@b&%72esource=acct:a@b HTTP/1.1\r\n" LAST "\r\n",
        400, 400, "bad_request"),
    ROW("something else is expected",
        POST LAST "Expect: the-inquisition\r\nContent-Length: 28\r\n\r\n" GOOD, 201, 417, NULL),
    ROW("100 is expected", POST LAST "Expect: 100-continue\r\nContent-Length: 28\r\n\r\n" GOOD, 100,
        201, NULL),
    /* bodies */
    ROW("a sound body", POST LAST "Content-Length: 28\r\n\r\n" GOOD, 201, 201, NULL),
    ROW("sound chunks",
        POST LAST "Transfer-Encoding: chunked\r\n\r\n1c\r\n" GOOD "\r\n0\r\nX: y\r\n\r\n", 201, 201,
        NULL),
    ROW("a chunk with an extension", /* which libmicrohttpd 1.0 takes for none */
        POST LAST "Transfer-Encoding: chunked\r\n\r\n1c;x=y\r\n" GOOD "\r\n0\r\n\r\n", 201, 400,
        NULL),
    ROW("nothing", POST LAST "Content-Length: 0\r\n\r\n", 400, 400, "bad_request"),
    ROW("no length at all", POST LAST "\r\n", 400, 400, "bad_request"),
    ROW("a length twice", POST LAST "Content-Length: 28\r\nContent-Length: 28\r\n\r\n" GOOD, 400,
        400, NULL),
    ROW("two lengths", POST LAST "Content-Length: 28\r\nContent-Length: 2\r\n\r\n" GOOD, 400, 400,
        NULL),
    ROW("a list of lengths", POST LAST "Content-Length: 28, 28\r\n\r\n" GOOD, 400, 400, NULL),
    ROW("a length and chunks",
        POST LAST "Content-Length: 28\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n" GOOD
                  "\r\n0\r\n\r\n",
        400, 400, NULL),
    ROW("a negative length", POST LAST "Content-Length: -1\r\n\r\n", 400, 400, NULL),
    ROW("a length with a sign", POST LAST "Content-Length: +28\r\n\r\n" GOOD, 400, 400, NULL),
    ROW("a length beyond numbers", POST LAST "Content-Length: 99999999999999999999\r\n\r\n", 413,
        400, NULL),
    ROW("a length over the limit", POST LAST "Content-Length: 524289\r\n\r\n", 413, 413,
        "payload_too_large"),
    ROW("another coding", POST LAST "Transfer-Encoding: gzip\r\n\r\n" GOOD, 400, 501, NULL),
    ROW("two codings", POST LAST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, 501,
        NULL),
    ROW("chunks of HTTP/1.0",
        "POST /v1/messages HTTP/1.0\r\n" LAST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
        400, NULL),
    ROW("a chunk's size is no number",
        POST LAST "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400, 0, NULL),
    ROW("a chunk's size is negative",
        POST LAST "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", 400, 0, NULL),
    ROW("a chunk is longer than it says",
        POST LAST "Transfer-Encoding: chunked\r\n\r\n2\r\n" GOOD "\r\n0\r\n\r\n", 400, 0, NULL),
    ROW("a chunk's size is beyond numbers",
        POST LAST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400,
        413, NULL),
    ROW("the body breaks off", POST LAST "Content-Length: 100\r\n\r\n" GOOD, 0, 400, NULL),
    ROW("chunks break off", POST LAST "Transfer-Encoding: chunked\r\n\r\n1c\r\n" GOOD, 0, 400,
        NULL),
    ROW("a chunk breaks off", POST LAST "Transfer-Encoding: chunked\r\n\r\nffff\r\n" GOOD, 0, 400,
        NULL),
};

/* All that comes back until the server closes; false when it does not within HTTP_WAIT_MS. ends:
 * the client says no more after this. */
static bool exchange(struct str bytes, bool ends, struct buf *out) {
    int fd = http_connect(node_port(node), 0);
    char piece[4096];
    ssize_t n = 0;
    assert_true(fd >= 0);
    buf_init(out, TEXT_MAX);
    while (bytes.n > 0 && (n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL)) > 0)
        bytes = str_from(bytes, (size_t)n);
    if (ends)
        (void)shutdown(fd, SHUT_WR);
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
        buf_put(out, (struct str){piece, (size_t)n});
    bool is_closed = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    close(fd);
    return is_closed;
}

static int status_in(struct str answer) {
    return str_starts_with(answer, STR("HTTP/1.1 ")) ? atoi(answer.p + 9) : 0;
}

static void each_request_is_answered_and_ends_the_connection(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct buf out;
        bool ends = requests[i].status == 0;
        if (!exchange(requests[i].bytes, ends, &out))
            fail_msg("%s: the connection stays", requests[i].what);
        int status = status_in(buf_str(&out));
        if (status != requests[i].status && status != requests[i].other)
            fail_msg("%s: %d %s", requests[i].what, status, buf_cstr(&out));
        if (status == requests[i].status && requests[i].code &&
            !strstr(buf_cstr(&out), requests[i].code))
            fail_msg("%s: %s", requests[i].what, buf_cstr(&out));
        if (status == 405 && !strstr(buf_cstr(&out), "\r\nAllow: GET, HEAD, OPTIONS\r\n"))
            fail_msg("%s: %s", requests[i].what, buf_cstr(&out));
        buf_done(&out);
    }
}

/* ---- what is long ---- */

/* A request whose `what` is of n bytes. */
static void put_long(struct buf *out, const char *what, size_t n) {
    buf_clear(out);
    buf_put(out, STR("GET /v1/u/"));
    for (size_t i = 10; *what == 't' && i < n + 4; i++)
        buf_put_byte(out, 'a');
    buf_put(out, STR(" HTTP/1.1\r\n" LAST));
    if (*what == 'f')
        buf_put(out, STR("X-Long: "));
    for (size_t i = 8; *what == 'f' && i < n; i++)
        buf_put_byte(out, 'a');
    for (size_t i = 0; *what == 'm' && i < n; i += 9)
        buf_put(out, STR("X-A: bc\r\n"));
    buf_put(out, STR("\r\n\r\n"));
    assert_int_equal(buf_rc(out), RC_OK);
}

static void what_is_too_long_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        size_t n;
        int status, other;
    } rows[] = {
        {"target at the limit", 2048, 400, 400}, /* no handle is so long */
        {"target over it", 2049, 400, 400},      {"target of 12 KiB", 12 * 1024, 400, 400},
        {"target of 1 MiB", MIB, 414, 431},      {"field of 8 KiB", 8 * 1024, 400, 400},
        {"field of 1 MiB", MIB, 431, 413},       {"many fields of 1 MiB together", MIB, 431, 413},
    };
    struct buf request;
    buf_init(&request, TEXT_MAX);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        put_long(&request, rows[i].what, rows[i].n);
        if (!exchange(buf_str(&request), false, &out))
            fail_msg("%s: the connection stays", rows[i].what);
        int status = status_in(buf_str(&out));
        if (status != rows[i].status && status != rows[i].other)
            fail_msg("%s: %d %s", rows[i].what, status, buf_cstr(&out));
        buf_done(&out);
    }
    buf_done(&request);
}

/* It would go on for ever, so the server ends it; and nothing of it is stored. */
static void a_body_that_does_not_end_ends_the_connection(void **state) {
    (void)state;
    static char chunk[64 * 1024];
    char size[24];
    int fd = http_connect(node_port(node), 0);
    size_t sent = 0;
    assert_true(fd >= 0);
    memset(chunk, ' ', sizeof chunk);
    (void)snprintf(size, sizeof size, "%zx\r\n", sizeof chunk);
    static const char head[] = POST LAST "Transfer-Encoding: chunked\r\n\r\n";
    assert_true(send(fd, head, sizeof head - 1, MSG_NOSIGNAL) > 0);
    while (sent < 64 * (size_t)MIB && send(fd, size, strlen(size), MSG_NOSIGNAL) > 0 &&
           send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) > 0 && send(fd, "\r\n", 2, MSG_NOSIGNAL) > 0)
        sent += sizeof chunk;
    close(fd);
    assert_true(sent < 64 * (size_t)MIB);
}

static void a_body_of_a_million_levels_is_refused(void **state) {
    (void)state;
    enum { DEEP = 200 * 1000 }; /* in 512 KiB there is room for so many */
    struct buf body;
    struct http_reply r;
    buf_init(&body, TEXT_MAX);
    buf_put(&body, STR("{\"to\":\"bobby\",\"envelope\":{\"a\":"));
    for (int i = 0; i < DEEP; i++)
        buf_put_byte(&body, '[');
    for (int i = 0; i < DEEP; i++)
        buf_put_byte(&body, ']');
    buf_put(&body, STR("}}"));
    http_ask(client, "POST", STR("/v1/messages"), STR(""), buf_str(&body), &r);
    assert_int_equal(r.status, 400);
    assert_string_equal(http_text(&r, "code"), "bad_request");
    http_reply_done(&r);
    buf_clear(&body);
    for (int i = 0; i < MIB; i++) /* and a million are over the limit of bytes */
        buf_put_byte(&body, '[');
    http_ask(client, "POST", STR("/v1/messages"), STR(""), buf_str(&body), &r);
    assert_int_equal(r.status, 413);
    http_reply_done(&r);
    buf_done(&body);
}

/* ---- one after the other without waiting ---- */

static void pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    static const char all[] =
        "GET /v1/u/bobby HTTP/1.1\r\n" HOST "\r\n" POST HOST "Content-Length: 28\r\n\r\n" GOOD
        "HEAD /v1/u/bobby HTTP/1.1\r\n" HOST "\r\n"
        "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n" POST HOST
        "Transfer-Encoding: chunked\r\n\r\n1c\r\n" GOOD "\r\n0\r\n\r\n"
        "BREW /v1/u/bobby HTTP/1.1\r\n" HOST "\r\n"
        "OPTIONS /v1/u/bobby HTTP/1.1\r\n" LAST "\r\n";
    static const int want[] = {200, 201, 200, 404, 201, 405, 204};
    struct buf out;
    assert_true(exchange((struct str){all, sizeof all - 1}, false, &out));
    const char *at = buf_cstr(&out);
    for (size_t i = 0; i < COUNT(want); i++, at += 9) {
        at = strstr(at, "HTTP/1.1 ");
        assert_non_null(at);
        if (atoi(at + 9) != want[i])
            fail_msg("answer %zu: %.20s", i, at);
    }
    assert_null(strstr(at, "HTTP/1.1 "));
    buf_done(&out);
}

/* After all that: it serves, and it has told of no fault of its own. */
static void the_node_is_none_the_worse(void **state) {
    (void)state;
    struct buf out;
    assert_true(exchange(STR(GET_OK), false, &out));
    assert_int_equal(status_in(buf_str(&out)), 200);
    buf_done(&out);
    assert_true(node_metric_becomes(node, "kez_streams", 0));
    assert_true(node_metric(node, "kez_requests_failed_total") < 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_answered_and_ends_the_connection),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_body_that_does_not_end_ends_the_connection),
        cmocka_unit_test(a_body_of_a_million_levels_is_refused),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(the_node_is_none_the_worse),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
