/* tests/integration/test_continuity.c -- rows come once and in order, whatever is between them.
 *
 * Source: protocol, section 5.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/crowd.h"
#include "support/site.h"
#include "wire/json_span.h"

enum { BODY_MAX = 1 << 21, KIB = 1024, EVENT_MS = 60000 };

static struct site site;
static struct node *a, *b;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 2, NULL);
    a = site.nodes[0];
    b = site.nodes[1];
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

/* ---- continuity ---- */

static void another_epoch_is_said_before_all(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "epochs", 3);
    struct http_reply inbox;
    struct sse_reader r;
    char same[96];
    node_poll(a, &s, "", 0, &inbox);
    (void)snprintf(same, sizeof same, "?since=1&epoch=%s", http_text(&inbox, "epoch"));
    http_reply_done(&inbox);
    node_open(a, &s, same, &r);
    node_expect_rows(&r, 2, 3);
    assert_int_equal(node_expect_ready(&r), 3);
    node_finish(&r);
    /* With a cursor, without one, with one that is ahead, and with no epoch held. */
    static const char *const others[] = {"?since=2&epoch=other", "?epoch=other",
                                         "?since=77&epoch=other", "?since=2&epoch="};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        node_open(i % 2 ? a : b, &s, others[i], &r);
        node_expect_resync(&r, "epoch", 0, 0);
        node_expect_rows(&r, 1, 3);
        assert_int_equal(node_expect_ready(&r), 3);
        node_finish(&r);
    }
}

static void a_cursor_that_is_ahead_starts_over(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "toofar", 3);
    struct sse_reader r;
    node_resume(a, &s, 1000, &r);
    node_expect_resync(&r, "ahead", 0, 0);
    node_expect_rows(&r, 1, 3);
    assert_int_equal(node_expect_ready(&r), 3);
    assert_int_equal(node_post(b, "toofar", NULL, "{}"), 4);
    node_expect_row(&r, 4);
    node_finish(&r);
    node_trim(a, &s, 2);
    node_resume(b, &s, 5, &r);
    node_expect_resync(&r, "ahead", 2, 0);
    node_expect_rows(&r, 3, 4);
    assert_int_equal(node_expect_ready(&r), 4);
    node_finish(&r);
}

/* Of live streams, too, when the head falls and nothing else changes; no node could know of it by
 * itself. */
static void a_live_stream_that_is_ahead_starts_over(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "livefar", 4);
    struct sse_reader streams[2];
    for (size_t i = 0; i < 2; i++) {
        node_open(i ? b : a, &s, "", &streams[i]);
        assert_int_equal(node_expect_ready(&streams[i]), 4);
    }
    postgres_exec(site.pg, "chat",
                  "WITH i AS (UPDATE kez.inbox SET head = 2 FROM kez.account"
                  "  WHERE id = inbox AND handle = 'livefar' RETURNING id)"
                  " DELETE FROM kez.inbox_row USING i WHERE inbox = i.id AND seq > 2");
    for (size_t i = 0; i < 2; i++) {
        node_expect_resync(&streams[i], "ahead", 0, 0);
        node_expect_rows(&streams[i], 1, 2);
    }
    assert_int_equal(node_post(b, "livefar", NULL, "{}"), 3);
    for (size_t i = 0; i < 2; i++) {
        node_expect_row(&streams[i], 3);
        node_finish(&streams[i]);
    }
}

static void trimmed_rows_are_said_to_be_missing(void **state) {
    (void)state;
    struct signer s = node_newcomer(a, "trimmed", 5);
    struct sse_reader r;
    node_trim(a, &s, 3);
    static const struct { uint64_t last_id, missed; } rows[] = {{0, 3}, {1, 2}, {2, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        node_resume(i % 2 ? a : b, &s, rows[i].last_id, &r);
        node_expect_resync(&r, "trimmed", 3, rows[i].missed);
        node_expect_rows(&r, 4, 5);
        assert_int_equal(node_expect_ready(&r), 5);
        node_finish(&r);
    }
    node_resume(a, &s, 3, &r);
    node_expect_rows(&r, 4, 5);
    assert_int_equal(node_expect_ready(&r), 5);
    node_finish(&r);
    /* All of it. */
    node_trim(a, &s, 5);
    node_resume(a, &s, 4, &r);
    node_expect_resync(&r, "trimmed", 5, 1);
    assert_int_equal(node_expect_ready(&r), 5);
    assert_int_equal(node_post(a, "trimmed", NULL, "{}"), 6);
    node_expect_row(&r, 6);
    node_finish(&r);
}

static void a_silent_stream_is_kept_alive(void **state) {
    (void)state;
    static const char *const flags[] = {"--keep-alive", "150", "--keep-alive-spread", "50", NULL};
    struct node *lively = site_node(&site, flags);
    struct signer s = node_newcomer(a, "silence", 0);
    struct sse_reader r;
    node_open(lively, &s, "", &r);
    assert_int_equal(node_expect_ready(&r), 0);
    for (uint64_t comments = r.comments; r.comments < comments + 3;)
        if (sse_next(&r, 1000) || r.fd < 0)
            fail_msg("something else came");
    assert_int_equal(node_post(a, "silence", NULL, "{}"), 1);
    node_expect_row(&r, 1);
    node_finish(&r);
    node_stop(lively);
}

/* ---- two writers, slow readers ---- */

static void rows_of_two_nodes_come_exactly_once_and_in_order(void **state) {
    (void)state;
    enum { POSTERS = 4, EACH = 250 };
    static const char *const to[] = {"exactly", NULL};
    static const char *const names[POSTERS] = {"p0", "p1", "p2", "p3"};
    struct signer s = node_newcomer(a, "exactly", 0);
    struct sse_reader streams[4];
    static struct poster posters[POSTERS];
    for (size_t i = 0; i < 4; i++) {
        node_open(i % 2 ? a : b, &s, "", &streams[i]);
        assert_int_equal(node_expect_ready(&streams[i]), 0);
    }
    for (size_t i = 0; i < POSTERS; i++) {
        uint16_t port = node_port(i % 2 ? a : b);
        posters[i] =
            (struct poster){.name = names[i], .ports = {port, port}, .handles = to, .rows = EACH};
        poster_start(&posters[i]);
    }
    for (size_t i = 0; i < 4; i++)
        node_expect_rows(&streams[i], 1, POSTERS * EACH);
    for (size_t i = 0; i < POSTERS; i++) {
        poster_join(&posters[i]);
        assert_int_equal(posters[i].acked, EACH);
    }
    /* One more row: nothing else came between. */
    assert_int_equal(node_post(a, "exactly", NULL, "{}"), POSTERS * EACH + 1);
    for (size_t i = 0; i < 4; i++) {
        node_expect_row(&streams[i], POSTERS * EACH + 1);
        node_finish(&streams[i]);
    }
}

enum { NOW_HANDLES = 40 };

/* "else now (the head as read when joining, named in `ready`)": what comes first is ready, and the
 * rows after its seq follow, also when rows are committed while the stream joins. */
static void a_stream_without_a_cursor_says_first_where_it_starts(void **state) {
    (void)state;
    static struct signer users[NOW_HANDLES];
    static const char *handles[NOW_HANDLES + 1];
    for (unsigned i = 0; i < NOW_HANDLES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "now%u", i);
        users[i] = node_newcomer(a, name, 0);
        handles[i] = users[i].handle.text;
    }
    static struct poster p; /* outlives a test that fails */
    p = (struct poster){.name = "now", .ports = {node_port(a), node_port(b)}, .handles = handles};
    poster_start(&p);
    for (unsigned i = 0; i < 2 * NOW_HANDLES; i++) {
        struct sse_reader r;
        node_open(i < NOW_HANDLES ? a : b, &users[i % NOW_HANDLES], "", &r);
        uint64_t start = node_expect_ready(&r);
        node_expect_row(&r, start + 1);
        sse_done(&r);
    }
    poster_stop(&p);
}

