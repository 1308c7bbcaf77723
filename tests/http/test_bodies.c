/* tests/http/test_bodies.c -- bodies by length and in chunks, and their limits.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include "wire/message.h"

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

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_body_by_length_has_a_limit),
        RIG_TEST(a_length_over_the_limit_is_answered_before_the_body),
        RIG_TEST(a_chunked_body_has_a_limit),
        RIG_TEST(a_body_may_come_byte_by_byte),
        RIG_TEST(who_waits_for_100_gets_it_only_when_the_body_is_wanted),
        RIG_TEST(bytes_beyond_the_length_are_another_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
