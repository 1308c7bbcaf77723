/* tests/wire/test_key.c -- the text form of primaries, and which points are sound keys.
 *
 * The points were computed from the curve equation of RFC 8032, 5.1, apart from libsodium.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *why, *hex;
    bool want;
} points[] = {
    {"the protocol's vector", "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12",
     true},
    {"RFC 8032, 7.1, test 1", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     true},
    {"the base point", "5866666666666666666666666666666666666666666666666666666666666666", true},
    {"y = 3 is on the curve", "0300000000000000000000000000000000000000000000000000000000000000",
     true},
    {"the vector plus a point of order 2: not small",
     "ccad072e6486e2dbbacdbd1ea0d154934830058495a12cff6869f1f9677e24ed", true},
    {"the vector plus a point of order 4: not small",
     "8776ffa64dc601c9b766886e8bdc4901f867ddc247da04e238b3caf3468b9f38", true},
    {"the vector plus a point of order 8: not small",
     "70800703461b8dcbf9a4a6661ef74b8f946a38ccda26da8f3a8a8f5fcd945766", true},
    {"neutral", "0100000000000000000000000000000000000000000000000000000000000000", false},
    {"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
    {"order 4", "0000000000000000000000000000000000000000000000000000000000000000", false},
    {"order 4", "0000000000000000000000000000000000000000000000000000000000000080", false},
    {"order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", false},
    {"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", false},
    {"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", false},
    {"order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", false},
    {"y = 2 is off the curve", "0200000000000000000000000000000000000000000000000000000000000000",
     false},
    {"y = 7 is off the curve", "0700000000000000000000000000000000000000000000000000000000000000",
     false},
    {"neutral with the sign of x set",
     "0100000000000000000000000000000000000000000000000000000000000080", false},
    {"y = p, not canonical", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     false},
    {"y = p + 1, not canonical", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
     false},
    {"y = p + 3, on the curve and not canonical",
     "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
    {"y = 2^255 - 1", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false},
    {"all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
};

static void only_points_of_the_curve_of_large_order_are_sound(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct key k;
        assert_int_equal(str_read_hex(str_of(points[i].hex), k.bytes, KEY_BYTES), RC_OK);
        if (key_is_sound(&k) != points[i].want)
            fail_msg("%s: %s", points[i].why, points[i].hex);
    }
}

#define HEX "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"

static const struct {
    struct str in;
    enum rc want;
} texts[] = {
    {STR_INIT("ed25519:" HEX), RC_OK},
    {{NULL, 0}, RC_MALFORMED},
    {STR_INIT(""), RC_MALFORMED},
    {STR_INIT("ed25519:"), RC_MALFORMED},
    {STR_INIT(HEX), RC_MALFORMED},
    {STR_INIT("ed25519" HEX), RC_MALFORMED},
    {STR_INIT("Ed25519:" HEX), RC_MALFORMED},
    {STR_INIT("ed25518:" HEX), RC_MALFORMED},
    {STR_INIT(" ed25519:" HEX), RC_MALFORMED},
    {STR_INIT("ed25519: " HEX), RC_MALFORMED},
    {STR_INIT("ed25519:" HEX "\n"), RC_MALFORMED},
    {STR_INIT("ed25519:" HEX "0"), RC_MALFORMED},
    {STR_INIT("ed25519:" HEX "00"), RC_MALFORMED},
    {STR_INIT("ed25519:2152F8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"),
     RC_MALFORMED},
    {STR_INIT("ed25519:g152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"),
     RC_MALFORMED},
    {STR_INIT("ed25519:152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12"),
     RC_MALFORMED},
};

static void the_text_of_a_key_is_read_whole_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct key k, before;
        memset(&k, 0x5a, sizeof k);
        before = k;
        assert_string_equal(rc_name(key_read(texts[i].in, &k)), rc_name(texts[i].want));
        assert_true(key_eq(&k, &before) == (texts[i].want != RC_OK));
    }
}

static void a_key_prints_as_it_was_read(void **state) {
    (void)state;
    struct key k, again;
    char text[KEY_TEXT_LEN + 1];
    assert_int_equal(key_read(STR("ed25519:" HEX), &k), RC_OK);
    assert_int_equal(k.bytes[0], 0x21);
    assert_int_equal(k.bytes[31], 0x12);
    key_print(&k, text);
    assert_string_equal(text, "ed25519:" HEX);
    assert_int_equal(key_read(str_of(text), &again), RC_OK);
    assert_true(key_eq(&k, &again));
    again.bytes[31] ^= 1;
    assert_false(key_eq(&k, &again));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_points_of_the_curve_of_large_order_are_sound),
        cmocka_unit_test(the_text_of_a_key_is_read_whole_or_refused),
        cmocka_unit_test(a_key_prints_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
