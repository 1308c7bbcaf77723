/* tests/base/test_queue.c -- the bounded queue: order, its two limits, waking, many threads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/queue.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_rung(struct queue *q) {
    struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void items_come_out_in_order(void **state) {
    (void)state;
    struct queue q;
    struct queue_item items[5] = {{.bytes = 1}};
    assert_int_equal(queue_init(&q, 10, 10), RC_OK);
    assert_null(queue_take(&q, 10, 10));
    for (int i = 0; i < 5; i++)
        assert_int_equal(queue_push(&q, &items[i]), RC_OK);
    assert_int_equal(queue_items(&q), 5);
    struct queue_item *i = queue_take(&q, 2, 10);
    assert_ptr_equal(i, &items[0]);
    assert_ptr_equal(i->next, &items[1]);
    assert_null(i->next->next);
    i = queue_take(&q, 10, 10);
    assert_ptr_equal(i, &items[2]);
    assert_ptr_equal(i->next->next, &items[4]);
    assert_null(i->next->next->next);
    assert_int_equal(queue_push(&q, &items[0]), RC_OK); /* after it ran empty */
    assert_ptr_equal(queue_take(&q, 10, 10), &items[0]);
    queue_done(&q);
}

static void either_limit_makes_it_full(void **state) {
    (void)state;
    struct queue q;
    struct queue_item a = {.bytes = 4}, b = {.bytes = 6}, c = {.bytes = 1}, large = {.bytes = 99};
    assert_int_equal(queue_init(&q, 3, 10), RC_OK);
    assert_int_equal(queue_push(&q, &a), RC_OK);
    assert_int_equal(queue_push(&q, &b), RC_OK);
    assert_int_equal(queue_push(&q, &c), RC_FULL);
    assert_int_equal(queue_push_always(&q, &c), RC_OK);
    assert_int_equal(queue_push(&q, &large), RC_FULL);
    assert_int_equal(queue_items(&q), 3);
    assert_non_null(queue_take(&q, 3, 100));

    assert_int_equal(queue_push(&q, &large), RC_OK); /* alone it passes */
    assert_int_equal(queue_push(&q, &a), RC_FULL);
    assert_ptr_equal(queue_take(&q, 3, 10), &large);

    struct queue_item none[4] = {{.bytes = 0}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(queue_push(&q, &none[i]), RC_OK);
    assert_int_equal(queue_push(&q, &none[3]), RC_FULL);
    queue_done(&q);
}

static void a_take_stops_at_the_bytes_but_gives_one(void **state) {
    (void)state;
    struct queue q;
    struct queue_item a = {.bytes = 50}, b = {.bytes = 4}, c = {.bytes = 6}, d = {.bytes = 1};
    assert_int_equal(queue_init(&q, 10, 1000), RC_OK);
    assert_int_equal(queue_push(&q, &a), RC_OK);
    assert_int_equal(queue_push(&q, &b), RC_OK);
    assert_int_equal(queue_push(&q, &c), RC_OK);
    assert_int_equal(queue_push(&q, &d), RC_OK);
    struct queue_item *i = queue_take(&q, 10, 10);
    assert_ptr_equal(i, &a);
    assert_null(i->next);
    i = queue_take(&q, 10, 10);
    assert_ptr_equal(i, &b);
    assert_ptr_equal(i->next, &c);
    assert_null(i->next->next);
    assert_ptr_equal(queue_take(&q, 10, 10), &d);
    queue_done(&q);
}

static void the_descriptor_is_readable_while_something_waits(void **state) {
    (void)state;
    struct queue q;
    struct queue_item a = {.bytes = 1}, b = {.bytes = 1};
    assert_int_equal(queue_init(&q, 10, 10), RC_OK);
    assert_false(is_rung(&q));
    assert_int_equal(queue_push(&q, &a), RC_OK);
    assert_int_equal(queue_push(&q, &b), RC_OK);
    assert_true(is_rung(&q));
    assert_non_null(queue_take(&q, 1, 10));
    assert_true(is_rung(&q)); /* one is left */
    assert_non_null(queue_take(&q, 1, 10));
    assert_false(is_rung(&q));
    queue_wait(&q, 0);
    queue_ring(&q);
    assert_true(is_rung(&q));
    assert_null(queue_take(&q, 1, 10));
    assert_false(is_rung(&q));
    queue_done(&q);
}

static void what_is_pushed_quietly_wakes_nobody_until_it_shall(void **state) {
    (void)state;
    struct queue q;
    struct queue_item a = {.bytes = 1}, b = {.bytes = 1}, c = {.bytes = 1};
    assert_int_equal(queue_init(&q, 2, 10), RC_OK);
    queue_wake(&q);
    assert_false(is_rung(&q)); /* nothing waits */
    assert_int_equal(queue_push_quietly(&q, &a), RC_OK);
    assert_false(is_rung(&q));
    queue_wake(&q);
    assert_true(is_rung(&q));
    assert_ptr_equal(queue_take(&q, 10, 10), &a);
    assert_false(is_rung(&q));
    assert_int_equal(queue_push_quietly(&q, &a), RC_OK);
    assert_int_equal(queue_push(&q, &b), RC_OK); /* this one wakes for both */
    assert_true(is_rung(&q));
    assert_int_equal(queue_push_quietly(&q, &c), RC_FULL);
    assert_ptr_equal(queue_take(&q, 10, 10), &a);
    assert_int_equal(queue_push_quietly(&q, &c), RC_OK);
    assert_ptr_equal(queue_take(&q, 10, 10), &c); /* by one who came for something else */
    queue_close(&q);
    assert_int_equal(queue_push_quietly(&q, &c), RC_CLOSED);
    queue_done(&q);
}

/* A consumer that leaves what waits sleeps until somebody says so. */
static void a_hushed_queue_is_silent_until_the_next_push_or_wake(void **state) {
    (void)state;
    struct queue q;
    struct queue_item items[3] = {{.bytes = 1}, {.bytes = 1}, {.bytes = 1}};
    assert_int_equal(queue_init(&q, 3, 10), RC_OK);
    queue_hush(&q);
    assert_false(is_rung(&q));
    assert_int_equal(queue_push(&q, &items[0]), RC_OK);
    queue_hush(&q);
    assert_false(is_rung(&q));
    queue_wake(&q);
    assert_true(is_rung(&q));
    queue_hush(&q);
    assert_int_equal(queue_push_quietly(&q, &items[1]), RC_OK);
    assert_false(is_rung(&q));
    assert_int_equal(queue_push(&q, &items[2]), RC_OK);
    assert_true(is_rung(&q));
    assert_ptr_equal(queue_take(&q, 10, 10), &items[0]);
    queue_close(&q);
    queue_hush(&q);
    assert_true(is_rung(&q)); /* the end is not to be slept through */
    queue_done(&q);
}

static void a_closed_queue_takes_nothing_and_gives_what_it_has(void **state) {
    (void)state;
    struct queue q;
    struct queue_item a = {.bytes = 1}, b = {.bytes = 1};
    assert_int_equal(queue_init(&q, 10, 10), RC_OK);
    assert_int_equal(queue_push(&q, &a), RC_OK);
    assert_false(queue_is_closed(&q));
    queue_close(&q);
    queue_close(&q);
    assert_true(queue_is_closed(&q));
    assert_int_equal(queue_push(&q, &b), RC_CLOSED);
    assert_int_equal(queue_push_always(&q, &b), RC_CLOSED);
    assert_ptr_equal(queue_take(&q, 10, 10), &a);
    assert_null(queue_take(&q, 10, 10));
    assert_true(is_rung(&q)); /* so that nobody waits for ever */
    queue_wait(&q, -1);
    queue_done(&q);
}

enum { THREADS = 4, EACH = 10000 };

struct job {
    struct queue_item item;
    int thread, number;
};

static struct job jobs[THREADS][EACH];
static struct queue shared;

static void *push_all(void *arg) {
    struct job *mine = arg;
    for (int i = 0; i < EACH; i++)
        while (queue_push(&shared, &mine[i].item) == RC_FULL)
            sched_yield();
    return NULL;
}

static void nothing_is_lost_and_each_threads_order_is_kept(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int next[THREADS] = {0}, got = 0;
    assert_int_equal(queue_init(&shared, 64, SIZE_MAX), RC_OK);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < EACH; i++)
            jobs[t][i] = (struct job){.item = {.bytes = 1}, .thread = t, .number = i};
        assert_int_equal(pthread_create(&threads[t], NULL, push_all, jobs[t]), 0);
    }
    while (got < THREADS * EACH) {
        queue_wait(&shared, -1);
        struct queue_item *i = queue_take(&shared, 16, SIZE_MAX);
        for (; i; i = i->next, got++) {
            struct job *j = (struct job *)(void *)i;
            assert_int_equal(j->number, next[j->thread]++);
        }
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(queue_items(&shared), 0);
    queue_done(&shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(either_limit_makes_it_full),
        cmocka_unit_test(a_take_stops_at_the_bytes_but_gives_one),
        cmocka_unit_test(the_descriptor_is_readable_while_something_waits),
        cmocka_unit_test(what_is_pushed_quietly_wakes_nobody_until_it_shall),
        cmocka_unit_test(a_hushed_queue_is_silent_until_the_next_push_or_wake),
        cmocka_unit_test(a_closed_queue_takes_nothing_and_gives_what_it_has),
        cmocka_unit_test(nothing_is_lost_and_each_threads_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
