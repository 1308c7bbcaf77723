/* tests/integration/test_doorbell.c -- what travels over NATS, byte by byte, and what becomes of
 * what a stranger rings.
 *
 * Source: protocol, section 8.
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
#include "support/tap.h"
#include "wire/conversation.h"
#include "wire/row.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TIME "\"created_at\":\"2026-05-26T23:06:17.123Z\""
#define TAGGED "{\"type\":\"chatmessage.new\",\"data\":{\"seq\":"

enum { NODES = 2, BODY_MAX = 1024 * 1024, TEXT_MAX = 512 };

static struct site site;
static struct http_client *to_a;
static struct signer alice;

/* Nobody looks into the store by himself: what comes has come over NATS. */
static const char *const flags[] = {
    "--sweep-up", "600000", "--look-again-first", "60000", "--look-again-second", "60000", NULL};

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", NODES, flags);
    to_a = http_client_new(node_port(site.nodes[0]));
    signer_init(&alice, "alice");
    node_register(site.nodes[0], &alice);
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(to_a);
    site_stop(&site);
    return 0;
}

/* ---- a listener: streams of both formats on both nodes, and the subject itself ---- */

struct listener {
    struct signer self;
    char subject[64];
    struct tap *tap;
    struct sse_reader inbox[NODES], events[NODES];
};

static void listen_as(struct listener *l, const char *handle) {
    signer_init(&l->self, handle);
    node_register(site.nodes[1], &l->self);
    (void)snprintf(l->subject, sizeof l->subject, "kez.chat.inbox.%s", handle);
    l->tap = tap_open(natsd_url(site.nats));
    tap_subscribe(l->tap, l->subject);
    for (unsigned i = 0; i < NODES; i++) {
        node_open(site.nodes[i], &l->self, "", &l->inbox[i]);
        signed_open_events(site.nodes[i], &l->self, "", &l->events[i]);
        (void)node_expect_ready(&l->inbox[i]);
        (void)node_expect_ready(&l->events[i]);
    }
}

/* The next of each stream is this row, with this in its envelope. */
static void expect_everywhere(struct listener *l, uint64_t seq, const char *has) {
    for (unsigned i = 0; i < NODES; i++) {
        char beginning[TEXT_MAX];
        struct sse_event *e = sse_next(&l->inbox[i], SSE_WAIT_MS);
        assert_non_null(e);
        if (strcmp(e->type, "message") != 0 || sse_number(e, "seq") != seq || !strstr(e->data, has))
            fail_msg("%ju with %.80s is wanted: %s %.400s", (uintmax_t)seq, has, e->type, e->data);
        sse_event_free(e);
        (void)snprintf(beginning, sizeof beginning, TAGGED "%ju,", (uintmax_t)seq);
        signed_expect_tagged(&l->events[i], seq, beginning, has);
    }
}

static void stop_listening(struct listener *l) {
    for (unsigned i = 0; i < NODES; i++) {
        node_finish(&l->inbox[i]);
        node_finish(&l->events[i]);
    }
    tap_close(l->tap);
}

/* ---- long rows ---- */

/* Posts an envelope of `bytes` bytes by alice; what of it can be looked for. */
static const char *post(const char *target, const char *to, const char *id, size_t bytes) {
    static char mark[64];
    struct buf body;
    buf_init(&body, BODY_MAX);
    (void)snprintf(mark, sizeof mark, "\"mark\":\"%s\"}", id);
    buf_putf(&body, "{\"id\":\"%s\",%s\"envelope\":{\"a\":\"", id, to);
    for (size_t i = strlen("{'a':'',") + strlen(mark); i < bytes; i++)
        buf_put_byte(&body, 'x');
    buf_putf(&body, "\",%s}", mark);
    signed_expect(to_a, &alice, "POST", target, buf_cstr(&body), 201, NULL);
    buf_done(&body);
    return mark;
}

