/* tests/integration/test_secrets.c -- what users send never gets into the log, whatever its level;
 * and registration with a token, by the wire.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TOKEN "tOkEn-0123456789"

enum { SECRETS_MAX = 128, TEXT_MAX = 1 << 20, EVENT_MS = 60000 };

static struct site site;
static char token_path[256];

/* Texts that must not be in the log. */
static char *secrets[SECRETS_MAX];
static size_t secret_count;

static void keep_secret(struct str text) {
    assert_true(secret_count < SECRETS_MAX);
    secrets[secret_count] = strndup(text.p, text.n);
    assert_non_null(secrets[secret_count++]);
}

static int start(void **state) {
    (void)state;
    static const char *flags[] = {"--log-level", "debug", NULL};
    (void)snprintf(token_path, sizeof token_path, "%s/token", proc_temp_dir(NULL));
    FILE *f = fopen(token_path, "w");
    assert_non_null(f);
    assert_true(fputs(TOKEN "\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, flags);
    return 0;
}

static int stop(void **state) {
    (void)state;
    while (secret_count > 0)
        free(secrets[--secret_count]);
    site_stop(&site);
    return 0;
}

/* The signature in header lines, kept as a secret. */
static void keep_signature(struct str headers) {
    const char *colon = memmem(headers.p, headers.n, "X-KEZ-Auth: ", 12);
    assert_non_null(colon);
    colon = memchr(colon + 12, ':', 64);
    assert_non_null(colon);
    keep_secret((struct str){colon + 1, 128});
}

/* Asks, and takes any answer: it is the log that counts. */
static void ask(struct http_client *c, const char *method, const char *target, struct str headers,
                const char *body) {
    struct http_reply r;
    http_ask(c, method, str_of(target), headers, str_of(body), &r);
    http_reply_done(&r);
}

/* With this header line alone. */
static void ask_with(struct http_client *c, const char *method, const char *target,
                     const char *name, const char *value, const char *body) {
    char line[512];
    (void)snprintf(line, sizeof line, "%s: %s\r\n", name, value);
    keep_secret(str_of(value));
    ask(c, method, target, str_of(line), body);
}

static void say_secrets(struct http_client *c, const struct signer *alice) {
    struct buf headers, body;
    char target[1024];
    buf_init(&headers, TEXT_MAX);
    buf_init(&body, TEXT_MAX);

    /* bodies */
    ask(c, "POST", "/v1/messages", STR(""),
        "{\"to\":\"alice\",\"id\":\"idOfSecret\",\"envelope\":{\"k\":\"eNvElOpE\"}}");
    ask(c, "POST", "/v1/messages", STR(""), "{\"to\":\"alice\",\"mAlFoRmEd");
    ask(c, "POST", "/v1/register", STR(""), "{\"kez\":\"bOdY\"}");
    keep_secret(STR("eNvElOpE"));
    keep_secret(STR("idOfSecret"));
    keep_secret(STR("mAlFoRmEd"));
    keep_secret(STR("bOdY"));

    /* signatures, good and bad */
    signer_put_request(alice, &headers, "POST", NODE_SERVER, STR("/v1/messages"),
                       STR("{\"to\":\"alice\",\"id\":\"x\",\"envelope\":{}}"));
    keep_signature(buf_str(&headers));
    ask(c, "POST", "/v1/messages", buf_str(&headers),
        "{\"to\":\"alice\",\"id\":\"x\",\"envelope\":{}}");
    ask(c, "POST", "/v1/messages", buf_str(&headers),
        "{\"to\":\"alice\",\"id\":\"x\",\"envelope\":{\"other\":1}}");
    buf_clear(&headers);
    signer_put_poll(alice, &headers, "alice", 3);
    keep_signature(buf_str(&headers));
    ask(c, "GET", "/v1/inbox/alice?since=3&epoch=ePoCh", buf_str(&headers), "");
    ask(c, "GET", "/v1/inbox/alice?since=4&epoch=ePoCh", buf_str(&headers), "");
    keep_secret(STR("ePoCh"));
    keep_secret(STR("since=3"));
    ask_with(c, "GET", "/v1/inbox/alice", "X-KEZ-Auth", "gArBaGe", "");
    ask_with(c, "GET", "/v1/events", "X-Public-Key", "eD25519:kEy", "");

    /* queries */
    buf_clear(&body);
    signer_put_stream_value(alice, &body, "alice");
    keep_secret(str_from(buf_str(&body), buf_str(&body).n - 128));
    (void)snprintf(target, sizeof target, "/v1/events?public_key=%s&auth=%s&qUeRy=1",
                   alice->primary, buf_cstr(&body));
    keep_secret(str_of(alice->primary));
    keep_secret(STR("qUeRy"));
    ask(c, "GET", target, STR(""), "");
    ask(c, "GET", "/v1/nothing?uNkNoWn=1", STR(""), "");
    ask(c, "GET", "/v1/u/%00?bAdTaRgEt=1", STR(""), "");
    keep_secret(STR("uNkNoWn"));
    keep_secret(STR("bAdTaRgEt"));
    ask(c, "GET", "http://user:pAsSwOrD@host/v1/healthz", STR(""), "");
    keep_secret(STR("pAsSwOrD"));

    /* other credentials */
    ask_with(c, "POST", "/v1/register", "Authorization", "Bearer oPeNtOkEn", "{}");
    ask_with(c, "GET", "/", "Cookie", "cOoKiE=1", "");
    keep_secret(STR("oPeNtOkEn"));
    buf_done(&headers);
    buf_done(&body);
}

/* Asks with the general text; its signature is a secret, good or bad. */
static void ask_signed(struct http_client *c, const struct signer *s, const char *method,
                       const char *target, const char *body) {
    struct buf headers;
    buf_init(&headers, TEXT_MAX);
    signer_put_request(s, &headers, method, NODE_SERVER, str_of(target), str_of(body));
    keep_signature(buf_str(&headers));
    ask(c, method, target, buf_str(&headers), body);
    buf_done(&headers);
}

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FSV"

/* Conversations, and the account as a whole. */
static void say_more_secrets(struct http_client *c, const struct signer *alice) {
    struct signer thief = *alice;
    thief.seed[0] ^= 1;
    ask_signed(c, alice, "POST", "/v1/conversations",
               "{\"sid\":\"" SID "\",\"title\":\"tItLe\",\"participants\":[\"alice\"]}");
    ask_signed(c, alice, "PATCH", "/v1/conversations/" SID,
               "{\"version\":1,\"title\":\"oThErTiTlE\"}");
    ask_signed(c, alice, "POST", "/v1/conversations/" SID "/messages",
               "{\"envelope\":{\"k\":\"uTtEr\"},\"id\":\"uTtErId\"}");
    ask_signed(c, alice, "GET", "/v1/conversations?limit=7&lIsT=1", "");
    ask_signed(c, alice, "GET", "/v1/account/export?since=1&eXpOrT=1", "");
    ask_signed(c, &thief, "GET", "/v1/account/export", "");
    ask_signed(c, &thief, "DELETE", "/v1/account?dElEtE=1", "aBody");
    ask_signed(c, alice, "DELETE", "/v1/inbox/alice?upto=0&tRiM=1", "");
    static const char *const said[] = {"tItLe",  "oThErTiTlE", "uTtEr", "lIsT",
                                       "eXpOrT", "dElEtE",     "aBody", "tRiM"};
    for (size_t i = 0; i < COUNT(said); i++)
        keep_secret(str_of(said[i]));
}

/* To the listener of who runs the server, which logs requests like the others. */
static void say_secrets_to_admin(struct node *n) {
    struct http_client *c = http_client_new(node_admin_port(n));
    ask_with(c, "GET", "/v1/handles/alice?aDmInQuErY=1", "Authorization", "Basic aDmInPaSs", "");
    ask_with(c, "PUT", "/v1/handles/nobody1/block?x=bLoCkQuErY", "X-KEZ-Auth", "aDmInAuTh",
             "bLoCk");
    ask_with(c, "DELETE", "/v1/handles/nobody1", "Cookie", "aDmInCoOkIe", "");
    ask(c, "GET", "/metrics?mEtRiCs=1", STR(""), "");
    static const char *const said[] = {"aDmInQuErY", "aDmInPaSs", "bLoCkQuErY", "bLoCk\"",
                                       "mEtRiCs"};
    for (size_t i = 0; i < COUNT(said); i++)
        keep_secret(str_of(said[i]));
    http_client_free(c);
}

/* A stream by ?auth=, a row on it, and its end. */
static void stream_secrets(struct node *n, const struct signer *alice) {
    struct buf value, target;
    struct sse_reader r;
    buf_init(&value, TEXT_MAX);
    buf_init(&target, TEXT_MAX);
    signer_put_stream_value(alice, &value, "alice");
    keep_secret(str_from(buf_str(&value), buf_str(&value).n - 128));
    buf_putf(&target, "/v1/inbox/alice/stream?auth=%s&since=0", buf_cstr(&value));
    sse_init(&r);
    sse_open(&r, node_port(n), buf_str(&target), STR(""));
    uint64_t seq = node_post(n, "alice", NULL, "{\"k\":\"lIvErOw\"}");
    keep_secret(STR("lIvErOw"));
    for (uint64_t at = 0; at < seq;) {
        struct sse_event *e = sse_next(&r, EVENT_MS);
        assert_non_null(e);
        at = sse_number(e, "seq");
        sse_event_free(e);
    }
    sse_close(&r);
    sse_done(&r);
    buf_done(&value);
    buf_done(&target);
}

static void check_log(struct node *n, const char *expected) {
    char *log = node_log(n);
    if (!strstr(log, expected))
        fail_msg("the log has no line with %s", expected);
    for (size_t i = 0; i < secret_count; i++)
        if (strstr(log, secrets[i]))
            fail_msg("the log has %s", secrets[i]);
    /* And no query string at all. */
    for (const char *at = log; (at = strstr(at, "path=\"")) != NULL; at += 6)
        for (const char *p = at + 6; *p != '"' && *p != '\n'; p++)
            if (*p == '?')
                fail_msg("the log has a query: %.80s", at);
    free(log);
}

static void the_log_keeps_what_users_say_to_itself(void **state) {
    (void)state;
    struct node *n = site.nodes[0];
    struct http_client *c = http_client_new(node_port(n));
    struct signer alice;
    struct buf body;
    signer_init(&alice, "alice");
    buf_init(&body, TEXT_MAX);
    signer_put_registration(&alice, &body, NODE_SERVER);
    ask(c, "POST", "/v1/register", STR(""), buf_cstr(&body));
    const char *sig = memmem(body.p, body.n, "\"sig\":\"", 7);
    assert_non_null(sig);
    keep_secret((struct str){sig + 7, 128});
    buf_done(&body);

    say_secrets(c, &alice);
    stream_secrets(n, &alice);
    say_more_secrets(c, &alice);
    say_secrets_to_admin(n);
    http_client_free(c);
    node_signal(n, SIGTERM);
    assert_int_equal(node_wait(n, EVENT_MS), 0);
    check_log(n, "http request method=POST path=\"/v1/messages\"");
    node_restart(n);
}

static void a_token_lets_in_and_is_never_logged(void **state) {
    (void)state;
    const char *const flags[] = {
        "--log-level", "debug", "--registration", "token", "--registration-token-file",
        token_path,    NULL};
    struct node *n = site_node(&site, flags);
    struct http_client *c = http_client_new(node_port(n));
    struct signer gwen;
    struct buf body;
    signer_init(&gwen, "gwen");
    buf_init(&body, TEXT_MAX);
    signer_put_registration(&gwen, &body, NODE_SERVER);
    const struct http_case cases[] = {
        {"no token", "POST", "/v1/register", NULL, buf_cstr(&body), 401, "unauthorized"},
        {"another", "POST", "/v1/register", "Authorization: Bearer wRoNg-0123456789\r\n",
         buf_cstr(&body), 401, "unauthorized"},
        {"the token", "POST", "/v1/register", "Authorization: Bearer " TOKEN "\r\n",
         buf_cstr(&body), 201, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        http_expect(c, &cases[i], NULL);
    keep_secret(STR(TOKEN));
    keep_secret(STR("wRoNg"));
    http_client_free(c);
    node_signal(n, SIGTERM);
    assert_int_equal(node_wait(n, EVENT_MS), 0);
    check_log(n, "path=\"/v1/register\" status=201");
    buf_done(&body);
    node_stop(n);
}

static void closed_is_closed(void **state) {
    (void)state;
    const char *const flags[] = {"--registration", "closed", NULL};
    struct node *n = site_node(&site, flags);
    struct http_client *c = http_client_new(node_port(n));
    struct signer hugo;
    struct buf body;
    signer_init(&hugo, "hugo");
    buf_init(&body, TEXT_MAX);
    signer_put_registration(&hugo, &body, NODE_SERVER);
    http_expect(c,
                &(struct http_case){"closed", "POST", "/v1/register", NULL, buf_cstr(&body), 403,
                                    "forbidden"},
                NULL);
    http_client_free(c);
    buf_done(&body);
    node_stop(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_keeps_what_users_say_to_itself),
        cmocka_unit_test(a_token_lets_in_and_is_never_logged),
        cmocka_unit_test(closed_is_closed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
