/* tests/integration/test_conversations.c -- conversations of many, by the wire alone, on two nodes.
 *
 * Source: protocol, section 6.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/signed.h"
#include "support/site.h"
#include "wire/conversation.h"
#include "wire/json_span.h"
#include "wire/time.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TEXT_MAX = 4 << 20 };

static struct site site;
static struct node *nodes[2];
static struct http_client *clients[2];
static struct signer alice, bobby, carol, dieter;
static unsigned next_number;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, NULL);
    for (size_t i = 0; i < 2; i++) {
        nodes[i] = site.nodes[i];
        clients[i] = http_client_new(node_port(nodes[i]));
    }
    struct signer *const all[] = {&alice, &bobby, &carol, &dieter};
    static const char *const names[] = {"alice", "bobby", "carol", "dieter"};
    for (size_t i = 0; i < COUNT(all); i++) {
        signer_init(all[i], names[i]);
        node_register(nodes[0], all[i]);
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(clients[0]);
    http_client_free(clients[1]);
    site_stop(&site);
    return 0;
}

/* Each node in turn. */
static struct http_client *any(void) {
    static unsigned turn;
    return clients[turn++ % 2];
}

static void ask(const struct signer *s, const char *method, const char *target, const char *body,
                struct http_reply *out) {
    signed_ask(any(), s, method, target, body, out);
}

static void expect(const struct signer *s, const char *method, const char *target, const char *body,
                   int status, const char *has) {
    signed_expect(any(), s, method, target, body, status, has);
}

static struct place new_place(void) { return signed_place(++next_number); }

static void make(const struct place *p, const struct signer *s, const char *participants,
                 int status, const char *has) {
    char body[512];
    (void)snprintf(body, sizeof body, "{\"sid\":\"%s\",\"title\":\"a title\",\"participants\":%s}",
                   p->sid, participants);
    expect(s, "POST", "/v1/conversations", body, status, has);
}

/* The rows of the signer's inbox after `since` that name this conversation. */
static unsigned rows_of(const struct signer *s, const struct place *p, uint64_t since) {
    struct http_reply r;
    char query[64];
    unsigned n = 0;
    (void)snprintf(query, sizeof query, "?limit=500&since=%ju", (uintmax_t)since);
    node_poll(nodes[0], s, query, since, &r);
    struct str rows = http_member(&r, "messages");
    for (const char *at = rows.p, *end = at + rows.n;
         (at = memmem(at, (size_t)(end - at), "{\"seq\":", 7)) != NULL; at += 7) {
        const char *next = memmem(at + 7, (size_t)(end - at - 7), "{\"seq\":", 7);
        size_t size = (size_t)((next ? next : end) - at);
        n += memmem(at, size, p->sid, SID_LEN) != NULL;
    }
    http_reply_done(&r);
    return n;
}

static uint64_t head_of(const struct signer *s) {
    struct http_reply r;
    node_poll(nodes[0], s, "", 0, &r);
    uint64_t head = http_number(&r, "seq");
    http_reply_done(&r);
    return head;
}

static void a_conversation_has_the_protocols_shape(void **state) {
    (void)state;
    struct place p = new_place();
    struct http_reply r;
    char body[512], want[1024];
    (void)snprintf(body, sizeof body,
                   "{\"sid\":\"%s\",\"title\":\"\xc3\xa4 \\\"title\\\"\",\"participants\":"
                   "[\"bobby\",\"bobby\",\"alice\"]}",
                   p.sid);
    ask(&alice, "POST", "/v1/conversations", body, &r);
    assert_int_equal(r.status, 201);
    (void)snprintf(want, sizeof want,
                   "{\"sid\":\"%s\",\"title\":\"\xc3\xa4 \\\"title\\\"\",\"creator\":\"alice\","
                   "\"participants\":[{\"handle\":\"alice\",\"primary\":\"%s\"},"
                   "{\"handle\":\"bobby\",\"primary\":\"%s\"}],\"created_at\":\"",
                   p.sid, alice.primary, bobby.primary);
    if (!str_starts_with(r.body, str_of(want)))
        fail_msg("%.*s\nis not\n%s", STR_ARG(r.body), want);
    assert_int_equal(http_number(&r, "version"), 1);
    int64_t at_ms;
    assert_int_equal(time_read(str_of(http_text(&r, "updated_at")), &at_ms), RC_OK);
    http_reply_done(&r);
    expect(&bobby, "GET", p.itself, "", 200, "\"version\":1}");
    assert_int_equal(rows_of(&alice, &p, 0), 1);
    assert_int_equal(rows_of(&bobby, &p, 0), 1);
    assert_int_equal(rows_of(&carol, &p, 0), 0);
}

