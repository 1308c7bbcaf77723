/* tests/flow/test_send.c -- POST /v1/messages: what each outcome of the store becomes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

static const char unsigned_body[] = "{\"to\":\"bob\",\"envelope\":{\"a\": 1},\"id\":\"x1\"}";

static const struct {
    enum rc job;
    int want;
    const char *has;
    bool retry;
} outcomes[] = {
    {RC_OK, 201,
     "{\"to\":\"bob\",\"seq\":7,\"id\":\"x1\",\"created_at\":\"2026-05-28T20:26:40.123Z\"}", false},
    {RC_REPEAT, 200, "\"seq\":7", false},
    {RC_CONFLICT, 409, "\"conflict\"", false},
    {RC_NOT_FOUND, 404, "\"not_found\"", false},
    {RC_UNAVAILABLE, 503, "\"unavailable\"", true},
    {RC_UNKNOWN_OUTCOME, 503, "may or may not", true},
    {RC_NO_MEMORY, 503, "\"unavailable\"", true},
};

static void every_outcome_has_its_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        struct asked a;
        world.job_rc = outcomes[i].job;
        ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
        int got = ask_run(&a, flow_send);
        if (got != outcomes[i].want || !strstr(ask_body(&a), outcomes[i].has))
            fail_msg("%s: got %d: %s", rc_name(outcomes[i].job), got, ask_body(&a));
        assert_int_equal(a.ex.retry_after_s > 0, outcomes[i].retry);
        ask_end(&a);
    }
}

static void a_store_that_takes_no_job_is_503_at_once(void **state) {
    (void)state;
    static const enum rc refusals[] = {RC_FULL, RC_UNAVAILABLE};
    for (size_t i = 0; i < 2; i++) {
        struct asked a;
        world.submit_rc = refusals[i];
        ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
        assert_int_equal(ask_run(&a, flow_send), 503);
        assert_true(a.ex.retry_after_s > 0);
        ask_end(&a);
    }
}

static void an_unsigned_post_has_no_sender(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
    assert_int_equal(ask_run(&a, flow_send), 201);
    assert_false(world.post.is_signed);
    assert_string_equal(world.post.from.text, "");
    ask_end(&a);
}

static void a_signed_post_carries_its_sender(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
    ask_sign_general(&a, 0, "POST", "alice");
    assert_int_equal(ask_run(&a, flow_send), 201);
    assert_true(world.post.is_signed);
    assert_string_equal(world.post.from.text, "alice");
    assert_string_equal(world.post.to.handle.text, "bob");
    ask_end(&a);
}

/* What is wrong with a signed post, and the answer. */
static void a_signed_post_is_checked(void **state) {
    (void)state;
    struct asked a;

    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, "{\"to\":\"bob\",\"envelope\":{}}");
    ask_sign_general(&a, 0, "POST", "alice");
    assert_int_equal(ask_run(&a, flow_send), 400); /* no id */
    ask_end(&a);

    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
    ask_sign_general(&a, 0, "POST", "alice");
    a.ex.body = STR("{\"to\":\"bob\",\"envelope\":{\"a\": 2},\"id\":\"x1\"}");
    assert_int_equal(ask_run(&a, flow_send), 401); /* another body */
    ask_end(&a);
}

/* Of the two header fields; NULL: not there. "+" stands for a good signature. */
static const struct {
    const char *handle, *auth, *code;
} halves[] = {
    {NULL, "+", "missing_auth"}, {"alice", NULL, "missing_auth"}, {"alice", "", "missing_auth"},
    {NULL, "", "missing_auth"},  {"", NULL, "missing_auth"},      {"", "+", "missing_auth"},
    {"A", NULL, "bad_request"},  {"A", "", "bad_request"},        {"A", "junk", "bad_request"},
    {"A", "+", "bad_request"},   {"al", NULL, "bad_request"},
};

static void half_a_signature_is_none(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        struct asked a;
        ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
        ask_sign_general(&a, 0, "POST", halves[i].handle);
        if (!halves[i].auth || halves[i].auth[0] != '+')
            a.ex.auth = str_of(halves[i].auth);
        int got = ask_run(&a, flow_send);
        if (got != 400 || !strstr(ask_body(&a), halves[i].code))
            fail_msg("row %zu: got %d: %s", i, got, ask_body(&a));
        ask_end(&a);
    }
    assert_int_equal(world.jobs, 0);
}

