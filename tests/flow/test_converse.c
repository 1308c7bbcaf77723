/* tests/flow/test_converse.c -- conversations: what each outcome of the store becomes, and what
 * never gets there.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The endpoints, with a request that is fine. */
enum endpoint { MAKE, LIST, SHOW, CHANGE, POST, ENDPOINTS };
static const struct {
    step_fn *story;
    enum method method;
    const char *name, *target, *arg, *body;
} endpoints[ENDPOINTS] = {
    [MAKE] = {flow_conversation_make, METHOD_POST, "POST", "/v1/conversations", NULL,
              "{\"sid\":\"" SID "\",\"title\":\"t\",\"participants\":[\"alice\",\"bob\"]}"},
    [LIST] = {flow_conversation_list, METHOD_GET, "GET", "/v1/conversations", NULL, ""},
    [SHOW] = {flow_conversation_show, METHOD_GET, "GET", "/v1/conversations/" SID, SID, ""},
    [CHANGE] = {flow_conversation_change, METHOD_PATCH, "PATCH", "/v1/conversations/" SID, SID,
                "{\"version\":3,\"title\":\"t2\",\"add\":[\"bob\"],\"remove\":[\"alice\"]}"},
    [POST] = {flow_conversation_post, METHOD_POST, "POST", "/v1/conversations/" SID "/messages",
              SID, "{\"envelope\":{\"a\": 1},\"id\":\"x1\"}"},
};

/* Asks in alice's name with her signature. */
static int ask_alice(struct asked *a, enum endpoint e, const char *target, const char *arg,
                     const char *body) {
    ask_begin(a, endpoints[e].method, target, arg, body);
    ask_sign_general(a, 0, endpoints[e].name, "alice");
    return ask_run(a, endpoints[e].story);
}

static int ask_fine(struct asked *a, enum endpoint e) {
    return ask_alice(a, e, endpoints[e].target, endpoints[e].arg, endpoints[e].body);
}

static const struct {
    enum endpoint endpoint;
    enum rc job;
    const char *missing;
    int want;
    const char *has;
} outcomes[] = {
    {MAKE, RC_OK, "", 201, CONVERSATION_JSON},
    {MAKE, RC_REPEAT, "", 200, CONVERSATION_JSON},
    {MAKE, RC_CONFLICT, "", 409, "\"conflict\""},
    {MAKE, RC_NOT_FOUND, "carol", 404, "\\\"carol\\\""},
    {MAKE, RC_TOO_LARGE, "", 400, "256 participants"},
    {MAKE, RC_UNAVAILABLE, "", 503, "\"unavailable\""},
    {MAKE, RC_UNKNOWN_OUTCOME, "", 503, "may or may not"},
    {LIST, RC_OK, "", 200, "{\"conversations\":[" CONVERSATION_JSON "]}"},
    {LIST, RC_NOT_FOUND, "", 404, "before"},
    {LIST, RC_UNAVAILABLE, "", 503, "\"unavailable\""},
    {SHOW, RC_OK, "", 200, CONVERSATION_JSON},
    {SHOW, RC_NOT_FOUND, "", 404, "no conversation of this sid"},
    {SHOW, RC_NO_MEMORY, "", 503, "\"unavailable\""},
    {CHANGE, RC_OK, "", 200, CONVERSATION_JSON},
    {CHANGE, RC_NOT_FOUND, "", 404, "no conversation of this sid"},
    {CHANGE, RC_NOT_FOUND, "carol", 404, "\\\"carol\\\""},
    {CHANGE, RC_FORBIDDEN, "", 403, "\"forbidden\""},
    {CHANGE, RC_CONFLICT, "", 409, "another version"},
    {CHANGE, RC_TOO_LARGE, "", 400, "256 participants"},
    {CHANGE, RC_UNKNOWN_OUTCOME, "", 503, "may or may not"},
    {POST, RC_OK, "", 201,
     "{\"conversation\":\"" SID
     "\",\"id\":\"x1\",\"created_at\":\"2026-05-28T20:26:40.123Z\",\"seq\":7}"},
    {POST, RC_REPEAT, "", 200, "\"seq\":7}"},
    {POST, RC_CONFLICT, "", 409, "another envelope"},
    {POST, RC_NOT_FOUND, "", 404, "no conversation of this sid"},
    {POST, RC_UNAVAILABLE, "", 503, "\"unavailable\""},
};

