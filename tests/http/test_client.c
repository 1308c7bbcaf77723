/* tests/http/test_client.c -- whose request it is, behind proxies or not, and how many connections
 * an address may have.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include <sys/syscall.h>

#include "http/client.h"

static struct address address(const char *text) {
    struct address a;
    assert_int_equal(address_read(str_of(text), &a), RC_OK);
    return a;
}

/* ---- two fields that may disagree ---- */

static const struct {
    const char *what, *by_for, *by_rfc, *want; /* NULL: the field is not there */
} fields[] = {
    {"neither", NULL, NULL, "10.0.0.1"},
    {"one", "192.0.2.1", NULL, "192.0.2.1"},
    {"the other", NULL, "for=192.0.2.1", "192.0.2.1"},
    {"both agree", "192.0.2.1", "for=192.0.2.1;proto=https", "192.0.2.1"},
    {"both agree, by other ways", "6.6.6.6, 192.0.2.1", "for=192.0.2.1, for=10.0.0.2", "192.0.2.1"},
    {"what the client adds itself is not believed", "192.0.2.1", "for=6.6.6.6", "10.0.0.1"},
    {"nor the other way round", "6.6.6.6", "for=192.0.2.1", "10.0.0.1"},
    {"a hidden one disagrees", "192.0.2.1", "for=_hidden", "10.0.0.1"},
    {"a malformed one spoils both", "192.0.2.1", "for=\"192.0.2.1", "10.0.0.1"},
    {"a malformed one alone", NULL, "for=\"192.0.2.1", "10.0.0.1"},
    {"an empty one disagrees", "192.0.2.1", "", "10.0.0.1"},
};

static void where_two_fields_disagree_neither_is_believed(void **state) {
    (void)state;
    struct networks trusted;
    struct address peer = address("10.0.0.1");
    assert_int_equal(networks_read(STR("10.0.0.0/8"), &trusted), RC_OK);
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct client_said said = {.has_for = false};
        if (fields[i].by_for)
            client_say_for(&said, str_of(fields[i].by_for));
        if (fields[i].by_rfc)
            client_say_rfc(&said, str_of(fields[i].by_rfc));
        struct address got = client_address(&said, &trusted, &peer), want = address(fields[i].want);
        if (!address_eq(&got, &want))
            fail_msg("%s", fields[i].what);
    }
}

static void a_malformed_line_spoils_the_sound_ones(void **state) {
    (void)state;
    struct networks trusted;
    struct address peer = address("10.0.0.1");
    struct client_said said = {.has_for = false};
    assert_int_equal(networks_read(STR("10.0.0.0/8"), &trusted), RC_OK);
    client_say_rfc(&said, STR("for=\""));
    client_say_rfc(&said, STR("for=192.0.2.1"));
    struct address got = client_address(&said, &trusted, &peer);
    assert_true(address_eq(&got, &peer));
}

/* ---- through the server ---- */

static const struct {
    const char *trusted, *lines;
    const char *client; /* NULL: as if nothing had been sent */
    bool is_exempt;
} rows[] = {
    {NULL, "", "127.0.0.1", true},
    {NULL, "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1", true},
    {NULL, "Forwarded: for=192.0.2.1\r\n", "127.0.0.1", true},
    {"192.0.2.0/24", "X-Forwarded-For: 198.51.100.1\r\n", "127.0.0.1", true},
    {"127.0.0.1", "", "127.0.0.1", false},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1", false},
    {"127.0.0.1", "x-forwarded-for:192.0.2.1\r\n", "192.0.2.1", false},
    {"127.0.0.0/8", "Forwarded: for=192.0.2.1\r\n", "192.0.2.1", false},
    {"127.0.0.0/8", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1",
     false},
    {"127.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 127.0.0.9\r\n", "192.0.2.1",
     false},
    {"127.0.0.1", "X-Forwarded-For: 2001:db8:1:2:3::4\r\n", "2001:db8:1:2::", false},
    {"127.0.0.1", "Forwarded: for=\"[2001:db8:1:2:3::4]:80\"\r\n", "2001:db8:1:2::", false},
    {"127.0.0.1", "X-Forwarded-For: 127.0.0.9\r\n", "127.0.0.9", false},
    {"127.0.0.1", "X-Forwarded-For: nonsense\r\n", "127.0.0.1", false},
    {"127.0.0.1", "X-Forwarded-For: fe80::1%lo\r\n", "127.0.0.1", false},
    {"127.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1", false},
    {"127.0.0.1", "X-Forwarded-For: ::ffff:127.0.0.9\r\n", "127.0.0.9", false},
    {"127.0.0.1", "X-Forwarded-For: ::1\r\n", "::1", false},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1,\r\n", "127.0.0.1", false},
    {"127.0.0.1", "X-Forwarded-For:\r\n", "127.0.0.1", false},
    {"127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=6.6.6.6\r\n", "127.0.0.1", false},
};

