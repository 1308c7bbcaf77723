/* tests/wire/test_handle.c -- the grammar of handles, its order of complaints, the reserved names.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define A32 "abcdefghijklmnopqrstuvwxyz012345"

static const struct {
    struct str in;
    enum rc want;
} rows[] = {
    {STR_INIT("bob"), RC_OK},
    {STR_INIT("alice"), RC_OK},
    {STR_INIT("0_-"), RC_OK},
    {STR_INIT("a--"), RC_OK},
    {STR_INIT("9a_b-c"), RC_OK},
    {STR_INIT(A32), RC_OK},
    {{NULL, 0}, RC_TOO_SHORT},
    {STR_INIT(""), RC_TOO_SHORT},
    {STR_INIT("a"), RC_TOO_SHORT},
    {STR_INIT("ab"), RC_TOO_SHORT},
    {STR_INIT("_A"), RC_TOO_SHORT}, /* length before bytes */
    {STR_INIT(A32 "6"), RC_TOO_LARGE},
    {STR_INIT("_" A32), RC_TOO_LARGE},
    {STR_INIT("_ab"), RC_BAD_FIRST},
    {STR_INIT("-ab"), RC_BAD_FIRST},
    {STR_INIT("Abc"), RC_BAD_FIRST},
    {STR_INIT("-A!"), RC_BAD_FIRST}, /* the first byte before the rest */
    {STR_INIT("\xc3\xa4"
              "bc"),
     RC_BAD_FIRST},
    {STR_INIT("\0bc"), RC_BAD_FIRST},
    {STR_INIT("aBc"), RC_MALFORMED},
    {STR_INIT("a.c"), RC_MALFORMED},
    {STR_INIT("ab "), RC_MALFORMED},
    {STR_INIT("ab\n"), RC_MALFORMED},
    {STR_INIT("ab\0"), RC_MALFORMED},
    {STR_INIT("ab/c"), RC_MALFORMED},
    {STR_INIT("ab@c"), RC_MALFORMED},
    {STR_INIT("ab`"), RC_MALFORMED},
    {STR_INIT("ab{"), RC_MALFORMED},
    {STR_INIT("ab:"), RC_MALFORMED},
    {STR_INIT("b\xc3\xa4"), RC_MALFORMED},
};

static void a_handle_is_read_or_refused_for_the_first_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct handle h = {"untouched"};
        assert_string_equal(rc_name(handle_read(rows[i].in, &h)), rc_name(rows[i].want));
        if (rows[i].want == RC_OK)
            assert_true(str_eq(handle_str(&h), rows[i].in));
        else
            assert_string_equal(h.text, "untouched");
    }
}

static void every_byte_but_the_allowed_is_refused(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'b'};
        char first[] = {(char)c, 'a', 'b'};
        struct handle h;
        bool alnum = c && strchr("abcdefghijklmnopqrstuvwxyz0123456789", c);
        bool rest = alnum || c == '_' || c == '-';
        assert_int_equal(handle_read((struct str){text, 3}, &h), rest ? RC_OK : RC_MALFORMED);
        assert_int_equal(handle_read((struct str){first, 3}, &h), alnum ? RC_OK : RC_BAD_FIRST);
    }
}

static void handles_are_padded_and_compared_whole(void **state) {
    (void)state;
    struct handle a, b;
    memset(&a, 'x', sizeof a);
    memset(&b, 'y', sizeof b);
    assert_int_equal(handle_read(STR("bob"), &a), RC_OK);
    assert_int_equal(handle_read(STR("bob"), &b), RC_OK);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(handle_eq(&a, &b));
    assert_int_equal(handle_read(STR("bobo"), &b), RC_OK);
    assert_false(handle_eq(&a, &b));
}

/* As the protocol lists them, so that the order of the table does not matter. */
static const char reserved[] =
    "admin, administrator, root, system, api, internal, kez, support, help, abuse, postmaster, "
    "noreply, no-reply, mailer-daemon, webmaster, hostmaster, www, ftp, mail, smtp, imap, pop3, "
    "everyone, all, anyone, nobody";

static void reserved_names_are_valid_handles_that_are_marked(void **state) {
    (void)state;
    struct str rest = str_of(reserved), name;
    size_t count = 0;
    for (bool more = true; more; count++) {
        struct handle h;
        more = str_cut(rest, ',', &name, &rest);
        rest = str_from(rest, 1);
        assert_int_equal(handle_read(name, &h), RC_OK);
        assert_true(handle_is_reserved(&h));
    }
    assert_int_equal(count, 26);
}

static void names_near_the_reserved_ones_are_free(void **state) {
    (void)state;
    static const char *const free_names[] = {"admin1", "roo", "allo", "apis", "no_reply", "www2"};
    for (size_t i = 0; i < sizeof free_names / sizeof *free_names; i++) {
        struct handle h;
        assert_int_equal(handle_read(str_of(free_names[i]), &h), RC_OK);
        assert_false(handle_is_reserved(&h));
    }
}

static void each_refusal_has_an_advice_of_its_own(void **state) {
    (void)state;
    static const enum rc all[] = {RC_TOO_SHORT, RC_TOO_LARGE, RC_BAD_FIRST, RC_MALFORMED};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(handle_advice(all[i]), handle_advice(all[k]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_read_or_refused_for_the_first_reason),
        cmocka_unit_test(every_byte_but_the_allowed_is_refused),
        cmocka_unit_test(handles_are_padded_and_compared_whole),
        cmocka_unit_test(reserved_names_are_valid_handles_that_are_marked),
        cmocka_unit_test(names_near_the_reserved_ones_are_free),
        cmocka_unit_test(each_refusal_has_an_advice_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
