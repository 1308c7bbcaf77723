/* tests/base/test_buf.c -- the growing buffer: its limit, its failure that stays, what it prints.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

static void writes_follow_each_other(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_put(&b, STR("a"));
    buf_put(&b, (struct str){NULL, 0});
    buf_put_byte(&b, '-');
    buf_put_u64(&b, 0);
    buf_put_byte(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_put_byte(&b, ' ');
    buf_put_i64(&b, INT64_MIN);
    buf_put_byte(&b, ' ');
    buf_put_i64(&b, INT64_MAX);
    buf_put_hex(&b, "\x00\xff", 2);
    buf_putf(&b, " %s=%d", "n", 5);
    assert_int_equal(buf_rc(&b), RC_OK);
    assert_string_equal(buf_cstr(&b), "a-0 18446744073709551615 -9223372036854775808 "
                                      "922337203685477580700ff n=5");
    assert_int_equal(buf_str(&b).n, strlen(b.p));
    buf_done(&b);
}

static void an_empty_buffer_is_an_empty_text(void **state) {
    (void)state;
    struct buf b;
    size_t n = 7;
    buf_init(&b, 0);
    assert_false(str_is_absent(buf_str(&b)));
    assert_int_equal(buf_str(&b).n, 0);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_rc(&b), RC_OK);
    buf_done(&b);
    assert_null(buf_take(&b, &n));
    assert_int_equal(n, 0);
    buf_done(&b);
}

static void the_limit_is_reached_and_not_passed(void **state) {
    (void)state;
    for (size_t limit = 1; limit < 600; limit += 7) {
        struct buf b;
        buf_init(&b, limit);
        for (size_t i = 0; i < limit; i++)
            buf_put_byte(&b, (char)('a' + i % 26));
        assert_int_equal(buf_rc(&b), RC_OK);
        assert_int_equal(strlen(buf_cstr(&b)), limit);
        assert_true(b.cap <= limit + 1);
        buf_put_byte(&b, 'x');
        assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
        assert_int_equal(b.n, limit);
        buf_done(&b);
    }
}

static void every_write_knows_the_limit(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    buf_put(&b, STR("abcd"));
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_put_u64(&b, 1234);
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_put_i64(&b, -123);
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_put_hex(&b, "ab", 2);
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_putf(&b, "%d", 1234);
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    assert_null(buf_reserve(&b, 4));
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_putf(&b, "%d", 123);
    assert_string_equal(buf_cstr(&b), "123");
    buf_done(&b);
}

static void lengths_that_no_sum_can_hold_are_refused(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put_byte(&b, 'x');
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_put_hex(&b, "", SIZE_MAX / 2 + 1);
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    static const wchar_t unprintable[] = {0xdc00, 0};
    buf_putf(&b, "%ls", unprintable); /* vsnprintf() gives no length, as for one over INT_MAX */
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    buf_clear(&b);
    buf_put_byte(&b, 'y');
    assert_string_equal(buf_cstr(&b), "y");
    buf_done(&b);
}

static void a_failure_stays_until_cleared(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    buf_put(&b, STR("ab"));
    buf_put(&b, STR("cd"));
    buf_put(&b, STR("e")); /* would fit, but something before it is missing */
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE);
    assert_true(str_eq(buf_str(&b), STR("ab")));
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);
    assert_int_equal(buf_rc(&b), RC_OK);
    buf_put(&b, STR("xyz"));
    assert_string_equal(buf_cstr(&b), "xyz");
    buf_done(&b);
}

static void reserved_room_is_the_writers(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_put(&b, STR("ab"));
    char *to = buf_reserve(&b, 998);
    assert_non_null(to);
    memset(to, 'z', 998);
    assert_int_equal(b.n, 2);
    b.n += 998;
    assert_int_equal(strlen(buf_cstr(&b)), 1000);
    buf_done(&b);
}

static void taken_bytes_are_the_callers(void **state) {
    (void)state;
    struct buf b;
    size_t n = 0;
    buf_init(&b, 10);
    buf_put(&b, STR("abc"));
    char *p = buf_take(&b, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(p, "abc", 3);
    free(p);
    assert_int_equal(b.n, 0);
    buf_put(&b, STR("0123456789"));
    assert_int_equal(buf_rc(&b), RC_OK);
    buf_put_byte(&b, 'x');
    assert_int_equal(buf_rc(&b), RC_TOO_LARGE); /* the limit is the same */
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_follow_each_other),
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(the_limit_is_reached_and_not_passed),
        cmocka_unit_test(every_write_knows_the_limit),
        cmocka_unit_test(lengths_that_no_sum_can_hold_are_refused),
        cmocka_unit_test(a_failure_stays_until_cleared),
        cmocka_unit_test(reserved_room_is_the_writers),
        cmocka_unit_test(taken_bytes_are_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
