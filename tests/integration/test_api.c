/* tests/integration/test_api.c -- handles, records, WebFinger, methods and paths, by the wire
 * alone.
 *
 * Source: protocol, sections 1, 3 and 9.
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

enum { BODY_MAX = 1 << 20 };

static struct site site;
static struct http_client *client;
static struct signer alice, bobby;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, NULL);
    client = http_client_new(node_port(site.nodes[0]));
    signer_init(&alice, "alice");
    signer_init(&bobby, "bobby");
    node_register(site.nodes[0], &alice);
    node_register(site.nodes[0], &bobby);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(client);
    site_stop(&site);
    return 0;
}

static void ask_all(const struct http_case *cases, size_t n) {
    for (size_t i = 0; i < n; i++)
        http_expect(client, &cases[i], NULL);
}
#define ASK_ALL(cases) ask_all(cases, sizeof(cases) / sizeof *(cases))

/* ---- registration ---- */

static void post_registration(struct str body, const char *what, int status, const char *code,
                              struct http_reply *out) {
    struct buf text;
    buf_init(&text, BODY_MAX);
    buf_put(&text, body);
    http_expect(
        client,
        &(struct http_case){what, "POST", "/v1/register", NULL, buf_cstr(&text), status, code},
        out);
    buf_done(&text);
}

static void register_user(const struct signer *s, const char *what, int status, const char *code,
                          struct http_reply *out) {
    struct buf body;
    buf_init(&body, BODY_MAX);
    signer_put_registration(s, &body, NODE_SERVER);
    post_registration(buf_str(&body), what, status, code, out);
    buf_done(&body);
}

static void check_record(const struct http_reply *r, const struct signer *s, const char *proofs) {
    char url[160];
    int64_t at_ms;
    (void)snprintf(url, sizeof url, "https://" NODE_SERVER "/v1/sigchains/%.7s/%s", s->primary,
                   s->primary + 8);
    assert_true(str_eq(http_header(r, "Content-Type"), STR("application/json")));
    assert_string_equal(http_text(r, "handle"), s->handle.text);
    assert_string_equal(http_text(r, "server"), NODE_SERVER);
    assert_string_equal(http_text(r, "primary"), s->primary);
    assert_string_equal(http_text(r, "sigchain_url"), url);
    assert_int_equal(time_read(str_of(http_text(r, "registered_at")), &at_ms), RC_OK);
    assert_int_equal(strlen(http_text(r, "registered_at")), strlen("2026-05-26T23:06:17.123Z"));
    assert_true(str_eq(http_member(r, "proofs"), str_of(proofs)));
}

static void a_handle_is_registered_once_and_again_by_its_owner(void **state) {
    (void)state;
    struct signer carol, again;
    struct http_reply r;
    char at[64];
    signer_init(&carol, "carol");
    register_user(&carol, "a new handle", 201, NULL, &r);
    check_record(&r, &carol, "[]");
    (void)snprintf(at, sizeof at, "%s", http_text(&r, "registered_at"));
    http_reply_done(&r);
    register_user(&carol, "a retry", 200, NULL, &r);
    check_record(&r, &carol, "[]");
    assert_string_equal(http_text(&r, "registered_at"), at);
    http_reply_done(&r);

    signer_init(&again, "carol-x");
    again.handle = carol.handle;
    register_user(&again, "another's handle", 409, "conflict", NULL);
    again = carol;
    (void)snprintf(again.handle.text, sizeof again.handle.text, "caroline");
    register_user(&again, "a second handle for a primary", 409, "conflict", NULL);
}

static void the_clock_may_be_five_minutes_off(void **state) {
    (void)state;
    struct signer s;
    static const struct {
        const char *handle;
        int64_t skew_s;
        int status;
    } rows[] = {
        {"early1", 290, 201}, {"early2", 310, 400}, {"later1", -290, 201}, {"later2", -310, 400}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        signer_init(&s, rows[i].handle);
        s.skew_s = rows[i].skew_s;
        register_user(&s, rows[i].handle, rows[i].status,
                      rows[i].status == 201 ? NULL : "bad_request", NULL);
    }
}