static void trusted_proxies_speak_for_their_clients(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *rig = rig_new();
        char request[512], want[64];
        struct address client = address(rows[i].client);
        rig->config.trusted_proxies = rows[i].trusted;
        rig_start(rig);
        (void)snprintf(request, sizeof request, "GET /v1/u/alice HTTP/1.1\r\n%s" END,
                       rows[i].lines);
        (void)snprintf(want, sizeof want, "client=%llx exempt=%d",
                       (unsigned long long)address_key(&client), rows[i].is_exempt);
        struct answer a = ask(rig->port, request);
        assert_int_equal(a.status, 200);
        if (!strstr(a.body, want))
            fail_msg("row %zu: %s: wanted %s, got %s", i, rows[i].lines, want, a.body);
        forget(&a);
        rig_stop(rig);
    }
}

/* A list that is as long as a head may be: what stands at its end decides, and it takes no memory
 * of its own. */
static void a_long_list_is_read_from_its_end(void **state) {
    (void)state;
    enum { ENTRIES = 1000, ROOM = 16 * 1024 };
    struct rig *rig = rig_new();
    static char request[ROOM];
    char want[64];
    struct address client = address("192.0.2.1");
    rig->config.trusted_proxies = "127.0.0.0/8";
    rig_start(rig);
    size_t n = (size_t)snprintf(request, ROOM, "GET /v1/u/alice HTTP/1.1\r\nX-Forwarded-For: ");
    for (int i = 0; i < ENTRIES; i++)
        n += (size_t)snprintf(request + n, ROOM - n, i % 2 ? "6.6.6.6, " : "127.0.0.9, ");
    (void)snprintf(request + n, ROOM - n, "192.0.2.1, 127.0.0.8\r\n" END);
    (void)snprintf(want, sizeof want, "client=%llx exempt=0",
                   (unsigned long long)address_key(&client));
    struct answer a = ask(rig->port, request);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, want));
    forget(&a);
    rig_stop(rig);
}

static void networks_that_are_none_stop_the_start(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    const char *why = "";
    struct http_server *s = NULL;
    rig->config.trusted_proxies = "10.0.0.1/8";
    assert_int_equal(http_start(&rig->config, &rig->flow, &rig->admin, &s, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "networks"));
    assert_null(s);
    free(rig);
}

/* ---- connections of one address ---- */

static const struct {
    const char *peer;
    bool is_limited;
} peers[] = {
    {"127.0.0.1", false},       {"::1", false},      {"10.0.0.1", false},
    {"::ffff:10.0.0.1", false}, {"192.0.2.1", true}, {"2001:db8::1", true},
};

static void loopback_and_proxies_may_have_any_number(void **state) {
    (void)state;
    struct networks trusted;
    assert_int_equal(networks_read(STR("10.0.0.0/8"), &trusted), RC_OK);
    for (size_t i = 0; i < COUNT(peers); i++) {
        struct address peer = address(peers[i].peer);
        if (client_is_limited(&trusted, &peer) != peers[i].is_limited)
            fail_msg("%s", peers[i].peer);
    }
}

/* A client on loopback is exempt, and a machine may have no other address. So the door of this
 * program gets its connections from here, where a client that comes from 127.a.b.c is one from
 * somewhere else: a = 1: from 192.0.2.c; a = 2: from 2001:db8:0:b::c. */
int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags) {
    int got = (int)syscall(SYS_accept4, fd, from, size, flags);
    if (got < 0 || from->sa_family != AF_INET)
        return got;
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)from;
    uint32_t at = ntohl(v4->sin_addr.s_addr);
    if (at >> 16 == 0x7f01) {
        v4->sin_addr.s_addr = htonl(0xc0000200 | (at & 0xff));
    } else if (at >> 16 == 0x7f02) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4->sin_port};
        const uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = at >> 8 & 0xff, [15] = at & 0xff};
        memcpy(&v6.sin6_addr, bytes, sizeof bytes);
        memcpy(from, &v6, sizeof v6); /* the door's room is for any family */
        *size = sizeof v6;
    }
    return got;
}

static int dial_from(const char *source, uint16_t port) {
    struct sockaddr_in own = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, source, &own.sin_addr), 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int status_at(int fd, const char *request, struct answer *a) {
    if (request)
        assert_true(say(fd, request));
    assert_true(hear(fd, false, a));
    return a->status;
}

enum { LIMIT = 3 };
#define ASK "GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n"

static int hold_one(const char *source, uint16_t port) {
    struct answer a;
    int fd = dial_from(source, port);
    assert_int_equal(status_at(fd, ASK, &a), 200);
    forget(&a);
    return fd;
}

