/* tests/base/test_str.c -- borrowed bytes: comparing, cutting, numbers and hex.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct str absent = {NULL, 0};

static void absent_and_empty_are_equal_but_not_the_same(void **state) {
    (void)state;
    assert_true(str_is_absent(str_of(NULL)));
    assert_false(str_is_absent(str_of("")));
    assert_false(str_is_absent(STR("")));
    assert_true(str_eq(absent, STR("")));
    assert_true(str_eq_nocase(absent, STR("")));
    assert_true(str_starts_with(absent, absent));
    assert_true(str_starts_with(STR("a"), absent));
    assert_int_equal(str_of("abc").n, 3);
    assert_int_equal(STR("a\0b").n, 3);
}

static void equality_is_of_all_bytes(void **state) {
    (void)state;
    static const struct {
        struct str a, b;
        bool same, same_nocase;
    } rows[] = {
        {STR_INIT("abc"), STR_INIT("abc"), true, true},
        {STR_INIT("abc"), STR_INIT("abd"), false, false},
        {STR_INIT("abc"), STR_INIT("ab"), false, false},
        {STR_INIT("abc"), STR_INIT("abcd"), false, false},
        {STR_INIT("X-KEZ-Auth"), STR_INIT("x-kez-aUTH"), false, true},
        {STR_INIT("a\0b"), STR_INIT("a\0c"), false, false}, /* a NUL is a byte like others */
        {STR_INIT("a\0b"), STR_INIT("A\0B"), false, true},
        {STR_INIT("@["), STR_INIT("`{"), false, false},     /* beside the letters */
        {STR_INIT("\xc4"), STR_INIT("\xe4"), false, false}, /* ASCII only */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(str_eq(rows[i].a, rows[i].b), rows[i].same);
        assert_int_equal(str_eq(rows[i].b, rows[i].a), rows[i].same);
        assert_int_equal(str_eq_nocase(rows[i].a, rows[i].b), rows[i].same_nocase);
        assert_int_equal(str_eq_nocase(rows[i].b, rows[i].a), rows[i].same_nocase);
    }
}

static void a_prefix_may_be_all_but_not_more(void **state) {
    (void)state;
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_true(str_starts_with(STR("abc"), STR("abc")));
    assert_false(str_starts_with(STR("abc"), STR("abcd")));
    assert_false(str_starts_with(STR("abc"), STR("b")));
}

static void the_rest_from_beyond_the_end_is_empty(void **state) {
    (void)state;
    assert_true(str_eq(str_from(STR("abc"), 1), STR("bc")));
    assert_true(str_eq(str_from(STR("abc"), 3), STR("")));
    assert_true(str_eq(str_from(STR("abc"), 4), STR("")));
    assert_false(str_is_absent(str_from(STR("abc"), 4)));
    assert_true(str_is_absent(str_from(absent, 1)));
}

static void a_cut_is_at_the_first_separator(void **state) {
    (void)state;
    struct str head, tail;
    assert_true(str_cut(STR("a:b:c"), ':', &head, &tail));
    assert_true(str_eq(head, STR("a")) && str_eq(tail, STR("b:c")));
    assert_true(str_cut(STR(":"), ':', &head, &tail));
    assert_true(str_eq(head, STR("")) && str_eq(tail, STR("")));
    assert_false(str_is_absent(tail));
    assert_false(str_cut(STR("abc"), ':', &head, &tail));
    assert_true(str_eq(head, STR("abc")) && str_is_absent(tail));
    assert_false(str_cut(absent, ':', &head, &tail));
    assert_true(str_is_absent(head) && str_is_absent(tail));

    struct str same = STR("k=v"); /* the parts may be written over the whole */
    assert_true(str_cut(same, '=', &head, &same));
    assert_true(str_eq(head, STR("k")) && str_eq(same, STR("v")));
}

