/* tests/wire/test_forwarded.c -- whom a request comes from, by what proxies say.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct address address(const char *text) {
    struct address a;
    if (address_read(str_of(text), &a) != RC_OK)
        fail_msg("%s is no address", text);
    return a;
}

/* Hops as text: addresses as named in the table, "?" for an unknown one. */
static void expect_hops(const char *what, const struct hops *hops, const char *want) {
    struct str rest = str_of(want), one;
    size_t n = 0;
    for (bool more = rest.n > 0; more; n++) {
        more = str_cut(rest, ' ', &one, &rest);
        struct address a;
        bool is_known = !str_eq(one, STR("?"));
        if (is_known && address_read(one, &a) != RC_OK)
            fail_msg("the table is wrong: %s", want);
        if (n >= hops->n || hops->at[n].is_known != is_known ||
            (is_known && !address_eq(&hops->at[n].address, &a)))
            fail_msg("%s: hop %zu of %zu is not %.*s", what, n, hops->n, STR_ARG(one));
    }
    if (n != hops->n)
        fail_msg("%s: %zu hops, not %zu", what, hops->n, n);
}

static const struct {
    const char *field, *want;
} for_rows[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"192.0.2.1, 198.51.100.2", "192.0.2.1 198.51.100.2"},
    {" 192.0.2.1 ,\t2001:db8::1 ", "192.0.2.1 2001:db8::1"},
    {"192.0.2.1:4711", "192.0.2.1"},
    {"[2001:db8::1]:4711,[2001:db8::2]", "2001:db8::1 2001:db8::2"},
    {"::ffff:192.0.2.1", "192.0.2.1"},
    {"", "?"},
    {"unknown, 192.0.2.1", "? 192.0.2.1"},
    {"192.0.2.1,,", "192.0.2.1 ? ?"},
    {"_hidden,\"192.0.2.1\",192.0.2.1;", "? ? ?"},
    {"[2001:db8::1", "?"},
    {"[2001:db8::1]4711", "?"},
    {"[192.0.2.1]x,192.0.2.1]", "? ?"},
    {"2001:db8::1:4711x", "?"},
};

static void x_forwarded_for_is_a_list_of_addresses(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(for_rows); i++) {
        struct hops hops = {0};
        forwarded_add_for(&hops, str_of(for_rows[i].field));
        expect_hops(for_rows[i].field, &hops, for_rows[i].want);
    }
}

static const struct {
    const char *field, *want; /* NULL: malformed */
} rows[] = {
    /* RFC 7239, 4 and 6 */
    {"for=\"_gazonk\"", "?"},
    {"For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
    {"for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"},
    {"for=192.0.2.43, for=198.51.100.17", "192.0.2.43 198.51.100.17"},
    {"for=_hidden, for=_SEVKISEK", "? ?"},
    {"for=unknown", "?"},
    {"for=\"192.0.2.43:47011\"", "192.0.2.43"},
    {"for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"},
    /* what may stand around it */
    {"proto=https;FOR=192.0.2.1;host=\"a, b; for=203.0.113.9\"", "192.0.2.1"},
    {"for=192.0.2.1; proto=https ;by=_x , for=192.0.2.2", "192.0.2.1 192.0.2.2"},
    {"for=\"192\\.0.2.1\"", "192.0.2.1"},
    {"by=192.0.2.1", "?"},
    {";for=192.0.2.1;", "192.0.2.1"},
    {";", "?"},
    {",,for=192.0.2.1, ,", "192.0.2.1"},
    {"", ""},
    /* as some proxies send it */
    {"for=192.0.2.1:80", "192.0.2.1"},
    {"for=[2001:db8::1]", "2001:db8::1"},
    {"for=2001:db8::1", "2001:db8::1"},
    {"for=example.org, for=\"\"", "? ?"},
    /* what cannot be believed */
    {"192.0.2.1", NULL},
    {"for", NULL},
    {"for=", NULL},
    {"for =192.0.2.1", NULL},
    {"for= 192.0.2.1", NULL},
    {"for=192.0.2.1;for=192.0.2.2", NULL},
    {"for=192.0.2.1 for=192.0.2.2", NULL},
    {"for=192.0.2.1/24", NULL},
    {"for=(192.0.2.1)", NULL},
    {"for=\"192.0.2.1", NULL},
    {"for=\"192.0.2.1\\", NULL},
    {"for=\"192.0.2.1\\\"", NULL},
    {"for=\"192.0.2.1\"x", NULL},
    {"for=6.6.6.6;x=\", for=192.0.2.1", NULL},         /* a quote that swallows what is added */
    {"for=6.6.6.6;x=\", for=\"[2001:db8::1]\"", NULL}, /* also when that has quotes */
};

static void forwarded_is_read_by_its_grammar(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hops hops = {0};
        enum rc rc = forwarded_add(&hops, str_of(rows[i].field));
        if (rc != (rows[i].want ? RC_OK : RC_MALFORMED))
            fail_msg("%s: %s", rows[i].field, rc_name(rc));
        if (rows[i].want)
            expect_hops(rows[i].field, &hops, rows[i].want);
    }
}

