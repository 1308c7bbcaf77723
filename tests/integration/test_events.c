/* tests/integration/test_events.c -- events for other hosts, as tagged JSON.
 *
 * Source: protocol, section 7.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/signed.h"
#include "support/site.h"

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FCV"
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TEXT_MAX = 1 << 20, EVENT_MS = 60000 };

static struct site site;
static struct node *a, *b;
static struct http_client *to_a, *to_b;
static struct signer alice, bobby, carol;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, NULL);
    a = site.nodes[0];
    b = site.nodes[1];
    to_a = http_client_new(node_port(a));
    to_b = http_client_new(node_port(b));
    signer_init(&alice, "alice");
    signer_init(&bobby, "bobby");
    signer_init(&carol, "carol");
    node_register(a, &alice);
    node_register(a, &bobby);
    node_register(a, &carol);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(to_a);
    http_client_free(to_b);
    site_stop(&site);
    return 0;
}

static void finish(struct sse_reader *r) {
    sse_close(r);
    sse_done(r);
}

static void expect_silence(struct sse_reader *r, struct signer *witness, struct node *n) {
    /* A row of one's own comes next: so nothing else came before it. */
    (void)node_post(n, witness->handle.text, "silence", "{\"last\":1}");
    struct sse_event *e = sse_next(r, EVENT_MS);
    assert_non_null(e);
    assert_non_null(strstr(e->data, "\"last\":1"));
    sse_event_free(e);
}

static void rows_come_tagged_and_numbered_like_the_inbox(void **state) {
    (void)state;
    struct sse_reader events, inbox;
    struct signer s;
    signer_init(&s, "tagged");
    node_register(a, &s);
    signed_open_events(a, &s, "", &events);
    node_open(b, &s, "", &inbox);
    assert_int_equal(node_expect_ready(&events), 0);
    assert_int_equal(node_expect_ready(&inbox), 0);
    assert_int_equal(node_post(b, "tagged", "m1", "{\"a\":[1e400,\"\\ud800\"]}"), 1);
    struct sse_event *plain = sse_next(&inbox, EVENT_MS), *tagged = sse_next(&events, EVENT_MS);
    assert_non_null(plain);
    assert_non_null(tagged);
    /* {"seq":1,"type":"chatmessage.new",…} without its type, in the envelope of its type. */
    static const char type[] = "\"type\":\"chatmessage.new\",";
    char *at = strstr(plain->data, type), want[1024];
    assert_non_null(at);
    (void)snprintf(want, sizeof want, "{\"type\":\"chatmessage.new\",\"data\":%.*s%s}",
                   (int)(at - plain->data), plain->data, at + strlen(type));
    assert_string_equal(tagged->data, want);
    assert_string_equal(tagged->id, "1");
    sse_event_free(plain);
    sse_event_free(tagged);
    finish(&events);
    /* Resume, and the epoch. */
    (void)node_post(a, "tagged", NULL, "{}");
    signed_open_events(b, &s, "?since=1", &events);
    signed_expect_tagged(&events, 2, "{\"type\":\"chatmessage.new\",\"data\":{\"seq\":2,",
                         "\"envelope\":{}");
    assert_int_equal(node_expect_ready(&events), 2);
    finish(&events);
    signed_open_events(b, &s, "?since=2&epoch=another", &events);
    struct sse_event *resync = sse_next(&events, EVENT_MS);
    assert_non_null(resync);
    assert_string_equal(resync->type, "resync");
    assert_string_equal(sse_text(resync, "reason"), "epoch");
    assert_int_equal(sse_number(resync, "missed"), 0);
    sse_event_free(resync);
    signed_expect_tagged(&events, 1, "{\"type\":\"chatmessage.new\"", "\"m1\"");
    finish(&events);
    finish(&inbox);
}

static void what_was_dropped_is_told_as_on_the_inbox(void **state) {
    (void)state;
    struct sse_reader events;
    struct signer s;
    signer_init(&s, "trimmer");
    node_register(a, &s);
    for (int i = 0; i < 5; i++)
        (void)node_post(a, "trimmer", NULL, "{}");
    node_trim(b, &s, 3);
    static const struct {
        const char *query, *reason;
        uint64_t missed, next;
    } rows[] = {{"?since=1", "trimmed", 2, 4}, {"?since=99", "ahead", 0, 4}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        signed_open_events(i % 2 ? a : b, &s, rows[i].query, &events);
        struct sse_event *e = sse_next(&events, EVENT_MS);
        assert_non_null(e);
        assert_string_equal(e->type, "resync");
        assert_string_equal(sse_text(e, "reason"), rows[i].reason);
        assert_int_equal(sse_number(e, "missed"), rows[i].missed);
        assert_int_equal(sse_number(e, "seq"), rows[i].next - 1);
        sse_event_free(e);
        signed_expect_tagged(&events, rows[i].next, "{\"type\":\"chatmessage.new\"", "\"seq\":4,");
        signed_expect_tagged(&events, 5, "{\"type\":\"chatmessage.new\"", "\"seq\":5,");
        assert_int_equal(node_expect_ready(&events), 5);
        finish(&events);
    }
}

