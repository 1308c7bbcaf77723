/* tests/flow/test_bodies.c -- bodies that are none, at every endpoint that takes one: status and
 * code.
 *
 * Source: protocol, sections 1, 3, 4 and 6.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"
#include "wire/jcs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV"

/* Of JSON, for the members that take them. */
enum kind {
    IS_NULL = 1,
    IS_BOOL = 2,
    IS_NUMBER = 4,
    IS_TEXT = 8,
    IS_ARRAY = 16,
    IS_OBJECT = 32,
};

static const struct {
    enum kind kind;
    const char *text;
} values[] = {
    {IS_NULL, "null"}, {IS_BOOL, "true"},        {IS_BOOL, "false"},       {IS_NUMBER, "0"},
    {IS_NUMBER, "-1"}, {IS_NUMBER, "1.5"},       {IS_NUMBER, "1e400"},     {IS_NUMBER, "1e0"},
    {IS_TEXT, "\"\""}, {IS_TEXT, "\"\\u0000\""}, {IS_TEXT, "\"\\ud800\""}, {IS_TEXT, "\"?\""},
    {IS_ARRAY, "[]"},  {IS_ARRAY, "[null]"},     {IS_ARRAY, "[1]"},        {IS_ARRAY, "[[]]"},
    {IS_OBJECT, "{}"}, {IS_OBJECT, "{\"a\":1}"},
};

enum { MEMBERS_MAX = 12 };

/* Of a registration, as JSON; made at the start. The primary is that of seeds[0]. */
static char good_primary[KEY_TEXT_LEN + 3], good_payload[512], good_signature[512];

/* Every endpoint with a body; its members with a good value each. `takes`: kinds that are not wrong
 * for the member (though a value of theirs may be). */
static const struct endpoint {
    step_fn *story;
    enum method method;
    const char *method_text, *target, *arg;
    const char *proofs_text; /* signed in place of the general text */
    bool is_payload;         /* the members are those of a registration's payload */
    struct {
        const char *name, *good;
        unsigned takes;
        bool may_lack;
    } members[MEMBERS_MAX];
} endpoints[] = {
    {flow_send,
     METHOD_POST,
     "POST",
     "/v1/messages",
     NULL,
     NULL,
     false,
     {{"to", "\"bob\"", IS_TEXT, false},
      {"envelope", "{\"v\":1}", IS_OBJECT, false},
      {"id", "\"x1\"", IS_TEXT, false}}},
    {flow_proofs,
     METHOD_PUT,
     "PUT",
     "/v1/profile/alice/proofs",
     "alice",
     "PUT\n/v1/profile/alice/proofs\n1780000000",
     false,
     {{"proofs", "[\"x\"]", IS_ARRAY, false}}},
    {flow_conversation_make,
     METHOD_POST,
     "POST",
     "/v1/conversations",
     NULL,
     NULL,
     false,
     {{"sid", "\"" SID "\"", IS_TEXT, false},
      {"title", "\"t\"", IS_TEXT, true},
      {"participants", "[\"bob\"]", IS_ARRAY, false}}},
    {flow_conversation_change,
     METHOD_PATCH,
     "PATCH",
     "/v1/conversations/" SID,
     SID,
     NULL,
     false,
     {{"version", "1", IS_NUMBER, false},
      {"title", "\"t\"", IS_TEXT, true},
      {"add", "[\"bob\"]", IS_ARRAY, true},
      {"remove", "[\"alice\"]", IS_ARRAY, true}}},
    {flow_conversation_post,
     METHOD_POST,
     "POST",
     "/v1/conversations/" SID "/messages",
     SID,
     NULL,
     false,
     {{"envelope", "{\"v\":1}", IS_OBJECT, false}, {"id", "\"x1\"", IS_TEXT, false}}},
    {flow_register,
     METHOD_POST,
     "POST",
     "/v1/register",
     NULL,
     NULL,
     false,
     {{"kez", "\"handle_registration\"", IS_TEXT, false},
      {"payload", good_payload, IS_OBJECT, false},
      {"signature", good_signature, IS_OBJECT, false}}},
    {flow_register,
     METHOD_POST,
     "POST",
     "/v1/register",
     NULL,
     NULL,
     true,
     {{"type", "\"kez.chat.handle_registration\"", IS_TEXT, false},
      {"version", "1", IS_NUMBER, false},
      {"handle", "\"dave\"", IS_TEXT, false},
      {"server", "\"kez.example\"", IS_TEXT, false},
      {"primary", good_primary, IS_TEXT, false},
      {"created_at", "\"2026-05-28T20:26:40Z\"", IS_TEXT, false}}},
};

static int ask_with(struct asked *a, const struct endpoint *e, struct str body) {
    ask_begin(a, e->method, e->target, e->arg, "");
    a->ex.body = body;
    if (e->proofs_text)
        ask_sign(a, 0, e->proofs_text, NOW_S);
    else
        ask_sign_general(a, 0, e->method_text, "alice");
    return ask_run(a, e->story);
}