static void a_very_long_quoted_text_is_no_address(void **state) {
    (void)state;
    char field[2000] = "for=\"192.0.2.1";
    struct hops hops = {0};
    size_t n = strlen(field);
    memset(field + n, '1', 1500);
    memcpy(field + n + 1500, "\"", 2);
    assert_int_equal(forwarded_add(&hops, str_of(field)), RC_OK);
    expect_hops("long", &hops, "?");
}

static void of_a_long_list_the_right_end_counts(void **state) {
    (void)state;
    struct hops hops = {0};
    for (int i = 0; i < 3 * FORWARDED_HOPS_MAX; i++)
        forwarded_add_for(&hops, STR("192.0.2.1"));
    forwarded_add_for(&hops, STR("192.0.2.2,192.0.2.3"));
    assert_int_equal(hops.n, FORWARDED_HOPS_MAX);
    struct address last = address("192.0.2.3");
    assert_true(address_eq(&hops.at[hops.n - 1].address, &last));
}

static const struct {
    const char *what, *peer, *lines[2], *want;
} clients[] = {
    {"no proxy is trusted here", "203.0.113.9", {"192.0.2.1"}, "203.0.113.9"},
    {"nothing is said", "10.0.0.1", {NULL}, "10.0.0.1"},
    {"one proxy", "10.0.0.1", {"192.0.2.1"}, "192.0.2.1"},
    {"two proxies", "10.0.0.1", {"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
    {"in two lines", "10.0.0.1", {"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
    {"what the client says itself is not believed",
     "10.0.0.1",
     {"6.6.6.6, 192.0.2.1"},
     "192.0.2.1"},
    {"nor in a line of its own", "10.0.0.1", {"6.6.6.6", "192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
    {"nor that it is a proxy", "10.0.0.1", {"6.6.6.6, 10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
    {"nor that it is loopback", "10.0.0.1", {"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
    {"only proxies: the farthest", "10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
    {"a hidden hop ends it", "10.0.0.1", {"192.0.2.1, unknown"}, "10.0.0.1"},
    {"a hidden hop before the client", "10.0.0.1", {"unknown, 192.0.2.1"}, "192.0.2.1"},
    {"a hidden hop behind a proxy", "10.0.0.1", {"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
    {"an IPv6 proxy", "2001:db8:ffff::1", {"2001:db8:1::7"}, "2001:db8:1::7"},
};

static void the_client_is_the_rightmost_that_is_no_proxy(void **state) {
    (void)state;
    struct networks trusted;
    assert_int_equal(networks_read(STR("10.0.0.0/8,2001:db8:ffff::/48"), &trusted), RC_OK);
    for (size_t i = 0; i < COUNT(clients); i++) {
        struct hops hops = {0};
        struct address peer = address(clients[i].peer), want = address(clients[i].want);
        for (size_t l = 0; l < 2 && clients[i].lines[l]; l++)
            forwarded_add_for(&hops, str_of(clients[i].lines[l]));
        struct address got = forwarded_client(&hops, &trusted, &peer);
        if (!address_eq(&got, &want))
            fail_msg("%s", clients[i].what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x_forwarded_for_is_a_list_of_addresses),
        cmocka_unit_test(forwarded_is_read_by_its_grammar),
        cmocka_unit_test(a_very_long_quoted_text_is_no_address),
        cmocka_unit_test(of_a_long_list_the_right_end_counts),
        cmocka_unit_test(the_client_is_the_rightmost_that_is_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
