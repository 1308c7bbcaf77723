/* tests/http/test_request.c -- waiting steps and who wakes them, clients that vanish meanwhile, and
 * large answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

/* ---- waiting and waking ---- */

static void steps_wait_for_the_store(void **state) {
    struct rig *rig = *state;
    static const enum store_mood moods[] = {STORE_LATER, STORE_AT_ONCE};
    int fd = dial(rig->port);
    for (size_t m = 0; m < COUNT(moods); m++)
        for (int hops = 0; hops <= 20; hops++) {
            char request[128];
            struct answer a;
            unsigned before = atomic_load(&rig->store.jobs);
            atomic_store(&rig->store.mood, moods[m]);
            (void)snprintf(request, sizeof request,
                           "GET /v1/inbox/alice?since=%d HTTP/1.1\r\n" HOST "\r\n", hops);
            assert_true(say(fd, request));
            assert_true(hear(fd, false, &a));
            assert_int_equal(a.status, 200);
            assert_non_null(strstr(a.body, "story=flow_inbox\n"));
            assert_int_equal(atomic_load(&rig->store.jobs) - before, hops);
            forget(&a);
        }
    close(fd);
}

static void a_store_that_is_full_is_503(void **state) {
    struct rig *rig = *state;
    atomic_store(&rig->store.mood, STORE_FULL_NOW);
    struct answer a = ask(rig->port, "GET /v1/inbox/alice HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 503);
    assert_string_equal(header(&a, "Retry-After"), "2");
    assert_non_null(strstr(a.body, "\"code\":\"unavailable\""));
    forget(&a);
}

enum { HAMMERS = 6, ROUNDS = 150, PIPELINED = 4 };

struct hammer {
    uint16_t port;
    _Atomic(const char *) failure; /* NULL: none */
    pthread_t thread;
};

static void *swing(void *arg) {
    struct hammer *h = arg;
    int fd = dial(h->port);
    for (int i = 0; i < ROUNDS && !h->failure; i++) {
        for (int k = 0; k < PIPELINED; k++)
            if (!say(fd, "GET /v1/inbox/alice?since=5 HTTP/1.1\r\n" HOST "\r\n"))
                h->failure = "nothing more is taken";
        for (int k = 0; k < PIPELINED && !h->failure; k++) {
            struct answer a;
            if (!hear(fd, false, &a))
                h->failure = "no answer";
            else if (a.status != 200)
                h->failure = "another status";
            forget(&a);
        }
    }
    close(fd);
    return NULL;
}

/* The wake comes before the step returns, while the connection is being suspended, and after. */
static void wakes_and_suspensions_race(void **state) {
    struct rig *rig = *state;
    static struct hammer hammers[HAMMERS]; /* outlive a test that fails */
    for (int i = 0; i < HAMMERS; i++) {
        hammers[i] = (struct hammer){.port = rig->port};
        assert_int_equal(pthread_create(&hammers[i].thread, NULL, swing, &hammers[i]), 0);
    }
    uint64_t until_ms = clock_mono_ms(clock_system()) + WAIT_MS;
    for (unsigned jobs = 0; jobs < HAMMERS * ROUNDS * PIPELINED * 5;) {
        for (int i = 0; i < HAMMERS; i++)
            if (hammers[i].failure)
                fail_msg("%s", hammers[i].failure);
        assert_true(clock_mono_ms(clock_system()) < until_ms);
        atomic_store(&rig->store.mood, STORE_AT_ONCE);
        (void)sched_yield();
        atomic_store(&rig->store.mood, STORE_LATER);
        (void)sched_yield();
        jobs = atomic_load(&rig->store.jobs);
    }
    for (int i = 0; i < HAMMERS; i++) {
        pthread_join(hammers[i].thread, NULL);
        if (hammers[i].failure)
            fail_msg("%s", hammers[i].failure);
    }
    assert_int_equal(atomic_load(&rig->store.jobs), HAMMERS * ROUNDS * PIPELINED * 5);
}

static void clients_vanish_while_their_requests_wait(void **state) {
    enum { CLIENTS = 50 };
    struct rig *rig = *state;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fds[CLIENTS];
    atomic_store(&rig->store.mood, STORE_HELD);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], "GET /v1/inbox/alice?since=2 HTTP/1.1\r\n" HOST "\r\n"));
    }
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, CLIENTS}, WAIT_MS));
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 3 == 0)
            assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                             0);
        if (i % 3 == 1)
            assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
        else
            close(fds[i]);
    }
    atomic_store(&rig->store.mood, STORE_LATER);
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, 0}, WAIT_MS));
    for (int i = 1; i < CLIENTS; i += 3)
        close(fds[i]);
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
}