static void unsigned_posts_can_be_switched_off(void **state) {
    (void)state;
    struct asked a;
    world.flow.require_signed_posts = true;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
    assert_int_equal(ask_run(&a, flow_send), 400);
    assert_non_null(strstr(ask_body(&a), "missing_auth"));
    ask_end(&a);
    assert_int_equal(world.jobs, 0);
}

static void too_many_posts_are_429_with_a_time(void **state) {
    (void)state;
    struct quota *one = quota_new(1, 16);
    world.flow.unsigned_quota = one;
    for (int i = 0; i < 2; i++) {
        struct asked a;
        ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
        a.ex.client = 5;
        assert_int_equal(ask_run(&a, flow_send), i == 0 ? 201 : 429);
        assert_int_equal(a.ex.retry_after_s > 0, i == 1);
        ask_end(&a);
    }
    struct asked a;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, unsigned_body);
    a.ex.client = 5;
    a.ex.client_exempt = true;
    assert_int_equal(ask_run(&a, flow_send), 201);
    ask_end(&a);
    quota_free(one);
}

/* What the directory has known for long is tried, and looked up when the store says that this one
 * is gone: another may have the handle by now. */
static void a_recipient_of_old_is_posted_to_without_a_look(void **state) {
    (void)state;
    static const struct {
        uint64_t inbox; /* as the directory has it; 2 is right */
        enum rc gone_rc;
        uint64_t blocked;
        const char *to;
        int want;
        unsigned jobs;
    } rows[] = {
        {2, RC_OK, 0, "bob", 201, 1},           {77, RC_NOT_FOUND, 0, "bob", 201, 3},
        {77, RC_FORBIDDEN, 0, "bob", 201, 3},   {77, RC_FORBIDDEN, 2, "bob", 403, 2},
        {2, RC_NOT_FOUND, 0, "bob", 404, 3},    {2, RC_FORBIDDEN, 0, "bob", 403, 3},
        {77, RC_NOT_FOUND, 0, "carol", 404, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked a;
        struct user user = {.inbox = rows[i].inbox}, now;
        char body[80];
        world_reset();
        world.gone_inbox = rows[i].gone_rc == RC_OK ? 0 : rows[i].inbox;
        world.gone_rc = rows[i].gone_rc;
        world.blocked_inbox = rows[i].blocked;
        assert_int_equal(handle_read(str_of(rows[i].to), &user.handle), RC_OK);
        directory_put(world.flow.directory, &user, 0); /* decades ago */
        snprintf(body, sizeof body, "{\"to\":\"%s\",\"envelope\":{\"a\": 1}}", rows[i].to);
        ask_begin(&a, METHOD_POST, "/v1/messages", NULL, body);
        int got = ask_run(&a, flow_send);
        if (got != rows[i].want || world.jobs != rows[i].jobs)
            fail_msg("%zu: %d after %u jobs: %s", i, got, world.jobs, ask_body(&a));
        if (rows[i].jobs == 3 && got == 201)
            assert_string_equal(world.text, "{\"a\":1}");
        if (got != 201)
            assert_false(directory_recall(world.flow.directory, &user.handle, &now) &&
                         !now.is_blocked && now.inbox == 77);
        ask_end(&a);
    }
}

static void unknown_recipients_are_404(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_POST, "/v1/messages", NULL, "{\"to\":\"carol\",\"envelope\":{}}");
    assert_int_equal(ask_run(&a, flow_send), 404);
    ask_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(every_outcome_has_its_answer),
        TEST(a_store_that_takes_no_job_is_503_at_once),
        TEST(an_unsigned_post_has_no_sender),
        TEST(a_signed_post_carries_its_sender),
        TEST(a_signed_post_is_checked),
        TEST(half_a_signature_is_none),
        TEST(unsigned_posts_can_be_switched_off),
        TEST(too_many_posts_are_429_with_a_time),
        TEST(a_recipient_of_old_is_posted_to_without_a_look),
        TEST(unknown_recipients_are_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
