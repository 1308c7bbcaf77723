/* tests/http/test_server.c -- raw requests against a started server, and what comes back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#define HOST "Host: x\r\n"
#define END "Host: x\r\nConnection: close\r\n\r\n"

/* ---- a table of requests ---- */

static const struct {
    const char *request;
    int status;
    const char *body; /* a part of it; NULL: nothing is asked */
    const char
        *header; /* "Name: value", or "Name:" for one that must not be there; NULL: nothing */
} rows[] = {
    {"GET /v1/healthz HTTP/1.1\r\n" END, 200, "{\"status\":\"ok\",\"server\":\"kez.example\"}",
     "Content-Type: application/json"},
    {"HEAD /v1/healthz HTTP/1.1\r\n" END, 200, NULL, "Content-Length: 38"},
    {"GET /v1/healthz HTTP/1.0\r\n\r\n", 200, "ok", "Connection: close"},
    {"GET http://kez.example/v1/healthz HTTP/1.1\r\n" END, 200, "ok", NULL},
    {"GET /v1/healthz?x=%31 HTTP/1.1\r\n" END, 200, "ok", NULL},

    /* what the stories are given */
    {"GET /v1/u/al%69ce?a=b%20c HTTP/1.1\r\n" END, 200, "arg=[alice]\nraw=[/v1/u/al%69ce?a=b%20c]",
     NULL},
    {"GET http://kez.example/v1/u/alice?x HTTP/1.1\r\n" END, 200, "raw=[/v1/u/alice?x]\n", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, "auth=absent\nhandle=absent\nkey=absent\nlast=absent",
     NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth:\r\nX-KEZ-Handle: \r\n" END, 200,
     "auth=[]\nhandle=[]\nkey=absent", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nx-kez-auth:  1:ab \t\r\nx-public-key: k\r\nLAST-EVENT-ID: "
     "9\r\n" END,
     200, "auth=[1:ab]\nhandle=absent\nkey=[k]\nlast=[9]", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, "exempt=1", NULL},
    {"HEAD /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "Content-Type: text/plain"},
    {"DELETE /v1/inbox/alice?upto=1 HTTP/1.1\r\nContent-Length: 3\r\n" END "abc", 200,
     "story=flow_inbox_trim", NULL},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 3\r\n" END "abc", 200, "body=3:193485963\n",
     NULL},
    {"POST /v1/messages HTTP/1.1\r\n" END, 200, "body=0:5381\n", NULL},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 000\r\n" END, 200, "body=0:5381\n", NULL},
    {"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
     "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
     200, "body=3:193485963\n", NULL},
    {"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n" END "0\r\nTrailer: x\r\n\r\n",
     200, "body=0:5381\n", NULL},

    /* targets that are refused; the answer is for other origins, too */
    {"GET /v1/u/%00 HTTP/1.1\r\n" END, 400, "\"code\":\"bad_request\"",
     "Access-Control-Allow-Origin: *"},
    {"GET /v1/u/a%00lice HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/alice?x=%00 HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/a%2Fb HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/a%2fb HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/./healthz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/x/../healthz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/x/%2e%2E/healthz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/%zz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/% HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/\"a\" HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/u/al\xc3\xa4 HTTP/1.1\r\n" END, 400, "bad_request",
     "Content-Type: application/problem+json"},
    {"GET /v1/u/a|b HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET /v1/healthz#x HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET v1/healthz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET ftp://x/v1/healthz HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"GET * HTTP/1.1\r\n" END, 400, "bad_request", NULL},
    {"POST /v1/u/%00 HTTP/1.1\r\nContent-Length: 3\r\n" END "abc", 400, "bad_request", NULL},

    /* paths and methods */
    {"GET /v1/nothing HTTP/1.1\r\n" END, 404, "\"code\":\"not_found\"",
     "Access-Control-Allow-Origin: *"},
    {"GET /v1 HTTP/1.1\r\n" END, 404, "not_found", "Access-Control-Allow-Origin: *"},
    {"GET /.well-known/nothing HTTP/1.1\r\n" END, 404, "not_found",
     "Access-Control-Allow-Origin: *"},
    {"GET /v1/a/b/c/d/e/f/g/h/i HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"GET /nothing.js HTTP/1.1\r\n" END, 404, "not_found", "Access-Control-Allow-Origin:"},
    {"GET /nothing HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"GET /metrics HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"GET /v1/messages HTTP/1.1\r\n" END, 405, "\"code\":\"method_not_allowed\"",
     "Allow: POST, OPTIONS"},
    {"GET /v1/messages HTTP/1.1\r\n" END, 405, NULL, "Access-Control-Allow-Origin: *"},
    {"POST /v1/healthz HTTP/1.1\r\nContent-Length: 3\r\n" END "abc", 405, "method_not_allowed",
     "Allow: GET, HEAD, OPTIONS"},
    {"PATCH /v1/inbox/alice HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, "method_not_allowed",
     "Allow: GET, HEAD, DELETE, OPTIONS"},
    {"HEAD /v1/inbox/alice/stream HTTP/1.1\r\n" END, 405, NULL, "Allow: GET, OPTIONS"},
    {"TRACE /v1/healthz HTTP/1.1\r\n" END, 405, "method_not_allowed", NULL},
    {"BREW /v1/healthz HTTP/1.1\r\n" END, 405, "method_not_allowed", NULL},
    {"DELETE /nothing.js HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"POST / HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, NULL, "Allow: GET, HEAD, OPTIONS"},

    /* preflights */
    {"OPTIONS /v1/messages HTTP/1.1\r\nOrigin: http://a\r\nAccess-Control-Request-Method: "
     "POST\r\n" END,
     204, "", "Allow: POST, OPTIONS"},
    {"OPTIONS /v1/messages HTTP/1.1\r\n" END, 204, "", "Access-Control-Allow-Origin: *"},
    {"OPTIONS /v1/messages HTTP/1.1\r\n" END, 204, "",
     "Access-Control-Allow-Methods: POST, OPTIONS"},
    {"OPTIONS /v1/messages HTTP/1.1\r\n" END, 204, "",
     "Access-Control-Allow-Headers: X-KEZ-Auth, X-KEZ-Handle, X-Public-Key, Last-Event-ID, "
     "Content-Type, Authorization"},
    {"OPTIONS /v1/messages HTTP/1.1\r\n" END, 204, "", "Access-Control-Max-Age: 7200"},
    {"OPTIONS /v1/messages HTTP/1.1\r\n" END, 204, "", "Access-Control-Allow-Credentials:"},
    {"OPTIONS /v1/inbox/alice/stream HTTP/1.1\r\n" END, 204, "", "Allow: GET, OPTIONS"},
    {"OPTIONS /v1/nothing HTTP/1.1\r\n" END, 404, "not_found", "Access-Control-Allow-Origin: *"},
    {"OPTIONS /nothing.js HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"OPTIONS / HTTP/1.1\r\n" END, 204, "", "Allow: GET, HEAD, OPTIONS"},
    {"OPTIONS / HTTP/1.1\r\n" END, 204, "", "Access-Control-Allow-Methods: GET, HEAD, OPTIONS"},
    {"OPTIONS / HTTP/1.1\r\n" END, 204, "", "Access-Control-Allow-Origin: *"},
    {"GET / HTTP/1.1\r\n" END, 200, NULL, "Access-Control-Allow-Origin:"},
    {"OPTIONS * HTTP/1.1\r\n" END, 204, "", "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},

    /* fields that matter, twice */
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: a\r\nX-KEZ-Auth: a\r\n" END, 400, "X-KEZ-Auth once",
     NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth:\r\nx-kez-auth: a\r\n" END, 400, "X-KEZ-Auth once",
     NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Handle: a\r\nX-KEZ-Handle: b\r\n" END, 400,
     "X-KEZ-Handle once", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Public-Key: a\r\nX-Public-Key: b\r\n" END, 400,
     "X-Public-Key once", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nLast-Event-ID: 1\r\nLast-Event-ID: 2\r\n" END, 400,
     "Last-Event-ID once", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n" END, 400,
     "Authorization once", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nAuthorization: Bearer a\r\n" END, 200, "bearer=[Bearer a]", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Other: a\r\nX-Other: b\r\n" END, 200, "flow_user", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nHost: y\r\n" END, 400, "Host once", NULL},
    {"GET /v1/nothing HTTP/1.1\r\nX-KEZ-Auth: a\r\nX-KEZ-Auth: a\r\n" END, 404, "not_found", NULL},

    /* where the body ends must be plain */
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n" END
     "0\r\n\r\n",
     400, "bad_request", "Connection: close"},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n" END "abc", 400,
     "bad_request", "Connection: close"},
    {"POST /v1/messages HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "bad_request", NULL},

    /* fields that are not what they seem, and what they would hide */
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth : a\r\n" END, 400, "header field is malformed",
     "Connection: close"},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth\t: a\r\n" END, 400, "header field is malformed", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n X-KEZ-Auth: a\r\n" END, 400, "header field is malformed", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Oth(r: a\r\n" END, 400, "header field is malformed", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: \t a \t \r\n" END, 200, "auth=[a]", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Empty:\r\nX-KEZ-Auth:a\r\n" END, 200, "auth=[a]", NULL},
    {"GET /v1/u/alice HTTP/1.1\nX-KEZ-Auth: a\nHost: x\nConnection: close\n\n", 200, "auth=[a]",
     NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, "auth=absent", "Connection: close"},

    /* who is in the way says so */
    {"GET /v1/u/busy HTTP/1.1\r\n" END, 503, "\"code\":\"unavailable\"", "Retry-After: 2"},
    {"GET /v1/u/limited HTTP/1.1\r\n" END, 429, "limited for 17 s", "Retry-After: 17"},
    {"GET /v1/u/limited HTTP/1.1\r\n" END, 429, "\"code\":\"rate_limited\"",
     "Access-Control-Expose-Headers: Retry-After, Allow, RateLimit-Limit, RateLimit-Remaining, "
     "RateLimit-Reset"},
    {"GET /v1/u/limited HTTP/1.1\r\n" END, 429, NULL, "RateLimit-Limit: 60"},
    {"GET /v1/u/limited HTTP/1.1\r\n" END, 429, NULL, "RateLimit-Remaining: 0"},
    {"GET /v1/u/limited HTTP/1.1\r\n" END, 429, NULL, "RateLimit-Reset: 17"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "RateLimit-Limit:"},
    {"GET /v1/u/secret HTTP/1.1\r\n" END, 401, NULL, "WWW-Authenticate: Bearer realm=\"x\""},
    {"GET /v1/u/unsigned HTTP/1.1\r\n" END, 401, "unauthorized", "WWW-Authenticate: KEZ-Ed25519"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "WWW-Authenticate:"},

    /* every answer */
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "X-Content-Type-Options: nosniff"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "Referrer-Policy: no-referrer"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "Cache-Control: no-store"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL,
     "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'"},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, "Server:"},
    {"GET /nothing.js HTTP/1.1\r\n" END, 404, NULL, "X-Content-Type-Options: nosniff"},

    /* the plain page, and the document */
    {"GET / HTTP/1.1\r\n" END, 200, "kez-chat home server",
     "Content-Type: text/html; charset=utf-8"},
    {"GET /openapi.yaml HTTP/1.1\r\n" END, 200, "openapi: 3.1", "Content-Type: application/yaml"},
    {"GET /openapi.yaml HTTP/1.1\r\n" END, 200, "/v1/inbox/{handle}/stream", NULL},
};

static void hold_header(const struct answer *a, const char *want, const char *request) {
    char name[64];
    size_t n = strcspn(want, ":");
    assert_true(n < sizeof name);
    memcpy(name, want, n);
    name[n] = '\0';
    const char *value = header(a, name);
    const char *wanted = want[n + 1] ? want + n + 2 : NULL;
    if ((value == NULL) != (wanted == NULL) || (value && strcmp(value, wanted) != 0))
        fail_msg("%s: wanted %s, found %s", request, want, value ? value : "nothing");
}

static void each_request_gets_its_answer(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer a = ask(rig->port, rows[i].request);
        if (a.status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].request, a.status, a.body);
        if (rows[i].body && !strstr(a.body, rows[i].body))
            fail_msg("%s: %s", rows[i].request, a.body);
        if (rows[i].header)
            hold_header(&a, rows[i].header, rows[i].request);
        forget(&a);
    }
}

