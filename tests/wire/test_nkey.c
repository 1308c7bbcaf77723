/* tests/wire/test_nkey.c -- user seeds are read strictly, and public keys print as NATS does.
 *
 * Vector: the pair that the NATS documentation shows for nkey authentication.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/nkey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/auth.h"

#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define USER "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static void a_seed_gives_the_documented_public_key(void **state) {
    (void)state;
    uint8_t seed[NKEY_SEED_BYTES];
    assert_int_equal(nkey_read_seed(STR(SEED), seed), RC_OK);
    struct key key;
    auth_key_of_seed(seed, &key);
    char text[NKEY_USER_TEXT_LEN + 1];
    nkey_print_user(&key, text);
    assert_string_equal(text, USER);
}

static void only_whole_user_seeds_are_read(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct str in;
    } rows[] = {
        {"nothing", STR_INIT("")},
        {"a public key", STR_INIT(USER)},
        {"one byte short", {SEED, NKEY_SEED_TEXT_LEN - 1}},
        {"one byte long", STR_INIT(SEED "A")},
        {"a NUL after it", {SEED, NKEY_SEED_TEXT_LEN + 1}},
        {"lower case", STR_INIT("suacssl3uahudxkfsnvuzrf5uhpmwz6bfdtj7m6usdxiednppqyyycu3vy")},
        {"a digit that base32 lacks",
         STR_INIT("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3V1")},
        {"another byte in the middle",
         STR_INIT("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYZCU3VY")},
        {"an account's seed",
         STR_INIT("SAACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t seed[NKEY_SEED_BYTES];
        if (nkey_read_seed(rows[i].in, seed) != RC_MALFORMED)
            fail_msg("%s was taken for a seed", rows[i].what);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_documented_public_key),
        cmocka_unit_test(only_whole_user_seeds_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
