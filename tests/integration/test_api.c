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
#include <string.h>

#include <cmocka.h>

#include "support/site.h"

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
        node_check_record(&r, &alice, "[]");
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

/* ---- WebFinger, pages ---- */

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
        cmocka_unit_test(records_are_found_by_handle_and_by_primary),
        cmocka_unit_test(targets_outside_the_rules_are_refused),
        cmocka_unit_test(every_method_is_answered),
        cmocka_unit_test(browsers_may_send_what_the_protocol_needs),
        cmocka_unit_test(webfinger_knows_who_is_here),
        cmocka_unit_test(the_pages_of_the_listeners),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
