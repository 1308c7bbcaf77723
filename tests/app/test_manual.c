/* tests/app/test_manual.c -- help, printed settings and the README tell the same, and no secret.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/manual.h"
#include "app/settings.h"

static void secrets_are_hidden_and_the_rest_is_not(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"postgresql://kez:geheim@db:5432/kez?sslmode=require",
         "postgresql://kez:***@db:5432/kez?sslmode=require"},
        {"postgres://kez@db/kez", "postgres://kez@db/kez"},
        {"postgresql:///kez?host=/run&user=kez", "postgresql:///kez?host=/run&user=kez"},
        {"postgresql://db/kez?user=kez&password=geheim&sslpassword=geheim",
         "postgresql://db/kez?user=kez&password=***&sslpassword=***"},
        {"postgresql://db/kez?%70assword=geheim", "postgresql://db/kez?%70assword=***"},
        {"postgresql://kez:ge/heim@db/kez", "postgresql://kez:***@db/kez"},
        {"postgresql://kez:ge@heim@db/kez", "postgresql://kez:***@db/kez"},
        {"postgresql://kez:geheim@a,b:2/kez", "postgresql://kez:***@a,b:2/kez"},
        {"postgresql://db/kez?password=geheim@x", "postgresql://***@x"},
        {"postgresql://db/kez?password=geheim:geheim@x", "postgresql://***@x"},
        {"host=db user=kez password=geheim dbname=kez", "host=db user=kez password=*** dbname=kez"},
        {"user=kez password = 'ge\\'he im' host=db", "user=kez password=*** host=db"},
        {"PASSWORD=geheim", "PASSWORD=***"},
        {"sslpassword=geheim\\ geheim host=db", "sslpassword=*** host=db"},
        {"host=db geheim", "host=db ***"},
        {"host=db password='geheim", "host=db ***"},
        {"nats://node:geheim@a:4222,tls://node:geheim@b:4222",
         "nats://node:***@a:4222,tls://node:***@b:4222"},
        {"nats://geheim@a:4222", "nats://***@a:4222"},
        {"nats://a:4222", "nats://a:4222"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 4096);
        manual_put_hidden(&out, str_of(rows[i].text));
        assert_string_equal(buf_cstr(&out), rows[i].want);
        buf_done(&out);
    }
}

static void read_text(const char *text, struct config *c) {
    struct buf why;
    buf_init(&why, 4096);
    if (config_read_text(str_of(text), c, &why) != RC_OK)
        fail_msg("refused: %s", buf_cstr(&why));
    buf_done(&why);
}

static char *printed(const struct config *c) {
    struct buf out;
    buf_init(&out, MANUAL_MAX_BYTES);
    manual_put_config(c, &out);
    char *text = strdup(buf_cstr(&out));
    assert_non_null(text);
    buf_done(&out);
    return text;
}

static void printed_settings_are_a_configuration_file(void **state) {
    (void)state;
    struct config c;
    read_text("server = chat.example.org\n"
              "database-url = postgresql://kez:geheim@db/kez\n"
              "nats-url = nats://node:geheim@a:4222\n"
              "store-queue-bytes = 3145728\n"
              "require-signed-posts = on\n"
              "log-level = warn\n",
              &c);
    char *first = printed(&c);
    config_done(&c);
    assert_non_null(strstr(first, "# by configuration file\nserver = chat.example.org\n"));
    assert_non_null(strstr(first, "database-url = postgresql://kez:***@db/kez\n"));
    assert_non_null(strstr(first, "store-queue-bytes = 3MiB\n"));
    assert_non_null(strstr(first, "require-signed-posts = yes\n"));
    assert_non_null(strstr(first, "log-level = warn\n"));
    assert_non_null(strstr(first, "# by default\nbind = 0.0.0.0:6969\n"));
    assert_null(strstr(first, "geheim"));
    assert_non_null(strstr(first, "\n# web-dir = \n")); /* not set */
    for (size_t i = 0; i < settings_count; i++) {
        char line[64], comment[64];
        snprintf(line, sizeof line, "\n%s = ", settings[i].name);
        snprintf(comment, sizeof comment, "\n# %s = \n", settings[i].name);
        assert_true(strstr(first, line) || strstr(first, comment));
    }

    read_text(first, &c);
    char *second = printed(&c);
    config_done(&c);
    assert_non_null(strstr(second, "database-url = postgresql://kez:***@db/kez\n"));
    read_text(second, &c);
    char *third = printed(&c);
    config_done(&c);
    assert_string_equal(second, third);
    free(first);
    free(second);
    free(third);
}

