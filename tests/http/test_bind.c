/* tests/http/test_bind.c -- addresses to listen on: the grammar, both families, and what fails.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "http/bind.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    struct str in;
    const char *host; /* NULL: malformed */
    uint16_t port;
} rows[] = {
    {STR_INIT("127.0.0.1:6969"), "127.0.0.1", 6969},
    {STR_INIT("localhost:0"), "localhost", 0},
    {STR_INIT(":6969"), "", 6969},
    {STR_INIT("[::1]:65535"), "::1", 65535},
    {STR_INIT("[::]:1"), "::", 1},
    {STR_INIT("[fe80::1%eth0]:1"), "fe80::1%eth0", 1},
    {STR_INIT(""), NULL, 0},
    {STR_INIT(":"), NULL, 0},
    {STR_INIT("6969"), NULL, 0},
    {STR_INIT("host"), NULL, 0},
    {STR_INIT("host:"), NULL, 0},
    {STR_INIT("host:65536"), NULL, 0},
    {STR_INIT("host:-1"), NULL, 0},
    {STR_INIT("host:+1"), NULL, 0},
    {STR_INIT("host: 1"), NULL, 0},
    {STR_INIT("host:01"), NULL, 0},
    {STR_INIT("host:1x"), NULL, 0},
    {STR_INIT("::1:6969"), NULL, 0},
    {STR_INIT("[::1]"), NULL, 0},
    {STR_INIT("[::1]6969"), NULL, 0},
    {STR_INIT("[::1:6969"), NULL, 0},
    {STR_INIT("[]:6969"), NULL, 0},
    {STR_INIT("ho\0st:1"), NULL, 0},
};

static void addresses_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bind_address at = {.port = 77};
        enum rc rc = bind_read(rows[i].in, &at);
        if (rc != (rows[i].host ? RC_OK : RC_MALFORMED))
            fail_msg("%.*s: %s", STR_ARG(rows[i].in), rc_name(rc));
        if (!rows[i].host)
            continue;
        assert_string_equal(at.host, rows[i].host);
        assert_int_equal(at.port, rows[i].port);
    }
}

static void a_host_name_has_a_limit(void **state) {
    (void)state;
    struct bind_address at;
    char text[BIND_HOST_MAX + 8];
    memset(text, 'h', sizeof text);
    memcpy(text + BIND_HOST_MAX, ":80", 3);
    assert_int_equal(bind_read((struct str){text, BIND_HOST_MAX + 3}, &at), RC_OK);
    assert_int_equal(strlen(at.host), BIND_HOST_MAX);
    memcpy(text + BIND_HOST_MAX, "h:80", 4);
    assert_int_equal(bind_read((struct str){text, BIND_HOST_MAX + 4}, &at), RC_MALFORMED);
}

static bool connects(const struct sockaddr *to, socklen_t n) {
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_there = connect(fd, to, n) == 0;
    close(fd);
    return is_there;
}

static bool connects_v4(uint16_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connects((struct sockaddr *)&v4, sizeof v4);
}

static bool connects_v6(uint16_t port) {
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return connects((struct sockaddr *)&v6, sizeof v6);
}

static bool machine_has_v6(void) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof v6) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static const struct {
    const char *text;
    bool v4, v6; /* who can connect on loopback, when the machine has IPv6 */
} listeners[] = {
    {"127.0.0.1:0", true, false}, {"0.0.0.0:0", true, false}, {":0", true, true},
    {"[::]:0", true, true},       {"[::1]:0", false, true},
};

static void each_form_takes_its_families(void **state) {
    (void)state;
    bool has_v6 = machine_has_v6();
    for (size_t i = 0; i < COUNT(listeners); i++) {
        const char *why = "";
        int fd = -1;
        uint16_t port = 0;
        if (!has_v6 && !listeners[i].v4)
            continue;
        if (bind_listen(listeners[i].text, &fd, &port, &why) != RC_OK)
            fail_msg("%s: %s", listeners[i].text, why);
        assert_int_not_equal(port, 0);
        assert_int_equal(connects_v4(port), listeners[i].v4);
        if (has_v6)
            assert_int_equal(connects_v6(port), listeners[i].v6);
        close(fd);
    }
}

static void a_failure_says_why(void **state) {
    (void)state;
    const char *why = "";
    int fd = -1, other = -1;
    uint16_t port = 0, ignored;
    assert_int_equal(bind_listen("nonsense", &fd, &port, &why), RC_MALFORMED);
    assert_non_null(strstr(why, "nonsense"));

    assert_int_equal(bind_listen("127.0.0.1:0", &fd, &port, &why), RC_OK);
    char taken[32];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)port);
    assert_int_equal(bind_listen(taken, &other, &ignored, &why), RC_IO);
    assert_non_null(strstr(why, "in use"));
    close(fd);

    assert_int_equal(bind_listen("192.0.2.1:0", &other, &ignored, &why), RC_IO);
    assert_int_equal(bind_listen("no-such-host.invalid:0", &other, &ignored, &why), RC_IO);
    assert_int_equal(other, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(a_host_name_has_a_limit),
        cmocka_unit_test(each_form_takes_its_families),
        cmocka_unit_test(a_failure_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
