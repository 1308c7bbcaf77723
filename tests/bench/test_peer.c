/* tests/bench/test_peer.c -- node URLs.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct {
    const char *url;
    enum rc want;
    const char *host;
    unsigned port;
} rows[] = {
    {"http://127.0.0.1:6969", RC_OK, "127.0.0.1:6969", 6969},
    {"http://127.0.0.1:6969/", RC_OK, "127.0.0.1:6969", 6969},
    {"http://127.0.0.1", RC_OK, "127.0.0.1", 80},
    {"http://[::1]:6969", RC_OK, "[::1]:6969", 6969},
    {"http://[::1]", RC_OK, "[::1]", 80},
    {"https://127.0.0.1", RC_MALFORMED, "", 0},
    {"127.0.0.1:6969", RC_MALFORMED, "", 0},
    {"http://127.0.0.1:6969/path", RC_MALFORMED, "", 0},
    {"http://127.0.0.1:0", RC_MALFORMED, "", 0},
    {"http://127.0.0.1:65536", RC_MALFORMED, "", 0},
    {"http://127.0.0.1:", RC_MALFORMED, "", 0},
    {"http://", RC_MALFORMED, "", 0},
    {"http://:80", RC_MALFORMED, "", 0},
    {"http://[::1", RC_MALFORMED, "", 0},
    {"http://[::1]80", RC_MALFORMED, "", 0},
};

static void urls_are_read_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct peer p;
        const char *why = NULL;
        enum rc rc = peer_read(str_of(rows[i].url), &p, &why);
        if (rc != rows[i].want)
            fail_msg("%s: %s", rows[i].url, rc_name(rc));
        assert_non_null(why);
        if (rc != RC_OK)
            continue;
        assert_string_equal(p.host, rows[i].host);
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&p.address;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&p.address;
        assert_int_equal(ntohs(p.address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port),
                         rows[i].port);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls_are_read_or_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
