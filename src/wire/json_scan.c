/* wire/json_scan.c -- a pull parser: one state, one bit for each open container, no stack.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "wire/json_scan.h"

#include <string.h>

/* What the grammar allows next. */
enum expect {
    EXPECT_VALUE,
    EXPECT_ITEM_OR_END, /* just after '[' */
    EXPECT_NAME_OR_END, /* just after '{' */
    EXPECT_MORE,        /* after a value: ',' or the container's end, or the text's */
    EXPECT_NOTHING,     /* after an error */
};

void json_scan_init(struct json_scan *s, struct str text) {
    const char *p = text.p ? text.p : "";
    *s = (struct json_scan){.p = p, .end = p + text.n, .expect = EXPECT_VALUE};
}

static enum json_token bad(struct json_scan *s) {
    s->expect = EXPECT_NOTHING;
    return SCAN_BAD;
}

static void skip_space(struct json_scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

/* Does one of these eight bytes end a run of plain string bytes: a control character, a quote, a
 * backslash, or a byte over 0x7f? A byte too small for its subtraction turns its top bit on; the
 * borrow can touch only other bytes, and then the answer is yes anyway. */
static bool has_special(uint64_t word) {
    const uint64_t ones = UINT64_MAX / 255, tops = ones * 0x80;
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t below = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return (below & tops) != 0;
}

static const char *skip_plain(const char *p, const char *end) {
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        if (has_special(word))
            break;
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* The length of the UTF-8 sequence of a character over U+007F at p (RFC 3629, 4); 0 when it is
 * none. */
static size_t utf8_length(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p), n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90))
        return 0; /* overlong */
    if ((u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0; /* a surrogate, or beyond U+10FFFF */
    return n;
}

/* The length of the escape at p, which is a backslash; 0 when it is none. */
static size_t escape_length(const char *p, const char *end) {
    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
    if (end - p < 6)
        return 0;
    for (int i = 2; i < 6; i++) {
        char lower = (char)(p[i] | 0x20);
        if (!((p[i] >= '0' && p[i] <= '9') || (lower >= 'a' && lower <= 'f')))
            return 0;
    }
    return 6;
}

/* s->p is at the opening quote; moves it behind the closing one. */
static bool string(struct json_scan *s) {
    const char *start = s->p, *p = start + 1;
    s->escaped = false;
    while ((p = skip_plain(p, s->end)) < s->end && *p != '"') {
        size_t n = 0;
        if (*p == '\\') {
            n = escape_length(p, s->end);
            s->escaped = true;
        } else if ((unsigned char)*p >= 0x80) {
            n = utf8_length(p, s->end);
        }
        if (n == 0)
            return false;
        p += n;
    }
    if (p == s->end)
        return false;
    s->p = p + 1;
    s->raw = (struct str){start, (size_t)(s->p - start)};
    return true;
}

static const char *digits(const char *p, const char *end) {
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* RFC 8259, 6: [ minus ] int [ frac ] [ exp ] */
static bool number(struct json_scan *s) {
    const char *start = s->p, *end = s->end, *p = start + (*start == '-'), *from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p > from + 1))
        return false;
    if (p < end && *p == '.') {
        from = ++p;
        if ((p = digits(p, end)) == from)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        if ((p = digits(p, end)) == from)
            return false;
    }
    s->p = p;
    s->raw = (struct str){start, (size_t)(p - start)};
    return true;
}

static bool literal(struct json_scan *s) {
    static const struct str words[] = {STR_INIT("true"), STR_INIT("false"), STR_INIT("null")};
    struct str rest = {s->p, (size_t)(s->end - s->p)};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts_with(rest, words[i])) {
            s->raw = (struct str){s->p, words[i].n};
            s->p += words[i].n;
            return true;
        }
    return false;
}

static bool inside_object(const struct json_scan *s) {
    return s->depth > 0 && (s->in_object >> (s->depth - 1) & 1);
}

static enum json_token open_container(struct json_scan *s, bool object) {
    if (s->depth == JSON_MAX_DEPTH)
        return bad(s);
    uint64_t bit = (uint64_t)1 << s->depth;
    s->in_object = object ? s->in_object | bit : s->in_object & ~bit;
    s->depth++;
    s->raw = (struct str){s->p++, 1};
    s->expect = object ? EXPECT_NAME_OR_END : EXPECT_ITEM_OR_END;
    return object ? SCAN_OBJECT : SCAN_ARRAY;
}

static enum json_token close_container(struct json_scan *s) {
    bool object = inside_object(s);
    s->depth--;
    s->raw = (struct str){s->p++, 1};
    s->expect = EXPECT_MORE;
    return object ? SCAN_OBJECT_END : SCAN_ARRAY_END;
}

static enum json_token value(struct json_scan *s) {
    if (s->p == s->end)
        return bad(s);
    if (*s->p == '{' || *s->p == '[')
        return open_container(s, *s->p == '{');
    enum json_token token = SCAN_LITERAL;
    bool good;
    if (*s->p == '"') {
        token = SCAN_STRING;
        good = string(s);
    } else if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) {
        token = SCAN_NUMBER;
        good = number(s);
    } else {
        good = literal(s);
    }
    s->expect = EXPECT_MORE;
    return good ? token : bad(s);
}

static enum json_token name(struct json_scan *s) {
    if (s->p == s->end || *s->p != '"' || !string(s))
        return bad(s);
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return bad(s);
    s->p++;
    s->expect = EXPECT_VALUE;
    return SCAN_NAME;
}

static bool at_end_of_container(const struct json_scan *s) {
    return s->p < s->end && *s->p == (inside_object(s) ? '}' : ']');
}

enum json_token json_scan_next(struct json_scan *s) {
    if (s->expect == EXPECT_NOTHING)
        return SCAN_BAD;
    skip_space(s);
    if (s->expect == EXPECT_MORE) {
        if (s->depth == 0)
            return s->p == s->end ? SCAN_DONE : bad(s);
        if (at_end_of_container(s))
            return close_container(s);
        if (s->p == s->end || *s->p != ',')
            return bad(s);
        s->p++;
        skip_space(s);
        return inside_object(s) ? name(s) : value(s);
    }
    if ((s->expect == EXPECT_NAME_OR_END || s->expect == EXPECT_ITEM_OR_END) &&
        at_end_of_container(s))
        return close_container(s);
    return s->expect == EXPECT_NAME_OR_END ? name(s) : value(s);
}
