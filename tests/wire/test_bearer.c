/* tests/wire/test_bearer.c -- bearer tokens: read whole or refused, and compared.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/bearer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    struct str field;
    enum rc want;
    const char *token;
} rows[] = {
    {STR_INIT("Bearer mF_9.B5f-4.1JqM"), RC_OK, "mF_9.B5f-4.1JqM"},
    {STR_INIT("bearer abc=="), RC_OK, "abc=="},
    {STR_INIT("BEARER   a"), RC_OK, "a"},
    {STR_INIT("Bearer AZaz09-._~+/"), RC_OK, "AZaz09-._~+/"},
    {{NULL, 0}, RC_MISSING_AUTH, NULL},
    {STR_INIT(""), RC_MISSING_AUTH, NULL},
    {STR_INIT("Bearer"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer "), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer  "), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer\ta"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer a b"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer a "), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer a,b"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer =a"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer ="), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer a\0b"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearer \xc3\xa4"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Bearera"), RC_UNAUTHORIZED, NULL},
    {STR_INIT("Basic YWxpY2U6eA=="), RC_UNAUTHORIZED, NULL},
    {STR_INIT("mF_9.B5f-4.1JqM"), RC_UNAUTHORIZED, NULL},
};

static void a_field_is_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str token = {NULL, 0};
        if (bearer_read(rows[i].field, &token) != rows[i].want)
            fail_msg("%.*s", STR_ARG(rows[i].field));
        assert_true(str_eq(token, str_of(rows[i].token)));
    }
}

static void a_token_has_a_limit(void **state) {
    (void)state;
    char text[BEARER_TOKEN_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_true(bearer_is_token((struct str){text, BEARER_TOKEN_MAX}));
    assert_false(bearer_is_token((struct str){text, BEARER_TOKEN_MAX + 1}));
}

static void tokens_are_compared_whole(void **state) {
    (void)state;
    assert_true(bearer_is(STR("abc"), STR("abc")));
    assert_false(bearer_is(STR("abc"), STR("abd")));
    assert_false(bearer_is(STR("xbc"), STR("abc")));
    assert_false(bearer_is(STR("ab"), STR("abc")));
    assert_false(bearer_is(STR("abcd"), STR("abc")));
    assert_false(bearer_is(STR("ABC"), STR("abc")));
    assert_false(bearer_is(STR(""), STR("abc")));
    assert_false(bearer_is((struct str){NULL, 0}, STR("abc")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_read_whole_or_refused),
        cmocka_unit_test(a_token_has_a_limit),
        cmocka_unit_test(tokens_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