static void every_outcome_has_its_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct asked a;
        world.job_rc = outcomes[i].job;
        snprintf(world.missing.text, sizeof world.missing.text, "%s", outcomes[i].missing);
        int got = ask_fine(&a, outcomes[i].endpoint);
        if (got != outcomes[i].want || !strstr(ask_body(&a), outcomes[i].has))
            fail_msg("%s %s: got %d: %s", endpoints[outcomes[i].endpoint].target,
                     rc_name(outcomes[i].job), got, ask_body(&a));
        assert_int_equal(a.ex.retry_after_s > 0, got == 503);
        ask_end(&a);
    }
}

static void the_store_gets_what_was_asked(void **state) {
    (void)state;
    struct asked a;
    assert_int_equal(ask_fine(&a, MAKE), 201);
    assert_string_equal(world.make.caller.handle.text, "alice");
    assert_string_equal(world.titled, "t");
    assert_int_equal(world.added, 2);
    ask_end(&a);

    assert_int_equal(ask_fine(&a, CHANGE), 200);
    assert_string_equal(world.change.caller.handle.text, "alice");
    assert_string_equal(world.change.sid.text, SID);
    assert_string_equal(world.titled, "t2");
    assert_int_equal(world.added, 1);
    assert_int_equal(world.removed, 1);
    ask_end(&a);

    assert_int_equal(ask_fine(&a, SHOW), 200);
    assert_string_equal(world.show.caller.handle.text, "alice");
    assert_string_equal(world.show.sid.text, SID);
    ask_end(&a);

    assert_int_equal(ask_fine(&a, POST), 201);
    assert_string_equal(world.utter.sender.handle.text, "alice");
    assert_string_equal(world.utter.sid.text, SID);
    assert_string_equal(world.utter.id, "x1");
    assert_string_equal(world.text, "{\"a\":1}");
    ask_end(&a);

    assert_int_equal(ask_fine(&a, LIST), 200);
    assert_int_equal(world.list.limit, 50);
    assert_false(world.list.has_before);
    ask_end(&a);
    assert_int_equal(
        ask_alice(&a, LIST, "/v1/conversations?before=" SID "&limit=100&x=1", NULL, ""), 200);
    assert_int_equal(world.list.limit, 100);
    assert_true(world.list.has_before);
    assert_string_equal(world.list.before.text, SID);
    ask_end(&a);
}

static void a_head_asks_like_a_get(void **state) {
    (void)state;
    struct asked a;
    ask_begin(&a, METHOD_HEAD, "/v1/conversations", NULL, "");
    ask_sign_general(&a, 0, "GET", "alice");
    assert_int_equal(ask_run(&a, flow_conversation_list), 200);
    ask_end(&a);
}

/* Of each endpoint: nobody may ask without a signature of their own over this very request. */
static void only_who_signed_is_heard(void **state) {
    (void)state;
    for (int e = 0; e < ENDPOINTS; e++) {
        struct asked a;
        ask_begin(&a, endpoints[e].method, endpoints[e].target, endpoints[e].arg,
                  endpoints[e].body);
        assert_int_equal(ask_run(&a, endpoints[e].story), 400);
        assert_non_null(strstr(ask_body(&a), "missing_auth"));
        ask_end(&a);

        ask_begin(&a, endpoints[e].method, endpoints[e].target, endpoints[e].arg,
                  endpoints[e].body);
        ask_sign_general(&a, 1, endpoints[e].name, "alice"); /* bob's key */
        assert_int_equal(ask_run(&a, endpoints[e].story), 401);
        ask_end(&a);

        ask_begin(&a, endpoints[e].method, endpoints[e].target, endpoints[e].arg,
                  endpoints[e].body);
        ask_sign_general(&a, 0, endpoints[e].name, "carol");
        assert_int_equal(ask_run(&a, endpoints[e].story), 404);
        ask_end(&a);

        for (int o = 0; o < ENDPOINTS; o++) { /* a signature for another endpoint */
            if (o == e)
                continue;
            ask_begin(&a, endpoints[o].method, endpoints[o].target, endpoints[o].arg,
                      endpoints[o].body);
            ask_sign_general(&a, 0, endpoints[o].name, "alice");
            a.ex.method = endpoints[e].method;
            assert_int_equal(target_read(str_of(endpoints[e].target), &a.target), RC_OK);
            a.ex.arg = str_of(endpoints[e].arg);
            a.ex.body = str_of(endpoints[e].body);
            assert_int_equal(ask_run(&a, endpoints[e].story), 401);
            ask_end(&a);
        }
    }
}

