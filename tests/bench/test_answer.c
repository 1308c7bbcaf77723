/* tests/bench/test_answer.c -- HTTP answers: heads, lengths and chunks, split anywhere.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    struct str in;
    enum rc want;
    unsigned status;
    bool closes;
    struct str body;
} rows[] = {
    {STR_INIT(OK "Content-Length: 2\r\n\r\nhi"), RC_OK, 200, false, STR_INIT("hi")},
    {STR_INIT(OK "content-LENGTH:2\r\nX: y\r\n\r\nhi"), RC_OK, 200, false, STR_INIT("hi")},
    {STR_INIT("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), RC_OK, 201,
     true, STR_INIT("")},
    {STR_INIT("HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\n\r\nx"), RC_OK, 404, true,
     STR_INIT("x")},
    {STR_INIT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"), RC_OK,
     200, false, STR_INIT("x")},
    {STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"), RC_OK, 204, false, STR_INIT("")},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n wo\r\n"
                 "0A\r\nrld, hello\r\n0\r\nTrailer: x\r\n\r\n"),
     RC_OK, 200, false, STR_INIT("hello world, hello")},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), RC_OK, 200, false, STR_INIT("")},
    {STR_INIT(OK "Transfer-Encoding: gzip\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\nx\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"),
     RC_MALFORMED,
     0,
     false,
     {NULL, 0}},
    {STR_INIT(OK "Transfer-Encoding: chunked\r\n\r\n12345678\r\n"),
     RC_MALFORMED,
     0,
     false,
     {NULL, 0}},
    {STR_INIT(OK "\r\nno length"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT(OK "Content-Length: -1\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT(OK "no colon\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT("HTTP/2 200 OK\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT("HTTP/1.1 20x OK\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT("HTTP/1.1 099 OK\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT("HTTP/1.1\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
    {STR_INIT("\r\n\r\n"), RC_MALFORMED, 0, false, {NULL, 0}},
};

enum { ROOM = 512 };

static void whole_answers_are_read_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[ROOM];
        struct answer a = {0};
        memcpy(bytes, rows[i].in.p, rows[i].in.n);
        enum rc rc = answer_read(bytes, rows[i].in.n, &a);
        if (rc != rows[i].want)
            fail_msg("row %zu: %s", i, rc_name(rc));
        if (rc != RC_OK)
            continue;
        assert_int_equal(a.head.status, rows[i].status);
        assert_int_equal(a.head.closes, rows[i].closes);
        assert_true(str_eq(a.body, rows[i].body));
    }
}

/* No prefix of a good answer is an answer, and asking too early changes nothing. */
static void every_prefix_is_too_short(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[ROOM];
        struct answer a;
        if (rows[i].want != RC_OK)
            continue;
        for (size_t n = 0; n < rows[i].in.n; n++) {
            memcpy(bytes, rows[i].in.p, n);
            assert_int_equal(answer_read(bytes, n, &a), RC_TOO_SHORT);
            assert_memory_equal(bytes, rows[i].in.p, n);
        }
    }
}

static void chunks_come_out_the_same_however_they_are_split(void **state) {
    (void)state;
    struct str whole = STR("3\r\nid:\r\n1\r\n \r\n6 ; x\r\n5\ndata\r\n00\r\nA: b\r\n\r\n");
    for (size_t piece = 1; piece <= whole.n; piece++) {
        struct chunk c = {0};
        char got[32];
        size_t n = 0;
        enum rc rc = RC_OK;
        for (size_t at = 0; at < whole.n; at += piece) {
            size_t left = whole.n - at;
            struct str in = {whole.p + at, piece < left ? piece : left}, run;
            while ((rc = chunk_next(&c, &in, &run)) == RC_OK && run.n > 0) {
                memcpy(got + n, run.p, run.n);
                n += run.n;
            }
        }
        assert_int_equal(rc, RC_CLOSED);
        assert_int_equal(n, 10);
        assert_memory_equal(got, "id: 5\ndata", 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_are_read_or_refused),
        cmocka_unit_test(every_prefix_is_too_short),
        cmocka_unit_test(chunks_come_out_the_same_however_they_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
