/* tests/flow/test_exchange.c -- an exchange's small verbs: what they leave in the answer, and that
 * a job wakes once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "flow/exchange.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/table.h"
#include "flow/flow.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- a store that says what it was told to say ---- */

static enum rc submit_says;
static struct store_job *submitted;

enum rc store_submit(struct store *s, struct store_job *job) {
    (void)s;
    submitted = job;
    return submit_says;
}

/* ---- an exchange under watch ---- */

struct world {
    struct flow flow;
    struct exchange ex;
    int wakes, drops;
};

static void count_wake(struct exchange *ex) { container_of(ex, struct world, ex)->wakes++; }

static void count_drop(struct exchange *ex) { container_of(ex, struct world, ex)->drops++; }

static int setup(void **state) {
    static struct world w;
    w = (struct world){.wakes = 0};
    exchange_init(&w.ex);
    w.ex.wake = count_wake;
    submitted = NULL;
    submit_says = RC_OK;
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    exchange_done(&w->ex);
    return 0;
}

static enum step next_step(struct flow *flow, struct exchange *ex) {
    (void)flow;
    return exchange_answer(ex, 200, "text/plain");
}

static void a_job_is_submitted_and_wakes_once(void **state) {
    struct world *w = *state;
    w->ex.job.find = (struct store_find){.by_primary = true};
    assert_int_equal(exchange_submit(&w->flow, &w->ex, STORE_FIND, next_step), STEP_WAIT);
    assert_ptr_equal(submitted, &w->ex.job.job);
    assert_int_equal(submitted->kind, STORE_FIND);
    assert_true(w->ex.job.find.by_primary);
    assert_true(w->ex.next == next_step);
    assert_int_equal(w->wakes, 0);
    submitted->done(submitted);
    assert_int_equal(w->wakes, 1);
}

static const struct {
    enum rc rc;
    const char *detail;
} refusals[] = {{RC_FULL, "busy"}, {RC_UNAVAILABLE, "cannot be reached"}};

static void a_refused_job_is_503_and_wakes_nobody(void **state) {
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        submit_says = refusals[i].rc;
        assert_int_equal(exchange_submit(&w->flow, &w->ex, STORE_FIND, next_step), STEP_ANSWERED);
        assert_int_equal(w->ex.status, 503);
        assert_true(w->ex.retry_after_s > 0);
        assert_non_null(strstr(buf_cstr(&w->ex.out), refusals[i].detail));
        assert_int_equal(w->wakes, 0);
    }
}

static const struct {
    enum rc rc;
    int status;
    const char *code;
    bool retries;
} failures[] = {
    {RC_MALFORMED, 400, "\"code\":\"bad_request\"", false},
    {RC_MISSING_AUTH, 400, "\"code\":\"missing_auth\"", false},
    {RC_UNAUTHORIZED, 401, "\"code\":\"unauthorized\"", false},
    {RC_FORBIDDEN, 403, "\"code\":\"forbidden\"", false},
    {RC_NOT_FOUND, 404, "\"code\":\"not_found\"", false},
    {RC_NOT_ALLOWED, 405, "\"code\":\"method_not_allowed\"", false},
    {RC_CONFLICT, 409, "\"code\":\"conflict\"", false},
    {RC_OVERSIZE, 413, "\"code\":\"payload_too_large\"", false},
    {RC_RATE_LIMITED, 429, "\"code\":\"rate_limited\"", true},
    {RC_UNAVAILABLE, 503, "\"code\":\"unavailable\"", true},
    {RC_NO_MEMORY, 503, "\"code\":\"unavailable\"", true},
};

static void a_failure_is_a_problem(void **state) {
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        buf_put(&w->ex.out, STR("half an answer"));
        w->ex.retry_after_s = 0;
        w->ex.is_stream = true;
        assert_int_equal(exchange_fail(&w->ex, failures[i].rc, "Say \"please\"."), STEP_ANSWERED);
        const char *body = buf_cstr(&w->ex.out);
        assert_int_equal(w->ex.status, failures[i].status);
        assert_string_equal(w->ex.content_type, "application/problem+json");
        assert_int_equal(w->ex.retry_after_s > 0, failures[i].retries);
        assert_false(w->ex.is_stream);
        assert_int_equal(body[0], '{');
        assert_non_null(strstr(body, failures[i].code));
        assert_non_null(strstr(body, "\"detail\":\"Say \\\"please\\\".\""));
    }
}

static void who_knows_better_when_to_retry_is_heard(void **state) {
    struct world *w = *state;
    w->ex.retry_after_s = 17;
    (void)exchange_failf(&w->ex, RC_RATE_LIMITED, "again in %d s", 17);
    assert_int_equal(w->ex.retry_after_s, 17);
    assert_non_null(strstr(buf_cstr(&w->ex.out), "again in 17 s"));
}

static void a_long_detail_is_cut(void **state) {
    struct world *w = *state;
    char text[4000];
    memset(text, 'd', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)exchange_failf(&w->ex, RC_MALFORMED, "%s", text);
    assert_int_equal(w->ex.status, 400);
    assert_true(w->ex.out.n > 100 && w->ex.out.n < 1000);
}

static void an_answer_over_the_limit_is_503(void **state) {
    struct world *w = *state;
    (void)buf_reserve(&w->ex.out, (size_t)ANSWER_MAX_BYTES + 1);
    assert_int_equal(exchange_answer(&w->ex, 200, "text/plain"), STEP_ANSWERED);
    assert_int_equal(w->ex.status, 503);
    assert_non_null(strstr(buf_cstr(&w->ex.out), "unavailable"));
}

static void what_a_story_holds_is_dropped_once(void **state) {
    (void)state;
    struct world w = {.wakes = 0};
    exchange_init(&w.ex);
    w.ex.drop = count_drop;
    buf_put(&w.ex.work, STR("work"));
    buf_put(&w.ex.out, STR("out"));
    exchange_done(&w.ex);
    assert_int_equal(w.drops, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_is_submitted_and_wakes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_job_is_503_and_wakes_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_a_problem, setup, teardown),
        cmocka_unit_test_setup_teardown(who_knows_better_when_to_retry_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_detail_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_over_the_limit_is_503, setup, teardown),
        cmocka_unit_test(what_a_story_holds_is_dropped_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
