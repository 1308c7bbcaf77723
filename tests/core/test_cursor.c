/* tests/core/test_cursor.c -- what a node knows of an inbox: next, old, early, and back again.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HELD_MAX = 3 };

static enum rc hold(struct cursor *c, uint64_t seq) {
    struct frame *f = frame_of_event(seq, STR("x"));
    assert_non_null(f);
    enum rc rc = cursor_hold(c, f, HELD_MAX);
    frame_unref(f);
    return rc;
}

/* The seq of the row that is next now; 0: none. */
static uint64_t pop(struct cursor *c) {
    struct frame *f = cursor_pop(c);
    uint64_t seq = f ? f->seq : 0;
    frame_unref(f);
    return seq;
}

static void rows_in_order_move_it_and_repeats_do_not(void **state) {
    (void)state;
    static const struct {
        uint64_t seq;
        enum cursor_verdict want;
        uint64_t at;
    } offers[] = {
        {5, CURSOR_OLD, 5},   {6, CURSOR_NEXT, 6}, {6, CURSOR_OLD, 6},  {1, CURSOR_OLD, 6},
        {8, CURSOR_EARLY, 6}, {7, CURSOR_NEXT, 7}, {8, CURSOR_NEXT, 8}, {7, CURSOR_OLD, 8},
    };
    struct cursor c;
    cursor_init(&c, 5);
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        assert_int_equal(cursor_offer(&c, offers[i].seq), offers[i].want);
        assert_int_equal(c.at, offers[i].at);
    }
    assert_false(cursor_is_behind(&c));
    cursor_done(&c);
}

static void early_rows_wait_for_the_hole_and_then_come_in_order(void **state) {
    (void)state;
    struct cursor c;
    cursor_init(&c, 0);
    assert_int_equal(cursor_offer(&c, 4), CURSOR_EARLY);
    assert_int_equal(hold(&c, 4), RC_OK);
    assert_int_equal(hold(&c, 2), RC_OK);
    assert_int_equal(hold(&c, 3), RC_OK);
    assert_int_equal(hold(&c, 3), RC_REPEAT);
    assert_int_equal(hold(&c, 9), RC_FULL);
    assert_int_equal(c.heard, 9);
    assert_true(cursor_is_behind(&c));
    assert_int_equal(pop(&c), 0);
    assert_int_equal(cursor_offer(&c, 1), CURSOR_NEXT);
    assert_int_equal(pop(&c), 2);
    assert_int_equal(pop(&c), 3);
    assert_int_equal(pop(&c), 4);
    assert_int_equal(pop(&c), 0);
    assert_int_equal(c.at, 4);
    assert_null(c.held); /* no memory while none is early */
    assert_true(cursor_is_behind(&c));
    cursor_done(&c);
}

static void a_held_row_that_the_store_gave_first_is_not_next_again(void **state) {
    (void)state;
    struct cursor c;
    cursor_init(&c, 0);
    assert_int_equal(hold(&c, 2), RC_OK);
    assert_int_equal(hold(&c, 4), RC_OK);
    assert_int_equal(cursor_offer(&c, 1), CURSOR_NEXT);
    assert_int_equal(cursor_offer(&c, 2), CURSOR_NEXT);
    assert_int_equal(pop(&c), 0);
    assert_int_equal(cursor_offer(&c, 3), CURSOR_NEXT);
    assert_int_equal(pop(&c), 4);
    cursor_done(&c);
}

static void a_jump_goes_forward_only_and_forgets_what_it_passes(void **state) {
    (void)state;
    struct cursor c;
    cursor_init(&c, 3);
    assert_int_equal(hold(&c, 5), RC_OK);
    assert_int_equal(hold(&c, 8), RC_OK);
    cursor_jump(&c, 2);
    assert_int_equal(c.at, 3);
    cursor_jump(&c, 7);
    assert_int_equal(c.at, 7);
    assert_int_equal(c.held_n, 1);
    assert_int_equal(pop(&c), 8);
    cursor_jump(&c, 20);
    assert_int_equal(c.heard, 20);
    assert_false(cursor_is_behind(&c));
    cursor_done(&c);
}

static void another_history_begins_anew_also_further_back(void **state) {
    (void)state;
    struct cursor c;
    cursor_init(&c, 10);
    assert_int_equal(hold(&c, 15), RC_OK);
    cursor_reset(&c, 4);
    assert_int_equal(c.at, 4);
    assert_int_equal(c.heard, 4);
    assert_int_equal(c.held_n, 0);
    assert_false(cursor_is_behind(&c));
    cursor_done(&c);
}

static void what_the_store_does_not_have_was_never_a_row(void **state) {
    (void)state;
    struct cursor c;
    cursor_init(&c, 10);
    assert_int_equal(hold(&c, 12), RC_OK);
    assert_int_equal(hold(&c, 30), RC_OK);
    cursor_unhear(&c, 12);
    assert_int_equal(c.heard, 12);
    assert_int_equal(c.held_n, 1);
    cursor_unhear(&c, 5);
    assert_int_equal(c.at, 10);
    assert_int_equal(c.held_n, 0);
    assert_null(c.held);
    assert_false(cursor_is_behind(&c));
    cursor_hear(&c, 11);
    cursor_hear(&c, 9);
    assert_true(cursor_is_behind(&c));
    cursor_done(&c);
}

static void a_held_row_is_a_reference_that_is_given_back(void **state) {
    (void)state;
    struct frame *f = frame_of_event(5, STR("x"));
    struct cursor c;
    assert_non_null(f);
    cursor_init(&c, 0);
    assert_int_equal(cursor_hold(&c, f, HELD_MAX), RC_OK);
    assert_int_equal(f->refs, 2);
    cursor_done(&c);
    assert_int_equal(f->refs, 1);
    frame_unref(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_order_move_it_and_repeats_do_not),
        cmocka_unit_test(early_rows_wait_for_the_hole_and_then_come_in_order),
        cmocka_unit_test(a_held_row_that_the_store_gave_first_is_not_next_again),
        cmocka_unit_test(a_jump_goes_forward_only_and_forgets_what_it_passes),
        cmocka_unit_test(another_history_begins_anew_also_further_back),
        cmocka_unit_test(what_the_store_does_not_have_was_never_a_row),
        cmocka_unit_test(a_held_row_is_a_reference_that_is_given_back),
    };
    return cmocka_run_group_tests_name("core/cursor", tests, NULL, NULL);
}