static void making_it_again_is_a_retry_for_its_maker_alone(void **state) {
    (void)state;
    struct place p = new_place();
    make(&p, &alice, "[\"bobby\"]", 201, NULL);
    make(&p, &alice, "[\"bobby\"]", 200, "\"version\":1}");
    make(&p, &bobby, "[\"alice\"]", 409, "\"conflict\"");
    make(&p, &carol, "[\"alice\"]", 409, "\"conflict\"");
    assert_int_equal(rows_of(&alice, &p, 0), 1);
}

static void who_cannot_be_in_it_is_named(void **state) {
    (void)state;
    struct place p = new_place();
    struct buf body;
    make(&p, &alice, "[\"bobby\",\"nobody1\"]", 404, "nobody1");
    make(&p, &alice, "[]", 400, "\"bad_request\"");
    make(&p, &alice, "[\"No\"]", 400, "\"bad_request\"");
    buf_init(&body, TEXT_MAX);
    buf_putf(&body, "{\"sid\":\"%s\",\"participants\":[\"bobby\"", p.sid);
    for (unsigned i = 0; i < PARTICIPANTS_MAX; i++)
        buf_putf(&body, ",\"crowd-%u\"", i);
    buf_put(&body, STR("]}"));
    expect(&alice, "POST", "/v1/conversations", buf_cstr(&body), 400, "256");
    buf_done(&body);
    expect(&alice, "GET", p.itself, "", 404, "\"not_found\"");
    make(&p, &alice, "[\"bobby\"]", 201, NULL); /* the name is still free */
}

/* Two bytes each, so that bytes are told from characters. */
static void put_title(struct buf *body, size_t bytes) {
    buf_put(body, STR("\"title\":\""));
    for (size_t i = 0; i < bytes / 2; i++)
        buf_put(body, STR("\xc3\xbc"));
    buf_put(body, bytes % 2 ? STR("u\"") : STR("\""));
}

static void a_title_has_256_bytes_and_no_control_characters(void **state) {
    (void)state;
    struct place p = new_place();
    struct buf body;
    static const char *const controls[] = {"\\u0000", "\\n", "\\u001f", "\\u007f", "\\u0085"};
    buf_init(&body, TEXT_MAX);
    for (size_t bytes = TITLE_MAX + 1; bytes >= TITLE_MAX; bytes--) {
        buf_clear(&body);
        buf_putf(&body, "{\"sid\":\"%s\",\"participants\":[\"bobby\"],", p.sid);
        put_title(&body, bytes);
        buf_put(&body, STR("}"));
        expect(&alice, "POST", "/v1/conversations", buf_cstr(&body), bytes > TITLE_MAX ? 400 : 201,
               bytes > TITLE_MAX ? "title" : NULL);
    }
    buf_clear(&body);
    buf_put(&body, STR("{\"version\":1,"));
    put_title(&body, TITLE_MAX + 1);
    buf_put(&body, STR("}"));
    expect(&bobby, "PATCH", p.itself, buf_cstr(&body), 400, "title");
    for (size_t i = 0; i < COUNT(controls); i++) {
        buf_clear(&body);
        buf_putf(&body, "{\"version\":1,\"title\":\"a%s\"}", controls[i]);
        expect(&bobby, "PATCH", p.itself, buf_cstr(&body), 400, "title");
    }
    expect(&bobby, "PATCH", p.itself, "{\"version\":1,\"title\":\"\"}", 200, "\"version\":2}");
    buf_done(&body);
}

static void who_is_not_in_it_cannot_tell_it_from_none(void **state) {
    (void)state;
    struct place p = new_place(), none = new_place();
    make(&p, &alice, "[\"bobby\"]", 201, NULL);
    const struct place *const both[] = {&p, &none};
    for (size_t i = 0; i < 2; i++) {
        expect(&carol, "GET", both[i]->itself, "", 404, "You are in no conversation of this sid.");
        expect(&carol, "PATCH", both[i]->itself, "{\"version\":1,\"title\":\"x\"}", 404,
               "You are in no conversation of this sid.");
        expect(&carol, "PATCH", both[i]->itself, "{\"version\":9,\"remove\":[\"bobby\"]}", 404,
               "You are in no conversation of this sid.");
        expect(&carol, "POST", both[i]->messages, "{\"id\":\"x\",\"envelope\":{}}", 404,
               "You are in no conversation of this sid.");
    }
}

