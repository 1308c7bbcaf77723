/* tests/wire/test_time.c -- RFC 3339 times, held against the C library's calendar.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static const struct {
    struct str in;
    int64_t want;
} good[] = {
    {STR_INIT("1970-01-01T00:00:00Z"), 0},
    {STR_INIT("2026-05-26T23:06:17.123Z"), 1779836777123},
    {STR_INIT("2026-05-26t23:06:17.123z"), 1779836777123},
    {STR_INIT("2026-05-26T23:06:17.1239999999999999999999999999999Z"), 1779836777123},
    {STR_INIT("2026-05-26T23:06:17.1Z"), 1779836777100},
    {STR_INIT("2026-05-26T23:06:17.12+00:00"), 1779836777120},
    {STR_INIT("2026-05-27T00:06:17+01:00"), 1779836777000},
    {STR_INIT("2026-05-26T13:36:17-09:30"), 1779836777000},
    {STR_INIT("2026-05-27T23:05:17+23:59"), 1779836777000},
    {STR_INIT("2026-05-26T23:06:17-00:00"), 1779836777000},
    /* RFC 3339, 5.8. */
    {STR_INIT("1985-04-12T23:20:50.52Z"), 482196050520},
    {STR_INIT("1996-12-19T16:39:57-08:00"), 851042397000},
    {STR_INIT("1990-12-31T23:59:60Z"), 662688000000},
    {STR_INIT("1990-12-31T15:59:60-08:00"), 662688000000},
    {STR_INIT("1937-01-01T12:00:27.87+00:20"), -1041337172130},
    {STR_INIT("2016-12-31T23:59:60.999Z"), 1483228800999},
    {STR_INIT("2000-02-29T00:00:00Z"), 951782400000},
    {STR_INIT("2024-02-29T00:00:00Z"), 1709164800000},
    {STR_INIT("1969-12-31T23:59:59.999Z"), -1},
    {STR_INIT("0000-01-01T00:00:00Z"), -62167219200000},
    {STR_INIT("0000-01-01T00:00:00+23:59"), -62167219200000 - 86340000},
    {STR_INIT("9999-12-31T23:59:59.999Z"), 253402300799999},
};

static const struct str bad[] = {
    {NULL, 0},
    STR_INIT(""),
    STR_INIT("2026"),
    STR_INIT("2026-05-26"),
    STR_INIT("2026-05-26T23:06Z"),
    STR_INIT("2026-05-26T23:06:17"),
    STR_INIT("2026-05-26 23:06:17Z"),
    STR_INIT("2026-05-26T23:06:17.Z"),
    STR_INIT("2026-05-26T23:06:17,5Z"),
    STR_INIT("2026-05-26T23:06:17Z "),
    STR_INIT(" 2026-05-26T23:06:17Z"),
    STR_INIT("2026-05-26T23:06:17ZZ"),
    STR_INIT("2026-05-26T23:06:17\0"),
    STR_INIT("2026-05-26T23:06:17+0100"),
    STR_INIT("2026-05-26T23:06:17+01"),
    STR_INIT("2026-05-26T23:06:17+01:0"),
    STR_INIT("2026-05-26T23:06:17+24:00"),
    STR_INIT("2026-05-26T23:06:17+01:60"),
    STR_INIT("2026-05-26T23:06:17 01:00"),
    STR_INIT("2026-05-26T24:00:00Z"),
    STR_INIT("2026-05-26T23:60:00Z"),
    STR_INIT("2026-05-26T23:06:61Z"),
    STR_INIT("2026-05-26T23:06:60Z"),      /* no leap second can be there */
    STR_INIT("2026-05-26T23:59:60Z"),      /* not the end of a month */
    STR_INIT("1990-12-31T23:59:60-08:00"), /* not the end in UTC */
    STR_INIT("2026-00-26T23:06:17Z"),
    STR_INIT("2026-13-26T23:06:17Z"),
    STR_INIT("2026-05-00T23:06:17Z"),
    STR_INIT("2026-05-32T23:06:17Z"),
    STR_INIT("2026-04-31T23:06:17Z"),
    STR_INIT("2026-02-29T23:06:17Z"),
    STR_INIT("1900-02-29T23:06:17Z"),
    STR_INIT("2000-02-30T23:06:17Z"),
    STR_INIT("026-05-26T23:06:17Z"),
    STR_INIT("12026-05-26T23:06:17Z"),
    STR_INIT("-026-05-26T23:06:17Z"),
    STR_INIT("2026-5-26T23:06:17Z"),
    STR_INIT("2026-05-26T3:06:17Z"),
    STR_INIT("2026-+5-26T23:06:17Z"),
    STR_INIT("2026/05/26T23:06:17Z"),
    STR_INIT("1779836777123"),
};

static void every_form_is_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = 42;
        if (time_read(good[i].in, &ms) != RC_OK || ms != good[i].want)
            fail_msg("%.*s: %lld", STR_ARG(good[i].in), (long long)ms);
    }
}

static void all_else_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms = 42;
        if (time_read(bad[i], &ms) != RC_MALFORMED || ms != 42)
            fail_msg("%.*s: %lld", STR_ARG(bad[i]), (long long)ms);
    }
}

static void check_day(struct buf *b, int64_t s, int ms) {
    struct tm tm;
    time_t at = (time_t)s;
    char want[48];
    int64_t back = 42;
    assert_non_null(gmtime_r(&at, &tm));
    int n = snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
    assert_int_equal(n, 24);
    buf_clear(b);
    time_put(b, s * 1000 + ms);
    assert_string_equal(buf_cstr(b), want);
    assert_int_equal(time_read(buf_str(b), &back), RC_OK);
    assert_int_equal(back, s * 1000 + ms);
}

/* Some second of every 5th day from year 0 to 9999, and all days around each new year. */
static void ten_thousand_years_print_as_the_c_library_has_them(void **state) {
    (void)state;
    static const int64_t first_s = -62167219200, last_s = 253402300799;
    struct buf b;
    buf_init(&b, 64);
    int64_t day = 0;
    for (int64_t s = first_s; s <= last_s; day += 5, s = first_s + day * 86400)
        check_day(&b, s + day * 7919 % 86400, (int)(day % 1000));
    for (int year = 0; year < 9999; year++)
        for (int64_t d = -1; d <= 1; d++) {
            struct tm tm = {.tm_year = year + 1 - 1900, .tm_mday = 1};
            check_day(&b, timegm(&tm) + d, 999);
        }
    check_day(&b, last_s, 999);
    buf_done(&b);
}

static void times_beyond_four_digits_are_the_last_that_fit(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    time_put(&b, INT64_MAX);
    assert_string_equal(buf_cstr(&b), "9999-12-31T23:59:59.999Z");
    buf_clear(&b);
    time_put(&b, INT64_MIN);
    assert_string_equal(buf_cstr(&b), "0000-01-01T00:00:00.000Z");
    buf_done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(ten_thousand_years_print_as_the_c_library_has_them),
        cmocka_unit_test(times_beyond_four_digits_are_the_last_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
