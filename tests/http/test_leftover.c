/* tests/http/test_leftover.c -- sockets answered before their request was read: read to their end,
 * the time, or the size.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int setup(void **state) {
    static struct leftovers l;
    leftover_init(&l);
    *state = &l;
    return 0;
}

static int teardown(void **state) {
    leftover_done(*state);
    return 0;
}

/* Gives one end away and returns the client's. */
static int give(struct leftovers *l, uint64_t now_ms) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    leftover_take(l, pair[0], now_ms);
    return pair[1];
}

static size_t step(struct leftovers *l, uint64_t now_ms) {
    struct pollfd polls[LEFTOVER_MAX];
    size_t n = leftover_fill(l, polls);
    assert_true(poll(polls, n, 0) >= 0);
    leftover_step(l, polls, n, now_ms);
    return leftover_fill(l, polls);
}

/* The server still takes bytes. */
static bool takes(int client) { return send(client, "x", 1, MSG_NOSIGNAL) == 1; }

static void the_client_sees_the_end_of_the_answer_and_may_go_on_sending(void **state) {
    struct leftovers *l = *state;
    char byte;
    int client = give(l, 0);
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    for (int i = 0; i < 10; i++) {
        assert_true(takes(client));
        assert_int_equal(step(l, 1), 1);
    }
    close(client);
    assert_int_equal(step(l, 2), 0);
}

static void time_ends_it(void **state) {
    struct leftovers *l = *state;
    int early = give(l, 0), late = give(l, 1000);
    assert_int_equal(step(l, LEFTOVER_MS - 1), 2);
    assert_int_equal(step(l, LEFTOVER_MS), 1);
    assert_false(takes(early));
    assert_true(takes(late));
    assert_int_equal(step(l, LEFTOVER_MS + 1000), 0);
    assert_false(takes(late));
    close(early);
    close(late);
}

static void size_ends_it(void **state) {
    struct leftovers *l = *state;
    static char piece[64 * 1024];
    size_t sent = 0;
    int client = give(l, 0);
    for (;;) {
        ssize_t n = send(client, piece, sizeof piece, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        sent += n > 0 ? (size_t)n : 0;
        assert_true(sent < 2 * (size_t)LEFTOVER_MAX_BYTES);
        if (step(l, 1) == 0)
            break;
    }
    assert_true(sent >= LEFTOVER_MAX_BYTES);
    assert_false(takes(client));
    close(client);
}

static void one_too_many_is_closed_at_once(void **state) {
    struct leftovers *l = *state;
    int clients[LEFTOVER_MAX + 1];
    for (int i = 0; i <= LEFTOVER_MAX; i++)
        clients[i] = give(l, 0);
    assert_false(takes(clients[LEFTOVER_MAX]));
    for (int i = 0; i < LEFTOVER_MAX; i++)
        assert_true(takes(clients[i]));
    assert_int_equal(step(l, 1), LEFTOVER_MAX);
    /* Those in the middle go; the others keep their places. */
    for (int i = 0; i < LEFTOVER_MAX; i += 2)
        close(clients[i]);
    assert_int_equal(step(l, 2), LEFTOVER_MAX / 2);
    for (int i = 1; i < LEFTOVER_MAX; i += 2)
        assert_true(takes(clients[i]));
    for (int i = 1; i < LEFTOVER_MAX; i += 2)
        close(clients[i]);
    close(clients[LEFTOVER_MAX]);
    assert_int_equal(step(l, 3), 0);
}

static void what_is_left_at_the_end_is_closed(void **state) {
    (void)state;
    struct leftovers l;
    leftover_init(&l);
    int client = give(&l, 0);
    assert_true(takes(client));
    leftover_done(&l);
    assert_false(takes(client));
    close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_client_sees_the_end_of_the_answer_and_may_go_on_sending,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(time_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(size_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(one_too_many_is_closed_at_once, setup, teardown),
        cmocka_unit_test(what_is_left_at_the_end_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
