/* tests/wire/test_problem.c -- results as HTTP statuses and problem documents.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/json_span.h"

static const struct {
    enum rc rc;
    int status;
    const char *code;
} rows[] = {
    {RC_MALFORMED, 400, "bad_request"},
    {RC_TOO_SHORT, 400, "bad_request"},
    {RC_TOO_LARGE, 400, "bad_request"},
    {RC_BAD_FIRST, 400, "bad_request"},
    {RC_RESERVED, 403, "forbidden"},
    {RC_MISSING_AUTH, 400, "missing_auth"},
    {RC_STALE, 401, "unauthorized"},
    {RC_UNAUTHORIZED, 401, "unauthorized"},
    {RC_FORBIDDEN, 403, "forbidden"},
    {RC_NOT_FOUND, 404, "not_found"},
    {RC_NOT_ALLOWED, 405, "method_not_allowed"},
    {RC_CONFLICT, 409, "conflict"},
    {RC_RATE_LIMITED, 429, "rate_limited"},
    {RC_OVERSIZE, 413, "payload_too_large"},
    {RC_FULL, 503, "unavailable"},
    {RC_UNAVAILABLE, 503, "unavailable"},
    {RC_UNKNOWN_OUTCOME, 503, "unavailable"},
    {RC_TIMEOUT, 503, "unavailable"},
    {RC_CLOSED, 503, "unavailable"},
    {RC_NO_MEMORY, 503, "unavailable"},
    {RC_IO, 503, "unavailable"},
};

static void every_failure_has_its_status_and_code(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_member m[] = {{.name = STR("type")},
                                  {.name = STR("title")},
                                  {.name = STR("status")},
                                  {.name = STR("detail")},
                                  {.name = STR("code")}};
        struct buf out, code;
        uint64_t status = 0;
        buf_init(&out, 1000);
        buf_init(&code, 100);
        problem_put(&out, rows[i].rc, STR("Change it."));
        assert_int_equal(problem_status(rows[i].rc), rows[i].status);
        assert_int_equal(json_split(buf_str(&out), (struct str){NULL, 0}, m, 5), RC_OK);
        assert_true(str_eq(m[0].value, STR("\"about:blank\"")));
        assert_int_equal(json_kind(m[1].value), '"');
        assert_int_equal(json_u64(m[2].value, 599, &status), RC_OK);
        assert_int_equal(status, rows[i].status);
        assert_true(str_eq(m[3].value, STR("\"Change it.\"")));
        assert_int_equal(json_utf8(m[4].value, &code), RC_OK);
        assert_string_equal(buf_cstr(&code), rows[i].code);
        buf_done(&out);
        buf_done(&code);
    }
}

static void success_is_200(void **state) {
    (void)state;
    assert_int_equal(problem_status(RC_OK), 200);
    assert_int_equal(problem_status(RC_REPEAT), 200);
}

static void a_problem_is_written_like_this(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    problem_put(&out, RC_CONFLICT, STR("Say \"when\"."));
    assert_string_equal(buf_cstr(&out),
                        "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
                        "\"detail\":\"Say \\\"when\\\".\",\"code\":\"conflict\"}");
    buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_has_its_status_and_code),
        cmocka_unit_test(success_is_200),
        cmocka_unit_test(a_problem_is_written_like_this),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
