/* tests/flow/test_inbox.c -- an inbox by request and by stream: parameters and answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

static int poll_status(struct asked *a, const char *query, const char *since) {
    char target[256], text[128];
    snprintf(target, sizeof target, "/v1/inbox/alice%s", query);
    snprintf(text, sizeof text, "GET\n/v1/inbox/alice\nsince=%s\n%d", since, NOW_S);
    ask_begin(a, METHOD_GET, target, "alice", "");
    ask_sign(a, 0, text, NOW_S);
    return ask_run(a, flow_inbox);
}

static const struct {
    const char *query, *since;
    int want;
    uint32_t limit;
    const char *body;
} polls[] = {
    {"", "0", 200, 100,
     "{\"messages\":[{\"seq\":7,\"type\":\"chatmessage.new\",\"envelope\":{\"a\":1},\"created_at\":"
     "\"1970-01-01T00:00:00.000Z\"}],\"seq\":7,\"first\":3,\"epoch\":\"e1\"}"},
    {"?since=7", "7", 200, 100, "{\"messages\":[],\"seq\":7,\"first\":3,\"epoch\":\"e1\"}"},
    {"?limit=1", "0", 200, 1, NULL},
    {"?limit=500&since=2", "2", 200, 500, NULL},
    {"?since=7&epoch=e1", "7", 200, 100, "\"epoch\":\"e1\"}"},
    {"?since=7&epoch=e2", "7", 200, 100, "\"epoch\":\"e1\",\"reset\":true}"},
    {"?unknown=1&unknown=2", "0", 200, 100, NULL},
    {"?limit=0", "0", 400, 0, "limit"},
    {"?limit=501", "0", 400, 0, "limit"},
    {"?limit=", "0", 400, 0, "limit"},
    {"?limit=1&limit=1", "0", 400, 0, "limit"},
    {"?since=", "0", 400, 0, "since"},
    {"?since=00", "0", 400, 0, "since"},
    {"?since=+1", "1", 400, 0, "since"},
    {"?since=1&since=1", "1", 400, 0, "since"},
    {"?since=9007199254740992", "9007199254740992", 400, 0, "since"},
    {"?since=9007199254740991", "9007199254740991", 200, 100, NULL},
    {"?epoch=a&epoch=a", "0", 400, 0, "epoch"},
};

static void polls_are_checked_and_answered(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
        struct asked a;
        int got = poll_status(&a, polls[i].query, polls[i].since);
        if (got != polls[i].want || (polls[i].body && !strstr(ask_body(&a), polls[i].body)))
            fail_msg("%s: got %d: %s", polls[i].query, got, ask_body(&a));
        if (got == 200)
            assert_int_equal(world.read.limit, polls[i].limit);
        ask_end(&a);
    }
}

static const struct {
    const char *query, *last_id;
    int want;
    bool has_after;
    uint64_t after;
    const char *epoch; /* NULL: none was given */
} starts[] = {
    {"", NULL, 200, false, 0, NULL},
    {"?since=0", NULL, 200, true, 0, NULL},
    {"?since=12", NULL, 200, true, 12, NULL},
    {"?since=12", "13", 200, true, 13, NULL},
    {"?since=junk", "13", 200, true, 13, NULL},
    {"?epoch=e1", "13", 200, true, 13, "e1"},
    {"?epoch=", NULL, 200, false, 0, ""},
    {"", "", 400, false, 0, NULL},
    {"", "1x", 400, false, 0, NULL},
    {"", "-1", 400, false, 0, NULL},
    {"", "9007199254740992", 400, false, 0, NULL},
    {"?since=", NULL, 400, false, 0, NULL},
    {"?since=1x", NULL, 400, false, 0, NULL},
    {"?since=1&since=2", NULL, 400, false, 0, NULL},
    {"?epoch=a&epoch=b", NULL, 400, false, 0, NULL},
};

static void streams_start_where_they_should(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct asked a;
        char target[128];
        snprintf(target, sizeof target, "/v1/inbox/alice/stream%s", starts[i].query);
        ask_begin(&a, METHOD_GET, target, "alice", "");
        ask_sign(&a, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
        a.ex.last_event_id = str_of(starts[i].last_id);
        int got = ask_run(&a, flow_inbox_stream);
        if (got != starts[i].want)
            fail_msg("%s %s: got %d", starts[i].query, starts[i].last_id, got);
        if (got == 200) {
            assert_int_equal(a.ex.open.has_after, starts[i].has_after);
            assert_int_equal(a.ex.open.after, starts[i].after);
            assert_int_equal(a.ex.open.has_epoch, starts[i].epoch != NULL);
            assert_string_equal(a.ex.open.epoch.text, starts[i].epoch ? starts[i].epoch : "");
        }
        ask_end(&a);
    }
}

static void a_stream_without_room_is_503(void **state) {
    (void)state;
    struct asked a;
    world.reserve_rc = RC_FULL;
    ask_begin(&a, METHOD_GET, "/v1/inbox/alice/stream", "alice", "");
    ask_sign(&a, 0, "GET\n/v1/inbox/alice/stream\n1780000000", NOW_S);
    assert_int_equal(ask_run(&a, flow_inbox_stream), 503);
    assert_false(a.ex.is_stream);
    assert_true(a.ex.retry_after_s > 0);
    ask_end(&a);
}

static void an_inbox_that_is_gone_is_404(void **state) {
    (void)state;
    struct asked a;
    world.job_rc = RC_NOT_FOUND;
    assert_int_equal(poll_status(&a, "", "0"), 404);
    ask_end(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(polls_are_checked_and_answered),
        TEST(streams_start_where_they_should),
        TEST(a_stream_without_room_is_503),
        TEST(an_inbox_that_is_gone_is_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
