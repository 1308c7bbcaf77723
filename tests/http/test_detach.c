/* tests/http/test_detach.c -- the contract with libmicrohttpd about sockets that leave it: what the
 * client sees, what the shard gets, and that nothing is lost or kept when clients vanish.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "http/state.h"

#define STREAM "GET /v1/inbox/alice/stream HTTP/1.1\r\nHost: x\r\n\r\n"

static const char hello[] = "retry: 3000\n\n";

/* Descriptors of this process. */
static unsigned open_fds(void) {
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static bool has_so_many_fds(void *arg) { return open_fds() == *(const unsigned *)arg; }

struct counted {
    struct push *push;
    unsigned opened, ended; /* ended: opened or given back */
};

static bool is_opened(void *arg) {
    const struct counted *c = arg;
    pthread_mutex_lock(&c->push->lock);
    bool is_so = c->push->opened >= c->opened && c->push->opened + c->push->released >= c->ended;
    pthread_mutex_unlock(&c->push->lock);
    return is_so;
}

static void await_opened(struct push *p, unsigned n) {
    assert_true(proc_poll(is_opened, &(struct counted){p, n, 0}, WAIT_MS));
}

static void expect_bytes(int fd, const char *want) {
    char got[256];
    size_t n = 0, wanted = strlen(want);
    assert_true(wanted < sizeof got);
    while (n < wanted) {
        ssize_t more = take(fd, got + n, wanted - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void expect_head(int fd) {
    struct answer a;
    assert_true(hear(fd, false, &a));
    assert_int_equal(a.status, 200);
    assert_string_equal(header(&a, "Content-Type"), "text/event-stream");
    assert_string_equal(header(&a, "Cache-Control"), "no-store");
    assert_string_equal(header(&a, "X-Accel-Buffering"), "no");
    assert_string_equal(header(&a, "Access-Control-Allow-Origin"), "*");
    assert_string_equal(header(&a, "X-Content-Type-Options"), "nosniff");
    assert_null(header(&a, "Content-Length"));
    assert_null(header(&a, "Transfer-Encoding"));
    forget(&a);
    expect_bytes(fd, hello);
}

/* ---- one stream ---- */

static void the_socket_lives_on_with_the_shard(void **state) {
    struct rig *rig = *state;
    int client = dial(rig->port);
    assert_true(say(client, STREAM));
    expect_head(client);
    await_opened(&rig->push, 1);
    int fd = rig->push.fds[0];
    assert_int_equal(rig->push.opens[0].after, 7);
    assert_int_equal(rig->push.released, 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

    /* libmicrohttpd has let go of it, and of its place among the connections. */
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
    assert_int_equal(http_in_flight(rig->server), 0);
    assert_true(say(fd, "data: 1\n\n"));
    expect_bytes(client, "data: 1\n\n");
    assert_true(say(client, "x"));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(is_over(client));
    close(client);
}

static void no_deadline_follows_the_socket(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    /* Seconds enough for a slow machine to take the request. */
    rig->config.head_timeout_s = rig->config.body_timeout_s = rig->config.idle_timeout_s = 3;
    rig_start(rig);
    int client = dial(rig->port);
    assert_true(say(client, STREAM));
    expect_head(client);
    await_opened(&rig->push, 1);
    struct pollfd p = {.fd = client, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 7000), 0);
    assert_true(say(rig->push.fds[0], "still here"));
    expect_bytes(client, "still here");
    close(client);
    rig_stop(rig);
}

static void streams_outlive_the_server(void **state) {
    struct rig *rig = *state;
    int client = dial(rig->port);
    assert_true(say(client, STREAM));
    expect_head(client);
    await_opened(&rig->push, 1);
    http_stop(rig->server);
    rig->server = NULL;
    assert_true(say(rig->push.fds[0], "goodbye"));
    expect_bytes(client, "goodbye");
    close(client);
}

static void older_clients_and_used_connections_do_as_well(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int old = dial(rig->port), used = dial(rig->port);
    assert_true(say(old, "GET /v1/inbox/alice/stream HTTP/1.0\r\n\r\n"));
    expect_head(old);
    assert_true(say(used, "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n" STREAM));
    assert_true(hear(used, false, &a));
    forget(&a);
    expect_head(used);
    await_opened(&rig->push, 2);
    close(old);
    close(used);
}

/* ---- no stream ---- */

static void without_room_it_is_503(void **state) {
    struct rig *rig = *state;
    rig->push.is_full = true;
    struct answer a = ask(rig->port, STREAM);
    assert_int_equal(a.status, 503);
    assert_non_null(header(&a, "Retry-After"));
    assert_non_null(strstr(a.body, "\"code\":\"unavailable\""));
    forget(&a);
    assert_int_equal(rig->push.reserved + rig->push.released + rig->push.opened, 0);
}

static void without_a_descriptor_it_is_503(void **state) {
    struct rig *rig = *state;
    struct answer a;
    struct rlimit before, none;
    int client = dial(rig->port);
    assert_true(say(client, "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(hear(client, false, &a));
    forget(&a);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0; /* what is open stays open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(say(client, STREAM));
    bool is_answered = hear(client, false, &a);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(is_answered);
    assert_int_equal(a.status, 503);
    assert_non_null(header(&a, "Retry-After"));
    forget(&a);
    assert_int_equal(rig->push.reserved, 1);
    assert_int_equal(rig->push.released, 1);
    assert_int_equal(rig->push.opened, 0);
    /* The connection is none the worse for it. */
    assert_true(say(client, STREAM));
    expect_head(client);
    await_opened(&rig->push, 1);
    close(client);
}

/* ---- clients that vanish, many at a time ---- */

enum manner {
    LEAVES_AT_ONCE,
    RESETS_AT_ONCE,
    HALF_CLOSES,
    SENDS_MORE,
    CUTS_ITSELF,
    STAYS,
    MANNERS
};

enum { THREADS = 4, CLIENTS = 400 };

static void misbehave(uint16_t port, enum manner manner) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char bytes[1024];
    int fd = dial(port);
    if (fd < 0)
        return;
    size_t n = manner == CUTS_ITSELF ? sizeof STREAM / 2 : sizeof STREAM - 1;
    (void)say_bytes(fd, STREAM, n);
    if (manner == SENDS_MORE)
        (void)say(fd, STREAM "junk\r\n\r\n");
    if (manner == HALF_CLOSES)
        (void)shutdown(fd, SHUT_WR);
    if (manner == RESETS_AT_ONCE || manner == CUTS_ITSELF)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (manner == STAYS || manner == HALF_CLOSES)
        (void)recv(fd, bytes, sizeof bytes, 0);
    close(fd);
}

static void *misbehave_often(void *arg) {
    const uint16_t *port = arg;
    for (int i = 0; i < CLIENTS; i++)
        misbehave(*port, (enum manner)(i % MANNERS));
    return NULL;
}

struct shard {
    struct push *push;
    atomic_bool stops;
};

/* A shard that closes each socket as soon as it can: before libmicrohttpd closes its own copy, too.
 */
static void *close_at_once(void *arg) {
    struct shard *shard = arg;
    for (unsigned next = 0;;) {
        bool stops = atomic_load(&shard->stops);
        pthread_mutex_lock(&shard->push->lock);
        unsigned opened = shard->push->opened;
        pthread_mutex_unlock(&shard->push->lock);
        if (next == opened && stops)
            return NULL;
        for (; next < opened; next++) {
            int fd = shard->push->fds[next];
            shard->push->fds[next] = -1;
            (void)send(fd, "data: x\n\n", 9, MSG_NOSIGNAL);
            if (next % 2)
                (void)shutdown(fd, SHUT_RDWR);
            close(fd);
        }
        (void)sched_yield();
    }
}

/* All that was accepted has begun, and has ended. */
static bool is_settled(void *arg) {
    const struct rig *rig = arg;
    for (unsigned i = 0; i < rig->server->worker_count; i++)
        if (atomic_load(&rig->server->workers[i].waiting))
            return false;
    return has_no_connections(NULL) && http_in_flight(rig->server) == 0;
}

static void nothing_is_lost_or_kept_when_clients_vanish(void **state) {
    struct rig *rig = *state;
    struct shard shard = {.push = &rig->push};
    pthread_t clients[THREADS], closer;
    unsigned before = open_fds();
    assert_int_equal(pthread_create(&closer, NULL, close_at_once, &shard), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, misbehave_often, &rig->port), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(clients[i], NULL);
    /* When the last connection has been accepted, all have. */
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    forget(&a);
    assert_true(proc_poll(is_settled, rig, WAIT_MS));
    atomic_store(&shard.stops, true);
    pthread_join(closer, NULL);

    assert_int_equal(rig->push.reserved, rig->push.released + rig->push.opened);
    assert_true(rig->push.opened >= THREADS * CLIENTS / MANNERS);
    /* What is counted no more is closed a moment later. */
    assert_true(proc_poll(has_so_many_fds, &before, WAIT_MS));
    int client = dial(rig->port); /* and it still works */
    unsigned opened = rig->push.opened;
    assert_true(say(client, STREAM));
    expect_head(client);
    await_opened(&rig->push, opened + 1);
    close(client);
}

static void many_streams_at_once_are_all_handed_over(void **state) {
    enum { STREAMS = 300 };
    struct rig *rig = *state;
    static int fds[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], STREAM));
    }
    for (int i = 0; i < STREAMS; i++)
        expect_head(fds[i]);
    await_opened(&rig->push, STREAMS);
    assert_int_equal(rig->push.reserved, STREAMS);
    assert_int_equal(rig->push.released, 0);
    for (int i = 0; i < STREAMS; i++)
        assert_true(say(rig->push.fds[i], "data: 1\n\n"));
    for (int i = 0; i < STREAMS; i++) {
        expect_bytes(fds[i], "data: 1\n\n");
        close(fds[i]);
    }
}

static void *ask_for_streams(void *arg) {
    const uint16_t *port = arg;
    for (int i = 0; i < 100; i++)
        misbehave(*port, STAYS);
    return NULL;
}

/* Every reservation ends, whatever the moment of the stop. */
static void a_stop_among_new_streams_loses_none(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct rig *rig = rig_new();
        pthread_t clients[THREADS];
        rig_start(rig);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&clients[i], NULL, ask_for_streams, &rig->port), 0);
        await_opened(&rig->push, (unsigned)(5 + 10 * round));
        http_stop(rig->server);
        rig->server = NULL;
        for (int i = 0; i < THREADS; i++)
            pthread_join(clients[i], NULL);
        assert_int_equal(rig->push.reserved, rig->push.released + rig->push.opened);
        rig_stop(rig);
    }
}

int main(void) {
    log_set_level(LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_socket_lives_on_with_the_shard),
        cmocka_unit_test(no_deadline_follows_the_socket),
        TEST(streams_outlive_the_server),
        TEST(older_clients_and_used_connections_do_as_well),
        TEST(without_room_it_is_503),
        TEST(without_a_descriptor_it_is_503),
        TEST(nothing_is_lost_or_kept_when_clients_vanish),
        TEST(many_streams_at_once_are_all_handed_over),
        cmocka_unit_test(a_stop_among_new_streams_loses_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