/* As register_user(), with a handle that a struct handle need not be able to hold. */
static void register_named(struct signer *s, const char *handle, int status, const char *code) {
    struct buf claim, payload, body;
    buf_init(&claim, BODY_MAX);
    buf_init(&payload, BODY_MAX);
    buf_init(&body, BODY_MAX);
    s->handle = (struct handle){"@"};
    signer_put_claim(s, &claim, NODE_SERVER);
    struct str before, after;
    assert_true(str_cut(buf_str(&claim), '@', &before, &after));
    buf_put(&payload, before);
    buf_put(&payload, str_of(handle));
    buf_put(&payload, after);
    signer_put_payload(s, &body, buf_str(&payload), buf_str(&payload));
    post_registration(buf_str(&body), handle, status, code, NULL);
    buf_done(&claim);
    buf_done(&payload);
    buf_done(&body);
}

static void handles_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *handle;
        int status;
        const char *code;
    } rows[] = {
        {"ab", 400, "bad_request"},
        {"abcdefghijklmnopqrstuvwxyz0123456", 400, "bad_request"},
        {"-abc", 400, "bad_request"},
        {"_abc", 400, "bad_request"},
        {"Abc", 400, "bad_request"},
        {"abC", 400, "bad_request"},
        {"a.bc", 400, "bad_request"},
        {"a bc", 400, "bad_request"},
        {"abc\xc3\xa9", 400, "bad_request"},
        {"", 400, "bad_request"},
        {"admin", 403, "forbidden"},
        {"no-reply", 403, "forbidden"},
        {"mailer-daemon", 403, "forbidden"},
        {"kez", 403, "forbidden"},
        {"everyone", 403, "forbidden"},
        {"abcdefghijklmnopqrstuvwxyz012345", 201, NULL},
        {"a--", 201, NULL},
        {"0_-", 201, NULL},
        {"admins", 201, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct signer s;
        signer_init(&s, rows[i].handle);
        register_named(&s, rows[i].handle, rows[i].status, rows[i].code);
    }
}

/* A registration of a new user in which `from` was replaced by `to`, after signing. */
static void post_changed(const char *handle, const char *from, const char *to, int status,
                         const char *code) {
    struct signer s;
    struct buf body, changed;
    char what[160];
    signer_init(&s, handle);
    buf_init(&body, BODY_MAX);
    buf_init(&changed, BODY_MAX);
    signer_put_registration(&s, &body, NODE_SERVER);
    const char *at = strstr(buf_cstr(&body), from);
    assert_non_null(at);
    buf_put(&changed, (struct str){body.p, (size_t)(at - body.p)});
    buf_put(&changed, str_of(to));
    buf_put(&changed, str_of(at + strlen(from)));
    (void)snprintf(what, sizeof what, "%.60s -> %.60s", from, to);
    post_registration(buf_str(&changed), what, status, code, NULL);
    buf_done(&changed);
    buf_done(&body);
}

