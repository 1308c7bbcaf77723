/* tests/push/test_slots.c -- places are used again, their numbers never.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int things[1000];

static void what_is_added_is_found_by_its_id_alone(void **state) {
    (void)state;
    struct slots s;
    slots_init(&s);
    assert_null(slots_get(&s, 0));
    uint64_t a = slots_add(&s, &things[0]), b = slots_add(&s, &things[1]);
    assert_true(a != 0 && b != 0 && a != b);
    assert_ptr_equal(slots_get(&s, a), &things[0]);
    assert_ptr_equal(slots_get(&s, b), &things[1]);
    assert_null(slots_get(&s, 0));
    assert_null(slots_get(&s, b + 1));
    assert_int_equal(s.used, 2);
    slots_done(&s);
}

static void an_id_is_dead_when_its_place_is_used_again(void **state) {
    (void)state;
    struct slots s;
    slots_init(&s);
    uint64_t old = slots_add(&s, &things[0]);
    slots_remove(&s, old);
    assert_null(slots_get(&s, old));
    slots_remove(&s, old); /* once more does no harm */
    uint64_t new = slots_add(&s, &things[1]);
    assert_int_equal((uint32_t) new, (uint32_t)old); /* the same place */
    assert_true(new != old);
    assert_null(slots_get(&s, old));
    slots_remove(&s, old);
    assert_ptr_equal(slots_get(&s, new), &things[1]);
    assert_int_equal(s.used, 1);
    slots_done(&s);
}

static void all_can_be_walked_while_some_go(void **state) {
    (void)state;
    struct slots s;
    uint64_t ids[1000];
    size_t seen = 0;
    slots_init(&s);
    for (size_t i = 0; i < 1000; i++)
        ids[i] = slots_add(&s, &things[i]);
    for (size_t i = 0; i < 1000; i += 2)
        slots_remove(&s, ids[i]);
    for (uint32_t place = 0; place < s.size; place++) {
        int *thing = slots_at(&s, place);
        if (!thing)
            continue;
        assert_int_equal((thing - things) % 2, 1);
        seen++;
    }
    assert_int_equal(seen, 500);
    assert_int_equal(s.used, 500);
    assert_null(slots_at(&s, s.size));
    /* Free places are taken before new ones are made. */
    uint32_t size = s.size;
    for (size_t i = 0; i < 1000; i += 2)
        assert_true(slots_add(&s, &things[i]) != 0);
    assert_int_equal(s.size, size);
    slots_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_found_by_its_id_alone),
        cmocka_unit_test(an_id_is_dead_when_its_place_is_used_again),
        cmocka_unit_test(all_can_be_walked_while_some_go),
    };
    return cmocka_run_group_tests_name("push/slots", tests, NULL, NULL);
}
