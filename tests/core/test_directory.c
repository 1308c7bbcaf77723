/* tests/core/test_directory.c -- the cache of users: hits, replacement, eviction, threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "core/directory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Number i's handle, key and inbox all tell i. */
static struct user user_of(uint64_t i) {
    struct user u = {.inbox = i + 1};
    (void)snprintf(u.handle.text, sizeof u.handle.text, "user-%llu", (unsigned long long)i);
    memcpy(u.primary.bytes, &i, sizeof i);
    return u;
}

static void assert_same_user(const struct user *a, const struct user *b) {
    assert_true(handle_eq(&a->handle, &b->handle));
    assert_true(key_eq(&a->primary, &b->primary));
    assert_int_equal(a->inbox, b->inbox);
}

static bool knows(struct directory *d, uint64_t i) {
    struct user u = user_of(i), a, b;
    bool by_handle = directory_by_handle(d, &u.handle, 0, &a);
    assert_int_equal(directory_by_primary(d, &u.primary, 0, &b), by_handle);
    if (by_handle) {
        assert_same_user(&a, &u);
        assert_same_user(&b, &u);
    }
    return by_handle;
}

static void put(struct directory *d, uint64_t i) {
    struct user u = user_of(i);
    directory_put(d, &u, 0);
}

static void forget(struct directory *d, uint64_t i) {
    struct user u = user_of(i);
    directory_forget(d, &u.handle);
}

static struct directory *new_directory(size_t max_entries) {
    struct directory *d = directory_new(max_entries, 0);
    assert_non_null(d);
    return d;
}

static void what_was_put_is_found_both_ways(void **state) {
    (void)state;
    struct directory *d = new_directory(1000);
    assert_false(knows(d, 0));
    for (uint64_t i = 0; i < 1000; i++)
        put(d, i);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(knows(d, i));
    assert_false(knows(d, 1000));
    forget(d, 7);
    forget(d, 5000);
    assert_false(knows(d, 7));
    assert_true(knows(d, 8));
    put(d, 7);
    assert_true(knows(d, 7));
    directory_free(d);
    directory_free(NULL);
}

static void a_put_replaces_what_had_the_handle_or_the_primary(void **state) {
    (void)state;
    struct directory *d = new_directory(4);
    struct user one = user_of(1), two = user_of(2), mixed = user_of(1), got;
    directory_put(d, &one, 0);
    directory_put(d, &two, 0);
    mixed.primary = two.primary;
    mixed.inbox = 99;
    directory_put(d, &mixed, 0);
    assert_true(directory_by_handle(d, &one.handle, 0, &got));
    assert_same_user(&got, &mixed);
    assert_true(directory_by_primary(d, &two.primary, 0, &got));
    assert_same_user(&got, &mixed);
    assert_false(directory_by_handle(d, &two.handle, 0, &got));
    assert_false(directory_by_primary(d, &one.primary, 0, &got));

    directory_free(d);
}

static void putting_the_same_again_pushes_nobody_out(void **state) {
    (void)state;
    struct directory *d = new_directory(4);
    for (uint64_t i = 0; i < 4; i++)
        put(d, i);
    for (int i = 0; i < 100; i++)
        put(d, 1);
    for (uint64_t i = 0; i < 4; i++)
        assert_true(knows(d, i));
    directory_free(d);
}

static size_t count_known(struct directory *d, uint64_t from, uint64_t to) {
    size_t n = 0;
    for (uint64_t i = from; i < to; i++)
        n += knows(d, i);
    return n;
}

static void the_limit_is_never_passed(void **state) {
    (void)state;
    struct directory *d = new_directory(8);
    for (uint64_t i = 0; i < 100; i++)
        put(d, i);
    assert_int_equal(count_known(d, 0, 100), 8);
    assert_int_equal(count_known(d, 92, 100), 8); /* none was used: oldest first */
    directory_free(d);

    d = new_directory(0);
    put(d, 1);
    put(d, 2);
    assert_int_equal(count_known(d, 0, 3), 1);
    assert_true(knows(d, 2));
    directory_free(d);
}

