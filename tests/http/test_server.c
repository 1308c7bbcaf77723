/* tests/http/test_server.c -- connections of a started server, who is at their other end, start and
 * stop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

/* ---- connections ---- */

static void a_connection_takes_many_requests(void **state) {
    struct rig *rig = *state;
    static const char *const one_by_one[] = {
        "GET /v1/u/alice HTTP/1.1\r\n" HOST "\r\n",
        "HEAD /v1/u/alice HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/u/%00 HTTP/1.1\r\n" HOST "\r\n",
        "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "POST /v1/nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "POST /v1/healthz HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "OPTIONS /v1/messages HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/inbox/alice?since=3 HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "\r\n",
    };
    static const int statuses[] = {200, 200, 404, 400, 200, 404, 405, 204, 200, 200};
    int fd = dial(rig->port);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT(one_by_one); i++) {
            struct answer a;
            assert_true(say(fd, one_by_one[i]));
            assert_true(hear(fd, one_by_one[i][0] == 'H', &a));
            if (a.status != statuses[i])
                fail_msg("%s: %d", one_by_one[i], a.status);
            forget(&a);
        }
    /* And all at once. */
    for (size_t i = 0; i < COUNT(one_by_one); i++)
        assert_true(say(fd, one_by_one[i]));
    for (size_t i = 0; i < COUNT(one_by_one); i++) {
        struct answer a;
        assert_true(hear(fd, one_by_one[i][0] == 'H', &a));
        if (a.status != statuses[i])
            fail_msg("pipelined %s: %d", one_by_one[i], a.status);
        forget(&a);
    }
    close(fd);
}

