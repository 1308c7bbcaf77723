/* tests/integration/test_account.c -- accounts exported, deleted and blocked on a fleet of two:
 * what one node did, the other holds to within seconds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/proc.h"
#include "support/site.h"
#include "wire/json_span.h"

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV"

/* A directory's age is 5 s, a sweep's period too. */
enum { TEXT_MAX = 1 << 20, SECONDS_MS = 20000 };

static struct site site;
static struct node *a, *b;
static struct http_client *to_a, *to_b, *admin;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, NULL);
    a = site.nodes[0];
    b = site.nodes[1];
    to_a = http_client_new(node_port(a));
    to_b = http_client_new(node_port(b));
    admin = http_client_new(node_admin_port(a));
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(to_a);
    http_client_free(to_b);
    http_client_free(admin);
    site_stop(&site);
    return 0;
}

static struct signer fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(a, &s);
    return s;
}

/* Asks with the general text; the reply is the caller's. */
static int ask_signed(struct http_client *c, const struct signer *s, const char *method,
                      const char *target, const char *body, struct http_reply *out) {
    struct buf headers;
    buf_init(&headers, TEXT_MAX);
    signer_put_request(s, &headers, method, NODE_SERVER, str_of(target), str_of(body));
    http_ask(c, method, str_of(target), buf_str(&headers), str_of(body), out);
    buf_done(&headers);
    return out->status;
}

static void expect_signed(struct http_client *c, const struct signer *s, const char *method,
                          const char *target, const char *body, int status) {
    struct http_reply r;
    if (ask_signed(c, s, method, target, body, &r) != status)
        fail_msg("%s %s: %d %.*s", method, target, r.status, STR_ARG(r.body));
    http_reply_done(&r);
}

static void expect_admin(const char *method, const char *target, int status) {
    struct http_reply r;
    http_ask(admin, method, str_of(target), STR(""), STR(""), &r);
    if (r.status != status)
        fail_msg("%s %s: %d %.*s", method, target, r.status, STR_ARG(r.body));
    http_reply_done(&r);
}

static void an_export_has_record_conversations_and_every_row(void **state) {
    (void)state;
    struct signer s = fresh("exporter");
    struct http_reply r;
    uint64_t at = 0, head = 1;
    unsigned rows = 0, pages = 0;
    expect_signed(to_a, &s, "POST", "/v1/conversations",
                  "{\"sid\":\"" SID "\",\"title\":\"kept\",\"participants\":[\"exporter\"]}", 201);
    for (int i = 0; i < 24; i++)
        (void)node_post(a, "exporter", NULL, "{\"n\":1}");
    while (at < head) {
        char target[100];
        (void)snprintf(target, sizeof target, "/v1/account/export?limit=10&since=%ju",
                       (uintmax_t)at);
        assert_int_equal(ask_signed(to_b, &s, "GET", target, "", &r), 200);
        head = http_number(&r, "seq");
        struct str record = http_member(&r, "record"), messages = http_member(&r, "messages");
        assert_non_null(memmem(record.p, record.n, s.primary, KEY_TEXT_LEN));
        assert_int_equal(str_is_absent(http_member(&r, "conversations")), at > 0);
        if (at == 0)
            assert_non_null(memmem(r.body.p, r.body.n, "\"title\":\"kept\"", 14));
        for (const char *p = messages.p, *end = p + messages.n;
             (p = memmem(p, (size_t)(end - p), "{\"seq\":", 7)) != NULL; p += 7, rows++)
            at = strtoull(p + 7, NULL, 10);
        pages++;
        http_reply_done(&r);
    }
    assert_int_equal(rows, 25);
    assert_int_equal(pages, 3);
}

/* Whether node b says this of a handle by now. */
struct said {
    const char *handle;
    int status;
};

static bool node_b_says(void *arg) {
    const struct said *said = arg;
    struct http_reply r;
    char body[100];
    (void)snprintf(body, sizeof body, "{\"to\":\"%s\",\"envelope\":{}}", said->handle);
    http_ask(to_b, "POST", STR("/v1/messages"), STR(""), str_of(body), &r);
    int status = r.status;
    http_reply_done(&r);
    return status == said->status;
}

/* Opens the handle's stream on the other node, which may know it a while longer. The status; a
 * stream that is opened all the same ends by itself, else the test fails for its time. */
static int stream_status(const struct signer *s) {
    struct buf headers;
    struct http_reply r;
    char target[80];
    (void)snprintf(target, sizeof target, "/v1/inbox/%s/stream", s->handle.text);
    buf_init(&headers, TEXT_MAX);
    signer_put_stream(s, &headers, s->handle.text);
    http_ask(to_b, "GET", str_of(target), buf_str(&headers), STR(""), &r);
    int status = r.status;
    http_reply_done(&r);
    buf_done(&headers);
    return status;
}