/* ---- the framing that libmicrohttpd refuses itself ---- */

static const char *const junk[] = {
    "\r\n\r\n\r\nnonsense\r\n\r\n",
    "GET /v1/healthz\r\n\r\n",
    "GET /v1/healthz HTTP/3.0\r\n" END,
    "GET /v1/healthz HTTP/1.1\r\nno colon\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: -1\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: 3x\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" END,
    "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" END "abc",
    "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "zz\r\nabc\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
};

static void junk_is_refused_and_the_connection_ends(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(junk); i++) {
        struct answer a;
        int fd = dial(rig->port);
        assert_true(say(fd, junk[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        if (hear(fd, false, &a)) {
            if (a.status < 400 || a.status > 505)
                fail_msg("%s: %d", junk[i], a.status);
            forget(&a);
        }
        assert_true(is_over(fd));
        close(fd);
    }
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
}

/* NUL bytes cannot stand in the table. */
static void a_nul_in_the_target_is_refused(void **state) {
    struct rig *rig = *state;
    static const char request[] = "GET /v1/u/alice\0 HTTP/1.1\r\n" END;
    struct answer a;
    int fd = dial(rig->port);
    assert_true(say_bytes(fd, request, sizeof request - 1));
    if (hear(fd, false, &a)) {
        assert_int_equal(a.status, 400);
        forget(&a);
    }
    close(fd);
}

/* Each hides from somebody where the body ends. It is refused, and what follows is never taken for
 * another request; or, where the library reads a folded line as a whole, it is understood. */
static void what_hides_a_length_ends_the_connection(void **state) {
    struct rig *rig = *state;
#define POST "POST /v1/messages HTTP/1.1\r\n"
#define REST "Host: x\r\n\r\nGET /v1/u/smuggled HTTP/1.1\r\n" END
    static const struct {
        struct str request;
        const char *understood; /* NULL: cannot be */
    } hiding[] = {
        {STR_INIT(POST "Content-Length : 3\r\n" REST), NULL},
        {STR_INIT(POST " Content-Length: 3\r\n" REST), NULL},
        {STR_INIT(POST "X: a\r\nContent-Length\t: 3\r\n" REST), NULL},
        {STR_INIT(POST "X: a\r\nContent-Length\r\n : 3\r\n" REST), NULL},
        {STR_INIT(POST "Content-Length:\r\n 3\r\n" REST), "body=3:"},
        {STR_INIT(POST "X: a\r\nContent-Length:\r\n\t3\r\n" REST), "body=3:"},
        {STR_INIT(POST "Transfer-Encoding:\r\n chunked\r\nHost: x\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
         "body=3:"},
        {STR_INIT(POST "Content-Length: 0\0003\r\n" REST), NULL},
        {STR_INIT(POST "Content\0-Length: 3\r\n" REST), NULL},
    };
#undef POST
#undef REST
    for (size_t i = 0; i < COUNT(hiding); i++) {
        struct answer a = {.status = 0};
        int fd = dial(rig->port);
        assert_true(say_bytes(fd, hiding[i].request.p, hiding[i].request.n));
        bool is_answered = hear(fd, false, &a);
        bool is_understood = is_answered && a.status == 200 && hiding[i].understood &&
                             strstr(a.body, hiding[i].understood);
        if (is_answered && a.status != 400 && !is_understood)
            fail_msg("row %zu: %d %s", i, a.status, a.body);
        forget(&a);
        if (!is_understood && hear(fd, false, &a))
            fail_msg("row %zu: what was hidden is answered: %d %s", i, a.status, a.body);
        close(fd);
    }
}

/* A NUL in any field: refused, unless a library that does so itself has put a blank there. */
static void a_nul_in_a_field_is_no_end_of_it(void **state) {
    struct rig *rig = *state;
    static const struct str nuls[] = {
        STR_INIT("GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: a\0b\r\n" END),
        STR_INIT("GET /v1/u/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-KEZ-Auth: "
                 "a\0b\r\n\r\n"),
    };
    for (size_t i = 0; i < COUNT(nuls); i++) {
        struct answer a;
        int fd = dial(rig->port);
        assert_true(say_bytes(fd, nuls[i].p, nuls[i].n));
        if (hear(fd, false, &a)) {
            if (a.status != 400 && strstr(a.body, "auth=[a]"))
                fail_msg("row %zu: %d %s", i, a.status, a.body);
            forget(&a);
        }
        close(fd);
    }
}

/* RFC 9112, 5.2: a folded line is refused, or its fold is a blank; never lost. */
static void a_folded_field_is_refused_or_whole(void **state) {
    struct rig *rig = *state;
    static const char *const folded[] = {
        "GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: a\r\n b\r\n" END,
        "GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth:\r\n\ta\r\n" END,
        "GET /v1/u/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-KEZ-Auth: a\r\n b\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT(folded); i++) {
        struct answer a = ask(rig->port, folded[i]);
        if (a.status != 400 && strstr(a.body, "auth=absent"))
            fail_msg("row %zu: %d %s", i, a.status, a.body);
        forget(&a);
    }
}

static void a_request_without_host_is_refused(void **state) {
    struct rig *rig = *state;
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_int_equal(a.status, 400);
    forget(&a);
}

static void a_long_target_is_refused(void **state) {
    struct rig *rig = *state;
    char request[4096];
    for (int n = TARGET_MAX_BYTES - 1; n <= TARGET_MAX_BYTES + 1; n++) {
        memset(request, 'a', sizeof request);
        memcpy(request, "GET /v1/u/", 10);
        memcpy(request + 4 + n, " HTTP/1.1\r\n" END, sizeof " HTTP/1.1\r\n" END);
        struct answer a = ask(rig->port, request);
        assert_int_equal(a.status, n > TARGET_MAX_BYTES ? 400 : 200);
        forget(&a);
    }
}

/* Up to the limit it is answered, far beyond it is refused; in between libmicrohttpd may find no
 * room for an answer and ends the connection. */
static void a_large_head_is_answered_or_refused(void **state) {
    struct rig *rig = *state;
    size_t limit = rig->config.head_max_bytes;
    char *request = malloc(4 * limit);
    assert_non_null(request);
    for (size_t n = limit / 2; n < 3 * limit; n += 499) {
        struct answer a = {.status = 0};
        int at = sprintf(request, "GET /v1/healthz HTTP/1.1\r\nX-Fill: ");
        memset(request + at, 'f', n);
        strcpy(request + (size_t)at + n, "\r\n" END);
        int fd = dial(rig->port);
        (void)say(fd, request);
        bool is_answered = hear(fd, false, &a);
        assert_true(is_over(fd));
        close(fd);
        int status = is_answered ? a.status : 0;
        if (is_answered)
            forget(&a);
        if (n < limit - 256 ? status != 200 : n > 2 * limit && status != 431 && status != 413)
            fail_msg("%zu bytes: %d", n, status);
    }
    free(request);
}

/* ---- connections ---- */

static void a_connection_takes_many_requests(void **state) {
    struct rig *rig = *state;
    static const char *const one_by_one[] = {
        "GET /v1/u/alice HTTP/1.1\r\n" HOST "\r\n",
        "HEAD /v1/u/alice HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/u/%00 HTTP/1.1\r\n" HOST "\r\n",
        "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "POST /v1/nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "POST /v1/healthz HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "OPTIONS /v1/messages HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/inbox/alice?since=3 HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "\r\n",
    };
    static const int statuses[] = {200, 200, 404, 400, 200, 404, 405, 204, 200, 200};
    int fd = dial(rig->port);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT(one_by_one); i++) {
            struct answer a;
            assert_true(say(fd, one_by_one[i]));
            assert_true(hear(fd, one_by_one[i][0] == 'H', &a));
            if (a.status != statuses[i])
                fail_msg("%s: %d", one_by_one[i], a.status);
            forget(&a);
        }
    /* And all at once. */
    for (size_t i = 0; i < COUNT(one_by_one); i++)
        assert_true(say(fd, one_by_one[i]));
    for (size_t i = 0; i < COUNT(one_by_one); i++) {
        struct answer a;
        assert_true(hear(fd, one_by_one[i][0] == 'H', &a));
        if (a.status != statuses[i])
            fail_msg("pipelined %s: %d", one_by_one[i], a.status);
        forget(&a);
    }
    close(fd);
}

static bool has_none_in_flight(void *arg) { return http_in_flight(arg) == 0; }

static bool has_no_connections(void *arg) {
    (void)arg;
    return atomic_load(&stats.connections) == 0;
}

static void what_is_counted_returns_to_zero(void **state) {
    struct rig *rig = *state;
    int64_t requests = atomic_load(&stats.requests), failed = atomic_load(&stats.requests_failed);
    int fd = dial(rig->port);
    struct answer a;
    assert_true(say(fd, "GET /v1/u/busy HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    forget(&a);
    assert_int_equal(atomic_load(&stats.connections), 1);
    close(fd);
    a = ask(rig->admin_port, "GET /metrics HTTP/1.1\r\n" END);
    assert_non_null(strstr(a.body, "kez_requests_total"));
    forget(&a);
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
    assert_true(proc_poll(has_none_in_flight, rig->server, WAIT_MS));
    assert_int_equal(atomic_load(&stats.requests) - requests, 1);
    assert_int_equal(atomic_load(&stats.requests_failed) - failed, 1);
}

static void at_the_limit_of_connections_others_wait(void **state) {
    (void)state;
    enum { LIMIT = 8 };
    struct rig *rig = rig_new();
    rig->config.max_connections = LIMIT;
    rig_start(rig);
    int fds[LIMIT];
    struct answer a;
    for (int i = 0; i < LIMIT; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(hear(fds[i], false, &a));
        forget(&a);
    }
    int waits = dial(rig->port);
    assert_true(say(waits, "GET /v1/healthz HTTP/1.1\r\n" END));
    struct pollfd p = {.fd = waits, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 300), 0);
    close(fds[0]);
    assert_true(hear(waits, false, &a));
    assert_int_equal(a.status, 200);
    forget(&a);
    /* The admin listener has its own. */
    a = ask(rig->admin_port, "GET /livez HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
    for (int i = 1; i < LIMIT; i++)
        close(fds[i]);
    close(waits);
    rig_stop(rig);
}

/* ---- who asks ---- */

static int dial_v6(uint16_t port) {
    struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void told_client(int fd, char out[64]) {
    struct answer a;
    assert_true(say(fd, "GET /v1/u/alice HTTP/1.1\r\n" END));
    assert_true(hear(fd, false, &a));
    const char *line = strstr(a.body, "client=");
    assert_non_null(line);
    (void)snprintf(out, 64, "%.63s", line);
    forget(&a);
    close(fd);
}

/* An IPv4 client is the same one on a socket for both families; and each listener can be had. */
static void clients_are_known_by_their_addresses(void **state) {
    struct rig *v4 = *state, *both = rig_new();
    char direct[64], mapped[64], other[64];
    both->config.bind = "[::]:0";
    rig_start(both);
    told_client(dial(v4->port), direct);
    told_client(dial(both->port), mapped);
    assert_string_equal(direct, mapped);
    assert_non_null(strstr(direct, "exempt=1"));
    int fd = dial_v6(both->port);
    if (fd >= 0) {
        told_client(fd, other);
        assert_string_not_equal(direct, other);
        assert_non_null(strstr(other, "exempt=1"));
    }
    rig_stop(both);
}

/* ---- the document ---- */

static bool is_method(const char *line, char method[16]) {
    return sscanf(line, "    %15[a-z]:", method) == 1 && line[4] != ' ' &&
           (strcmp(method, "get") == 0 || strcmp(method, "post") == 0 ||
            strcmp(method, "put") == 0 || strcmp(method, "patch") == 0 ||
            strcmp(method, "delete") == 0);
}

/* One request for each operation of the document: none is unknown here. */
static void what_the_document_names_is_there(void **state) {
    struct rig *rig = *state;
    char path[256] = "", method[16], request[512];
    unsigned operations = 0;
    struct answer doc = ask(rig->port, "GET /openapi.yaml HTTP/1.1\r\n" END);
    for (char *line = strtok(doc.body, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "  /", 3) == 0) {
            size_t n = 0;
            for (const char *from = line + 2; *from != ':'; from++)
                if (*from == '{')
                    from = strchr(from, '}'), path[n++] = 'a';
                else
                    path[n++] = *from;
            path[n] = '\0';
        }
        if (strcmp(line, "components:") == 0)
            break;
        if (!is_method(line, method))
            continue;
        bool is_admin = (strstr("/livez /readyz /metrics", path) && path[1]) ||
                        strncmp(path, "/v1/handles/", 12) == 0;
        for (char *c = method; *c; c++)
            *c = (char)(*c - 'a' + 'A');
        (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nContent-Length: 0\r\n" END,
                       method, path);
        struct answer a = ask(is_admin ? rig->admin_port : rig->port, request);
        if (a.status != 200)
            fail_msg("%s %s: %d", method, path, a.status);
        forget(&a);
        operations++;
    }
    assert_true(operations >= 27);
    forget(&doc);
}

/* ---- the admin listener ---- */

static const struct {
    const char *request;
    int status;
    const char *body, *header;
} admin_rows[] = {
    {"GET /livez HTTP/1.1\r\n" END, 200, "{\"status\":\"ok\"}", "Content-Type: application/json"},
    {"GET /readyz HTTP/1.1\r\n" END, 200, "{\"store\":\"up\"}", "Content-Type: application/json"},
    {"HEAD /readyz HTTP/1.1\r\n" END, 200, NULL, "Content-Length: 14"},
    {"GET /v1/healthz HTTP/1.1\r\n" END, 200, "\"server\":\"kez.example\"",
     "Access-Control-Allow-Origin:"},
    {"GET /metrics HTTP/1.1\r\n" END, 200, "# TYPE kez_streams gauge",
     "Content-Type: text/plain; version=0.0.4; charset=utf-8"},
    {"HEAD /metrics HTTP/1.1\r\n" END, 200, NULL, NULL},
    {"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n" END, 405, NULL, "Allow: GET, HEAD, OPTIONS"},
    {"OPTIONS /metrics HTTP/1.1\r\n" END, 204, NULL, "Allow: GET, HEAD, OPTIONS"},
    {"OPTIONS /v1/handles/alice HTTP/1.1\r\n" END, 204, NULL, "Access-Control-Allow-Origin:"},
    {"GET / HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n" END, 404, "not_found", NULL},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n" END, 404, "not_found", NULL},
    {"GET /%00 HTTP/1.1\r\n" END, 400, "bad_request", NULL},
};

static void the_admin_listener_tells_how_it_goes(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(admin_rows); i++) {
        struct answer a = ask(rig->admin_port, admin_rows[i].request);
        if (a.status != admin_rows[i].status)
            fail_msg("%s: %d %s", admin_rows[i].request, a.status, a.body);
        if (admin_rows[i].body && !strstr(a.body, admin_rows[i].body))
            fail_msg("%s: %s", admin_rows[i].request, a.body);
        if (admin_rows[i].header)
            hold_header(&a, admin_rows[i].header, admin_rows[i].request);
        forget(&a);
    }
    atomic_store(&rig->is_ready, false);
    struct answer a = ask(rig->admin_port, "GET /readyz HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "\"status\":503,"));
    assert_non_null(strstr(a.body, "\"code\":\"unavailable\",\"store\":\"up\"}"));
    hold_header(&a, "Content-Type: application/problem+json", "not ready");
    hold_header(&a, "Retry-After: 2", "not ready");
    forget(&a);
}

/* ---- static files ---- */

static void the_web_client_is_served(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    char path[512];
    const char *dir = proc_temp_dir(NULL);
    (void)snprintf(path, sizeof path, "%s/index.html", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("<p>web client</p>", f) >= 0);
    assert_int_equal(fclose(f), 0);
    rig->config.web_dir = dir;
    rig_start(rig);

    struct answer a = ask(rig->port, "GET / HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "<p>web client</p>");
    hold_header(&a, "Content-Type: text/html; charset=utf-8", "/");
    hold_header(&a, "Cache-Control: no-cache", "/");
    assert_non_null(strstr(header(&a, "Content-Security-Policy"), "script-src 'self'"));
    char request[512], tag[64];
    (void)snprintf(tag, sizeof tag, "%.63s", header(&a, "ETag"));
    forget(&a);

    (void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nIf-None-Match: \"x\", %s\r\n" END,
                   tag);
    a = ask(rig->port, request);
    assert_int_equal(a.status, 304);
    assert_string_equal(header(&a, "ETag"), tag);
    forget(&a);
    (void)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nIf-None-Match: \"x\"\r\n" END);
    a = ask(rig->port, request);
    assert_int_equal(a.status, 200);
    forget(&a);

    a = ask(rig->port, "HEAD /some/route HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    hold_header(&a, "Content-Length: 17", "HEAD");
    forget(&a);
    a = ask(rig->port, "POST /index.html HTTP/1.1\r\nContent-Length: 0\r\n" END);
    assert_int_equal(a.status, 405);
    hold_header(&a, "ETag:", "POST");
    forget(&a);
    a = ask(rig->port, "OPTIONS /index.html HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 204);
    forget(&a);
    a = ask(rig->port, "GET /v1/nothing HTTP/1.1\r\n" END); /* no client routes in the API */
    assert_int_equal(a.status, 404);
    forget(&a);
    a = ask(rig->port, "GET /.well-known/nothing HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 404);
    forget(&a);
    rig_stop(rig);
}

/* ---- start and stop ---- */

static void what_cannot_start_says_why(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    const char *why = "";
    struct http_server *s = NULL;
    rig->config.bind = "nonsense";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "nonsense"));
    rig->config.bind = "127.0.0.1:0";
    rig->config.admin_bind = "192.0.2.1:1";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_IO);
    assert_non_null(strstr(why, "192.0.2.1"));
    rig->config.admin_bind = NULL;
    rig->config.web_dir = "/no/such/folder";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_null(s);
    rig->config.web_dir = "";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_OK);
    assert_int_equal(http_admin_port(s), 0);
    http_stop(s);
    http_stop(NULL);
    free(rig);
}

static void a_quiet_server_takes_no_new_connections_and_finishes_the_old(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    assert_null(header(&a, "Connection"));
    forget(&a);
    int half = dial(rig->port);
    assert_true(say(half, "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n"));

    http_quiesce(rig->server);
    assert_int_equal(dial(rig->port), -1);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    assert_string_equal(header(&a, "Connection"), "close");
    forget(&a);
    assert_true(is_over(fd));
    assert_true(say(half, "abc"));
    assert_true(hear(half, false, &a));
    assert_int_equal(a.status, 200);
    forget(&a);
    a = ask(rig->admin_port, "GET /livez HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
    close(fd);
    close(half);
}

static void *keep_asking(void *arg) {
    const uint16_t *port = arg;
    int fd = dial(*port);
    struct answer a;
    while (fd >= 0 && say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n") && hear(fd, false, &a))
        forget(&a);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* libmicrohttpd's own way to stop listening aborts the process now and then under load. */
static void it_grows_quiet_under_load_again_and_again(void **state) {
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct rig *rig = rig_new();
        pthread_t threads[4];
        rig->config.threads = 4;
        rig_start(rig);
        int64_t before = atomic_load(&stats.requests);
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &rig->port), 0);
        while (atomic_load(&stats.requests) < before + 20)
            (void)sched_yield();
        http_quiesce(rig->server);
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        rig_stop(rig);
    }
}

static void it_stops_with_connections_open(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig_start(rig);
    int idle = dial(rig->port), head = dial(rig->port), body = dial(rig->port);
    assert_true(say(head, "GET /v1/healthz HT"));
    assert_true(say(body, "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na"));
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\n" END);
    forget(&a);
    rig_stop(rig);
    assert_true(is_over(idle));
    assert_true(is_over(head));
    assert_true(is_over(body));
    close(idle);
    close(head);
    close(body);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_request_gets_its_answer, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(junk_is_refused_and_the_connection_ends, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_nul_in_the_target_is_refused, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_request_without_host_is_refused, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_hides_a_length_ends_the_connection, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_nul_in_a_field_is_no_end_of_it, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_folded_field_is_refused_or_whole, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_long_target_is_refused, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_large_head_is_answered_or_refused, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_connection_takes_many_requests, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_counted_returns_to_zero, rig_setup, rig_teardown),
        cmocka_unit_test(at_the_limit_of_connections_others_wait),
        cmocka_unit_test_setup_teardown(the_admin_listener_tells_how_it_goes, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(clients_are_known_by_their_addresses, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(what_the_document_names_is_there, rig_setup, rig_teardown),
        cmocka_unit_test(the_web_client_is_served),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test_setup_teardown(
            a_quiet_server_takes_no_new_connections_and_finishes_the_old, rig_setup, rig_teardown),
        cmocka_unit_test(it_grows_quiet_under_load_again_and_again),
        cmocka_unit_test(it_stops_with_connections_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
