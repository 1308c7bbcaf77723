/* tests/http/test_held.c -- what one address keeps in memory has a limit: bodies that trickle, and
 * answers that nobody reads; and so has what all of them keep there together.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#define FROM_A "Host: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
#define FROM_B "Host: x\r\nX-Forwarded-For: 192.0.2.2\r\n"
#define FROM_C "Host: x\r\nX-Forwarded-For: 192.0.2.3\r\n"
#define CLOSE "Connection: close\r\n\r\n"

enum { MIB = 1 << 20, HUGE_BYTES = 8 * MIB, LIMIT_BYTES = 20 * MIB };

/* Everybody comes through a proxy. */
static struct rig *start(uint32_t max_bytes) {
    struct rig *rig = rig_new();
    rig->config.trusted_proxies = "127.0.0.1";
    rig->config.max_bytes_address = max_bytes;
    rig_start(rig);
    return rig;
}

/* Says it on a connection of its own, which stays. */
static int begin(struct rig *rig, const char *request) {
    int fd = dial(rig->port);
    assert_true(say(fd, request));
    return fd;
}

static int status_at(int fd) {
    struct answer a;
    assert_true(hear(fd, false, &a));
    int status = a.status;
    if (status == 503 && a.body_n > 0) { /* HEAD has none */
        assert_non_null(strstr(a.body, "\"code\":\"unavailable\""));
        assert_non_null(strstr(a.body, "too much under way"));
        assert_non_null(header(&a, "Retry-After"));
    }
    forget(&a);
    return status;
}

/* The answer has begun to come, and is not read. */
static int begin_answer(struct rig *rig, const char *request) {
    int fd = begin(rig, request);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char status[12];
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(recv(fd, status, sizeof status, MSG_PEEK | MSG_WAITALL), sizeof status);
    assert_memory_equal(status, "HTTP/1.1 200", sizeof status);
    return fd;
}

/* The body is wanted, and does not come. */
static int begin_body(struct rig *rig, const char *request) {
    int fd = begin(rig, request);
    assert_int_equal(status_at(fd), 100);
    return fd;
}

struct question {
    struct rig *rig;
    const char *request;
    int status;
};

/* For what ends a moment after its client has closed, or begins a moment after it was sent. */
static bool is_answered_so(void *arg) {
    const struct question *q = arg;
    int fd = begin(q->rig, q->request), status = status_at(fd);
    close(fd);
    return status == q->status;
}

static void expect(struct rig *rig, const char *request, int status) {
    if (!proc_poll(is_answered_so, &(struct question){rig, request, status}, WAIT_MS))
        fail_msg("not answered with %d: %s", status, request);
}

#define WAITS "Expect: 100-continue\r\n"
#define HUGE_OF_A "GET /v1/u/huge HTTP/1.1\r\n" FROM_A CLOSE
#define HUGE_OF_B "GET /v1/u/huge HTTP/1.1\r\n" FROM_B CLOSE
#define HUGE_OF_C "GET /v1/u/huge HTTP/1.1\r\n" FROM_C CLOSE
#define SMALL_OF_A "GET /v1/u/alice HTTP/1.1\r\n" FROM_A CLOSE
#define LENGTH_OF_A "POST /v1/messages HTTP/1.1\r\n" FROM_A WAITS "Content-Length: 500000\r\n\r\n"
#define CHUNKS_OF_A                                                                                \
    "POST /v1/messages HTTP/1.1\r\n" FROM_A WAITS "Transfer-Encoding: chunked\r\n\r\n"
#define POST_OF_A "POST /v1/messages HTTP/1.1\r\n" FROM_A "Content-Length: 3\r\n" CLOSE "abc"
#define POST_OF_B "POST /v1/messages HTTP/1.1\r\n" FROM_B "Content-Length: 3\r\n" CLOSE "abc"
#define POST_OF_C "POST /v1/messages HTTP/1.1\r\n" FROM_C "Content-Length: 3\r\n" CLOSE "abc"

/* Two of 8 MiB that are not read; there is no room for a third under 20. */
static void answers_that_are_not_read_are_counted(void **state) {
    (void)state;
    struct rig *rig = start(LIMIT_BYTES);
    int first = begin_answer(rig, HUGE_OF_A), second = begin_answer(rig, HUGE_OF_A);
    expect(rig, HUGE_OF_A, 503);
    expect(rig, SMALL_OF_A, 200);
    expect(rig, HUGE_OF_B, 200);
    assert_int_equal(status_at(first), 200); /* which reads it whole */
    expect(rig, HUGE_OF_A, 200);
    close(first);
    close(second);
    expect(rig, HUGE_OF_A, 200);
    rig_stop(rig);
}