static void an_account_that_is_deleted_is_gone_everywhere(void **state) {
    (void)state;
    struct signer gone = fresh("goner"), other = fresh("stayer");
    struct sse_reader stream, others;
    struct http_reply r;
    static const char conversation[] = "{\"sid\":\"01ARZ3NDEKTSV4RRFFQ69G5FBV\",\"participants\":"
                                       "[\"goner\",\"stayer\"]}";
    node_open(b, &gone, "", &stream);
    (void)node_expect_ready(&stream);
    node_open(b, &other, "", &others);
    (void)node_expect_ready(&others);
    expect_signed(to_a, &gone, "POST", "/v1/conversations", conversation, 201);
    assert_true(node_b_says(&(struct said){"goner", 201})); /* b knows the handle now */

    /* Nobody else can do it, and an unsigned request cannot. */
    struct http_reply refused;
    http_ask(to_a, "DELETE", STR("/v1/account"), STR(""), STR(""), &refused);
    assert_int_equal(refused.status, 400);
    http_reply_done(&refused);

    expect_signed(to_a, &gone, "DELETE", "/v1/account", "", 204);
    int status = stream_status(&gone);
    assert_true(status == 200 || status == 404);
    http_expect(
        to_a,
        &(struct http_case){"at once here", "GET", "/v1/u/goner", NULL, NULL, 404, "not_found"},
        NULL);
    assert_true(proc_poll(node_b_says, &(struct said){"goner", 404}, SECONDS_MS));
    assert_int_equal(stream_status(&gone), 404);
    assert_true(sse_await_end(&stream));
    sse_done(&stream);

    /* The others were told that it left. */
    node_expect_row(&others, 1);
    node_expect_row(&others, 2);
    sse_close(&others);
    sse_done(&others);
    assert_int_equal(
        ask_signed(to_b, &other, "GET", "/v1/conversations/01ARZ3NDEKTSV4RRFFQ69G5FBV", "", &r),
        200);
    assert_int_equal(http_number(&r, "version"), 2);
    struct str people = http_member(&r, "participants");
    assert_null(memmem(people.p, people.n, "goner", 5));
    http_reply_done(&r);

    /* And the handle is free: for anybody, with an inbox of its own. */
    struct signer heir;
    signer_init(&heir, "somebodyelse");
    assert_int_equal(handle_read(STR("goner"), &heir.handle), RC_OK);
    node_register(a, &heir);
    node_poll(a, &heir, "", 0, &r);
    assert_int_equal(http_number(&r, "seq"), 0);
    http_reply_done(&r);
}

/* The same signature would have deleted an account of before. */
static void what_was_signed_before_an_account_was_there_does_not_delete_it(void **state) {
    (void)state;
    struct signer again = fresh("again");
    again.skew_s = -30;
    expect_signed(to_a, &again, "DELETE", "/v1/account", "", 401);
    again.skew_s = 0;
    assert_true(node_b_says(&(struct said){"again", 201}));
    expect_signed(to_a, &again, "DELETE", "/v1/account", "", 204);
}

/* ---- deleted in the midst of it ---- */

/* One who goes on until the handle is unknown: posts to it, or makes conversations with it. */
struct nagger {
    pthread_t thread;
    struct signer self;
    bool makes;
    atomic_uint done; /* what was accepted */
    int last;         /* the last status; 0: the connection broke */
};

enum { NAGS_MAX = 20000, NAGGERS = 4 };

static int nag(struct nagger *n, struct http_client *c, unsigned i) {
    struct buf headers, body;
    struct http_reply r;
    const char *target = n->makes ? "/v1/conversations" : "/v1/messages";
    buf_init(&headers, TEXT_MAX);
    buf_init(&body, TEXT_MAX);
    if (n->makes)
        buf_putf(&body, "{\"sid\":\"01ARZ3NDEKTSV4RR%c%09u\",\"participants\":[\"hurried\"]}",
                 n->self.handle.text[3] - 'a' + 'A', i);
    else
        buf_putf(&body, "{\"to\":\"hurried\",\"id\":\"n%u\",\"envelope\":{}}", i);
    signer_put_request(&n->self, &headers, "POST", NODE_SERVER, str_of(target), buf_str(&body));
    int status = 0;
    if (http_try(c, "POST", str_of(target), buf_str(&headers), buf_str(&body), &r)) {
        status = r.status;
        http_reply_done(&r);
    }
    buf_done(&headers);
    buf_done(&body);
    return status;
}

static void *nag_on(void *arg) {
    struct nagger *n = arg;
    struct http_client *c = http_client_new(node_port(b));
    for (unsigned i = 0; i < NAGS_MAX; i++) {
        n->last = nag(n, c, i);
        atomic_fetch_add(&n->done, n->last == 201);
        if (n->last != 201 && n->last != 200 && n->last != 503) /* sent twice, or busy */
            break;
    }
    http_client_free(c);
    return NULL;
}