/* What travelled is this row, from `seq` on and up to the time, and then only that it is stored. */
static void expect_stored(struct listener *l, uint64_t seq, const char *head) {
    char want[TEXT_MAX];
    struct str got = tap_next(l->tap);
    static const char time[] = ",\"created_at\":\"2026-05-26T23:06:17.123Z\"",
                      tail[] = ",\"stored\":true}";
    int n = snprintf(want, sizeof want, "{\"seq\":%ju,\"type\":\"chatmessage.new\",%s",
                     (uintmax_t)seq, head);
    if (!str_starts_with(got, str_of(want)) || got.n != (size_t)n + strlen(time) + strlen(tail) ||
        memcmp(got.p + n, time, strlen(",\"created_at\":\"2")) != 0 ||
        !str_eq(str_from(got, (size_t)n + strlen(time)), str_of(tail)))
        fail_msg("%.*s is not %s%s%s", (int)(got.n < 400 ? got.n : 400), got.p, want, time, tail);
}

static void a_long_row_travels_without_its_body(void **state) {
    (void)state;
    struct listener l;
    struct place p = signed_place(1);
    char body[TEXT_MAX], head[TEXT_MAX];
    listen_as(&l, "long-ones");
    const char *mark = post("/v1/messages", "\"to\":\"long-ones\",", "direct", 200 * 1024);
    expect_stored(&l, 1, "\"id\":\"direct\",\"from\":\"alice\"");
    expect_everywhere(&l, 1, mark);

    (void)snprintf(body, sizeof body, "{\"sid\":\"%s\",\"participants\":[\"long-ones\"]}", p.sid);
    signed_expect(to_a, &alice, "POST", "/v1/conversations", body, 201, NULL);
    struct str updated = tap_next(l.tap);
    assert_true(str_starts_with(
        updated, STR("{\"seq\":2,\"type\":\"conversation.updated\",\"conversation")));
    assert_non_null(memmem(updated.p, updated.n, "\"data\":{\"sid\":", 14));
    for (unsigned i = 0; i < NODES; i++) {
        node_expect_row(&l.inbox[i], 2);
        signed_expect_tagged(&l.events[i], 2, "{\"type\":\"conversation.updated\"", p.sid);
    }
    mark = post(p.messages, "", "to-many", CONVERSATION_ENVELOPE_MAX);
    (void)snprintf(head, sizeof head,
                   "\"id\":\"to-many\",\"from\":\"alice\",\"conversation\":\"%s\"", p.sid);
    expect_stored(&l, 3, head);
    expect_everywhere(&l, 3, mark);
    stop_listening(&l);
}

/* Bytes of the row around its envelope: the same as long as seq and id are as long. */
static size_t measure_rest(struct listener *l, uint64_t seq) {
    enum { BYTES = 1000 };
    const char *mark = post("/v1/messages", "\"to\":\"limits\",", "short", BYTES);
    size_t rest = tap_next(l->tap).n - BYTES;
    expect_everywhere(l, seq, mark);
    return rest;
}

static void a_row_of_64_kib_is_not_yet_long(void **state) {
    (void)state;
    struct listener l;
    listen_as(&l, "limits");
    size_t most = ROW_BUS_MAX_BYTES - measure_rest(&l, 1);
    const char *mark = post("/v1/messages", "\"to\":\"limits\",", "whole", most);
    struct str whole = tap_next(l.tap);
    assert_int_equal(whole.n, ROW_BUS_MAX_BYTES);
    assert_non_null(memmem(whole.p, whole.n, mark, strlen(mark)));
    expect_everywhere(&l, 2, mark);
    mark = post("/v1/messages", "\"to\":\"limits\",", "bulky", most + 1);
    expect_stored(&l, 3, "\"id\":\"bulky\",\"from\":\"alice\"");
    expect_everywhere(&l, 3, mark);
    stop_listening(&l);
}

/* ---- strangers ---- */

static double on_both(const char *metric) {
    return node_metric(site.nodes[0], metric) + node_metric(site.nodes[1], metric);
}

