/* fuzz_jcs -- the canonical form means the same as the text, is its own canonical form, and is what
 * a second, simpler way of writing it gives: members compared as UTF-16 (RFC 8785, 3.2.3), numbers
 * found by trying every length (ECMA-262, Number::toString).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/jcs.h"

enum { NUMBERS_MAX = 64, DIGITS_MAX = 17 }; /* numbers of one input that are tried; of a double */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static json_t *load(struct str text) {
    /* A name with a NUL in it is beyond jansson, and so never compared. */
    return json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                      NULL);
}

/* ---- the second way ---- */

/* The next code unit of sound UTF-8; *low is the second of a pair that is still to come. */
static int next_unit(const char **p, const char *end, int *low) {
    if (*low) {
        int unit = *low;
        *low = 0;
        return unit;
    }
    if (*p == end)
        return -1;
    unsigned lead = (unsigned char)*(*p)++;
    int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    unsigned point = more == 0 ? lead : lead & (0x3fU >> more);
    while (more-- > 0)
        point = point << 6 | ((unsigned char)*(*p)++ & 0x3fU);
    if (point < 0x10000)
        return (int)point;
    *low = (int)(0xdc00 + ((point - 0x10000) & 0x3ff));
    return (int)(0xd800 + ((point - 0x10000) >> 10));
}

static bool comes_before(const char *a, size_t a_n, const char *b, size_t b_n) {
    const char *a_end = a + a_n, *b_end = b + b_n;
    int a_low = 0, b_low = 0, x, y;
    do {
        x = next_unit(&a, a_end, &a_low);
        y = next_unit(&b, b_end, &b_low);
    } while (x == y && x != -1);
    return x < y;
}

/* Digits and exponent of the shortest decimal for a positive value, the nearest of its length. */
static int shortest(double value, long long *digits, int *exponent) {
    for (int n = 1;; n++) {
        char text[48], integer[24];
        int at = 0;
        (void)snprintf(text, sizeof text, "%.*e", n - 1, value);
        for (const char *c = text; *c != 'e'; c++)
            if (*c != '.')
                integer[at++] = *c;
        integer[at] = '\0';
        *exponent = atoi(strchr(text, 'e') + 1) - (n - 1);
        static const int tries[] = {0, 1, -1};
        for (size_t i = 0; i < 3; i++) {
            *digits = atoll(integer) + tries[i];
            (void)snprintf(text, sizeof text, "%llde%d", *digits, *exponent);
            if (strtod(text, NULL) == value) /* to the last bit */
                return n;
        }
        must(n < DIGITS_MAX);
    }
}

static void expect_number(double value) {
    char digits[24], want[64], *w = want;
    long long all;
    int exponent = 0;
    struct buf ours;
    buf_init(&ours, sizeof want);
    jcs_put_number(&ours, value);
    if (value < 0)
        *w++ = '-';
    if (value == 0) {
        (void)strcpy(want, "0");
    } else {
        (void)shortest(value < 0 ? -value : value, &all, &exponent);
        for (; all % 10 == 0; all /= 10)
            exponent++;
        int k = snprintf(digits, sizeof digits, "%lld", all), n = k + exponent;
        if (k <= n && n <= 21)
            (void)sprintf(w, "%s%.*s", digits, n - k, "000000000000000000000");
        else if (0 < n && n <= 21)
            (void)sprintf(w, "%.*s.%s", n, digits, digits + n);
        else if (-6 < n && n <= 0)
            (void)sprintf(w, "0.%.*s%s", -n, "000000", digits);
        else
            (void)sprintf(w, "%c%s%se%+d", digits[0], k > 1 ? "." : "", digits + 1, n - 1);
    }
    must(str_eq(buf_str(&ours), str_of(want)));
    buf_done(&ours);
}

/* `canonical` as jansson read it: members come in the order of the text. */
static void check_form(json_t *canonical, int *numbers) {
    if (json_is_real(canonical) && (*numbers)++ < NUMBERS_MAX)
        expect_number(json_real_value(canonical));
    for (size_t i = 0; i < json_array_size(canonical); i++)
        check_form(json_array_get(canonical, i), numbers);
    if (!json_is_object(canonical))
        return;
    const char *last = NULL;
    size_t last_n = 0;
    for (void *i = json_object_iter(canonical); i; i = json_object_iter_next(canonical, i)) {
        const char *name = json_object_iter_key(i);
        size_t n = json_object_iter_key_len(i);
        must(!last || comes_before(last, last_n, name, n));
        check_form(json_object_iter_value(i), numbers);
        last = name;
        last_n = n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = {(const char *)data, size};
    struct buf once, twice;
    int numbers = 0;
    buf_init(&once, size * JCS_MAX_GROWTH);
    buf_init(&twice, size * JCS_MAX_GROWTH);
    enum rc rc = jcs_put(text, &once);
    must(rc == RC_OK || rc == RC_MALFORMED);
    if (rc == RC_OK) {
        must(jcs_put(buf_str(&once), &twice) == RC_OK);
        must(str_eq(buf_str(&once), buf_str(&twice)));
        json_t *before = load(text), *after = load(buf_str(&once));
        must(!before == !after && (!before || json_equal(before, after)));
        if (after)
            check_form(after, &numbers);
        json_decref(before);
        json_decref(after);
    }
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