static bool all_have_begun(void *arg) {
    struct nagger *naggers = arg;
    for (unsigned i = 0; i < NAGGERS; i++)
        if (atomic_load(&naggers[i].done) < 10)
            return false;
    return true;
}

static void expect_none(const char *what) {
    char sql[300];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", what);
    char *got = postgres_value(site.pg, "chat", sql);
    if (strcmp(got, "0") != 0)
        fail_msg("%s: %s", what, got);
    free(got);
}

static void an_account_goes_while_others_write_to_it(void **state) {
    (void)state;
    static struct nagger naggers[NAGGERS];
    struct signer gone = fresh("hurried");
    struct http_reply r;
    for (unsigned i = 0; i < NAGGERS; i++) {
        char handle[8] = {'n', 'a', 'g', (char)('a' + i)};
        naggers[i].self = fresh(handle);
        naggers[i].makes = i % 2 == 1;
        assert_int_equal(pthread_create(&naggers[i].thread, NULL, nag_on, &naggers[i]), 0);
    }
    /* Some rows and conversations of each are there before it goes. */
    assert_true(proc_poll(all_have_begun, naggers, SECONDS_MS));
    int status = 503;
    while (status == 503) { /* it broke off and goes on */
        status = ask_signed(to_a, &gone, "DELETE", "/v1/account", "", &r);
        http_reply_done(&r);
    }
    assert_true(status == 204 || status == 404);
    for (unsigned i = 0; i < NAGGERS; i++) {
        assert_int_equal(pthread_join(naggers[i].thread, NULL), 0);
        if (naggers[i].last != 404)
            fail_msg("nagger %u: %u, then %d", i, atomic_load(&naggers[i].done), naggers[i].last);
        expect_signed(to_b, &naggers[i].self, "GET", "/v1/conversations?limit=100", "", 200);
    }
    expect_none("kez.account WHERE handle = 'hurried'");
    expect_none("kez.participant WHERE handle = 'hurried'");
    expect_none("kez.inbox_row WHERE inbox NOT IN (SELECT inbox FROM kez.account)");
    expect_none("kez.kept_id WHERE inbox NOT IN (SELECT inbox FROM kez.account)");
}

static void who_runs_the_server_can_block_let_go_and_delete(void **state) {
    (void)state;
    struct signer s = fresh("nuisance");
    struct sse_reader stream;
    struct http_reply r;
    node_open(b, &s, "", &stream);
    (void)node_expect_ready(&stream);
    assert_true(node_b_says(&(struct said){"nuisance", 201}));
    expect_admin("GET", "/v1/handles/nuisance", 200);
    expect_admin("PUT", "/v1/handles/nuisance/block", 204);
    int status = stream_status(&s);
    assert_true(status == 200 || status == 403);
    expect_signed(to_a, &s, "GET", "/v1/conversations", "", 403);
    assert_true(proc_poll(node_b_says, &(struct said){"nuisance", 403}, SECONDS_MS));
    expect_signed(to_b, &s, "GET", "/v1/conversations", "", 403);
    assert_true(sse_await_end(&stream));
    sse_done(&stream);
    http_expect(to_b,
                &(struct http_case){"still known", "GET", "/v1/u/nuisance", NULL, NULL, 200, NULL},
                NULL);

    expect_admin("DELETE", "/v1/handles/nuisance/block", 204);
    expect_signed(to_a, &s, "GET", "/v1/conversations", "", 200);
    assert_true(proc_poll(node_b_says, &(struct said){"nuisance", 201}, SECONDS_MS));
    node_poll(a, &s, "", 0, &r); /* nothing was lost */
    assert_int_equal(http_number(&r, "first"), 1);
    assert_true(http_number(&r, "seq") >= 2);
    http_reply_done(&r);

    expect_admin("PUT", "/v1/handles/nuisance/block", 204);
    expect_admin("DELETE", "/v1/handles/nuisance", 204);
    expect_admin("GET", "/v1/handles/nuisance", 404);
    expect_admin("DELETE", "/v1/handles/nuisance", 404);
    assert_true(proc_poll(node_b_says, &(struct said){"nuisance", 404}, SECONDS_MS));
    /* Not on the public listener. */
    http_expect(to_a,
                &(struct http_case){"public", "DELETE", "/v1/handles/nuisance", NULL, NULL, 404,
                                    "not_found"},
                NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_has_record_conversations_and_every_row),
        cmocka_unit_test(an_account_that_is_deleted_is_gone_everywhere),
        cmocka_unit_test(what_was_signed_before_an_account_was_there_does_not_delete_it),
        cmocka_unit_test(an_account_goes_while_others_write_to_it),
        cmocka_unit_test(who_runs_the_server_can_block_let_go_and_delete),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
