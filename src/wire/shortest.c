/* wire/shortest.c -- digits of value = r / s, one after the other, until what is left lies between
 * the neighbours of the value.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/shortest.h"

#include <stdbool.h>
#include <string.h>

/* ---- whole numbers ---- */

/* 2^1076, for the smallest double, and 10^309 * 4, for the largest, each times 10, and 31 bits that
 * scale() adds: 1111 bits. */
enum { BIG_WORDS = 36, WORD_BITS = 32 };

/* The lowest word first; those from n on are not set. */
struct big {
    int n;
    uint32_t w[BIG_WORDS];
};

static struct big big_of(uint64_t value) {
    struct big b;
    for (b.n = 0; value > 0; value >>= WORD_BITS)
        b.w[b.n++] = (uint32_t)value;
    return b;
}

static void times(struct big *b, uint32_t by) {
    uint64_t carry = 0;
    for (int i = 0; i < b->n; i++) {
        carry += (uint64_t)b->w[i] * by;
        b->w[i] = (uint32_t)carry;
        carry >>= WORD_BITS;
    }
    if (carry)
        b->w[b->n++] = (uint32_t)carry;
}

static void times_two_to(struct big *b, int power) {
    int words = power / WORD_BITS;
    times(b, (uint32_t)1 << power % WORD_BITS);
    memmove(b->w + words, b->w, (size_t)b->n * sizeof *b->w);
    memset(b->w, 0, (size_t)words * sizeof *b->w);
    b->n += words;
}

static void times_ten_to(struct big *b, int power) {
    enum { AT_ONCE = 9, TEN_TO_9 = 1000000000 };
    for (; power >= AT_ONCE; power -= AT_ONCE)
        times(b, TEN_TO_9);
    while (power-- > 0)
        times(b, 10);
}

static int compare(const struct big *a, const struct big *b) {
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (int i = a->n - 1; i >= 0; i--)
        if (a->w[i] != b->w[i])
            return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

static struct big sum(const struct big *a, const struct big *b) {
    struct big out = {.n = a->n > b->n ? a->n : b->n};
    uint64_t carry = 0;
    for (int i = 0; i < out.n; i++) {
        carry += (uint64_t)(i < a->n ? a->w[i] : 0) + (i < b->n ? b->w[i] : 0);
        out.w[i] = (uint32_t)carry;
        carry >>= WORD_BITS;
    }
    if (carry)
        out.w[out.n++] = (uint32_t)carry;
    return out;
}

/* Leaves a - by * b, which is not below 0. */
static void take_off(struct big *a, const struct big *b, uint32_t by) {
    uint64_t carry = 0, borrow = 0;
    for (int i = 0; i < a->n; i++) {
        carry += i < b->n ? (uint64_t)b->w[i] * by : 0;
        uint64_t off = (uint32_t)carry + borrow;
        carry >>= WORD_BITS;
        borrow = a->w[i] < off;
        a->w[i] = (uint32_t)(a->w[i] - off);
    }
    while (a->n > 0 && a->w[a->n - 1] == 0)
        a->n--;
}

/* a / b, which is below 10, and leaves the rest in a. The highest word of b is a large one: so what
 * the highest words say is hardly ever too small, and never too large. */
static uint64_t divide(struct big *a, const struct big *b) {
    if (a->n < b->n)
        return 0;
    int top = b->n - 1;
    uint64_t high = a->n > b->n ? (uint64_t)a->w[b->n] << WORD_BITS : 0;
    uint64_t quotient = (high | a->w[top]) / ((uint64_t)b->w[top] + 1);
    take_off(a, b, (uint32_t)quotient);
    for (; compare(a, b) >= 0; quotient++)
        take_off(a, b, 1);
    return quotient;
}

/* ---- digits ---- */

/* The value is r / s; it reads back from (r - below) / s to (r + above) / s, ends included when it
 * is even, for a tie goes to the even one. */
struct range {
    struct big r, s, above, below;
    bool is_even;
    int top_bit; /* the value is at least 2 to this power, and less than twice that */
};

static struct range range_of(double value) {
    enum { FRACTION_BITS = 52, EXPONENT_MASK = 0x7ff, BIAS = 1075 };
    uint64_t bits, fraction;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> FRACTION_BITS) & EXPONENT_MASK;
    fraction = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    /* The next double below a power of two is only half as far away; twice all of it stays whole.
     */
    int more = exponent > 1 && fraction == 0 ? 2 : 1;
    if (exponent > 0)
        fraction |= (uint64_t)1 << FRACTION_BITS;
    int power = (exponent > 0 ? exponent : 1) - BIAS, up = power > 0 ? power : 0;

    struct range range = {big_of(fraction), big_of(1),         big_of(1),
                          big_of(1),        fraction % 2 == 0, power - 1};
    for (uint64_t rest = fraction; rest > 0; rest >>= 1)
        range.top_bit++;
    times_two_to(&range.r, up + more);
    times_two_to(&range.s, (power < 0 ? -power : 0) + more);
    times_two_to(&range.above, up + more - 1);
    times_two_to(&range.below, up);
    return range;
}

static bool reaches_down(const struct range *range) {
    int order = compare(&range->r, &range->below);
    return order < 0 || (order == 0 && range->is_even);
}

static bool reaches_up(const struct range *range) {
    struct big most = sum(&range->r, &range->above);
    int order = compare(&most, &range->s);
    return order > 0 || (order == 0 && range->is_even);
}

static void next_place(struct range *range) {
    times(&range->r, 10);
    times(&range->above, 10);
    times(&range->below, 10);
}

/* floor(log10(2^power)); exact for every power that a double can have. */
static int tens_in_two_to(int power) {
    enum { LOG_BITS = 32 };
    const int64_t log10_of_2 = 1292913986, one = (int64_t)1 << LOG_BITS; /* log10(2) * 2^32 */
    int64_t product = power * log10_of_2;
    return (int)((product - (product < 0 ? one - 1 : 0)) / one);
}

/* Scales until the first digit is the one before the point, and divide() works well; returns the
 * power of ten of that digit's place, which may be one more than the first guess. */
static int scale(struct range *range) {
    int place = tens_in_two_to(range->top_bit);
    if (place >= -1) {
        times_ten_to(&range->s, place + 1);
    } else {
        times_ten_to(&range->r, -place - 1);
        times_ten_to(&range->above, -place - 1);
        times_ten_to(&range->below, -place - 1);
    }
    int spare = 0; /* bits of the highest word of s */
    while (range->s.w[range->s.n - 1] << spare >> (WORD_BITS - 1) == 0)
        spare++;
    times_two_to(&range->r, spare);
    times_two_to(&range->s, spare);
    times_two_to(&range->above, spare);
    times_two_to(&range->below, spare);
    if (reaches_up(range))
        return place + 1;
    next_place(range);
    return place;
}

/* Whether the last digit is to be one more: what is left is over a half, or a half of an odd one.
 */
static bool is_nearer_above(const struct range *range, uint64_t digit) {
    struct big twice = sum(&range->r, &range->r);
    int order = compare(&twice, &range->s);
    return order > 0 || (order == 0 && digit % 2 == 1);
}

struct decimal shortest_decimal(double value) {
    struct range range = range_of(value);
    struct decimal out = {0, scale(&range)};
    for (;; out.exponent--) {
        uint64_t digit = divide(&range.r, &range.s);
        bool down = reaches_down(&range), up = reaches_up(&range);
        if (down && up)
            up = is_nearer_above(&range, digit);
        out.digits = out.digits * 10 + digit + up;
        if (down || up)
            return out;
        next_place(&range);
    }
}
