/* tests/wire/test_address.c -- addresses and networks: texts that will do, and who is inside.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct address address(const char *text) {
    struct address a;
    if (address_read(str_of(text), &a) != RC_OK)
        fail_msg("%s is no address", text);
    return a;
}

static const struct {
    struct str text;
    enum rc want;
} texts[] = {
    {STR_INIT("0.0.0.0"), RC_OK},
    {STR_INIT("255.255.255.255"), RC_OK},
    {STR_INIT("::"), RC_OK},
    {STR_INIT("2001:DB8::a"), RC_OK},
    {STR_INIT("::ffff:192.0.2.1"), RC_OK},
    {STR_INIT("1111:2222:3333:4444:5555:6666:7777:8888"), RC_OK},
    {STR_INIT(""), RC_MALFORMED},
    {{NULL, 0}, RC_MALFORMED},
    {STR_INIT("192.0.2"), RC_MALFORMED},
    {STR_INIT("192.0.2.256"), RC_MALFORMED},
    {STR_INIT("192.0.2.01"), RC_MALFORMED},
    {STR_INIT("192.0.2.1 "), RC_MALFORMED},
    {STR_INIT(" 192.0.2.1"), RC_MALFORMED},
    {STR_INIT("192.0.2.1:80"), RC_MALFORMED},
    {STR_INIT("192.0.2.1\0"), RC_MALFORMED},
    {STR_INIT("0x7f.1"), RC_MALFORMED},
    {STR_INIT("[::1]"), RC_MALFORMED},
    {STR_INIT(":::"), RC_MALFORMED},
    {STR_INIT("fe80::1%lo"), RC_MALFORMED},
    {STR_INIT("12345::"), RC_MALFORMED},
    {STR_INIT("1:2:3:4:5:6:7:8:9"), RC_MALFORMED},
    {STR_INIT("localhost"), RC_MALFORMED},
    {STR_INIT("1111:2222:3333:4444:5555:6666:7777:8888:1111:2222"), RC_MALFORMED},
};

static void an_address_is_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct address a;
        if (address_read(texts[i].text, &a) != texts[i].want)
            fail_msg("%.*s", STR_ARG(texts[i].text));
    }
}

static void ipv4_is_the_same_on_both_families(void **state) {
    (void)state;
    struct address four = address("192.0.2.1"), six = address("::ffff:192.0.2.1");
    assert_true(address_eq(&four, &six));
    struct address bytes = address_of_v4("\xc0\x00\x02\x01");
    assert_true(address_eq(&four, &bytes));
    bytes = address_of_v6(six.bytes);
    assert_true(address_eq(&four, &bytes));
}

static const struct {
    const char *text;
    bool is_so;
} loopbacks[] = {
    {"127.0.0.1", true},    {"127.255.0.9", true}, {"::1", true},   {"::ffff:127.0.0.1", true},
    {"128.0.0.1", false},   {"126.0.0.1", false},  {"::", false},   {"::2", false},
    {"::127.0.0.1", false}, {"0.0.0.0", false},    {"1::1", false},
};

static void loopback_is_known(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(loopbacks); i++) {
        struct address a = address(loopbacks[i].text);
        if (address_is_loopback(&a) != loopbacks[i].is_so)
            fail_msg("%s", loopbacks[i].text);
    }
}

static const struct {
    const char *a, *b;
    bool is_same;
} keys[] = {
    {"192.0.2.1", "::ffff:192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
    {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
    {"::1", "::ffff:192.0.2.1", false},
};

static void limits_tell_ipv6_apart_by_the_64(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct address a = address(keys[i].a), b = address(keys[i].b);
        if ((address_key(&a) == address_key(&b)) != keys[i].is_same)
            fail_msg("%s %s", keys[i].a, keys[i].b);
    }
}

static const struct {
    const char *networks, *inside, *outside; /* NULL: there is none */
} blocks[] = {
    {"192.0.2.1", "192.0.2.1", "192.0.2.0"},
    {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
    {"192.0.2.0/24", "::ffff:192.0.2.7", "::192.0.2.7"},
    {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
    {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
    {"192.0.2.4/31", "192.0.2.5", "192.0.2.6"},
    {"192.0.2.4/32", "192.0.2.4", "192.0.2.5"},
    {"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
    {"::/0", "203.0.113.9", NULL},
    {"::ffff:0:0/96", "203.0.113.9", "2001:db8::1"},
    {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
    {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
    {"::1", "::1", "::2"},
    {"10.0.0.0/8,::1,192.0.2.7", "192.0.2.7", "192.0.2.8"},
    {"10.0.0.0/8,::1,192.0.2.7", "::1", "127.0.0.1"},
};

static void networks_have_those_inside(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(blocks); i++) {
        struct networks n;
        assert_int_equal(networks_read(str_of(blocks[i].networks), &n), RC_OK);
        struct address inside = address(blocks[i].inside);
        if (!networks_have(&n, &inside))
            fail_msg("%s lacks %s", blocks[i].networks, blocks[i].inside);
        if (!blocks[i].outside)
            continue;
        struct address outside = address(blocks[i].outside);
        if (networks_have(&n, &outside))
            fail_msg("%s has %s", blocks[i].networks, blocks[i].outside);
    }
}

static const char *const refused[] = {
    "",
    ",",
    "10.0.0.0/8,",
    ",10.0.0.0/8",
    "10.0.0.0/8, ::1",
    "10.0.0.0/8 ",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.1/8",
    "2001:db8::/129",
    "2001:db8::1/64",
    "::ffff:10.0.0.0/8",
    "loopback",
    "*",
};

static void networks_are_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct networks n;
        if (networks_read(str_of(refused[i]), &n) != RC_MALFORMED)
            fail_msg("%s", refused[i]);
        assert_int_equal(n.n, 0);
    }
}

static void there_is_a_limit_to_networks(void **state) {
    (void)state;
    char text[(NETWORKS_MAX + 1) * 4 + 1];
    struct networks n;
    for (size_t i = 0; i <= NETWORKS_MAX; i++) {
        text[4 * i] = ':';
        text[4 * i + 1] = ':';
        text[4 * i + 2] = '7';
        text[4 * i + 3] = i < NETWORKS_MAX ? ',' : '\0';
    }
    assert_int_equal(networks_read(str_of(text), &n), RC_MALFORMED);
    text[4 * NETWORKS_MAX - 1] = '\0';
    assert_int_equal(networks_read(str_of(text), &n), RC_OK);
    assert_int_equal(n.n, NETWORKS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_whole_or_refused),
        cmocka_unit_test(ipv4_is_the_same_on_both_families),
        cmocka_unit_test(loopback_is_known),
        cmocka_unit_test(limits_tell_ipv6_apart_by_the_64),
        cmocka_unit_test(networks_have_those_inside),
        cmocka_unit_test(networks_are_read_whole_or_refused),
        cmocka_unit_test(there_is_a_limit_to_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
