/* tests/app/test_settings.c -- the table of settings and the texts that will do.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "app/settings.h"

struct row {
    const char *text;
    bool good;
};

static void check_rows(const struct row *rows, size_t n, bool (*is_good)(struct str)) {
    for (size_t i = 0; i < n; i++)
        if (is_good(str_of(rows[i].text)) != rows[i].good)
            fail_msg("\"%s\" should be %s", rows[i].text, rows[i].good ? "good" : "refused");
}
#define CHECK_ROWS(rows, is_good) check_rows(rows, sizeof(rows) / sizeof *(rows), is_good)

static void server_names_are_hosts_with_or_without_a_port(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"chat.example.org", true},
        {"chat.example.org:6969", true},
        {"localhost", true},
        {"127.0.0.1:6969", true},
        {"[2001:db8::1]:443", true},
        {"[::1]", true},
        {"a-b.c", true},
        {"", false},
        {"http://chat.example.org", false},
        {"chat example", false},
        {"chat.example.org/", false},
        {"chat..example", false},
        {"chat.example.org.", false},
        {"-chat.example", false},
        {"chat-.example", false},
        {"user@chat.example", false},
        {"chat.example:", false},
        {"chat.example:0", false},
        {"chat.example:65536", false},
        {"chat.example:69:69", false},
        {"[::1", false},
        {"[::1]6969", false},
        {"[]", false},
        {"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij123", true},
        {"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij1234", false},
    };
    CHECK_ROWS(rows, settings_is_server_name);
}

static void listeners_need_a_port_and_may_lack_a_host(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"0.0.0.0:6969", true},   {":0", true},        {"[::]:6969", true}, {"localhost:1", true},
        {"0.0.0.0", false},       {"0.0.0.0:", false}, {"6969", false},     {":65536", false},
        {"0.0.0.0:6969 ", false}, {"[::]", false},     {"::1:80", false},   {":-1", false},
        {":080", false},
    };
    CHECK_ROWS(rows, settings_is_bind);
}

static void sockets_have_short_paths(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"/run/kez-chat/web_events.sock", true},
        {"web_events.sock", true},
        {"/run/", false},
        {"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
         "0123456789/0123456",
         true},
        {"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
         "0123456789/01234567",
         false},
    };
    CHECK_ROWS(rows, settings_is_socket_path);
}

static void peers_are_user_ids(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"0", true},
        {"1000", true},
        {"1000,33,4294967294", true},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", true},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", false},
        {"", false},
        {"1000,", false},
        {",1000", false},
        {"1000, 33", false},
        {"-1", false},
        {"01", false},
        {"4294967295", false},
        {"www-data", false},
    };
    CHECK_ROWS(rows, settings_is_user_ids);
}

static void proxies_are_networks(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"127.0.0.1", true},
        {"10.0.0.0/8,2001:db8::/32,::1", true},
        {"", false},
        {"10.0.0.1/8", false},
        {"10.0.0.0/8,", false},
        {"loopback", false},
        {"10.0.0.0 /8", false},
        {"10.0.0.0/33", false},
    };
    CHECK_ROWS(rows, settings_is_networks);
}

static void base_urls_are_http_without_a_query(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"https://sig.example.org", true},
        {"http://127.0.0.1:7000/base/", true},
        {"sig.example.org", false},
        {"ftp://sig.example.org", false},
        {"https://", false},
        {"https:///path", false},
        {"https://a?b", false},
        {"https://a#b", false},
        {"https://a b", false},
        {"https://a\"b", false},
    };
    CHECK_ROWS(rows, settings_is_http_url);
}

static void database_urls_are_uris_or_pairs(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"postgresql://kez@localhost/kez", true},
        {"postgres:///kez?host=/run", true},
        {"host=/run/postgresql dbname=kez", true},
        {"mysql://localhost", false},
        {"host = 'a b\\'c' user=x ", true},
        {"host=db kez", false},
        {"ho-st=db", false},
        {"host='db", false},
        {"user= dbname=kez", true},
        {"kez", false},
        {"=kez", false},
        {"postgresql://kez@local host/kez", false},
    };
    CHECK_ROWS(rows, settings_is_database_url);
}

static void nats_urls_name_scheme_and_host(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"nats://127.0.0.1:4222", true},
        {"nats://node:secret@a:4222,tls://node:secret@b:4222", true},
        {"nats://token@a", true},
        {"nats://node:p@ss@a:4222/", true},
        {"nats://[::1]:4222", true},
        {"127.0.0.1:4222", false},
        {"nats://", false},
        {"nats://node:secret@", false},
        {"nats://a:4222,", false},
        {"nats://a:4222, nats://b:4222", false},
        {"nats://a:x", false},
        {"http://a:4222", false},
    };
    CHECK_ROWS(rows, settings_is_nats_urls);
}

static void names_and_variables_are_unique_and_follow_one_rule(void **state) {
    (void)state;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        assert_ptr_equal(settings_find(str_of(s->name)), s);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(s->env, settings[j].env);
        char env[64] = "KEZ_CHAT_";
        size_t n = strlen(env);
        for (size_t k = 0; s->name[k] != '\0'; k++)
            env[n++] = s->name[k] == '-' ? '_' : (char)toupper(s->name[k]);
        bool is_common = strcmp(s->env, "DATABASE_URL") == 0 || strcmp(s->env, "NATS_URL") == 0;
        if (!is_common)
            assert_string_equal(s->env, env);
    }
}

static void tables_for_people_stay_tables(void **state) {
    (void)state;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *s = &settings[i];
        assert_null(strpbrk(s->help, "|\n"));
        assert_null(strpbrk(s->unit, "|\n"));
        assert_true(s->help[0] != '\0');
        assert_true(s->kind == SETTING_CHOICE || s->unit[0] != '\0');
    }
}

static void rate_limits_can_be_switched_off(void **state) {
    (void)state;
    size_t limits = 0;
    for (size_t i = 0; i < settings_count; i++)
        if (strcmp(settings[i].unit, "per minute") == 0) {
            limits++;
            assert_memory_equal(settings[i].name, "limit-", 6);
            assert_int_equal(settings[i].min, 0);
        }
    assert_int_equal(limits, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_names_are_hosts_with_or_without_a_port),
        cmocka_unit_test(listeners_need_a_port_and_may_lack_a_host),
        cmocka_unit_test(sockets_have_short_paths),
        cmocka_unit_test(peers_are_user_ids),
        cmocka_unit_test(proxies_are_networks),
        cmocka_unit_test(base_urls_are_http_without_a_query),
        cmocka_unit_test(database_urls_are_uris_or_pairs),
        cmocka_unit_test(nats_urls_name_scheme_and_host),
        cmocka_unit_test(names_and_variables_are_unique_and_follow_one_rule),
        cmocka_unit_test(tables_for_people_stay_tables),
        cmocka_unit_test(rate_limits_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