static void changes_are_by_version_and_by_right(void **state) {
    (void)state;
    struct place p = new_place();
    make(&p, &alice, "[\"bobby\",\"carol\"]", 201, NULL);
    expect(&bobby, "PATCH", p.itself, "{\"version\":2,\"title\":\"x\"}", 409, "\"conflict\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":1,\"remove\":[\"carol\"]}", 403,
           "\"forbidden\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":7,\"remove\":[\"carol\"]}", 403,
           "\"forbidden\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":0,\"title\":\"x\"}", 409, "\"conflict\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":9007199254740992,\"title\":\"x\"}", 409,
           "\"conflict\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":0,\"remove\":[\"carol\"]}", 403,
           "\"forbidden\"");
    expect(&bobby, "PATCH", p.itself, "{\"version\":1,\"title\":\"a\\u0007\"}", 400, "title");
    expect(&bobby, "PATCH", p.itself, "{\"version\":1,\"add\":[\"nobody1\"]}", 404, "nobody1");
    expect(&bobby, "PATCH", p.itself, "{\"version\":1,\"title\":\"by bobby\"}", 200,
           "\"version\":2}");
    expect(&carol, "PATCH", p.itself, "{\"version\":1,\"title\":\"late\"}", 409, "\"conflict\"");
    expect(&carol, "PATCH", p.itself, "{\"version\":2,\"add\":[\"dieter\"]}", 200, "\"dieter\"");
    /* Nothing to change: no row, no new version. */
    uint64_t head = head_of(&dieter);
    expect(&dieter, "PATCH", p.itself, "{\"version\":3,\"title\":\"by bobby\",\"add\":[\"carol\"]}",
           200, "\"version\":3}");
    assert_int_equal(head_of(&dieter), head);
    expect(&alice, "PATCH", p.itself, "{\"version\":3,\"remove\":[\"dieter\",\"bobby\"]}", 200,
           "\"version\":4}");
    assert_int_equal(rows_of(&dieter, &p, head), 1); /* that it was removed */
    expect(&dieter, "GET", p.itself, "", 404, NULL);
}

static void what_is_removed_posts_and_reads_no_more(void **state) {
    (void)state;
    struct place p = new_place();
    make(&p, &alice, "[\"bobby\",\"carol\"]", 201, NULL);
    expect(&carol, "POST", p.messages, "{\"id\":\"1\",\"envelope\":{}}", 201, NULL);
    expect(&alice, "PATCH", p.itself, "{\"version\":1,\"remove\":[\"carol\"]}", 200, NULL);
    uint64_t head = head_of(&carol);
    expect(&carol, "POST", p.messages, "{\"id\":\"2\",\"envelope\":{}}", 404, NULL);
    expect(&alice, "POST", p.messages, "{\"id\":\"3\",\"envelope\":{}}", 201, NULL);
    assert_int_equal(head_of(&carol), head);
    assert_int_equal(rows_of(&carol, &p, 0), 3); /* made, her own, removed */
    assert_int_equal(rows_of(&bobby, &p, 0), 4);
}

static void a_post_is_one_row_for_each_and_a_repeat_none(void **state) {
    (void)state;
    struct place p = new_place();
    struct http_reply first, again;
    make(&p, &alice, "[\"bobby\",\"carol\"]", 201, NULL);
    uint64_t heads[3] = {head_of(&alice), head_of(&bobby), head_of(&carol)};
    static const char body[] = "{\"id\":\"once\",\"envelope\":{\"n\":[1.0,1e400]}}";
    ask(&bobby, "POST", p.messages, body, &first);
    assert_int_equal(first.status, 201);
    assert_string_equal(http_text(&first, "conversation"), p.sid);
    assert_string_equal(http_text(&first, "id"), "once");
    assert_int_equal(http_number(&first, "seq"), heads[1] + 1);
    ask(&bobby, "POST", p.messages, body, &again);
    assert_int_equal(again.status, 200);
    assert_true(str_eq(first.body, again.body));
    http_reply_done(&first);
    http_reply_done(&again);
    expect(&bobby, "POST", p.messages, "{\"id\":\"once\",\"envelope\":{\"n\":2}}", 409,
           "\"conflict\"");
    expect(&carol, "POST", p.messages, "{\"id\":\"once\",\"envelope\":{\"n\":2}}", 201, NULL);
    assert_int_equal(head_of(&alice), heads[0] + 2);
    assert_int_equal(head_of(&bobby), heads[1] + 2);
    assert_int_equal(head_of(&carol), heads[2] + 2);
}

