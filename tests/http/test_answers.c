/* tests/http/test_answers.c -- raw requests against a started server, and what comes back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include <microhttpd.h>

/* What libmicrohttpd 1.0 says itself, by pages of its own, and 0.9 leaves to us. */
#if MHD_VERSION >= 0x01000000
#define OURS(text) NULL
#else
#define OURS(text) text
#endif

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
    /* a trailer is no header: nobody signs himself in behind the body */
    {"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
     "0\r\nX-KEZ-Auth: 1:a\r\nX-KEZ-Handle: alice\r\nAuthorization: Bearer a\r\n\r\n",
     200, "auth=absent\nhandle=absent\nkey=absent\nlast=absent\nbearer=absent\n", NULL},

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
    /* here the library may say so itself */
    {"GET /v1/u/al\rice HTTP/1.1\r\n" END, 400, NULL, NULL},
    {"GET /v1/u/al ice HTTP/1.1\r\n" END, 400, NULL, "Location:"},
    {"GET  /v1/u/alice  HTTP/1.1\r\n" END, 400, NULL, "Location:"},
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
     400, OURS("bad_request"), "Connection: close"},
    {"POST /v1/messages HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n" END "abc", 400,
     OURS("bad_request"), "Connection: close"},
    {"POST /v1/messages HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     OURS("bad_request"), NULL},

    /* fields that are not what they seem, and what they would hide */
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth : a\r\n" END, 400, OURS("field is malformed"),
     "Connection: close"},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth\t: a\r\n" END, 400, OURS("field is malformed"), NULL},
    {"GET /v1/u/alice HTTP/1.1\r\n X-KEZ-Auth: a\r\n" END, 400, OURS("field is malformed"), NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Oth(r: a\r\n" END, 400, OURS("field is malformed"), NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-KEZ-Auth: \t a \t \r\n" END, 200, "auth=[a]", NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nX-Empty:\r\nX-KEZ-Auth:a\r\n" END, 200, "auth=[a]", NULL},
    {"\r\nGET /v1/u/alice HTTP/1.1\r\n" END, 200, NULL, NULL}, /* RFC 9112, 2.2 */
    {"GET /v1/u/alice HTTP/1.1\r\nX-Empty: \t \r\n" END, 200, NULL, NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Empty:\r\n\r\n", 200, NULL,
     NULL},
    {"GET /v1/u/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Blank: a \t\r\n\r\n", 200, NULL,
     NULL},
    /* what a browser says */
    {"GET /v1/u/alice HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
     "Gecko/20100101\r\nAccept: */*\r\nAccept-Language: de,en;q=0.5\r\nAccept-Encoding: gzip, "
     "br\r\nCookie: a=b; c=\"d, e\"; f\r\nReferer: http://x/\xc3\xa4\r\nOrigin: "
     "http://x\r\nSec-Fetch-Mode: cors\r\nCookie: g=h\r\nX-KEZ-Auth: a\r\n" END,
     200, "auth=[a]", NULL},
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

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(each_request_gets_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