/* ---- the end ---- */

/* The order of a planned end: quiet, the store answers everything and stops, then http stops. */
static void what_waits_at_the_end_is_answered(void **state) {
    struct rig *rig = *state;
    struct answer a;
    atomic_store(&rig->store.mood, STORE_HELD);
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/inbox/alice?since=1 HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, 1}, WAIT_MS));
    http_quiesce(rig->server);
    assert_int_equal(http_in_flight(rig->server), 1);
    atomic_store(&rig->store.mood, STORE_LATER);
    assert_true(hear(fd, false, &a));
    assert_int_equal(a.status, 200);
    assert_string_equal(header(&a, "Connection"), "close");
    forget(&a);
    close(fd);
}

/* And when nobody waits for the answers to go out. */
static void it_stops_right_after_the_store(void **state) {
    (void)state;
    enum { CLIENTS = 20 };
    struct rig *rig = rig_new();
    int fds[CLIENTS];
    rig_start(rig);
    atomic_store(&rig->store.mood, STORE_HELD);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], "GET /v1/inbox/alice?since=1 HTTP/1.1\r\n" HOST "\r\n"));
    }
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, CLIENTS}, WAIT_MS));
    rig_stop(rig);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(is_over(fds[i]));
        close(fds[i]);
    }
}

static void *release(void *arg) {
    struct rig *rig = arg;
    struct pollfd never = {.fd = -1};
    (void)poll(&never, 1, 300);
    atomic_store(&rig->store.mood, STORE_LATER);
    return NULL;
}

/* A stop waits for the store, and no request slips in behind it. */
static void a_stop_waits_for_those_who_wait(void **state) {
    (void)state;
    enum { CLIENTS = 20 };
    struct rig *rig = rig_new();
    pthread_t releaser;
    int fds[CLIENTS];
    rig_start(rig);
    atomic_store(&rig->store.mood, STORE_HELD);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], "GET /v1/inbox/alice?since=2 HTTP/1.1\r\n" HOST "\r\n"));
    }
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, CLIENTS}, WAIT_MS));
    assert_int_equal(pthread_create(&releaser, NULL, release, rig), 0);
    http_stop(rig->server);
    rig->server = NULL;
    assert_int_equal(atomic_load(&rig->store.jobs), 2 * CLIENTS);
    pthread_join(releaser, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(is_over(fds[i]));
        close(fds[i]);
    }
    rig_stop(rig);
}

static void *ask_until_the_end(void *arg) {
    const uint16_t *port = arg;
    int fd = dial(*port);
    struct answer a;
    while (fd >= 0 && say(fd, "GET /v1/inbox/alice?since=2 HTTP/1.1\r\n" HOST "\r\n") &&
           hear(fd, false, &a))
        forget(&a);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void it_stops_while_requests_keep_coming(void **state) {
    (void)state;
    for (int round = 0; round < 30; round++) {
        struct rig *rig = rig_new();
        pthread_t threads[4];
        rig_start(rig);
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask_until_the_end, &rig->port), 0);
        while (atomic_load(&rig->store.jobs) < 50)
            (void)sched_yield();
        http_stop(rig->server);
        rig->server = NULL;
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        rig_stop(rig);
    }
}

/* ---- answers ---- */

static void a_large_answer_arrives_whole(void **state) {
    struct rig *rig = *state;
    struct answer a = ask(rig->port, "GET /v1/u/huge HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.body_n, 8U << 20);
    assert_int_equal(strspn(a.body, "h"), 8U << 20);
    forget(&a);
    a = ask(rig->port, "HEAD /v1/u/huge HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(header(&a, "Content-Length"), "8388608");
    forget(&a);
}

static void clients_vanish_in_the_middle_of_an_answer(void **state) {
    struct rig *rig = *state;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 20; i++) {
        char bytes[4096];
        int fd = dial(rig->port);
        assert_true(say(fd, "GET /v1/u/huge HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(recv(fd, bytes, sizeof bytes, 0) > 0);
        if (i % 2)
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(fd);
    }
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, 0}, WAIT_MS));
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(steps_wait_for_the_store),
        RIG_TEST(a_store_that_is_full_is_503),
        RIG_TEST(wakes_and_suspensions_race),
        RIG_TEST(clients_vanish_while_their_requests_wait),
        RIG_TEST(what_waits_at_the_end_is_answered),
        cmocka_unit_test(it_stops_right_after_the_store),
        cmocka_unit_test(a_stop_waits_for_those_who_wait),
        cmocka_unit_test(it_stops_while_requests_keep_coming),
        RIG_TEST(a_large_answer_arrives_whole),
        RIG_TEST(clients_vanish_in_the_middle_of_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