/* Told before it says anything, and the connection ends. */
static void expect_turned_away(const char *source, uint16_t port) {
    struct answer a;
    int64_t refused = atomic_load(&stats.connections_refused);
    int fd = dial_from(source, port);
    assert_int_equal(status_at(fd, NULL, &a), 503);
    assert_non_null(strstr(a.body, "\"code\":\"unavailable\""));
    assert_non_null(strstr(a.body, "Too many connections"));
    assert_non_null(header(&a, "Retry-After"));
    assert_string_equal(header(&a, "Connection"), "close");
    assert_string_equal(header(&a, "Content-Type"), "application/problem+json");
    assert_string_equal(header(&a, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(header(&a, "Access-Control-Allow-Origin"), "*");
    assert_true(a.body_n == strtoul(header(&a, "Content-Length"), NULL, 10));
    forget(&a);
    assert_true(is_over(fd));
    close(fd);
    assert_int_equal(atomic_load(&stats.connections_refused), refused + 1);
}

struct room {
    const char *source;
    uint16_t port;
    int fd; /* the connection that found room */
};

/* Those that ended a moment ago are still counted. */
static bool has_room_again(void *arg) {
    struct room *room = arg;
    struct answer a;
    room->fd = dial_from(room->source, room->port);
    (void)say(room->fd, ASK);
    bool is_served = hear(room->fd, false, &a) && a.status == 200;
    forget(&a);
    if (!is_served)
        close(room->fd);
    return is_served;
}

static int hold_when_there_is_room(const char *source, uint16_t port) {
    struct room room = {source, port, -1};
    assert_true(proc_poll(has_room_again, &room, WAIT_MS));
    return room.fd;
}

static void an_address_may_have_so_many_connections(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    struct answer a;
    int fds[LIMIT];
    rig->config.max_connections_address = LIMIT;
    rig_start(rig);
    for (int i = 0; i < LIMIT; i++)
        fds[i] = hold_one("127.1.0.1", rig->port);
    expect_turned_away("127.1.0.1", rig->port);

    /* Also when it has sent its request: the answer is not lost in a reset. */
    int more = dial_from("127.1.0.1", rig->port);
    assert_int_equal(status_at(more, "GET /v1/healthz HTTP/1.1\r\n" END, &a), 503);
    forget(&a);
    close(more);

    /* Other addresses are none the worse, loopback has no limit; and what ends makes room. */
    close(hold_one("127.1.0.2", rig->port));
    for (int i = 0; i < 2 * LIMIT; i++)
        close(hold_one("127.0.0.1", rig->port));
    close(fds[0]);
    fds[0] = hold_when_there_is_room("127.1.0.1", rig->port);
    expect_turned_away("127.1.0.1", rig->port);

    /* A stream is not a connection any more. */
    assert_int_equal(
        status_at(fds[1], "GET /v1/inbox/alice/stream HTTP/1.1\r\nHost: x\r\n\r\n", &a), 200);
    forget(&a);
    close(hold_when_there_is_room("127.1.0.1", rig->port));
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    rig_stop(rig);
}

/* Who has one address of IPv6 has 2^64. */
static void a_network_of_ipv6_counts_as_one_address(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    int fds[LIMIT];
    rig->config.max_connections_address = LIMIT;
    rig_start(rig);
    for (int i = 0; i < LIMIT; i++) {
        char source[32];
        (void)snprintf(source, sizeof source, "127.2.1.%d", i + 1);
        fds[i] = hold_one(source, rig->port);
    }
    expect_turned_away("127.2.1.99", rig->port);
    close(hold_one("127.2.2.1", rig->port));
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    close(hold_when_there_is_room("127.2.1.99", rig->port));
    rig_stop(rig);
}

/* A proxy speaks for many. */
static void a_trusted_proxy_may_have_any_number_of_connections(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    int fds[2 * LIMIT];
    rig->config.max_connections_address = LIMIT;
    rig->config.trusted_proxies = "192.0.2.1";
    rig_start(rig);
    for (int i = 0; i < 2 * LIMIT; i++)
        fds[i] = hold_one("127.1.0.1", rig->port);
    for (int i = 0; i < LIMIT; i++)
        close(hold_one("127.1.0.2", rig->port));
    for (int i = 0; i < 2 * LIMIT; i++)
        close(fds[i]);
    rig_stop(rig);
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_two_fields_disagree_neither_is_believed),
        cmocka_unit_test(a_malformed_line_spoils_the_sound_ones),
        cmocka_unit_test(trusted_proxies_speak_for_their_clients),
        cmocka_unit_test(a_long_list_is_read_from_its_end),
        cmocka_unit_test(networks_that_are_none_stop_the_start),
        cmocka_unit_test(loopback_and_proxies_may_have_any_number),
        cmocka_unit_test(an_address_may_have_so_many_connections),
        cmocka_unit_test(a_network_of_ipv6_counts_as_one_address),
        cmocka_unit_test(a_trusted_proxy_may_have_any_number_of_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
