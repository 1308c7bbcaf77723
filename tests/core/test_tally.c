/* tests/core/test_tally.c -- counts by key: limits, and the table held against a plain array.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/tally.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static struct tally *new_tally(uint32_t max_all, uint32_t max_each) {
    struct tally *t = tally_new(max_all, max_each);
    assert_non_null(t);
    return t;
}

static void each_limit_is_reached_and_not_passed(void **state) {
    (void)state;
    struct tally *t = new_tally(5, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tally_take(t, 7), RC_OK);
    assert_int_equal(tally_take(t, 7), RC_FULL);
    assert_int_equal(tally_of(t, 7), 3);
    assert_int_equal(tally_take(t, 8), RC_OK);
    assert_int_equal(tally_take(t, 9), RC_OK);
    assert_int_equal(tally_take(t, 9), RC_FULL);
    assert_int_equal(tally_take(t, 10), RC_FULL);
    assert_int_equal(tally_all(t), 5);
    assert_int_equal(tally_of(t, 10), 0);
    tally_give(t, 7);
    assert_int_equal(tally_all(t), 4);
    assert_int_equal(tally_take(t, 10), RC_OK);
    assert_int_equal(tally_take(t, 7), RC_FULL);
    tally_free(t);
    tally_free(NULL);
}

static void many_are_taken_all_or_none(void **state) {
    (void)state;
    struct tally *t = new_tally(UINT32_MAX, 100);
    assert_int_equal(tally_take_many(t, 7, 101), RC_FULL);
    assert_int_equal(tally_take_many(t, 7, UINT32_MAX), RC_FULL);
    assert_int_equal(tally_of(t, 7), 0);
    assert_int_equal(tally_take_many(t, 7, 60), RC_OK);
    assert_int_equal(tally_take_many(t, 7, 41), RC_FULL);
    assert_int_equal(tally_take_many(t, 7, 40), RC_OK);
    assert_int_equal(tally_take(t, 7), RC_FULL);
    assert_int_equal(tally_take_many(t, 8, 100), RC_OK);
    assert_int_equal(tally_all(t), 200);
    tally_give_many(t, 7, 60);
    assert_int_equal(tally_of(t, 7), 40);
    tally_give_many(t, 7, 40);
    tally_give_many(t, 8, 100);
    assert_int_equal(tally_all(t), 0);
    assert_int_equal(tally_take_many(t, 7, 100), RC_OK);
    tally_free(t);

    t = new_tally(10, 8); /* all together */
    assert_int_equal(tally_take_many(t, 1, 8), RC_OK);
    assert_int_equal(tally_take_many(t, 2, 3), RC_FULL);
    assert_int_equal(tally_take_many(t, 2, 2), RC_OK);
    tally_free(t);
}

static void keys_of_any_value_are_counted(void **state) {
    (void)state;
    static const uint64_t keys[] = {0, 1, UINT64_MAX, (uint64_t)1 << 63};
    struct tally *t = new_tally(100, 100);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tally_of(t, keys[i]), 0);
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(tally_take(t, keys[i]), RC_OK);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(tally_of(t, keys[i]), i + 1);
    tally_free(t);
}

static void nothing_allowed_is_nothing_taken(void **state) {
    (void)state;
    struct tally *t = new_tally(0, 5);
    assert_int_equal(tally_take(t, 1), RC_FULL);
    tally_free(t);
    t = new_tally(5, 0);
    assert_int_equal(tally_take(t, 1), RC_FULL);
    assert_int_equal(tally_all(t), 0);
    tally_free(t);
}

enum { KEYS = 3000, STEPS = 200000 };

/* Fills in waves, so that the table grows, thins out and closes its holes many times over. */
static void the_table_agrees_with_an_array(void **state) {
    (void)state;
    static uint32_t counts[KEYS];
    struct tally *t = new_tally(UINT32_MAX, 4);
    uint32_t all = 0;
    uint64_t x = 1;
    for (int step = 0; step < STEPS; step++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint32_t i = (uint32_t)(x >> 33) % KEYS;
        bool takes = (x >> 20) % 100 < (step / 20000 % 2 ? 30u : 70u);
        if (takes) {
            enum rc want = counts[i] < 4 ? RC_OK : RC_FULL;
            assert_int_equal(tally_take(t, i * 0x9e3779b97f4a7c15u), want);
            counts[i] += want == RC_OK;
            all += want == RC_OK;
        } else if (counts[i] > 0) {
            tally_give(t, i * 0x9e3779b97f4a7c15u);
            counts[i]--;
            all--;
        }
        assert_int_equal(tally_all(t), all);
        if (step % 5000 == 0)
            for (uint32_t k = 0; k < KEYS; k++)
                assert_int_equal(tally_of(t, k * 0x9e3779b97f4a7c15u), counts[k]);
    }
    for (uint32_t k = 0; k < KEYS; k++)
        while (counts[k]-- > 0)
            tally_give(t, k * 0x9e3779b97f4a7c15u);
    assert_int_equal(tally_all(t), 0);
    for (uint32_t k = 0; k < KEYS; k++)
        assert_int_equal(tally_of(t, k * 0x9e3779b97f4a7c15u), 0);
    tally_free(t);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *take_and_give(void *arg) {
    struct tally *t = arg;
    for (uint64_t i = 0; i < ROUNDS; i++)
        if (tally_take(t, i % 7) == RC_OK)
            tally_give(t, i % 7);
    return NULL;
}

static void many_threads_leave_nothing_behind(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct tally *t = new_tally(3, 2);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, t), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tally_all(t), 0);
    tally_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_limit_is_reached_and_not_passed),
        cmocka_unit_test(many_are_taken_all_or_none),
        cmocka_unit_test(keys_of_any_value_are_counted),
        cmocka_unit_test(nothing_allowed_is_nothing_taken),
        cmocka_unit_test(the_table_agrees_with_an_array),
        cmocka_unit_test(many_threads_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