static void expect_bad(const struct endpoint *e, const char *what, struct str body) {
    struct asked a;
    int got = ask_with(&a, e, body);
    if (got != 400 || !strstr(ask_body(&a), "\"code\":\"bad_request\""))
        fail_msg("%s: %s (%.*s): %d %s", e->target, what, body.n < 200 ? (int)body.n : 200, body.p,
                 got, ask_body(&a));
    ask_end(&a);
}

static size_t count_of(const struct endpoint *e) {
    size_t n = 0;
    while (n < MEMBERS_MAX && e->members[n].name)
        n++;
    return n;
}

/* The signature block for a payload, over its JCS form where it has one. */
static void put_signature(struct buf *out, struct str payload) {
    struct buf canonical;
    uint8_t sig[AUTH_SIG_BYTES];
    buf_init(&canonical, 64 << 20);
    if (jcs_put(payload, &canonical) != RC_OK) {
        buf_clear(&canonical);
        buf_put(&canonical, payload);
    }
    auth_sign(seeds[0], buf_str(&canonical), sig);
    buf_putf(out, "{\"alg\":\"ed25519-sha512-jcs\",\"key\":%s,\"sig\":\"", good_primary);
    buf_put_hex(out, sig, sizeof sig);
    buf_put(out, STR("\"}"));
    buf_done(&canonical);
}

/* What goes around a payload, or nothing. Moves what is in `out`. */
static void wrap(struct buf *out, const struct endpoint *e) {
    if (!e->is_payload)
        return;
    struct buf payload = *out;
    buf_init(out, payload.max_bytes);
    buf_put(out, STR("{\"kez\":\"handle_registration\",\"payload\":"));
    buf_put(out, buf_str(&payload));
    buf_put(out, STR(",\"signature\":"));
    put_signature(out, buf_str(&payload));
    buf_put_byte(out, '}');
    buf_done(&payload);
}

/* All members with their good values, but `value` for member `which`; NULL: it is not there. */
static void put_members(struct buf *out, const struct endpoint *e, size_t which,
                        const char *value) {
    const char *comma = "";
    buf_clear(out);
    buf_put_byte(out, '{');
    for (size_t i = 0; i < count_of(e); i++) {
        const char *text = i == which ? value : e->members[i].good;
        if (!text)
            continue;
        buf_putf(out, "%s\"%s\":%s", comma, e->members[i].name, text);
        comma = ",";
    }
    buf_put_byte(out, '}');
}

static void put_body(struct buf *out, const struct endpoint *e, size_t which, const char *value) {
    put_members(out, e, which, value);
    wrap(out, e);
}

static int set_up_bodies(void **state) {
    struct buf text;
    struct key key;
    char primary[KEY_TEXT_LEN + 1];
    const struct endpoint *payload = &endpoints[COUNT(endpoints) - 1];
    auth_key_of_seed(seeds[0], &key);
    key_print(&key, primary);
    snprintf(good_primary, sizeof good_primary, "\"%s\"", primary);
    buf_init(&text, 4096);
    put_members(&text, payload, MEMBERS_MAX, NULL);
    snprintf(good_payload, sizeof good_payload, "%s", buf_cstr(&text));
    buf_clear(&text);
    put_signature(&text, str_of(good_payload));
    snprintf(good_signature, sizeof good_signature, "%s", buf_cstr(&text));
    buf_done(&text);
    return world_setup(state);
}

static void the_good_bodies_are_good(void **state) {
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 16);
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        struct asked a;
        put_body(&body, &endpoints[i], MEMBERS_MAX, NULL);
        int got = ask_with(&a, &endpoints[i], buf_str(&body));
        if (got >= 300)
            fail_msg("%s: %d %s", endpoints[i].target, got, ask_body(&a));
        ask_end(&a);
    }
    buf_done(&body);
}

static void every_member_has_its_type(void **state) {
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 16);
    for (size_t i = 0; i < COUNT(endpoints); i++)
        for (size_t m = 0; m < count_of(&endpoints[i]); m++)
            for (size_t v = 0; v < COUNT(values); v++) {
                if (endpoints[i].members[m].takes & values[v].kind)
                    continue;
                put_body(&body, &endpoints[i], m, values[v].text);
                expect_bad(&endpoints[i], endpoints[i].members[m].name, buf_str(&body));
            }
    buf_done(&body);
}

static void what_is_needed_must_be_there_once(void **state) {
    (void)state;
    struct buf body;
    char twice[400];
    buf_init(&body, 1 << 16);
    for (size_t i = 0; i < COUNT(endpoints); i++)
        for (size_t m = 0; m < count_of(&endpoints[i]); m++) {
            const char *name = endpoints[i].members[m].name, *good = endpoints[i].members[m].good;
            if (!endpoints[i].members[m].may_lack) {
                put_body(&body, &endpoints[i], m, NULL);
                expect_bad(&endpoints[i], name, buf_str(&body));
            }
            snprintf(twice, sizeof twice, "%s,\"%s\":%s", good, name, good);
            put_body(&body, &endpoints[i], m, twice);
            expect_bad(&endpoints[i], name, buf_str(&body));
            /* The same name, written with an escape. */
            snprintf(twice, sizeof twice, "%s,\"\\u%04x%s\":%s", good, (unsigned char)name[0],
                     name + 1, good);
            put_body(&body, &endpoints[i], m, twice);
            expect_bad(&endpoints[i], name, buf_str(&body));
        }
    buf_done(&body);
}

