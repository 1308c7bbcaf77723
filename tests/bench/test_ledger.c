/* tests/bench/test_ledger.c -- the oracle finds what is lost, repeated and out of order.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SEQS_MAX = 12 };

/* A stream that was ready at `ready`, saw these seqs (0 ends them), and an inbox with this head. */
static const struct {
    const char *name;
    uint64_t ready, seqs[SEQS_MAX], head;
    struct ledger want;
} rows[] = {
    {"nothing", 5, {0}, 5, {.delivered = 0}},
    {"all in order", 5, {6, 7, 8}, 8, {.delivered = 3}},
    {"more than was answered", 5, {6, 7}, 6, {.delivered = 2}},
    {"one lost", 5, {6, 8}, 8, {.delivered = 2, .lost = 1}},
    {"the first lost", 0, {2}, 2, {.delivered = 1, .lost = 1}},
    {"the last two lost", 5, {6}, 8, {.delivered = 1, .lost = 2}},
    {"all lost", 5, {0}, 8, {.lost = 3}},
    {"one repeated", 5, {6, 7, 7, 8}, 8, {.delivered = 3, .repeated = 1}},
    {"an older one repeated", 5, {6, 7, 8, 6}, 8, {.delivered = 3, .repeated = 1}},
    {"one from before the start", 5, {5, 6}, 6, {.delivered = 1, .repeated = 1}},
    {"two swapped", 5, {7, 6, 8}, 8, {.delivered = 3, .out_of_order = 1}},
    {"one late and then again",
     5,
     {7, 6, 6},
     7,
     {.delivered = 2, .repeated = 1, .out_of_order = 1}},
    {"backwards", 0, {3, 2, 1}, 3, {.delivered = 3, .out_of_order = 2}},
    {"a late one at the window's end",
     0,
     {1, 66, 3},
     66,
     {.delivered = 3, .lost = 63, .out_of_order = 1}},
    {"a late one beyond it", 0, {1, 67, 3}, 67, {.delivered = 2, .lost = 65, .repeated = 1}},
};

static void each_fault_is_counted_as_what_it_is(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger l = {0};
        struct track t = {0};
        ledger_ready(&l, &t, rows[i].ready);
        for (size_t s = 0; rows[i].seqs[s] != 0; s++)
            ledger_row(&l, &t, rows[i].seqs[s]);
        ledger_end(&l, &t, rows[i].head);
        if (l.delivered != rows[i].want.delivered || l.lost != rows[i].want.lost ||
            l.repeated != rows[i].want.repeated || l.out_of_order != rows[i].want.out_of_order)
            fail_msg("%s: delivered %d, lost %d, repeated %d, out of order %d", rows[i].name,
                     (int)l.delivered, (int)l.lost, (int)l.repeated, (int)l.out_of_order);
    }
}

static void rows_before_ready_begin_the_stream(void **state) {
    (void)state;
    struct ledger l = {0};
    struct track t = {0};
    ledger_row(&l, &t, 3);
    ledger_row(&l, &t, 4);
    ledger_ready(&l, &t, 4);
    assert_int_equal(l.delivered, 2);
    assert_int_equal(l.lost, 0);
    ledger_ready(&l, &t, 6); /* it says that 5 and 6 were sent */
    assert_int_equal(l.lost, 2);
}

static void a_resync_loses_what_it_passes_over(void **state) {
    (void)state;
    struct ledger l = {0};
    struct track t = {0};
    ledger_ready(&l, &t, 5);
    ledger_resync(&l, &t, 8);
    assert_int_equal(l.lost, 3);
    ledger_row(&l, &t, 9);
    assert_int_equal(l.delivered, 1);
    ledger_resync(&l, &t, 0); /* all that is kept comes again: no repeats from here on */
    ledger_row(&l, &t, 1);
    assert_int_equal(l.lost, 3);
    assert_int_equal(l.repeated, 0);
    assert_int_equal(l.delivered, 2);
}

static void a_stream_is_at_the_head_when_it_has_come(void **state) {
    (void)state;
    struct ledger l = {0};
    struct track t = {0};
    ledger_ready(&l, &t, 5);
    assert_true(ledger_is_at(&t, 5));
    assert_false(ledger_is_at(&t, 6));
    ledger_row(&l, &t, 6);
    assert_true(ledger_is_at(&t, 6));
}

static void a_stream_that_never_began_lost_nothing(void **state) {
    (void)state;
    struct ledger l = {0};
    struct track t = {0};
    ledger_end(&l, &t, 9);
    assert_int_equal(l.lost, 0);
}

static void answers_tell_holes_and_doubles(void **state) {
    (void)state;
    struct inbox in = {0};
    assert_int_equal(ledger_unanswered(&in), 0);
    assert_int_equal(ledger_doubled(&in), 0);
    ledger_answer(&in, 7);
    ledger_answer(&in, 5);
    assert_int_equal(ledger_unanswered(&in), 1);
    ledger_answer(&in, 6);
    assert_int_equal(ledger_unanswered(&in), 0);
    ledger_answer(&in, 6);
    assert_int_equal(ledger_doubled(&in), 1);
    assert_int_equal(in.last, 7);
}

static void a_double_is_told_from_a_hole_beside_it(void **state) {
    (void)state;
    struct inbox good = {0}, bad = {0};
    for (uint64_t seq = 9; seq > 0; seq--) {
        ledger_answer(&good, seq);
        ledger_answer(&bad, seq == 4 ? 5 : seq);
    }
    assert_int_equal(ledger_doubled(&good), 0);
    assert_int_equal(ledger_doubled(&bad), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_counted_as_what_it_is),
        cmocka_unit_test(rows_before_ready_begin_the_stream),
        cmocka_unit_test(a_resync_loses_what_it_passes_over),
        cmocka_unit_test(a_stream_is_at_the_head_when_it_has_come),
        cmocka_unit_test(a_stream_that_never_began_lost_nothing),
        cmocka_unit_test(answers_tell_holes_and_doubles),
        cmocka_unit_test(a_double_is_told_from_a_hole_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
