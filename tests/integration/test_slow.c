/* tests/integration/test_slow.c -- readers that do not read: what they cost a node, and the others.
 *
 * Source: protocol, section 5.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/crowd.h"
#include "support/proc.h"
#include "support/site.h"
#include "support/weight.h"

enum { EVENT_MS = 60000, TEXT_MAX = 1 << 20, KIB = 1024, MIB = 1024 * KIB };

static struct site site;
static struct node *a;

static int start(void **state) {
    (void)state;
    site_start(&site, BUILD_DIR "/kez-chat-server", 1, NULL);
    a = site.nodes[0];
    return 0;
}

static int stop(void **state) {
    (void)state;
    site_stop(&site);
    return 0;
}

static struct signer fresh(const char *handle) {
    struct signer s;
    signer_init(&s, handle);
    node_register(a, &s);
    return s;
}

/* ---- rows ---- */

static void make_envelope(struct buf *out, size_t bytes) {
    buf_init(out, TEXT_MAX);
    buf_put(out, STR("{\"a\":\""));
    for (size_t i = 0; i < bytes; i++)
        buf_put_byte(out, 'x');
    buf_put(out, STR("\"}"));
}

static void post_rows(const char *to, uint64_t from, uint64_t upto, const char *envelope) {
    for (uint64_t seq = from; seq <= upto; seq++)
        assert_int_equal(node_post(a, to, NULL, envelope), seq);
}

static void expect_rows(struct sse_reader *r, uint64_t from, uint64_t upto) {
    for (uint64_t seq = from; seq <= upto; seq++)
        node_expect_row(r, seq);
}

static void finish(struct sse_reader *r) {
    assert_int_equal(r->oddities, 0);
    assert_null(r->first);
    sse_done(r);
}

/* ---- those who do not read ---- */

enum { HANDLES = 10, EACH = 100, ROWS = 60, ROW_BYTES = 100 * KIB };

/* 60 MB of rows; a thousand clients are to have 6 MB each, and take nothing. */
static void a_thousand_stalled_readers_delay_nobody_and_cost_little(void **state) {
    (void)state;
    static const char *const flags[] = {"--stall-time", "3600000", "--limit-streams-per-address",
                                        "0", NULL};
    static struct sse_reader stalled[HANDLES][EACH], brisk[HANDLES];
    static struct signer users[HANDLES];
    struct node *n = site_node(&site, flags);
    struct buf envelope;
    make_envelope(&envelope, ROW_BYTES);
    for (size_t h = 0; h < HANDLES; h++) {
        char name[16];
        (void)snprintf(name, sizeof name, "stall%zu", h);
        users[h] = fresh(name);
        for (size_t i = 0; i < EACH; i++) {
            node_open_narrow(n, &users[h], &stalled[h][i]);
            (void)node_expect_ready(&stalled[h][i]);
        }
        node_open(n, &users[h], "", &brisk[h]);
        (void)node_expect_ready(&brisk[h]);
    }
    double fallbacks = node_metric(n, "kez_stream_fallbacks_total");
    uint64_t before = weight_now(node_pid(n));
    weight_forget_peak(node_pid(n));
    for (uint64_t seq = 1; seq <= ROWS; seq++)
        for (size_t h = 0; h < HANDLES; h++) {
            post_rows(users[h].handle.text, seq, seq, buf_cstr(&envelope));
            node_expect_row(&brisk[h], seq); /* beside a hundred of the same handle */
        }
    uint64_t peak = weight_peak(node_pid(n));
    assert_true(node_metric(n, "kez_stream_fallbacks_total") - fallbacks >= HANDLES * EACH);
    assert_int_equal(node_metric(n, "kez_streams"), HANDLES * EACH + HANDLES);
    weight_expect_less("in the kernel", weight_untaken(node_port(n)),
                       (uint64_t)HANDLES * EACH * 512 * KIB);
    if (WEIGHT_COUNTS)
        weight_expect_less("in the node", peak > before ? peak - before : 0, 32 * MIB);
    print_message(
        "stalled: %d MiB of rows for each of %d, node grew by %ju KiB, kernel has %ju KiB\n",
        ROWS * ROW_BYTES / MIB, HANDLES * EACH, (uintmax_t)(peak - before) / KIB,
        (uintmax_t)weight_untaken(node_port(n)) / KIB);
    /* And when they do read, nothing is missing. */
    for (size_t h = 0; h < HANDLES; h++) {
        expect_rows(&stalled[h][h], 1, ROWS);
        for (size_t i = 0; i < EACH; i++)
            sse_done(&stalled[h][i]);
        finish(&brisk[h]);
    }
    buf_done(&envelope);
    node_stop(n);
}

