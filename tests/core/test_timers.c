/* tests/core/test_timers.c -- notes come out when they are due, the earliest first.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nothing_is_due_in_an_empty_heap(void **state) {
    (void)state;
    struct timers t;
    struct timer out;
    timers_init(&t);
    assert_true(timers_next_ms(&t) == UINT64_MAX);
    assert_false(timers_pop(&t, UINT64_MAX, &out));
    timers_done(&t);
}

static void a_note_comes_out_when_it_is_due_and_as_it_was(void **state) {
    (void)state;
    struct timers t;
    struct timer out;
    timers_init(&t);
    assert_int_equal(timers_add(&t, (struct timer){100, 7, 2}), RC_OK);
    assert_int_equal(timers_next_ms(&t), 100);
    assert_false(timers_pop(&t, 99, &out));
    assert_true(timers_pop(&t, 100, &out));
    assert_int_equal(out.due_ms, 100);
    assert_int_equal(out.id, 7);
    assert_int_equal(out.kind, 2);
    assert_false(timers_pop(&t, 100, &out));
    timers_done(&t);
}

static void many_notes_come_out_in_order_and_none_is_lost(void **state) {
    (void)state;
    enum { NOTES = 1000 };
    struct timers t;
    struct timer out;
    uint64_t x = 1, sum = 0, last = 0;
    timers_init(&t);
    for (uint64_t i = 0; i < NOTES; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        assert_int_equal(timers_add(&t, (struct timer){x >> 55, i, 0}), RC_OK);
    }
    for (int n = 0; n < NOTES; n++) {
        uint64_t next = timers_next_ms(&t);
        assert_true(timers_pop(&t, UINT64_MAX, &out));
        assert_int_equal(out.due_ms, next);
        assert_true(out.due_ms >= last);
        last = out.due_ms;
        sum += out.id;
    }
    assert_int_equal(sum, NOTES * (NOTES - 1) / 2);
    assert_false(timers_pop(&t, UINT64_MAX, &out));
    timers_done(&t);
}

static void notes_may_be_added_while_others_are_taken(void **state) {
    (void)state;
    struct timers t;
    struct timer out;
    timers_init(&t);
    assert_int_equal(timers_add(&t, (struct timer){30, 3, 0}), RC_OK);
    assert_int_equal(timers_add(&t, (struct timer){10, 1, 0}), RC_OK);
    assert_true(timers_pop(&t, 10, &out));
    assert_int_equal(timers_add(&t, (struct timer){20, 2, 0}), RC_OK);
    assert_true(timers_pop(&t, 30, &out));
    assert_int_equal(out.id, 2);
    assert_true(timers_pop(&t, 30, &out));
    assert_int_equal(out.id, 3);
    timers_done(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_in_an_empty_heap),
        cmocka_unit_test(a_note_comes_out_when_it_is_due_and_as_it_was),
        cmocka_unit_test(many_notes_come_out_in_order_and_none_is_lost),
        cmocka_unit_test(notes_may_be_added_while_others_are_taken),
    };
    return cmocka_run_group_tests_name("core/timers", tests, NULL, NULL);
}
