/* tests/core/test_page.c -- pages of rows, and who owns the references.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_page_grows_and_keeps_the_order(void **state) {
    (void)state;
    struct page p = {.n = 0};
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        struct frame *f = frame_of_event(seq, STR("x"));
        assert_non_null(f);
        assert_int_equal(page_add_take(&p, f), RC_OK);
        assert_int_equal(p.n, seq);
    }
    for (uint64_t seq = 1; seq <= 1000; seq++)
        assert_int_equal(p.rows[seq - 1]->seq, seq);
    page_done(&p);
}

static void a_page_holds_the_reference_it_was_given(void **state) {
    (void)state;
    struct page p = {.n = 0};
    struct frame *f = frame_of_event(1, STR("x"));
    assert_non_null(f);
    assert_int_equal(page_add_take(&p, frame_ref(f)), RC_OK);
    assert_int_equal(f->refs, 2);
    page_done(&p);
    assert_int_equal(f->refs, 1);
    frame_unref(f);
}

static void a_page_may_be_used_again_or_stay_empty(void **state) {
    (void)state;
    struct page p = {.n = 0};
    page_done(&p);
    page_done(&p);
    assert_null(p.rows);
    for (uint64_t round = 0; round < 2; round++) {
        assert_int_equal(page_add_take(&p, frame_of_event(round, STR("x"))), RC_OK);
        assert_int_equal(p.n, 1);
        assert_int_equal(p.rows[0]->seq, round);
        page_done(&p);
        assert_int_equal(p.n, 0);
    }
}

static void an_epochs_tag_is_the_same_for_the_same_text_alone(void **state) {
    (void)state;
    struct epoch none = {""}, a = {"e-1"}, b = {"e-1\0junk"}, c = {"e-2"};
    assert_int_equal(epoch_tag(&none), 0);
    assert_int_not_equal(epoch_tag(&a), 0);
    assert_int_equal(epoch_tag(&a), epoch_tag(&b));
    assert_int_not_equal(epoch_tag(&a), epoch_tag(&c));
}

static void an_epoch_has_one_tag_and_no_epoch_has_none(void **state) {
    (void)state;
    const struct epoch one = {"7-12"}, same = {"7-12"}, other = {"8-12"}, none = {""};
    assert_true(epoch_tag(&one) == epoch_tag(&same));
    assert_true(epoch_tag(&one) != epoch_tag(&other));
    assert_true(epoch_tag(&one) != 0);
    assert_true(epoch_tag(&none) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_grows_and_keeps_the_order),
        cmocka_unit_test(a_page_holds_the_reference_it_was_given),
        cmocka_unit_test(a_page_may_be_used_again_or_stay_empty),
        cmocka_unit_test(an_epochs_tag_is_the_same_for_the_same_text_alone),
        cmocka_unit_test(an_epoch_has_one_tag_and_no_epoch_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
