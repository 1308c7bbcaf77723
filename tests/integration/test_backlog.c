/* tests/integration/test_backlog.c -- readers with much to read: it comes in pages, whole and in
 * order, and costs the node no more than pages.
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

enum { KIB = 1024, MIB = 1024 * KIB };

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
    uint64_t before = weight_now(node_pid(a));
    weight_forget_peak(node_pid(a));
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
    uint64_t peak = weight_peak(node_pid(a));
    print_message("backlog: %d rows for each of %d, node grew by %ju KiB\n", BACKLOG, READERS,
                  (uintmax_t)(peak > before ? peak - before : 0) / KIB);
    if (WEIGHT_COUNTS)
        weight_expect_less("in the node", peak > before ? peak - before : 0, 16 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_backlog_comes_in_pages),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