/* Nor is anybody else told what is wrong with a sid. */
static void only_who_signed_hears_of_a_malformed_sid(void **state) {
    (void)state;
    static const enum endpoint with_sid[] = {SHOW, CHANGE, POST};
    static const struct {
        const char *handle;
        unsigned who;
        int want;
        const char *code;
    } rows[] = {
        {NULL, 0, 400, "missing_auth"},
        {"alice", 1, 401, "unauthorized"}, /* bob's key */
        {"carol", 0, 404, "not_found"},
        {"alice", 0, 400, "bad_request"},
    };
    for (size_t e = 0; e < COUNT(with_sid); e++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct asked a;
            enum endpoint to = with_sid[e];
            ask_begin(&a, endpoints[to].method, endpoints[to].target, "01ARZ", endpoints[to].body);
            if (rows[i].handle)
                ask_sign_general(&a, rows[i].who, endpoints[to].name, rows[i].handle);
            int got = ask_run(&a, endpoints[to].story);
            if (got != rows[i].want || !strstr(ask_body(&a), rows[i].code))
                fail_msg("%s, row %zu: got %d: %s", endpoints[to].name, i, got, ask_body(&a));
            ask_end(&a);
        }
}

static const struct {
    enum endpoint endpoint;
    const char *what, *target, *arg, *body; /* NULL: the fine one's */
    int want;
} bad[] = {
    {SHOW, "a short sid", "/v1/conversations/01ARZ", "01ARZ", NULL, 400},
    {SHOW, "a lower-case sid", NULL, "01arz3ndektsv4rrffq69g5fav", NULL, 400},
    {SHOW, "an empty sid", "/v1/conversations/", "", NULL, 400},
    {CHANGE, "a sid beyond 128 bits", NULL, "81ARZ3NDEKTSV4RRFFQ69G5FAV", NULL, 400},
    {POST, "a sid with U", NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAU", NULL, 400},
    {LIST, "limit 0", "/v1/conversations?limit=0", NULL, NULL, 400},
    {LIST, "limit 101", "/v1/conversations?limit=101", NULL, NULL, 400},
    {LIST, "limit twice", "/v1/conversations?limit=1&limit=1", NULL, NULL, 400},
    {LIST, "before nothing", "/v1/conversations?before=", NULL, NULL, 400},
    {LIST, "before twice", "/v1/conversations?before=" SID "&before=" SID, NULL, NULL, 400},
    {MAKE, "no body", NULL, NULL, "", 400},
    {MAKE, "no sid", NULL, NULL, "{\"participants\":[\"bob\"]}", 400},
    {MAKE, "nobody", NULL, NULL, "{\"sid\":\"" SID "\",\"participants\":[]}", 400},
    {MAKE, "participants that are no list", NULL, NULL,
     "{\"sid\":\"" SID "\",\"participants\":\"bob\"}", 400},
    {MAKE, "a malformed handle", NULL, NULL, "{\"sid\":\"" SID "\",\"participants\":[\"B\"]}", 400},
    {MAKE, "a control character in the title", NULL, NULL,
     "{\"sid\":\"" SID "\",\"title\":\"a\\u0007\",\"participants\":[\"bob\"]}", 400},
    {MAKE, "a NUL in the title", NULL, NULL,
     "{\"sid\":\"" SID "\",\"title\":\"a\\u0000\",\"participants\":[\"bob\"]}", 400},
    {CHANGE, "no version", NULL, NULL, "{\"title\":\"t\"}", 400},
    {CHANGE, "version -1", NULL, NULL, "{\"version\":-1}", 400},
    {CHANGE, "added and removed", NULL, NULL,
     "{\"version\":1,\"add\":[\"bob\"],\"remove\":[\"bob\"]}", 400},
    {POST, "no id", NULL, NULL, "{\"envelope\":{}}", 400},
    {POST, "no envelope", NULL, NULL, "{\"id\":\"x\"}", 400},
    {POST, "a doubled member", NULL, NULL, "{\"id\":\"x\",\"id\":\"x\",\"envelope\":{}}", 400},
};

static void bad_input_never_reaches_the_store(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct asked a;
        enum endpoint e = bad[i].endpoint;
        world_reset();
        int got = ask_alice(&a, e, bad[i].target ? bad[i].target : endpoints[e].target,
                            bad[i].arg ? bad[i].arg : endpoints[e].arg,
                            bad[i].body ? bad[i].body : endpoints[e].body);
        if (got != bad[i].want || !strstr(ask_body(&a), "\"bad_request\""))
            fail_msg("%s: got %d: %s", bad[i].what, got, ask_body(&a));
        assert_true(world.jobs <= 1); /* who alice is */
        ask_end(&a);
    }
}

