/* tests/wire/test_shortest.c -- the shortest decimal, held against the slow way: try one length
 * after the other with the C library, and take the nearest of the first that reads back.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/shortest.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DIGITS_MAX = 17, NEIGHBOURS = 2, DRAWN = 20000, TEXT_MAX = 64 };

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Whether the two are the same double, to the bit. */
static bool reads_back(struct decimal d, double value) {
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof text, "%" PRIu64 "e%d", d.digits, d.exponent);
    return bits_of(strtod(text, NULL)) == bits_of(value);
}

/* The decimal of n digits nearest to the value, as printf() rounds it, moved by `off`. */
static struct decimal nearest(double value, int n, int off) {
    char text[TEXT_MAX];
    struct decimal d = {0, 0};
    (void)snprintf(text, sizeof text, "%.*e", n - 1, value);
    for (const char *c = text; *c != 'e'; c++)
        if (*c != '.')
            d.digits = d.digits * 10 + (uint64_t)(*c - '0');
    d.digits = (uint64_t)((int64_t)d.digits + off);
    d.exponent = atoi(strchr(text, 'e') + 1) - (n - 1);
    return d;
}

/* A power of two has twice as much room above as below: so the nearest of a length may not read
 * back where the next one does. */
static struct decimal the_slow_way(double value) {
    static const int offs[] = {0, 1, -1};
    for (int n = 1; n <= DIGITS_MAX; n++)
        for (size_t i = 0; i < sizeof offs / sizeof *offs; i++) {
            struct decimal d = nearest(value, n, offs[i]);
            if (!reads_back(d, value))
                continue;
            for (; d.digits % 10 == 0; d.exponent++)
                d.digits /= 10;
            return d;
        }
    fail_msg("%a has no decimal", value);
    return (struct decimal){0, 0};
}

static void check(uint64_t bits) {
    double value = double_of(bits);
    if (!isfinite(value) || bits == 0)
        return;
    struct decimal d = shortest_decimal(value), slow = the_slow_way(value);
    if (d.digits != slow.digits || d.exponent != slow.exponent)
        fail_msg("%a: %" PRIu64 "e%d, and %" PRIu64 "e%d the slow way", value, d.digits, d.exponent,
                 slow.digits, slow.exponent);
}

static void check_around(double value) {
    for (uint64_t bits = bits_of(value) - NEIGHBOURS; bits <= bits_of(value) + NEIGHBOURS; bits++)
        check(bits);
}

static const struct {
    double value;
    uint64_t digits;
    int exponent;
} rows[] = {
    {1, 1, 0},
    {10, 1, 1},
    {0.1, 1, -1},
    {123, 123, 0},
    {1200, 12, 2},
    {0.3, 3, -1},
    {1e21, 1, 21},
    {1e23, 1, 23}, /* which no double is; the nearest below it reads back */
    {9007199254740994, 9007199254740994, 0},
    {5e-324, 5, -324},
    {DBL_MIN, 22250738585072014, -324},
    {DBL_MAX, 17976931348623157, 292},
    {9.5367431640625e-7, 95367431640625, -20}, /* 2^-20 */
};

static void known_numbers_have_known_digits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decimal d = shortest_decimal(rows[i].value);
        if (d.digits != rows[i].digits || d.exponent != rows[i].exponent)
            fail_msg("%a: %" PRIu64 "e%d", rows[i].value, d.digits, d.exponent);
    }
}

/* Where the distance to the next double changes, and where the digits do. */
static void powers_and_their_neighbours_are_shortest(void **state) {
    (void)state;
    for (int power = DBL_MIN_EXP - DBL_MANT_DIG + 2; power < DBL_MAX_EXP; power++)
        check_around(ldexp(1, power));
    for (int power = DBL_MIN_10_EXP - DBL_DIG + 1; power <= DBL_MAX_10_EXP; power++) {
        char text[TEXT_MAX];
        (void)snprintf(text, sizeof text, "1e%d", power);
        check_around(strtod(text, NULL));
    }
    check(bits_of(DBL_MAX));
}

static void the_smallest_are_shortest(void **state) {
    (void)state;
    for (uint64_t bits = 1; bits < 2000; bits++)
        check(bits);
    for (uint64_t bits = bits_of(DBL_MIN) - 1000; bits < bits_of(DBL_MIN) + 1000; bits++)
        check(bits);
}

/* Always the same ones: a linear congruence (Knuth, MMIX). */
static void doubles_as_they_fall_are_shortest(void **state) {
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < DRAWN; i++) {
        bits = bits * 6364136223846793005U + 1442695040888963407U;
        check(bits >> 1);                           /* any above 0 */
        check(bits >> 12 >> (bits >> 3) % 51);      /* below the normal ones */
        check(bits_of((double)(bits >> 11)));       /* whole ones */
        check(bits_of((double)(bits >> 44) / 100)); /* and prices */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers_have_known_digits),
        cmocka_unit_test(powers_and_their_neighbours_are_shortest),
        cmocka_unit_test(the_smallest_are_shortest),
        cmocka_unit_test(doubles_as_they_fall_are_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