static void who_comes_and_goes_hears_of_that_and_of_nothing_else(void **state) {
    (void)state;
    struct sse_reader in, out;
    signed_open_events(a, &bobby, "", &in);
    (void)node_expect_ready(&in);
    signed_open_events(b, &carol, "", &out);
    (void)node_expect_ready(&out);
    static const char post[] = "/v1/conversations/" SID "/messages",
                      itself[] = "/v1/conversations/" SID;
    static const char updated[] = "{\"type\":\"conversation.updated\",\"data\":{\"seq\":";
    static const char message[] = "{\"type\":\"chatmessage.new\",\"data\":{\"seq\":";

    signed_expect(to_a, &alice, "POST", "/v1/conversations",
                  "{\"sid\":\"" SID "\",\"title\":\"t\",\"participants\":[\"bobby\"]}", 201, NULL);
    signed_expect(to_b, &alice, "POST", post, "{\"id\":\"1\",\"envelope\":{\"n\":1}}", 201, NULL);
    signed_expect(to_a, &alice, "PATCH", itself, "{\"version\":1,\"add\":[\"carol\"]}", 200, NULL);
    signed_expect(to_b, &bobby, "POST", post, "{\"id\":\"2\",\"envelope\":{\"n\":2}}", 201, NULL);
    signed_expect(to_a, &alice, "PATCH", itself, "{\"version\":2,\"remove\":[\"carol\"]}", 200,
                  NULL);
    signed_expect(to_b, &alice, "POST", post, "{\"id\":\"3\",\"envelope\":{\"n\":3}}", 201, NULL);

    signed_expect_tagged(&in, 1, updated, "\"version\":1");
    signed_expect_tagged(&in, 2, message, "\"envelope\":{\"n\":1}");
    signed_expect_tagged(&in, 3, updated, "\"handle\":\"carol\"");
    signed_expect_tagged(&in, 4, message, "\"from\":\"bobby\"");
    signed_expect_tagged(&in, 5, updated, "\"version\":3");
    signed_expect_tagged(&in, 6, message, "\"envelope\":{\"n\":3}");

    signed_expect_tagged(&out, 1, updated, "\"version\":2");
    signed_expect_tagged(&out, 2, message, "\"conversation\":\"" SID "\"");
    signed_expect_tagged(&out, 3, updated, "\"version\":3");
    expect_silence(&out, &carol, a);
    finish(&in);
    finish(&out);
}

static void nobody_anonymous_receives_anything(void **state) {
    (void)state;
    const struct {
        const char *what;
        const struct signer *named, *signer;
    } rows[] = {
        {"nobody", NULL, NULL},
        {"no signature", &alice, NULL},
        {"no key", NULL, &alice},
        {"another's key", &bobby, &alice},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf headers;
        buf_init(&headers, TEXT_MAX);
        if (rows[i].named && rows[i].signer) { /* one's own signature */
            buf_putf(&headers, "X-Public-Key: %s\r\n", rows[i].named->primary);
            signed_put_events(&headers, NULL, rows[i].signer);
        } else {
            signed_put_events(&headers, rows[i].named, rows[i].signer);
        }
        http_expect(to_a,
                    &(struct http_case){rows[i].what, "GET", "/v1/events", buf_cstr(&headers), NULL,
                                        401, "unauthorized"},
                    NULL);
        buf_done(&headers);
    }
}

static void the_header_comes_before_the_query(void **state) {
    (void)state;
    struct buf auth, target, headers;
    struct sse_reader r;
    buf_init(&auth, TEXT_MAX);
    buf_init(&target, TEXT_MAX);
    buf_init(&headers, TEXT_MAX);
    signer_put_events_value(&bobby, &auth, NODE_SERVER, bobby.primary);
    buf_putf(&target, "/v1/events?public_key=%s&auth=%s", bobby.primary, buf_cstr(&auth));
    signed_put_events(&headers, &alice, &alice);
    sse_init(&r);
    sse_open(&r, node_port(a), buf_str(&target), buf_str(&headers));
    struct sse_event *e = sse_next(&r, EVENT_MS);
    assert_non_null(e);
    assert_string_equal(sse_text(e, "handle"), "alice");
    sse_event_free(e);
    finish(&r);
    sse_init(&r); /* and the query alone will do */
    sse_open(&r, node_port(a), buf_str(&target), STR(""));
    e = sse_next(&r, EVENT_MS);
    assert_non_null(e);
    assert_string_equal(sse_text(e, "handle"), "bobby");
    sse_event_free(e);
    finish(&r);
    buf_done(&auth);
    buf_done(&target);
    buf_done(&headers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_tagged_and_numbered_like_the_inbox),
        cmocka_unit_test(what_was_dropped_is_told_as_on_the_inbox),
        cmocka_unit_test(who_comes_and_goes_hears_of_that_and_of_nothing_else),
        cmocka_unit_test(nobody_anonymous_receives_anything),
        cmocka_unit_test(the_header_comes_before_the_query),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
