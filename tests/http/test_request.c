/* tests/http/test_request.c -- bodies and their limits, waiting steps and who wakes them, and those
 * who are late.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include "wire/message.h"

#define HOST "Host: x\r\n"

/* ---- bodies ---- */

static uint64_t sum_of(const char *p, size_t n) {
    uint64_t sum = 5381;
    for (size_t i = 0; i < n; i++)
        sum = sum * 33 + (unsigned char)p[i];
    return sum;
}

static char *body_of(size_t n) {
    char *p = malloc(n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 23);
    p[n] = '\0';
    return p;
}

static void expect_echo(const struct answer *a, const char *body, size_t n) {
    char want[64];
    (void)snprintf(want, sizeof want, "body=%zu:%llu\n", n, (unsigned long long)sum_of(body, n));
    if (a->status != 200 || !strstr(a->body, want))
        fail_msg("wanted %s, got %d %s", want, a->status, a->body);
}

static void say_length(int fd, size_t n, const char *more) {
    char head[256];
    (void)snprintf(head, sizeof head,
                   "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n%s\r\n", n, more);
    assert_true(say(fd, head));
}

static const struct {
    size_t n;
    int status;
} lengths[] = {
    {0, 200},
    {1, 200},
    {64 * 1024, 200},
    {MESSAGE_BODY_MAX - 1, 200},
    {MESSAGE_BODY_MAX, 200},
    {MESSAGE_BODY_MAX + 1, 413},
    {2 * MESSAGE_BODY_MAX, 413},
    {3 * 1024 * 1024, 413},
};

/* The client sends all of it before it looks for an answer; so the answer must not be lost in a
 * reset. */
static void a_body_by_length_has_a_limit(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *body = body_of(lengths[i].n);
        struct answer a;
        int fd = dial(rig->port);
        say_length(fd, lengths[i].n, "");
        assert_true(say_bytes(fd, body, lengths[i].n));
        assert_true(hear(fd, false, &a));
        if (a.status != lengths[i].status)
            fail_msg("%zu bytes: %d %s", lengths[i].n, a.status, a.body);
        if (a.status == 200)
            expect_echo(&a, body, lengths[i].n);
        else
            assert_non_null(strstr(a.body, "\"code\":\"payload_too_large\""));
        forget(&a);
        free(body);
        close(fd);
    }
}

static void a_length_over_the_limit_is_answered_before_the_body(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int fd = dial(rig->port);
    say_length(fd, MESSAGE_BODY_MAX + 1, "");
    assert_true(hear(fd, false, &a));
    assert_int_equal(a.status, 413);
    assert_string_equal(header(&a, "Access-Control-Allow-Origin"), "*");
    forget(&a);
    assert_true(is_over(fd));
    close(fd);
}

static void say_chunks(int fd, const char *body, size_t n, size_t chunk) {
    char size[32];
    assert_true(
        say(fd, "POST /v1/messages HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    for (size_t at = 0; at < n;) {
        size_t piece = n - at < chunk ? n - at : chunk;
        (void)snprintf(size, sizeof size, "%zx\r\n", piece);
        if (!say(fd, size) || !say_bytes(fd, body + at, piece) || !say(fd, "\r\n"))
            return;
        at += piece;
    }
    (void)say(fd, "0\r\n\r\n");
}

static const struct {
    size_t n;
    int status; /* 0: the connection ends without an answer */
} chunked[] = {
    {1, 200},
    {100000, 200},
    {MESSAGE_BODY_MAX, 200},
    {MESSAGE_BODY_MAX + 1, 413},
    {2 * MESSAGE_BODY_MAX, 413},
    {2 * MESSAGE_BODY_MAX + 1, 0},
    {16 * MESSAGE_BODY_MAX, 0},
};

static void a_chunked_body_has_a_limit(void **state) {
    struct rig *rig = *state;
    for (size_t i = 0; i < COUNT(chunked); i++) {
        char *body = body_of(chunked[i].n);
        struct answer a = {.status = 0};
        int fd = dial(rig->port);
        say_chunks(fd, body, chunked[i].n, 10007);
        bool is_answered = hear(fd, false, &a);
        if ((is_answered ? a.status : 0) != chunked[i].status)
            fail_msg("%zu bytes: %d", chunked[i].n, a.status);
        if (a.status == 200)
            expect_echo(&a, body, chunked[i].n);
        forget(&a);
        if (is_answered) { /* and the connection lives on */
            say_length(fd, 1, "");
            assert_true(say(fd, "x"));
            assert_true(hear(fd, false, &a));
            expect_echo(&a, "x", 1);
            forget(&a);
        }
        free(body);
        close(fd);
    }
}

static void a_body_may_come_byte_by_byte(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int fd = dial(rig->port);
    char *body = body_of(300);
    say_length(fd, 300, "");
    for (size_t i = 0; i < 300; i++)
        assert_true(say_bytes(fd, body + i, 1));
    assert_true(hear(fd, false, &a));
    expect_echo(&a, body, 300);
    forget(&a);
    say_chunks(fd, body, 300, 1);
    assert_true(hear(fd, false, &a));
    expect_echo(&a, body, 300);
    forget(&a);
    free(body);
    close(fd);
}

static void who_waits_for_100_gets_it_only_when_the_body_is_wanted(void **state) {
    struct rig *rig = *state;
    static const char expects[] = "Expect: 100-continue\r\n";
    static const struct {
        const char *head;
        int status;
    } unwanted[] = {
        {"POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 524289\r\n", 413},
        {"POST /v1/nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n", 404},
        {"PUT /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n", 405},
        {"POST /v1/%00 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n", 400},
        {"POST /v1/nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n", 404},
    };
    struct answer a;
    int fd = dial(rig->port);
    say_length(fd, 3, expects);
    assert_true(hear(fd, false, &a));
    assert_int_equal(a.status, 100);
    forget(&a);
    assert_true(say(fd, "abc"));
    assert_true(hear(fd, false, &a));
    expect_echo(&a, "abc", 3);
    forget(&a);
    close(fd);

    for (size_t i = 0; i < COUNT(unwanted); i++) {
        fd = dial(rig->port);
        assert_true(say(fd, unwanted[i].head));
        assert_true(say(fd, expects));
        assert_true(say(fd, "\r\n"));
        assert_true(hear(fd, false, &a));
        if (a.status != unwanted[i].status)
            fail_msg("%s: %d", unwanted[i].head, a.status);
        forget(&a);
        close(fd);
    }
}

static void bytes_beyond_the_length_are_another_request(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int fd = dial(rig->port);
    say_length(fd, 3, "");
    assert_true(say(fd, "abcGET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    expect_echo(&a, "abc", 3);
    forget(&a);
    assert_true(hear(fd, false, &a));
    assert_string_equal(a.body, "{\"status\":\"ok\",\"server\":\"kez.example\"}");
    forget(&a);
    close(fd);
}

/* ---- those who are late ---- */

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

static bool has_no_connections(void *arg) {
    (void)arg;
    return atomic_load(&stats.connections) == 0;
}

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

struct wanted {
    struct rig *rig;
    uint32_t in_flight;
};

static bool is_in_flight(void *arg) {
    const struct wanted *w = arg;
    return http_in_flight(w->rig->server) == w->in_flight;
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
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, CLIENTS}, WAIT_MS));
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
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, 0}, WAIT_MS));
    for (int i = 1; i < CLIENTS; i += 3)
        close(fds[i]);
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
}

