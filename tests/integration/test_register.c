/* tests/integration/test_api.c -- handles, records, WebFinger, methods and paths, by the wire
 * alone.
 *
 * Source: protocol, sections 1 to 3.
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

static void a_handle_is_registered_once_and_again_by_its_owner(void **state) {
    (void)state;
    struct signer carol, again;
    struct http_reply r;
    char at[64];
    signer_init(&carol, "carol");
    register_user(&carol, "a new handle", 201, NULL, &r);
    node_check_record(&r, &carol, "[]");
    (void)snprintf(at, sizeof at, "%s", http_text(&r, "registered_at"));
    http_reply_done(&r);
    register_user(&carol, "a retry", 200, NULL, &r);
    node_check_record(&r, &carol, "[]");
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

/* ---- proofs ---- */

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
        node_check_record(&r, s, proofs);
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
    struct buf poll;
    buf_init(&poll, BODY_MAX);
    signer_put_poll(&gerda, &poll, "gerda", 0);
    http_expect(client,
                &(struct http_case){"a poll's signature", "PUT", "/v1/profile/gerda/proofs",
                                    buf_cstr(&poll), "{\"proofs\":[]}", 401, "unauthorized"},
                NULL);
    buf_done(&poll);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_registered_once_and_again_by_its_owner),
        cmocka_unit_test(the_clock_may_be_five_minutes_off),
        cmocka_unit_test(handles_that_cannot_be_are_refused),
        cmocka_unit_test(a_registration_must_be_whole_and_signed),
        cmocka_unit_test(a_wrong_signature_is_unauthorized),
        cmocka_unit_test(payloads_are_signed_in_their_canonical_form),
        cmocka_unit_test(proofs_are_replaced_by_their_owner),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