static void what_is_no_row_is_counted_and_shown_to_nobody(void **state) {
    (void)state;
    static const struct str junk[] = {
        STR_INIT(""),
        STR_INIT("{"),
        STR_INIT("null"),
        STR_INIT("[{\"seq\":1}]"),
        STR_INIT("\0\0"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\"," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{}}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":7," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"data\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"conversation.updated\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"ready\",\"data\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":01,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}\n\ndata: x"),
        STR_INIT("{\"seq\":1,\"type\":\"chatmessage.new\",\"stored\":1," TIME "}"),
    };
    struct listener l;
    listen_as(&l, "junkyard");
    const size_t count = COUNT(junk);
    double before = on_both("kez_bus_junk_total");
    struct tap *stranger = tap_open(natsd_url(site.nats));
    for (size_t i = 0; i < count; i++)
        tap_publish(stranger, l.subject, junk[i]);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(node_metric_becomes(site.nodes[i], "kez_bus_junk_total", (double)count));
    assert_true(on_both("kez_bus_junk_total") - before == (double)(NODES * count));
    (void)post("/v1/messages", "\"to\":\"junkyard\",", "first", 100);
    expect_everywhere(&l, 1, "\"first\"");
    tap_close(stranger);
    stop_listening(&l);
}

/* What travels next and has this in it, as text. */
static void hear(struct tap *tap, const char *mark, char out[TEXT_MAX]) {
    struct str row;
    do
        row = tap_next(tap);
    while (!memmem(row.p, row.n, mark, strlen(mark)));
    assert_true(row.n < TEXT_MAX);
    (void)snprintf(out, TEXT_MAX, "%.*s", STR_ARG(row));
}

static void a_row_published_again_comes_once(void **state) {
    (void)state;
    enum { ROWS = 20, TIMES = 5 };
    static char rows[ROWS][TEXT_MAX];
    struct listener l;
    struct sse_reader late;
    struct tap *stranger = tap_open(natsd_url(site.nats));
    listen_as(&l, "echoes");
    for (unsigned i = 0; i < ROWS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "row%u", i);
        const char *mark = post("/v1/messages", "\"to\":\"echoes\",", id, 100);
        hear(l.tap, mark, rows[i]);
        /* This one and all before it, last first, over and over. */
        for (unsigned k = 0; k < TIMES * (i + 1); k++)
            tap_publish(stranger, l.subject, str_of(rows[i - k % (i + 1)]));
        expect_everywhere(&l, i + 1, mark);
    }
    /* Also without their bodies, and while a stream begins. */
    node_open(site.nodes[1], &l.self, "?since=5", &late);
    for (unsigned i = 0; i < ROWS; i++) {
        char stored[TEXT_MAX];
        (void)snprintf(stored, sizeof stored,
                       "{\"seq\":%u,\"type\":\"chatmessage.new\"," TIME ",\"stored\":true}", i + 1);
        tap_publish(stranger, l.subject, str_of(stored));
        tap_publish(stranger, l.subject, str_of(rows[i]));
    }
    node_expect_rows(&late, 6, ROWS);
    assert_int_equal(node_expect_ready(&late), ROWS);
    (void)post("/v1/messages", "\"to\":\"echoes\",", "last", 100);
    expect_everywhere(&l, ROWS + 1, "\"last\"");
    node_expect_row(&late, ROWS + 1);
    node_finish(&late);
    tap_close(stranger);
    stop_listening(&l);
}

/* A seq that the inbox has not reached: the store knows of no such row, and it is not shown. */
static void a_row_from_the_future_is_not_believed(void **state) {
    (void)state;
    static const struct str rows[] = {
        STR_INIT("{\"seq\":1000,\"type\":\"chatmessage.new\"," TIME ",\"stored\":true}"),
        STR_INIT("{\"seq\":1001,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME "}"),
        STR_INIT("{\"seq\":9007199254740991,\"type\":\"chatmessage.new\",\"envelope\":{}," TIME
                 "}"),
    };
    struct listener l;
    struct tap *stranger = tap_open(natsd_url(site.nats));
    listen_as(&l, "prophets");
    for (unsigned i = 0; i < COUNT(rows); i++) {
        char id[16];
        tap_publish(stranger, l.subject, rows[i]);
        (void)snprintf(id, sizeof id, "row%u", i);
        const char *mark = post("/v1/messages", "\"to\":\"prophets\",", id, 100);
        expect_everywhere(&l, i + 1, mark);
    }
    tap_close(stranger);
    stop_listening(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_row_travels_without_its_body),
        cmocka_unit_test(a_row_of_64_kib_is_not_yet_long),
        cmocka_unit_test(what_is_no_row_is_counted_and_shown_to_nobody),
        cmocka_unit_test(a_row_published_again_comes_once),
        cmocka_unit_test(a_row_from_the_future_is_not_believed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
