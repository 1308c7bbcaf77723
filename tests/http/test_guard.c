/* tests/http/test_guard.c -- deadlines of connections: who is shut down, once, and who is not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/guard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PEERS = 4 };

struct world {
    struct guard guard;
    struct guarded c[PEERS];
    int near[PEERS], far[PEERS];
};

static int setup(void **state) {
    static struct world w;
    guard_init(&w.guard);
    for (int i = 0; i < PEERS; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
            return -1;
        w.near[i] = pair[0];
        w.far[i] = pair[1];
        guard_add(&w.guard, &w.c[i], pair[0], (uint64_t)(100 * (i + 1)));
    }
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    for (int i = 0; i < PEERS; i++) {
        guard_remove(&w->guard, &w->c[i]);
        close(w->near[i]);
        close(w->far[i]);
    }
    guard_done(&w->guard);
    return 0;
}

static bool is_shut(const struct world *w, int i) {
    char byte;
    ssize_t got = recv(w->far[i], &byte, 1, MSG_DONTWAIT);
    assert_true(got == 0 || errno == EAGAIN);
    return got == 0;
}

static void only_those_that_are_late_are_shut_down(void **state) {
    struct world *w = *state;
    assert_int_equal(guard_sweep(&w->guard, 99), 0);
    assert_int_equal(guard_sweep(&w->guard, 200), 2);
    assert_true(is_shut(w, 0));
    assert_true(is_shut(w, 1));
    assert_false(is_shut(w, 2));
    assert_false(is_shut(w, 3));
    assert_int_equal(guard_sweep(&w->guard, 200), 0); /* once is enough */
}

static void a_deadline_moves_and_goes(void **state) {
    struct world *w = *state;
    guard_set_deadline(&w->c[0], 1000);
    guard_set_deadline(&w->c[1], 0);
    guard_set_deadline(&w->c[2], 50);
    assert_int_equal(guard_sweep(&w->guard, 60), 1);
    assert_true(is_shut(w, 2));
    assert_int_equal(guard_sweep(&w->guard, 999), 1); /* the last one, at 400 */
    assert_false(is_shut(w, 0));
    assert_int_equal(guard_sweep(&w->guard, 1000), 1);
    assert_true(is_shut(w, 0));
    assert_int_equal(guard_sweep(&w->guard, UINT64_MAX), 0);
    assert_false(is_shut(w, 1));
}

static void what_is_removed_is_left_alone(void **state) {
    struct world *w = *state;
    guard_remove(&w->guard, &w->c[1]);
    guard_remove(&w->guard, &w->c[1]);
    assert_int_equal(guard_sweep(&w->guard, 10000), PEERS - 1);
    assert_false(is_shut(w, 1));
}

/* ---- making room ---- */

static void those_that_never_asked_give_way_first_and_the_oldest_before_others(void **state) {
    struct world *w = *state;
    guard_waits(&w->c[0], 1000, true);
    guard_waits(&w->c[1], 1000, false);
    guard_waits(&w->c[2], 1000, false);
    guard_works(&w->c[3]);
    uint64_t later_ms = 1000 + GUARD_IDLE_MS;
    assert_int_equal(guard_make_room(&w->guard, later_ms, 1), 1);
    assert_true(is_shut(w, 1));
    assert_false(is_shut(w, 2));
    assert_int_equal(guard_make_room(&w->guard, later_ms, 64), 2);
    assert_true(is_shut(w, 2));
    assert_true(is_shut(w, 0));
    assert_false(is_shut(w, 3));
    assert_int_equal(guard_make_room(&w->guard, later_ms, 64), 0); /* once is enough */
}

static void nobody_gives_way_before_its_time(void **state) {
    struct world *w = *state;
    guard_waits(&w->c[0], 1000, false);
    guard_waits(&w->c[1], 1000, true);
    assert_int_equal(guard_make_room(&w->guard, 1000 + GUARD_NEW_MS - 1, 64), 0);
    assert_int_equal(guard_make_room(&w->guard, 1000 + GUARD_NEW_MS, 64), 1);
    assert_true(is_shut(w, 0));
    assert_int_equal(guard_make_room(&w->guard, 1000 + GUARD_IDLE_MS - 1, 64), 0);
    guard_works(&w->c[1]);
    assert_int_equal(guard_make_room(&w->guard, 1000 + GUARD_IDLE_MS, 64), 0);
    guard_waits(&w->c[1], 2000, true);
    assert_int_equal(guard_make_room(&w->guard, 1000 + GUARD_IDLE_MS, 64), 0);
    assert_int_equal(guard_make_room(&w->guard, 2000 + GUARD_IDLE_MS, 64), 1);
    assert_true(is_shut(w, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_those_that_are_late_are_shut_down, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_moves_and_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_removed_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(
            those_that_never_asked_give_way_first_and_the_oldest_before_others, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_gives_way_before_its_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
