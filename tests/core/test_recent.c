/* tests/core/test_recent.c -- the last rows without a gap.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS_MAX = 4, BYTES_MAX = 10 };

static void add(struct recent *r, uint64_t seq, struct str bytes) {
    struct frame *f = frame_of_event(seq, bytes);
    assert_non_null(f);
    recent_add(r, f, ROWS_MAX, BYTES_MAX);
    frame_unref(f);
}

/* Exactly the rows from first to last are kept. */
static void assert_keeps(const struct recent *r, uint64_t first, uint64_t last) {
    assert_null(recent_get(r, first - 1));
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_non_null(recent_get(r, seq));
        assert_int_equal(recent_get(r, seq)->seq, seq);
    }
    assert_null(recent_get(r, last + 1));
}

static void the_oldest_make_room(void **state) {
    (void)state;
    struct recent r;
    recent_init(&r);
    assert_null(recent_get(&r, 0));
    for (uint64_t seq = 7; seq < 40; seq++) {
        add(&r, seq, STR("x"));
        assert_keeps(&r, seq < 7 + ROWS_MAX ? 7 : seq - ROWS_MAX + 1, seq);
    }
    recent_clear(&r);
    assert_null(r.rows);
}

static void bytes_are_limited_too(void **state) {
    (void)state;
    struct recent r;
    recent_init(&r);
    add(&r, 1, STR("1234"));
    add(&r, 2, STR("1234"));
    add(&r, 3, STR("1234"));
    assert_keeps(&r, 2, 3);
    add(&r, 4, STR("123456789012"));
    assert_keeps(&r, 4, 4);
    add(&r, 5, STR("1"));
    assert_keeps(&r, 5, 5);
    recent_clear(&r);
}

static void a_gap_begins_anew_and_what_is_old_is_left_out(void **state) {
    (void)state;
    struct recent r;
    recent_init(&r);
    add(&r, 1, STR("x"));
    add(&r, 2, STR("x"));
    add(&r, 2, STR("x"));
    add(&r, 1, STR("x"));
    assert_keeps(&r, 1, 2);
    add(&r, 4, STR("x"));
    assert_keeps(&r, 4, 4);
    add(&r, 3, STR("x"));
    assert_keeps(&r, 4, 4);
    recent_clear(&r);
}

static void references_are_given_back(void **state) {
    (void)state;
    struct recent r;
    struct frame *f = frame_of_event(1, STR("x"));
    assert_non_null(f);
    recent_init(&r);
    recent_add(&r, f, ROWS_MAX, BYTES_MAX);
    assert_int_equal(f->refs, 2);
    for (uint64_t seq = 2; seq < 2 + ROWS_MAX; seq++)
        add(&r, seq, STR("x"));
    assert_int_equal(f->refs, 1);
    recent_clear(&r);
    recent_add(&r, f, ROWS_MAX, BYTES_MAX);
    recent_clear(&r);
    assert_int_equal(f->refs, 1);
    frame_unref(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_make_room),
        cmocka_unit_test(bytes_are_limited_too),
        cmocka_unit_test(a_gap_begins_anew_and_what_is_old_is_left_out),
        cmocka_unit_test(references_are_given_back),
    };
    return cmocka_run_group_tests_name("core/recent", tests, NULL, NULL);
}