static void what_is_counted_returns_to_zero(void **state) {
    struct rig *rig = *state;
    int64_t requests = atomic_load(&stats.requests), failed = atomic_load(&stats.requests_failed);
    int fd = dial(rig->port);
    struct answer a;
    assert_true(say(fd, "GET /v1/u/busy HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    forget(&a);
    assert_int_equal(atomic_load(&stats.connections), 1);
    close(fd);
    a = ask(rig->admin_port, "GET /metrics HTTP/1.1\r\n" END);
    assert_non_null(strstr(a.body, "kez_requests_total"));
    forget(&a);
    assert_true(proc_poll(has_no_connections, NULL, WAIT_MS));
    assert_true(proc_poll(is_in_flight, &(struct in_flight){rig, 0}, WAIT_MS));
    assert_int_equal(atomic_load(&stats.requests) - requests, 1);
    assert_int_equal(atomic_load(&stats.requests_failed) - failed, 1);
}

/* ---- at the limit of connections ---- */

static void at_the_limit_of_connections_others_wait(void **state) {
    (void)state;
    enum { LIMIT = 8 };
    struct rig *rig = rig_new();
    rig->config.max_connections = LIMIT;
    rig_start(rig);
    int fds[LIMIT];
    struct answer a;
    for (int i = 0; i < LIMIT; i++) {
        fds[i] = dial(rig->port);
        assert_true(say(fds[i], "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
        assert_true(hear(fds[i], false, &a));
        forget(&a);
    }
    int waits = dial(rig->port);
    assert_true(say(waits, "GET /v1/healthz HTTP/1.1\r\n" END));
    struct pollfd p = {.fd = waits, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 300), 0);
    close(fds[0]);
    assert_true(hear(waits, false, &a));
    assert_int_equal(a.status, 200);
    forget(&a);
    /* The admin listener has its own. */
    a = ask(rig->admin_port, "GET /livez HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
    for (int i = 1; i < LIMIT; i++)
        close(fds[i]);
    close(waits);
    rig_stop(rig);
}

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

/* An answer that does not fit into the socket is as good a place to stay in as a head that does not
 * end; and a byte that is read now and then is not idle. */
static void who_does_not_read_gives_way_to_who_asks(void **state) {
    (void)state;
    enum { LIMIT = 8, NARROW_BYTES = 4096 };
    struct rig *rig = rig_new();
    int taking[LIMIT], narrow = NARROW_BYTES;
    char status[12];
    int64_t yielded = atomic_load(&stats.connections_yielded);
    rig->config.max_connections = LIMIT;
    rig_start(rig);
    for (int i = 0; i < LIMIT; i++) {
        taking[i] = dial(rig->port);
        assert_int_equal(setsockopt(taking[i], SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow), 0);
        assert_true(say(taking[i], "GET /v1/u/huge HTTP/1.1\r\n" END));
        assert_int_equal(recv(taking[i], status, sizeof status, MSG_WAITALL), sizeof status);
        assert_memory_equal(status, "HTTP/1.1 200", sizeof status);
    }
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
    assert_true(atomic_load(&stats.connections_yielded) > yielded);
    for (int i = 0; i < LIMIT; i++)
        close(taking[i]);
    rig_stop(rig);
}

/* ---- who asks ---- */

static int dial_v6(uint16_t port) {
    struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void told_client(int fd, char out[64]) {
    struct answer a;
    assert_true(say(fd, "GET /v1/u/alice HTTP/1.1\r\n" END));
    assert_true(hear(fd, false, &a));
    const char *line = strstr(a.body, "client=");
    assert_non_null(line);
    (void)snprintf(out, 64, "%.63s", line);
    forget(&a);
    close(fd);
}

/* An IPv4 client is the same one on a socket for both families; and each listener can be had. */
static void clients_are_known_by_their_addresses(void **state) {
    struct rig *v4 = *state, *both = rig_new();
    char direct[64], mapped[64], other[64];
    both->config.bind = "[::]:0";
    rig_start(both);
    told_client(dial(v4->port), direct);
    told_client(dial(both->port), mapped);
    assert_string_equal(direct, mapped);
    assert_non_null(strstr(direct, "exempt=1"));
    int fd = dial_v6(both->port);
    if (fd >= 0) {
        told_client(fd, other);
        assert_string_not_equal(direct, other);
        assert_non_null(strstr(other, "exempt=1"));
    }
    rig_stop(both);
}

/* ---- start and stop ---- */

static void what_cannot_start_says_why(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    const char *why = "";
    struct http_server *s = NULL;
    rig->config.bind = "nonsense";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "nonsense"));
    rig->config.bind = "127.0.0.1:0";
    rig->config.admin_bind = "192.0.2.1:1";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_IO);
    assert_non_null(strstr(why, "192.0.2.1"));
    rig->config.admin_bind = NULL;
    rig->config.web_dir = "/no/such/folder";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_null(s);
    rig->config.web_dir = "";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_OK);
    assert_int_equal(http_admin_port(s), 0);
    http_stop(s);
    http_stop(NULL);
    free(rig);
}

static void a_quiet_server_takes_no_new_connections_and_finishes_the_old(void **state) {
    struct rig *rig = *state;
    struct answer a;
    int fd = dial(rig->port);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    assert_null(header(&a, "Connection"));
    forget(&a);
    int half = dial(rig->port);
    assert_true(say(half, "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n"));

    http_quiesce(rig->server);
    assert_int_equal(dial(rig->port), -1);
    assert_true(say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(hear(fd, false, &a));
    assert_string_equal(header(&a, "Connection"), "close");
    forget(&a);
    assert_true(is_over(fd));
    assert_true(say(half, "abc"));
    assert_true(hear(half, false, &a));
    assert_int_equal(a.status, 200);
    forget(&a);
    a = ask(rig->admin_port, "GET /livez HTTP/1.1\r\n" END);
    assert_int_equal(a.status, 200);
    forget(&a);
    close(fd);
    close(half);
}

static void *keep_asking(void *arg) {
    const uint16_t *port = arg;
    int fd = dial(*port);
    struct answer a;
    while (fd >= 0 && say(fd, "GET /v1/healthz HTTP/1.1\r\n" HOST "\r\n") && hear(fd, false, &a))
        forget(&a);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* libmicrohttpd's own way to stop listening aborts the process now and then under load. */
static void it_grows_quiet_under_load_again_and_again(void **state) {
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct rig *rig = rig_new();
        pthread_t threads[4];
        rig->config.threads = 4;
        rig_start(rig);
        int64_t before = atomic_load(&stats.requests);
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &rig->port), 0);
        while (atomic_load(&stats.requests) < before + 20)
            (void)sched_yield();
        http_quiesce(rig->server);
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
        rig_stop(rig);
    }
}

static void it_stops_with_connections_open(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig_start(rig);
    int idle = dial(rig->port), head = dial(rig->port), body = dial(rig->port);
    assert_true(say(head, "GET /v1/healthz HT"));
    assert_true(say(body, "POST /v1/messages HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na"));
    struct answer a = ask(rig->port, "GET /v1/healthz HTTP/1.1\r\n" END);
    forget(&a);
    rig_stop(rig);
    assert_true(is_over(idle));
    assert_true(is_over(head));
    assert_true(is_over(body));
    close(idle);
    close(head);
    close(body);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_connection_takes_many_requests),
        RIG_TEST(what_is_counted_returns_to_zero),
        cmocka_unit_test(at_the_limit_of_connections_others_wait),
        cmocka_unit_test(who_says_nothing_gives_way_to_who_asks),
        cmocka_unit_test(who_does_not_read_gives_way_to_who_asks),
        RIG_TEST(clients_are_known_by_their_addresses),
        cmocka_unit_test(what_cannot_start_says_why),
        RIG_TEST(a_quiet_server_takes_no_new_connections_and_finishes_the_old),
        cmocka_unit_test(it_grows_quiet_under_load_again_and_again),
        cmocka_unit_test(it_stops_with_connections_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