static const struct str no_json[] = {
    STR_INIT(""),
    STR_INIT(" "),
    STR_INIT("null"),
    STR_INIT("[]"),
    STR_INIT("\"{}\""),
    STR_INIT("{"),
    STR_INIT("}"),
    STR_INIT("{}{}"),
    STR_INIT("{}\0"),
    STR_INIT("{,}"),
    STR_INIT("{\"a\":1,}"),
    STR_INIT("{'a':1}"),
    STR_INIT("{a:1}"),
    STR_INIT("{\"a\":01}"),
    STR_INIT("{\"a\":+1}"),
    STR_INIT("{\"a\":NaN}"),
    STR_INIT("{\"a\":\"\t\"}"),
    STR_INIT("{\"a\":\"\\x\"}"),
    STR_INIT("{\"a\":\"\xff\"}"),
    STR_INIT("{\"a\":\"\xc0\xaf\"}"),
    STR_INIT("{\"a\":\"\xed\xa0\x80\"}"),
    STR_INIT("{\"a\":\"\xf4\x90\x80\x80\"}"),
    STR_INIT("{\"\xff\":1}"),
    STR_INIT("// {}\n{}"),
    STR_INIT("a=b&c=d"),
};

static void what_is_no_object_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(endpoints); i++)
        for (size_t j = 0; j < COUNT(no_json); j++)
            expect_bad(&endpoints[i], "no JSON", no_json[j]);
}

/* A good body with something before or behind it, and each piece of it. */
static void a_body_is_read_whole(void **state) {
    (void)state;
    struct buf good, body;
    buf_init(&good, 1 << 16);
    buf_init(&body, 1 << 16);
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        put_body(&good, &endpoints[i], MEMBERS_MAX, NULL);
        for (size_t n = 0; n < good.n; n++)
            expect_bad(&endpoints[i], "cut", (struct str){good.p, n});
        static const char *const around[][2] = {
            {"\xef\xbb\xbf", ""}, {"", "{}"}, {"", "x"}, {"[", "]"}, {"", ","}};
        for (size_t j = 0; j < COUNT(around); j++) {
            buf_clear(&body);
            buf_put(&body, str_of(around[j][0]));
            buf_put(&body, buf_str(&good));
            buf_put(&body, str_of(around[j][1]));
            expect_bad(&endpoints[i], "something around it", buf_str(&body));
        }
    }
    buf_done(&good);
    buf_done(&body);
}

/* A good body with a member that is so deep, the body itself being the first level. */
static void put_deep(struct buf *out, const struct endpoint *e, size_t depth, char open,
                     char close) {
    size_t within = depth - (e->is_payload ? 2 : 1);
    put_members(out, e, MEMBERS_MAX, NULL);
    out->n--;
    buf_put(out, STR(",\"deep\":"));
    for (size_t i = 0; i < within; i++) {
        buf_put_byte(out, open);
        if (open == '{' && i + 1 < within)
            buf_put(out, STR("\"d\":"));
    }
    for (size_t i = 0; i < within; i++)
        buf_put_byte(out, close);
    buf_put_byte(out, '}');
    wrap(out, e);
}

static void depth_has_a_limit_and_costs_nothing(void **state) {
    (void)state;
    static const size_t depths[] = {65, 66, 1000, 1000000};
    struct buf body;
    buf_init(&body, 16 << 20);
    for (size_t i = 0; i < COUNT(endpoints); i++)
        for (size_t d = 0; d < COUNT(depths); d++) {
            put_deep(&body, &endpoints[i], depths[d], '[', ']');
            assert_int_equal(buf_rc(&body), RC_OK);
            expect_bad(&endpoints[i], "deep arrays", buf_str(&body));
            put_deep(&body, &endpoints[i], depths[d], '{', '}');
            expect_bad(&endpoints[i], "deep objects", buf_str(&body));
        }
    /* 64 is fine. */
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        struct asked a;
        put_deep(&body, &endpoints[i], 64, '[', ']');
        int got = ask_with(&a, &endpoints[i], buf_str(&body));
        if (got >= 300)
            fail_msg("%s: 64 deep: %d %s", endpoints[i].target, got, ask_body(&a));
        ask_end(&a);
    }
    buf_done(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_bodies, world_teardown)
        TEST(the_good_bodies_are_good),
        TEST(every_member_has_its_type),
        TEST(what_is_needed_must_be_there_once),
        TEST(what_is_no_object_is_refused),
        TEST(a_body_is_read_whole),
        TEST(depth_has_a_limit_and_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