static void a_number_is_read_whole_or_refused(void **state) {
    (void)state;
    static const struct {
        struct str in;
        uint64_t max;
        enum rc want;
        uint64_t value;
    } rows[] = {
        {STR_INIT("0"), 0, RC_OK, 0},
        {STR_INIT("7"), 7, RC_OK, 7},
        {STR_INIT("8"), 7, RC_TOO_LARGE, 0},
        {STR_INIT("70"), 7, RC_TOO_LARGE, 0},
        {STR_INIT("10"), 10, RC_OK, 10},
        {STR_INIT("11"), 10, RC_TOO_LARGE, 0},
        {STR_INIT("1"), 0, RC_TOO_LARGE, 0},
        {STR_INIT("18446744073709551615"), UINT64_MAX, RC_OK, UINT64_MAX},
        {STR_INIT("18446744073709551616"), UINT64_MAX, RC_TOO_LARGE, 0},
        {STR_INIT("99999999999999999999"), UINT64_MAX, RC_TOO_LARGE, 0},
        {STR_INIT("1000000000000000000000000000000"), UINT64_MAX, RC_TOO_LARGE, 0},
        {{NULL, 0}, 7, RC_MALFORMED, 0},
        {STR_INIT(""), 7, RC_MALFORMED, 0},
        {STR_INIT("00"), 7, RC_MALFORMED, 0},
        {STR_INIT("07"), 7, RC_MALFORMED, 0},
        {STR_INIT("+7"), 7, RC_MALFORMED, 0},
        {STR_INIT("-0"), 7, RC_MALFORMED, 0},
        {STR_INIT(" 7"), 7, RC_MALFORMED, 0},
        {STR_INIT("7 "), 7, RC_MALFORMED, 0},
        {STR_INIT("7\0"), 7, RC_MALFORMED, 0},
        {STR_INIT("9x"), 7, RC_MALFORMED, 0}, /* malformed goes before too large */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 77;
        assert_int_equal(str_read_u64(rows[i].in, rows[i].max, &value), rows[i].want);
        assert_int_equal(value, rows[i].want == RC_OK ? rows[i].value : 77);
    }
}

static void hex_goes_both_ways_in_lower_case(void **state) {
    (void)state;
    unsigned char all[256], back[256];
    char text[512];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    str_put_hex(all, sizeof all, text);
    assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f1011", 36);
    assert_memory_equal(text + 508, "feff", 4);
    assert_int_equal(str_read_hex((struct str){text, 512}, back, 256), RC_OK);
    assert_memory_equal(back, all, sizeof all);
}

static void hex_of_another_form_is_refused(void **state) {
    (void)state;
    static const struct str bad[] = {{NULL, 0},        STR_INIT("0a1"),  STR_INIT("0a1b2"),
                                     STR_INIT("0a1B"), STR_INIT("0a1g"), STR_INIT("0a1/"),
                                     STR_INIT("0a1:"), STR_INIT("0a1`"), STR_INIT(" a1b"),
                                     STR_INIT("0x1b"), STR_INIT("0a1\0")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char out[2] = {0x77, 0x77};
        assert_int_equal(str_read_hex(bad[i], out, 2), RC_MALFORMED);
        assert_memory_equal(out, "\x77\x77", 2);
    }
    assert_int_equal(str_read_hex(absent, NULL, 0), RC_OK);
}

static void every_result_has_a_name_and_a_text(void **state) {
    (void)state;
    assert_string_equal(rc_name(RC_FULL), "RC_FULL");
    assert_string_equal(rc_text(RC_FULL), "full");
    for (int rc = 0; rc <= RC_IO; rc++) {
        assert_int_equal(strncmp(rc_name((enum rc)rc), "RC_", 3), 0);
        assert_true(strlen(rc_text((enum rc)rc)) > 1);
    }
    assert_string_equal(rc_name((enum rc)(RC_IO + 1)), "RC_?");
    assert_non_null(rc_text((enum rc)(RC_IO + 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_and_empty_are_equal_but_not_the_same),
        cmocka_unit_test(equality_is_of_all_bytes),
        cmocka_unit_test(a_prefix_may_be_all_but_not_more),
        cmocka_unit_test(the_rest_from_beyond_the_end_is_empty),
        cmocka_unit_test(a_cut_is_at_the_first_separator),
        cmocka_unit_test(a_number_is_read_whole_or_refused),
        cmocka_unit_test(hex_goes_both_ways_in_lower_case),
        cmocka_unit_test(hex_of_another_form_is_refused),
        cmocka_unit_test(every_result_has_a_name_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
