/* wire/time.c -- RFC 3339 times, and the proleptic Gregorian calendar behind them.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/time.h"

#include <stdbool.h>

enum { MS_PER_S = 1000, S_PER_DAY = 86400, DAYS_PER_400_YEARS = 146097 };

/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z. */
static const int64_t least_ms = -62167219200000, most_ms = 253402300799999;

static bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int days_in_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 0000-01-01 to the first of January of `year` (>= 0); year 0 was a leap year. */
static int64_t days_before_year(int64_t year) {
    return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

struct date {
    int year, month, day;
};

/* The date `days` (>= 0) after 0000-01-01. */
static struct date date_of(int64_t days) {
    int64_t year = days * 400 / DAYS_PER_400_YEARS; /* at most one off */
    while (days_before_year(year) > days)
        year--;
    while (days_before_year(year + 1) <= days)
        year++;
    int64_t of_month = days - days_before_year(year);
    int month = 1;
    while (of_month >= days_in_month(year, month))
        of_month -= days_in_month(year, month++);
    return (struct date){(int)year, month, (int)of_month + 1};
}

void time_put(struct buf *out, int64_t wall_ms) {
    if (wall_ms < least_ms)
        wall_ms = least_ms;
    if (wall_ms > most_ms)
        wall_ms = most_ms;
    int64_t ms = wall_ms - least_ms, s = ms / MS_PER_S;
    struct date date = date_of(s / S_PER_DAY);
    s %= S_PER_DAY;
    buf_putf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.year, date.month, date.day,
             (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60), (int)(ms % MS_PER_S));
}

/* What is left to read, and whether all went well so far. */
struct reader {
    struct str rest;
    bool good;
};

static int read_digits(struct reader *r, int count, int least, int most) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (r->rest.n == 0 || r->rest.p[0] < '0' || r->rest.p[0] > '9') {
            r->good = false;
            return least;
        }
        value = value * 10 + (r->rest.p[0] - '0');
        r->rest = str_from(r->rest, 1);
    }
    if (value < least || value > most) {
        r->good = false;
        return least;
    }
    return value;
}

/* Takes one byte that is a or b. */
static bool take(struct reader *r, char a, char b) {
    bool is_there = r->rest.n > 0 && (r->rest.p[0] == a || r->rest.p[0] == b);
    if (is_there)
        r->rest = str_from(r->rest, 1);
    return is_there;
}

static void expect(struct reader *r, char a, char b) {
    if (!take(r, a, b))
        r->good = false;
}

/* time-secfrac, cut to milliseconds; 0 when there is none. */
static int read_fraction(struct reader *r) {
    if (!take(r, '.', '.'))
        return 0;
    int ms = read_digits(r, 1, 0, 9) * 100;
    for (int unit = 10; r->good && r->rest.n && r->rest.p[0] >= '0' && r->rest.p[0] <= '9';
         unit /= 10)
        ms += read_digits(r, 1, 0, 9) * unit;
    return ms;
}

/* time-offset, in seconds east of UTC. */
static int read_offset(struct reader *r) {
    if (take(r, 'Z', 'z'))
        return 0;
    bool is_west = take(r, '-', '-');
    if (!is_west)
        expect(r, '+', '+');
    int hours = read_digits(r, 2, 0, 23);
    expect(r, ':', ':');
    int east = (hours * 60 + read_digits(r, 2, 0, 59)) * 60;
    return is_west ? -east : east;
}

/* A leap second is the last one of a month in UTC (RFC 3339, 5.7). utc_s: the second after it,
 * since 0000-01-01. */
static bool may_leap_before(int64_t utc_s) {
    return utc_s > 0 && utc_s % S_PER_DAY == 0 && date_of(utc_s / S_PER_DAY).day == 1;
}

enum rc time_read(struct str text, int64_t *wall_ms) {
    struct reader r = {text, true};
    int year = read_digits(&r, 4, 0, 9999);
    expect(&r, '-', '-');
    int month = read_digits(&r, 2, 1, 12);
    expect(&r, '-', '-');
    int day = read_digits(&r, 2, 1, days_in_month(year, month));
    expect(&r, 'T', 't');
    int hour = read_digits(&r, 2, 0, 23);
    expect(&r, ':', ':');
    int minute = read_digits(&r, 2, 0, 59);
    expect(&r, ':', ':');
    int second = read_digits(&r, 2, 0, 60);
    int ms = read_fraction(&r);
    int east_s = read_offset(&r);
    if (!r.good || r.rest.n)
        return RC_MALFORMED;

    int64_t days = days_before_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    int64_t utc_s = days * S_PER_DAY + hour * 3600 + minute * 60 + second - east_s;
    if (second == 60 && !may_leap_before(utc_s))
        return RC_MALFORMED;
    *wall_ms = utc_s * MS_PER_S + ms + least_ms;
    return RC_OK;
}