static void a_registration_must_be_whole_and_signed(void **state) {
    (void)state;
    struct signer s;
    char key[128], sig_start[16] = "\"sig\":\"";
    signer_init(&s, "davina");
    (void)snprintf(key, sizeof key, "\"key\":\"%s\"", s.primary);
    char other_key[128];
    (void)snprintf(other_key, sizeof other_key, "\"key\":\"%s\"", alice.primary);
    const struct {
        const char *from, *to;
        int status;
        const char *code;
    } rows[] = {
        {"handle_registration", "registration", 400, "bad_request"},
        {"kez.chat.handle_registration", "kez.chat.registration", 400, "bad_request"},
        {"\"version\":1", "\"version\":2", 400, "bad_request"},
        {"\"version\":1", "\"version\":\"1\"", 400, "bad_request"},
        {"\"server\":\"" NODE_SERVER "\"", "\"server\":\"other.example\"", 400, "bad_request"},
        {"\"server\":\"" NODE_SERVER "\",", "", 400, "bad_request"},
        {"\"handle\":\"davina\",", "", 400, "bad_request"},
        {"\"handle\":\"davina\"", "\"handle\":\"davinb\"", 401, "unauthorized"},
        {"\"handle\":\"davina\"", "\"handle\":7", 400, "bad_request"},
        {"\"primary\":\"ed25519:", "\"primary\":\"ed25518:", 400, "bad_request"},
        {"\"created_at\":\"20", "\"created_at\":\"19", 400, "bad_request"},
        {"\"created_at\":\"", "\"created_at\":\"x", 400, "bad_request"},
        {"ed25519-sha512-jcs", "ed25519", 400, "bad_request"},
        {key, other_key, 401, "unauthorized"},
        {"\"key\":\"ed25519:", "\"key\":\"", 400, "bad_request"},
        {sig_start, "\"sig\":\"00", 400, "bad_request"},
        {sig_start, "\"sig\":\"zz", 400, "bad_request"},
        {"\"version\":1", "\"version\":1,\"more\":1", 401, "unauthorized"},
        {"\"version\":1", "\"version\":1,\"version\":1", 400, "bad_request"},
        {"\"version\":1", "\"version\":1,\"more\":1e400", 400, "bad_request"},
        {"\"version\":1", "\"version\":1,\"more\":\"\\ud800\"", 400, "bad_request"},
        {"\"version\":1", "\"version\":1,\"more\":\"\xff\"", 400, "bad_request"},
        {"}}", "}", 400, "bad_request"},
        {"}}", "}}}", 400, "bad_request"},
        {"{\"kez\"", "{\"kez\":\"handle_registration\",\"kez\"", 400, "bad_request"},
        {"{\"kez\"", "[\"kez\"", 400, "bad_request"},
        {"\"signature\"", "\"signatures\"", 400, "bad_request"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        post_changed("davina", rows[i].from, rows[i].to, rows[i].status, rows[i].code);
    /* White space and the order of members are no part of what is signed; more members outside
     * of the payload are passed over. */
    post_changed("davina", "{\"kez\"", " {\t\"more\" : [1, 2] ,\n\"kez\"", 201, NULL);
    http_expect(
        client,
        &(struct http_case){"no body", "POST", "/v1/register", NULL, NULL, 400, "bad_request"},
        NULL);
}

static void a_wrong_signature_is_unauthorized(void **state) {
    (void)state;
    struct signer s;
    struct buf body;
    signer_init(&s, "edward");
    buf_init(&body, BODY_MAX);
    signer_put_registration(&s, &body, NODE_SERVER);
    char *digit = strstr(body.p, "\"sig\":\"") + strlen("\"sig\":\"") + 9;
    *digit = *digit == '0' ? '1' : '0';
    post_registration(buf_str(&body), "one digit changed", 401, "unauthorized", NULL);
    *digit = 'A';
    post_registration(buf_str(&body), "upper case", 400, "bad_request", NULL);
    buf_done(&body);
    /* A key of small order: the point (0, 1). */
    memset(s.key.bytes, 0, sizeof s.key.bytes);
    s.key.bytes[0] = 1;
    key_print(&s.key, s.primary);
    register_user(&s, "a key of small order", 400, "bad_request", NULL);
}

static void payloads_are_signed_in_their_canonical_form(void **state) {
    (void)state;
    struct signer s;
    struct buf claim, payload, canonical, body;
    signer_init(&s, "frieda");
    buf_init(&claim, BODY_MAX);
    buf_init(&payload, BODY_MAX);
    buf_init(&canonical, BODY_MAX);
    buf_init(&body, BODY_MAX);
    signer_put_claim(&s, &claim, NODE_SERVER);
    struct str rest = str_from(buf_str(&claim), 1);
    /* RFC 8785: numbers as ECMAScript prints them, escapes resolved, members sorted. */
    buf_put(&payload, STR("{ \"\\u0061b\" : 1E2, \"aa\": 0.10, "));
    buf_put(&payload, rest);
    buf_put(&canonical, STR("{\"aa\":0.1,\"ab\":100,"));
    buf_put(&canonical, rest);
    signer_put_payload(&s, &body, buf_str(&payload), buf_str(&canonical));
    post_registration(buf_str(&body), "more members, not canonical", 201, NULL, NULL);
    buf_done(&claim);
    buf_done(&payload);
    buf_done(&canonical);
    buf_done(&body);
}

/* ---- records, methods, paths ---- */

static void records_are_found_by_handle_and_by_primary(void **state) {
    (void)state;
    char by_primary[128], unknown[128];
    struct http_reply r;
    (void)snprintf(by_primary, sizeof by_primary, "/v1/by-primary/%s", alice.primary);
    (void)snprintf(unknown, sizeof unknown,
                   "/v1/by-primary/ed25519:d75a980182b10ab7d54bfed3c964073a"
                   "0ee172f3daa62325af021a68f707511a");
    const struct http_case found[] = {
        {"by handle", "GET", "/v1/u/alice", NULL, NULL, 200, NULL},
        {"by handle, encoded", "GET", "/v1/u/al%69ce", NULL, NULL, 200, NULL},
        {"unknown parameters", "GET", "/v1/u/alice?a=1&a=2", NULL, NULL, 200, NULL},
        {"by primary", "GET", by_primary, NULL, NULL, 200, NULL},
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        http_expect(client, &found[i], &r);
        check_record(&r, &alice, "[]");
        http_reply_done(&r);
    }
    const struct http_case cases[] = {
        {"an unknown handle", "GET", "/v1/u/nobody1", NULL, NULL, 404, "not_found"},
        {"a reserved handle", "GET", "/v1/u/admin", NULL, NULL, 404, "not_found"},
        {"too short", "GET", "/v1/u/al", NULL, NULL, 400, "bad_request"},
        {"upper case", "GET", "/v1/u/Alice", NULL, NULL, 400, "bad_request"},
        {"an unknown primary", "GET", unknown, NULL, NULL, 404, "not_found"},
        {"no primary", "GET", "/v1/by-primary/ed25519:00", NULL, NULL, 400, "bad_request"},
        {"another kind", "GET", "/v1/by-primary/alice", NULL, NULL, 400, "bad_request"},
    };
    ASK_ALL(cases);
}

static void targets_outside_the_rules_are_refused(void **state) {
    (void)state;
    static const struct http_case cases[] = {
        {"an encoded slash", "GET", "/v1/u/al%2Fice", NULL, NULL, 400, "bad_request"},
        {"an encoded slash in lower case", "GET", "/v1%2fu/alice", NULL, NULL, 400, "bad_request"},
        {"a NUL", "GET", "/v1/u/alice%00", NULL, NULL, 400, "bad_request"},
        {"a NUL in the query", "GET", "/v1/u/alice?x=%00", NULL, NULL, 400, "bad_request"},
        {"dots", "GET", "/v1/u/../u/alice", NULL, NULL, 400, "bad_request"},
        {"a dot", "GET", "/v1/./u/alice", NULL, NULL, 400, "bad_request"},
        {"encoded dots", "GET", "/v1/%2e%2E/u/alice", NULL, NULL, 400, "bad_request"},
        {"a byte outside", "GET", "/v1/u/al\"ice", NULL, NULL, 400, "bad_request"},
        {"a bad escape", "GET", "/v1/u/al%6", NULL, NULL, 400, "bad_request"},
        {"a bad escape in the query", "GET", "/v1/u/alice?x=%zz", NULL, NULL, 400, "bad_request"},
        {"nothing there", "GET", "/v1/nothing", NULL, NULL, 404, "not_found"},
        {"a segment more", "GET", "/v1/u/alice/x", NULL, NULL, 404, "not_found"},
        {"a slash more", "GET", "/v1/u/alice/", NULL, NULL, 404, "not_found"},
    };
    ASK_ALL(cases);
}

/* Whether the Allow of r has exactly these methods, and OPTIONS, which may be there or not. */
static bool allows(const struct http_reply *r, const char *methods) {
    struct str one, has = http_header(r, "Allow"), want = str_of(methods);
    size_t wanted = 0, common = 0;
    for (struct str rest = want; !str_is_absent(rest); wanted++)
        (void)str_cut(rest, ' ', &one, &rest);
    for (struct str rest = has; !str_is_absent(rest);) {
        (void)str_cut(rest, ',', &one, &rest);
        while (one.n && one.p[0] == ' ')
            one = str_from(one, 1);
        if (str_eq(one, STR("OPTIONS")))
            continue;
        if (!memmem(want.p, want.n, one.p, one.n))
            return false;
        common++;
    }
    return common == wanted;
}

static void check_method(const char *method, const char *target, int status, const char *allow) {
    struct http_reply r;
    char what[128];
    (void)snprintf(what, sizeof what, "%s %s", method, target);
    http_ask(client, method, str_of(target), STR(""), STR(""), &r);
    if (r.status != status)
        fail_msg("%s: %d", what, r.status);
    if (strcmp(method, "HEAD") == 0 && r.body.n > 0)
        fail_msg("%s: a body", what);
    if (status == 405 && strcmp(method, "HEAD") != 0 &&
        strcmp(http_text(&r, "code"), "method_not_allowed") != 0)
        fail_msg("%s: %.*s", what, STR_ARG(r.body));
    if (allow && !allows(&r, allow))
        fail_msg("%s: %.*s", what, STR_ARG(r.head));
    if (!str_eq(http_header(&r, "Access-Control-Allow-Origin"), STR("*")))
        fail_msg("%s: no CORS", what);
    if (!str_is_absent(http_header(&r, "Access-Control-Allow-Credentials")))
        fail_msg("%s: CORS with credentials", what);
    http_reply_done(&r);
}

static void every_method_is_answered(void **state) {
    (void)state;
    static const struct {
        const char *method, *target;
        int status;
        const char *allow;
    } rows[] = {
        {"HEAD", "/v1/u/alice", 200, NULL},
        {"HEAD", "/v1/healthz", 200, NULL},
        {"HEAD", "/v1/u/nobody1", 404, NULL},
        {"HEAD", "/.well-known/webfinger?resource=acct:alice@" NODE_SERVER, 200, NULL},
        {"HEAD", "/v1/inbox/alice/stream", 405, "GET"},
        {"DELETE", "/v1/u/alice", 405, "GET HEAD"},
        {"GET", "/v1/register", 405, "POST"},
        {"GET", "/v1/messages", 405, "POST"},
        {"PUT", "/v1/messages", 405, "POST"},
        {"POST", "/v1/inbox/alice", 405, "GET HEAD DELETE"},
        {"GET", "/v1/profile/alice/proofs", 405, "PUT"},
        {"PATCH", "/v1/u/alice", 405, "GET HEAD"},
        {"BREW", "/v1/u/alice", 405, "GET HEAD"},
        {"OPTIONS", "/v1/u/alice", 204, "GET HEAD"},
        {"OPTIONS", "/v1/messages", 204, "POST"},
        {"OPTIONS", "/v1/inbox/alice", 204, "GET HEAD DELETE"},
        {"OPTIONS", "/v1/inbox/alice/stream", 204, "GET"},
        {"OPTIONS", "/.well-known/webfinger", 204, "GET HEAD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_method(rows[i].method, rows[i].target, rows[i].status, rows[i].allow);
}

static void browsers_may_send_what_the_protocol_needs(void **state) {
    (void)state;
    static const char *const needed[] = {"X-KEZ-Auth", "X-KEZ-Handle", "Content-Type",
                                         "Last-Event-ID"};
    struct http_reply r;
    http_ask(client, "OPTIONS", STR("/v1/messages"),
             STR("Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
                 "Access-Control-Request-Headers: x-kez-auth, x-kez-handle, content-type\r\n"),
             STR(""), &r);
    assert_int_equal(r.status, 204);
    struct str headers = http_header(&r, "Access-Control-Allow-Headers");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        assert_non_null(memmem(headers.p, headers.n, needed[i], strlen(needed[i])));
    struct str methods = http_header(&r, "Access-Control-Allow-Methods");
    assert_non_null(memmem(methods.p, methods.n, "POST", 4));
    http_reply_done(&r);
}

/* ---- proofs, WebFinger, pages ---- */

static void put_proofs(const struct signer *s, const char *handle, struct str body,
                       const char *what, int status, const char *code, const char *proofs) {
    struct buf headers, text;
    struct http_reply r;
    char target[64];
    buf_init(&headers, BODY_MAX);
    buf_init(&text, BODY_MAX);
    buf_put(&text, body);
    if (s)
        signer_put_proofs(s, &headers, handle);
    (void)snprintf(target, sizeof target, "/v1/profile/%s/proofs", handle);
    http_expect(
        client,
        &(struct http_case){what, "PUT", target, buf_cstr(&headers), buf_cstr(&text), status, code},
        &r);
    if (proofs)
        check_record(&r, s, proofs);
    http_reply_done(&r);
    buf_done(&headers);
    buf_done(&text);
}

static void proofs_are_replaced_by_their_owner(void **state) {
    (void)state;
    struct signer gerda, nobody;
    struct buf many;
    signer_init(&gerda, "gerda");
    signer_init(&nobody, "nobody1");
    node_register(site.nodes[0], &gerda);
    put_proofs(&gerda, "gerda", STR("{\"proofs\":[\"dns:gerda.example\", \"b\"]}"), "two proofs",
               200, NULL, "[\"dns:gerda.example\",\"b\"]");
    put_proofs(&gerda, "gerda", STR("{\"proofs\":[]}"), "none", 200, NULL, "[]");
    put_proofs(&gerda, "gerda", STR("{\"proofs\":[1]}"), "a number", 400, "bad_request", NULL);
    put_proofs(&gerda, "gerda", STR("{\"proofs\":\"a\"}"), "a text", 400, "bad_request", NULL);
    put_proofs(&gerda, "gerda", STR("{}"), "no member", 400, "bad_request", NULL);
    put_proofs(&gerda, "gerda", STR("{\"proofs\":[],\"proofs\":[]}"), "twice", 400, "bad_request",
               NULL);
    put_proofs(&bobby, "gerda", STR("{\"proofs\":[]}"), "another's", 401, "unauthorized", NULL);
    put_proofs(&nobody, "nobody1", STR("{\"proofs\":[]}"), "unknown", 404, "not_found", NULL);
    put_proofs(NULL, "gerda", STR("{\"proofs\":[]}"), "unsigned", 400, "missing_auth", NULL);
    put_proofs(&gerda, "ge", STR("{\"proofs\":[]}"), "no handle", 400, "bad_request", NULL);

    buf_init(&many, BODY_MAX);
    buf_put(&many, STR("{\"proofs\":[\"0\""));
    for (int i = 1; i < 64; i++)
        buf_putf(&many, ",\"%d\"", i);
    struct str sixty_four = buf_str(&many);
    buf_put(&many, STR("]}"));
    put_proofs(&gerda, "gerda", buf_str(&many), "64 proofs", 200, NULL, NULL);
    many.n = sixty_four.n;
    buf_put(&many, STR(",\"64\"]}"));
    put_proofs(&gerda, "gerda", buf_str(&many), "65 proofs", 400, "bad_request", NULL);
    buf_clear(&many);
    buf_putf(&many, "{\"proofs\":[\"%0256d\"]}", 0);
    put_proofs(&gerda, "gerda", buf_str(&many), "256 bytes", 200, NULL, NULL);
    buf_clear(&many);
    buf_putf(&many, "{\"proofs\":[\"%0257d\"]}", 0);
    put_proofs(&gerda, "gerda", buf_str(&many), "257 bytes", 400, "bad_request", NULL);
    buf_done(&many);
}

static void webfinger_knows_who_is_here(void **state) {
    (void)state;
#define FINGER "/.well-known/webfinger"
    char self[512], no_links[512], by_primary[256];
    (void)snprintf(
        self, sizeof self,
        "{\"subject\":\"acct:alice@" NODE_SERVER "\",\"aliases\":[\"%s\"],\"links\":"
        "[{\"rel\":\"self\",\"type\":\"application/json\",\"href\":\"https://" NODE_SERVER
        "/v1/u/alice\"}]}",
        alice.primary);
    (void)snprintf(no_links, sizeof no_links,
                   "{\"subject\":\"acct:alice@" NODE_SERVER "\",\"aliases\":[\"%s\"],\"links\":[]}",
                   alice.primary);
    (void)snprintf(by_primary, sizeof by_primary, FINGER "?resource=%s", alice.primary);
    const struct {
        const char *target, *body;
    } found[] = {
        {FINGER "?resource=acct:alice@" NODE_SERVER, self},
        {FINGER "?resource=acct%3Aalice%40" NODE_SERVER, self},
        {FINGER "?resource=acct:alice@CHAT.example", self},
        {FINGER "?resource=acct:alice@" NODE_SERVER "&rel=self", self},
        {FINGER "?rel=a&resource=acct:alice@" NODE_SERVER "&rel=self", self},
        {FINGER "?resource=acct:alice@" NODE_SERVER "&rel=avatar", no_links},
        {by_primary, self},
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        struct http_reply r;
        http_expect(
            client,
            &(struct http_case){found[i].target, "GET", found[i].target, NULL, NULL, 200, NULL},
            &r);
        assert_true(str_eq(http_header(&r, "Content-Type"), STR("application/jrd+json")));
        assert_true(str_eq(http_header(&r, "Access-Control-Allow-Origin"), STR("*")));
        if (!str_eq(r.body, str_of(found[i].body)))
            fail_msg("%s: %.*s", found[i].target, STR_ARG(r.body));
        http_reply_done(&r);
    }
    static const struct http_case cases[] = {
        {"no resource", "GET", FINGER, NULL, NULL, 400, "bad_request"},
        {"an empty one", "GET", FINGER "?resource=", NULL, NULL, 400, "bad_request"},
        {"twice", "GET",
         FINGER "?resource=acct:alice@" NODE_SERVER "&resource=acct:bobby@" NODE_SERVER, NULL, NULL,
         400, "bad_request"},
        {"unknown", "GET", FINGER "?resource=acct:nobody1@" NODE_SERVER, NULL, NULL, 404,
         "not_found"},
        {"another server's", "GET", FINGER "?resource=acct:alice@other.example", NULL, NULL, 404,
         "not_found"},
    };
    ASK_ALL(cases);
#undef FINGER
}

static void the_pages_of_the_listeners(void **state) {
    (void)state;
    struct http_reply r;
    struct http_client *admin = http_client_new(node_admin_port(site.nodes[0]));
    static const struct http_case public_pages[] = {
        {"health", "GET", "/v1/healthz", NULL, NULL, 200, NULL},
        {"the web client", "GET", "/", NULL, NULL, 200, NULL},
        {"the description", "GET", "/openapi.yaml", NULL, NULL, 200, NULL},
        {"metrics are not public", "GET", "/metrics", NULL, NULL, 404, "not_found"},
        {"nor is readiness", "GET", "/readyz", NULL, NULL, 404, "not_found"},
    };
    ASK_ALL(public_pages);
    static const struct http_case admin_pages[] = {
        {"alive", "GET", "/livez", NULL, NULL, 200, NULL},
        {"ready", "GET", "/readyz", NULL, NULL, 200, NULL},
        {"the API is not here", "GET", "/v1/u/alice", NULL, NULL, 404, "not_found"},
    };
    for (size_t i = 0; i < sizeof admin_pages / sizeof *admin_pages; i++)
        http_expect(admin, &admin_pages[i], NULL);
    http_ask(admin, "GET", STR("/metrics"), STR(""), STR(""), &r);
    assert_int_equal(r.status, 200);
    struct str line, rest = r.body;
    while (!str_is_absent(rest)) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (line.n && line.p[0] != '#' && !str_starts_with(line, STR("kez_")))
            fail_msg("a metric of another name: %.*s", STR_ARG(line));
    }
    assert_non_null(memmem(r.body.p, r.body.n, "\nkez_streams ", 13));
    http_reply_done(&r);
    http_client_free(admin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_registered_once_and_again_by_its_owner),
        cmocka_unit_test(the_clock_may_be_five_minutes_off),
        cmocka_unit_test(handles_that_cannot_be_are_refused),
        cmocka_unit_test(a_registration_must_be_whole_and_signed),
        cmocka_unit_test(a_wrong_signature_is_unauthorized),
        cmocka_unit_test(payloads_are_signed_in_their_canonical_form),
        cmocka_unit_test(records_are_found_by_handle_and_by_primary),
        cmocka_unit_test(targets_outside_the_rules_are_refused),
        cmocka_unit_test(every_method_is_answered),
        cmocka_unit_test(browsers_may_send_what_the_protocol_needs),
        cmocka_unit_test(proofs_are_replaced_by_their_owner),
        cmocka_unit_test(webfinger_knows_who_is_here),
        cmocka_unit_test(the_pages_of_the_listeners),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
