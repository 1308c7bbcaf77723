/* tests/http/test_headers.c -- the security header fields: on every answer of every listener,
 * whatever it says. (What libmicrohttpd answers itself has none, and nothing of the client's
 * either: test_framing.c.)
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#define API "default-src 'none'; frame-ancestors 'none'"
#define TAG "W/\"no-such-tag\""

enum where { PUBLIC, ADMIN };

static const struct {
    enum where where;
    int status;
    const char *request;
    bool is_page; /* of the web client: its policy lets scripts of its own run */
} rows[] = {
    {PUBLIC, 200, "GET /v1/healthz HTTP/1.1\r\n" END, false},
    {PUBLIC, 200, "HEAD /v1/healthz HTTP/1.1\r\n" END, false},
    {PUBLIC, 200, "GET /openapi.yaml HTTP/1.1\r\n" END, false},
    {PUBLIC, 200, "POST /v1/messages HTTP/1.1\r\nContent-Length: 1\r\n" END "a", false},
    {PUBLIC, 200, "GET /v1/inbox/alice/stream HTTP/1.1\r\n" END, false},
    {PUBLIC, 200, "GET /v1/events HTTP/1.1\r\n" END, false},
    {PUBLIC, 204, "OPTIONS /v1/messages HTTP/1.1\r\n" END, false},
    {PUBLIC, 204, "OPTIONS * HTTP/1.1\r\n" END, false},
    {PUBLIC, 400, "GET /v1/u/%00 HTTP/1.1\r\n" END, false},
    {PUBLIC, 400, "GET /%00 HTTP/1.1\r\n" END, false},
    {PUBLIC, 400, "GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: a\r\nX-KEZ-Auth: b\r\n" END, false},
    {PUBLIC, 401, "GET /v1/u/secret HTTP/1.1\r\n" END, false},
    {PUBLIC, 404, "GET /v1/nothing HTTP/1.1\r\n" END, false},
    {PUBLIC, 404, "GET /nothing.js HTTP/1.1\r\n" END, false},
    {PUBLIC, 405, "GET /v1/messages HTTP/1.1\r\n" END, false},
    {PUBLIC, 405, "HEAD /v1/events HTTP/1.1\r\n" END, false},
    {PUBLIC, 413, "POST /v1/messages HTTP/1.1\r\nContent-Length: 600000\r\n" END, false},
    {PUBLIC, 429, "GET /v1/u/limited HTTP/1.1\r\n" END, false},
    {PUBLIC, 503, "GET /v1/u/busy HTTP/1.1\r\n" END, false},
    {PUBLIC, 200, "GET / HTTP/1.1\r\n" END, true},
    {PUBLIC, 200, "HEAD / HTTP/1.1\r\n" END, true},
    {PUBLIC, 200, "GET /a/route/of/the/client HTTP/1.1\r\n" END, true},
    {PUBLIC, 200, "GET /index.html HTTP/1.1\r\nIf-None-Match: " TAG "\r\n" END, true},
    {PUBLIC, 304, "GET /index.html HTTP/1.1\r\nIf-None-Match: *\r\n" END, true},
    {PUBLIC, 204, "OPTIONS / HTTP/1.1\r\n" END, false},
    {PUBLIC, 405, "POST /index.html HTTP/1.1\r\nContent-Length: 0\r\n" END, false},
    {ADMIN, 200, "GET /livez HTTP/1.1\r\n" END, false},
    {ADMIN, 200, "GET /metrics HTTP/1.1\r\n" END, false},
    {ADMIN, 204, "OPTIONS /v1/handles/alice HTTP/1.1\r\n" END, false},
    {ADMIN, 404, "GET / HTTP/1.1\r\n" END, false},
    {ADMIN, 405, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n" END, false},
};

static void hold_all(const struct answer *a, const char *request, bool is_page) {
    hold_header(a, "X-Content-Type-Options: nosniff", request);
    hold_header(a, "Referrer-Policy: no-referrer", request);
    hold_header(a, "Access-Control-Allow-Credentials:", request);
    hold_header(a, "Server:", request);
    hold_header(a, is_page ? "Cache-Control: no-cache" : "Cache-Control: no-store", request);
    if (!is_page) {
        hold_header(a, "Content-Security-Policy: " API, request);
        return;
    }
    hold_header(a, "Access-Control-Allow-Origin:", request);
    const char *policy = header(a, "Content-Security-Policy");
    static const char *const wants[] = {"default-src 'none'; ",   "script-src 'self'; ",
                                        "base-uri 'none'; ",      "form-action 'self'; ",
                                        "frame-ancestors 'none'", NULL};
    for (size_t i = 0; wants[i]; i++)
        if (!policy || !strstr(policy, wants[i]) || strstr(policy, "unsafe"))
            fail_msg("%s: Content-Security-Policy: %s", request, policy ? policy : "(none)");
}

static struct rig *start_with_site(void) {
    struct rig *rig = rig_new();
    char path[512];
    const char *dir = proc_temp_dir(NULL);
    (void)snprintf(path, sizeof path, "%s/index.html", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs("<p>web client</p>", f) >= 0);
    assert_int_equal(fclose(f), 0);
    rig->config.web_dir = dir;
    rig_start(rig);
    return rig;
}

static void every_answer_has_them(void **state) {
    (void)state;
    struct rig *rig = start_with_site();
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint16_t port = rows[i].where == ADMIN ? rig->admin_port : rig->port;
        struct answer a = ask(port, rows[i].request);
        if (a.status != rows[i].status)
            fail_msg("%s: %d", rows[i].request, a.status);
        hold_all(&a, rows[i].request, rows[i].is_page);
        forget(&a);
    }
    rig_stop(rig);
}

/* The plain page, where there is no web client. */
static void the_plain_page_has_them(void **state) {
    struct rig *rig = *state;
    struct answer a = ask(rig->port, "GET / HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    hold_all(&a, "the plain page", true);
    forget(&a);
}

/* Nobody but a page of the server itself may ask there by a script: no answer says that others may,
 * and no preflight lets a method pass. */
static void the_admin_listener_lets_no_other_page_ask(void **state) {
    struct rig *rig = *state;
    static const char *const asked[] = {
        "GET /metrics HTTP/1.1\r\nOrigin: http://a.example\r\n" END,
        "GET /v1/handles/alice HTTP/1.1\r\nOrigin: http://a.example\r\n" END,
        "OPTIONS /v1/handles/alice HTTP/1.1\r\nOrigin: http://a.example\r\n"
        "Access-Control-Request-Method: DELETE\r\n" END,
        "OPTIONS /v1/handles/alice/block HTTP/1.1\r\nOrigin: http://a.example\r\n"
        "Access-Control-Request-Method: PUT\r\n" END,
        "OPTIONS * HTTP/1.1\r\nOrigin: http://a.example\r\n" END,
        "GET /%00 HTTP/1.1\r\nOrigin: http://a.example\r\n" END,
    };
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct answer a = ask(rig->admin_port, asked[i]);
        hold_header(&a, "Access-Control-Allow-Origin:", asked[i]);
        hold_header(&a, "Access-Control-Allow-Methods:", asked[i]);
        hold_header(&a, "Access-Control-Allow-Headers:", asked[i]);
        forget(&a);
    }
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_has_them),
        RIG_TEST(the_plain_page_has_them),
        RIG_TEST(the_admin_listener_lets_no_other_page_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