/* 64 KiB of envelope, and one byte more. */
static void an_envelope_has_its_limit(void **state) {
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct asked a;
        struct buf body;
        buf_init(&body, 2 * CONVERSATION_ENVELOPE_MAX);
        buf_put(&body, STR("{\"id\":\"x\",\"envelope\":{\"a\":\""));
        for (int i = 0; i < CONVERSATION_ENVELOPE_MAX - 8 + over; i++)
            buf_put_byte(&body, 'e');
        buf_put(&body, STR("\"}}"));
        int got = ask_alice(&a, POST, endpoints[POST].target, SID, buf_cstr(&body));
        assert_int_equal(got, over ? 413 : 201);
        ask_end(&a);
        buf_done(&body);
    }
}

static void writing_is_limited_by_sender(void **state) {
    (void)state;
    static const enum endpoint writes[] = {MAKE, CHANGE, POST};
    for (size_t i = 0; i < COUNT(writes); i++) {
        struct asked a;
        struct quota *one = quota_new(1, 16);
        world.flow.signed_quota = one;
        assert_true(ask_fine(&a, writes[i]) < 300);
        ask_end(&a);
        assert_int_equal(ask_fine(&a, writes[i]), 429);
        assert_true(a.ex.retry_after_s > 0);
        ask_end(&a);
        assert_int_equal(ask_fine(&a, LIST), 200); /* reading is not */
        ask_end(&a);
        quota_free(one);
    }
}

static void a_store_that_takes_no_job_is_503_at_once(void **state) {
    (void)state;
    for (int e = 0; e < ENDPOINTS; e++) {
        struct asked a;
        world_reset();
        assert_int_equal(ask_fine(&a, LIST), 200); /* alice is known from here on */
        ask_end(&a);
        world.submit_rc = RC_FULL;
        assert_int_equal(ask_fine(&a, (enum endpoint)e), 503);
        assert_true(a.ex.retry_after_s > 0);
        ask_end(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(every_outcome_has_its_answer),
        TEST(the_store_gets_what_was_asked),
        TEST(a_head_asks_like_a_get),
        TEST(only_who_signed_is_heard),
        TEST(only_who_signed_hears_of_a_malformed_sid),
        TEST(bad_input_never_reaches_the_store),
        TEST(an_envelope_has_its_limit),
        TEST(writing_is_limited_by_sender),
        TEST(a_store_that_takes_no_job_is_503_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
