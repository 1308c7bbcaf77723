/* tests/core/test_quota.c -- token buckets: exact refill, waits that are long enough, bounds.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/quota.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

#include <cmocka.h>

static struct quota *new_quota(uint32_t per_minute, size_t max_keys) {
    struct quota *q = quota_new(per_minute, max_keys);
    assert_non_null(q);
    return q;
}

/* Takes until refused; how many there were. */
static uint32_t drain(struct quota *q, uint64_t key, uint64_t now_ms) {
    uint32_t n = 0, retry_s = 0;
    while (quota_take(q, key, now_ms, &retry_s) == RC_OK)
        n++;
    assert_true(retry_s >= 1);
    return n;
}

static void a_bucket_has_a_minute_of_tokens(void **state) {
    (void)state;
    struct quota *q = new_quota(10, 100);
    assert_int_equal(quota_left(q, 5, 1000), 10);
    assert_int_equal(drain(q, 5, 1000), 10);
    assert_int_equal(quota_left(q, 5, 1000), 0);
    assert_int_equal(quota_left(q, 6, 1000), 10); /* another key is not touched */
    assert_int_equal(drain(q, 6, 1000), 10);
    assert_int_equal(drain(q, 0, 1000), 10); /* a key of any value */
    assert_int_equal(drain(q, UINT64_MAX, 1000), 10);
    quota_free(q);
    quota_free(NULL);
}

static void tokens_come_back_without_rounding(void **state) {
    (void)state;
    struct quota *q = new_quota(7, 100); /* one each 8571.43 ms */
    uint32_t retry_s, taken = 0;
    assert_int_equal(drain(q, 1, 0), 7);
    for (uint64_t ms = 1; ms <= 600000; ms++)
        taken += quota_take(q, 1, ms, &retry_s) == RC_OK;
    assert_int_equal(taken, 70); /* ten minutes asked each millisecond */
    quota_free(q);
}

static void a_token_is_there_when_it_is_due_and_not_before(void **state) {
    (void)state;
    struct quota *q = new_quota(7, 100);
    uint32_t retry_s = 0;
    assert_int_equal(drain(q, 1, 100), 7);
    assert_int_equal(quota_take(q, 1, 100 + 8571, &retry_s), RC_RATE_LIMITED);
    assert_int_equal(retry_s, 1);
    assert_int_equal(quota_take(q, 1, 100 + 8572, &retry_s), RC_OK);
    assert_int_equal(quota_take(q, 1, 100 + 8572, &retry_s), RC_RATE_LIMITED);
    assert_int_equal(retry_s, 9);
    quota_free(q);
}

static void after_the_told_wait_there_is_a_token(void **state) {
    (void)state;
    static const uint32_t rates[] = {1, 2, 7, 59, 60, 61, 600, 60000, UINT32_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct quota *q = new_quota(rates[i], 4);
        uint64_t now_ms = UINT64_MAX / 2;
        uint32_t retry_s = 0;
        for (int k = 0; k < 100000 && quota_take(q, 9, now_ms, &retry_s) == RC_OK; k++)
            ;
        if (quota_left(q, 9, now_ms) == 0) {
            assert_int_equal(quota_take(q, 9, now_ms, &retry_s), RC_RATE_LIMITED);
            if (retry_s > 1)
                assert_int_equal(
                    quota_take(q, 9, now_ms + (retry_s - 1) * 1000 - 1, &(uint32_t){0}),
                    RC_RATE_LIMITED);
            assert_int_equal(quota_take(q, 9, now_ms + retry_s * 1000, &retry_s), RC_OK);
        }
        quota_free(q);
    }
}

static void a_bucket_is_full_again_after_a_minute_and_no_fuller(void **state) {
    (void)state;
    struct quota *q = new_quota(60, 100);
    assert_int_equal(drain(q, 1, 5000), 60);
    assert_int_equal(quota_left(q, 1, 5000 + 30000), 30);
    assert_int_equal(quota_left(q, 1, 5000 + 59999), 59);
    assert_int_equal(quota_left(q, 1, 5000 + 60000), 60);
    assert_int_equal(drain(q, 1, 5000 + 3600000), 60);
    quota_free(q);
}

static void a_clock_that_another_thread_read_earlier_gives_nothing(void **state) {
    (void)state;
    struct quota *q = new_quota(60, 100);
    uint32_t retry_s;
    assert_int_equal(drain(q, 1, 100000), 60);
    assert_int_equal(quota_take(q, 1, 40000, &retry_s), RC_RATE_LIMITED);
    assert_int_equal(quota_take(q, 1, 100999, &retry_s), RC_RATE_LIMITED);
    assert_int_equal(quota_take(q, 1, 101000, &retry_s), RC_OK);
    quota_free(q);
}

static void no_limit_is_no_limit(void **state) {
    (void)state;
    struct quota *q = new_quota(0, 1000000000);
    uint32_t retry_s;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(quota_take(q, 1, 0, &retry_s), RC_OK);
    assert_int_equal(quota_left(q, 1, 0), UINT32_MAX);
    quota_free(q);
}

