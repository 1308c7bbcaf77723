/* tests/bench/test_ask.c -- the requests are what the wire floor accepts, and the users are the
 * same in every run.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "wire/auth.h"
#include "wire/message.h"
#include "wire/registration.h"

static const struct clock *now;
static struct ask ask;
static struct buf out;
static struct identity bench_1, bench_2;

static int set_up(void **state) {
    (void)state;
    now = clock_system();
    ask_init(&ask, DIALECT_KEZ, STR("chat.example"), 200, now);
    buf_init(&out, 1 << 20);
    identity_make(STR("seed"), STR("bench-"), 0, &bench_1);
    identity_make(STR("seed"), STR("bench-"), 1, &bench_2);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ask_done(&ask);
    buf_done(&out);
    return 0;
}

static struct str body(void) {
    const char *text = buf_cstr(&out), *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    return str_from(buf_str(&out), (size_t)(end - text) + 4);
}

/* The value of a header field; fails when it is not there. */
static struct str field(const char *name) {
    char label[64];
    snprintf(label, sizeof label, "\r\n%s: ", name);
    const char *at = strstr(buf_cstr(&out), label);
    assert_non_null(at);
    at += strlen(label);
    return (struct str){at, (size_t)(strstr(at, "\r\n") - at)};
}

static void check_length(void) {
    uint64_t n;
    assert_int_equal(str_read_u64(field("Content-Length"), UINT64_MAX, &n), RC_OK);
    assert_int_equal(n, body().n);
}

static void users_are_the_same_again_and_differ_from_each_other(void **state) {
    (void)state;
    struct identity again, other;
    identity_make(STR("seed"), STR("bench-"), 0, &again);
    assert_memory_equal(&again, &bench_1, sizeof again);
    assert_string_equal(bench_1.handle.text, "bench-000001");
    assert_string_equal(bench_2.handle.text, "bench-000002");
    assert_memory_not_equal(bench_1.seed, bench_2.seed, sizeof bench_1.seed);
    identity_make(STR("Seed"), STR("bench-"), 0, &other);
    assert_memory_not_equal(other.seed, bench_1.seed, sizeof other.seed);
    identity_make(STR("seed"), STR("bench_"), 0, &other);
    assert_memory_not_equal(other.seed, bench_1.seed, sizeof other.seed);
    for (unsigned i = 0; i + 8 < sizeof bench_1.seed; i += 8)
        assert_memory_not_equal(bench_1.seed + i, bench_1.seed + i + 8, 8);
}

static void a_prefix_must_begin_a_handle(void **state) {
    (void)state;
    assert_int_equal(identity_check_prefix(STR("")), RC_OK);
    assert_int_equal(identity_check_prefix(STR("abcdefghijklmnopqrstuvwxyz")), RC_OK);
    assert_int_equal(identity_check_prefix(STR("abcdefghijklmnopqrstuvwxyz-")), RC_TOO_LARGE);
    assert_int_equal(identity_check_prefix(STR("-a")), RC_BAD_FIRST);
    assert_int_equal(identity_check_prefix(STR("aB")), RC_MALFORMED);
}

static void a_registration_is_accepted(void **state) {
    (void)state;
    struct registration r;
    struct key key;
    const char *advice = "";
    buf_clear(&out);
    assert_int_equal(ask_register(&ask, &out, STR("h:1"), &bench_1), RC_OK);
    assert_true(str_starts_with(buf_str(&out), STR("POST /v1/register HTTP/1.1\r\nHost: h:1\r\n")));
    check_length();
    enum rc rc = registration_read(body(), STR("chat.example"), clock_wall_ms(now), &r, &advice);
    if (rc != RC_OK)
        fail_msg("%s: %s", rc_name(rc), advice);
    assert_string_equal(r.handle.text, "bench-000001");
    auth_key_of_seed(bench_1.seed, &key);
    assert_true(key_eq(&r.primary, &key));
}

static void check_signature(const struct identity *who, struct buf *text) {
    struct auth auth;
    struct key key;
    auth_key_of_seed(who->seed, &key);
    assert_int_equal(auth_read(field("X-KEZ-Auth"), &auth), RC_OK);
    assert_int_equal(auth_check_time(auth.at_s, clock_wall_ms(now) / 1000, 5), RC_OK);
    assert_int_equal(auth_verify(&key, buf_str(text), auth.sig), RC_OK);
    buf_done(text);
}

static void a_stream_is_signed_as_the_protocol_says(void **state) {
    (void)state;
    struct buf text;
    struct str ts, sig;
    buf_clear(&out);
    assert_int_equal(ask_stream(&ask, &out, STR("h:1"), &bench_2), RC_OK);
    assert_true(
        str_starts_with(buf_str(&out), STR("GET /v1/inbox/bench-000002/stream HTTP/1.1\r\n")));
    assert_int_equal(body().n, 0);
    buf_init(&text, 4096);
    (void)str_cut(field("X-KEZ-Auth"), ':', &ts, &sig);
    auth_put_stream(&text, STR("bench-000002"), ts);
    check_signature(&bench_2, &text);
}

