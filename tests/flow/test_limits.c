/* tests/flow/test_limits.c -- the token buckets: who pays for what, and what the answers say.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char registration[] = "{}"; /* 400, but it costs a token all the same */
static const char unsigned_post[] = "{\"to\":\"bob\",\"envelope\":{},\"id\":\"x\"}";

enum asking { REGISTER, POST_UNSIGNED, POST_SIGNED, OPEN, FAIL, ASKINGS };

static int run(struct asked *a, enum asking what, uint64_t client, bool is_exempt) {
    step_fn *story = NULL;
    switch (what) {
    case REGISTER:
        ask_begin(a, METHOD_POST, "/v1/register", NULL, registration);
        story = flow_register;
        break;
    case POST_UNSIGNED:
    case POST_SIGNED:
        ask_begin(a, METHOD_POST, "/v1/messages", NULL, unsigned_post);
        if (what == POST_SIGNED)
            ask_sign_general(a, 0, "POST", "alice");
        story = flow_send;
        break;
    case OPEN:
        ask_begin(a, METHOD_GET, "/v1/inbox/alice/stream", "alice", "");
        ask_sign(a, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
        story = flow_inbox_stream;
        break;
    case FAIL:
    case ASKINGS:
        ask_begin(a, METHOD_GET, "/v1/inbox/alice/stream", "alice", "");
        ask_sign(a, 1, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
        story = flow_inbox_stream;
        break;
    }
    a->ex.client = client;
    a->ex.client_exempt = is_exempt;
    return ask_run(a, story);
}

static int run_once(enum asking what, uint64_t client) {
    struct asked a;
    int status = run(&a, what, client, false);
    ask_end(&a);
    return status;
}

/* Which quota is which, and what an answer is while it lasts. */
static const struct {
    enum asking what;
    size_t quota; /* in struct flow */
    int status;
    bool by_sender;
} rows[ASKINGS] = {
    {REGISTER, offsetof(struct flow, register_quota), 400, false},
    {POST_UNSIGNED, offsetof(struct flow, unsigned_quota), 201, false},
    {POST_SIGNED, offsetof(struct flow, signed_quota), 201, true},
    {OPEN, offsetof(struct flow, opens_quota), 200, false},
    {FAIL, offsetof(struct flow, failures_quota), 401, false},
};

/* What was there before. */
static struct quota *set_quota(size_t place, struct quota *quota) {
    struct quota **at = (struct quota **)(void *)((char *)&world.flow + place), *before = *at;
    *at = quota;
    return before;
}

static void each_has_its_own_bucket(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        world_reset();
        struct quota *two = quota_new(2, 64), *before = set_quota(rows[i].quota, two);
        for (int n = 0; n < 3; n++) {
            struct asked a;
            int got = run(&a, rows[i].what, 5, false);
            int want = n < 2 ? rows[i].status : 429;
            if (got != want)
                fail_msg("row %zu, time %d: %d", i, n, got);
            if (got == 429) {
                assert_in_range(a.ex.retry_after_s, 1, 30);
                assert_int_equal(a.ex.rate.per_minute, 2);
                assert_int_equal(a.ex.rate.left, 0);
                assert_int_equal(a.ex.rate.reset_s, a.ex.retry_after_s);
                assert_non_null(strstr(ask_body(&a), "\"rate_limited\""));
                assert_non_null(strstr(ask_body(&a), "try again in"));
            } else if (rows[i].what != FAIL) {
                assert_int_equal(a.ex.rate.per_minute, 2);
                assert_int_equal(a.ex.rate.left, 1 - n);
                assert_int_equal(a.ex.rate.reset_s, 30);
            }
            ask_end(&a);
        }
        /* Another address has its own, but a sender is the same one everywhere. */
        int got = run_once(rows[i].what, 6);
        if (got != (rows[i].by_sender ? 429 : rows[i].status))
            fail_msg("row %zu, elsewhere: %d", i, got);
        quota_free(set_quota(rows[i].quota, before));
    }
}

/* Its address, that is; a sender is limited wherever it sends from. */
static void loopback_pays_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        world_reset();
        struct quota *one = quota_new(1, 64), *before = set_quota(rows[i].quota, one);
        for (int n = 0; n < 5; n++) {
            struct asked a;
            int got = run(&a, rows[i].what, 5, true);
            if (got != (rows[i].by_sender && n > 0 ? 429 : rows[i].status))
                fail_msg("row %zu, time %d: %d", i, n, got);
            assert_int_equal(a.ex.rate.per_minute, rows[i].by_sender);
            ask_end(&a);
        }
        quota_free(set_quota(rows[i].quota, before));
    }
}