static void one_that_takes_nothing_is_closed_and_the_metrics_say_why(void **state) {
    (void)state;
    static const char *const flags[] = {"--stall-time", "1000", NULL};
    struct node *strict = site_node(&site, flags);
    struct signer s = fresh("closed"), other = fresh("silent");
    struct sse_reader stalled, brisk, silent;
    struct buf envelope;
    make_envelope(&envelope, 40 * KIB); /* what a socket takes for a client that is busy posting */
    node_open_narrow(strict, &s, &stalled);
    node_open(strict, &s, "", &brisk);
    node_open(strict, &other, "", &silent); /* has nothing to take */
    assert_int_equal(node_expect_ready(&stalled), 0);
    assert_int_equal(node_expect_ready(&brisk), 0);
    assert_int_equal(node_expect_ready(&silent), 0);
    assert_int_equal(node_metric(strict, "kez_streams_closed_stalled_total"), 0);
    for (uint64_t seq = 1; seq <= 40; seq++) {
        post_rows("closed", seq, seq, buf_cstr(&envelope));
        node_expect_row(&brisk, seq);
    }
    assert_true(node_metric_becomes(strict, "kez_streams_closed_stalled_total", 1));
    assert_int_equal(node_metric(strict, "kez_streams_closed_hangup_total"), 0);
    assert_int_equal(node_metric(strict, "kez_streams_closed_error_total"), 0);
    assert_int_equal(node_metric(strict, "kez_streams"), 2);
    post_rows("closed", 41, 41, "{}");
    node_expect_row(&brisk, 41);
    assert_int_equal(node_post(a, "silent", NULL, "{}"), 1);
    node_expect_row(&silent, 1);
    sse_done(&stalled);
    finish(&brisk);
    finish(&silent);
    buf_done(&envelope);
    node_stop(strict);
}

/* What a live stream has not taken, and its owner drops on another device, is said to be missing.
 */
static void a_live_stream_is_told_of_what_was_trimmed_before_it_got_it(void **state) {
    (void)state;
    enum { ALL = 60, TRIMMED = 50 };
    struct signer s = fresh("trimlive");
    struct sse_reader slow;
    struct buf envelope;
    make_envelope(&envelope, 200 * KIB);
    double fallbacks = node_metric(a, "kez_stream_fallbacks_total");
    node_open_narrow(a, &s, &slow);
    assert_int_equal(node_expect_ready(&slow), 0);
    post_rows("trimlive", 1, ALL, buf_cstr(&envelope)); /* 12 MB, more than sockets take */
    assert_true(node_metric(a, "kez_stream_fallbacks_total") > fallbacks);
    node_trim(a, &s, TRIMMED);
    uint64_t last = 0;
    struct sse_event *e;
    while ((e = sse_next(&slow, EVENT_MS)) && strcmp(e->type, "message") == 0) {
        assert_int_equal(sse_number(e, "seq"), ++last);
        sse_event_free(e);
    }
    if (!e || strcmp(e->type, "resync") != 0)
        fail_msg("no resync after %ju but %s", (uintmax_t)last, e ? e->type : "nothing");
    assert_string_equal(sse_text(e, "reason"), "trimmed");
    assert_int_equal(sse_number(e, "seq"), TRIMMED);
    assert_int_equal(sse_number(e, "missed"), TRIMMED - last);
    sse_event_free(e);
    expect_rows(&slow, TRIMMED + 1, ALL);
    post_rows("trimlive", ALL + 1, ALL + 1, "{}");
    node_expect_row(&slow, ALL + 1);
    finish(&slow);
    buf_done(&envelope);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_stalled_readers_delay_nobody_and_cost_little),
        cmocka_unit_test(one_that_takes_nothing_is_closed_and_the_metrics_say_why),
        cmocka_unit_test(a_live_stream_is_told_of_what_was_trimmed_before_it_got_it),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
