/* tests/push/test_slots.c -- places are used again, their numbers never.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "push/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct thing {
    uint64_t number;
    char name[33];
};

static struct thing *add(struct slots *s, uint64_t number, uint64_t *id) {
    struct thing *t = slots_add(s, id);
    assert_non_null(t);
    assert_true(*id != 0);
    assert_int_equal(t->number, 0);
    assert_int_equal(t->name[sizeof t->name - 1], 0);
    memset(t, 0xff, sizeof *t);
    t->number = number;
    return t;
}

static void what_is_added_is_found_by_its_id_alone(void **state) {
    (void)state;
    struct slots s;
    uint64_t a, b;
    slots_init(&s, sizeof(struct thing));
    assert_null(slots_get(&s, 0));
    struct thing *first = add(&s, 1, &a), *second = add(&s, 2, &b);
    assert_true(a != b);
    assert_ptr_equal(slots_get(&s, a), first);
    assert_ptr_equal(slots_get(&s, b), second);
    assert_int_equal(first->number, 1);
    assert_null(slots_get(&s, 0));
    assert_null(slots_get(&s, b + 1));
    assert_int_equal(s.used, 2);
    slots_done(&s);
}

static void an_id_is_dead_when_its_place_is_used_again(void **state) {
    (void)state;
    struct slots s;
    uint64_t old, new;
    slots_init(&s, sizeof(struct thing));
    struct thing *first = add(&s, 1, &old);
    slots_remove(&s, old);
    assert_null(slots_get(&s, old));
    slots_remove(&s, old); /* once more does no harm */
    assert_ptr_equal(add(&s, 2, &new), first);
    assert_int_equal((uint32_t) new, (uint32_t)old); /* the same place */
    assert_true(new != old);
    assert_null(slots_get(&s, old));
    slots_remove(&s, old);
    assert_ptr_equal(slots_get(&s, new), first);
    assert_int_equal(s.used, 1);
    slots_done(&s);
}

static void all_can_be_walked_while_some_go(void **state) {
    enum { N = 5000 };
    (void)state;
    struct slots s;
    static uint64_t ids[N];
    static struct thing *things[N];
    size_t seen = 0;
    slots_init(&s, sizeof(struct thing));
    for (size_t i = 0; i < N; i++)
        things[i] = add(&s, i, &ids[i]);
    for (size_t i = 0; i < N; i += 2)
        slots_remove(&s, ids[i]);
    for (uint32_t place = 0; place < s.size; place++) {
        struct thing *thing = slots_at(&s, place);
        if (!thing)
            continue;
        /* None has moved, and none has written over another. */
        assert_int_equal(thing->number % 2, 1);
        assert_ptr_equal(thing, things[thing->number]);
        seen++;
    }
    assert_int_equal(seen, N / 2);
    assert_int_equal(s.used, N / 2);
    assert_null(slots_at(&s, s.size));
    /* Free places are taken before new ones are made. */
    uint32_t size = s.size;
    for (size_t i = 0; i < N; i += 2)
        (void)add(&s, i, &ids[i]);
    assert_int_equal(s.size, size);
    slots_done(&s);
}

static void things_of_any_size_have_room(void **state) {
    static const size_t sizes[] = {1, 7, 8, 9, 120, 1000, SLOTS_MAX_BYTES};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct slots s;
        uint64_t id;
        slots_init(&s, sizes[i]);
        for (unsigned n = 0; n < 2000; n++) {
            unsigned char *thing = slots_add(&s, &id);
            assert_non_null(thing);
            assert_int_equal((uintptr_t)thing % _Alignof(uint64_t), 0);
            assert_int_equal(thing[0] | thing[sizes[i] - 1], 0);
            memset(thing, 0xff, sizes[i]);
        }
        slots_done(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_found_by_its_id_alone),
        cmocka_unit_test(an_id_is_dead_when_its_place_is_used_again),
        cmocka_unit_test(all_can_be_walked_while_some_go),
        cmocka_unit_test(things_of_any_size_have_room),
    };
    return cmocka_run_group_tests_name("push/slots", tests, NULL, NULL);
}