static void post_large(const char *to, unsigned rows) {
    struct buf envelope;
    buf_init(&envelope, BODY_MAX);
    buf_put(&envelope, STR("{\"a\":\""));
    for (int i = 0; i < 200 * KIB; i++)
        buf_put_byte(&envelope, 'x');
    buf_put(&envelope, STR("\"}"));
    for (unsigned i = 0; i < rows; i++)
        (void)node_post(a, to, NULL, buf_cstr(&envelope));
    buf_done(&envelope);
}

static void a_slow_reader_gets_all_of_it_later(void **state) {
    (void)state;
    enum { ROWS = 40 };
    struct signer s = node_newcomer(a, "slowone", 0);
    struct sse_reader on_a, on_b;
    double before = node_metric(a, "kez_stream_fallbacks_total");
    node_open_narrow(a, &s, &on_a);
    node_open_narrow(b, &s, &on_b);
    assert_int_equal(node_expect_ready(&on_a), 0);
    assert_int_equal(node_expect_ready(&on_b), 0);
    post_large("slowone", ROWS); /* 8 MiB, more than sockets take; nobody reads meanwhile */
    node_expect_rows(&on_a, 1, ROWS);
    node_expect_rows(&on_b, 1, ROWS);
    assert_int_equal(node_post(b, "slowone", NULL, "{}"), ROWS + 1);
    node_expect_row(&on_a, ROWS + 1);
    node_expect_row(&on_b, ROWS + 1);
    assert_true(node_metric(a, "kez_stream_fallbacks_total") > before);
    node_finish(&on_a);
    node_finish(&on_b);
}

static void one_that_takes_no_byte_is_closed(void **state) {
    (void)state;
    static const char *const flags[] = {"--stall-time", "1000", NULL};
    struct node *strict = site_node(&site, flags);
    enum { ROWS = 40 };
    struct signer s = node_newcomer(a, "stalled", 0);
    struct sse_reader r;
    node_open_narrow(strict, &s, &r);
    assert_int_equal(node_expect_ready(&r), 0);
    post_large("stalled", ROWS);
    assert_true(node_metric_becomes(strict, "kez_streams", 0)); /* we have not hung up */
    /* What it had taken before is whole and in order; it resumes after that. */
    uint64_t last = 0;
    for (struct sse_event *e; (e = sse_next(&r, EVENT_MS)) != NULL; sse_event_free(e))
        assert_int_equal(sse_number(e, "seq"), ++last);
    sse_done(&r);
    assert_true(last < ROWS);
    node_resume(a, &s, last, &r);
    node_expect_rows(&r, last + 1, ROWS);
    assert_int_equal(node_expect_ready(&r), ROWS);
    node_finish(&r);
    node_stop(strict);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_epoch_is_said_before_all),
        cmocka_unit_test(a_cursor_that_is_ahead_starts_over),
        cmocka_unit_test(a_live_stream_that_is_ahead_starts_over),
        cmocka_unit_test(trimmed_rows_are_said_to_be_missing),
        cmocka_unit_test(a_silent_stream_is_kept_alive),
        cmocka_unit_test(rows_of_two_nodes_come_exactly_once_and_in_order),
        cmocka_unit_test(a_stream_without_a_cursor_says_first_where_it_starts),
        cmocka_unit_test(a_slow_reader_gets_all_of_it_later),
        cmocka_unit_test(one_that_takes_no_byte_is_closed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