/* The order of a planned end: quiet, the store answers everything and stops, then http stops. */
static void what_waits_at_the_end_is_answered(void **state) {
    struct rig *rig = *state;
    struct answer a;
    atomic_store(&rig->store.mood, STORE_HELD);
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/inbox/alice?since=1 HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, 1}, WAIT_MS));
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
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, CLIENTS}, WAIT_MS));
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
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, CLIENTS}, WAIT_MS));
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
    assert_true(proc_poll(is_in_flight, &(struct wanted){rig, 0}, WAIT_MS));
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
}

/* ---- at the limit of connections ---- */

/* Silent ones, and ones that drip their head: others are served before any deadline. */
static void who_says_nothing_gives_way_to_who_asks(void **state) {
    (void)state;
    enum { LIMIT = 40, SILENT = 200, ASKING = 50 };
    struct rig *rig = rig_new();
    int silent[SILENT];
    rig->config.max_connections = LIMIT;
    rig_start(rig);
    for (int i = 0; i < SILENT; i++) {
        silent[i] = dial(rig->port);
        assert_true(silent[i] >= 0);
        if (i % 2)
            (void)say(silent[i], "GET /v1/healthz HT");
    }
    uint64_t start_ms = clock_mono_ms(clock_system());
    for (int i = 0; i < ASKING; i++) {
        struct answer a;
        int fd = dial(rig->port);
        assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
        assert_true(hear(fd, false, &a));
        assert_int_equal(a.status, 200);
        forget(&a);
        close(fd);
    }
    print_message("%d were served in %llu ms\n", ASKING,
                  (unsigned long long)(clock_mono_ms(clock_system()) - start_ms));
    /* Deadlines are 30 s here: places were given up before. */
    assert_true(atomic_load(&stats.connections_yielded) >= SILENT - LIMIT);
    for (int i = 0; i < SILENT; i++)
        close(silent[i]);
    rig_stop(rig);
}

int main(void) {
    log_set_level(LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_body_by_length_has_a_limit),
        TEST(a_length_over_the_limit_is_answered_before_the_body),
        TEST(a_chunked_body_has_a_limit),
        TEST(a_body_may_come_byte_by_byte),
        TEST(who_waits_for_100_gets_it_only_when_the_body_is_wanted),
        TEST(bytes_beyond_the_length_are_another_request),
        cmocka_unit_test(those_who_are_late_are_shut_out),
        cmocka_unit_test(a_slow_head_after_an_answer_is_late_too),
        cmocka_unit_test(who_waits_for_the_store_is_not_late),
        TEST(steps_wait_for_the_store),
        TEST(a_store_that_is_full_is_503),
        TEST(wakes_and_suspensions_race),
        TEST(clients_vanish_while_their_requests_wait),
        TEST(what_waits_at_the_end_is_answered),
        cmocka_unit_test(it_stops_right_after_the_store),
        cmocka_unit_test(a_stop_waits_for_those_who_wait),
        cmocka_unit_test(it_stops_while_requests_keep_coming),
        TEST(a_large_answer_arrives_whole),
        TEST(clients_vanish_in_the_middle_of_an_answer),
        cmocka_unit_test(who_says_nothing_gives_way_to_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