/* What is announced counts, not what has come: two of 489 KiB leave little of a MiB, and chunks may
 * become 512 KiB. */
static void bodies_that_trickle_are_counted(void **state) {
    (void)state;
    static const struct {
        const char *body;
        int small_one; /* what a small one gets beside two such */
    } rows[] = {{LENGTH_OF_A, 200}, {CHUNKS_OF_A, 503}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *rig = start(MIB);
        int first = begin_body(rig, rows[i].body), second = begin_body(rig, rows[i].body);
        expect(rig, rows[i].body, 503);
        expect(rig, POST_OF_A, rows[i].small_one);
        expect(rig, POST_OF_B, 200);
        expect(rig, SMALL_OF_A, 200);
        close(first);
        close(second);
        expect(rig, POST_OF_A, 200);
        expect(rig, rows[i].body, 100); /* when both have been seen to be closed */
        rig_stop(rig);
    }
}

static void all_is_given_back(void **state) {
    (void)state;
    struct rig *rig = start(9 * MIB);
    for (int i = 0; i < 20; i++) {
        expect(rig, HUGE_OF_A, 200);
        expect(rig, "HEAD /v1/u/huge HTTP/1.1\r\n" FROM_A CLOSE, 200);
        expect(rig, POST_OF_A, 200);
        expect(rig, "POST /v1/nothing HTTP/1.1\r\n" FROM_A "Content-Length: 3\r\n" CLOSE "abc",
               404);
        close(begin(rig, LENGTH_OF_A));
        close(begin(rig, HUGE_OF_A));
    }
    expect(rig, HUGE_OF_A, 200);
    rig_stop(rig);
}

/* Two addresses that keep to their own limit leave no room for a third; what is small passes. */
static void all_addresses_together_have_a_limit(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig->config.trusted_proxies = "127.0.0.1";
    rig->config.max_bytes = LIMIT_BYTES;
    rig->config.max_bytes_address = HUGE_BYTES;
    rig_start(rig);
    int of_a = begin_answer(rig, HUGE_OF_A), of_b = begin_answer(rig, HUGE_OF_B);
    expect(rig, HUGE_OF_A, 503); /* its own limit */
    expect(rig, HUGE_OF_C, 503); /* that of all */
    expect(rig, POST_OF_C, 200);
    assert_int_equal(status_at(of_a), 200);
    expect(rig, HUGE_OF_C, 200);
    close(of_a);
    close(of_b);
    rig_stop(rig);
}

/* The same where one address has no limit of its own. */
static void one_limit_may_stand_without_the_other(void **state) {
    (void)state;
    struct rig *rig = rig_new();
    rig->config.trusted_proxies = "127.0.0.1";
    rig->config.max_bytes = LIMIT_BYTES;
    rig_start(rig);
    int first = begin_answer(rig, HUGE_OF_A), second = begin_answer(rig, HUGE_OF_A);
    expect(rig, HUGE_OF_B, 503);
    close(first);
    expect(rig, HUGE_OF_B, 200);
    close(second);
    rig_stop(rig);
}

/* Nor does loopback have one, when it is no proxy. */
static void without_a_limit_there_is_none(void **state) {
    (void)state;
    static const uint32_t limits[] = {0, MIB};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct rig *rig = rig_new();
        int fds[4];
        rig->config.max_bytes = rig->config.max_bytes_address = limits[i];
        rig_start(rig);
        for (size_t k = 0; k < COUNT(fds); k++)
            fds[k] = begin(rig, HUGE_OF_A);
        for (size_t k = 0; k < COUNT(fds); k++) {
            assert_int_equal(status_at(fds[k]), 200);
            close(fds[k]);
        }
        rig_stop(rig);
    }
}

int main(void) {
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_are_not_read_are_counted),
        cmocka_unit_test(bodies_that_trickle_are_counted),
        cmocka_unit_test(all_is_given_back),
        cmocka_unit_test(all_addresses_together_have_a_limit),
        cmocka_unit_test(one_limit_may_stand_without_the_other),
        cmocka_unit_test(without_a_limit_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
