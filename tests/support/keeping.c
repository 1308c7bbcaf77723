/* tests/support/keeping.c -- what tests of retention in the store share.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "support/keeping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/stats.h"
#include "support/proc.h"

enum { PASS_MS = 120000 };

int keeping_open(void **state) {
    (void)state;
    hall_open("keep", 1);
    return 0;
}

int keeping_empty(void **state) {
    (void)state;
    hall_exec("TRUNCATE kez.account, kez.inbox, kez.inbox_row, kez.letter, kez.kept_id,"
              " kez.conversation, kez.participant");
    return 0;
}

static bool passes_rose(void *arg) {
    const int64_t *above = arg;
    return atomic_load(&stats.retention_passes) > *above;
}

void keeping_await_more_than(int64_t passes) {
    assert_true(proc_poll(passes_rose, &passes, PASS_MS));
}

void keeping_await_passes(int64_t n) {
    keeping_await_more_than(atomic_load(&stats.retention_passes) + n - 1);
}

void keeping_assert_dense(void) {
    hall_assert_sql("SELECT count(*) FROM kez.inbox AS i WHERE head - first + 1 <>"
                    " (SELECT count(*) FROM kez.inbox_row WHERE inbox = i.id"
                    "  AND seq BETWEEN i.first AND i.head)",
                    "0");
    hall_assert_sql("SELECT count(*) FROM kez.inbox_row AS r LEFT JOIN kez.inbox AS i"
                    " ON i.id = r.inbox WHERE i.id IS NULL OR r.seq NOT BETWEEN i.first AND i.head",
                    "0");
    hall_assert_sql("SELECT count(*) FROM kez.inbox_row AS r WHERE letter IS NOT NULL"
                    " AND NOT EXISTS (SELECT FROM kez.letter WHERE number = r.letter)",
                    "0");
}