static void an_entry_in_use_gets_a_second_chance(void **state) {
    (void)state;
    struct directory *d = new_directory(8);
    for (uint64_t i = 0; i < 8; i++)
        put(d, i);
    for (uint64_t i = 8; i < 100; i++) {
        assert_true(knows(d, 3));
        put(d, i);
    }
    assert_true(knows(d, 3));
    assert_int_equal(count_known(d, 0, 100), 8);
    directory_free(d);
}

static void a_forgotten_place_is_filled_before_another_goes(void **state) {
    (void)state;
    struct directory *d = new_directory(4);
    for (uint64_t i = 0; i < 4; i++)
        put(d, i);
    assert_int_equal(count_known(d, 0, 4), 4); /* all used once */
    forget(d, 2);
    put(d, 4);
    assert_int_equal(count_known(d, 0, 5), 4);
    directory_free(d);
}

enum { THREADS = 4, ROUNDS = 20000, USERS = 64 };

static void *put_and_ask(void *arg) {
    struct directory *d = arg;
    uint64_t x = (uint64_t)(uintptr_t)&d;
    for (int i = 0; i < ROUNDS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint64_t who = (x >> 33) % USERS;
        struct user u = user_of(who), got;
        if (i % 3 == 0)
            put(d, who);
        else if (i % 17 == 0)
            forget(d, who);
        else if (directory_by_handle(d, &u.handle, 0, &got) && got.inbox != u.inbox)
            return arg;
        else if (directory_by_primary(d, &u.primary, 0, &got) && got.inbox != u.inbox)
            return arg;
    }
    return NULL;
}

static void many_threads_never_see_a_torn_user(void **state) {
    (void)state;
    struct directory *d = new_directory(USERS / 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_ask, d), 0);
    for (int i = 0; i < THREADS; i++) {
        void *torn;
        pthread_join(threads[i], &torn);
        assert_null(torn);
    }
    assert_true(count_known(d, 0, USERS) <= USERS / 2);
    directory_free(d);
}

static void hits_grow_old(void **state) {
    (void)state;
    struct directory *d = directory_new(8, 5000), *ageless = directory_new(8, 0);
    struct user u = user_of(1), got;
    u.is_blocked = true;
    assert_non_null(d);
    assert_non_null(ageless);
    directory_put(d, &u, 100000);
    directory_put(ageless, &u, 100000);
    assert_true(directory_by_handle(d, &u.handle, 105000, &got));
    assert_true(got.is_blocked);
    assert_true(directory_by_primary(d, &u.primary, 99000, &got)); /* a clock read before */
    assert_false(directory_by_handle(d, &u.handle, 105200, &got));
    assert_false(directory_by_primary(d, &u.primary, 105200, &got));
    assert_true(directory_recall(d, &u.handle, &got)); /* whoever wants to know who it was */
    assert_same_user(&got, &u);
    assert_true(directory_by_handle(ageless, &u.handle, UINT64_MAX / 2, &got));
    /* Used or not: only the store makes it young again. */
    directory_put(d, &u, 200000);
    for (uint64_t ms = 200000; ms <= 205000; ms += 1000)
        assert_true(directory_by_primary(d, &u.primary, ms, &got));
    assert_false(directory_by_primary(d, &u.primary, 206000, &got));
    u.is_blocked = false;
    directory_put(d, &u, 206000);
    assert_true(directory_by_primary(d, &u.primary, 206000, &got));
    assert_false(got.is_blocked);
    directory_forget(d, &u.handle);
    assert_false(directory_recall(d, &u.handle, &got));
    directory_free(d);
    directory_free(ageless);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_both_ways),
        cmocka_unit_test(a_put_replaces_what_had_the_handle_or_the_primary),
        cmocka_unit_test(putting_the_same_again_pushes_nobody_out),
        cmocka_unit_test(the_limit_is_never_passed),
        cmocka_unit_test(an_entry_in_use_gets_a_second_chance),
        cmocka_unit_test(a_forgotten_place_is_filled_before_another_goes),
        cmocka_unit_test(hits_grow_old),
        cmocka_unit_test(many_threads_never_see_a_torn_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
