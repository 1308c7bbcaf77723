/* tests/integration/test_limits.c -- how often, as a node holds it by default: by address (IPv6 by
 * /64) through a proxy that is trusted, by sender, and not at all on loopback.
 *
 * A bucket is full at first, and fills again while the test runs: so as many as it holds must pass,
 * and at some time one more does not.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "support/proc.h"
#include "support/site.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The defaults, as the issue and the README name them. */
enum { UNSIGNED = 60, SIGNED = 600, REGISTER = 10, FAILURES = 300, OPENS = 600 };
enum { TRIES_MAX = 20000, TEXT_MAX = 1 << 20 };

static struct site site;
static struct node *node; /* behind a proxy on loopback */
static struct http_client *client;
static struct signer alice;
static char config_path[300];

static int start(void **state) {
    (void)state;
    static const char *const flags[] = {"--trusted-proxies", "127.0.0.1", NULL};
    site_start(&site, BUILD_DIR "/kez-chat-server", 0, NULL);
    (void)snprintf(config_path, sizeof config_path, "%s/kez.conf", proc_temp_dir(NULL));
    FILE *f = fopen(config_path, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "server = " NODE_SERVER "\ndatabase-url = %s\n",
                        postgres_url(site.pg, "limits")) > 0);
    assert_int_equal(fclose(f), 0);
    node = node_start(
        &(struct node_setup){.program = site.program, .config = config_path, .flags = flags});
    client = http_client_new(node_port(node));
    signer_init(&alice, "alice");
    node_register(node, &alice); /* from the proxy's own address */
    return 0;
}

static int stop(void **state) {
    (void)state;
    http_client_free(client);
    node_stop(node);
    site_stop(&site);
    return 0;
}

/* ---- asking again and again ---- */

/* Asks once; `from` is a line of a forwarding field, or "". */
typedef void ask_fn(const char *from, unsigned i, struct http_reply *out);

static void ask(const char *method, const char *target, const char *from, struct str more,
                struct str body, struct http_reply *out) {
    struct buf headers;
    buf_init(&headers, TEXT_MAX);
    buf_put(&headers, str_of(from));
    buf_put(&headers, more);
    http_ask(client, method, str_of(target), buf_str(&headers), body, out);
    buf_done(&headers);
}

static void post_unsigned(const char *from, unsigned i, struct http_reply *out) {
    (void)i;
    ask("POST", "/v1/messages", from, STR(""), STR("{\"to\":\"alice\",\"envelope\":{}}"), out);
}

static void post_signed(const char *from, unsigned i, struct http_reply *out) {
    struct buf headers;
    char body[100];
    (void)snprintf(body, sizeof body, "{\"to\":\"alice\",\"id\":\"i%u\",\"envelope\":{}}", i);
    buf_init(&headers, TEXT_MAX);
    signer_put_request(&alice, &headers, "POST", NODE_SERVER, STR("/v1/messages"), str_of(body));
    ask("POST", "/v1/messages", from, buf_str(&headers), str_of(body), out);
    buf_done(&headers);
}

static void register_one(const char *from, unsigned i, struct http_reply *out) {
    static unsigned next;
    struct signer s;
    struct buf body;
    char handle[24];
    (void)i;
    (void)snprintf(handle, sizeof handle, "many%u", next++);
    signer_init(&s, handle);
    buf_init(&body, TEXT_MAX);
    signer_put_registration(&s, &body, NODE_SERVER);
    ask("POST", "/v1/register", from, STR(""), buf_str(&body), out);
    buf_done(&body);
}

static void poll_wrongly(const char *from, unsigned i, struct http_reply *out) {
    struct signer thief = alice;
    struct buf headers;
    (void)i;
    thief.seed[0] ^= 1;
    buf_init(&headers, TEXT_MAX);
    signer_put_poll(&thief, &headers, "alice", 0);
    ask("GET", "/v1/inbox/alice", from, buf_str(&headers), STR(""), out);
    buf_done(&headers);
}