static void a_post_is_a_message_of_the_size_asked_for(void **state) {
    (void)state;
    static const size_t sizes[] = {ASK_BODY_MIN, 200, 4096, ASK_BODY_MAX};
    struct ask_post post = {.to = STR("bench-000002"),
                            .mark = {UINT64_MAX / 10, UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct message m;
        const char *advice = "";
        ask.body_bytes = sizes[i];
        buf_clear(&out);
        assert_int_equal(ask_post(&ask, &out, STR("h:1"), &post), RC_OK);
        check_length();
        enum rc rc = message_read(body(), &m, &advice);
        if (rc != RC_OK)
            fail_msg("%s: %s", rc_name(rc), advice);
        assert_string_equal(m.to.text, "bench-000002");
        assert_string_equal(m.id, "");
        assert_int_equal(m.envelope.n, sizes[i]);
        message_done(&m);
    }
}

static void a_signed_post_has_an_id_and_holds(void **state) {
    (void)state;
    struct ask_post post = {.to = STR("bench-000002"), .mark = {5, 1, 77}, .from = &bench_1};
    struct message m;
    struct buf text;
    struct str ts, sig;
    const char *advice;
    ask.body_bytes = 200;
    buf_clear(&out);
    assert_int_equal(ask_post(&ask, &out, STR("h:1"), &post), RC_OK);
    assert_true(str_eq(field("X-KEZ-Handle"), STR("bench-000001")));
    assert_int_equal(message_read(body(), &m, &advice), RC_OK);
    assert_non_null(strstr(m.id, "-77"));
    message_done(&m);
    buf_init(&text, 4096);
    (void)str_cut(field("X-KEZ-Auth"), ':', &ts, &sig);
    auth_put_request(&text, STR("POST"), STR("chat.example"), STR("/v1/messages"), body(), ts);
    check_signature(&bench_1, &text);
}

/* The request's signature holds for this target. */
static void check_request(const struct identity *who, const char *target) {
    struct buf text;
    struct str ts, sig;
    assert_true(str_eq(field("X-KEZ-Handle"), handle_str(&who->handle)));
    buf_init(&text, 4096);
    (void)str_cut(field("X-KEZ-Auth"), ':', &ts, &sig);
    auth_put_request(&text, STR("POST"), STR("chat.example"), str_of(target), body(), ts);
    check_signature(who, &text);
}

static void a_conversation_is_made_and_posted_to_as_the_protocol_says(void **state) {
    (void)state;
    const struct identity both[] = {bench_1, bench_2};
    struct conversation_draft draft;
    struct message m;
    struct sid sid, other, again;
    const char *advice;
    char target[80];
    ask_make_sid(&ask, &sid);
    ask_make_sid(&ask, &other);
    assert_int_equal(sid_read(str_of(sid.text), &again), RC_OK);
    assert_string_not_equal(sid.text, other.text);
    buf_clear(&out);
    assert_int_equal(ask_conversation(&ask, &out, STR("h:1"), &sid, both, 2), RC_OK);
    check_length();
    check_request(&bench_1, "/v1/conversations");
    assert_int_equal(conversation_read_made(body(), &draft, &advice), RC_OK);
    assert_string_equal(draft.sid.text, sid.text);
    assert_int_equal(draft.add.n, 2);
    conversation_draft_done(&draft);

    struct ask_post post = {.into = &sid, .mark = {5, 0, 77}, .from = &bench_2};
    snprintf(target, sizeof target, "/v1/conversations/%s/messages", sid.text);
    buf_clear(&out);
    assert_int_equal(ask_post(&ask, &out, STR("h:1"), &post), RC_OK);
    check_length();
    check_request(&bench_2, target);
    assert_int_equal(conversation_read_post(body(), &m, &advice), RC_OK);
    assert_non_null(strstr(m.id, "-77"));
    message_done(&m);
}

static void the_other_dialect_posts_the_row_itself(void **state) {
    (void)state;
    struct ask nchan;
    struct ask_post post = {.to = STR("bench-000002"), .mark = {5, 1, 77}};
    ask_init(&nchan, DIALECT_NCHAN, STR("x"), 200, now);
    buf_clear(&out);
    assert_int_equal(ask_post(&nchan, &out, STR("h:1"), &post), RC_OK);
    assert_true(str_starts_with(buf_str(&out), STR("POST /pub/bench-000002 HTTP/1.1\r\n")));
    check_length();
    assert_non_null(strstr(body().p, "\"@5;1;77;\""));
    assert_non_null(strstr(body().p, "\"type\":\"chatmessage.new\""));
    ask_done(&nchan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_the_same_again_and_differ_from_each_other),
        cmocka_unit_test(a_prefix_must_begin_a_handle),
        cmocka_unit_test(a_registration_is_accepted),
        cmocka_unit_test(a_stream_is_signed_as_the_protocol_says),
        cmocka_unit_test(a_post_is_a_message_of_the_size_asked_for),
        cmocka_unit_test(a_signed_post_has_an_id_and_holds),
        cmocka_unit_test(a_conversation_is_made_and_posted_to_as_the_protocol_says),
        cmocka_unit_test(the_other_dialect_posts_the_row_itself),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