static void without_a_limit_nothing_is_told(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int n = 0; n < 3; n++) {
            struct asked a;
            assert_int_equal(run(&a, rows[i].what, 5, false), rows[i].status);
            assert_int_equal(a.ex.rate.per_minute, 0);
            ask_end(&a);
        }
}

/* Who fails too often is not listened to for a while, and costs no look-up and no verification. */
static void an_address_that_fails_too_often_is_not_verified(void **state) {
    (void)state;
    struct quota *three = quota_new(3, 64);
    world.flow.failures_quota = three;
    for (int n = 0; n < 3; n++)
        assert_int_equal(run_once(FAIL, 5), 401);
    unsigned jobs = world.jobs;
    assert_int_equal(run_once(OPEN, 5), 429);
    assert_int_equal(run_once(POST_SIGNED, 5), 429);
    assert_int_equal(world.jobs, jobs);
    assert_int_equal(world.reserved, 0);
    assert_int_equal(run_once(OPEN, 6), 200);
    assert_int_equal(run_once(POST_UNSIGNED, 5), 201); /* nothing to prove */
    quota_free(three);
}

static const struct {
    const char *what, *auth; /* NULL: bob's signature, "": none */
    bool costs;
    int want;
} failures[] = {
    {"wrong", NULL, true, 401},
    {"malformed", "1780000000:00", true, 401},
    {"stale",
     "1779990000:"
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000",
     true, 401},
    {"none", "", false, 400},
};

static void each_failed_signature_costs(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct asked a;
        struct quota *nine = quota_new(9, 64);
        world.flow.failures_quota = nine;
        ask_begin(&a, METHOD_GET, "/v1/inbox/alice", "alice", "");
        ask_sign(&a, 1, "GET\n/v1/inbox/alice\nsince=0\n1780000000", NOW_S);
        if (failures[i].auth)
            a.ex.auth = str_of(failures[i].auth);
        a.ex.client = 5;
        int got = ask_run(&a, flow_inbox);
        uint32_t left = quota_left(nine, 5, clock_mono_ms(clock_system()));
        if (got != failures[i].want || left != (failures[i].costs ? 8 : 9))
            fail_msg("%s: %d, %u left", failures[i].what, got, left);
        ask_end(&a);
        quota_free(nine);
    }
}

static void of_two_limits_the_tighter_is_told(void **state) {
    (void)state;
    struct quota *ten = quota_new(10, 64), *four = quota_new(4, 64);
    struct asked a;
    world.flow.opens_quota = ten;
    world.flow.stream_quota = four;
    assert_int_equal(run(&a, OPEN, 5, false), 200);
    assert_int_equal(a.ex.rate.per_minute, 4);
    assert_int_equal(a.ex.rate.left, 3);
    ask_end(&a);
    world.flow.opens_quota = four;
    world.flow.stream_quota = ten;
    assert_int_equal(run(&a, OPEN, 5, false), 200);
    assert_int_equal(a.ex.rate.per_minute, 4);
    ask_end(&a);
    quota_free(ten);
    quota_free(four);
}

static void streams_are_counted_by_address(void **state) {
    (void)state;
    struct asked a;
    assert_int_equal(run(&a, OPEN, 5, false), 200);
    assert_int_equal(world.client, 5);
    assert_int_equal(a.ex.open.client, 5);
    ask_end(&a);
    assert_int_equal(run(&a, OPEN, 5, true), 200);
    assert_int_equal(world.client, 0);
    assert_int_equal(a.ex.open.client, 0);
    ask_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(each_has_its_own_bucket),
        TEST(loopback_pays_nothing),
        TEST(without_a_limit_nothing_is_told),
        TEST(an_address_that_fails_too_often_is_not_verified),
        TEST(each_failed_signature_costs),
        TEST(of_two_limits_the_tighter_is_told),
        TEST(streams_are_counted_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
