/* tests/integration/test_slow.c -- readers that do not read, and readers with much to read: what
 * they cost a node, and the others.
 *
 * Source: protocol, section 5.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/crowd.h"
#include "support/proc.h"
#include "support/site.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
enum { MEMORY_COUNTS = false }; /* freed memory is kept for a while */
#else
enum { MEMORY_COUNTS = true };
#endif

enum {
    EVENT_MS = 60000,
    TEXT_MAX = 1 << 20,
    KIB = 1024,
    MIB = 1024 * KIB,
    TCP_ESTABLISHED = 1 /* in /proc/net/tcp */
};

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

/* ---- what a node holds ---- */

/* From here on the most that the node has had in memory at once is counted anew. */
static void forget_peak(struct node *n) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)node_pid(n));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "5", 1), 1);
    (void)close(fd);
}

/* VmHWM: the most since; VmRSS: now. */
static uint64_t memory_of(struct node *n, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)node_pid(n));
    char *text = proc_read_file(path), *at = strstr(text, name);
    assert_non_null(at);
    uint64_t bytes = strtoull(at + strlen(name) + 1, NULL, 10) * KIB;
    free(text);
    return bytes;
}

/* Bytes that wait in the kernel to be taken by the node's clients. */
static uint64_t untaken_of(struct node *n) {
    char *text = proc_read_file("/proc/net/tcp");
    uint64_t sum = 0;
    for (char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
        unsigned port, state, queued;
        if (sscanf(line + 1, " %*u: %*x:%x %*x:%*x %x %x:", &port, &state, &queued) == 3 &&
            port == node_port(n) && state == TCP_ESTABLISHED)
            sum += queued;
    }
    free(text);
    return sum;
}

static void expect_less(const char *what, uint64_t bytes, uint64_t limit) {
    if (bytes >= limit)
        fail_msg("%s: %ju KiB, and less than %ju are allowed", what, (uintmax_t)bytes / KIB,
                 (uintmax_t)limit / KIB);
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
    uint64_t before = memory_of(n, "VmRSS:");
    forget_peak(n);
    for (uint64_t seq = 1; seq <= ROWS; seq++)
        for (size_t h = 0; h < HANDLES; h++) {
            post_rows(users[h].handle.text, seq, seq, buf_cstr(&envelope));
            node_expect_row(&brisk[h], seq); /* beside a hundred of the same handle */
        }
    uint64_t peak = memory_of(n, "VmHWM:");
    assert_true(node_metric(n, "kez_stream_fallbacks_total") - fallbacks >= HANDLES * EACH);
    assert_int_equal(node_metric(n, "kez_streams"), HANDLES * EACH + HANDLES);
    expect_less("in the kernel", untaken_of(n), (uint64_t)HANDLES * EACH * 512 * KIB);
    if (MEMORY_COUNTS)
        expect_less("in the node", peak > before ? peak - before : 0, 32 * MIB);
    print_message(
        "stalled: %d MiB of rows for each of %d, node grew by %ju KiB, kernel has %ju KiB\n",
        ROWS * ROW_BYTES / MIB, HANDLES * EACH, (uintmax_t)(peak - before) / KIB,
        (uintmax_t)untaken_of(n) / KIB);
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

/* ---- those with much to read ---- */

enum { BACKLOG = 100000, READERS = 2, MEANWHILE = 3 };

/* 100 MB of rows, put there at once. */
static void fill_inbox(const char *handle) {
    char sql[640];
    (void)snprintf(
        sql, sizeof sql,
        "BEGIN; INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, envelope)"
        " SELECT inbox, n, now(), 0, '', '{\"a\":\"' || repeat('x', 1000) || '\"}'"
        " FROM kez.account CROSS JOIN generate_series(1, %d) AS n WHERE handle = '%s';"
        "UPDATE kez.inbox SET head = %d FROM kez.account AS a WHERE id = a.inbox"
        " AND a.handle = '%s'; COMMIT",
        BACKLOG, handle, BACKLOG, handle);
    postgres_exec(site.pg, "chat", sql);
}

static void a_long_backlog_comes_in_pages(void **state) {
    (void)state;
    struct signer s = fresh("backlog");
    struct sse_reader readers[READERS];
    fill_inbox("backlog");
    uint64_t before = memory_of(a, "VmRSS:");
    forget_peak(a);
    for (size_t i = 0; i < READERS; i++)
        node_open(a, &s, "?since=0", &readers[i]);
    for (uint64_t seq = 1; seq <= BACKLOG; seq++) {
        if (seq <= MEANWHILE) /* rows that come meanwhile follow in their place */
            post_rows("backlog", BACKLOG + seq, BACKLOG + seq, "{}");
        for (size_t i = 0; i < READERS; i++)
            node_expect_row(&readers[i], seq);
    }
    enum { HEAD = BACKLOG + MEANWHILE };
    for (size_t i = 0; i < READERS; i++) {
        expect_rows(&readers[i], BACKLOG + 1, HEAD);
        assert_int_equal(node_expect_ready(&readers[i]), HEAD);
        finish(&readers[i]);
    }
    uint64_t peak = memory_of(a, "VmHWM:");
    print_message("backlog: %d rows for each of %d, node grew by %ju KiB\n", BACKLOG, READERS,
                  (uintmax_t)(peak > before ? peak - before : 0) / KIB);
    if (MEMORY_COUNTS)
        expect_less("in the node", peak > before ? peak - before : 0, 16 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_stalled_readers_delay_nobody_and_cost_little),
        cmocka_unit_test(one_that_takes_nothing_is_closed_and_the_metrics_say_why),
        cmocka_unit_test(a_live_stream_is_told_of_what_was_trimmed_before_it_got_it),
        cmocka_unit_test(a_long_backlog_comes_in_pages),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
