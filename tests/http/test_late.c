/* tests/http/test_late.c -- those who are late: heads and bodies that trickle and answers that
 * nobody takes are shut out, who waits for the store is not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

static const struct {
    const char *begin;
    bool drips; /* a byte now and then, so it is never idle */
} slow[] = {
    {"", false},
    {"GET /v1/healthz HTTP/1.1\r\nX-Slow: ", false},
    {"GET /v1/healthz HTTP/1.1\r\nX-Slow: ", true},
    {"POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc", false},
    {"POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc", true},
    {"POST /v1/messages HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffff\r\n", true},
};

/* The time that a head or a body has here; a slow machine must do with it what is not late. */
enum { LATE_S = 3 };

static void those_who_are_late_are_shut_out(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig->config.head_timeout_s = rig->config.body_timeout_s = LATE_S;
    rig_start(rig);
    int fds[COUNT(slow)];
    uint64_t start_ms = clock_mono_ms(clock_system());
    for (size_t i = 0; i < COUNT(slow); i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], slow[i].begin));
    }
    for (size_t open = COUNT(slow); open;) {
        struct pollfd polls[COUNT(slow)];
        for (size_t i = 0; i < COUNT(slow); i++)
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        (void)poll(polls, COUNT(slow), 100);
        uint64_t passed_ms = clock_mono_ms(clock_system()) - start_ms;
        for (size_t i = 0; i < COUNT(slow); i++) {
            if (fds[i] < 0)
                continue;
            if (slow[i].drips)
                (void)say(fds[i], "x");
            if (!polls[i].revents)
                continue;
            if (passed_ms < LATE_S * 1000 - 100)
                fail_msg("%s: cut after %llu ms", slow[i].begin, (unsigned long long)passed_ms);
            assert_true(is_over(fds[i]));
            close(fds[i]);
            fds[i] = -1;
            open--;
        }
        assert_true(passed_ms < WAIT_MS);
    }
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
    rig_stop(rig);
}

static void a_slow_head_after_an_answer_is_late_too(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    struct answer a;
    rig->config.head_timeout_s = rig->config.idle_timeout_s = LATE_S;
    rig_start(rig);
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    forget(&a);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\nX-Slow: "));
    uint64_t start_ms = clock_mono_ms(clock_system());
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 100) == 0) {
        (void)say(fd, "x");
        assert_true(clock_mono_ms(clock_system()) - start_ms < WAIT_MS);
    }
    assert_true(is_over(fd));
    close(fd);
    rig_stop(rig);
}

/* Nor is an answer kept for ever for who does not take a byte of it. */
static void who_does_not_take_the_answer_is_shut_out(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig->config.idle_timeout_s = LATE_S;
    rig_start(rig);
    int fd = dial(rig->port), narrow = 4096;
    char status[12];
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow), 0);
    assert_true(say(fd, "GET /v1/u/huge HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(recv(fd, status, sizeof status, MSG_PEEK | MSG_WAITALL), sizeof status);
    assert_memory_equal(status, "HTTP/1.1 200", sizeof status);
    assert_int_equal(http_in_flight(rig->server), 1);
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, 0}, WAIT_MS));
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
    close(fd);
    rig_stop(rig);
}

/* Waiting for the store is not being late. */
static void who_waits_for_the_store_is_not_late(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    struct answer a;
    rig->config.head_timeout_s = rig->config.body_timeout_s = rig->config.idle_timeout_s = LATE_S;
    rig_start(rig);
    atomic_store(&rig->store.mood, STORE_HELD);
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/inbox/alice HTTP/1.1\r\n" HOST "\r\n"));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 2 * LATE_S * 1000), 0);
    atomic_store(&rig->store.mood, STORE_LATER);
    assert_true(hear(fd, false, &a));
    assert_int_equal(a.status, 200);
    forget(&a);
    close(fd);
    rig_stop(rig);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_are_late_are_shut_out),
        cmocka_unit_test(a_slow_head_after_an_answer_is_late_too),
        cmocka_unit_test(who_does_not_take_the_answer_is_shut_out),
        cmocka_unit_test(who_waits_for_the_store_is_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
