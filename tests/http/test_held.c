/* tests/http/test_held.c -- what one address keeps in memory has a limit: bodies that trickle, and
 * answers that nobody reads.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#define FROM_A "Host: x\r\nX-Forwarded-For: 192.0.2.1\r\n"
#define FROM_B "Host: x\r\nX-Forwarded-For: 192.0.2.2\r\n"
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

#define HUGE_OF_A "GET /v1/u/huge HTTP/1.1\r\n" FROM_A CLOSE
#define HUGE_OF_B "GET /v1/u/huge HTTP/1.1\r\n" FROM_B CLOSE
#define SMALL_OF_A "GET /v1/u/alice HTTP/1.1\r\n" FROM_A CLOSE
#define LENGTH_OF_A "POST /v1/messages HTTP/1.1\r\n" FROM_A "Content-Length: 500000\r\n\r\n"
#define CHUNKS_OF_A "POST /v1/messages HTTP/1.1\r\n" FROM_A "Transfer-Encoding: chunked\r\n\r\n"
#define POST_OF_A "POST /v1/messages HTTP/1.1\r\n" FROM_A "Content-Length: 3\r\n" CLOSE "abc"
#define POST_OF_B "POST /v1/messages HTTP/1.1\r\n" FROM_B "Content-Length: 3\r\n" CLOSE "abc"

/* Two of 8 MiB that are not read; there is no room for a third under 20. */
static void answers_that_are_not_read_are_counted(void **state) {
    (void)state;
    struct rig *rig = start(LIMIT_BYTES);
    int first = begin(rig, HUGE_OF_A), second = begin(rig, HUGE_OF_A);
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

/* What is announced counts, not what has come. */
static void bodies_that_trickle_are_counted(void **state) {
    (void)state;
    static const char *const bodies[] = {LENGTH_OF_A, CHUNKS_OF_A};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct rig *rig = start(MIB);
        int first = begin(rig, bodies[i]), second = begin(rig, bodies[i]);
        expect(rig, POST_OF_A, i == 0 ? 200 : 503); /* 976 KiB and 3 bytes; or all of the MiB */
        if (i == 0) {
            int third = begin(rig, bodies[i]);
            assert_true(say(third, "x"));
            char *rest = calloc(1, 500000);
            assert_non_null(rest);
            (void)say_bytes(third, rest, 499999); /* it may have its answer already */
            free(rest);
            assert_int_equal(status_at(third), 503);
            close(third);
        }
        expect(rig, POST_OF_B, 200);
        expect(rig, SMALL_OF_A, 200);
        close(first);
        close(second);
        expect(rig, POST_OF_A, 200);
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

/* Nor does loopback have one, when it is no proxy. */
static void without_a_limit_there_is_none(void **state) {
    (void)state;
    static const uint32_t limits[] = {0, MIB};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct rig *rig = rig_new();
        int fds[4];
        rig->config.max_bytes_address = limits[i];
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
        cmocka_unit_test(without_a_limit_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