static void expect_limited(const struct http_reply *r, unsigned per_minute) {
    char limit[16];
    (void)snprintf(limit, sizeof limit, "%u", per_minute);
    struct str retry = http_header(r, "Retry-After"), reset = http_header(r, "RateLimit-Reset");
    uint64_t seconds;
    assert_string_equal(http_text(r, "code"), "rate_limited");
    assert_int_equal(str_read_u64(retry, 60, &seconds), RC_OK);
    assert_true(seconds >= 1);
    assert_true(str_eq(reset, retry));
    assert_true(str_eq(http_header(r, "RateLimit-Limit"), str_of(limit)));
    assert_true(str_eq(http_header(r, "RateLimit-Remaining"), STR("0")));
}

/* So many pass with this status; later one is too many. */
static void use_up(const char *what, ask_fn *ask_one, const char *from, unsigned per_minute,
                   int status) {
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        struct http_reply r;
        ask_one(from, i, &r);
        bool is_limited = r.status == 429;
        if (is_limited)
            expect_limited(&r, per_minute);
        if (r.status != status && (!is_limited || i < per_minute))
            fail_msg("%s from %s, number %u: %d %.*s", what, from, i + 1, r.status,
                     STR_ARG(r.body));
        http_reply_done(&r);
        if (is_limited)
            return;
    }
    fail_msg("%s from %s: no limit", what, from);
}

static int status_of(ask_fn *ask_one, const char *from) {
    struct http_reply r;
    ask_one(from, TRIES_MAX, &r);
    int status = r.status;
    http_reply_done(&r);
    return status;
}

/* A bucket of its own would let `per_minute` pass. */
static void expect_used_up(ask_fn *ask_one, const char *from, unsigned per_minute) {
    for (unsigned i = 1; i < per_minute; i++)
        if (status_of(ask_one, from) == 429)
            return;
    fail_msg("%s has a bucket of its own", from);
}

/* ---- what is held ---- */

static void unsigned_posts_are_limited_by_address(void **state) {
    (void)state;
    use_up("posts", post_unsigned, "X-Forwarded-For: 192.0.2.1\r\n", UNSIGNED, 201);
    /* The same client by the other field, and with something invented before it. */
    expect_used_up(post_unsigned, "Forwarded: for=192.0.2.1\r\n", UNSIGNED);
    expect_used_up(post_unsigned, "X-Forwarded-For: 203.0.113.7, 192.0.2.1\r\n", UNSIGNED);
    /* Others are none the worse. */
    assert_int_equal(status_of(post_unsigned, "X-Forwarded-For: 192.0.2.2\r\n"), 201);
    assert_int_equal(status_of(post_unsigned, "Forwarded: for=\"192.0.2.3:80\"\r\n"), 201);
}

static void a_network_of_ipv6_is_one_address(void **state) {
    (void)state;
    use_up("posts", post_unsigned, "X-Forwarded-For: 2001:db8:1:2::1\r\n", UNSIGNED, 201);
    expect_used_up(post_unsigned, "X-Forwarded-For: 2001:db8:1:2:ffff:ffff:ffff:ffff\r\n",
                   UNSIGNED);
    expect_used_up(post_unsigned, "Forwarded: for=\"[2001:db8:1:2:3::4]:80\"\r\n", UNSIGNED);
    assert_int_equal(status_of(post_unsigned, "X-Forwarded-For: 2001:db8:1:3::1\r\n"), 201);
}

/* From wherever they come; and a sender pays for nothing that others send unsigned. */
static void signed_posts_are_limited_by_sender(void **state) {
    (void)state;
    use_up("signed posts", post_signed, "X-Forwarded-For: 198.51.100.1\r\n", SIGNED, 201);
    expect_used_up(post_signed, "X-Forwarded-For: 198.51.100.2\r\n", SIGNED);
    assert_int_equal(status_of(post_unsigned, "X-Forwarded-For: 198.51.100.3\r\n"), 201);
}