static void the_key_least_in_debt_makes_room(void **state) {
    (void)state;
    struct quota *q = new_quota(10, 3);
    uint32_t retry_s;
    assert_int_equal(drain(q, 1, 0), 10);
    assert_int_equal(quota_take(q, 2, 0, &retry_s), RC_OK);
    assert_int_equal(drain(q, 3, 0), 10);
    assert_int_equal(drain(q, 4, 0), 10); /* takes the place of 2 */
    assert_int_equal(quota_left(q, 1, 0), 0);
    assert_int_equal(quota_left(q, 2, 0), 10);
    assert_int_equal(quota_left(q, 3, 0), 0);
    assert_int_equal(quota_left(q, 4, 0), 0);
    quota_free(q);
}

static void keys_far_beyond_the_limit_are_served(void **state) {
    (void)state;
    struct quota *q = new_quota(3, 100);
    uint32_t retry_s;
    for (uint64_t key = 0; key < 10000; key++)
        assert_int_equal(quota_take(q, key * 7919, 0, &retry_s), RC_OK);
    quota_free(q);
    q = new_quota(3, 0);
    assert_int_equal(drain(q, 1, 0), 3);
    assert_int_equal(drain(q, 2, 0), 3);
    quota_free(q);
}

/* There are places for few at first. */
/* Keys as evenly spread as those of a hash, and the same in every run (splitmix64): where chance
 * puts more of them into a set than it has places, the least debt is forgotten. */
static uint64_t key_of(uint64_t i) {
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void no_debt_is_forgotten_while_there_is_room_for_more(void **state) {
    enum { KEYS = 20000 };
    (void)state;
    struct quota *q = new_quota(1, 65536);
    uint32_t retry_s;
    for (uint64_t i = 0; i < KEYS; i++)
        assert_int_equal(quota_take(q, key_of(i), 1000, &retry_s), RC_OK);
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_int_equal(quota_left(q, key_of(i), 1000), 0);
        assert_int_equal(quota_take(q, key_of(i), 1000, &retry_s), RC_RATE_LIMITED);
        assert_int_equal(retry_s, 60);
    }
    quota_free(q);
}

static void another_rate_holds_at_once_and_debts_stay(void **state) {
    (void)state;
    struct quota *q = new_quota(10, 100);
    assert_int_equal(drain(q, 1, 0), 10);
    assert_int_equal(quota_set_rate(q, 4), RC_OK);
    assert_int_equal(quota_left(q, 1, 0), 0); /* it owes more than a bucket has now */
    assert_int_equal(drain(q, 1, 0), 0);
    assert_int_equal(drain(q, 2, 0), 4);
    assert_int_equal(quota_set_rate(q, 30), RC_OK);
    assert_int_equal(drain(q, 1, 0), 20);
    assert_int_equal(drain(q, 2, 0), 26);
    assert_int_equal(quota_set_rate(q, 0), RC_OK);
    assert_int_equal(quota_left(q, 1, 0), UINT32_MAX);
    assert_int_equal(quota_take(q, 1, 0, &(uint32_t){0}), RC_OK);
    assert_int_equal(quota_set_rate(q, 30), RC_OK);
    assert_int_equal(drain(q, 1, 0), 0);
    quota_free(q);
    q = new_quota(0, 100); /* a limit where none was */
    assert_int_equal(quota_set_rate(q, 5), RC_OK);
    assert_int_equal(drain(q, 1, 0), 5);
    quota_free(q);
}

enum { THREADS = 4, TOKENS = 10000 };

static struct shared {
    struct quota *q;
    atomic_uint taken;
} shared;

static void *take_many(void *arg) {
    (void)arg;
    uint32_t retry_s;
    for (int i = 0; i < TOKENS; i++)
        if (quota_take(shared.q, 1, 0, &retry_s) == RC_OK)
            atomic_fetch_add(&shared.taken, 1);
    return NULL;
}

static void many_threads_share_one_bucket_exactly(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    shared.q = new_quota(TOKENS, 100);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.taken, TOKENS);
    quota_free(shared.q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_has_a_minute_of_tokens),
        cmocka_unit_test(tokens_come_back_without_rounding),
        cmocka_unit_test(a_token_is_there_when_it_is_due_and_not_before),
        cmocka_unit_test(after_the_told_wait_there_is_a_token),
        cmocka_unit_test(a_bucket_is_full_again_after_a_minute_and_no_fuller),
        cmocka_unit_test(a_clock_that_another_thread_read_earlier_gives_nothing),
        cmocka_unit_test(no_limit_is_no_limit),
        cmocka_unit_test(the_key_least_in_debt_makes_room),
        cmocka_unit_test(keys_far_beyond_the_limit_are_served),
        cmocka_unit_test(no_debt_is_forgotten_while_there_is_room_for_more),
        cmocka_unit_test(another_rate_holds_at_once_and_debts_stay),
        cmocka_unit_test(many_threads_share_one_bucket_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
