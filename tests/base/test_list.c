/* tests/base/test_list.c -- the intrusive ring: order, removal anywhere, links in no list.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void links_come_out_in_the_order_they_went_in(void **state) {
    (void)state;
    struct list head, links[5];
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_pop(&head));
    for (int i = 0; i < 5; i++)
        list_add(&head, &links[i]);
    assert_false(list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(list_pop(&head), &links[i]);
        assert_true(list_is_empty(&links[i])); /* in no list now */
    }
    assert_true(list_is_empty(&head));
}

static void any_link_can_be_removed_and_twice(void **state) {
    (void)state;
    for (int gone = 0; gone < 3; gone++) {
        struct list head, links[3];
        list_init(&head);
        for (int i = 0; i < 3; i++)
            list_add(&head, &links[i]);
        list_remove(&links[gone]);
        list_remove(&links[gone]);
        for (int i = 0; i < 3; i++)
            if (i != gone)
                assert_ptr_equal(list_pop(&head), &links[i]);
        assert_null(list_pop(&head));
    }
}

static void a_removed_link_can_go_into_another_list(void **state) {
    (void)state;
    struct list one, two, link;
    list_init(&one);
    list_init(&two);
    list_add(&one, &link);
    list_remove(&link);
    list_add(&two, &link);
    assert_true(list_is_empty(&one));
    assert_ptr_equal(list_pop(&two), &link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_come_out_in_the_order_they_went_in),
        cmocka_unit_test(any_link_can_be_removed_and_twice),
        cmocka_unit_test(a_removed_link_can_go_into_another_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