static void registrations_are_limited_by_address(void **state) {
    (void)state;
    use_up("registrations", register_one, "X-Forwarded-For: 192.0.2.10\r\n", REGISTER, 201);
    assert_int_equal(status_of(register_one, "X-Forwarded-For: 192.0.2.11\r\n"), 201);
}

/* Who guesses is not even verified any more; nobody else is kept out by that. */
static void failed_signatures_are_limited_by_address(void **state) {
    (void)state;
    use_up("wrong signatures", poll_wrongly, "X-Forwarded-For: 192.0.2.20\r\n", FAILURES, 401);
    assert_int_equal(status_of(poll_wrongly, "X-Forwarded-For: 192.0.2.21\r\n"), 401);
    struct buf headers;
    buf_init(&headers, TEXT_MAX);
    buf_put(&headers, STR("X-Forwarded-For: 192.0.2.21\r\n"));
    signer_put_poll(&alice, &headers, "alice", 0);
    http_expect(client,
                &(struct http_case){"alice herself", "GET", "/v1/inbox/alice", buf_cstr(&headers),
                                    NULL, 200, NULL},
                NULL);
    buf_done(&headers);
}

/* On loopback nothing is counted by address, whatever a client says of others, where no proxy is
 * trusted. */
static void loopback_is_exempt_unless_it_is_a_proxy(void **state) {
    (void)state;
    struct http_client *behind = client;
    struct node *plain =
        node_start(&(struct node_setup){.program = site.program, .config = config_path});
    client = http_client_new(node_port(plain));
    for (unsigned i = 0; i < 3 * UNSIGNED; i++)
        assert_int_equal(status_of(post_unsigned, i % 2 ? "" : "X-Forwarded-For: 192.0.2.1\r\n"),
                         201);
    for (unsigned i = 0; i < 3 * REGISTER; i++)
        assert_int_equal(status_of(register_one, ""), 201);
    http_client_free(client);
    node_stop(plain);
    client = behind;
    use_up("posts of the proxy", post_unsigned, "", UNSIGNED, 201);
}

/* Opening is counted, not holding: each is closed again. */
static void stream_opens_are_limited_by_handle(void **state) {
    (void)state;
    struct signer bobby;
    struct buf headers;
    signer_init(&bobby, "bobby");
    node_register(node, &bobby);
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        char request[600], status[13] = "";
        buf_init(&headers, TEXT_MAX);
        signer_put_stream(&bobby, &headers, "bobby");
        /* Each from elsewhere: addresses have a limit of their own. */
        (void)snprintf(request, sizeof request,
                       "GET /v1/inbox/bobby/stream HTTP/1.1\r\nHost: x\r\n"
                       "X-Forwarded-For: 10.0.%u.%u\r\n%s\r\n",
                       i / 200, i % 200, buf_cstr(&headers));
        buf_done(&headers);
        int fd = http_connect(node_port(node), 0);
        assert_true(fd >= 0);
        assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
        assert_int_equal(recv(fd, status, sizeof status - 1, MSG_WAITALL), sizeof status - 1);
        close(fd);
        int got = atoi(status + 9);
        if (got == 429 && i >= OPENS)
            return;
        if (got == 503) /* those that were closed are not gone yet */
            assert_true(node_metric_becomes(node, "kez_streams", 0));
        else if (got != 200)
            fail_msg("number %u: %d", i + 1, got);
    }
    fail_msg("no limit");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_posts_are_limited_by_address),
        cmocka_unit_test(a_network_of_ipv6_is_one_address),
        cmocka_unit_test(signed_posts_are_limited_by_sender),
        cmocka_unit_test(registrations_are_limited_by_address),
        cmocka_unit_test(failed_signatures_are_limited_by_address),
        cmocka_unit_test(loopback_is_exempt_unless_it_is_a_proxy),
        cmocka_unit_test(stream_opens_are_limited_by_handle),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
