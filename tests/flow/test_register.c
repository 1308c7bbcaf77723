/* tests/flow/test_register.c -- who may register at all: anybody, who has the token, or nobody.
 *
 * The bodies here are malformed: 400 says that the caller was let in and the body was read.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "flow/world.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TOKEN "secret-0123456789"

static const struct {
    enum registration_mode mode;
    const char *authorization; /* NULL: not there */
    int want;
    const char *code, *challenge;
} rows[] = {
    {REGISTRATION_OPEN, NULL, 400, "bad_request", NULL},
    {REGISTRATION_OPEN, "Bearer nonsense", 400, "bad_request", NULL},
    {REGISTRATION_TOKEN, "Bearer " TOKEN, 400, "bad_request", NULL},
    {REGISTRATION_TOKEN, "bearer " TOKEN, 400, "bad_request", NULL},
    {REGISTRATION_TOKEN, NULL, 401, "unauthorized", "Bearer realm=\"registration\""},
    {REGISTRATION_TOKEN, "", 401, "unauthorized", "Bearer realm=\"registration\""},
    {REGISTRATION_TOKEN, "Bearer " TOKEN "0", 401, "unauthorized", "invalid_token"},
    {REGISTRATION_TOKEN, "Bearer secret-012345678", 401, "unauthorized", "invalid_token"},
    {REGISTRATION_TOKEN, "Bearer SECRET-0123456789", 401, "unauthorized", "invalid_token"},
    {REGISTRATION_TOKEN, "Bearer", 401, "unauthorized", "invalid_token"},
    {REGISTRATION_TOKEN, TOKEN, 401, "unauthorized", "invalid_token"},
    {REGISTRATION_TOKEN, "Basic " TOKEN, 401, "unauthorized", "invalid_token"},
    {REGISTRATION_CLOSED, NULL, 403, "forbidden", NULL},
    {REGISTRATION_CLOSED, "Bearer " TOKEN, 403, "forbidden", NULL},
};

static int run(struct asked *a, enum registration_mode mode, const char *authorization) {
    world.flow.registration = mode;
    world.flow.registration_token = str_of(TOKEN);
    ask_begin(a, METHOD_POST, "/v1/register", NULL, "{}");
    a->ex.authorization = str_of(authorization);
    a->ex.client = 5;
    return ask_run(a, flow_register);
}

static void only_who_may_is_let_in(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked a;
        int got = run(&a, rows[i].mode, rows[i].authorization);
        if (got != rows[i].want || !strstr(ask_body(&a), rows[i].code))
            fail_msg("row %zu: %d %s", i, got, ask_body(&a));
        if (rows[i].challenge)
            assert_non_null(strstr(a.ex.challenge, rows[i].challenge));
        else
            assert_null(a.ex.challenge);
        assert_null(strstr(ask_body(&a), "secret"));
        ask_end(&a);
    }
    assert_int_equal(world.jobs, 0);
}

static void tokens_cannot_be_tried_for_long(void **state) {
    (void)state;
    struct asked a;
    struct quota *two = quota_new(2, 64);
    world.flow.failures_quota = two;
    static const int want[] = {401, 401, 429};
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_int_equal(run(&a, REGISTRATION_TOKEN, "Bearer guess"), want[i]);
        ask_end(&a);
    }
    assert_int_equal(run(&a, REGISTRATION_TOKEN, "Bearer " TOKEN), 429);
    ask_end(&a);
    quota_free(two);
}

static void a_handle_can_be_registered_with_the_token(void **state) {
    (void)state;
    static const struct {
        enum rc rc;
        int want;
    } outcomes[] = {{RC_OK, 201}, {RC_REPEAT, 200}, {RC_CONFLICT, 409}, {RC_UNAVAILABLE, 503}};
    char payload[512], body[1024], hex[129], primary[KEY_TEXT_LEN + 1];
    uint8_t sig[AUTH_SIG_BYTES];
    struct key key;
    auth_key_of_seed(seeds[0], &key);
    key_print(&key, primary);
    /* Member names in the order of JCS, no blanks: so its own canonical form. */
    snprintf(payload, sizeof payload,
             "{\"created_at\":\"2026-05-28T20:26:40Z\",\"handle\":\"dave\",\"primary\":\"%s\","
             "\"server\":\"kez.example\",\"type\":\"kez.chat.handle_registration\",\"version\":1}",
             primary);
    auth_sign(seeds[0], str_of(payload), sig);
    str_put_hex(sig, sizeof sig, hex);
    hex[128] = '\0';
    snprintf(body, sizeof body,
             "{\"kez\":\"handle_registration\",\"payload\":%s,\"signature\":{\"alg\":"
             "\"ed25519-sha512-jcs\",\"key\":\"%s\",\"sig\":\"%s\"}}",
             payload, primary, hex);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct asked a;
        world_reset();
        world.register_rc = outcomes[i].rc;
        world.flow.registration = REGISTRATION_TOKEN;
        world.flow.registration_token = str_of(TOKEN);
        ask_begin(&a, METHOD_POST, "/v1/register", NULL, body);
        a.ex.authorization = STR("Bearer " TOKEN);
        int got = ask_run(&a, flow_register);
        if (got != outcomes[i].want)
            fail_msg("%s: %d %s", rc_name(outcomes[i].rc), got, ask_body(&a));
        if (got <= 201)
            assert_non_null(strstr(ask_body(&a), "\"handle\":\"dave\""));
        ask_end(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(only_who_may_is_let_in),
        TEST(tokens_cannot_be_tried_for_long),
        TEST(a_handle_can_be_registered_with_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