static void help_names_every_flag_and_variable(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, MANUAL_MAX_BYTES);
    manual_put_help(&out);
    const char *help = buf_cstr(&out);
    for (size_t i = 0; i < settings_count; i++) {
        char flag[80];
        snprintf(flag, sizeof flag, "--%s <", settings[i].name);
        assert_non_null(strstr(help, flag));
        assert_non_null(strstr(help, settings[i].env));
    }
    buf_done(&out);
}

static void read_readme(struct buf *readme) {
    buf_init(readme, 256 * 1024);
    FILE *f = fopen(TESTS_DIR "/../README.md", "r");
    assert_non_null(f);
    char line[4096];
    while (fgets(line, sizeof line, f))
        buf_put(readme, str_of(line));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(buf_rc(readme), RC_OK);
}

/* The table in the README is what --print-config=markdown prints. */
static void the_readme_has_the_table_as_it_is(void **state) {
    (void)state;
    struct buf readme, table;
    read_readme(&readme);
    buf_init(&table, MANUAL_MAX_BYTES);
    manual_put_markdown(&table);
    if (!strstr(buf_cstr(&readme), buf_cstr(&table)))
        fail_msg("README.md does not have the table of settings as kez-chat-server "
                 "--print-config=markdown prints it");
    buf_done(&readme);
    buf_done(&table);
}

/* In the table against abuse: `--flag` = `its default`, or `--flag` (none). Which settings were
 * told is noted. */
static void expect_defaults(const char *table, bool told[SETTINGS_MAX]) {
    for (const char *at = table; (at = strstr(at, "`--")) != NULL;) {
        struct str name, value = STR(""), rest = str_of(at + 3);
        assert_true(str_cut(rest, '`', &name, &rest));
        const struct setting *s = settings_find(name);
        assert_non_null(s);
        if (str_starts_with(rest, STR(" = `")))
            assert_true(str_cut(str_from(rest, 4), '`', &value, &rest));
        else if (!str_starts_with(rest, STR(" (none)")))
            fail_msg("no default: %.60s", at);
        if (!str_eq(value, str_of(s->fallback)))
            fail_msg("--%s: %.*s in the README, %s in truth", s->name, STR_ARG(value), s->fallback);
        told[settings_place(s)] = true;
        at = rest.p;
    }
}

static void the_readme_tells_true_defaults_against_abuse(void **state) {
    (void)state;
    struct buf readme;
    bool told[SETTINGS_MAX] = {false};
    read_readme(&readme);
    char *begin = strstr(buf_cstr(&readme), "<!-- abuse: begin");
    assert_non_null(begin);
    char *end = strstr(begin, "<!-- abuse: end -->");
    assert_non_null(end);
    *end = '\0';
    expect_defaults(begin, told);
    for (size_t i = 0; i < settings_count; i++)
        if (strncmp(settings[i].name, "limit-", 6) == 0 && !told[i])
            fail_msg("--%s is not in the README's table against abuse", settings[i].name);
    buf_done(&readme);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_hidden_and_the_rest_is_not),
        cmocka_unit_test(printed_settings_are_a_configuration_file),
        cmocka_unit_test(help_names_every_flag_and_variable),
        cmocka_unit_test(the_readme_has_the_table_as_it_is),
        cmocka_unit_test(the_readme_tells_true_defaults_against_abuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
