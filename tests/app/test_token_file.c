/* tests/app/test_token_file.c -- the registration token in its file: read, or refused with a
 * sentence that keeps the secret.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "app/token_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support/proc.h"

static char path[512];

static void write_file(const char *text, size_t n) {
    (void)snprintf(path, sizeof path, "%s/token", proc_temp_dir(NULL));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static const struct {
    struct str text;
    const char *token; /* NULL: refused */
} rows[] = {
    {STR_INIT("secret-0123456789"), "secret-0123456789"},
    {STR_INIT("  secret-0123456789\r\n\n"), "secret-0123456789"},
    {STR_INIT("c2VjcmV0c2VjcmV0c2VjcmV0cw=="), "c2VjcmV0c2VjcmV0c2VjcmV0cw=="},
    {STR_INIT(""), NULL},
    {STR_INIT("\n"), NULL},
    {STR_INIT("secret 0123456789"), NULL},
    {STR_INIT("secret-0123456789\nsecret-0123456789"), NULL},
    {STR_INIT("secret-0123456789\0"), NULL},
    {STR_INIT("secret-\xc3\xa4-0123456789"), NULL},
};

static void a_token_is_read_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char token[BEARER_TOKEN_MAX + 1] = "";
        const char *why = "";
        write_file(rows[i].text.p, rows[i].text.n);
        enum rc rc = token_file_read(path, token, &why);
        if (rc != (rows[i].token ? RC_OK : RC_MALFORMED))
            fail_msg("row %zu: %s", i, rc_name(rc));
        if (rows[i].token)
            assert_string_equal(token, rows[i].token);
        else
            assert_null(strstr(why, "secret"));
        assert_true(rows[i].token || strstr(why, path));
    }
}

static void it_has_a_least_and_a_most(void **state) {
    (void)state;
    static const struct {
        size_t n;
        enum rc want;
    } sizes[] = {{TOKEN_MIN - 1, RC_MALFORMED},
                 {TOKEN_MIN, RC_OK},
                 {BEARER_TOKEN_MAX, RC_OK},
                 {BEARER_TOKEN_MAX + 1, RC_MALFORMED},
                 {100000, RC_MALFORMED}};
    static char text[100000];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char token[BEARER_TOKEN_MAX + 1];
        const char *why;
        write_file(text, sizes[i].n);
        if (token_file_read(path, token, &why) != sizes[i].want)
            fail_msg("%zu bytes", sizes[i].n);
    }
}

static void a_file_that_is_not_there_is_said(void **state) {
    (void)state;
    char token[BEARER_TOKEN_MAX + 1];
    const char *why;
    assert_int_equal(token_file_read("/no/such/file", token, &why), RC_IO);
    assert_non_null(strstr(why, "/no/such/file"));
    assert_non_null(strstr(why, "No such file"));
    assert_int_equal(token_file_read("/", token, &why), RC_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_or_refused),
        cmocka_unit_test(it_has_a_least_and_a_most),
        cmocka_unit_test(a_file_that_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
