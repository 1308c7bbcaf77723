/* base/str.c -- comparing, cutting and reading borrowed bytes.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "base/str.h"

#include <string.h>

struct str str_of(const char *text) {
    return (struct str){text, text ? strlen(text) : 0};
}

bool str_is_absent(struct str s) { return s.p == NULL; }

bool str_eq(struct str a, struct str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* Not strncasecmp(): that one stops at a NUL and asks the locale. */
bool str_eq_nocase(struct str a, struct str b) {
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts_with(struct str s, struct str prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

struct str str_from(struct str s, size_t from) {
    if (s.p == NULL)
        return s;
    if (from > s.n)
        from = s.n;
    return (struct str){s.p + from, s.n - from};
}

bool str_cut(struct str s, char sep, struct str *head, struct str *tail) {
    const char *at = s.n ? memchr(s.p, sep, s.n) : NULL;
    if (!at) {
        *head = s;
        *tail = (struct str){NULL, 0};
        return false;
    }
    size_t before = (size_t)(at - s.p);
    *head = (struct str){s.p, before};
    *tail = (struct str){at + 1, s.n - before - 1};
    return true;
}

enum rc str_read_u64(struct str s, uint64_t max, uint64_t *out) {
    if (s.n == 0 || (s.n > 1 && s.p[0] == '0'))
        return RC_MALFORMED;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return RC_MALFORMED;
    uint64_t value = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return RC_TOO_LARGE;
        value = value * 10 + digit;
    }
    *out = value;
    return RC_OK;
}

void str_put_hex(const void *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

static int nibble(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

enum rc str_read_hex(struct str s, void *out, size_t n) {
    if (s.n != 2 * n)
        return RC_MALFORMED;
    for (size_t i = 0; i < s.n; i++)
        if (nibble(s.p[i]) < 0)
            return RC_MALFORMED;
    unsigned char *to = out;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)(nibble(s.p[2 * i]) * 16 + nibble(s.p[2 * i + 1]));
    return RC_OK;
}