static void an_envelope_has_64_kib(void **state) {
    (void)state;
    struct place p = new_place();
    make(&p, &alice, "[\"bobby\"]", 201, NULL);
    for (int over = 0; over < 2; over++) {
        struct buf body;
        buf_init(&body, TEXT_MAX);
        buf_putf(&body, "{\"id\":\"%d\",\"envelope\":{ \"a\" : \"", over);
        for (int i = 0; i < CONVERSATION_ENVELOPE_MAX - 8 + over; i++)
            buf_put_byte(&body, 'e');
        buf_put(&body, STR("\"}}"));
        expect(&alice, "POST", p.messages, buf_cstr(&body), over ? 413 : 201, NULL);
        buf_done(&body);
    }
}

static void the_list_begins_with_the_latest(void **state) {
    (void)state;
    struct signer s;
    struct place places[3];
    struct http_reply r;
    char query[128];
    signer_init(&s, "lister");
    node_register(nodes[0], &s);
    for (size_t i = 0; i < 3; i++) {
        places[i] = new_place();
        make(&places[i], &s, "[\"alice\"]", 201, NULL);
    }
    expect(&alice, "POST", places[0].messages, "{\"id\":\"x\",\"envelope\":{}}", 201, NULL);
    static const size_t order[] = {0, 2, 1};
    (void)snprintf(query, sizeof query, "/v1/conversations?limit=1");
    for (size_t i = 0; i < 3; i++) {
        ask(&s, "GET", query, "", &r);
        assert_int_equal(r.status, 200);
        assert_true(str_starts_with(r.body, STR("{\"conversations\":[{\"sid\":\"")));
        assert_memory_equal(r.body.p + 26, places[order[i]].sid, SID_LEN);
        http_reply_done(&r);
        (void)snprintf(query, sizeof query, "/v1/conversations?limit=1&before=%s",
                       places[order[i]].sid);
    }
    expect(&s, "GET", query, "", 200, "{\"conversations\":[]}");
    expect(&dieter, "GET", query, "", 404, "before");
    expect(&s, "GET", "/v1/conversations?limit=101", "", 400, "limit");
}

static void when_the_last_one_leaves_it_ends(void **state) {
    (void)state;
    struct place p = new_place();
    make(&p, &alice, "[\"bobby\"]", 201, NULL);
    expect(&alice, "PATCH", p.itself, "{\"version\":1,\"remove\":[\"alice\"]}", 200,
           "\"version\":2");
    expect(&alice, "GET", p.itself, "", 404, NULL);
    expect(&bobby, "PATCH", p.itself, "{\"version\":2,\"remove\":[\"bobby\"]}", 200, NULL);
    expect(&bobby, "GET", p.itself, "", 404, NULL);
    expect(&bobby, "POST", p.messages, "{\"id\":\"x\",\"envelope\":{}}", 404, NULL);
    assert_int_equal(rows_of(&bobby, &p, 0), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_has_the_protocols_shape),
        cmocka_unit_test(making_it_again_is_a_retry_for_its_maker_alone),
        cmocka_unit_test(who_cannot_be_in_it_is_named),
        cmocka_unit_test(a_title_has_256_bytes_and_no_control_characters),
        cmocka_unit_test(who_is_not_in_it_cannot_tell_it_from_none),
        cmocka_unit_test(changes_are_by_version_and_by_right),
        cmocka_unit_test(what_is_removed_posts_and_reads_no_more),
        cmocka_unit_test(a_post_is_one_row_for_each_and_a_repeat_none),
        cmocka_unit_test(an_envelope_has_64_kib),
        cmocka_unit_test(the_list_begins_with_the_latest),
        cmocka_unit_test(when_the_last_one_leaves_it_ends),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
